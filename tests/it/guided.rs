//! Guided search: the same worlds for any number of workers, each with a name under which it is run
//! again, and a memory that outlives the search.

use std::sync::Arc;

use sim::Seed;
use sim::trace::Keep;
use vopr::campaign::{Campaign, Determinism, Seeding, Unwatched};
use vopr::guided::{self, Corpus, Guide};
use vopr::swarm::SwarmOptions;
use vopr::systems::ManifestSystem;
use vopr::world::{Arena, WorldReport, run_seed};

use crate::{stderr, stdout, vopr};

fn campaign(iterations: u64) -> Campaign {
    vopr::cli::listen_to_steps();
    Campaign {
        first_seed: 7,
        iterations,
        system: Arc::new(ManifestSystem::sound()),
        swarm: SwarmOptions::default(),
        determinism: Determinism::Checked,
        seeding: Seeding::Guided,
    }
}

#[test]
fn any_number_of_workers_sees_the_same_and_accuses_nobody() {
    let run = |workers| guided::run(&campaign(300), workers, &Unwatched, Corpus::default());
    let (one, three) = (run(1), run(3));
    assert!(one.0.passed(), "{:?}", one.0.failures);
    assert_eq!(one, three);
    assert_eq!(one.0.seeds, 300);
    assert!(one.1.len() > 300, "{} pairs", one.1.len());
}

/// The worlds of a search, in their order.
fn search(corpus: Corpus, worlds: u64) -> (Vec<WorldReport>, Corpus) {
    vopr::cli::listen_to_steps();
    let (arena, campaign) = (Arena::new(), campaign(worlds));
    let mut guide = Guide::new(campaign.first_seed, corpus);
    let mut all = Vec::new();
    while (all.len() as u64) < worlds {
        let run =
            |seed: &Seed| run_seed(&arena, seed, &campaign.system, &campaign.swarm, Keep::Pairs);
        let reports: Vec<_> = guide.generation(worlds - all.len() as u64).iter().map(run).collect();
        reports.iter().for_each(|report| guide.learn(report));
        all.extend(reports);
    }
    (all, guide.into_corpus())
}

#[test]
fn half_of_the_worlds_go_on_from_where_a_pair_was_shown() {
    let (worlds, corpus) = search(Corpus::default(), 256);
    let turned: Vec<_> = worlds.iter().filter(|world| !world.seed.turns().is_empty()).collect();
    // All of the first generation are new.
    assert_eq!(turned.len(), 96);
    assert!(turned.iter().any(|world| world.seed.turns().len() > 1), "continued again");
    // What the corpus says of a world is so: its seed shows the pair, first at that event.
    let (arena, campaign) = (Arena::new(), campaign(1));
    for (pair, shown) in corpus.pairs().step_by(corpus.len() / 20) {
        let report = run_seed(&arena, &shown.seed, &campaign.system, &campaign.swarm, Keep::Pairs);
        assert!(report.pairs.contains(&(pair, shown.event)), "seed {}", shown.seed);
    }
}

#[test]
fn new_pairs_come_sooner_to_a_search_that_is_guided() {
    let (worlds, guided) = search(Corpus::default(), 640);
    let events: u64 = worlds.iter().map(|world| world.events).sum();
    let (arena, campaign) = (Arena::new(), campaign(1));
    let (mut plain, mut spent) = (std::collections::BTreeSet::new(), 0);
    for seed in (7..).map(Seed::from) {
        let report = run_seed(&arena, &seed, &campaign.system, &campaign.swarm, Keep::Pairs);
        plain.extend(report.pairs.iter().map(|(pair, _)| *pair));
        spent += report.events;
        if spent >= events {
            break;
        }
    }
    assert!(guided.len() > plain.len(), "{} against {}", guided.len(), plain.len());
}

#[test]
fn a_search_goes_on_from_what_an_earlier_one_left() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let file = dir.path().join("corpus.json");
    let file = file.to_str().expect("it is UTF-8");
    let run = |seed| {
        let output = vopr(&["--strategy", "guided", "--corpus", file, "--seed", seed, "-n", "64"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (stdout(&output), Corpus::read(file.as_ref(), "manifest-core").expect("it was written"))
    };
    let (first, known) = run("1");
    assert!(!known.is_empty() && first.contains("guided"), "{first}");
    let again = std::fs::read(file).expect("it was written");
    let (more, grown) = run("100");
    assert!(grown.len() > known.len());
    // From the same memory the same search.
    std::fs::write(file, again).expect("it can be written");
    assert_eq!(run("100"), (more, grown));
}

#[test]
fn a_failure_is_told_by_the_name_of_its_world_and_replayed_by_it() {
    let (bug, limit) = ("pin-after-read", "2000");
    // Every start finds it sooner or later in a continued world.
    let found = (0..20).find_map(|start| {
        let seed = (start * 1000).to_string();
        let arguments =
            ["--strategy", "guided", "--bug", bug, "--seed", &seed, "-n", limit, "--no-reduce"];
        let output = vopr(&[&arguments[..], &["--json"]].concat());
        let report: serde_json::Value =
            serde_json::from_str(&stdout(&output)).expect("a report is JSON");
        let seeds = report["failures"]
            .as_array()?
            .iter()
            .flat_map(|group| group["seeds"].as_array().cloned().unwrap_or_default());
        let turned = |seed: serde_json::Value| seed.as_str().map(str::to_owned);
        seeds.filter_map(turned).next()
    });
    let seed = found.expect("a continued world failed");
    let replayed = vopr(&["replay", &seed, "--bug", bug, "--filter", "failures-only"]);
    assert_eq!(replayed.status.code(), Some(10), "{seed}: {}", stderr(&replayed));
    let without = vopr(&["replay", &seed, "--filter", "failures-only"]);
    assert_eq!(without.status.code(), Some(0), "{seed}");
}

#[test]
fn a_corpus_in_the_wrong_place_is_a_usage_error_and_stays_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let file = dir.path().join("corpus.json");
    std::fs::write(&file, "{\"format\": 1, \"pairs\": [").expect("it can be written");
    let path = file.to_str().expect("it is UTF-8");
    let cut = vopr(&["--strategy", "guided", "--corpus", path, "-n", "64"]);
    assert_eq!(cut.status.code(), Some(2));
    assert!(stderr(&cut).contains("corpus.json"), "{}", stderr(&cut));
    let kept = std::fs::read_to_string(&file).expect("it is there");
    assert_eq!(kept, "{\"format\": 1, \"pairs\": [");
    let unused = vopr(&["--corpus", path, "-n", "1"]);
    assert_eq!(unused.status.code(), Some(2));
    assert!(stderr(&unused).contains("--strategy guided"), "{}", stderr(&unused));
    let compared = vopr(&["faults", "--strategy", "guided", "-n", "1"]);
    assert_eq!(compared.status.code(), Some(2));
}
