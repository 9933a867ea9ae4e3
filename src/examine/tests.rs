//! Examinations of failures that are understood.

use std::sync::Arc;

use sim::trace::Keep;
use sim_storage::fault::FaultRates;

use super::{Effort, Examination, Examiner, Ground, MORE_RUNS, Part, Seen, Tally, Weight, examine};
use crate::diagnosis::diagnose;
use crate::plan::{self, Failure, Plan, replay};
use crate::report::Run;
use crate::system::SystemUnderTest;
use crate::systems::ManifestSystem;
use crate::world::{Arena, Patience, Recorded};

fn plan_of(text: &str) -> Plan {
    Plan::from_json(text).expect("a plan")
}

fn ground(plan: &Plan) -> Ground {
    crate::cli::listen_to_steps();
    crate::panics::install();
    let sound: Arc<dyn SystemUnderTest> = Arc::new(ManifestSystem::sound());
    let system = plan
        .bug
        .as_deref()
        .map_or(sound.clone(), |bug| sound.with_bug(bug).expect("the bug exists"));
    Ground { system, rates: FaultRates::none() }
}

const EFFORT: Effort = Effort { variations: 60, events: 10_000_000 };

/// Examines a plan, with the events of its story.
fn examined(plan: &Plan, effort: Effort) -> Option<Examination> {
    let (arena, ground) = (Arena::new(), ground(plan));
    let keep = Keep::Ring { capacity: usize::MAX };
    let ran = replay(&arena, plan, &ground.system, keep).expect("it fits");
    let told = Run::of(&ran.report, diagnose(&ran.report), None).story_events();
    examine(&arena, plan, &ground, &told, effort)
}

fn part<'a>(examined: &'a Examination, word: &str) -> &'a Part {
    let found = examined.parts.iter().find(|part| part.what.contains(word));
    found.unwrap_or_else(|| panic!("no {word:?} in {:?}", examined.parts))
}

const LOST_REPLY: &str = include_str!("../../regressions/ambiguous-retry-recommit.json");
const SKEWED: &str = include_str!("../../regressions/lease-skew.json");

#[test]
fn a_retry_that_commits_twice_needs_its_fault_and_its_operation_and_nothing_else() {
    let plan = plan_of(LOST_REPLY);
    let examined = examined(&plan, EFFORT).expect("it fails");
    assert!(examined.as_it_is.percent() >= 95, "{:?}", examined.as_it_is);
    let needed = examined.parts.iter().filter(|part| part.weight == Weight::Needed);
    for part in needed.clone() {
        assert_eq!(part.tally.failed, 0, "{part:?}");
    }
    // The answer that comes too late, and the operation.
    assert_eq!(plan.requests.len(), 1);
    assert_eq!(needed.count(), 1 + plan.operations(), "{:?}", examined.parts);
    assert!(!examined.is_cut_short);
}

#[test]
fn a_clock_that_is_wrong_is_the_point_of_no_return() {
    let examined = examined(&plan_of(SKEWED), EFFORT).expect("it fails");
    let clock = part(&examined, "clock");
    assert_eq!((clock.weight, clock.tally.failed), (Weight::Needed, 0));
    let struck = clock.event.expect("it struck");
    for chance in &examined.chances {
        let expected = if chance.event < struck { 0..=5 } else { 95..=100 };
        assert!(expected.contains(&chance.tally.percent()), "{struck}: {chance:?}");
    }
    assert!(examined.chances.iter().any(|chance| chance.event < struck));
    assert!(examined.chances.iter().any(|chance| chance.event >= struck));
}

#[test]
fn an_examination_is_a_function_of_the_plan() {
    let plan = plan_of(SKEWED);
    let effort = Effort { variations: 10, ..EFFORT };
    assert_eq!(examined(&plan, effort), examined(&plan, effort));
}

#[test]
fn what_passes_is_not_examined() {
    let mut sound = plan_of(LOST_REPLY);
    sound.bug = None;
    assert_eq!(examined(&sound, EFFORT), None);
}

#[test]
fn an_examination_that_may_cost_nothing_says_so() {
    let none = Effort { events: 0, ..EFFORT };
    let none = examined(&plan_of(SKEWED), none).expect("it fails");
    assert!(none.is_cut_short);
    assert!(none.parts.is_empty() && none.chances.is_empty());
    let little = Effort { events: 20_000, ..EFFORT };
    let little = examined(&plan_of(SKEWED), little).expect("it fails");
    assert!(little.is_cut_short && little.as_it_is.runs == EFFORT.variations);
}

#[test]
fn a_part_weighs_as_much_as_the_failure_loses_without_it() {
    let tally = |runs, failed| Tally { runs, failed, otherwise: 0 };
    for (without, weight) in [
        (tally(200, 0), Weight::Needed),
        (tally(200, 79), Weight::Needed),
        (tally(200, 80), Weight::Helps),
        (tally(200, 143), Weight::Helps),
        (tally(200, 144), Weight::Free),
        (tally(20, 16), Weight::Free),
        (tally(20, 7), Weight::Needed),
    ] {
        assert_eq!(Weight::of(without, tally(200, 160)), weight, "{without:?}");
    }
}

#[test]
fn a_rare_failure_is_run_more_often_until_there_are_failures_to_compare() {
    let plan = plan_of(LOST_REPLY);
    let ground = ground(&plan);
    let arena = Arena::new();
    let keep = Keep::Ring { capacity: usize::MAX };
    let patience = Patience::Usual { operations: 1000 };
    let own = plan::run(&arena, &plan, &ground.system, keep, Recorded::Kept, patience);
    let own = own.expect("it fits");
    let own = Seen { report: own.report, recording: own.recording.expect("it is recorded") };
    let failure = plan.expect.failure.clone().expect("it fails");
    let examiner = |failure| Examiner::new(&arena, &plan, &ground, failure, &own, EFFORT);
    let mut often = examiner(failure);
    let (_, tally) = often.as_it_is();
    assert_eq!((tally.runs, often.are_too_few(tally)), (EFFORT.variations, false));
    // It never fails like this.
    let mut never = examiner(Failure::Deadlock);
    let (_, tally) = never.as_it_is();
    assert_eq!((tally.runs, tally.failed), (EFFORT.variations * MORE_RUNS, 0));
    assert!(never.are_too_few(tally));
    // One in a hundred is enough then.
    let tally = Tally { failed: EFFORT.variations / 10, ..tally };
    assert!(!never.are_too_few(tally));
}
