//! The request budget: what each operation costs, counted at the store.

mod common;

use common::{Fault, Kind, TestEnv, TestStore, open, put, small};
use manifest_core::Manifest;
use object_store::path::Path;

#[tokio::test(start_paused = true)]
async fn every_operation_costs_what_the_table_says() {
    let store = TestStore::new();
    let path = || Path::from(common::PREFIX);
    let manifest = Manifest::create(store.clone(), path(), TestEnv::new(1), small()).await.unwrap();
    assert_eq!(store.counts(), (5, 2), "create: the probe's 4 PUT and 2 GET, and the head");

    put(&manifest, "k", "1").commit().await.unwrap();
    assert_eq!(store.counts(), (1, 0), "commit, warm, no race");

    manifest.snapshot().get("k");
    manifest.snapshot().scan(..);
    assert_eq!(store.counts(), (0, 0), "snapshot read");

    manifest.read().await.unwrap();
    assert_eq!(store.counts(), (0, 1), "strong read, nothing new");

    let other = open(&store, 2).await;
    put(&other, "k", "2").commit().await.unwrap();
    store.take_log();
    manifest.read().await.unwrap();
    assert_eq!(store.counts(), (0, 1), "strong read, something new");

    put(&other, "k", "3").commit().await.unwrap();
    store.take_log();
    put(&manifest, "l", "1").commit().await.unwrap();
    assert_eq!(store.counts(), (2, 1), "lost race: + 1 GET + 1 PUT");

    store.fault(Kind::Put, "head", Fault::LoseReply);
    put(&manifest, "l", "2").commit().await.unwrap();
    assert_eq!(store.counts(), (1, 1), "ambiguous, landed: + 1 GET");

    store.fault(Kind::Put, "head", Fault::Lose);
    put(&manifest, "l", "3").commit().await.unwrap();
    assert_eq!(store.counts(), (2, 1), "ambiguous, open: + 1 GET + 1 PUT");

    manifest.status(put(&manifest, "l", "4").commit().await.unwrap().id).await.unwrap();
    assert_eq!(store.counts(), (1, 1), "a commit, and the status of one");

    Manifest::open(store.clone(), path(), TestEnv::new(3), small()).await.unwrap();
    assert_eq!(store.counts(), (0, 1), "cold open, all inline");

    for number in 0..3 {
        while manifest.head_info().tail_bytes <= small().tail_limit_bytes {
            put(&manifest, "n", &number.to_string()).commit().await.unwrap();
        }
        store.take_log();
        manifest.maintain().await.unwrap();
        assert_eq!(store.counts(), (1, 0), "a seal");
        put(&manifest, "n", "published").commit().await.unwrap();
        assert_eq!(store.counts(), (1, 0), "the commit that publishes it");
    }
    Manifest::open(store.clone(), path(), TestEnv::new(4), small()).await.unwrap();
    assert_eq!(store.counts(), (0, 4), "cold open: the head and each segment");
}
