//! Snapshots, strong reads and transactions: what is seen, and what conflicts.

mod common;

use std::sync::Arc;

use common::{Fault, Kind, TestEnv, TestStore, contents, create, open, pairs, put, small};
use manifest_core::{Error, KeyRange, Limit, Manifest, Options, Status};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::sync::Notify;

#[tokio::test(start_paused = true)]
async fn a_snapshot_never_changes() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "a", "1").commit().await.unwrap();
    put(&manifest, "b", "1").commit().await.unwrap();
    let before = manifest.snapshot();
    let mut change = manifest.transaction();
    change.put("a", "2").delete("b").put("c", "2");
    change.commit().await.unwrap();
    put(&manifest, "a", "3").commit().await.unwrap();

    assert_eq!(contents(&before), pairs(&[("a", "1"), ("b", "1")]));
    assert_eq!(before.get("a").unwrap().seq, 1);
    assert_eq!(before.clone().seq(), 2);
    assert_eq!(contents(&manifest.snapshot()), pairs(&[("a", "3"), ("c", "2")]));
    drop(before);
    assert_eq!(contents(&manifest.snapshot()), pairs(&[("a", "3"), ("c", "2")]));
}

#[tokio::test(start_paused = true)]
async fn a_strong_read_sees_what_others_have_committed() {
    let store = TestStore::new();
    let one = create(&store).await;
    let two = open(&store, 2).await;
    put(&one, "k", "v").commit().await.unwrap();
    assert!(two.snapshot().get("k").is_none(), "a snapshot makes no request");
    assert_eq!(two.read().await.unwrap().get("k").unwrap().value, "v");
    assert_eq!(two.snapshot().seq(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_head_that_arrives_late_is_ignored() {
    let store = TestStore::new();
    let writer = create(&store).await;
    let reader = open(&store, 2).await;
    put(&writer, "k", "1").commit().await.unwrap();
    // The reply of this read is old before it arrives.
    let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    store.fault(Kind::Get, "head", Fault::Hold(gate.clone()));
    let old_reply = reader.read();
    let newer = async {
        tokio::task::yield_now().await;
        put(&writer, "k", "2").commit().await.unwrap();
        let newer = reader.read().await.unwrap().seq();
        asked.notify_one();
        gate.notify_one();
        newer
    };
    let (old_reply, newer) = tokio::join!(old_reply, newer);
    assert_eq!(newer, 2);
    assert!(old_reply.unwrap().seq() >= 2, "never backwards");
    assert_eq!(reader.snapshot().seq(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_reads_its_own_writes_and_its_base() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    for key in ["a", "b", "c", "d"] {
        put(&manifest, key, "base").commit().await.unwrap();
    }
    let mut t = manifest.transaction();
    t.put("a", "own").delete("b").delete_range("c"..).put("e", "own");
    t.put("zz", "out of range");
    let seen: Vec<_> = t.scan("a"..="e").into_iter().map(|(k, e)| (k, e.value, e.seq)).collect();
    let own = |key: &'static str| (key.into(), "own".into(), 0);
    assert_eq!(seen, [own("a"), own("e")]);
    assert_eq!(t.get("a").unwrap().value, "own");
    assert!(t.get("b").is_none() && t.get("c").is_none());
    assert_eq!(t.base().get("b").unwrap().seq, 2);
    let commit = t.commit().await.unwrap();
    let now = manifest.snapshot();
    assert_eq!(now.seq(), commit.seq);
    assert_eq!(contents(&now), pairs(&[("a", "own"), ("e", "own"), ("zz", "out of range")]));
}

#[tokio::test(start_paused = true)]
async fn point_and_range_reads_conflict_and_own_and_absent_ones_do_not() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    for key in ["a", "c"] {
        put(&manifest, key, "0").commit().await.unwrap();
    }
    type Change = fn(&mut manifest_core::Transaction);
    let cases: &[(&str, Change, Change, Option<&str>)] = &[
        (
            "read, then changed",
            |t| {
                t.get("a");
            },
            |o| {
                o.put("a", "1");
            },
            Some("a"),
        ),
        (
            "read absent, then put",
            |t| {
                t.get("b");
            },
            |o| {
                o.put("b", "1");
            },
            Some("b"),
        ),
        (
            "read, then deleted",
            |t| {
                t.get("c");
            },
            |o| {
                o.delete("c");
            },
            Some("c"),
        ),
        (
            "scanned, then put inside",
            |t| {
                t.scan("d".."f");
            },
            |o| {
                o.put("e", "1");
            },
            Some("e"),
        ),
        (
            "scanned, then deleted inside",
            |t| {
                t.scan(..);
            },
            |o| {
                o.delete_range("e"..);
            },
            Some("e"),
        ),
        (
            "scanned, then put outside",
            |t| {
                t.scan("d".."f");
            },
            |o| {
                o.put("f", "1");
            },
            None,
        ),
        (
            "read absent, then deleted",
            |t| {
                t.get("nothing");
            },
            |o| {
                o.delete("nothing");
            },
            None,
        ),
        (
            "scanned empty, then deleted",
            |t| {
                t.scan("x"..);
            },
            |o| {
                o.delete_range("x"..);
            },
            None,
        ),
        (
            "written only",
            |t| {
                t.put("a", "2");
            },
            |o| {
                o.put("a", "3");
            },
            None,
        ),
        (
            "own write read",
            |t| {
                t.put("a", "4");
                t.get("a");
            },
            |o| {
                o.put("a", "5");
            },
            None,
        ),
        (
            "read another key",
            |t| {
                t.get("f");
            },
            |o| {
                o.put("a", "6");
            },
            None,
        ),
    ];
    for (name, reads, change, conflict) in cases {
        let mut t = manifest.transaction();
        reads(&mut t);
        t.put("result", *name);
        let mut other = manifest.transaction();
        change(&mut other);
        let changed = other.commit().await.unwrap().seq;
        match (t.commit().await, conflict) {
            (Ok(_), None) => {}
            (Err(Error::Conflict { key, seq }), Some(expected)) => {
                assert_eq!((key.as_ref(), seq), (expected.as_bytes(), changed), "{name}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_without_writes_costs_nothing_and_metadata_is_a_write() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "k", "v").commit().await.unwrap();
    store.take_log();
    let mut reads = manifest.transaction();
    reads.get("k");
    reads.delete_range("b".."a");
    assert_eq!(reads.commit().await.unwrap().seq, 1);
    assert_eq!(store.counts(), (0, 0));
    let mut note = manifest.transaction();
    note.set_metadata("only a note");
    assert_eq!(note.commit().await.unwrap().seq, 2);
    assert_eq!(store.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_before_any_request() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let limits = Options::default();
    let long = vec![0; limits.key_limit_bytes + 1];
    let large = vec![0; limits.value_limit_bytes + 1];
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(manifest.transaction());
    }
    all[0].put(long.clone(), "");
    all[1].put("k", large.clone());
    all[2].delete(long.clone());
    all[3].delete_range(..&long);
    all[4].set_metadata(large.clone());
    let expected = [Limit::Key, Limit::Value, Limit::Key, Limit::Key, Limit::Metadata];
    for (transaction, expected) in all.into_iter().zip(expected) {
        match transaction.commit().await {
            Err(Error::TooLarge { limit, size, max }) => {
                assert!(limit == expected && size > max, "{limit:?} {size} {max}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_head_is_reported_and_a_foreign_one_too() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "k", "v").commit().await.unwrap();
    let head = Path::from("db/head");
    let good = store.inner.get(&head).await.unwrap().bytes().await.unwrap();
    let mut bad = good.to_vec();
    bad[70] ^= 1;
    store.inner.put(&head, PutPayload::from(bad)).await.unwrap();
    match manifest.read().await.expect_err("damaged") {
        Error::Corrupt { object, .. } => assert_eq!(object, "db/head"),
        other => panic!("{other:?}"),
    }
    // Damage on the way, in contrast, is read again.
    store.inner.put(&head, PutPayload::from(good)).await.unwrap();
    store.fault(Kind::Get, "head", Fault::FlipBit);
    store.fault(Kind::Get, "head", Fault::Cut);
    manifest.read().await.expect("read again");

    store.inner.delete(&head).await.unwrap();
    assert!(matches!(manifest.read().await, Err(Error::NotFound { .. })));
    Manifest::create(store.clone(), Path::from("db"), TestEnv::new(40), small()).await.unwrap();
    assert!(matches!(manifest.read().await, Err(Error::IncarnationChanged)));
    let error = put(&manifest, "k", "v").commit().await.expect_err("another manifest");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
}

/// Three segments and a tail.
async fn sealed_three_times(store: &Arc<TestStore>) -> Manifest {
    let manifest = create(store).await;
    for segment in 1..=3 {
        while manifest.head_info().tail_bytes <= small().tail_limit_bytes {
            put(&manifest, "k", "v").commit().await.unwrap();
        }
        manifest.maintain().await.unwrap();
        put(&manifest, "k", "v").commit().await.unwrap();
        assert_eq!(manifest.head_info().segments, segment);
    }
    store.take_log();
    manifest
}

async fn try_open(store: &Arc<TestStore>) -> Result<Manifest, Error> {
    store.take_log();
    Manifest::open(store.clone(), Path::from("db"), TestEnv::new(50), small()).await
}

/// The names of the three segments, in the order in which an opening process asks for them.
async fn segment_names(store: &Arc<TestStore>) -> Vec<String> {
    try_open(store).await.expect("sound");
    let log = store.take_log().into_iter();
    log.map(|(_, path)| path).filter(|path| path.contains("seg")).collect()
}

/// Damage on the way: each object is read again until it is whole, however often, and only it.
#[tokio::test(start_paused = true)]
async fn only_what_arrives_damaged_is_read_again() {
    for fault in [Fault::Cut, Fault::FlipBit, Fault::Lose] {
        for times in [1, 5] {
            let store = TestStore::new();
            let manifest = sealed_three_times(&store).await;
            for part in ["head", "seg"] {
                for _ in 0..times {
                    store.fault(Kind::Get, part, fault.clone());
                }
            }
            let opened = try_open(&store).await;
            let opened = opened.unwrap_or_else(|error| panic!("{fault:?} {times}: {error:?}"));
            assert_eq!(opened.snapshot().seq(), manifest.snapshot().seq());
            assert_eq!(store.counts(), (0, (1 + times) + (3 + times)), "{fault:?}");
        }
    }
}

/// The same for a process that fell behind a seal and finds out about its commit.
#[tokio::test(start_paused = true)]
async fn a_commit_that_catches_up_reads_only_what_arrives_damaged_again() {
    let store = TestStore::new();
    create(&store).await;
    let behind = open(&store, 7).await;
    let ahead = open(&store, 8).await;
    while ahead.head_info().segments < 3 {
        put(&ahead, "k", "v").commit().await.unwrap();
        ahead.maintain().await.unwrap();
    }
    for _ in 0..5 {
        store.fault(Kind::Get, "seg", Fault::Cut);
    }
    store.take_log();
    put(&behind, "l", "v").commit().await.expect("committed");
    assert_eq!(store.counts(), (2, 1 + 3 + 5));
}

/// Damage at rest is the same however often it is read; a body that never comes whole is no
/// damage at all.
#[tokio::test(start_paused = true)]
async fn a_damaged_segment_is_reported_and_one_that_cannot_be_read_is_not() {
    let store = TestStore::new();
    sealed_three_times(&store).await;
    let name = segment_names(&store).await.remove(1);
    let path = Path::from(name.clone());
    let good = store.inner.get(&path).await.unwrap().bytes().await.unwrap();
    let mut bad = good.to_vec();
    bad[120] ^= 1;
    store.inner.put(&path, PutPayload::from(bad)).await.unwrap();
    match try_open(&store).await {
        Err(Error::Corrupt { object, .. }) => assert_eq!(object, name),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.counts(), (0, 1 + 3 + 2), "the damaged one three times");

    store.inner.put(&path, PutPayload::from(good)).await.unwrap();
    for _ in 0..1000 {
        store.fault(Kind::Get, "seg", Fault::Cut);
    }
    assert!(matches!(
        try_open(&store).await,
        Err(Error::Unavailable { operation: "open", source: Some(_) })
    ));
    store.clear_faults();
    try_open(&store).await.expect("sound");
}

/// A segment that is not there sends the reader back to the head, which may have been replaced;
/// if it was not, that is the end.
#[tokio::test(start_paused = true)]
async fn a_missing_segment_sends_the_reader_back_to_the_head_but_not_for_ever() {
    let store = TestStore::new();
    sealed_three_times(&store).await;
    store.fault(Kind::Get, "seg", Fault::Lack);
    try_open(&store).await.expect("there after all");
    assert_eq!(store.counts(), (0, 2 + 3 + 1), "the others are kept");

    let name = segment_names(&store).await.remove(2);
    store.inner.delete(&Path::from(name.clone())).await.unwrap();
    match try_open(&store).await {
        Err(Error::Corrupt { object, got, .. }) => {
            assert_eq!((object, got.as_str()), (name, "no object"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.counts(), (0, 3 + 3 + 2), "three times back to the head");
}

#[tokio::test(start_paused = true)]
async fn status_knows_the_ids_of_others() {
    let store = TestStore::new();
    let one = create(&store).await;
    let two = open(&store, 2).await;
    let mut first = one.transaction();
    first.get("k");
    first.put("k", "1");
    let commit = put(&one, "k", "2").commit().await.unwrap();
    let refused = first.submit().unwrap();
    let refused_id = refused.id();
    assert!(refused.await.is_err());
    assert_eq!(two.status(commit.id).await.unwrap(), Status::Committed { seq: 1 });
    put(&one, "k", "3").commit().await.unwrap();
    assert_eq!(two.status(refused_id).await.unwrap(), Status::NotCommitted);
    let never = manifest_core::CommitId { writer: 1, wseq: 1 };
    assert_eq!(two.status(never).await.unwrap(), Status::Unknown);
}

#[test]
fn ranges_are_what_they_look_like() {
    let prefix = KeyRange::prefix("ab");
    assert!(prefix.contains(b"ab") && prefix.contains(b"ab\xff\xff") && !prefix.contains(b"ac"));
    let last = KeyRange::prefix(b"\xff\xff");
    assert!(last.contains(b"\xff\xff\xff") && !last.contains(b"\xff") && last.end.is_none());
    let inclusive = KeyRange::from("a"..="b");
    assert!(inclusive.contains(b"b") && !inclusive.contains(b"b\0"));
    assert!(KeyRange::from("b".."a").is_empty() && !KeyRange::from(..).is_empty());
}
