//! What is garbage, and what only looks like it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use manifest_core::{Floor, Manifest, Options, PlantedBug, SavedSnapshot};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Notify;

use crate::common::{Fault, Kind, TestStore, open_with, put, small};
use crate::{is_broken, objects, planted, put_in_a_segment, seal, with};

/// A collector runs while a sealed segment waits for its publication.
async fn publishes_what_is_gone(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    seal(&manifest).await;
    let other = open_with(&store, 5, with(bug)).await;
    other.collector().pass(Floor::ThisPass).await.unwrap();
    manifest.read().await.unwrap();
    put(&manifest, "next", "v").commit().await.unwrap();
    is_broken(&store).await
}

#[tokio::test(start_paused = true)]
async fn gc_inflight_segment_leaves_a_root_that_names_nothing() {
    assert!(publishes_what_is_gone(Some(PlantedBug::GcInflightSegment)).await);
    assert!(!publishes_what_is_gone(None).await);
}

#[tokio::test(start_paused = true)]
async fn gate_read_early_leaves_a_root_that_names_nothing() {
    assert!(publishes_what_is_gone(Some(PlantedBug::GateReadEarly)).await);
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

#[tokio::test(start_paused = true)]
async fn pin_off_by_one_takes_what_the_very_next_head_retires() {
    assert!(loses_a_pinned_object(Some(PlantedBug::PinOffByOne)).await);
    assert!(!loses_a_pinned_object(None).await);
}

/// A manifest with an earlier snapshot whose segments went out of use since.
pub(crate) async fn with_a_past(
    bug: Option<PlantedBug>,
) -> (Arc<TestStore>, Manifest, SavedSnapshot) {
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
    let gate = Arc::new(Notify::new());
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

/// A collector that keeps what went out of use since the pass before it, and somebody who comes
/// back to that.
async fn takes_what_can_be_reopened(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest, saved) = with_a_past(bug).await;
    manifest.collector().pass(Floor::PassBefore).await.unwrap();
    let mut session = manifest.reopen(&saved).await.expect("not below the floor");
    session.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn retired_above_floor_deletes_what_can_be_reopened() {
    assert!(takes_what_can_be_reopened(Some(PlantedBug::RetiredAboveFloor)).await);
    assert!(!takes_what_can_be_reopened(None).await);
}

/// The names of the pins there are, in order.
async fn pins(store: &TestStore) -> Vec<Path> {
    let listing = store.inner.list(Some(&Path::from("db/pin")));
    let mut all: Vec<Path> = listing.map_ok(|meta| meta.location).try_collect().await.unwrap();
    all.sort();
    all
}

/// Two readers, of whom only the one whose pin is listed last needs what is retired.
async fn overlooks_a_pin(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, Options { planted_page: 1, ..small() }).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    put_in_a_segment(&manifest, "b").await;
    let readers = [open_with(&store, 5, small()).await, open_with(&store, 6, small()).await];
    let mut sessions = Vec::new();
    for reader in &readers {
        sessions.push(reader.session().await.unwrap());
        assert_eq!(pins(&store).await.len(), sessions.len());
    }
    let mut old = sessions.pop().unwrap();
    let mut leaves = (&readers[0], sessions.pop().unwrap());
    compactor.checkpoint().await.unwrap();

    // Whoever is listed first reads something newer from now on.
    let before = pins(&store).await;
    leaves.0.renew_pin().await.unwrap();
    let tag = async |path: &Path| store.inner.get_opts(path, Default::default()).await.unwrap();
    let first_is_old = {
        let (first, was) = (tag(&before[0]).await.meta.e_tag, before[0].clone());
        leaves.0.renew_pin().await.unwrap();
        tag(&was).await.meta.e_tag == first
    };
    if first_is_old {
        leaves = (&readers[1], std::mem::replace(&mut old, leaves.1));
    }
    leaves.0.read().await.unwrap();
    let _newer = leaves.0.session().await.unwrap();
    drop(leaves.1);
    leaves.0.renew_pin().await.unwrap();

    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();
    old.get("a").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn listing_first_page_overlooks_a_pin() {
    assert!(overlooks_a_pin(Some(PlantedBug::ListingFirstPage)).await);
    assert!(!overlooks_a_pin(None).await);
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
