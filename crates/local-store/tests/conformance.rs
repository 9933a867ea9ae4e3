//! The public conformance suite of stores, with every capability claimed: in place and on tokio's
//! pool, with and without waiting for the disk.

use std::sync::Arc;

use local_store::{Blocking, Durability, LocalStore, Options};
use sim_storage::conformance::{self, Capabilities, Support, Verdict};
use sim_storage::profile::{ETags, ListOrder, MissingDelete};

const CLAIMS: Capabilities = Capabilities {
    update: Support::Claimed,
    copy_if_absent: Support::Claimed,
    attributes: Support::Claimed,
    suffix_ranges: Support::Claimed,
    backslash: Support::Claimed,
    drive_letters: Support::Claimed,
    etags: ETags::Unique,
    list_order: ListOrder::Sorted,
    missing_delete: MissingDelete::Ok,
};

/// Runs all cases; less of each where every write waits for the disk twice.
async fn conforms(options: Options) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LocalStore::open(directory.path(), options).expect("the store opens");
    let (rounds, listed) = match options.durability {
        Durability::ProcessCrash => (100, 250),
        Durability::PowerLoss => (2, 30),
    };
    let suite = conformance::Options {
        rounds,
        listed,
        big: (2 << 20) + 1,
        ..conformance::Options::default()
    };
    let results = conformance::run(Arc::new(store), CLAIMS, &suite).await;
    let bad: Vec<String> = results
        .iter()
        .filter(|result| result.verdict != Verdict::Passed)
        .map(ToString::to_string)
        .collect();
    assert_eq!(bad, [""; 0]);
    assert_eq!(results.len(), 26);
}

#[tokio::test]
async fn in_place() {
    let durability = Durability::ProcessCrash;
    conforms(Options { durability, ..Options::default() }).await;
}

#[tokio::test]
async fn in_place_waiting_for_the_disk() {
    conforms(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_the_pool_of_tokio() {
    let durability = Durability::ProcessCrash;
    conforms(Options { durability, blocking: Blocking::TokioPool }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_the_pool_of_tokio_waiting_for_the_disk() {
    conforms(Options { blocking: Blocking::TokioPool, ..Options::default() }).await;
}

#[test]
fn nobody_needs_a_runtime() {
    let blocking = Blocking::InPlace;
    assert_eq!(Options::default().blocking, blocking);
    let run = conforms(Options { blocking, durability: Durability::ProcessCrash });
    futures_util::FutureExt::now_or_never(run).expect("requests in place never wait");
}
