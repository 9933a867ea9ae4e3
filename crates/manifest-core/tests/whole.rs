//! Checkpoints, merges, collection, sessions and roles together, on a store without faults.

mod common;

use std::time::Duration;

use common::{Fault, Kind, TestStore, contents, create, create_with, open, put, small, truth};
use futures_util::TryStreamExt;
use manifest_core::{Compaction, Error, Floor, Manifest, Options};
use object_store::ObjectStore;
use object_store::path::Path;

async fn objects(store: &TestStore) -> Vec<String> {
    let all: Vec<_> = store.inner.list(Some(&Path::from("db"))).try_collect().await.unwrap();
    all.into_iter().map(|meta| meta.location.to_string()).collect()
}

/// Commits and seals until the head names that many segments.
async fn segments(manifest: &Manifest, count: usize) {
    let mut number = 0;
    while manifest.head_info().segments < count {
        let key = format!("{}-{}", count, number % 7);
        let mut change = manifest.transaction();
        match number % 5 {
            4 => change.delete(format!("{}-{}", count, number % 3)),
            3 => change.delete_range("3-4".."3-6").put(key, "again"),
            _ => change.put(key, format!("value {number}")),
        };
        change.commit().await.unwrap();
        manifest.maintain().await.unwrap();
        number += 1;
        assert!(manifest.head_info().head_bytes <= small().head_limit_bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn folding_and_merging_change_nothing_that_can_be_read() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let mut compactor = manifest.compactor().await.unwrap();
    assert_eq!(compactor.checkpoint().await.unwrap(), Compaction::Nothing);
    segments(&manifest, 3).await;
    let behind = open(&store, 5).await;
    let before = contents(&manifest.snapshot());

    assert!(matches!(compactor.merge().await.unwrap(), Compaction::Merged { first: 1, .. }));
    assert_eq!(manifest.head_info().segments, 1);
    assert_eq!(truth(&store).await, before);
    let mut session = manifest.session().await.unwrap();
    assert_eq!(session.scan(..).await.unwrap(), manifest.snapshot().scan(..));

    segments(&manifest, 3).await;
    let done = compactor.checkpoint().await.unwrap();
    assert!(matches!(done, Compaction::Checkpointed { .. }), "{done:?}");
    assert_eq!(manifest.head_info().segments, 0);
    let now = contents(&manifest.snapshot());
    assert_eq!(truth(&store).await, now);
    // A process that fell behind skips to the checkpoint.
    assert_eq!(contents(&behind.read().await.unwrap()), now);

    segments(&manifest, 2).await;
    assert!(matches!(compactor.checkpoint().await.unwrap(), Compaction::Checkpointed { .. }));
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_what_it_reads_as_long_as_it_is_pinned() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let mut compactor = manifest.compactor().await.unwrap();
    segments(&manifest, 3).await;
    assert!(matches!(compactor.checkpoint().await.unwrap(), Compaction::Checkpointed { .. }));
    segments(&manifest, 3).await;

    let reader = open(&store, 5).await;
    let then = reader.snapshot().scan(..);
    let saved = reader.save();
    let mut session = reader.session().await.unwrap();

    put(&manifest, "3-1", "changed since").commit().await.unwrap();
    assert!(matches!(compactor.checkpoint().await.unwrap(), Compaction::Checkpointed { .. }));
    let mut collector = manifest.collector();
    let pass = collector.pass(Floor::ThisPass).await.unwrap();
    assert_eq!((pass.live_pins, pass.retired), (1, 3), "{pass:?}");
    assert_eq!(session.scan(..).await.unwrap(), then);
    for (key, entry) in &then {
        let mut fresh = reader.reopen(&saved).await.expect("the own pin covers it");
        assert_eq!(fresh.get(key).await.unwrap().as_ref(), Some(entry));
    }
    let error = manifest.reopen(&saved).await.expect_err("below the floor, and no pin of its own");
    assert!(matches!(error, Error::SnapshotExpired { .. }), "{error:?}");

    drop(session);
    reader.renew_pin().await.unwrap();
    let pass = collector.pass(Floor::ThisPass).await.unwrap();
    assert_eq!((pass.kept, pass.unclear), (0, 0), "{pass:?}");
    collector.pass(Floor::ThisPass).await.unwrap();
    assert_eq!(manifest.head_info().retired, 0);
    let left = objects(&store).await;
    assert_eq!(left.len(), 2, "the head and the checkpoint: {left:?}");
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_renewed_ends() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    segments(&manifest, 2).await;
    let mut session = manifest.session().await.unwrap();
    tokio::time::advance(small().pin_ttl).await;
    let error = manifest.renew_pin().await.expect_err("too late");
    assert!(matches!(error, Error::SnapshotExpired { .. }), "{error:?}");
    let error = session.scan(..).await.expect_err("its pin is dead");
    assert!(matches!(error, Error::SnapshotExpired { .. }), "{error:?}");
    let mut session = manifest.session().await.unwrap();
    assert_eq!(session.scan(..).await.unwrap(), manifest.snapshot().scan(..));
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_arrives_damaged_is_not_taken_for_dead() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    segments(&manifest, 2).await;
    let mut session = manifest.session().await.unwrap();
    let mut collector = manifest.collector();
    for _ in 0..6 {
        store.fault(Kind::Get, "pin", Fault::FlipBit);
        let pass = collector.pass(Floor::ThisPass).await.unwrap();
        assert_eq!((pass.live_pins, pass.dead_pins), (1, 0), "{pass:?}");
        assert_eq!(store.faults_left(), 0, "the pin is read, because it was renewed");
        tokio::time::advance(small().pin_ttl / 3).await;
        manifest.renew_pin().await.unwrap();
    }
    assert_eq!(session.scan(..).await.unwrap(), manifest.snapshot().scan(..));
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_says_it_lives_for_ever_is_believed_and_harmless() {
    let store = TestStore::new();
    let options = Options { pin_ttl: Duration::MAX, ..small() };
    let manifest = create_with(&store, options).await;
    let mut session = manifest.session().await.unwrap();
    let other = open(&store, 5).await;
    let pass = other.collector().pass(Floor::ThisPass).await.unwrap();
    assert_eq!((pass.live_pins, pass.dead_pins), (1, 0));
    assert!(session.scan(..).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_a_role_is_fenced() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let other = open(&store, 5).await;
    let role = manifest.acquire("leader").await.unwrap();
    let mut first = put(&manifest, "k", "1");
    first.under(&role);
    first.commit().await.unwrap();

    other.read().await.unwrap();
    assert_eq!(other.acquire("leader").await.unwrap().epoch(), 2);
    let mut second = put(&manifest, "k", "2");
    second.under(&role);
    let error = second.commit().await.expect_err("taken over");
    assert!(matches!(error, Error::Fenced { epoch: 1, current: 2, .. }), "{error:?}");
    assert_eq!(manifest.snapshot().get("k").unwrap().value, "1");
}

#[tokio::test(start_paused = true)]
async fn a_large_value_stays_out_of_the_head() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "small", "v").commit().await.unwrap();
    store.take_log();
    put(&manifest, "large", &"x".repeat(100_000)).commit().await.unwrap();
    assert_eq!(store.counts(), (2, 0), "a segment, then the head");
    assert!(manifest.head_info().head_bytes < 1000);
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
}
