//! Each planted bug fires in a schedule written for it, and the same schedule passes without it.
#![cfg(feature = "planted-bugs")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Fault, Kind, TestEnv, TestStore, create_with, open_with, put, small, truth};
use futures_util::TryStreamExt;
use manifest_core::{
    Compaction, Error, Floor, Manifest, Options, PlantedBug, SavedSnapshot, Status,
};
use object_store::ObjectStore;
use object_store::path::Path;

fn with(planted: Option<PlantedBug>) -> Options {
    Options { planted, ..small() }
}

#[test]
fn names_lead_back_to_the_bugs() {
    for bug in PlantedBug::ALL {
        assert_eq!(bug.name().parse(), Ok(*bug));
        let origin = bug.origin();
        assert!(origin.contains('#') || origin.starts_with("own: "), "{origin}");
        assert!(bug.sentence().ends_with('.'));
    }
    assert!("no-such-bug".parse::<PlantedBug>().is_err());
}

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

/// A commit whose reply is lost after it landed.
async fn committed_twice(planted: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let manifest = create_with(&store, with(planted)).await;
    store.fault(Kind::Put, "head", Fault::LoseReply);
    put(&manifest, "k", "v").commit().await.expect("acknowledged");
    let fresh = common::open(&store, 5).await;
    fresh.snapshot().seq() > 1
}

#[tokio::test(start_paused = true)]
async fn ambiguous_retry_recommit_commits_twice() {
    assert!(committed_twice(Some(PlantedBug::AmbiguousRetryRecommit)).await);
    assert!(!committed_twice(None).await);
}

/// A strong read after an acknowledged commit of somebody else, `age` after the own last request.
async fn stale_read(planted: Option<PlantedBug>, age: Duration) -> bool {
    let store = TestStore::new();
    let one = create_with(&store, with(planted)).await;
    let two = open_with(&store, 2, with(planted)).await;
    put(&one, "k", "v").commit().await.expect("acknowledged");
    tokio::time::sleep(age).await;
    two.read().await.unwrap().get("k").is_none()
}

#[tokio::test(start_paused = true)]
async fn head_cache_stale_serves_old_reads_while_they_are_young() {
    let bug = Some(PlantedBug::HeadCacheStale);
    assert!(stale_read(bug, Duration::from_secs(2)).await);
    assert!(!stale_read(bug, Duration::from_secs(4)).await);
    assert!(!stale_read(None, Duration::from_secs(2)).await);
}

/// A store, and a manifest on it with a bug or without.
async fn planted(bug: Option<PlantedBug>, options: Options) -> (Arc<TestStore>, Manifest) {
    let store = TestStore::new();
    let manifest = create_with(&store, Options { planted: bug, ..options }).await;
    (store, manifest)
}

/// Commits `key` alone, sealed and published in a segment of its own.
async fn in_a_segment(manifest: &Manifest, change: impl AsyncFn(&Manifest)) {
    let before = manifest.head_info().segments;
    change(manifest).await;
    for filler in 0.. {
        if manifest.head_info().segments > before {
            return;
        }
        put(manifest, &format!("filler-{}", filler % 3), &"x".repeat(60)).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
}

async fn put_in_a_segment(manifest: &Manifest, key: &str) {
    in_a_segment(manifest, async |manifest| {
        put(manifest, key, "v").commit().await.unwrap();
    })
    .await;
}

/// Whether a process that opens the manifest now sees the key.
async fn shows(store: &Arc<TestStore>, key: &str) -> bool {
    truth(store).await.iter().any(|(held, _)| held == key)
}

async fn objects(store: &TestStore, folder: &str) -> usize {
    let path = Path::from(format!("db/{folder}"));
    let all: Vec<_> = store.inner.list(Some(&path)).try_collect().await.unwrap();
    all.len()
}

/// A transaction read a key that a commit before the newest one changed.
async fn misses_a_conflict(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut transaction = manifest.transaction();
    transaction.get("k");
    put(&manifest, "k", "changed").commit().await.unwrap();
    put(&manifest, "other", "v").commit().await.unwrap();
    transaction.put("result", "v");
    transaction.commit().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn conflict_window_latest_only_commits_on_what_has_changed() {
    assert!(misses_a_conflict(Some(PlantedBug::ConflictWindowLatestOnly)).await);
    assert!(!misses_a_conflict(None).await);
}

/// A key that the checkpoint holds is deleted, and its delete mark merged.
async fn brings_back(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "k").await;
    compactor.checkpoint().await.unwrap();
    in_a_segment(&manifest, async |manifest| {
        let mut delete = manifest.transaction();
        delete.delete("k");
        delete.commit().await.unwrap();
    })
    .await;
    put_in_a_segment(&manifest, "other").await;
    assert!(matches!(compactor.merge().await.unwrap(), Compaction::Merged { .. }));
    shows(&store, "k").await
}

#[tokio::test(start_paused = true)]
async fn tombstone_drop_brings_a_deleted_key_back() {
    assert!(brings_back(Some(PlantedBug::TombstoneDrop)).await);
    assert!(!brings_back(None).await);
}

/// A fold that takes a step for each of three segments.
async fn folds_too_little(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { fold_step: 1, ..small() }).await;
    let mut compactor = manifest.compactor().await.unwrap();
    for key in ["a", "b", "c"] {
        put_in_a_segment(&manifest, key).await;
    }
    compactor.checkpoint().await.unwrap();
    !shows(&store, "c").await
}

#[tokio::test(start_paused = true)]
async fn checkpoint_covers_head_loses_what_was_not_folded() {
    assert!(folds_too_little(Some(PlantedBug::CheckpointCoversHead)).await);
    assert!(!folds_too_little(None).await);
}

/// A compactor dies after it saved its first step; another one goes on.
async fn resumes_too_far(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { fold_step: 1, ..small() }).await;
    let mut first = manifest.compactor().await.unwrap();
    for key in ["a", "b", "c"] {
        put_in_a_segment(&manifest, key).await;
    }
    store.fault(Kind::Put, "ckpt", Fault::Silence);
    let died = tokio::time::timeout(Duration::from_millis(500), first.checkpoint()).await;
    assert!(died.is_err() && objects(&store, "ckpt").await == 1);
    let mut second = manifest.compactor().await.unwrap();
    let done = second.checkpoint().await.unwrap();
    assert!(matches!(done, Compaction::Checkpointed { .. }), "{done:?}");
    !shows(&store, "c").await
}

#[tokio::test(start_paused = true)]
async fn resumed_compaction_boundary_skips_what_was_not_folded() {
    assert!(resumes_too_far(Some(PlantedBug::ResumedCompactionBoundary)).await);
    assert!(!resumes_too_far(None).await);
}

/// A collector runs while a sealed segment waits for its publication.
async fn publishes_what_is_gone(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    while !manifest.head_info().seal_pending {
        put(&manifest, "k", &"x".repeat(60)).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
    let other = open_with(&store, 5, with(bug)).await;
    other.collector().pass(Floor::ThisPass).await.unwrap();
    manifest.read().await.unwrap();
    put(&manifest, "next", "v").commit().await.unwrap();
    Manifest::open(store.clone(), Path::from("db"), TestEnv::new(9), small()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn gc_inflight_segment_leaves_a_root_that_names_nothing() {
    assert!(publishes_what_is_gone(Some(PlantedBug::GcInflightSegment)).await);
    assert!(!publishes_what_is_gone(None).await);
}

/// Segments that a session reads go out of use, and collectors pass by.
async fn loses_a_pinned_object(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    put_in_a_segment(&manifest, "b").await;
    let mut session = manifest.session().await.unwrap();
    compactor.checkpoint().await.unwrap();
    let mut collector = manifest.collector();
    for _ in 0..3 {
        collector.pass(Floor::ThisPass).await.unwrap();
    }
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn gc_ignores_lease_takes_objects_from_under_a_session() {
    assert!(loses_a_pinned_object(Some(PlantedBug::GcIgnoresLease)).await);
    assert!(!loses_a_pinned_object(None).await);
}

#[tokio::test(start_paused = true)]
async fn retired_dropped_early_makes_a_pinned_object_look_like_an_orphan() {
    assert!(loses_a_pinned_object(Some(PlantedBug::RetiredDroppedEarly)).await);
    assert!(!loses_a_pinned_object(None).await);
}

/// A manifest with an earlier snapshot whose segments went out of use since.
async fn with_a_past(bug: Option<PlantedBug>) -> (Arc<TestStore>, Manifest, SavedSnapshot) {
    let (store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    put_in_a_segment(&manifest, "b").await;
    let saved = manifest.save();
    compactor.checkpoint().await.unwrap();
    (store, manifest, saved)
}

/// A snapshot is reopened while a collector sets its floor.
async fn looks_too_early(bug: Option<PlantedBug>) -> bool {
    let (store, manifest, saved) = with_a_past(bug).await;
    let other = open_with(&store, 5, with(bug)).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    store.fault(Kind::Put, "head", Fault::Hold(gate.clone()));
    let pass = tokio::spawn(async move { other.collector().pass(Floor::ThisPass).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut session = manifest.reopen(&saved).await.expect("the floor is not set yet");
    gate.notify_one();
    pass.await.unwrap().unwrap();
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn gc_plan_no_revalidate_does_not_see_a_pin_that_came_in_time() {
    assert!(looks_too_early(Some(PlantedBug::GcPlanNoRevalidate)).await);
    assert!(!looks_too_early(None).await);
}

/// A snapshot is reopened after a collector has been there.
async fn opens_too_late(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest, saved) = with_a_past(bug).await;
    manifest.collector().pass(Floor::ThisPass).await.unwrap();
    manifest.reopen(&saved).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn pin_after_read_opens_a_snapshot_that_is_collected() {
    assert!(opens_too_late(Some(PlantedBug::PinAfterRead)).await);
    assert!(!opens_too_late(None).await);
}

/// A session waits for a segment for so long that its pin dies and the segment is collected.
async fn reads_on(bug: Option<PlantedBug>) -> bool {
    let (pin_ttl, attempt_timeout) = (Duration::from_secs(1), Duration::from_secs(5));
    let options = Options { pin_ttl, attempt_timeout, ..small() };
    let (store, manifest) = planted(bug, options.clone()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    put_in_a_segment(&manifest, "b").await;
    let mut session = manifest.session().await.unwrap();
    compactor.checkpoint().await.unwrap();
    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();

    let gate = Arc::new(tokio::sync::Notify::new());
    store.fault(Kind::Get, "seg", Fault::Hold(gate.clone()));
    let scan = tokio::spawn(async move { session.scan(..).await.map(|rows| rows.len()) });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for _ in 0..2 {
        collector.pass(Floor::ThisPass).await.unwrap();
    }
    gate.notify_one();
    match scan.await.unwrap() {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, Error::SnapshotExpired { .. }), "{error:?}");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn skip_missing_segment_shows_a_state_that_never_was() {
    assert!(reads_on(Some(PlantedBug::SkipMissingSegment)).await);
    assert!(!reads_on(None).await);
}

/// A fold leaves what it saved on the way, and collectors pass by.
async fn leaks_checkpoints(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { fold_step: 1, ..small() }).await;
    let mut compactor = manifest.compactor().await.unwrap();
    for key in ["a", "b", "c"] {
        put_in_a_segment(&manifest, key).await;
    }
    compactor.checkpoint().await.unwrap();
    let mut collector = manifest.collector();
    for _ in 0..3 {
        collector.pass(Floor::ThisPass).await.unwrap();
    }
    objects(&store, "ckpt").await > 1
}

#[tokio::test(start_paused = true)]
async fn loser_object_leak_leaves_unpublished_checkpoints() {
    assert!(leaks_checkpoints(Some(PlantedBug::LoserObjectLeak)).await);
    assert!(!leaks_checkpoints(None).await);
}

/// A process dies with a pin, and collectors pass by for a long time.
async fn keeps_a_dead_pin(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let session = manifest.session().await.unwrap();
    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();
    drop(session);
    tokio::time::advance(small().pin_ttl * 10).await;
    collector.pass(Floor::ThisPass).await.unwrap();
    objects(&store, "pin").await > 0
}

#[tokio::test(start_paused = true)]
async fn lease_leak_wedges_on_the_pin_of_a_dead_process() {
    assert!(keeps_a_dead_pin(Some(PlantedBug::LeaseLeakWedges)).await);
    assert!(!keeps_a_dead_pin(None).await);
}

/// A role is taken over, and the old owner commits once more.
async fn acts_unfenced(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let role = manifest.acquire("leader").await.unwrap();
    let other = open_with(&store, 5, with(bug)).await;
    other.acquire("leader").await.unwrap();
    let mut late = put(&manifest, "k", "v");
    late.under(&role);
    late.commit().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn fence_check_once_lets_an_old_owner_act() {
    assert!(acts_unfenced(Some(PlantedBug::FenceCheckOnce)).await);
    assert!(!acts_unfenced(None).await);
}

/// Somebody asks for a commit whose record is folded away.
async fn forgets_a_writer(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let writer = open_with(&store, 5, with(bug)).await;
    let commit = put(&writer, "k", "v").commit().await.unwrap();
    manifest.read().await.unwrap();
    let mut compactor = manifest.compactor().await.unwrap();
    for key in ["a", "b", "c", "d", "e"] {
        put_in_a_segment(&manifest, key).await;
    }
    compactor.checkpoint().await.unwrap();
    let fresh = open_with(&store, 6, with(bug)).await;
    fresh.status(commit.id).await.unwrap() != Status::Committed { seq: commit.seq }
}

#[tokio::test(start_paused = true)]
async fn dedup_evicted_early_forgets_an_acknowledged_commit() {
    assert!(forgets_a_writer(Some(PlantedBug::DedupEvictedEarly)).await);
    assert!(!forgets_a_writer(None).await);
}

/// A commit lands, its answer is lost, and before its writer can look it is folded and forgotten.
async fn commits_again(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { dedup_window: 4, ..small() }).await;
    let other = open_with(&store, 5, Options { dedup_window: 4, ..with(bug) }).await;
    let gate = Arc::new(tokio::sync::Notify::new());
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

/// Every bug of the list has its test here.
#[test]
fn every_bug_has_a_directed_test() {
    let tests = include_str!("planted.rs");
    for bug in PlantedBug::ALL {
        assert!(tests.contains(&format!("Some(PlantedBug::{bug:?})")), "{bug}");
    }
}
