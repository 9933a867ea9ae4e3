//! What a default campaign reaches, and how campaigns add up.

use std::sync::Arc;

use sim_storage::fault::FaultKind;
use vopr::campaign::{self, Campaign, Determinism, Seeding, Summary, Unwatched};
use vopr::cli::{self, faults::survey};
use vopr::swarm::{REQUEST_FAULTS, SwarmOptions, out_of_reach};
use vopr::system::{Rarity, SystemUnderTest};
use vopr::systems::ManifestSystem;

fn run(first_seed: u64, iterations: u64, swarm: SwarmOptions) -> Summary {
    vopr::cli::listen_to_steps();
    let system = Arc::new(ManifestSystem::sound());
    let determinism = Determinism::Assumed;
    let campaign =
        Campaign { first_seed, iterations, system, swarm, determinism, seeding: Seeding::InTurn };
    campaign::run(&campaign, 2, &Unwatched)
}

#[test]
fn every_fault_takes_effect_in_a_tenth_of_the_default_seeds() {
    let summary = run(1, 1500, SwarmOptions::default());
    assert!(summary.passed(), "{:?}", summary.failures);
    let within_reach = REQUEST_FAULTS.iter().filter(|kind| out_of_reach(**kind).is_none());
    let kinds = within_reach.map(|kind| kind.label());
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

/// Each kind of fault changes the run: without it, the same seed is another one.
#[test]
fn no_fault_is_counted_for_nothing() {
    vopr::cli::listen_to_steps();
    let campaign = Campaign {
        first_seed: 1,
        iterations: 250,
        system: Arc::new(ManifestSystem::sound()),
        swarm: SwarmOptions::default(),
        determinism: Determinism::Assumed,
        seeding: Seeding::InTurn,
    };
    let survey = survey(&campaign, 2);
    for kind in FaultKind::ALL.into_iter().filter(|kind| out_of_reach(*kind).is_none()) {
        let usage = survey.of(kind);
        assert!(usage.seeds >= 15, "{kind:?}: {usage:?}");
        assert!(usage.other_trace * 100 >= usage.seeds * 95, "{kind:?}: {usage:?}");
        let needless = match kind {
            // The manifest treats 409 as it treats 412, and never looks at dates.
            FaultKind::RacedConflict | FaultKind::SkewedDate => 0,
            _ => usage.seeds * 3 / 4,
        };
        assert!(usage.other_course >= needless, "{kind:?}: {usage:?}");
    }
    assert_eq!(survey, cli::faults::survey(&campaign, 1), "whatever the number of workers");
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
