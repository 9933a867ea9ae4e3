//! Runs that are killed, ended, continued, cut into blocks and joined: whatever happens, the summary
//! is that of one undisturbed run, and no seed is run twice or left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::{stderr, stdout, vopr};

/// Flags of the runs of this module: some of the seeds fail, and telling how is not the point.
const FLAGS: [&str; 5] = ["--bug", "blind-head-put", "--no-reduce", "--operations", "8"];

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

fn run(more: &[&str]) -> Output {
    vopr(&[&["run"], &FLAGS[..], more].concat())
}

/// Begins a run that goes on while the test does something else.
fn begin(more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args([&["run"], &FLAGS[..], more].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built with the tests")
}

/// The report without the lines that name a place.
fn told(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("plans/"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The summary that a directory holds.
fn summary(folder: &Path) -> String {
    told(&std::fs::read_to_string(folder.join("summary.txt")).expect("it was written"))
}

/// How many files the page of a directory links to, all of which are there.
fn links_of_the_page(folder: &Path) -> usize {
    let page = std::fs::read_to_string(folder.join("index.html")).expect("it was written");
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.map(|link| assert!(folder.join(link).is_file(), "no {link}")).count()
}

/// How often each seed is among the results of a directory.
fn seeds_of(folder: &Path) -> BTreeMap<u64, u32> {
    let mut seeds = BTreeMap::new();
    let results = std::fs::read_to_string(folder.join("results.ndjson")).expect("it was written");
    for line in results.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        if line["kind"] == "stretch" {
            let end = |name: &str| line[name].as_u64().expect("a seed");
            (end("first")..=end("last")).for_each(|seed| *seeds.entry(seed).or_default() += 1);
        }
    }
    seeds
}

/// How many sessions a directory has seen.
fn sessions(folder: &Path) -> usize {
    let log = std::fs::read_to_string(folder.join("vopr.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains(" seeds: vopr ")).count()
}

/// Lets a run finish some stretches that are in no checkpoint yet, and says whether it still runs.
/// What an earlier session left in the journal does not count: it is emptied before the log says
/// that this one, the so many-th, goes on.
fn wait_for_stretches(child: &mut Child, folder: &Path, (session, bytes): (usize, u64)) -> bool {
    let journal = folder.join("journal.ndjson");
    loop {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        let has_grown = || journal.metadata().is_ok_and(|journal| journal.len() > bytes);
        if sessions(folder) == session && has_grown() {
            return true;
        }
        std::thread::yield_now();
    }
}

/// Begins a run, or goes on with one, and kills it when the journal is so long. `false`: it ended.
fn begin_and_kill(flags: &[&str], folder: &Path, bytes: u64) -> bool {
    let session = sessions(folder) + 1;
    let mut child = begin(&[flags, &["--out", text(folder)]].concat());
    let is_killed = wait_for_stretches(&mut child, folder, (session, bytes));
    child.kill().expect("SIGKILL");
    child.wait().expect("it is dead");
    is_killed
}

/// Runs to the end, and is killed once for each of these numbers, when the journal is that long.
fn run_and_kill(flags: &[&str], folder: &Path, at_bytes: &[u64]) -> Output {
    let kills = at_bytes.iter().filter(|&&bytes| begin_and_kill(flags, folder, bytes)).count();
    assert!(kills > 0 || at_bytes.is_empty(), "the run is over before it can be killed");
    let last = run(&[flags, &["--out", text(folder)]].concat());
    assert_eq!(last.status.code(), Some(10), "{}", stderr(&last));
    last
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (calm, killed) = (folder.path().join("calm"), folder.path().join("killed"));
    let flags = ["-n", "600", "--workers", "2"];
    let whole = run_and_kill(&flags, &calm, &[]);
    let last = run_and_kill(&flags, &killed, &[1, 9_000, 40_000]);
    assert_eq!(told(&stdout(&last)), told(&stdout(&whole)));
    assert_eq!(summary(&killed), summary(&calm));
    assert!(links_of_the_page(&killed) >= 1, "the story of the failure");
    let expected: BTreeMap<u64, u32> = (1..=600).map(|seed| (seed, 1)).collect();
    assert_eq!(seeds_of(&killed), expected);
    assert_eq!(seeds_of(&calm), expected);
}

/// The results of a directory without the times in them.
fn results_without_times(folder: &Path) -> Vec<Value> {
    let results = std::fs::read_to_string(folder.join("results.ndjson")).expect("it was written");
    let lines = results.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        line.as_object_mut().expect("an object").remove("at_ms");
        line
    });
    lines.collect()
}

/// A guided search chooses each generation from what it learned before, so one that forgets or
/// learns something twice runs other worlds from there on.
#[test]
fn a_guided_run_that_is_killed_goes_on_with_the_same_worlds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (calm, killed) = (folder.path().join("calm"), folder.path().join("killed"));
    let flags = ["--strategy", "guided", "-n", "600", "--workers"];
    let with = |more: &[&'static str]| [&flags[..], more].concat();
    let whole = run_and_kill(&with(&["3"]), &calm, &[]);
    // Each session ends with its first generation in the journal, and with some worlds of the next.
    assert!(begin_and_kill(&with(&["1"]), &killed, 1), "it was killed in the middle");
    assert!(begin_and_kill(&with(&["2", "--isolate"]), &killed, 1), "and once more");
    let last = run_and_kill(&with(&["2"]), &killed, &[1]);
    assert_eq!(told(&stdout(&last)), told(&stdout(&whole)));
    assert_eq!(summary(&killed), summary(&calm));
    assert_eq!(results_without_times(&killed), results_without_times(&calm));
    assert_eq!(seeds_of(&killed), (1..=600).map(|place| (place, 1)).collect());
    let corpus = |folder: &Path| std::fs::read(folder.join("corpus.json")).expect("it was written");
    assert!(corpus(&killed) == corpus(&calm) && corpus(&calm).len() > 10_000);
}

#[test]
fn a_signal_ends_a_run_in_good_order_and_nothing_is_run_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("night");
    let flags = ["--no-faults", "-n", "100000000", "--workers", "2", "--out", text(&out)];
    // A sound system: what is undecided ends with another code than what failed.
    let mut child = Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let log = || std::fs::read_to_string(out.join("vopr.log")).unwrap_or_default();
    while !log().contains("began at 0 seeds") {
        std::thread::yield_now();
    }
    // Twice, as timeout(1) does: who is in the middle of finishing is not cut short.
    let kill = || Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    (0..2).for_each(|_| assert!(kill().expect("kill(1) is there").success()));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(16), "{}", stdout(&output));
    assert!(stdout(&output).contains("seeds were not run:  "), "{}", stdout(&output));
    let before = seeds_of(&out);
    assert!(before.values().all(|&times| times == 1));
    child = Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args(flags)
        .args(["--budget", "1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    assert_eq!(child.wait().expect("it ends").code(), Some(16));
    let after = seeds_of(&out);
    assert!(after.len() > before.len(), "it went on");
    assert!(after.values().all(|&times| times == 1), "and nothing was run again");
}

#[test]
fn without_a_number_of_seeds_the_budget_says_when_it_is_over() {
    let output = vopr(&["--budget", "1s", "--no-faults"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("PASS   ") && !told.contains("PASS   1000 seeds"), "{told}");
}

#[test]
fn blocks_join_to_what_one_run_would_have_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = |name: &str| folder.path().join(name);
    let block = |index: u32, name: &str| {
        let out = place(name);
        let block = format!("{index}/3");
        let output = run(&["-n", "90", "--block", &block, "--out", text(&out)]);
        assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
        out
    };
    let merge = |runs: &[&PathBuf], more: &[&str]| {
        let runs: Vec<&str> = runs.iter().map(|run| text(run)).collect();
        vopr(&[&["merge", "--no-reduce"], &runs[..], more].concat())
    };
    let [a, b, c] = [block(1, "a"), block(2, "b"), block(3, "c")];
    let whole = run(&["-n", "90"]);
    for order in [[&a, &b, &c, &a], [&c, &b, &b, &a]] {
        let output = merge(&order, &[]);
        assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
        assert_eq!(stdout(&output), stdout(&whole));
    }
    // What was joined can be joined again.
    let pair = place("pair");
    let output = merge(&[&a, &b], &["--out", text(&pair)]);
    assert!(stdout(&output).contains("  missing   30 seeds were not run:  3  6  9"));
    assert_eq!(stdout(&merge(&[&c, &pair], &[])), stdout(&whole));
    // Two ways of cutting have seeds in common.
    let other = place("other");
    run(&["-n", "90", "--block", "1/2", "--out", text(&other)]);
    let output = merge(&[&a, &other], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("both have seed 1,"), "{}", stderr(&output));
    let other = place("more");
    run(&["-n", "91", "--block", "2/3", "--out", text(&other)]);
    let output = merge(&[&a, &other], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("number of seeds is 91 there and 90 here"));
}

/// What is refused, and the words that it is refused with. Nothing that was there is changed.
#[test]
fn a_damaged_or_foreign_checkpoint_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("progress.json");
    let keep = ["-n", "20", "--checkpoint", text(&file)];
    assert_eq!(run(&keep).status.code(), Some(10));
    let sound = std::fs::read_to_string(&file).expect("it was written");
    let cut = sound[..sound.len() / 2].to_owned();
    let changed = sound.replacen("\"seeds\":20", "\"seeds\":21", 1);
    let other_build = {
        let mut json: Value = serde_json::from_str(&sound).expect("JSON");
        json["checkpoint"]["job"]["build"] = Value::from("0123456789abcdef");
        json.to_string()
    };
    for (damaged, words) in [
        (cut, "is no checkpoint: EOF"),
        (String::new(), "is no checkpoint: EOF"),
        (changed, "it was changed since it was written"),
        (other_build, "it was changed since it was written"),
        (sound.replacen("\"format\":1", "\"format\":7", 1), "has format 7, this version reads"),
        (sound.replacen("\"parts\"", "\"ports\"", 1), "unknown field `ports`"),
        (String::from("[]"), "is no checkpoint"),
    ] {
        std::fs::write(&file, &damaged).expect("writable");
        let output = run(&keep);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "one line: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "no {words:?} in {}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&file).expect("still there"), damaged);
    }
    std::fs::write(&file, &sound).expect("writable");
    for (more, words) in [
        (&["--seed", "2"][..], "first seed is 1 there and 2 here"),
        (&["--store", "s3"], "store is none there and s3 here"),
        (&["--check-determinism"], "each seed twice is false there and true here"),
        (&["--block", "1/2"], "is of block 1/1, not 1/2"),
        (&["--canary", "blind-head-put"], "cannot be used with"),
    ] {
        let output = run(&[&keep[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "no {words:?} in {}", stderr(&output));
    }
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), sound);
    assert_eq!(run(&keep).status.code(), Some(10), "and with its own flags it goes on");
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("thesis.txt"), "years of work").expect("writable");
    let output = run(&["-n", "5", "--out", text(folder.path())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("holds thesis.txt and no checkpoint.json"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    // What is no directory, and what cannot be made one.
    let file = folder.path().join("thesis.txt");
    for place in [file.clone(), file.join("deeper")] {
        let output = run(&["-n", "5", "--out", text(&place)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("cannot make"), "{}", stderr(&output));
    }
}

#[test]
fn two_runs_do_not_write_to_one_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("night");
    let mut child = begin(&["-n", "1000000", "--out", text(&out)]);
    assert!(wait_for_stretches(&mut child, &out, (1, 0)), "it runs");
    let output = run(&["-n", "1000000", "--out", text(&out)]);
    child.kill().expect("SIGKILL");
    child.wait().expect("it is dead");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another vopr writes to"), "{}", stderr(&output));
}

/// A disk that is full: a limit on the size of files stands for it.
#[test]
fn a_full_disk_ends_the_run_with_a_clear_line_and_what_was_saved_is_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("night");
    let arguments = [&["run"], &FLAGS[..], &["-n", "400", "--out", text(&out)]].concat();
    // 8 blocks of 1024 bytes; without the signal a write reports an error.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_vopr")])
        .args(&arguments)
        .output()
        .expect("a shell");
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let last = stderr(&output).lines().last().map(str::to_owned).unwrap_or_default();
    assert!(last.starts_with("error: cannot write ") && last.contains("too large"), "{last}");
    let output = run(&["-n", "400", "--out", text(&out)]);
    assert_eq!(told(&stdout(&output)), told(&stdout(&run(&["-n", "400"]))));
    assert!(seeds_of(&out).values().all(|&times| times == 1));
}

#[test]
fn a_canary_must_be_found_and_is_no_failure() {
    let flags = ["-n", "60", "--canary-every", "10"];
    let output = vopr(&[&flags[..], &["--canary", "blind-head-put"]].concat());
    let with = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{with}");
    assert!(with.contains("found: blind-head-put was planted in 6 worlds"), "{with}");
    let without = stdout(&vopr(&flags[..2]));
    let rest: Vec<&str> = with.lines().filter(|line| !line.contains("canary")).collect();
    assert_eq!(rest, without.lines().collect::<Vec<_>>(), "nothing else counts it");
    // Without faults nobody finds a bug that only a short body shows.
    let hidden = ["--canary", "torn-segment-accepted", "--no-faults"];
    let output = vopr(&[&flags[..], &hidden].concat());
    assert_eq!(output.status.code(), Some(15), "{}", stdout(&output));
    assert!(stdout(&output).contains("MISSED: torn-segment-accepted"), "{}", stdout(&output));
    let output = vopr(&["-n", "5", "--canary", "no-such-bug"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// Worlds in processes of their own come to the same.
#[test]
fn isolated_worlds_come_to_the_same() {
    let flags = ["-n", "60", "--workers", "2"];
    let isolated = run(&[&flags[..], &["--isolate"]].concat());
    assert_eq!(isolated.status.code(), Some(10), "{}", stderr(&isolated));
    assert_eq!(stdout(&isolated), stdout(&run(&flags)));
}
