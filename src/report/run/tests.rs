//! What a run holds, by examples and as JSON.

use expect_test::expect;

use crate::report::{example, json_of};

#[test]
fn requests_are_paired_with_their_effects_and_answers() {
    let run = example::report().full;
    let told: Vec<String> = run
        .exchanges
        .iter()
        .map(|exchange| {
            let applied: Vec<u64> = exchange.applied.iter().map(|found| found.event).collect();
            let answered = exchange.answered.map(|answer| (answer.event, answer.status));
            format!("{:?} {applied:?} {answered:?} {:?}", exchange.sent, exchange.faults)
        })
        .collect();
    expect![[r#"
        Some(3) [4] Some((5, 200)) []
        Some(6) [] Some((14, 1)) [7]
        Some(8) [10] Some((11, 200)) []
        Some(16) [17] Some((18, 412)) []"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_run_as_json_has_every_part() {
    let mut report = example::examined();
    report.full.trace.clear();
    report.full.pace.slices.clear();
    report.reduced = None;
    expect![[r#"
        {
          "version": "0.1.0",
          "system": "manifest-core",
          "bug": null,
          "plan": null,
          "seed": 4217,
          "group": "AcknowledgedPresent in src/checkers/history.rs",
          "next": [
            "vopr replay 4217"
          ],
          "full": {
            "options": [
              "store s3",
              "2 writers"
            ],
            "fingerprint": "5b869b5b097c648f",
            "counts": {
              "events": 21,
              "requests": 4,
              "operations": 2,
              "commits": 1,
              "virtual_us": 38000
            },
            "unseen": {
              "before": 0,
              "after": 0
            },
            "processes": [
              "writer-1",
              "writer-2"
            ],
            "exchanges": [
              {
                "request": 4294967296,
                "process": "writer-1",
                "text": "get m/head",
                "sent": 3,
                "applied": [
                  {
                    "event": 4,
                    "status": 200
                  }
                ],
                "answered": {
                  "event": 5,
                  "status": 200
                },
                "faults": []
              },
              {
                "request": 8589934592,
                "process": "writer-2",
                "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                "sent": 6,
                "applied": [],
                "answered": {
                  "event": 14,
                  "status": 1
                },
                "faults": [
                  7
                ]
              },
              {
                "request": 4294967297,
                "process": "writer-1",
                "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                "sent": 8,
                "applied": [
                  {
                    "event": 10,
                    "status": 200
                  }
                ],
                "answered": {
                  "event": 11,
                  "status": 200
                },
                "faults": []
              },
              {
                "request": 8589934593,
                "process": "writer-2",
                "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                "sent": 16,
                "applied": [
                  {
                    "event": 17,
                    "status": 412
                  }
                ],
                "answered": {
                  "event": 18,
                  "status": 412
                },
                "faults": []
              }
            ],
            "bands": [
              {
                "kind": "stalled",
                "process": "writer-1",
                "from": 13,
                "to": 15,
                "what": "stalled for 20 ms"
              }
            ],
            "faults": [
              {
                "event": 7,
                "at_us": 3000,
                "process": "writer-2",
                "what": "request lost",
                "request": 8589934592
              }
            ],
            "objects": [
              {
                "name": "m/head",
                "versions": [
                  {
                    "event": 10,
                    "at_us": 4500,
                    "process": "writer-1",
                    "verb": "update",
                    "bytes": 9,
                    "commits": [
                      18
                    ]
                  }
                ]
              }
            ],
            "operations": [
              {
                "number": 6,
                "process": "writer-1",
                "text": "put w:k0001",
                "begun": 1,
                "ended": 12,
                "outcome": "ok",
                "told": "put 6 acknowledged as commit 18",
                "commits": [
                  18
                ]
              },
              {
                "number": 7,
                "process": "writer-2",
                "text": "put w:k0002",
                "begun": 2,
                "ended": 19,
                "outcome": "ok",
                "told": "put 7 acknowledged as commit 18",
                "commits": []
              }
            ],
            "pace": {
              "from_us": 0,
              "to_us": 38000,
              "slices": [],
              "latencies": [
                {
                  "verb": "get",
                  "answered": 1,
                  "median_us": 2000,
                  "most_us": 2000,
                  "slowest_us": 2000
                },
                {
                  "verb": "update",
                  "answered": 2,
                  "median_us": 1000,
                  "most_us": 2000,
                  "slowest_us": 2000
                }
              ]
            },
            "story": {
              "seed": 4217,
              "class": "LostUpdate",
              "meaning": "an acknowledged commit is not honoured",
              "also": [
                "HistoryGap"
              ],
              "what": "writer-2's put 7 was acknowledged as commit 18, which is operation 6",
              "rule": "an acknowledged commit is the content of its number",
              "place": "src/checkers/history.rs",
              "lines": [
                {
                  "event": 3,
                  "at_us": 1000,
                  "process": "writer-1",
                  "text": "get m/head",
                  "evidence": false
                },
                {
                  "event": 6,
                  "at_us": 3000,
                  "process": "writer-2",
                  "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                  "evidence": false
                },
                {
                  "event": 8,
                  "at_us": 4000,
                  "process": "writer-1",
                  "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                  "evidence": false
                },
                {
                  "event": 16,
                  "at_us": 36000,
                  "process": "writer-2",
                  "text": "update m/head if-match \"17171717171717aa\" (9 B)",
                  "evidence": false
                },
                {
                  "event": 19,
                  "at_us": 38000,
                  "process": "writer-2",
                  "text": "put 7 acknowledged as commit 18",
                  "evidence": false
                },
                {
                  "event": 20,
                  "at_us": 38000,
                  "process": "writer-2",
                  "text": "WRONG  an acknowledged commit is the content of its number: put 7 is not commit 18",
                  "evidence": true
                }
              ],
              "events": 21,
              "causes": [
                {
                  "sentence": "412 was taken for success",
                  "evidence": [
                    7,
                    18,
                    20
                  ]
                },
                {
                  "sentence": "something else",
                  "evidence": []
                }
              ]
            },
            "proof": [
              7,
              18,
              20
            ],
            "first_error": 20,
            "examined": {
              "as_it_is": {
                "runs": 200,
                "failed": 200,
                "otherwise": 0
              },
              "drawn": "latencies, names, jitter",
              "parts": [
                {
                  "event": 7,
                  "what": "request lost (writer-2)",
                  "change": "without it",
                  "tally": {
                    "runs": 200,
                    "failed": 0,
                    "otherwise": 0
                  },
                  "weight": "needed"
                },
                {
                  "event": 10,
                  "what": "before 17",
                  "change": "swapped",
                  "tally": {
                    "runs": 200,
                    "failed": 0,
                    "otherwise": 0
                  },
                  "weight": "needed"
                },
                {
                  "event": 1,
                  "what": "writer-1: put w:k0001",
                  "change": "without it",
                  "tally": {
                    "runs": 200,
                    "failed": 130,
                    "otherwise": 7
                  },
                  "weight": "helps"
                },
                {
                  "event": null,
                  "what": "reader-1, who opens the system",
                  "change": "without it",
                  "tally": {
                    "runs": 200,
                    "failed": 200,
                    "otherwise": 0
                  },
                  "weight": "free"
                }
              ],
              "chances": [
                {
                  "event": 1,
                  "runs": 200,
                  "failed": 4,
                  "otherwise": 0
                },
                {
                  "event": 8,
                  "runs": 200,
                  "failed": 182,
                  "otherwise": 0
                },
                {
                  "event": 16,
                  "runs": 200,
                  "failed": 200,
                  "otherwise": 0
                }
              ],
              "is_too_rare": false,
              "is_cut_short": false
            },
            "trace": []
          },
          "reduced": null,
          "reduction": null
        }
    "#]].assert_eq(&json_of(&report));
}

#[test]
fn log_lines_do_not_hide_the_event_whose_number_they_share() {
    let mut run = example::report().full;
    let mut line = run.trace[5].clone();
    line.kind = sim::trace::Kind::Log;
    run.trace.insert(5, line);
    assert_eq!(run.place_of(5), Some(6));
    assert_eq!(run.place_of(6), Some(7));
    assert_eq!(run.row(99), None);
}
