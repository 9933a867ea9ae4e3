//! Seals, checkpoints and merges.

use std::sync::Arc;
use std::time::Duration;

use manifest_core::{Compaction, KeyRange, Maintenance, Options, PlantedBug, Status, Transaction};
use tokio::sync::Notify;

use crate::common::{Fault, Kind, open_with, put, small, truth};
use crate::{
    fill_with_segments, in_a_segment, is_broken, objects, planted, put_in_a_segment, seal, shows,
    with,
};

/// Two processes seal the same records. One publishes them while the other one's segment is on its
/// way.
async fn seals_twice(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let other = open_with(&store, 5, with(bug)).await;
    seal(&manifest).await;
    other.read().await.unwrap();
    let gate = Arc::new(Notify::new());
    store.fault(Kind::Put, "seg", Fault::HoldAnswer(gate.clone()));
    let sealing = other.clone();
    let sealing = tokio::spawn(async move { sealing.maintain().await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    put(&manifest, "next", "v").commit().await.unwrap();
    assert_eq!(manifest.head_info().segments, 1);
    // The tail becomes longer than it was, of other records.
    for _ in 0..8 {
        put(&manifest, "k", &"y".repeat(60)).commit().await.unwrap();
    }
    other.read().await.unwrap();
    gate.notify_one();
    let sealed = sealing.await.unwrap().unwrap();
    assert!(matches!(sealed, Maintenance::Sealed { .. }), "{sealed:?}");
    put(&other, "late", "v").commit().await.unwrap();
    is_broken(&store).await
}

#[tokio::test(start_paused = true)]
async fn seal_unchecked_replaces_records_that_it_does_not_hold() {
    assert!(seals_twice(Some(PlantedBug::SealUnchecked)).await);
    assert!(!seals_twice(None).await);
}

/// A seal is published on a tail that has grown meanwhile.
async fn seals_too_much(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let other = open_with(&store, 5, with(bug)).await;
    seal(&manifest).await;
    put(&other, "between", "v").commit().await.unwrap();
    put(&manifest, "next", "v").commit().await.unwrap();
    is_broken(&store).await
}

#[tokio::test(start_paused = true)]
async fn seal_drops_record_leaves_a_gap() {
    assert!(seals_too_much(Some(PlantedBug::SealDropsRecord)).await);
    assert!(!seals_too_much(None).await);
}

/// A writer folds a full head; before it commits, a compactor gets further.
async fn folds_back(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let other = open_with(&store, 5, with(bug)).await;
    let mut compactor = other.compactor().await.unwrap();
    manifest.read().await.unwrap();
    fill_with_segments(&manifest).await;
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Folded);
    compactor.checkpoint().await.unwrap();
    put_in_a_segment(&other, "further").await;
    let done = compactor.checkpoint().await.unwrap();
    assert!(matches!(done, Compaction::Checkpointed { .. }), "{done:?}");
    put(&manifest, "late", "v").commit().await.unwrap();
    is_broken(&store).await
}

#[tokio::test(start_paused = true)]
async fn checkpoint_regress_takes_committed_history_away() {
    assert!(folds_back(Some(PlantedBug::CheckpointRegress)).await);
    assert!(!folds_back(None).await);
}

/// A writer folds a full head, publishes it, and somebody opens the manifest.
async fn makes_room_with(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    fill_with_segments(&manifest).await;
    assert_eq!(manifest.maintain().await.unwrap(), Maintenance::Folded);
    put(&manifest, "next", "v").commit().await.unwrap();
    assert_eq!(manifest.head_info().segments, 0);
    !shows(&store, "segment-15").await
}

#[tokio::test(start_paused = true)]
async fn room_forgets_newest_loses_a_segment() {
    assert!(makes_room_with(Some(PlantedBug::RoomForgetsNewest)).await);
    assert!(!makes_room_with(None).await);
}

/// What a process that opens sees before a checkpoint and after it.
async fn changes_when_folded(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "a").await;
    let before = truth(&store).await;
    compactor.checkpoint().await.unwrap();
    truth(&store).await != before
}

#[tokio::test(start_paused = true)]
async fn checkpoint_drops_last_loses_what_its_last_commit_wrote() {
    assert!(changes_when_folded(Some(PlantedBug::CheckpointDropsLast)).await);
    assert!(!changes_when_folded(None).await);
}

/// A key that the checkpoint holds is deleted, and its delete mark merged.
async fn brings_back(bug: Option<PlantedBug>, delete: fn(&mut Transaction)) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    put_in_a_segment(&manifest, "k").await;
    compactor.checkpoint().await.unwrap();
    in_a_segment(&manifest, async |manifest| {
        let mut transaction = manifest.transaction();
        delete(&mut transaction);
        transaction.commit().await.unwrap();
    })
    .await;
    put_in_a_segment(&manifest, "other").await;
    assert!(matches!(compactor.merge().await.unwrap(), Compaction::Merged { .. }));
    shows(&store, "k").await
}

fn delete_key(transaction: &mut Transaction) {
    transaction.delete("k");
}

fn delete_range(transaction: &mut Transaction) {
    transaction.delete_range(KeyRange::prefix("k"));
}

#[tokio::test(start_paused = true)]
async fn tombstone_drop_brings_a_deleted_key_back() {
    let bug = Some(PlantedBug::TombstoneDrop);
    assert!(brings_back(bug, delete_key).await);
    assert!(brings_back(bug, delete_range).await);
    assert!(!brings_back(None, delete_key).await);
}

#[tokio::test(start_paused = true)]
async fn merge_forgets_ranges_brings_a_deleted_range_back() {
    let bug = Some(PlantedBug::MergeForgetsRanges);
    assert!(brings_back(bug, delete_range).await);
    assert!(!brings_back(bug, delete_key).await, "it keeps the marks of keys");
    assert!(!brings_back(None, delete_range).await);
}

/// Two segments change the same key, and are merged.
async fn merges_backwards(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let mut compactor = manifest.compactor().await.unwrap();
    for value in ["old", "new"] {
        in_a_segment(&manifest, async |manifest| {
            put(manifest, "k", value).commit().await.unwrap();
        })
        .await;
    }
    assert!(matches!(compactor.merge().await.unwrap(), Compaction::Merged { .. }));
    truth(&store).await.contains(&("k".to_owned(), "old".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn merge_order_reversed_brings_a_replaced_value_back() {
    assert!(merges_backwards(Some(PlantedBug::MergeOrderReversed)).await);
    assert!(!merges_backwards(None).await);
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
