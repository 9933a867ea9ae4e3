//! From a failing seed to a small file that fails for ever, and what is said when it does not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sim::trace::Keep;
use vopr::plan::{BlowEntry, BlowKind, Failure, Misfit, Place, Plan, Span, Whom, replay};
use vopr::reduce::Suspect;
use vopr::regress::{Outcome, check};
use vopr::system::SystemUnderTest;
use vopr::systems::ManifestSystem;
use vopr::world::Arena;

use crate::{stderr, stdout, vopr};

fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

fn kept(name: &str) -> Plan {
    Plan::read(&regressions().join(name)).expect("a kept plan can be read")
}

fn suspect(plan: &Plan) -> Suspect {
    vopr::cli::listen_to_steps();
    vopr::panics::install();
    let sound = ManifestSystem::sound();
    match &plan.bug {
        None => Suspect { system: Arc::new(sound), sound: None },
        Some(bug) => {
            let system = sound.with_bug(bug).expect("the bug exists");
            Suspect { system, sound: Some(Arc::new(sound)) }
        }
    }
}

fn outcome(plan: &Plan) -> Outcome {
    check(&Arena::new(), plan, &suspect(plan))
}

#[test]
fn every_kept_plan_fails_with_its_bug_and_passes_without() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(regressions())
        .expect("there are kept plans")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    for path in names {
        let plan = Plan::read(&path).expect("a kept plan can be read");
        let found = outcome(&plan);
        assert!(
            matches!(found, Outcome::Holds { failure: Some(_), .. }),
            "{}: {found:?}",
            path.display()
        );
    }
}

#[test]
fn a_kept_plan_runs_to_the_same_bytes_every_time() {
    let plan = kept("lease-skew.json");
    let suspect = suspect(&plan);
    let (one, two) = (Arena::new(), Arena::new());
    let print = |arena: &Arena| {
        replay(arena, &plan, &suspect.system, Keep::Hash).expect("it fits").report.fingerprint
    };
    let first = print(&one);
    // An arena that was used for something else is as good as a new one.
    assert_eq!([print(&one), print(&two)], [first, first]);
}

#[test]
fn a_plan_that_fails_no_more_is_not_passed_over() {
    let mut plan = kept("blind-head-put.json");
    for slot in &mut plan.slots {
        slot.operations.truncate(1);
    }
    plan.slots.truncate(1);
    plan.blows.clear();
    let Outcome::NoLongerFails { expected, found: None } = outcome(&plan) else {
        panic!("{:?}", outcome(&plan));
    };
    assert_eq!(expected, plan.expect.failure);
}

#[test]
fn a_plan_that_fails_otherwise_is_not_passed_over() {
    let mut plan = kept("blind-head-put.json");
    let other = Failure::try_from(String::from("ReadFresh")).expect("a rule");
    assert_ne!(plan.expect.failure.as_ref(), Some(&other));
    plan.expect.failure = Some(other);
    let found = outcome(&plan);
    assert!(matches!(found, Outcome::NoLongerFails { found: Some(_), .. }), "{found:?}");
}

#[test]
fn names_that_the_system_does_not_know_are_said() {
    let plan = kept("torn-batch.json");
    let number = plan.slots[0].operations[0].number;
    let aimed = |at| {
        let blow = BlowKind::CrashAtStep { at, whom: Whom::Slot, after: 0 };
        let slot = plan.slots[0].name.clone();
        let blows = vec![BlowEntry { slot, operation: number, delay: Span(0), blow }];
        Plan { blows, ..plan.clone() }
    };
    let step = String::from("commit.no_such_step");
    let misfit = outcome(&aimed(Place::Step(step.clone())));
    assert_eq!(misfit, Outcome::Misfit(Misfit::Step { index: 0, step }));
    let misfit = outcome(&aimed(Place::Operation(String::from("nothing"))));
    assert!(matches!(misfit, Outcome::Misfit(Misfit::Step { .. })), "{misfit:?}");

    let mut elsewhere = plan.clone();
    elsewhere.world.store = String::from("floppy");
    assert_eq!(outcome(&elsewhere), Outcome::Misfit(Misfit::Store(String::from("floppy"))));

    let mut nobody = plan.clone();
    nobody.slots[0].name = String::from("poet-1");
    nobody.blows.clear();
    assert!(matches!(outcome(&nobody), Outcome::Misfit(Misfit::Role { index: 0, .. })));
}

#[test]
fn a_mended_bug_passes_only_if_something_of_its_plan_still_happens() {
    // As if the bug had been one of the system itself, and had been mended.
    let mut mended = kept("lease-skew.json");
    mended.bug = None;
    assert!(matches!(outcome(&mended), Outcome::Holds { failure: None, .. }));
    // The request that its only fault was aimed at never comes.
    let mut idle = mended.clone();
    idle.blows.clear();
    let request = serde_json::json!({
        "process": idle.slots[0].name, "at": "opening", "nth": 9999, "fault": "slow-down"
    });
    idle.requests = vec![serde_json::from_value(request).expect("a request")];
    assert_eq!(outcome(&idle), Outcome::Misfit(Misfit::NothingStruck { planned: 1 }));
}

#[test]
fn nobody_is_accused_of_what_lands_after_the_last_word() {
    let plan = Plan::from_json(include_str!("late-landing.json")).expect("a plan");
    assert!(matches!(outcome(&plan), Outcome::Holds { failure: None, .. }));
}

#[test]
fn a_campaign_tells_the_reduced_run_and_keeps_its_plan() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a path in UTF-8");
    let flags = ["--bug", "head-cache-stale", "-n", "12", "--reduce-tries", "300"];
    let output = vopr(&[&flags[..], &["--save-dir", path]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(10), "{text}");
    for part in ["  reduced from ", "same failure each time", "  saved   ", "next    vopr replay "]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let next = text.lines().find_map(|line| line.trim().strip_prefix("next    vopr replay "));
    let file = next.expect("a command");
    let again = vopr(&["replay", file, "--filter", "minimal"]);
    assert_eq!(again.status.code(), Some(10), "{}", stdout(&again));
    assert!(stdout(&again).contains("broken: a strong read"), "{}", stdout(&again));
    let until = stdout(&vopr(&["replay", file, "--until", "3"]));
    assert!(until.contains("      3 ") && !until.contains("      4 "), "{until}");
    assert_eq!(vopr(&["replay", file, "--without-bug"]).status.code(), Some(0));
    let regress = vopr(&["regress", path]);
    assert_eq!(regress.status.code(), Some(0), "{}", stdout(&regress));
    assert!(stdout(&regress).contains("passes without"), "{}", stdout(&regress));
    // What is small already stays what it is.
    let smaller = dir.path().join("smaller.json");
    let smaller_path = smaller.to_str().expect("a path in UTF-8");
    let reduced = vopr(&["reduce", file, "-o", smaller_path]);
    assert_eq!(reduced.status.code(), Some(0), "{}", stderr(&reduced));
    let (before, after) = (Plan::read(Path::new(file)), Plan::read(&smaller));
    let (before, after) = (before.expect("a plan"), after.expect("a plan"));
    assert!(after.operations() <= before.operations() && after.faults() <= before.faults());
    assert_eq!(after.expect.failure, before.expect.failure);
}

#[test]
fn nothing_is_written_unless_a_place_is_given() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args(["--bug", "head-cache-stale", "-n", "4", "--reduce-tries", "20"])
        .current_dir(dir.path())
        .output()
        .expect("the binary was built with the tests");
    assert_eq!(output.status.code(), Some(10));
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}

#[test]
fn what_is_no_plan_is_a_usage_error_with_file_and_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("bad.json");
    let path = file.to_str().expect("a path in UTF-8");
    let good = kept("torn-batch.json").to_json();
    let bad: [(String, &str); 5] = [
        (good[..good.len() / 2].to_owned(), "line "),
        (good.replace("\"format\": 1", "\"format\": 7"), "format 7 is not known"),
        (good.replace("\"clients\":1", "\"clients\":65535"), "world.clients: 65535 is too much"),
        (good.replace("\"seed\": ", "\"sead\": "), "unknown field `sead`"),
        (String::from("hello"), "line 1 column 1"),
    ];
    for (text, part) in bad {
        assert_ne!(text, good);
        std::fs::write(&file, text).expect("it can be written");
        for verb in ["replay", "reduce"] {
            let output = vopr(&[verb, path]);
            assert_eq!(output.status.code(), Some(2), "{verb} {part}");
            let error = stderr(&output);
            assert!(error.contains("bad.json") && error.contains(part), "{verb}: {error}");
        }
        let output = vopr(&["regress", path]);
        assert_eq!(output.status.code(), Some(2), "regress {part}");
        assert!(stdout(&output).contains("NO PLAN"), "{}", stdout(&output));
    }
    let empty = tempfile::tempdir().expect("a directory");
    let output = vopr(&["regress", empty.path().to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(2), "no plans are no pass");
}

#[test]
fn a_plan_that_does_not_fit_any_more_ends_with_15() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut plan = kept("torn-batch.json");
    plan.world.store = String::from("floppy");
    plan.write(&dir.path().join("old.json")).expect("it can be written");
    let output = vopr(&["regress", dir.path().to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(15), "{}", stdout(&output));
    assert!(stdout(&output).contains("NO LONGER FITS"), "{}", stdout(&output));
}

#[test]
fn a_passing_seed_is_nothing_to_reduce() {
    let output = vopr(&["reduce", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nothing to reduce"), "{}", stderr(&output));
}

#[test]
fn a_plan_is_explained_and_reported_like_a_seed() {
    let file = regressions().join("lease-skew.json");
    let path = file.to_str().expect("a path in UTF-8");
    let explained = vopr(&["explain", path, "--variations", "40"]);
    let text = stdout(&explained);
    assert_eq!(explained.status.code(), Some(10), "{}", stderr(&explained));
    for part in [
        "FAIL   plan ",
        "needed  ",
        " clock ",
        "without it: 0 of 40 fail",
        "tipped at ",
        "P(fail) in 40 fresh runs",
        "next      vopr explain ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(text, stdout(&vopr(&["explain", path, "--variations", "40"])));
    let plain = stdout(&vopr(&["explain", path, "--variations", "0"]));
    assert!(!plain.contains("needed") && !plain.contains("P(fail)"), "{plain}");
    let page = stdout(&vopr(&["report", path, "--variations", "40"]));
    assert!(page.contains("<dt>needed</dt>") && page.contains(">P(fail)<"), "{}", page.len());
    let missing = vopr(&["explain", "no-such-plan.json"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no-such-plan.json"), "{}", stderr(&missing));
}

#[test]
fn a_small_plan_that_is_not_kept_is_not_lost() {
    let output = vopr(&["--bug", "head-cache-stale", "-n", "4", "--reduce-tries", "50"]);
    let text = stdout(&output);
    let said = text.lines().find_map(|line| line.trim().strip_prefix("saved   nowhere: vopr "));
    let command = said.unwrap_or_else(|| panic!("{text}")).split(", or ").next().expect("words");
    let dir = tempfile::tempdir().expect("a directory");
    let words: Vec<&str> = command.split(' ').collect();
    let (name, words) = words.split_last().expect("a file");
    let file = dir.path().join(name);
    let path = file.to_str().expect("a path in UTF-8");
    let reduced = vopr(&[words, &[path, "--tries", "50"]].concat());
    assert_eq!(reduced.status.code(), Some(0), "{}", stderr(&reduced));
    assert!(Plan::read(&file).is_ok());
}
