//! Strong reads, sessions, and what is believed of an answer.

use std::sync::Arc;
use std::time::Duration;

use manifest_core::{Error, Floor, Manifest, Options, PlantedBug};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::Notify;

use crate::common::{
    Fault, Kind, TestEnv, TestStore, contents, create_with, open_with, put, small, truth,
};
use crate::{planted, put_in_a_segment, with};

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

/// A strong read after an acknowledged commit of somebody else, while the store does not answer.
async fn reads_without_the_store(bug: Option<PlantedBug>) -> bool {
    let options = Options { read_deadline: Duration::from_millis(500), ..with(bug) };
    let (store, manifest) = planted(bug, small()).await;
    let reader = open_with(&store, 5, options).await;
    put(&manifest, "k", "v").commit().await.expect("acknowledged");
    store.fault(Kind::Get, "head", Fault::Silence);
    match reader.read().await {
        Ok(snapshot) => snapshot.get("k").is_none(),
        Err(error) => {
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn read_from_cache_on_error_misses_an_acknowledged_commit() {
    assert!(reads_without_the_store(Some(PlantedBug::ReadFromCacheOnError)).await);
    assert!(!reads_without_the_store(None).await);
}

/// Two strong reads of one process overlap, and the answer to the first one comes last.
async fn goes_back(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let reader = open_with(&store, 5, with(bug)).await;
    put(&manifest, "k", "first").commit().await.unwrap();
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Get, "head", Fault::HoldAnswer(gate.clone()));
    let slow = reader.clone();
    let slow = tokio::spawn(async move { slow.read().await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(1)).await;
    put(&manifest, "k", "second").commit().await.unwrap();
    let seen = reader.read().await.unwrap().get("k").unwrap();
    gate.notify_one();
    slow.await.unwrap().unwrap();
    let again = reader.snapshot().get("k").expect("a state that there was");
    again.seq < seen.seq
}

#[tokio::test(start_paused = true)]
async fn session_snapshot_regress_shows_the_past_again() {
    assert!(goes_back(Some(PlantedBug::SessionSnapshotRegress)).await);
    assert!(!goes_back(None).await);
}

/// A manifest is deleted, and another one created in its place.
async fn reads_what_is_gone(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    for value in ["1", "2", "3"] {
        put(&manifest, "k", value).commit().await.unwrap();
    }
    store.inner.delete(&Path::from("db/head")).await.unwrap();
    let path = Path::from("db");
    Manifest::create(store.clone(), path, TestEnv::new(77), small()).await.unwrap();
    match manifest.read().await {
        Ok(snapshot) => snapshot.get("k").is_some(),
        Err(error) => {
            assert!(matches!(error, Error::IncarnationChanged), "{error:?}");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn incarnation_unchecked_reads_what_was_deleted() {
    assert!(reads_what_is_gone(Some(PlantedBug::IncarnationUnchecked)).await);
    assert!(!reads_what_is_gone(None).await);
}

/// A process opens, and a segment comes only half.
async fn opens_on_a_half(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    put_in_a_segment(&manifest, "a").await;
    store.fault(Kind::Get, "seg", Fault::Half);
    let opened = open_with(&store, 5, with(bug)).await;
    contents(&opened.snapshot()) != truth(&store).await
}

/// The same when a session reads it.
async fn reads_a_half(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    put_in_a_segment(&manifest, "a").await;
    let mut session = manifest.session().await.unwrap();
    store.fault(Kind::Get, "seg", Fault::Half);
    session.scan(..).await.unwrap().len() < truth(&store).await.len()
}

#[tokio::test(start_paused = true)]
async fn torn_segment_accepted_misses_what_did_not_come() {
    let bug = Some(PlantedBug::TornSegmentAccepted);
    assert!(opens_on_a_half(bug).await);
    assert!(reads_a_half(bug).await);
    assert!(!opens_on_a_half(None).await);
    assert!(!reads_a_half(None).await);
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

    let gate = Arc::new(Notify::new());
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
