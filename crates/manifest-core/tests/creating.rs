//! Creating and opening: the probe refuses stores that would lose commits, and a manifest is
//! created once.

mod common;

use std::sync::Arc;

use common::{Fault, Kind, PREFIX, TestEnv, TestStore, Vice, contents, pairs, small, truth};
use manifest_core::{Error, Manifest, Options};
use object_store::path::Path;

async fn try_create(store: &Arc<TestStore>, seed: u64) -> Result<Manifest, Error> {
    Manifest::create(store.clone(), Path::from(PREFIX), TestEnv::new(seed), small()).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_a_promise_is_refused() {
    for vice in [
        Vice::IgnoresIfNoneMatch,
        Vice::IgnoresIfMatch,
        Vice::ReadsStale,
        Vice::HasNoTags,
        Vice::Never304,
        Vice::HasNoConditionalPut,
    ] {
        let store = TestStore::with_vice(vice);
        let result = try_create(&store, 1).await;
        assert!(matches!(result, Err(Error::UnsupportedStore { .. })), "{vice:?}: {result:?}");
        let log = store.take_log();
        assert!(log.iter().all(|(_, path)| !path.ends_with("head")), "{vice:?}: no head");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_store_is_created_on_despite_every_single_fault() {
    let faults = [Fault::Lose, Fault::LoseReply, Fault::Silence, Fault::HiddenRetry, Fault::Late];
    for fault in faults {
        for skip in 0..5 {
            let store = TestStore::new();
            // The probe's four PUTs, then the head's: the faults hit one of them.
            let gate = Arc::new(tokio::sync::Notify::new());
            for _ in 0..skip {
                gate.notify_one();
                store.fault(Kind::Put, "db", Fault::Hold(gate.clone()));
            }
            store.fault(Kind::Put, "db", fault.clone());
            let opened = tokio::time::timeout(std::time::Duration::from_secs(60), async {
                let create = try_create(&store, 1);
                let pump = async {
                    loop {
                        gate.notify_one();
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                };
                tokio::select! { biased; made = create => made, () = pump => unreachable!() }
            });
            let manifest = opened.await.expect("in time").expect("created");
            assert_eq!(manifest.snapshot().seq(), 0, "{fault:?} {skip}");
        }
    }
}

/// What a network can make of an answer is no evidence against the store.
#[tokio::test(start_paused = true)]
async fn a_good_store_is_created_on_although_its_answers_arrive_damaged() {
    for fault in [Fault::Cut, Fault::FlipBit, Fault::Lose, Fault::Silence] {
        for times in [1, 2, 5] {
            let store = TestStore::new();
            for _ in 0..times {
                store.fault(Kind::Get, "probe", fault.clone());
            }
            let manifest = try_create(&store, 1).await;
            assert!(manifest.is_ok(), "{fault:?} {times}: {manifest:?}");
            assert_eq!(store.faults_left(), 0);
        }
    }
}

/// An old body that arrives damaged proves nothing; the next one does.
#[tokio::test(start_paused = true)]
async fn a_stale_store_is_refused_although_its_answers_arrive_damaged() {
    for fault in [Fault::Cut, Fault::FlipBit, Fault::Lose] {
        let store = TestStore::with_vice(Vice::ReadsStale);
        store.fault(Kind::Get, "probe", fault.clone());
        match try_create(&store, 1).await {
            Err(Error::UnsupportedStore { missing }) => {
                assert_eq!(missing, "reads that see the last write", "{fault:?}");
            }
            other => panic!("{fault:?}: {other:?}"),
        }
        assert_eq!(store.faults_left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_created_once() {
    let store = TestStore::new();
    try_create(&store, 1).await.expect("the first");
    assert!(matches!(try_create(&store, 2).await, Err(Error::AlreadyExists { .. })));
    let env = TestEnv::new(3);
    Manifest::open(store.clone(), Path::from(PREFIX), env, small()).await.expect("there");

    let empty = TestStore::new();
    let opened = Manifest::open(empty, Path::from(PREFIX), TestEnv::new(3), small()).await;
    assert!(matches!(opened, Err(Error::NotFound { .. })));
}

/// The creator learns late that its head is there. What it then holds must be the head that it
/// read, state and tag, and not its own first head under the tag of a later one.
#[tokio::test(start_paused = true)]
async fn who_learns_late_that_it_created_sees_what_others_committed_meanwhile() {
    for fault in [Fault::Silence, Fault::LoseReply] {
        let store = TestStore::new();
        let gate = Arc::new(tokio::sync::Notify::new());
        store.fault(Kind::Put, "head", fault.clone());
        store.fault(Kind::Get, "head", Fault::Hold(gate.clone()));
        let others = async {
            // Until the first head is there and its creator asks for it.
            while store.faults_left() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            let other = common::open(&store, 2).await;
            let commit = common::put(&other, "k", "other's").commit().await;
            gate.notify_one();
            commit.expect("committed").seq
        };
        let (created, seq) = tokio::join!(try_create(&store, 1), others);
        let created = created.expect("created by this one");
        assert_eq!((created.snapshot().seq(), seq), (1, 1), "{fault:?}");
        let read = created.read().await.unwrap();
        assert_eq!(contents(&read), pairs(&[("k", "other's")]), "{fault:?}");
        let next = common::put(&created, "l", "own").commit().await.unwrap();
        assert_eq!(next.seq, 2);
        assert_eq!(truth(&store).await, pairs(&[("k", "other's"), ("l", "own")]));
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_who_open_or_create_all_get_the_same_manifest() {
    let store = TestStore::new();
    let all = (1..6).map(|seed| {
        Manifest::open_or_create(store.clone(), Path::from(PREFIX), TestEnv::new(seed), small())
    });
    let all = futures_util::future::join_all(all).await;
    let incarnations: Vec<u128> =
        all.iter().map(|m| m.as_ref().unwrap().head_info().incarnation).collect();
    assert!(incarnations.windows(2).all(|pair| pair[0] == pair[1]), "{incarnations:?}");
    common::put(all[0].as_ref().unwrap(), "k", "v").commit().await.unwrap();
    let seen = all[4].as_ref().unwrap().read().await.unwrap();
    assert_eq!(contents(&seen).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn options_that_cannot_work_are_refused() {
    let bad = [
        Options { key_limit_bytes: 70_000, ..Options::default() },
        Options { max_batch: 0, ..Options::default() },
        Options { tail_limit_bytes: 1 << 20, ..Options::default() },
    ];
    for options in bad {
        let store = TestStore::new();
        let made =
            Manifest::create(store.clone(), Path::from(PREFIX), TestEnv::new(1), options).await;
        assert!(matches!(made, Err(Error::InvalidOptions { .. })));
        assert!(store.take_log().is_empty());
    }
    assert!(Options::rate_limited_store().batch_window.as_millis() > 1000);
}
