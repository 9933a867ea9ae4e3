//! What becomes of a commit whose PUT has no clear answer: cases (a) to (d), at the request, and
//! at the deadline. The truth is always what a fresh process reads.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{
    Fault, Kind, TestStore, contents, create, create_with, open, pairs, put, small, truth,
};
use manifest_core::{Ambiguity, Error, Options, Status};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::Notify;

#[tokio::test(start_paused = true)]
async fn a_the_reply_is_lost_and_the_commit_is_found() {
    for fault in [Fault::LoseReply, Fault::Silence, Fault::HiddenRetry] {
        let store = TestStore::new();
        let manifest = create(&store).await;
        store.fault(Kind::Put, "head", fault.clone());
        let commit = put(&manifest, "k", "v").commit().await.expect("committed");
        assert_eq!(commit.seq, 1);
        assert_eq!(store.counts(), (1, 1), "{fault:?}: one PUT and one GET");
        assert_eq!(contents(&manifest.snapshot()), pairs(&[("k", "v")]));
        assert_eq!(truth(&store).await, pairs(&[("k", "v")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_the_commit_is_found_behind_the_commits_of_others() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    let commit = async {
        store.fault(Kind::Put, "head", Fault::Silence);
        put(&manifest, "k", "v").commit().await
    };
    let others = async {
        // While the first one still waits for its answer, others build on its commit.
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.read().await.unwrap();
        for number in 0..3 {
            put(&other, "k", &number.to_string()).commit().await.unwrap();
        }
    };
    let (commit, ()) = tokio::join!(commit, others);
    assert_eq!(commit.expect("committed").seq, 1);
    assert_eq!(truth(&store).await, pairs(&[("k", "2")]));
}

#[tokio::test(start_paused = true)]
async fn b_the_request_is_lost_and_the_same_bytes_go_out_again() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    store.fault(Kind::Put, "head", Fault::Lose);
    put(&manifest, "k", "v").commit().await.expect("committed");
    assert_eq!(store.counts(), (2, 1), "a second PUT after one GET");
    assert_eq!(manifest.head_info().version, 2);
}

#[tokio::test(start_paused = true)]
async fn b_an_answer_that_a_newer_head_has_overtaken_leaves_nothing_open() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    store.counts();
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "head", Fault::Lose);
    store.fault(Kind::Get, "head", Fault::HoldAnswer(Arc::clone(&gate)));
    let others = async {
        // "Not modified" is on its way. Another process commits, and this one hears of it first.
        tokio::time::sleep(Duration::from_millis(50)).await;
        put(&other, "k", "theirs").commit().await.expect("committed");
        manifest.read().await.expect("read");
        gate.notify_one();
    };
    let (commit, ()) = tokio::join!(put(&manifest, "k", "ours").commit(), others);
    assert_eq!(commit.expect("committed").seq, 2);
    assert_eq!(store.counts(), (3, 2), "lost, theirs and ours; the question and the read");
    assert_eq!(truth(&store).await, pairs(&[("k", "ours")]));
}

#[tokio::test(start_paused = true)]
async fn b_a_late_first_put_and_the_second_one_land_once() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    store.fault(Kind::Put, "head", Fault::Late);
    put(&manifest, "k", "v").commit().await.expect("committed");
    assert_eq!(store.land_late().await, [false], "its base is gone");
    assert_eq!(manifest.read().await.unwrap().seq(), 1);
}

#[tokio::test(start_paused = true)]
async fn b_at_the_deadline_the_outcome_is_unknown_and_status_tells_it_later() {
    for lands in [true, false] {
        let store = TestStore::new();
        let manifest = create(&store).await;
        store.fault(Kind::Put, "head", Fault::Late);
        for _ in 0..200 {
            store.fault(Kind::Put, "head", Fault::Lose);
        }
        let error = put(&manifest, "k", "v").commit().await.expect_err("no outcome");
        let Error::OutcomeUnknown { id } = error else { panic!("{error:?}") };
        assert_eq!(manifest.status(id).await.unwrap(), Status::Unknown);
        store.clear_faults();

        if lands {
            assert_eq!(store.land_late().await, [true]);
            assert_eq!(manifest.status(id).await.unwrap(), Status::Committed { seq: 1 });
            let restarted = open(&store, 5).await;
            assert_eq!(restarted.status(id).await.unwrap(), Status::Committed { seq: 1 });
        } else {
            // The next commit replaces the base: the late PUT can never land.
            put(&manifest, "other", "v").commit().await.unwrap();
            assert_eq!(store.land_late().await, [false]);
            assert_eq!(manifest.status(id).await.unwrap(), Status::NotCommitted);
            let restarted = open(&store, 5).await;
            assert_eq!(restarted.status(id).await.unwrap(), Status::NotCommitted);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b_at_the_deadline_burning_the_base_makes_it_definite() {
    let store = TestStore::new();
    let options = Options { ambiguity: Ambiguity::BurnBase, ..small() };
    let manifest = create_with(&store, options.clone()).await;
    store.fault(Kind::Put, "head", Fault::Late);
    // With no back-off to speak of the number of tries before the deadline is that of time-outs.
    for _ in 0..9 {
        store.fault(Kind::Put, "head", Fault::Late);
    }
    let error = put(&manifest, "k", "v").commit().await.expect_err("refused");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(store.land_late().await.iter().all(|landed| !landed), "all bases are dead");
    assert_eq!(truth(&store).await, pairs(&[]));
    assert_eq!(manifest.head_info().version, 2, "the burning head");
    // The history goes on behind it.
    put(&manifest, "k", "w").commit().await.unwrap();
    assert_eq!(truth(&store).await, pairs(&[("k", "w")]));
}

#[tokio::test(start_paused = true)]
async fn b_a_burn_that_comes_too_late_finds_the_commit() {
    let store = TestStore::new();
    let options = Options {
        ambiguity: Ambiguity::BurnBase,
        commit_deadline: Duration::from_millis(1500),
        ..small()
    };
    let manifest = create_with(&store, options).await;
    // The commit stays open over its deadline; it lands while the burn is on its way.
    store.fault(Kind::Put, "head", Fault::Late);
    store.fault(Kind::Put, "head", Fault::Late);
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    store.fault(Kind::Put, "head", Fault::Hold(gate.clone()));
    let commit = put(&manifest, "k", "v").commit();
    let lands = async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(store.land_late().await, [true, false]);
        gate.notify_one();
    };
    let (commit, ()) = tokio::join!(commit, lands);
    assert_eq!(commit.expect("committed").seq, 1);
    assert_eq!(truth(&store).await, pairs(&[("k", "v")]));
}

#[tokio::test(start_paused = true)]
async fn c_a_lost_race_is_validated_again_and_goes_out_on_the_new_head() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    put(&other, "k", "theirs").commit().await.unwrap();
    store.take_log();
    let commit = put(&manifest, "k", "mine").commit().await.expect("a blind write");
    assert_eq!(commit.seq, 2);
    assert_eq!(store.counts(), (2, 1), "PUT (412), GET, PUT");
    assert_eq!(truth(&store).await, pairs(&[("k", "mine")]));
}

#[tokio::test(start_paused = true)]
async fn c_a_lost_race_against_a_write_into_what_was_read_is_a_conflict() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    let mut transaction = manifest.transaction();
    assert!(transaction.get("k").is_none());
    transaction.put("k", "mine");
    put(&other, "k", "theirs").commit().await.unwrap();
    store.take_log();
    let error = transaction.commit().await.expect_err("conflict");
    assert!(matches!(&error, Error::Conflict { key, seq: 1 } if key == "k"), "{error:?}");
    assert_eq!(store.counts(), (1, 1));
    assert_eq!(truth(&store).await, pairs(&[("k", "theirs")]));

    // What is known to conflict makes no request at all.
    let mut transaction = manifest.transaction();
    transaction.get("k");
    transaction.put("k", "mine");
    put(&manifest, "k", "again").commit().await.unwrap();
    store.take_log();
    assert!(matches!(transaction.commit().await, Err(Error::Conflict { seq: 2, .. })));
    assert_eq!(store.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn c_a_put_that_lost_the_race_and_its_reply_is_not_taken_for_committed() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    put(&other, "k", "theirs").commit().await.unwrap();
    store.fault(Kind::Put, "head", Fault::LoseReply);
    let commit = put(&manifest, "m", "mine").commit().await.expect("committed at last");
    assert_eq!(commit.seq, 2);
    assert_eq!(truth(&store).await, pairs(&[("k", "theirs"), ("m", "mine")]));
}

#[tokio::test(start_paused = true)]
async fn d_history_that_cannot_be_seen_makes_the_outcome_unknown() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    // The other one commits enough to seal, so the first one would need the segment to know.
    for number in 0..8 {
        put(&other, &format!("key {number}"), "value").commit().await.unwrap();
    }
    other.maintain().await.unwrap();
    put(&other, "last", "value").commit().await.unwrap();
    assert_eq!(other.head_info().segments, 1);
    let log = store.take_log();
    let segment = log.iter().find(|(_, path)| path.contains("/seg/")).expect("a segment");
    store.inner.delete(&Path::from(segment.1.as_str())).await.unwrap();

    let error = put(&manifest, "k", "mine").commit().await.expect_err("cannot be told");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn damage_on_the_way_is_read_again() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 2).await;
    put(&other, "k", "theirs").commit().await.unwrap();
    for fault in [Fault::FlipBit, Fault::Cut] {
        store.fault(Kind::Get, "head", fault);
        put(&manifest, "m", "mine").commit().await.expect("committed at last");
        put(&other, "n", "theirs").commit().await.expect("committed");
    }
    assert_eq!(store.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_ends_in_unknown() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    for _ in 0..100 {
        store.fault(Kind::Put, "head", Fault::Silence);
        store.fault(Kind::Get, "head", Fault::Silence);
    }
    let error = put(&manifest, "k", "v").commit().await.expect_err("no answer");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    let error = manifest.read().await.expect_err("no answer");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}
