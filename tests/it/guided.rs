//! Guided search: the same worlds for any number of workers, each with a name under which it is run
//! again, and a memory that outlives the search.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::Seed;
use sim::trace::Keep;
use vopr::campaign::{self, Campaign, Determinism, Seeding, Unwatched, Watch};
use vopr::guided::{Corpus, Guide};
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
    let run = |workers| campaign::run(&campaign(300), workers, &Unwatched);
    let (one, three) = (run(1), run(3));
    assert!(one.passed(), "{:?}", one.failures);
    assert_eq!(one, three);
    assert_eq!(one.seeds, 300);
    assert!(one.corpus.len() > 300, "{} pairs", one.corpus.len());
}

/// Dies at a world in the middle of a generation, as a worker with a fault of its own does.
struct Dies(AtomicU64);

impl Watch for Dies {
    fn finished(&self, _: &WorldReport) {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) != 70, "a fault of the tester");
    }
}

#[test]
fn a_worker_that_dies_ends_the_search_and_nobody_waits_for_it() {
    let died = std::panic::catch_unwind(|| campaign::run(&campaign(300), 3, &Dies(0.into())));
    let panic = died.expect_err("it is told");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a fault of the tester"));
}

/// The worlds of a search, in their order.
fn search(worlds: u64) -> (Vec<WorldReport>, Corpus) {
    vopr::cli::listen_to_steps();
    let (arena, campaign) = (Arena::new(), campaign(worlds));
    let (mut guide, mut corpus) = (Guide::new(campaign.first_seed), Corpus::default());
    let mut all = Vec::new();
    while (all.len() as u64) < worlds {
        let run =
            |seed: &Seed| run_seed(&arena, seed, &campaign.system, &campaign.swarm, Keep::Pairs);
        let seeds = guide.generation(&corpus, worlds - all.len() as u64);
        let reports: Vec<_> = seeds.iter().map(run).collect();
        reports.iter().for_each(|it| corpus.learn(&it.seed, it.events, &it.pairs));
        all.extend(reports);
    }
    (all, corpus)
}

#[test]
fn half_of_the_worlds_go_on_from_where_a_pair_was_shown() {
    let (worlds, corpus) = search(256);
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
    let (worlds, guided) = search(640);
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

/// What a search begins with is part of what it is: its file is read and left alone.
#[test]
fn a_kept_search_goes_on_only_from_where_it_began() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let path = |name: &str| dir.path().join(name).to_str().expect("it is UTF-8").to_owned();
    let (file, kept, out) = (path("corpus.json"), path("kept.json"), path("night"));
    let search = |more: &[&str]| {
        vopr(&[&["--strategy", "guided", "-n", "70", "--operations", "8"], more].concat())
    };
    assert_eq!(search(&["--corpus", &file]).status.code(), Some(0));
    let known = std::fs::read(&file).expect("it was written");
    let flags = ["--checkpoint", &kept, "--corpus", &file];
    let first = search(&flags);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(std::fs::read(&file).expect("it is there") == known, "it is left alone");
    assert_eq!(stdout(&search(&flags)), stdout(&first), "it is over, and tells the same again");
    let refused = |flags: &[&str], words: &str| {
        let output = search(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "no {words:?} in {}", stderr(&output));
    };
    let keep = ["--checkpoint", kept.as_str()];
    refused(&keep, "and none here");
    refused(&[&flags[..], &["--seed", "2"]].concat(), "first seed is 1 there and 2 here");
    refused(&["--block", "1/2"], "give each machine a --seed of its own");
    let long = vopr(&["--strategy", "guided", "-n", "4294967296"]);
    assert!(stderr(&long).contains("-n is at most 4294967295"), "{}", stderr(&long));
    let in_turn = vopr(&["-n", "70", "--operations", "8", "--checkpoint", &kept]);
    assert!(stderr(&in_turn).contains("strategy is guided there and portfolio here"));
    // What a kept run knows in the end is where another one may begin.
    assert_eq!(search(&["--out", &out]).status.code(), Some(0));
    let known = std::path::Path::new(&out).join("corpus.json");
    let more = search(&["--corpus", known.to_str().expect("it is UTF-8")]);
    assert_eq!(more.status.code(), Some(0), "{}", stderr(&more));
    // And a merge of one run tells what the run told.
    let merged = vopr(&["merge", &kept]);
    assert_eq!(stdout(&merged), stdout(&first), "{}", stderr(&merged));
}

/// Files that were cut, edited or made up. Nothing that was there is changed.
#[test]
fn a_damaged_search_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let file = dir.path().join("kept.json");
    let path = file.to_str().expect("it is UTF-8");
    let search = || {
        let flags = ["--strategy", "guided", "-n", "70", "--operations", "8"];
        vopr(&[&flags[..], &["--checkpoint", path]].concat())
    };
    assert_eq!(search().status.code(), Some(0));
    let sound = std::fs::read_to_string(&file).expect("it was written");
    let pair = sound.find("\"corpus\":[[").expect("it has a corpus") + 10;
    let end = pair + sound[pair..].find(']').expect("it ends") + 1;
    let many = vec!["[\"0000000000000000\",1,\"1\",0,1]"; 70_000].join(",");
    for (damaged, words) in [
        (sound[..pair + 100].to_owned(), "is no checkpoint: EOF"),
        (sound.replacen(&sound[pair..end], &sound[pair..end].replace('1', "2"), 1), "was changed"),
        (sound.replacen(&sound[pair..end], &many, 1), "not in ascending order"),
        (sound.replacen(&sound[pair..end], "[\"00\",1,\"1\",0,1]", 1), "16 hexadecimal digits"),
        (sound.replacen("\"next_seed\":", "\"next_sead\":", 1), "unknown field `next_sead`"),
    ] {
        std::fs::write(&file, &damaged).expect("writable");
        let output = search();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "one line: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "no {words:?} in {}", stderr(&output));
        assert!(std::fs::read_to_string(&file).expect("still there") == damaged);
    }
    std::fs::write(&file, &sound).expect("writable");
    assert_eq!(search().status.code(), Some(0), "and the sound one goes on");
}
