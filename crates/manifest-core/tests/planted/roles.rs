//! Who may do what.

use manifest_core::PlantedBug;

use crate::common::{open_with, put, small};
use crate::{planted, with};

/// A role is taken over, and the old owner commits once more.
async fn acts_unfenced(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let role = manifest.acquire("leader").await.unwrap();
    let other = open_with(&store, 5, with(bug)).await;
    other.acquire("leader").await.unwrap();
    let mut late = put(&manifest, "k", "v");
    late.under(&role);
    late.commit().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn fence_check_once_lets_an_old_owner_act() {
    assert!(acts_unfenced(Some(PlantedBug::FenceCheckOnce)).await);
    assert!(!acts_unfenced(None).await);
}

/// A role is taken over, and both owners have a number for what they do under it.
async fn has_two_owners_in_one_epoch(bug: Option<PlantedBug>) -> bool {
    let (store, manifest) = planted(bug, small()).await;
    let first = manifest.acquire("leader").await.unwrap();
    let other = open_with(&store, 5, with(bug)).await;
    let second = other.acquire("leader").await.unwrap();
    assert_ne!(first.owner(), second.owner());
    first.epoch() == second.epoch()
}

#[tokio::test(start_paused = true)]
async fn epoch_not_raised_leaves_two_owners_in_one_epoch() {
    assert!(has_two_owners_in_one_epoch(Some(PlantedBug::EpochNotRaised)).await);
    assert!(!has_two_owners_in_one_epoch(None).await);
}
