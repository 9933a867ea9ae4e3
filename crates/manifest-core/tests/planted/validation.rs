//! What a transaction is held against before it goes out.

use manifest_core::{Error, KeyRange, PlantedBug};

use crate::common::{open_with, put, small};
use crate::{planted, with};

/// A transaction read a key that a commit before the newest one changed.
async fn misses_a_conflict(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut transaction = manifest.transaction();
    transaction.get("k");
    put(&manifest, "k", "changed").commit().await.unwrap();
    put(&manifest, "other", "v").commit().await.unwrap();
    transaction.put("result", "v");
    transaction.commit().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn conflict_window_latest_only_commits_on_what_has_changed() {
    assert!(misses_a_conflict(Some(PlantedBug::ConflictWindowLatestOnly)).await);
    assert!(!misses_a_conflict(None).await);
}

/// Where the commits are made that a transaction meets.
#[derive(Clone, Copy)]
enum Rival {
    /// In the same process: the state that the transaction is validated on has them.
    Here,
    /// In another one: the transaction loses a race against them first.
    Elsewhere,
}

/// A transaction read a key, and the one commit since then changed it.
async fn misses_the_only_change(bug: Option<PlantedBug>, rival: Rival) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let other = open_with(&store, 5, with(bug)).await;
    let mut transaction = manifest.transaction();
    transaction.get("k");
    let rival = match rival {
        Rival::Here => &manifest,
        Rival::Elsewhere => &other,
    };
    put(rival, "k", "changed").commit().await.unwrap();
    transaction.put("result", "v");
    match transaction.commit().await {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn validated_from_next_misses_the_commit_after_the_base() {
    assert!(misses_the_only_change(Some(PlantedBug::ValidatedFromNext), Rival::Here).await);
    assert!(!misses_the_only_change(None, Rival::Here).await);
}

#[tokio::test(start_paused = true)]
async fn validated_once_misses_what_won_the_race() {
    assert!(misses_the_only_change(Some(PlantedBug::ValidatedOnce), Rival::Elsewhere).await);
    assert!(!misses_the_only_change(None, Rival::Elsewhere).await);
}

/// A transaction scanned a range, and somebody put a key into it.
async fn misses_a_new_key(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut transaction = manifest.transaction();
    assert!(transaction.scan(KeyRange::prefix("file/")).is_empty());
    put(&manifest, "file/1", "new").commit().await.unwrap();
    transaction.put("count", "0");
    transaction.commit().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn range_reads_forgotten_commits_on_what_is_not_empty_any_more() {
    assert!(misses_a_new_key(Some(PlantedBug::RangeReadsForgotten)).await);
    assert!(!misses_a_new_key(None).await);
}

/// Two transactions of one batch, of which the second read what the first writes.
async fn misses_its_neighbour(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut second = manifest.transaction();
    second.get("k");
    second.put("result", "v");
    let first = put(&manifest, "k", "changed").submit().unwrap();
    let second = second.submit().unwrap();
    let (first, second) = tokio::join!(first, second);
    first.expect("acknowledged");
    second.is_ok()
}

#[tokio::test(start_paused = true)]
async fn batch_conflict_missed_commits_both() {
    assert!(misses_its_neighbour(Some(PlantedBug::BatchConflictMissed)).await);
    assert!(!misses_its_neighbour(None).await);
}

/// A batch of three loses its race, and the first of it with it. The second had waited for the first;
/// what are the places of the second and the third?
async fn overtakes_in_its_batch(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let rival = open_with(&store, 5, with(bug)).await;
    let mut first = manifest.transaction();
    first.get("x");
    first.put("k", "v");
    let mut second = manifest.transaction();
    second.get("k");
    second.put("result", "v");
    put(&rival, "x", "changed").commit().await.unwrap();
    let (first, second) = (first.submit().unwrap(), second.submit().unwrap());
    let third = put(&manifest, "other", "v").submit().unwrap();
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(matches!(first, Err(Error::Conflict { .. })), "{first:?}");
    let (second, third) = (second.expect("what it read is unchanged"), third.expect("it is blind"));
    assert!(second.id.wseq < third.id.wseq);
    second.seq > third.seq
}

#[tokio::test(start_paused = true)]
async fn batch_reordered_lets_a_later_id_enter_first() {
    assert!(overtakes_in_its_batch(Some(PlantedBug::BatchReordered)).await);
    assert!(!overtakes_in_its_batch(None).await);
}

/// A transaction writes a key, deletes the range around it, and reads it.
async fn reads_what_it_deleted(bug: Option<PlantedBug>) -> bool {
    let (_store, manifest) = planted(bug, small()).await;
    let mut transaction = manifest.transaction();
    transaction.put("file/1", "new");
    transaction.delete_range(KeyRange::prefix("file/"));
    transaction.get("file/1").is_some()
}

#[tokio::test(start_paused = true)]
async fn own_range_forgotten_reads_what_the_transaction_deleted() {
    assert!(reads_what_it_deleted(Some(PlantedBug::OwnRangeForgotten)).await);
    assert!(!reads_what_it_deleted(None).await);
}
