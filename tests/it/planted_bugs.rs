//! Planted bugs are found by search from any start, by the rule that is meant for them. (That each
//! fires under a schedule written by hand is tested in `manifest-core` itself.)

use std::sync::Arc;

use vopr::campaign::{self, Campaign, Determinism, Summary, Unwatched};
use vopr::checkers::Class;
use vopr::system::SystemUnderTest;
use vopr::systems::ManifestSystem;

fn search(bug: &str, first_seed: u64, iterations: u64) -> Summary {
    vopr::cli::listen_to_steps();
    let system = ManifestSystem::sound().with_bug(bug).expect("the bug exists");
    let campaign = Campaign {
        first_seed,
        iterations,
        system,
        swarm: Default::default(),
        determinism: Determinism::Assumed,
    };
    campaign::run(&campaign, 2, &Unwatched)
}

/// From ten starts, the bug is found within 200 seeds, and most failing seeds show its class.
fn found_everywhere(bug: &str, class: Class) {
    for start in (0..10).map(|start| start * 1_000_003) {
        let summary = search(bug, start, 60);
        let of_class = |wanted: bool| {
            summary
                .failures
                .iter()
                .filter(|(key, _)| (key.class() == Some(class)) == wanted)
                .map(|(_, group)| group.count)
                .sum::<u64>()
        };
        assert!(of_class(true) > 0, "{bug} was not found in seeds {start}..{}", start + 60);
        assert!(
            of_class(false) * 10 <= of_class(true),
            "{bug} from {start}: {:?}",
            summary.failures
        );
    }
}

#[test]
fn a_root_put_without_its_condition_is_a_lost_update() {
    found_everywhere("blind-head-put", Class::LostUpdate);
}

#[test]
fn a_retry_that_never_looks_for_its_own_commit_is_a_phantom_commit() {
    found_everywhere("ambiguous-retry-recommit", Class::PhantomCommit);
}

#[test]
fn strong_reads_from_a_cache_are_stale() {
    found_everywhere("head-cache-stale", Class::StaleRead);
}

/// Bugs of maintenance: from three starts each is found within 60 seeds, and shows as one of these
/// classes, whatever else it shows as.
#[test]
fn bugs_of_folding_collection_and_roles_are_found() {
    use Class::{DanglingReference, HistoryGap, LostUpdate, OrphanLeak, Resurrection, SplitBrain};
    let expected: [(&str, &[Class]); 10] = [
        ("conflict-window-latest-only", &[LostUpdate]),
        ("checkpoint-covers-head", &[HistoryGap, Resurrection]),
        ("tombstone-drop", &[Resurrection]),
        ("gc-inflight-segment", &[DanglingReference]),
        ("gc-ignores-lease", &[DanglingReference]),
        ("retired-dropped-early", &[DanglingReference]),
        ("loser-object-leak", &[OrphanLeak]),
        ("lease-leak-wedges", &[OrphanLeak]),
        ("fence-check-once", &[SplitBrain]),
        ("dedup-evicted-early", &[HistoryGap]),
    ];
    for (bug, classes) in expected {
        for start in (0..3).map(|start| start * 1_000_003) {
            let summary = search(bug, start, 60);
            let shown = summary.failures.keys().filter_map(|key| key.class());
            let shown: Vec<Class> = shown.collect();
            let right = shown.iter().any(|class| classes.contains(class));
            assert!(right, "{bug} from {start}: {shown:?}");
        }
    }
}

#[test]
fn every_bug_of_the_list_can_be_planted() {
    let sound = ManifestSystem::sound();
    for bug in sound.bugs() {
        assert!(sound.with_bug(bug.name).is_some(), "{}", bug.name);
        assert!(!bug.sentence.is_empty() && !bug.origin.is_empty(), "{}", bug.name);
    }
    assert!(sound.with_bug("sound").is_none());
    let _: Arc<dyn SystemUnderTest> = Arc::new(sound);
}
