//! What a person meets: reports, exit codes, and errors that say what to do.

use crate::{stderr, stdout, vopr};

#[test]
fn a_sound_run_passes_and_says_what_it_did() {
    let output = vopr(&["--seed", "42", "-n", "60"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("vopr "), "{text}");
    for part in [
        "seeds 42..101",
        "PASS   60 seeds, 0 failures",
        "at 95 % confidence",
        "  work      ",
        "  faults    in % of seeds:",
        "  reached   ",
        "  checks    chain ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.ends_with("seed      42\n"), "the seed stands last:\n{text}");
    assert!(stderr(&output).contains("60/60"), "progress goes to standard error");
}

#[test]
fn a_planted_bug_is_told_with_its_story_and_exit_10() {
    let output = vopr(&["--bug", "blind-head-put", "-n", "40"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(10), "{text}");
    for part in ["FAIL   seed ", "LostUpdate", "causes  1. ", "next    vopr replay "] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let replay =
        text.lines().find_map(|line| line.trim().strip_prefix("next    vopr ")).expect("a command");
    let arguments: Vec<&str> = replay.split_whitespace().collect();
    let again = vopr(&arguments);
    assert_eq!(again.status.code(), Some(10), "the printed command fails in the same way");
    assert!(stdout(&again).contains("FAIL   seed "));
}

#[test]
fn json_has_the_fields_of_the_text() {
    let output = vopr(&["--bug", "head-cache-stale", "-n", "40", "--json"]);
    let report: serde_json::Value =
        serde_json::from_str(&stdout(&output)).expect("a report is JSON");
    assert_eq!(report["work"]["seeds"], 40);
    assert_eq!(report["failures"][0]["story"]["class"], "StaleRead");
    assert!(
        report["failures"][0]["story"]["lines"].as_array().is_some_and(|lines| !lines.is_empty())
    );
}

#[test]
fn without_trace_and_diagnosis_only_the_verdict_is_told() {
    let flags = ["--no-trace-on-failure", "--no-failure-diagnosis"];
    let output = vopr(&[&["--bug", "blind-head-put", "-n", "20"], &flags[..]].concat());
    let text = stdout(&output);
    assert!(text.contains("FAIL   seed ") && text.contains("LostUpdate"), "{text}");
    assert!(!text.contains("causes") && !text.contains(" events\n"), "{text}");
}

#[test]
fn worlds_without_faults_have_none() {
    let text = stdout(&vopr(&["--no-faults", "-n", "30"]));
    assert!(text.contains("PASS   30 seeds"), "{text}");
    assert!(text.contains("in % of seeds:  none"), "{text}");
}

#[test]
fn verbose_says_for_each_seed_what_its_world_is_like() {
    let text = stdout(&vopr(&["--seed", "7", "-n", "3", "-v"]));
    for seed in 7..10 {
        assert!(text.contains(&format!("seed {seed}   pass\n")), "{text}");
    }
    assert!(text.contains("writers") && text.contains("manifest-core: tail"), "{text}");
}

#[test]
fn a_replay_prints_the_world_and_every_event() {
    let text = stdout(&vopr(&["replay", "42", "--until", "30", "--ring", "100000"]));
    assert!(text.contains("writers"), "{text}");
    assert!(text.contains("reaches create.put_head") || text.contains("get m/head"), "{text}");
    let rows = stdout(&vopr(&["replay", "42", "--format", "ndjson", "--filter", "minimal"]));
    for line in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("one object on each line");
        assert!(row["kind"].is_string() && row["process"].is_string());
        assert_ne!(row["kind"], "request", "requests are not in the minimal view");
    }
    assert!(rows.lines().count() > 20);
}

#[test]
fn every_kind_of_fault_has_a_line_that_says_what_it_does() {
    let output = vopr(&["faults", "--seed", "7", "-n", "40"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("seeds 7..46   profile swarm   store drawn"), "{text}");
    let line = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"))
    };
    assert!(line("torn-put ").contains("another trace in 100.0 %"), "{text}");
    assert!(
        line("stale-read ").contains("rare: only a store without strong consistency"),
        "{text}"
    );
    let calm = stdout(&vopr(&["faults", "--no-faults", "-n", "5"]));
    assert!(calm.contains("never took effect") && !calm.contains("another trace"), "{calm}");
}

#[test]
fn full_traces_are_written_where_they_were_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("traces");
    let path = path.to_str().expect("a UTF-8 path");
    let output = vopr(&["-n", "3", "--enable-trace", "--trace-dir", path]);
    assert_eq!(output.status.code(), Some(0));
    let mut names: Vec<_> = std::fs::read_dir(path)
        .expect("the folder was made")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["1.ndjson", "2.ndjson", "3.ndjson"]);
}

#[test]
fn wrong_usage_is_one_clear_line_and_exit_2() {
    let cases: [(&[&str], &str); 8] = [
        (&["-n", "0"], "0"),
        (&["-n", "many"], "many"),
        (&["--seed", "-1"], "-1"),
        (&["--seed", "18446744073709551615", "-n", "2"], "largest seed"),
        (&["--bug", "no-such-bug"], "no bug called 'no-such-bug'; there is: blind-head-put"),
        (&["--system", "nothing"], "no system is called 'nothing'; there is: manifest-core"),
        (&["--store", "floppy"], "no store is called 'floppy'; there is: s3"),
        (&["replay", "1", "--until", "99999999"], "there is no event 99999999"),
    ];
    for (arguments, part) in cases {
        let output = vopr(arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: no {part:?} in {message}");
        assert!(message.starts_with("error:"), "{arguments:?}: {message}");
    }
}

#[test]
fn a_trace_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").expect("writable");
    let below = file.join("traces");
    let below = below.to_str().expect("a UTF-8 path");
    let output = vopr(&["-n", "1", "--enable-trace", "--trace-dir", below]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(below) && stderr(&output).contains("--trace-dir"));
}

#[test]
fn the_track_record_lists_hits_and_misses_and_exits_15_for_a_miss() {
    let output =
        vopr(&["bugs", "blind-head-put", "tombstone-drop", "--starts", "3", "--limit", "100"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["blind-head-put", "3/3", "2 of 2 bugs found from every start", "Resurrection"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let missed = vopr(&["bugs", "incarnation-unchecked", "--starts", "1", "--limit", "2"]);
    let text = stdout(&missed);
    assert_eq!(missed.status.code(), Some(15), "{text}");
    assert!(text.contains("0/1"), "a miss is listed:\n{text}");
}

#[test]
fn the_track_record_is_a_page_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("track.md");
    let path = page.to_str().expect("a name");
    let output = vopr(&["bugs", "blind-head-put", "--starts", "2", "--markdown", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.starts_with("# Track record") && page.contains("| `blind-head-put` | 2/2 |"));
    let nowhere = vopr(&["bugs", "blind-head-put", "--starts", "1", "--markdown", "/no/such/x.md"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("choose another place with --markdown"));
}

#[test]
fn marks_say_what_was_never_reached_and_can_be_required() {
    let output = vopr(&["marks", "-n", "5"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("commit.put_head") && text.contains("NEVER"), "{text}");
    let required = vopr(&["marks", "-n", "5", "--require-marks"]);
    assert_eq!(required.status.code(), Some(14), "five seeds do not reach everything");
}
