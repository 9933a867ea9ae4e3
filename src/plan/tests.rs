//! A plan is its world: the same bytes from the seed, from the plan, and from the plan's text.

use std::sync::Arc;

use sim::trace::Keep;

use super::{FILE_BYTES_MAX, Failure, Plan, PlanError, plan_of_seed, replay};
use crate::strategy::Strategy;
use crate::swarm::SwarmOptions;
use crate::system::SystemUnderTest;
use crate::systems::ManifestSystem;
use crate::world::Arena;

fn system(bug: Option<&str>) -> Arc<dyn SystemUnderTest> {
    crate::cli::listen_to_steps();
    crate::panics::install();
    match bug {
        None => Arc::new(ManifestSystem::sound()),
        Some(bug) => ManifestSystem::sound().with_bug(bug).expect("the bug exists"),
    }
}

fn plan_of(seed: u64, bug: Option<&str>, swarm: &SwarmOptions) -> (u64, Plan) {
    let system = system(bug);
    let (report, plan) = plan_of_seed(&Arena::new(), seed, &system, bug, swarm, Keep::Hash);
    (report.fingerprint, plan.expect("the world was built"))
}

/// The plan of each of these seeds, run and read back from its text, is the run of the seed.
fn plans_are_their_seeds(
    bug: Option<&str>,
    strategy: Option<Strategy>,
    seeds: std::ops::Range<u64>,
) {
    let (arena, system) = (Arena::new(), system(bug));
    let swarm = SwarmOptions { strategy, ..SwarmOptions::default() };
    for seed in seeds {
        let (report, plan) = plan_of_seed(&arena, seed, &system, bug, &swarm, Keep::Hash);
        let plan = plan.expect("the world was built");
        let again = Plan::from_json(&plan.to_json()).expect("what is written can be read");
        assert_eq!(again, plan, "seed {seed}");
        let ran = replay(&arena, &again, &system, Keep::Hash).expect("the plan fits");
        let who = format!("{bug:?} {strategy:?} seed {seed} ({})", report.strategy.name());
        assert_eq!(ran.failure, Failure::of(&report.verdict), "{who}");
        assert_eq!(ran.report.events, report.events, "{who}");
        assert_eq!(ran.report.fingerprint, report.fingerprint, "{who}");
    }
}

#[test]
fn the_plan_of_a_sound_seed_is_the_same_run() {
    plans_are_their_seeds(None, None, 0..120);
}

#[test]
fn the_plan_of_a_seed_is_the_same_run_under_every_strategy() {
    for strategy in Strategy::ALL {
        plans_are_their_seeds(None, Some(strategy), 1000..1025);
    }
}

#[test]
fn the_plan_of_a_failing_seed_fails_in_the_same_way() {
    for bug in ["blind-head-put", "ack-before-publish", "lease-skew", "gc-ignores-lease"] {
        plans_are_their_seeds(Some(bug), None, 0..40);
    }
}
