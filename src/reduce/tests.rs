//! Delta debugging on toys, then on worlds.

use std::sync::Arc;

use sim::trace::Keep;
use sim_storage::fault::Moment;

use super::{
    Budget, End, Irreducible, Oracle, Shortened, Size, Suspect, cost, minimize, reduce, shorten,
};
use super::{descend, merge, sketch};
use crate::plan::{Failure, MomentEntry, Plan, RequestEntry, Span, origin_of_seed, replay};
use crate::system::SystemUnderTest;
use crate::systems::ManifestSystem;
use crate::world::Arena;

/// Leaves out what it can while all of `needed` are there, and counts the tries.
fn minimized(count: usize, needed: &[usize]) -> (Vec<usize>, usize) {
    let mut tries = 0;
    let kept = minimize((0..count).collect(), |items| {
        tries += 1;
        needed.iter().all(|item| items.contains(item))
    });
    (kept, tries)
}

#[test]
fn what_is_needed_stays_and_nothing_else() {
    for needed in [&[][..], &[0], &[99], &[0, 99], &[3, 50, 51, 97], &[0, 1, 2, 3, 4]] {
        let (kept, tries) = minimized(100, needed);
        assert_eq!(kept, needed);
        assert!(tries < 120, "{tries} tries for {needed:?}");
    }
}

#[test]
fn one_needed_thing_among_many_takes_a_logarithmic_number_of_tries() {
    let (kept, tries) = minimized(100_000, &[77_777]);
    assert_eq!(kept, [77_777]);
    assert!(tries < 60, "{tries} tries");
}

#[test]
fn an_empty_list_is_not_tried() {
    assert_eq!(minimized(0, &[]), (Vec::new(), 0));
}

#[test]
fn the_result_is_minimal_even_if_parts_hold_each_other() {
    // Whoever has 10 must have 11 and 12 as well; 5 is always needed.
    let kept = minimize((0..20).collect::<Vec<i32>>(), |items| {
        let has = |item: i32| items.contains(&item);
        has(5) && (!has(10) || (has(11) && has(12)))
    });
    assert_eq!(kept, [5]);
}

/// A bug and the first of these seeds that fails with it, as a plan.
fn failing(bug: &str, seed: u64) -> (Plan, Suspect) {
    crate::cli::listen_to_steps();
    crate::panics::install();
    let sound: Arc<dyn SystemUnderTest> = Arc::new(ManifestSystem::sound());
    let system = sound.with_bug(bug).expect("the bug exists");
    let arena = Arena::new();
    let swarm = Default::default();
    let plan = (seed..seed + 200)
        .map(|seed| origin_of_seed(&arena, &seed.into(), &system, Some(bug), &swarm, Keep::Hash))
        .find(|(report, _)| Failure::of(&report.verdict).is_some())
        .and_then(|(_, origin)| origin)
        .expect("the bug is found")
        .plan;
    (plan, Suspect { system, sound: Some(sound) })
}

fn shortened(plan: &Plan, suspect: &Suspect, tries: u32) -> Shortened {
    let budget = Budget { tries, events: u64::MAX, cpu: None };
    shorten(&Arena::new(), plan.clone(), suspect, budget, &mut |_, _| {}).expect("it fails")
}

#[test]
fn what_is_reduced_fails_in_the_same_way_to_the_same_bytes_and_is_small() {
    for bug in ["blind-head-put", "head-cache-stale", "retired-dropped-early"] {
        let (plan, suspect) = failing(bug, 2);
        let small = shortened(&plan, &suspect, 20_000);
        assert_eq!(small.reduced.end, End::FixedPoint, "{bug}");
        let text = small.reduced.plan.to_json();
        let read = Plan::from_json(&text).expect("what is written can be read");
        let run = || replay(&Arena::new(), &read, &suspect.system, Keep::Hash).expect("it fits");
        let (first, second) = (run(), run());
        assert_eq!(first.failure.as_ref(), Some(&small.before.failure), "{bug}");
        assert_eq!(first.failure, plan.expect.failure, "{bug}");
        assert_eq!(first.report.fingerprint, second.report.fingerprint, "{bug}");
        assert_eq!(first.report.events, small.after.events, "{bug}");
        // What fails after a few hundred events has little to lose beside its beginnings.
        let bound = (small.before.size.events / 2).max(150);
        assert!(small.after.events < bound, "{bug}: {:?}", small.after);
        let few = (plan.operations() / 2).max(8);
        assert!(read.operations() <= few && read.faults() <= 2, "{bug}: {text}");
        // The same reduction comes to the same plan.
        assert_eq!(shortened(&plan, &suspect, 20_000).reduced.plan, small.reduced.plan, "{bug}");
    }
}

#[test]
fn a_budget_ends_a_reduction_with_the_smallest_plan_so_far() {
    let (plan, suspect) = failing("head-cache-stale", 1);
    let none = shortened(&plan, &suspect, 0);
    assert_eq!((none.reduced.tries, none.reduced.end), (0, End::Budget));
    assert_eq!(none.reduced.plan, plan);
    let few = shortened(&plan, &suspect, 10);
    assert_eq!((few.reduced.tries, few.reduced.end), (10, End::Budget));
    assert!(cost(&few.reduced.plan, few.after) <= cost(&plan, few.before.size));
}

#[test]
fn a_passing_plan_is_nothing_to_reduce() {
    let (plan, suspect) = failing("head-cache-stale", 1);
    let sound = Suspect { system: suspect.sound.expect("the sound system"), sound: None };
    let budget = Budget { tries: 10, events: u64::MAX, cpu: None };
    let refused = shorten(&Arena::new(), plan, &sound, budget, &mut |_, _| {});
    assert_eq!(refused.expect_err("it passes"), Irreducible::Passes);
}

/// Says that a candidate fails while it has the operation with this number, and counts questions.
struct Toy {
    needed: u32,
    asked: u32,
}

impl Oracle for Toy {
    fn fails(&mut self, candidate: &Plan, _: u64) -> Option<Size> {
        self.asked += 1;
        let mut operations = candidate.slots.iter().flat_map(|slot| &slot.operations);
        let fails = operations.any(|operation| operation.number == self.needed);
        fails.then_some(Size { shown: candidate.operations() as u64, ..Size::default() })
    }

    fn calmer(&mut self, _: &Plan, _: u64, _: u64) -> Option<Plan> {
        self.asked += 1;
        None
    }
}

#[test]
fn reduction_asks_nothing_but_its_oracle() {
    let (plan, _) = failing("head-cache-stale", 1);
    let needed = plan.slots[0].operations[0].number;
    let mut toy = Toy { needed, asked: 0 };
    let reduced = reduce(plan, 10_000, &mut toy, &mut |_, _| {});
    assert_eq!(reduced.end, End::FixedPoint);
    assert_eq!((reduced.plan.operations(), reduced.plan.faults()), (1, 0));
    assert_eq!(reduced.plan.slots.len(), 1);
    assert_eq!(reduced.tries, toy.asked, "every try is a question, and every question a try");
}

#[test]
fn a_sketch_is_a_few_operations_of_the_whole_and_follows_from_its_number() {
    let (plan, _) = failing("head-cache-stale", 1);
    for (size, number) in (0..=8).flat_map(|size| (0..50).map(move |number| (size, number))) {
        let drawn = sketch::sketch(&plan, size, None, number);
        assert!(drawn.operations() <= size, "{size}, {number}");
        assert_eq!(drawn.check(), Ok(()), "{size}, {number}");
        assert_eq!(drawn, sketch::sketch(&plan, size, None, number));
    }
    let shape = |number| {
        let drawn = sketch::sketch(&plan, 4, Some("writer-1"), number);
        let slots = drawn.slots.iter().map(|slot| (slot.name.clone(), slot.operations.len()));
        (slots.collect::<Vec<_>>(), drawn.blows.len())
    };
    let shapes: std::collections::BTreeSet<_> = (0..50).map(shape).collect();
    assert!(shapes.len() > 20, "they differ: {}", shapes.len());
}

#[test]
fn a_step_down_keeps_a_part_of_what_everybody_does() {
    let (plan, _) = failing("head-cache-stale", 1);
    let numbers = |plan: &Plan, name: &str| -> Vec<u32> {
        let slot = plan.slots.iter().find(|slot| slot.name == name);
        slot.map(|slot| slot.numbers().collect()).unwrap_or_default()
    };
    let busy = |plan: &Plan| plan.slots.iter().filter(|it| it.numbers().count() > 0).count();
    let (mut fewest, mut most, mut wholes) = (usize::MAX, 0, 0);
    for number in 0..200 {
        let drawn = descend::some_of_everything(&plan, 50, None, number);
        assert_eq!(drawn.check(), Ok(()), "{number}");
        for slot in &plan.slots {
            let all = numbers(&plan, &slot.name);
            assert!(numbers(&drawn, &slot.name).iter().all(|it| all.contains(it)), "{number}");
        }
        fewest = fewest.min(drawn.operations());
        most = most.max(drawn.operations());
        wholes += usize::from(busy(&drawn) == busy(&plan));
    }
    // Somebody is missing now and then, and nearly all mostly do half of what they did.
    assert!(wholes > 60 && wholes < 200, "{wholes} of 200 have everybody");
    assert!(fewest < plan.operations() / 2 && most > plan.operations() / 2, "{fewest}, {most}");
}

#[test]
fn slots_are_merged_with_all_that_hangs_on_their_operations() {
    let plan = Plan::from_json(include_str!("../../regressions/cleanup-on-unknown.json"));
    let mut plan = plan.expect("a plan");
    let mut guest = plan.slots[0].clone();
    guest.name = String::from("writer-2");
    guest.process = 2;
    plan.slots.push(guest);
    let first = plan.slots[1].operations[0].number;
    let at = MomentEntry(Moment::Operation(first));
    let request = |process: &str, at| RequestEntry {
        process: process.to_owned(),
        at,
        nth: 0,
        fault: None,
        there: Some(Span(1)),
        back: None,
        luck_ppm: 0,
    };
    plan.requests = vec![request("writer-1", at), request("writer-2", at)];
    let merged = merge::merged(&plan, 0, 1).expect("both write");
    assert_eq!(merged.check(), Ok(()));
    assert_eq!((merged.slots.len(), merged.operations()), (1, plan.operations()));
    let host = &merged.slots[0];
    let moved = host.operations[plan.slots[0].operations.len()].number;
    let told: Vec<_> = merged.requests.iter().map(|it| (it.process.as_str(), it.at)).collect();
    assert_eq!(told, [("writer-1", at), ("writer-1", MomentEntry(Moment::Operation(moved)))]);
    assert_eq!(merge::merged(&plan, 0, 0), None, "nobody is merged with himself");
}

#[test]
fn what_a_person_reads_weighs_more_than_the_events_behind_it() {
    let size = |shown, events| Size { shown, events, ..Size::default() };
    assert!(size(8, 300).weight() < size(20, 60).weight());
    assert!(size(8, 300).weight() > size(8, 60).weight());
}
