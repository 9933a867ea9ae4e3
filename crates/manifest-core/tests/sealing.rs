//! Sealing the tail into segments, publishing them, and reading them back.

mod common;

use std::sync::Arc;

use common::{Fault, Kind, TestStore, contents, create, open, open_with, put, small, truth};
use manifest_core::{Error, Limit, Maintenance, Manifest, Options};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

/// Commits until the tail is over its limit; returns how many commits that took.
async fn fill(manifest: &Manifest, tag: &str) -> usize {
    for number in 0.. {
        if manifest.head_info().tail_bytes > small().tail_limit_bytes {
            return number;
        }
        put(manifest, &format!("{tag}{number}"), tag).commit().await.unwrap();
    }
    unreachable!()
}

async fn segment_paths(store: &TestStore) -> Vec<Path> {
    use futures_util::TryStreamExt;
    use object_store::ObjectStore;
    let all: Vec<_> = store.inner.list(Some(&Path::from("db/seg"))).try_collect().await.unwrap();
    all.into_iter().map(|meta| meta.location).collect()
}

#[tokio::test(start_paused = true)]
async fn a_seal_is_one_put_and_the_next_commit_publishes_it_for_nothing() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Nothing);
    let count = fill(&manifest, "k").await as u64;
    store.take_log();

    let sealed = manifest.maintain().await.unwrap();
    assert_eq!(sealed, Maintenance::Sealed { first: 1, last: count });
    assert_eq!(store.counts(), (1, 0));
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Waiting);
    assert!(manifest.head_info().seal_pending);
    assert_eq!(store.counts(), (0, 0));

    // A commit before the publication would lengthen the tail; the publication keeps it.
    put(&manifest, "next", "v").commit().await.unwrap();
    assert_eq!(store.counts(), (1, 0), "the commit costs what it always costs");
    let info = manifest.head_info();
    assert_eq!((info.segments, info.tail_records, info.seal_pending), (1, 1, false));
}

#[tokio::test(start_paused = true)]
async fn what_was_sealed_is_read_back_by_a_cold_process() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    for round in 0..5 {
        fill(&manifest, &format!("{round}-")).await;
        manifest.maintain().await.unwrap();
        put(&manifest, "round", &round.to_string()).commit().await.unwrap();
    }
    manifest.transaction().commit().await.unwrap();
    let expected = contents(&manifest.snapshot());
    let info = manifest.head_info();
    assert_eq!(info.segments, 5);

    let cold = open(&store, 3).await;
    assert_eq!(contents(&cold.snapshot()), expected);
    assert_eq!(cold.head_info(), info);
    // And it goes on from there.
    put(&cold, "cold", "v").commit().await.unwrap();
    assert_eq!(manifest.read().await.unwrap().get("cold").unwrap().seq, info.seq + 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_fell_behind_a_seal_reads_only_what_it_lacks() {
    let store = TestStore::new();
    let writer = create(&store).await;
    let lagging = open(&store, 2).await;
    let following = open(&store, 3).await;
    for round in 0..3 {
        fill(&writer, &format!("{round}-")).await;
        // One reader knows these records before they are sealed, and never needs the segment.
        following.read().await.unwrap();
        writer.maintain().await.unwrap();
        put(&writer, "round", &round.to_string()).commit().await.unwrap();
        if round == 0 {
            lagging.read().await.unwrap();
        }
        store.take_log();
        following.read().await.unwrap();
        assert_eq!(store.counts(), (0, 1), "the head is enough");
    }
    store.take_log();
    let snapshot = lagging.read().await.unwrap();
    assert_eq!(store.counts(), (0, 3), "the head and the two segments that are new to it");
    assert_eq!(contents(&snapshot), contents(&writer.snapshot()));
    assert_eq!(contents(&snapshot), contents(&following.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn of_two_who_seal_the_same_records_one_publishes() {
    let store = TestStore::new();
    let one = create(&store).await;
    let two = open(&store, 2).await;
    fill(&one, "k").await;
    two.read().await.unwrap();
    one.maintain().await.unwrap();
    two.maintain().await.unwrap();
    put(&one, "one", "v").commit().await.unwrap();
    put(&two, "two", "v").commit().await.unwrap();
    assert_eq!(two.head_info().segments, 1, "the second segment is not published");
    assert!(!two.head_info().seal_pending);
    assert_eq!(segment_paths(&store).await.len(), 2, "and is garbage");
    assert_eq!(contents(&one.read().await.unwrap()), truth(&store).await);
}

#[tokio::test(start_paused = true)]
async fn a_seal_whose_publication_lost_the_race_is_published_by_the_rebased_commit() {
    let store = TestStore::new();
    let one = create(&store).await;
    let two = open(&store, 2).await;
    fill(&one, "k").await;
    one.maintain().await.unwrap();
    two.read().await.unwrap();
    put(&two, "two", "v").commit().await.unwrap();
    put(&one, "one", "v").commit().await.unwrap();
    let info = one.head_info();
    assert_eq!((info.segments, info.tail_records), (1, 2));
    assert_eq!(contents(&two.read().await.unwrap()), truth(&store).await);
}

#[tokio::test(start_paused = true)]
async fn a_segment_put_without_an_answer_is_sent_under_another_name() {
    for fault in [Fault::Lose, Fault::LoseReply, Fault::Silence, Fault::HiddenRetry, Fault::Late] {
        let store = TestStore::new();
        let manifest = create(&store).await;
        fill(&manifest, "k").await;
        store.take_log();
        store.fault(Kind::Put, "seg", fault);
        manifest.maintain().await.unwrap();
        let log = store.take_log();
        assert_eq!(log.len(), 2);
        assert_ne!(log[0].1, log[1].1);
        put(&manifest, "k", "v").commit().await.unwrap();
        assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
    }
}

/// A manifest whose head names sixteen segments.
async fn full_of_segments(store: &Arc<TestStore>) -> Manifest {
    let manifest = create(store).await;
    for round in 0..16 {
        fill(&manifest, &format!("{round}-")).await;
        manifest.maintain().await.unwrap();
        put(&manifest, "round", "v").commit().await.unwrap();
    }
    assert_eq!(manifest.head_info().segments, 16);
    manifest
}

#[tokio::test(start_paused = true)]
async fn at_sixteen_segments_a_writer_folds_them_itself() {
    let store = TestStore::new();
    let manifest = full_of_segments(&store).await;
    fill(&manifest, "last").await;
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Folded);
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Waiting);
    put(&manifest, "k", "v").commit().await.unwrap();
    let info = manifest.head_info();
    assert_eq!(info.segments, 0);
    assert!(info.checkpoint_seq > 0 && info.head_bytes <= 4096, "{info:?}");
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_room_makes_room() {
    let store = TestStore::new();
    let manifest = full_of_segments(&store).await;
    for round in 0..40 {
        put(&manifest, &format!("filler-{round}"), &"x".repeat(300)).commit().await.unwrap();
        assert!(manifest.head_info().head_bytes <= 4096);
    }
    assert!(manifest.head_info().checkpoint_seq > 0);
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn without_a_way_to_make_room_a_commit_is_refused_and_nothing_is_broken() {
    let store = TestStore::new();
    let manifest = full_of_segments(&store).await;
    let refused = loop {
        // No checkpoint can be written.
        for _ in 0..100 {
            store.fault(Kind::Put, "ckpt", Fault::Lose);
        }
        match put(&manifest, "filler", &"x".repeat(300)).commit().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::TooLarge { limit: Limit::Head, .. }), "{refused:?}");
    assert!(manifest.head_info().head_bytes <= 4096);
    assert_eq!(truth(&store).await, contents(&manifest.snapshot()), "nothing is broken");
}

/// A store with three published segments, and what is in it.
async fn sealed_store() -> (Arc<TestStore>, Vec<Path>) {
    let store = TestStore::new();
    let manifest = create(&store).await;
    for round in 0..3 {
        fill(&manifest, &format!("{round}-")).await;
        manifest.maintain().await.unwrap();
        put(&manifest, "round", "v").commit().await.unwrap();
    }
    let paths = segment_paths(&store).await;
    (store, paths)
}

async fn open_error(store: &Arc<TestStore>) -> Error {
    let env = common::TestEnv::new(9);
    Manifest::open(store.clone(), Path::from("db"), env, small()).await.expect_err("damaged")
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_damaged_or_swapped_segment_is_reported_by_its_name() {
    let (store, paths) = sealed_store().await;
    let body = |path: &Path| {
        let path = path.clone();
        let store = store.clone();
        async move { store.inner.get(&path).await.unwrap().bytes().await.unwrap() }
    };
    let good = body(&paths[1]).await;
    let other = body(&paths[2]).await;
    let mut flipped = good.to_vec();
    flipped[150] ^= 1;
    let damaged = [flipped.into(), good.slice(..good.len() - 1), other, bytes::Bytes::new()];
    for body in damaged {
        store.inner.put(&paths[1], PutPayload::from(body)).await.unwrap();
        match open_error(&store).await {
            Error::Corrupt { object, .. } => assert_eq!(object, paths[1].to_string()),
            other => panic!("{other:?}"),
        }
    }
    store.inner.delete(&paths[1]).await.unwrap();
    assert!(matches!(open_error(&store).await, Error::Corrupt { got, .. } if got == "no object"));
    store.inner.put(&paths[1], PutPayload::from(good)).await.unwrap();
    open(&store, 4).await;
}

#[tokio::test(start_paused = true)]
async fn segments_are_read_in_parallel() {
    let (store, _) = sealed_store().await;
    let gate = Arc::new(tokio::sync::Notify::new());
    for _ in 0..3 {
        store.fault(Kind::Get, "seg", Fault::Hold(gate.clone()));
    }
    store.take_log();
    let open = open_with(&store, 4, Options::default());
    let check = async {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let log = store.take_log();
        assert_eq!(log.len(), 4, "the head, then three at once: {log:?}");
        gate.notify_waiters();
    };
    let (manifest, ()) = tokio::join!(open, check);
    assert_eq!(contents(&manifest.snapshot()), truth(&store).await);
}
