//! Sending a head, and finding out what became of it.

use std::sync::Arc;
use std::time::Duration;

use manifest_core::{Ambiguity, Error, Manifest, Options, PlantedBug, Status};
use object_store::path::Path;
use tokio::sync::Notify;

use crate::common::{
    Fault, Kind, TestEnv, TestStore, create_with, open, open_with, put, small, truth,
};
use crate::{is_broken, planted, put_in_a_segment, seal, shows, with};

/// Two writers on the same base; the second overwrites the first.
async fn lost_update(planted: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let one = create_with(&store, with(planted)).await;
    let two = open_with(&store, 2, with(planted)).await;
    put(&one, "one", "v").commit().await.expect("acknowledged");
    put(&two, "two", "v").commit().await.expect("acknowledged");
    truth(&store).await.len() < 2
}

#[tokio::test(start_paused = true)]
async fn blind_head_put_loses_an_acknowledged_commit() {
    assert!(lost_update(Some(PlantedBug::BlindHeadPut)).await);
    assert!(!lost_update(None).await);
}

#[tokio::test(start_paused = true)]
async fn stale_payload_rebase_puts_an_old_body_over_a_new_head() {
    assert!(lost_update(Some(PlantedBug::StalePayloadRebase)).await);
    assert!(!lost_update(None).await);
}

#[tokio::test(start_paused = true)]
async fn dedup_by_wseq_takes_the_commit_of_another_for_its_own() {
    assert!(lost_update(Some(PlantedBug::DedupByWseq)).await);
    assert!(!lost_update(None).await);
}

/// A PUT meets a fault, and its process dies as soon as the commit has its outcome. Whether that
/// was a success that is nowhere.
async fn acknowledges_nothing(bug: Option<PlantedBug>, fault: Fault) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    store.fault(Kind::Put, "head", fault);
    let told = put(&manifest, "k", "v").commit().await.is_ok();
    drop(manifest);
    told && !shows(&store, "k").await
}

#[tokio::test(start_paused = true)]
async fn ack_before_publish_acknowledges_what_is_lost_on_the_way() {
    assert!(acknowledges_nothing(Some(PlantedBug::AckBeforePublish), Fault::Lose).await);
    assert!(!acknowledges_nothing(None, Fault::Lose).await);
}

#[tokio::test(start_paused = true)]
async fn conflict_taken_for_committed_acknowledges_what_was_refused() {
    let bug = Some(PlantedBug::ConflictTakenForCommitted);
    assert!(acknowledges_nothing(bug, Fault::Conflict).await);
    assert!(!acknowledges_nothing(None, Fault::Conflict).await);
}

/// A transaction of two keys, seen from outside after its first PUT of the head.
async fn shows_a_half(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let gate = Arc::new(Notify::new());
    // The first one lands and is read back; a second one has to wait.
    store.fault(Kind::Put, "head", Fault::LoseReply);
    store.fault(Kind::Put, "head", Fault::Hold(gate.clone()));
    let mut both = put(&manifest, "one", "v");
    both.put("two", "v");
    let commit = tokio::spawn(both.commit());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let seen = truth(&store).await.len();
    gate.notify_one();
    commit.await.unwrap().expect("acknowledged");
    assert_eq!(truth(&store).await.len(), 2, "in the end all of it is there");
    seen == 1
}

#[tokio::test(start_paused = true)]
async fn torn_batch_shows_half_of_a_transaction() {
    assert!(shows_a_half(Some(PlantedBug::TornBatch)).await);
    assert!(!shows_a_half(None).await);
}

/// A commit whose reply is lost after it landed.
async fn committed_twice(planted: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let manifest = create_with(&store, with(planted)).await;
    store.fault(Kind::Put, "head", Fault::LoseReply);
    put(&manifest, "k", "v").commit().await.expect("acknowledged");
    let fresh = open(&store, 5).await;
    fresh.snapshot().seq() > 1
}

#[tokio::test(start_paused = true)]
async fn ambiguous_retry_recommit_commits_twice() {
    assert!(committed_twice(Some(PlantedBug::AmbiguousRetryRecommit)).await);
    assert!(!committed_twice(None).await);
}

#[tokio::test(start_paused = true)]
async fn refusal_taken_for_loss_commits_twice() {
    assert!(committed_twice(Some(PlantedBug::RefusalTakenForLoss)).await);
    assert!(!committed_twice(None).await);
}

/// A head that publishes a segment lands, and its answer is lost.
async fn deletes_what_it_published(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    seal(&manifest).await;
    store.fault(Kind::Put, "head", Fault::LoseReply);
    put(&manifest, "next", "v").commit().await.expect("acknowledged");
    is_broken(&store).await
}

#[tokio::test(start_paused = true)]
async fn cleanup_on_unknown_deletes_what_a_landed_head_names() {
    assert!(deletes_what_it_published(Some(PlantedBug::CleanupOnUnknown)).await);
    assert!(!deletes_what_it_published(None).await);
}

/// A commit lands, its answer is lost, and before its writer can look it is folded and forgotten.
async fn commits_again(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { dedup_window: 4, ..small() }).await;
    let other = open_with(&store, 5, Options { dedup_window: 4, ..with(bug) }).await;
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "head", Fault::LoseReply);
    store.fault(Kind::Get, "head", Fault::Hold(gate.clone()));
    let commit = put(&manifest, "k", "first").submit().unwrap();
    let id = commit.id();
    let commit = tokio::spawn(commit);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut compactor = other.compactor().await.unwrap();
    for key in ["a", "b", "c", "d"] {
        put_in_a_segment(&other, key).await;
    }
    compactor.checkpoint().await.unwrap();
    gate.notify_one();
    match commit.await.unwrap() {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, Error::OutcomeUnknown { id: told } if told == id), "{error:?}");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unseen_history_trusted_commits_twice() {
    assert!(commits_again(Some(PlantedBug::UnseenHistoryTrusted)).await);
    assert!(!commits_again(None).await);
}

/// A PUT of the head is under way for longer than its writer waits, and lands after all. Whether
/// the writer had said that it never would.
async fn refuses_what_lands(
    bug: Option<PlantedBug>,
    options: Options,
    burn: Option<Fault>,
) -> bool {
    let (store, manifest) = planted(bug, options).await;
    store.fault(Kind::Put, "head", Fault::Late);
    if let Some(fault) = burn {
        store.fault(Kind::Put, "head", fault);
    }
    let result = put(&manifest, "k", "v").commit().await;
    store.land_late().await;
    let refused = matches!(result, Err(Error::Unavailable { .. }));
    refused && shows(&store, "k").await
}

#[tokio::test(start_paused = true)]
async fn open_taken_for_aborted_refuses_what_lands_later() {
    assert!(refuses_what_lands(Some(PlantedBug::OpenTakenForAborted), small(), None).await);
    assert!(!refuses_what_lands(None, small(), None).await);
}

/// Options of a writer that gives up before its first PUT is answered.
fn hasty(ambiguity: Ambiguity) -> Options {
    Options { commit_deadline: Duration::from_millis(500), ambiguity, ..small() }
}

#[tokio::test(start_paused = true)]
async fn burn_unproven_refuses_what_lands_later() {
    let (bug, options) = (Some(PlantedBug::BurnUnproven), hasty(Ambiguity::BurnBase));
    assert!(refuses_what_lands(bug, options.clone(), Some(Fault::Lose)).await);
    assert!(!refuses_what_lands(None, options, Some(Fault::Lose)).await);
}

/// A commit is given up, and its base burnt.
async fn acknowledges_the_burnt(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, hasty(Ambiguity::BurnBase)).await;
    store.fault(Kind::Put, "head", Fault::Late);
    let told = put(&manifest, "k", "v").commit().await.is_ok();
    assert_eq!(store.land_late().await, [false], "its base is burnt");
    told && !shows(&store, "k").await
}

#[tokio::test(start_paused = true)]
async fn burn_acknowledged_acknowledges_what_can_never_land() {
    assert!(acknowledges_the_burnt(Some(PlantedBug::BurnAcknowledged)).await);
    assert!(!acknowledges_the_burnt(None).await);
}

/// Somebody asks for a commit whose PUT is still under way.
async fn denies_what_lands(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, hasty(Ambiguity::ReportUnknown)).await;
    store.fault(Kind::Put, "head", Fault::Late);
    let Err(Error::OutcomeUnknown { id }) = put(&manifest, "k", "v").commit().await else {
        panic!("the outcome is open");
    };
    let status = manifest.status(id).await.unwrap();
    assert_eq!(store.land_late().await, [true]);
    status == Status::NotCommitted && shows(&store, "k").await
}

#[tokio::test(start_paused = true)]
async fn status_too_sure_denies_a_commit_that_lands_later() {
    assert!(denies_what_lands(Some(PlantedBug::StatusTooSure)).await);
    assert!(!denies_what_lands(None).await);
}

/// The answer to the PUT of the first head is lost, and before it is read back somebody commits.
async fn creates_over_a_commit(bug: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "head", Fault::LoseReply);
    store.fault(Kind::Get, "head", Fault::Hold(gate.clone()));
    let creating =
        tokio::spawn(Manifest::create(store.clone(), Path::from("db"), TestEnv::new(1), with(bug)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let other = open(&store, 5).await;
    put(&other, "first", "v").commit().await.expect("acknowledged");
    gate.notify_one();
    let manifest = creating.await.unwrap().expect("created");
    put(&manifest, "second", "v").commit().await.expect("acknowledged");
    !shows(&store, "first").await
}

#[tokio::test(start_paused = true)]
async fn tag_of_another_head_overwrites_what_it_has_not_seen() {
    assert!(creates_over_a_commit(Some(PlantedBug::TagOfAnotherHead)).await);
    assert!(!creates_over_a_commit(None).await);
}

/// A commit writes a segment, loses its race and is refused; then somebody opens the manifest.
async fn revives_what_was_refused(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { inline_limit_bytes: 100, ..small() }).await;
    let other = open(&store, 5).await;
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "head", Fault::Hold(gate.clone()));
    let mut transaction = manifest.transaction();
    transaction.get("k");
    transaction.put("large", "x".repeat(200));
    let commit = tokio::spawn(transaction.commit());
    tokio::time::sleep(Duration::from_millis(1)).await;
    put(&other, "k", "changed").commit().await.expect("acknowledged");
    gate.notify_one();
    let result = commit.await.unwrap();
    assert!(matches!(result, Err(Error::Conflict { .. })), "{result:?}");
    open_with(&store, 6, with(bug)).await;
    shows(&store, "large").await
}

#[tokio::test(start_paused = true)]
async fn orphan_adoption_commits_what_was_refused() {
    assert!(revives_what_was_refused(Some(PlantedBug::OrphanAdoption)).await);
    assert!(!revives_what_was_refused(None).await);
}
