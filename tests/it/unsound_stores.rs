//! Stores on which no commit protocol is sound: the manifest refuses them when it asks what they can
//! do, or the checks catch what goes wrong. What must not be is that all is called well.

use std::sync::Arc;

use sim::trace::Keep;
use sim_storage::profile::{ETags, Profile, UpdateCondition, WriteConditions};
use vopr::campaign::{self, Campaign, Determinism, GroupKey, Seeding, Unwatched};
use vopr::checkers::{Class, Rule};
use vopr::swarm::{Faults, SwarmOptions};
use vopr::systems::ManifestSystem;
use vopr::world::{Arena, Verdict, run_seed};

const SEEDS: u64 = 100;

fn on(profile: Profile, faults: Faults) -> Campaign {
    vopr::cli::listen_to_steps();
    Campaign {
        first_seed: 1,
        iterations: SEEDS,
        system: Arc::new(ManifestSystem::sound()),
        swarm: SwarmOptions { faults, store: Some(Arc::new(profile)), ..Default::default() },
        determinism: Determinism::Assumed,
        seeding: Seeding::InTurn,
    }
}

/// In every world without faults the manifest says, of every process, that the store lacks this.
fn refused(profile: Profile, lacks: &str) {
    let campaign = on(profile, Faults::Off);
    let arena = Arena::new();
    for seed in 1..=SEEDS {
        let report = run_seed(&arena, &seed.into(), &campaign.system, &campaign.swarm, Keep::Hash);
        let Verdict::Stuck(finding) = &report.verdict else { panic!("{:?}", report.verdict) };
        let refusal = format!("cannot open the system: the store is not supported: {lacks}");
        assert!(finding.what.contains(&refusal), "seed {seed}: {}", finding.what);
        assert_eq!(report.commits, 0, "seed {seed}");
    }
}

/// With faults, too, no world commits anything: all fail, or end without having got anywhere.
fn never_used(profile: Profile) {
    let summary = campaign::run(&on(profile, Faults::Drawn), 2, &Unwatched);
    let refused = summary.failures.get(&GroupKey::Rule(Rule::Progress));
    assert_eq!(refused.map(|group| group.count), Some(SEEDS), "{:?}", summary.failures);
    assert_eq!(summary.commits, 0);
}

#[test]
fn a_store_without_conditional_overwrites_is_refused() {
    let profile = Profile { update: UpdateCondition::Unsupported, ..Profile::s3() };
    refused(profile.clone(), "conditional requests");
    never_used(profile);
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let profile = Profile { write_conditions: WriteConditions::Ignored, ..Profile::s3() };
    refused(profile.clone(), "If-None-Match: an object that exists was created again");
    never_used(profile);
}

#[test]
fn a_store_whose_tags_recur_while_the_bytes_differ_is_refused() {
    // Two writes of one size within an hour have one tag.
    let date_granularity_ns = 3_600_000_000_000;
    let profile = Profile { etags: ETags::OfTime, date_granularity_ns, ..Profile::s3() };
    refused(profile.clone(), "a new entity tag for every version");
    never_used(profile);
}

/// A store that is caught lagging by the questions is refused, and one that gets by them is caught by
/// the checks, as soon as a read misses what was acknowledged.
#[test]
fn a_store_that_lags_is_refused_or_caught() {
    let summary = campaign::run(&on(Profile::eventual(), Faults::Drawn), 2, &Unwatched);
    let count = |wanted: fn(&GroupKey) -> bool| {
        let groups = summary.failures.iter().filter(|(key, _)| wanted(key));
        groups.map(|(_, group)| group.count).sum::<u64>()
    };
    let refused = count(|key| *key == GroupKey::Rule(Rule::Progress));
    let caught = count(|key| key.class() == Some(Class::StaleRead));
    assert!(refused >= SEEDS / 4 && caught >= SEEDS / 10, "{:?}", summary.failures);
    assert_eq!(refused + caught, count(|_| true), "{:?}", summary.failures);
}
