//! What a default campaign reaches, and how campaigns add up.

use std::sync::Arc;

use vopr::campaign::{self, Campaign, Determinism, Summary, Unwatched};
use vopr::swarm::SwarmOptions;
use vopr::system::{Rarity, SystemUnderTest};
use vopr::systems::ManifestSystem;

fn run(first_seed: u64, iterations: u64, swarm: SwarmOptions) -> Summary {
    vopr::cli::listen_to_steps();
    let system = Arc::new(ManifestSystem::sound());
    let determinism = Determinism::Assumed;
    let campaign = Campaign { first_seed, iterations, system, swarm, determinism };
    campaign::run(&campaign, 2, &Unwatched)
}

#[test]
fn every_fault_takes_effect_in_a_tenth_of_the_default_seeds() {
    let summary = run(1, 1500, SwarmOptions::default());
    assert!(summary.passed(), "{:?}", summary.failures);
    let kinds = vopr::swarm::REQUEST_FAULTS.iter().map(|kind| kind.label());
    let others = [
        "fault.crash",
        "fault.stall",
        "fault.stall_at_step",
        "fault.crash_at_step",
        "fault.twin",
        "fault.clock",
        "fault.partition",
        "fault.outage_unreachable",
        "fault.outage_throttling",
        "fault.outage_failing",
        "fault.client_gave_up",
    ];
    for name in kinds.chain(others) {
        let seeds = summary.reached.get(name).map_or(0, |reached| reached.seeds);
        assert!(
            seeds * 10 >= summary.seeds,
            "{name} took effect in {seeds} of {} seeds",
            summary.seeds
        );
    }
}

#[test]
fn marks_that_are_not_rare_are_reached() {
    let summary = run(1, 3000, SwarmOptions::default());
    for mark in ManifestSystem::sound().marks() {
        let reached = summary.reached.contains_key(mark.name);
        match mark.rarity {
            Rarity::Expected => {
                assert!(reached, "{} was never reached: {}", mark.name, mark.sentence)
            }
            Rarity::PlantedOnly => assert!(!reached, "{} was reached", mark.name),
            Rarity::Rare => {}
        }
    }
}

#[test]
fn parts_add_up_to_the_whole() {
    let whole = run(100, 60, SwarmOptions::default());
    let parts = run(100, 25, SwarmOptions::default()).merge(run(125, 35, SwarmOptions::default()));
    let swapped =
        run(125, 35, SwarmOptions::default()).merge(run(100, 25, SwarmOptions::default()));
    assert_eq!(whole, parts);
    assert_eq!(whole, swapped);
}
