//! Each planted bug fires in a schedule written for it, and the same schedule passes without it.
//!
//! | file | what the bugs are about |
//! |---|---|
//! | `commits` | sending a head and finding out what became of it |
//! | `validation` | what a transaction is held against |
//! | `reads` | strong reads, sessions, what is believed of an answer |
//! | `folding` | seals, checkpoints, merges |
//! | `collection` | what is garbage |
//! | `pins` | what a reader keeps from being garbage |
//! | `roles` | who may do what |
//! | `places` | every bug acts somewhere, and has its test here |
#![cfg(feature = "planted-bugs")]

#[path = "../common/mod.rs"]
mod common;

mod collection;
mod commits;
mod folding;
mod pins;
mod places;
mod reads;
mod roles;
mod validation;

use std::sync::Arc;

use common::{TestEnv, TestStore, create_with, put, small, truth};
use futures_util::TryStreamExt;
use manifest_core::{Manifest, Options, PlantedBug};
use object_store::ObjectStore;
use object_store::path::Path;

fn with(planted: Option<PlantedBug>) -> Options {
    Options { planted, ..small() }
}

/// A store, and a manifest on it with a bug or without.
async fn planted(bug: Option<PlantedBug>, options: Options) -> (Arc<TestStore>, Manifest) {
    let store = TestStore::new();
    let manifest = create_with(&store, Options { planted: bug, ..options }).await;
    (store, manifest)
}

/// Commits `key` alone, sealed and published in a segment of its own.
async fn in_a_segment(manifest: &Manifest, change: impl AsyncFn(&Manifest)) {
    let before = manifest.head_info().segments;
    change(manifest).await;
    for filler in 0.. {
        if manifest.head_info().segments > before {
            return;
        }
        put(manifest, &format!("filler-{}", filler % 3), &"x".repeat(60)).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
}

async fn put_in_a_segment(manifest: &Manifest, key: &str) {
    in_a_segment(manifest, async |manifest| {
        put(manifest, key, "v").commit().await.unwrap();
    })
    .await;
}

/// Commits until the head names as many segments as it can, and the tail wants to be sealed again.
async fn fill_with_segments(manifest: &Manifest) {
    for number in 0..16 {
        put_in_a_segment(manifest, &format!("segment-{number:02}")).await;
    }
    while manifest.head_info().tail_bytes <= small().tail_limit_bytes {
        put(manifest, "filler-0", &"x".repeat(60)).commit().await.unwrap();
    }
}

/// Commits until a sealed segment waits for its publication.
async fn seal(manifest: &Manifest) {
    while !manifest.head_info().seal_pending {
        put(manifest, "k", &"x".repeat(60)).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
}

/// Whether a process that opens the manifest now sees the key.
async fn shows(store: &Arc<TestStore>, key: &str) -> bool {
    truth(store).await.iter().any(|(held, _)| held == key)
}

/// Whether nobody can open the manifest any more.
async fn is_broken(store: &Arc<TestStore>) -> bool {
    Manifest::open(store.clone(), Path::from("db"), TestEnv::new(9), small()).await.is_err()
}

async fn objects(store: &TestStore, folder: &str) -> usize {
    let path = Path::from(format!("db/{folder}"));
    let all: Vec<_> = store.inner.list(Some(&path)).try_collect().await.unwrap();
    all.len()
}
