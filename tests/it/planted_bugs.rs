//! Planted bugs are found by search from any start, and the diagnosis names their class. (That each
//! fires under a schedule written by hand is tested in `manifest-core` itself; how soon all of them
//! are found is measured by `vopr bugs`.)

use std::sync::Arc;

use vopr::campaign::Seeding;
use vopr::hunt::{self, Hunt, Outcome};
use vopr::system::{BugInfo, SystemUnderTest};
use vopr::systems::ManifestSystem;

/// Hunts a bug from several starts.
fn hunt(bug: &BugInfo, starts: u64, limit: u64) -> Vec<Outcome> {
    vopr::cli::listen_to_steps();
    let system = ManifestSystem::sound().with_bug(bug.name).expect("the bug exists");
    let hunts: Vec<Hunt> = (0..starts)
        .map(|start| Hunt {
            seeding: Seeding::InTurn,
            system: Arc::clone(&system),
            swarm: Default::default(),
            first_seed: start * 1_000_003,
            limit,
        })
        .collect();
    hunt::run(&hunts, 2, &|_| {})
}

fn bug(name: &str) -> BugInfo {
    let bugs = ManifestSystem::sound().bugs();
    bugs.into_iter().find(|bug| bug.name == name).expect("the bug exists")
}

/// Found within `limit` seeds from every start; the diagnosis names the class in at least nine of
/// ten, first or besides, or one that is as good.
fn found_everywhere(name: &str, starts: u64, limit: u64) {
    let bug = bug(name);
    let outcomes = hunt(&bug, starts, limit);
    let mut right = 0;
    for (start, outcome) in outcomes.iter().enumerate() {
        let catch = outcome.catch.as_ref();
        let catch = catch.unwrap_or_else(|| panic!("{name} was not found from start {start}"));
        let said = catch.class.expect("a broken rule has a class");
        let as_good = said == bug.class || bug.also.contains(&said);
        right += usize::from(as_good || catch.also.contains(&bug.class));
    }
    assert!(right * 10 >= outcomes.len() * 9, "{name}: class right in {right} of {outcomes:?}");
}

#[test]
fn a_root_put_without_its_condition_is_found_at_once() {
    found_everywhere("blind-head-put", 10, 60);
}

#[test]
fn a_retry_that_never_looks_for_its_own_commit_is_found() {
    found_everywhere("ambiguous-retry-recommit", 10, 60);
}

#[test]
fn strong_reads_from_a_cache_are_found() {
    found_everywhere("head-cache-stale", 10, 60);
}

#[test]
fn an_answer_about_a_commit_that_is_too_sure_is_found() {
    found_everywhere("status-too-sure", 4, 200);
}

#[test]
fn bugs_of_commits_are_found() {
    for name in [
        "stale-payload-rebase",
        "ack-before-publish",
        "torn-batch",
        "cleanup-on-unknown",
        "conflict-window-latest-only",
        "range-reads-forgotten",
    ] {
        found_everywhere(name, 4, 60);
    }
}

#[test]
fn bugs_of_folding_are_found() {
    for name in [
        "checkpoint-covers-head",
        "tombstone-drop",
        "merge-forgets-ranges",
        "checkpoint-drops-last",
        "dedup-evicted-early",
        "seal-drops-record",
    ] {
        found_everywhere(name, 4, 100);
    }
}

#[test]
fn bugs_of_collection_pins_and_roles_are_found() {
    for name in [
        "gc-inflight-segment",
        "gc-ignores-lease",
        "retired-dropped-early",
        "retired-above-floor",
        "loser-object-leak",
        "lease-leak-wedges",
        "fence-check-once",
        "epoch-not-raised",
    ] {
        found_everywhere(name, 4, 100);
    }
}

#[test]
fn a_hunt_for_nothing_finds_nothing() {
    let hunts = [Hunt {
        seeding: Seeding::InTurn,
        system: Arc::new(ManifestSystem::sound()),
        swarm: Default::default(),
        first_seed: 7,
        limit: 50,
    }];
    vopr::cli::listen_to_steps();
    assert_eq!(hunt::run(&hunts, 1, &|_| {})[0].catch, None);
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_workers() {
    let system = ManifestSystem::sound().with_bug("tombstone-drop").expect("the bug exists");
    let hunts: Vec<Hunt> = (0..4)
        .map(|start| Hunt {
            seeding: Seeding::InTurn,
            system: Arc::clone(&system),
            swarm: Default::default(),
            first_seed: start * 100,
            limit: 100,
        })
        .collect();
    vopr::cli::listen_to_steps();
    let catches = |workers| -> Vec<_> {
        hunt::run(&hunts, workers, &|_| {}).into_iter().map(|outcome| outcome.catch).collect()
    };
    assert_eq!(catches(1), catches(3));
}

#[test]
fn every_bug_of_the_list_can_be_planted() {
    let sound = ManifestSystem::sound();
    for bug in sound.bugs() {
        assert!(sound.with_bug(bug.name).is_some(), "{}", bug.name);
        assert!(!bug.sentence.is_empty() && !bug.origin.is_empty(), "{}", bug.name);
    }
    assert!(sound.with_bug("sound").is_none());
    assert!(sound.bugs().len() >= 40);
    let _: Arc<dyn SystemUnderTest> = Arc::new(sound);
}
