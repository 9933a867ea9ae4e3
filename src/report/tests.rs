//! What people read, as snapshots. `UPDATE_EXPECT=1 cargo test report` writes them anew.

use expect_test::{Expect, expect};

use super::*;

pub(super) fn passing() -> Report {
    Report {
        version: "0.1.0",
        system: String::from("manifest-core"),
        bug: None,
        profile: String::from("swarm"),
        store: String::from("drawn"),
        first_seed: 42,
        last_seed: Some(10_041),
        coverage: Coverage::default(),
        work: Work {
            seeds: 10_000,
            requests: 6_210_000,
            operations: 3_100_000,
            commits: 1_050_000,
            conflicts: 234_567,
            unknown: 1_234,
            events: 23_000_000,
            virtual_seconds: 90_000,
        },
        search: Search {
            behaviours: 9_876,
            strategies: [("timed", 5_000), ("stall", 3_000), ("walk", 2_000)]
                .map(|(name, seeds)| Searched { name: name.to_owned(), seeds, behaviours: seeds })
                .to_vec(),
        },
        faults: [("reply-lost", 7_400), ("request-lost", 7_300), ("late-apply", 3_100)]
            .map(|(name, seeds)| Share { name: name.to_owned(), seeds, times: 2 * seeds })
            .to_vec(),
        marks: Marks {
            reached: 38,
            total: 40,
            never: vec![String::from("commit.landed")],
            never_rare: vec![String::from("commit.history_gone")],
        },
        checks: Checks {
            chain: 1_050_000,
            history: 4_000_000,
            model_reads: 3_100_000,
            real_time: 5_000_000,
            budget: 6_000_000,
            serializable: 10_000,
            progress: 10_000,
        },
        largest: Some(Largest { seed: 7731.into(), requests: 1_591 }),
        failures: Vec::new(),
        other_failures: 0,
        canary: None,
        fingerprint: String::from("5b869b5b097c648f"),
    }
}

pub(super) fn failing() -> Report {
    let line = |event, at_us, process: &str, text: &str, evidence| Line {
        event,
        at_us,
        process: process.to_owned(),
        text: text.to_owned(),
        evidence,
    };
    let story = Story {
        seed: 4217.into(),
        class: String::from("LostUpdate"),
        meaning: String::from("an acknowledged commit is not honoured"),
        also: Vec::new(),
        what: String::from(
            "writer-2's put 7 was acknowledged as commit 18, but that commit is operation 6",
        ),
        rule: String::from("an acknowledged commit is the content of its number"),
        place: String::from("src/checkers/history.rs"),
        lines: vec![
            line(3, 4_000, "writer-2", "update m/head if-match 17", false),
            line(4, 4_250, "store", "FAULT request lost", true),
            line(8, 36_001, "writer-2", "WRONG  acknowledged as commit 18", true),
        ],
        events: 3_914,
        causes: vec![
            CauseLine { sentence: String::from("412 taken for success"), evidence: vec![4, 8] },
            CauseLine { sentence: String::from("something else"), evidence: Vec::new() },
        ],
    };
    let replay = String::from("vopr replay 4217");
    let failures = vec![FailureGroup {
        count: 15,
        seeds: [4217, 5090, 8841, 9000].map(Seed::from).to_vec(),
        story,
        reduced: None,
        saved: None,
        save: None,
        replay,
    }];
    Report { bug: Some(String::from("some-bug")), failures, ..passing() }
}

fn check(report: &Report, expected: &Expect) {
    expected.assert_eq(&to_text(report));
}

#[test]
fn a_passing_run_says_what_was_done_and_what_was_never_reached() {
    check(
        &passing(),
        &expect![[r#"
        vopr 0.1.0   seeds 42..10041   profile swarm   store drawn   system manifest-core

        PASS   10000 seeds, 0 failures
               at 95 % confidence fewer than 3 in 10000 seeds of this profile fail
          work      6.21M store requests   3.10M operations   1.05M commits   234k conflicts   1.23k unknown outcomes
          behaviours 9.87k distinct   seeds by strategy:  timed 5000  stall 3000  walk 2000
          faults    in % of seeds:  reply-lost 74  request-lost 73  late-apply 31
          reached   38 of 40 marks.  never: commit.landed.  rare, not this time: commit.history_gone
          checks    chain 1.05M   history 4.00M   model reads 3.10M   real time 5.00M   budget 6.00M   serializable 10.0k   progress 10.0k
          largest   seed 7731, 1591 requests (mean 621)
          print     5b869b5b097c648f   (equal for equal runs)
          seed      42
    "#]],
    );
}

#[test]
fn a_failing_run_tells_one_story_for_each_group() {
    check(
        &failing(),
        &expect![[r#"
        vopr 0.1.0   seeds 42..10041   profile swarm   store drawn   system manifest-core   planted bug some-bug

        FAIL   seed 4217   LostUpdate   broken: an acknowledged commit is the content of its number   15 seeds: 4217 5090 8841 +12
               writer-2's put 7 was acknowledged as commit 18, but that commit is operation 6

          3 of 3914 events
                3        4.000 ms  writer-2  update m/head if-match 17
          *     4        4.250 ms  store     FAULT request lost
          *     8       36.001 ms  writer-2  WRONG  acknowledged as commit 18

          class   LostUpdate: an acknowledged commit is not honoured
          causes  1. 412 taken for success      evidence: events 4, 8
                  2. something else
          rule    an acknowledged commit is the content of its number      src/checkers/history.rs
          next    vopr replay 4217

        15 of 10000 seeds failed, in 1 group
          work      6.21M store requests   3.10M operations   1.05M commits   234k conflicts   1.23k unknown outcomes
          behaviours 9.87k distinct   seeds by strategy:  timed 5000  stall 3000  walk 2000
          faults    in % of seeds:  reply-lost 74  request-lost 73  late-apply 31
          reached   38 of 40 marks.  never: commit.landed.  rare, not this time: commit.history_gone
          checks    chain 1.05M   history 4.00M   model reads 3.10M   real time 5.00M   budget 6.00M   serializable 10.0k   progress 10.0k
          largest   seed 7731, 1591 requests (mean 621)
          print     5b869b5b097c648f   (equal for equal runs)
          seed      42
    "#]],
    );
}

#[test]
fn json_carries_every_field_of_the_value() {
    let json: serde_json::Value = serde_json::from_str(&to_json(&failing())).expect("it is JSON");
    assert_eq!(json["failures"][0]["count"], 15);
    assert_eq!(json["failures"][0]["story"]["causes"][0]["evidence"][1], 8);
    assert_eq!(json["work"]["requests"], 6_210_000);
    assert_eq!(json["marks"]["never"][0], "commit.landed");
    assert_eq!(json["search"]["behaviours"], 9_876);
    assert_eq!(json["search"]["strategies"][1]["name"], "stall");
}
