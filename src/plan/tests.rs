//! A plan is its world: the same bytes from the seed, from the plan, and from the plan's text. And
//! whatever else stands in a file is refused, with the place.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sim::trace::Keep;
use sim::{Fresh, Seed};

use super::{FILE_BYTES_MAX, Failure, Plan, PlanError, origin_of_seed, replay, run};
use crate::strategy::Strategy as Search;
use crate::swarm::SwarmOptions;
use crate::system::SystemUnderTest;
use crate::systems::ManifestSystem;
use crate::world::{Arena, Patience, Recorded};

fn system(bug: Option<&str>) -> Arc<dyn SystemUnderTest> {
    crate::cli::listen_to_steps();
    crate::panics::install();
    match bug {
        None => Arc::new(ManifestSystem::sound()),
        Some(bug) => ManifestSystem::sound().with_bug(bug).expect("the bug exists"),
    }
}

/// The plan of each of these seeds, run and read back from its text, is the run of the seed.
fn plans_are_their_seeds<S: Into<Seed>>(
    bug: Option<&str>,
    strategy: Option<Search>,
    seeds: impl IntoIterator<Item = S>,
) {
    let (arena, system) = (Arena::new(), system(bug));
    let swarm = SwarmOptions { strategy, ..SwarmOptions::default() };
    for seed in seeds {
        let seed = seed.into();
        let (report, origin) = origin_of_seed(&arena, &seed, &system, bug, &swarm, Keep::Hash);
        let plan = origin.expect("the world was built").plan;
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
    plans_are_their_seeds(None, None, 0..60_u64);
}

#[test]
fn the_plan_of_a_seed_that_is_continued_afresh_is_the_same_run() {
    let turned = |seed: u64| {
        let once = Seed::from(seed).turned(Fresh { from_event: 100 + 50 * seed, seed });
        once.turned(Fresh { from_event: 900 + 50 * seed, seed: 7 })
    };
    plans_are_their_seeds(None, None, (0..20).map(turned));
    plans_are_their_seeds(Some("blind-head-put"), None, (0..10).map(turned));
}

#[test]
fn the_plan_of_a_seed_is_the_same_run_under_every_strategy() {
    for strategy in Search::ALL {
        plans_are_their_seeds(None, Some(strategy), 1000..1012_u64);
    }
}

#[test]
fn the_plan_of_a_failing_seed_fails_in_the_same_way() {
    for bug in ["blind-head-put", "ack-before-publish", "lease-skew", "gc-ignores-lease"] {
        plans_are_their_seeds(Some(bug), None, 0..20_u64);
    }
}

/// A plan with something of everything, small enough to be run often.
fn sample() -> Plan {
    let text = json!({
        "format": 1, "vopr": "0.1.0", "system": "manifest-core", "bug": null, "seed": 7,
        "expect": {"failure": "RootParent", "note": ""},
        "world": {
            "store": "gcs", "typical_request": "5ms", "tuning": [1, 2, 3, 4, 5, 6, 7, 8],
            "usual": {"there": "2ms", "back": "3ms"}, "transport_timeout": "80ms",
            "late_landing_max": "200ms", "write_limit": "kept", "clients": 2, "filling": 6,
            "last_words": "newcomer", "strategy": "pct", "processes": 6,
            "schedule": {"order": {"pct": {"depth": 3}}, "window": "90ms", "tasks": "mixed",
                "choices": 500, "operations_ahead": 4},
        },
        "slots": [
            {"name": "writer-1", "process": 1, "operations": [
                {"number": 0, "does": "put w:k0001", "upkeep": "done"},
                {"number": 3, "does": "transaction r:k0001 r:k0000..k0004 w:k0002 d:k0003..",
                    "think": "1.5ms", "patience": "9ms", "freshness": "session", "variant": 6},
            ]},
            {"name": "reader-1", "process": 3, "start_after": "12ms", "operations": [
                {"number": 1, "does": "scan r:k0000..", "freshness": "held"}]},
            {"name": "collector-1", "process": 5, "rounds": [{"number": 0, "pause": "4ms"}]},
        ],
        "blows": [
            {"slot": "writer-1", "operation": 0, "blow": {"twin": {"name": "twin-1", "process": 6}}},
            {"slot": "writer-1", "operation": 3, "delay": "1ms", "blow": {"stall-at-step": {
                "at": {"operation": "commit"}, "whom": "whoever", "after": 1, "lasts": "30ms"}}},
            {"slot": "reader-1", "operation": 1, "blow": {"clock": {
                "wall_offset_ns": -5, "drift_ppm": 9}}},
            {"slot": "collector-1", "operation": 0, "blow": {"outage": {
                "kind": "failing", "share_ppm": 100_000, "lasts": "7ms"}}},
            {"slot": "writer-1", "operation": 3, "blow": {"crash": {"restart_after": "3ms"}}},
        ],
        "requests": [
            {"process": "writer-1", "at": 3, "nth": 1, "fault": {"late-apply": {
                "report": "silence", "after_ns": 5000}}},
            {"process": "twin-1", "at": "opening", "nth": 0, "there": "40ms", "luck_ppm": 5},
            {"process": "newcomer", "at": "quiet", "nth": 0, "back": "1ms"},
        ],
    });
    Plan::from_json(&text.to_string()).expect("the sample is a plan")
}

#[test]
fn a_plan_written_by_hand_survives_the_way_through_text_and_runs() {
    let plan = sample();
    assert_eq!(Plan::from_json(&plan.to_json()).expect("it was written"), plan);
    let ran = replay(&Arena::new(), &plan, &system(None), Keep::Hash).expect("it fits");
    assert_eq!(ran.failure, None, "{:?}", ran.report.verdict);
    assert!(ran.struck >= 4, "{} of {} struck", ran.struck, plan.faults());
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let text = sample().to_json();
    for end in 0..text.trim_end().len() {
        assert!(Plan::from_json(&text[..end]).is_err(), "cut at {end}");
    }
}

/// The sample with one value replaced must be refused for a reason that names the place.
fn refused(pointer: &str, value: Value, part: &str) {
    let mut tree: Value = serde_json::from_str(&sample().to_json()).expect("JSON");
    *tree.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} exists")) = value.clone();
    let error = Plan::from_json(&tree.to_string()).expect_err(pointer).to_string();
    assert!(error.contains(part), "{pointer} = {value}: {error}");
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (pointer, value, part) in [
        ("/format", json!(2), "format 2 is not known"),
        ("/format", json!("1"), "expected u64"),
        ("/seed", json!(-1), "line 1 column"),
        ("/expect/failure", json!("Gremlins"), "no rule is called 'Gremlins'"),
        ("/world/typical_request", json!("0s"), "world.typical_request"),
        ("/world/transport_timeout", json!("3155760000s"), "world.transport_timeout"),
        ("/world/transport_timeout", json!("99999999999999999999s"), "too long"),
        ("/world/usual/there", json!(5), "expected a string"),
        ("/world/processes", json!(65_535), "world.processes: 65535 is too much"),
        ("/world/clients", json!(0), "world.clients"),
        ("/world/filling", json!(65_535), "world.filling"),
        ("/world/schedule/order/pct/depth", json!(4_000_000_000_u32), "pct.depth"),
        ("/world/schedule/choices", json!(u64::MAX), "world.schedule.choices"),
        ("/world/schedule/tasks", json!(true), "line 1 column"),
        ("/slots/0/process", json!(0), "slots[0].name: process number 0"),
        ("/slots/0/process", json!(3), "slots[1].name: process number 3"),
        ("/slots/1/name", json!("writer-1"), "slots[1].name: the name 'writer-1' is taken"),
        ("/slots/0/operations/1/number", json!(0), "slots[0].operations[1].number"),
        ("/slots/0/operations/0/does", json!("explode"), "begins with no operation"),
        ("/slots/0/operations/0/does", json!("put w:k10000"), "'w:k10000'"),
        ("/slots/0/operations/1/freshness", json!("held"), "only reads"),
        ("/slots/2/rounds/0/pause", json!("86401s"), "slots[2].rounds[0].pause"),
        ("/blows/0/slot", json!("writer-9"), "blows[0].slot: there is no slot 'writer-9'"),
        ("/blows/0/operation", json!(2), "blows[0].operation"),
        ("/blows/1/blow/stall-at-step/lasts", json!("100000s"), "blows[1].blow"),
        ("/blows/2/blow/clock/drift_ppm", json!(2_000_000), "blows[2].blow.clock.drift_ppm"),
        ("/blows/3/blow/outage/share_ppm", json!(1_000_001), "blows[3].blow.outage.share_ppm"),
        ("/requests/0/fault/late-apply/after_ns", json!(u64::MAX), "requests[0].fault"),
        ("/requests/0/fault", json!({"gamma-ray": {}}), "unknown variant `gamma-ray`"),
        ("/requests/1/process", json!("twin-7"), "requests[1].process"),
        ("/requests/1/at", json!("midnight"), "a moment is"),
        ("/requests/1/luck_ppm", json!(u32::MAX), "requests[1].luck_ppm"),
    ] {
        refused(pointer, value, part);
    }
}

#[test]
fn a_million_operations_are_refused_before_a_world_is_built() {
    let mut tree: Value = serde_json::from_str(&sample().to_json()).expect("JSON");
    let rounds: Vec<Value> = (0..100_001).map(|number| json!({ "number": number })).collect();
    tree["slots"][2]["rounds"] = rounds.into();
    let error = Plan::from_json(&tree.to_string()).expect_err("too many").to_string();
    assert!(error.contains("slots: operations and rounds: 100004 is too much"), "{error}");
    // A million operations are larger than any file that is read.
    let huge = " ".repeat(FILE_BYTES_MAX as usize + 1);
    assert!(matches!(Plan::from_json(&huge), Err(PlanError::TooLarge)));
}

/// Values that no plan expects where it meets them.
fn hostile() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!("writer-1")),
        Just(json!("quiet")),
        Just(json!(-1)),
        Just(json!(1.5)),
        Just(json!(u64::MAX)),
        Just(json!(u32::MAX)),
        Just(json!(65_535)),
        Just(json!("86400s")),
        Just(json!("any-step")),
        Just(json!("commit.put_head")),
        (0_u64..2000).prop_map(|number| json!(number)),
        (0_u64..100_000_000).prop_map(|ns| json!(format!("{ns}ns"))),
        "[a-z]{1,6} [rwd]:k000[0-9]".prop_map(|does| json!(does)),
    ]
}

/// All places of a tree, as pointers.
fn pointers(tree: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match tree {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(field, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// Reads a text; if it is a plan, runs it for a while. Nothing of this may panic: a panic of the
/// world is caught there, and is a failure of this test all the same.
fn survive(text: &str) {
    let Ok(plan) = Plan::from_json(text) else { return };
    assert_eq!(Plan::from_json(&plan.to_json()).expect("it was read"), plan);
    let patience = Patience::Polls(3_000);
    let trial = run(&Arena::new(), &plan, &system(None), Keep::Hash, Recorded::Kept, patience);
    if let Ok(trial) = trial {
        let verdict = trial.report.verdict;
        assert!(!matches!(verdict, crate::world::Verdict::Panicked { .. }), "{verdict:?}\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn plans_with_values_changed_at_random_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4)
    ) {
        let mut tree: Value = serde_json::from_str(&sample().to_json()).expect("JSON");
        for (place, value) in changes {
            let mut places = Vec::new();
            pointers(&tree, "", &mut places);
            if let Some(old) = tree.pointer_mut(place.get(&places).as_str()) {
                *old = value;
            }
        }
        survive(&tree.to_string());
    }

    #[test]
    fn plans_with_bytes_changed_at_random_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~]"), 1..4)
    ) {
        let mut text = sample().to_json();
        for (place, byte) in changes {
            let at = place.index(text.len());
            text.replace_range(at..=at, &byte);
        }
        survive(&text);
    }
}
