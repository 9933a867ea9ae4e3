//! Each planted bug fires in a schedule written for it, and the same schedule passes without it.
#![cfg(feature = "planted-bugs")]

mod common;

use std::time::Duration;

use common::{Fault, Kind, TestStore, create_with, open_with, put, small, truth};
use manifest_core::{Options, PlantedBug};

fn with(planted: Option<PlantedBug>) -> Options {
    Options { planted, ..small() }
}

#[test]
fn names_lead_back_to_the_bugs() {
    for bug in PlantedBug::ALL {
        assert_eq!(bug.name().parse(), Ok(*bug));
        assert!(bug.sentence().ends_with('.') && bug.origin().contains('#'));
    }
    assert!("no-such-bug".parse::<PlantedBug>().is_err());
}

/// Two writers on the same base; the second overwrites the first.
async fn lost_update(planted: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let one = create_with(&store, with(planted)).await;
    let two = open_with(&store, 2, with(planted)).await;
    put(&one, "one", "v").commit().await.expect("acknowledged");
    put(&two, "two", "v").commit().await.expect("acknowledged");
    truth(&store).await.len() < 2
}

#[tokio::test(start_paused = true)]
async fn blind_head_put_loses_an_acknowledged_commit() {
    assert!(lost_update(Some(PlantedBug::BlindHeadPut)).await);
    assert!(!lost_update(None).await);
}

/// A commit whose reply is lost after it landed.
async fn committed_twice(planted: Option<PlantedBug>) -> bool {
    let store = TestStore::new();
    let manifest = create_with(&store, with(planted)).await;
    store.fault(Kind::Put, "head", Fault::LoseReply);
    put(&manifest, "k", "v").commit().await.expect("acknowledged");
    let fresh = common::open(&store, 5).await;
    fresh.snapshot().seq() > 1
}

#[tokio::test(start_paused = true)]
async fn ambiguous_retry_recommit_commits_twice() {
    assert!(committed_twice(Some(PlantedBug::AmbiguousRetryRecommit)).await);
    assert!(!committed_twice(None).await);
}

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
