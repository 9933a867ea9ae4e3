//! Group commit: one PUT for all who wait, conflicts inside a batch, and leaders that vanish.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Fault, Kind, TestStore, contents, create, create_with, pairs, put, small, truth};
use futures_util::future::join_all;
use manifest_core::{Commit, Error, Limit, Manifest, Options, Status};
use tokio::sync::Notify;

/// The seq that a transaction got, or that of the commit that it conflicts with.
fn told(result: &Result<Commit, Error>) -> Result<u64, u64> {
    match result {
        Ok(commit) => Ok(commit.seq),
        Err(Error::Conflict { seq, .. }) => Err(*seq),
        Err(other) => panic!("{other:?}"),
    }
}

/// Begins a commit whose PUT waits for the gate, so that what comes after it gathers.
async fn hold_first(
    store: &Arc<TestStore>,
    manifest: &Manifest,
) -> (Arc<Notify>, tokio::task::JoinHandle<u64>) {
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "head", Fault::Hold(gate.clone()));
    let first = put(manifest, "first", "1");
    let first = tokio::spawn(async move { first.commit().await.expect("committed").seq });
    tokio::task::yield_now().await;
    (gate, first)
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_one_put_in_their_order() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let (gate, first) = hold_first(&store, &manifest).await;
    let others = (0..20).map(|n| put(&manifest, &format!("{n:02}"), "v").commit());
    let others = tokio::spawn(join_all(others));
    tokio::task::yield_now().await;
    gate.notify_one();
    assert_eq!(first.await.unwrap(), 1);
    let seqs: Vec<u64> = others.await.unwrap().into_iter().map(|c| c.unwrap().seq).collect();
    assert_eq!(seqs, (2..22).collect::<Vec<_>>());
    assert_eq!(store.counts(), (2, 0), "one PUT for the first, one for the twenty");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_limited_in_number_and_in_bytes() {
    let store = TestStore::new();
    let manifest = create_with(&store, Options { max_batch: 8, ..small() }).await;
    let (gate, _first) = hold_first(&store, &manifest).await;
    let others = (0..20).map(|n| put(&manifest, &format!("{n:02}"), "v").commit());
    gate.notify_one();
    assert!(join_all(others).await.iter().all(Result::is_ok));
    assert_eq!(store.counts(), (4, 0), "1 + 8 + 8 + 4");

    // The head holds 4,096 bytes: of six large transactions some wait for the next PUT, and find
    // it full.
    let (gate, _first) = hold_first(&store, &manifest).await;
    let large = "x".repeat(500);
    let others = (0..6).map(|n| put(&manifest, &format!("{n:02}"), &large).commit());
    gate.notify_one();
    let results = join_all(others).await;
    let full = |r: &Result<_, Error>| matches!(r, Err(Error::TooLarge { limit: Limit::Head, .. }));
    let committed = results.iter().filter(|r| r.is_ok()).count();
    assert!(committed >= 2 && results[committed..].iter().all(full), "{results:?}");
    assert!(manifest.head_info().head_bytes <= 4096);

    // Sealing makes room again: the next commit publishes the segment.
    manifest.maintain().await.unwrap();
    put(&manifest, "again", &large).commit().await.expect("room");
}

#[tokio::test(start_paused = true)]
async fn a_read_of_what_an_earlier_one_of_the_batch_writes_is_a_conflict() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "a", "0").commit().await.unwrap();
    put(&manifest, "b", "0").commit().await.unwrap();
    let (gate, _first) = hold_first(&store, &manifest).await;

    let write_a = put(&manifest, "a", "1");
    let mut reads_a = manifest.transaction();
    reads_a.get("a");
    reads_a.put("x", "1");
    let mut reads_b = manifest.transaction();
    reads_b.get("b");
    reads_b.put("y", "1");
    let mut scans = manifest.transaction();
    scans.scan("x".."z");
    scans.put("w", "1");
    let mut deletes_absent = manifest.transaction();
    deletes_absent.delete("nothing");
    deletes_absent.delete_range("o".."p");
    let mut reads_absent = manifest.transaction();
    reads_absent.get("nothing");
    reads_absent.scan("o".."p");
    reads_absent.put("v", "1");
    let mut deletes_range = manifest.transaction();
    deletes_range.delete_range("b".."c");
    let mut reads_b_late = manifest.transaction();
    reads_b_late.get("b");
    reads_b_late.put("u", "1");

    let all = [
        write_a,
        reads_a,
        reads_b,
        scans,
        deletes_absent,
        reads_absent,
        deletes_range,
        reads_b_late,
    ];
    let commits = tokio::spawn(join_all(all.map(|t| t.commit())));
    tokio::task::yield_now().await;
    gate.notify_one();
    let results = commits.await.unwrap();
    let seqs: Vec<Result<u64, u64>> = results.iter().map(told).collect();
    // The scan of x..z meets the put of y at seq 5; deleting what is absent hurts nobody; the
    // last one reads b, which the range delete at seq 8 took away.
    assert_eq!(seqs, [Ok(4), Err(4), Ok(5), Err(5), Ok(6), Ok(7), Ok(8), Err(8)]);
    let expected = [("a", "1"), ("first", "1"), ("v", "1"), ("y", "1")];
    assert_eq!(contents(&manifest.snapshot()), pairs(&expected));
    assert_eq!(truth(&store).await, pairs(&expected));
}

/// Ids of one process enter history in their order, so who waits for an earlier one of its batch is
/// not overtaken. Otherwise this one would find its key absent again, and enter behind the delete.
#[tokio::test(start_paused = true)]
async fn nobody_overtakes_one_that_waits_for_an_earlier_one_of_its_batch() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let (gate, first) = hold_first(&store, &manifest).await;
    let writes = put(&manifest, "k", "1");
    let mut reads = manifest.transaction();
    reads.get("k");
    reads.put("other", "1");
    let mut deletes = manifest.transaction();
    deletes.delete("k");

    let commits = tokio::spawn(join_all([writes, reads, deletes].map(|t| t.commit())));
    tokio::task::yield_now().await;
    gate.notify_one();
    let results = commits.await.unwrap();
    let held = first.await.unwrap();
    let seqs: Vec<Result<u64, u64>> = results.iter().map(told).collect();
    assert_eq!(seqs, [Ok(held + 1), Err(held + 1), Ok(held + 2)]);
}

/// A refusal names a commit, so that commit must have happened. Of two in one batch the second
/// reads what the first writes; whether that is a conflict, and with which seq, depends on what
/// becomes of the PUT.
#[tokio::test(start_paused = true)]
async fn a_conflict_inside_a_batch_is_only_told_once_the_batch_is_published() {
    // What somebody else commits while the batch's PUT is under way, whether that refuses the
    // first of the two, and what the second is told.
    let cases = [("nothing of theirs", false, Err(3)), ("guard", true, Ok(3))];
    for (theirs, first_is_refused, expected) in cases {
        let store = TestStore::new();
        let manifest = create(&store).await;
        put(&manifest, "a", "0").commit().await.unwrap();
        let other = common::open(&store, 2).await;
        let mut first = manifest.transaction();
        first.get("guard");
        first.put("a", "1");
        let mut second = manifest.transaction();
        second.get("a");
        second.put("x", "1");
        // Both are in the queue before the first of them leads.
        let both = [first.submit().unwrap(), second.submit().unwrap()];
        put(&other, theirs, "1").commit().await.unwrap();
        let results = join_all(both).await;
        match &results[0] {
            Ok(commit) => assert!(!first_is_refused && commit.seq == 3),
            Err(Error::Conflict { seq, .. }) => assert!(first_is_refused && *seq == 2),
            other => panic!("{other:?}"),
        }
        assert_eq!(told(&results[1]), expected, "{theirs}");
    }
}

/// The PUT that carries the first stays without an answer and never lands: the second was not
/// refused by it, and goes on.
#[tokio::test(start_paused = true)]
async fn who_waits_for_one_of_its_batch_goes_on_when_that_one_fails() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let mut second = manifest.transaction();
    second.get("a");
    second.put("x", "1");
    let mut third = manifest.transaction();
    third.get("x");
    third.put("y", "1");
    let all = [put(&manifest, "a", "1"), second, third].map(|t| t.submit().unwrap());
    let id = all[0].id();
    store.fault(Kind::Put, "head", Fault::Late);
    for _ in 0..200 {
        store.fault(Kind::Put, "head", Fault::Lose);
    }
    let clear = async {
        tokio::time::sleep(small().commit_deadline + Duration::from_secs(2)).await;
        store.clear_faults();
    };
    let (results, ()) = tokio::join!(join_all(all), clear);
    assert!(matches!(&results[0], Err(Error::OutcomeUnknown { id: told }) if *told == id));
    // The second replaces the base of the first, which can never land then.
    assert!(matches!(&results[1], Ok(commit) if commit.seq == 1), "{results:?}");
    // The third stood behind the second, and meets what that one wrote.
    assert!(matches!(&results[2], Err(Error::Conflict { seq: 1, .. })), "{results:?}");
    assert!(store.land_late().await.iter().all(|landed| !landed));
    assert_eq!(manifest.status(id).await.unwrap(), Status::NotCommitted);
    assert_eq!(truth(&store).await, pairs(&[("x", "1")]));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_leaders_batch_is_finished_by_the_next_one() {
    for fault in [Fault::Silence, Fault::Late, Fault::Lose] {
        let store = TestStore::new();
        let manifest = create(&store).await;
        store.fault(Kind::Put, "head", fault.clone());
        let pending = put(&manifest, "k", "cancelled").submit().unwrap();
        let id = pending.id();
        let follower = tokio::spawn({
            let transaction = put(&manifest, "f", "follower");
            async move { transaction.commit().await }
        });
        // The leader sends its PUT and is dropped in the middle of it.
        assert!(tokio::time::timeout(Duration::from_micros(1), pending).await.is_err());
        let seq = follower.await.unwrap().expect("the follower goes on").seq;

        let fresh = common::open(&store, 7).await;
        match fresh.status(id).await.unwrap() {
            // In one batch with the follower or not, before it in any case.
            Status::Committed { seq: first } => assert!(first < seq, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
        assert_eq!(truth(&store).await, pairs(&[("f", "follower"), ("k", "cancelled")]));
        assert!(store.land_late().await.iter().all(|landed| !landed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_lonely_leaders_outcome_is_found_by_the_next_commit() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    store.fault(Kind::Put, "head", Fault::Silence);
    let pending = put(&manifest, "k", "1").submit().unwrap();
    let id = pending.id();
    assert!(tokio::time::timeout(Duration::from_micros(1), pending).await.is_err());
    assert!(contents(&manifest.snapshot()).is_empty(), "nothing is guessed");

    store.take_log();
    assert_eq!(put(&manifest, "k", "2").commit().await.unwrap().seq, 2);
    assert_eq!(store.counts(), (1, 1), "read back, then the own PUT");
    assert_eq!(manifest.status(id).await.unwrap(), Status::Committed { seq: 1 });
}

/// The leader had found out that its PUT is still open and was waiting to send it again: the next
/// one sends it, without asking once more.
#[tokio::test(start_paused = true)]
async fn a_leader_cancelled_while_it_waits_has_found_out_already() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    store.fault(Kind::Put, "head", Fault::Lose);
    let mut pending = put(&manifest, "k", "1").submit().unwrap();
    while store.faults_left() > 0 || store.take_log().is_empty() {
        assert!(futures_util::poll!(&mut pending).is_pending());
    }
    drop(pending);
    store.take_log();
    assert_eq!(put(&manifest, "k", "2").commit().await.unwrap().seq, 2);
    assert_eq!(store.counts(), (2, 0), "the cancelled one's PUT, and the own");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_in_the_queue_is_withdrawn() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let (gate, first) = hold_first(&store, &manifest).await;
    let mut waiting = Box::pin(put(&manifest, "k", "withdrawn").commit());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(waiting);
    gate.notify_one();
    first.await.unwrap();
    put(&manifest, "l", "kept").commit().await.unwrap();
    assert_eq!(truth(&store).await, pairs(&[("first", "1"), ("l", "kept")]));
}

#[tokio::test(start_paused = true)]
async fn the_batch_window_keeps_puts_apart() {
    let store = TestStore::new();
    let window = Duration::from_secs(1);
    let manifest = create_with(&store, Options { batch_window: window, ..small() }).await;
    let start = tokio::time::Instant::now();
    for number in 0..4 {
        put(&manifest, "k", &number.to_string()).commit().await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 3, "the first one does not wait");
}
