//! What a reader keeps from being garbage, and for how long.

use std::sync::Arc;
use std::time::Duration;

use manifest_core::{BoxFuture, Env, Error, Floor, Manifest, Options, PlantedBug};
use object_store::path::Path;
use tokio::sync::Notify;

use crate::collection::with_a_past;
use crate::common::{Fault, Kind, TestEnv, TestStore, put, small};
use crate::{objects, planted, put_in_a_segment, with};

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

/// An environment whose wall clock is ahead of all others.
#[derive(Debug)]
struct Ahead(Arc<TestEnv>);

impl Env for Ahead {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(d)
    }

    fn random_u64(&self) -> u64 {
        self.0.random_u64()
    }

    fn wall_ms(&self) -> i64 {
        self.0.wall_ms() + 100_000
    }
}

/// A manifest with two segments that a session is about to read, and that are out of use.
async fn with_a_reader(
    bug: Option<PlantedBug>,
    options: Options,
) -> (Arc<TestStore>, Manifest, manifest_core::Session) {
    let (store, manifest) = planted(bug, options).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    put_in_a_segment(&manifest, "b").await;
    let session = manifest.session().await.unwrap();
    compactor.checkpoint().await.unwrap();
    (store, manifest, session)
}

/// A collector passes by whose wall clock is ahead by more than a pin lives.
async fn believes_its_wall_clock(bug: Option<PlantedBug>) -> bool {
    let (store, _manifest, mut session) = with_a_reader(bug, small()).await;
    let env = Arc::new(Ahead(TestEnv::new(5)));
    let other = Manifest::open(store.clone(), Path::from("db"), env, with(bug)).await.unwrap();
    other.collector().pass(Floor::ThisPass).await.unwrap();
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn lease_skew_takes_the_pin_of_a_live_reader_for_dead() {
    assert!(believes_its_wall_clock(Some(PlantedBug::LeaseSkew)).await);
    assert!(!believes_its_wall_clock(None).await);
}

/// A reader renews its pin in time, and a collector passes by each time.
async fn dies_although_renewed(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest, mut session) = with_a_reader(bug, small()).await;
    let mut collector = manifest.collector();
    for _ in 0..5 {
        collector.pass(Floor::ThisPass).await.unwrap();
        tokio::time::sleep(small().pin_ttl / 3).await;
        let _ = manifest.renew_pin().await;
    }
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn pin_without_counter_is_dead_although_renewed() {
    assert!(dies_although_renewed(Some(PlantedBug::PinWithoutCounter)).await);
    assert!(!dies_although_renewed(None).await);
}

/// Whether a session that lost what it reads takes that for damage: it thinks that it is protected.
async fn is_surprised(mut session: manifest_core::Session) -> bool {
    match session.get("a").await {
        Err(Error::Corrupt { .. }) => true,
        Err(Error::SnapshotExpired { .. }) => false,
        other => panic!("what it reads is gone: {other:?}"),
    }
}

/// A reader does not renew its pin, and goes on long after.
async fn reads_unprotected(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest, session) = with_a_reader(bug, small()).await;
    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();
    tokio::time::sleep(small().pin_ttl * 6 / 5).await;
    collector.pass(Floor::ThisPass).await.unwrap();
    is_surprised(session).await
}

#[tokio::test(start_paused = true)]
async fn reader_not_fenced_reads_what_is_collected() {
    assert!(reads_unprotected(Some(PlantedBug::ReaderNotFenced)).await);
    assert!(!reads_unprotected(None).await);
}

/// A renewal is on the store for half of the pin's life before its answer comes.
async fn counts_from_the_answer(bug: Option<PlantedBug>) -> bool {
    let options = Options {
        pin_ttl: Duration::from_secs(1),
        attempt_timeout: Duration::from_secs(5),
        ..small()
    };
    let (store, manifest, session) = with_a_reader(bug, options).await;
    let opened_at = tokio::time::Instant::now();
    let at = |ms| tokio::time::sleep_until(opened_at + Duration::from_millis(ms));
    at(300).await;
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "pin", Fault::HoldAnswer(gate.clone()));
    let renewing = manifest.clone();
    let renewing = tokio::spawn(async move { renewing.renew_pin().await });
    at(310).await;
    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();
    at(850).await;
    gate.notify_one();
    renewing.await.unwrap().expect("renewed");
    at(1450).await;
    let collected = collector.pass(Floor::ThisPass).await.unwrap();
    assert_eq!(collected.dead_pins, 1, "1.14 s without a change");
    is_surprised(session).await
}

#[tokio::test(start_paused = true)]
async fn fence_from_answer_reads_on_when_the_pin_is_dead() {
    assert!(counts_from_the_answer(Some(PlantedBug::FenceFromAnswer)).await);
    assert!(!counts_from_the_answer(None).await);
}

/// An early PUT of a pin lands after a later one, which protects more.
async fn writes_a_pin_over(bug: Option<PlantedBug>) -> bool {
    let (store, manifest, saved) = with_a_past(bug).await;
    let oldest = manifest.session().await.unwrap();
    put(&manifest, "k", "v").commit().await.unwrap();
    let _newer = manifest.session().await.unwrap();
    drop(oldest);
    store.fault(Kind::Put, "pin", Fault::Late);
    manifest.renew_pin().await.expect("the second try is done at once");
    let mut session = manifest.reopen(&saved).await.expect("the floor is not set yet");
    store.land_late().await;
    manifest.collector().pass(Floor::ThisPass).await.unwrap();
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn pin_put_unconditional_takes_protection_back() {
    assert!(writes_a_pin_over(Some(PlantedBug::PinPutUnconditional)).await);
    assert!(!writes_a_pin_over(None).await);
}
