//! The conformance suite on every store that is at hand: the simulated one under each profile, the
//! one in memory and the file system that ship with `object_store`; and stores that are broken in one
//! way, which it must reject for the right reason.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use sim::{Config, Limits, Outcome, ProcessName};
use sim_storage::conformance::{self, Capabilities, CaseResult, Options, Support, Verdict};
use sim_storage::fault::{FaultKind, FaultRates};
use sim_storage::profile::{
    ETags, ListOrder, MissingDelete, Profile, UpdateCondition, WriteConditions,
};
use sim_storage::{Setup, SimStore};

/// Runs the suite inside a world, on a simulated store.
fn simulated(setup: Setup, options: &Options) -> Vec<CaseResult> {
    let options = options.clone();
    let limits = Limits { steps: 50_000_000, ..Limits::default() };
    let outcome = sim::run(&Config { limits, ..Config::new(1) }, || async move {
        let claims = Capabilities::of(&setup.profile);
        let store = SimStore::new(Arc::clone(&setup.profile));
        store.begin(setup);
        let process = sim::add_process(ProcessName { role: "client", number: 1 });
        let client: Arc<dyn ObjectStore> = Arc::new(store.client(process));
        let suite = async move { conformance::run(client, claims, &options).await };
        sim::spawn_on(process, suite).await.expect("nobody crashes")
    });
    match outcome {
        Outcome::Done(results) => results,
        other => panic!("{other:?}"),
    }
}

/// Runs the suite on real threads.
fn on_threads(store: Arc<dyn ObjectStore>, claims: Capabilities) -> Vec<CaseResult> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(conformance::run(store, claims, &quick()))
}

/// All races in full; smaller objects and listings.
fn quick() -> Options {
    Options { listed: 250, big: 1 << 20, ..Options::default() }
}

fn failures(results: &[CaseResult]) -> Vec<String> {
    let failed = results.iter().filter(|result| matches!(result.verdict, Verdict::Failed(_)));
    failed.map(ToString::to_string).collect()
}

fn skipped(results: &[CaseResult]) -> usize {
    results.iter().filter(|result| result.verdict == Verdict::Skipped).count()
}

#[test]
fn the_simulated_store_conforms_under_each_profile() {
    for profile in Profile::all() {
        // Small pages, so that listings take several.
        let page_size = profile.page_size.min(100);
        let profile = Profile { page_size, ..profile };
        let name = profile.name;
        let results = simulated(Setup::calm(Arc::new(profile)), &quick());
        assert_eq!(failures(&results), [""; 0], "{name}");
        assert_eq!(skipped(&results), 0, "{name}");
    }
}

#[test]
fn what_a_store_does_not_claim_is_skipped() {
    let profile = Profile { update: UpdateCondition::Unsupported, ..Profile::local() };
    let results = simulated(Setup::calm(Arc::new(profile)), &Options { rounds: 20, ..quick() });
    assert_eq!(failures(&results), [""; 0]);
    assert_eq!(skipped(&results), 4);
}

#[test]
fn the_store_in_memory_conforms() {
    let claims = Capabilities {
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
    assert_eq!(failures(&on_threads(Arc::new(InMemory::new()), claims)), [""; 0]);
}

#[test]
fn the_file_system_conforms_as_far_as_it_claims() {
    let directory = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let store = LocalFileSystem::new_with_prefix(&directory).expect("a store");
    let claims = Capabilities {
        update: Support::Absent,
        copy_if_absent: Support::Claimed,
        attributes: Support::Absent,
        suffix_ranges: Support::Claimed,
        backslash: Support::Claimed,
        drive_letters: Support::Absent,
        etags: ETags::Unique,
        list_order: ListOrder::Arbitrary,
        missing_delete: MissingDelete::NotFound,
    };
    let results = on_threads(Arc::new(store), claims);
    std::fs::remove_dir_all(&directory).expect("it is there");
    assert_eq!(failures(&results), [""; 0]);
    assert_eq!(skipped(&results), 5);
}

/// The rules that a simulated store with one kind of fault breaks.
fn broken_by(profile: Profile, kind: FaultKind, ppm: u32) -> Vec<&'static str> {
    let rates = FaultRates::none().with(kind, ppm);
    broken(Setup { rates, ..Setup::calm(Arc::new(profile)) })
}

fn broken(setup: Setup) -> Vec<&'static str> {
    let options = Options { rounds: 20, ..quick() };
    let results = simulated(setup, &options);
    let failed = results.iter().filter(|result| matches!(result.verdict, Verdict::Failed(_)));
    failed.map(|result| result.rule).collect()
}

#[test]
fn a_store_whose_reads_lag_is_rejected() {
    let broken = broken_by(Profile::eventual(), FaultKind::StaleRead, 300_000);
    assert!(broken.contains(&"an object that was put is read back, whole and with its size"));
    assert!(
        broken.contains(
            &"a deleted object is gone, and deleting a missing one is answered as claimed"
        )
    );
}

#[test]
fn a_store_whose_listings_lag_is_rejected() {
    let broken = broken_by(Profile::eventual(), FaultKind::StaleList, 300_000);
    assert!(broken.contains(&"a listing shows what is there, at once after every write"));
}

#[test]
fn a_client_that_retries_in_secret_is_rejected_by_the_races() {
    let broken = broken_by(Profile::s3(), FaultKind::Duplicate, 200_000);
    assert!(broken.contains(&"of many creates at once one wins, and its bytes stay"), "{broken:?}");
}

#[test]
fn a_store_that_ignores_conditions_is_rejected() {
    let profile = Profile { write_conditions: WriteConditions::Ignored, ..Profile::s3() };
    let broken = broken(Setup::calm(Arc::new(profile)));
    for rule in [
        "a create succeeds where nothing is, and only there",
        "an update replaces the version that it names, and no other",
        "of many creates at once one wins, and its bytes stay",
        "copy and rename if absent replace nothing",
    ] {
        assert!(broken.contains(&rule), "{rule}: {broken:?}");
    }
}

#[test]
fn a_store_whose_tags_are_dates_is_rejected() {
    let profile = Profile { etags: ETags::OfTime, ..Profile::minio() };
    let broken = broken(Setup::calm(Arc::new(Profile { date_granularity_ns: 1 << 30, ..profile })));
    for rule in [
        "tags recur, or do not, as claimed",
        "of many updates of one version at once one wins, and its bytes stay",
        "a counter under compare-and-set counts every success once",
    ] {
        assert!(broken.contains(&rule), "{rule}: {broken:?}");
    }
}
