//! One run as a value: all that a report of it says, before anybody decides how it looks.
//!
//! [`Run::of`] reads a finished world and its diagnosis and nothing else, so the same seed gives
//! the same value. Lanes of text ([`to_lanes`](super::to_lanes)), JSON and the HTML page
//! ([`to_html`](super::to_html)) are pure functions of a [`RunReport`]; none of them looks at a
//! world.
//!
//! ```text
//!   WorldReport + Diagnosis ──▶ Run ──▶ RunReport ──▶ lanes, JSON, HTML
//!        trace rows ─┬─▶ exchanges   request ▷ in the store ▷ answer, by the request's number
//!                    ├─▶ bands       crashed, stalled, cut off, store not well
//!                    ├─▶ objects     who wrote which version when
//!                    ├─▶ operations  what clients did and were told
//!                    └─▶ pace        latency and rate over virtual time
//! ```
//! Everything refers to events by their numbers. A trace may be incomplete at both ends (a ring
//! buffer drops the oldest events, a reader may ask to stop early): [`Unseen`] says how much is
//! missing, and what refers to a missing event is an `Option`.
//!
//! What takes more runs than this one (how likely the failure is from an event on, which faults it
//! needs, a reduced run that fails alike) is `None` until somebody has found it out.

mod bands;
mod build;
mod exchanges;
mod objects;
mod operations;
mod pace;

use serde::Serialize;
use sim::trace::{Kind, Row};

use super::Story;

pub use bands::{Band, BandKind};
pub use exchanges::{Answer, Exchange};
pub use objects::{Object, Version};
pub use operations::{Client, Outcome};
pub use pace::{Latency, Pace, Slice};

/// Everything that is told of one seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// Version of `vopr`.
    pub version: &'static str,
    /// Name of the system under test.
    pub system: String,
    /// The planted bug, if there is one.
    pub bug: Option<String>,
    /// The seed.
    pub seed: u64,
    /// What failures of this kind have in common; `None` for a run that passed.
    pub group: Option<String>,
    /// Commands that show more.
    pub next: Vec<String>,
    /// The run as the seed gives it.
    pub full: Run,
    /// A smaller run that fails in the same way.
    pub reduced: Option<Run>,
}

impl RunReport {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.full.story.is_none()
    }

    /// The run that shows the failure best: the reduced one, if there is one.
    #[must_use]
    pub fn best(&self) -> &Run {
        self.reduced.as_ref().unwrap_or(&self.full)
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// What the world was like, one property each.
    pub options: Vec<String>,
    /// Hash over all events, in hexadecimal.
    pub fingerprint: String,
    /// How much there was of everything.
    pub counts: Counts,
    /// Events that are not in `trace`.
    pub unseen: Unseen,
    /// Names of the processes, those of one role together, in the order of their appearance.
    pub processes: Vec<String>,
    /// Requests with what became of them, in the order of their first event.
    pub exchanges: Vec<Exchange>,
    /// What lasted.
    pub bands: Vec<Band>,
    /// Faults that took effect, in their order.
    pub faults: Vec<Struck>,
    /// Objects that were written, by name.
    pub objects: Vec<Object>,
    /// Operations of clients, in the order of their beginning.
    pub operations: Vec<Client>,
    /// Latency and rate.
    pub pace: Pace,
    /// The story of the failure; `None` for a run that passed.
    pub story: Option<Story>,
    /// Events that prove the class of the failure.
    pub proof: Vec<u64>,
    /// The first event at which a rule was broken or the system panicked.
    pub first_error: Option<u64>,
    /// How likely the failure is from an event on, oldest first.
    pub chances: Option<Vec<Chance>>,
    /// What the failure does not happen without.
    pub needed: Option<Vec<Needed>>,
    /// What may be anything: the failure happens all the same.
    pub free: Option<Vec<String>>,
    /// The events, oldest first.
    pub trace: Vec<Row>,
}

/// How much there was of everything in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Requests that left a process.
    pub requests: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits.
    pub commits: u64,
    /// Virtual microseconds.
    pub virtual_us: u64,
}

/// Events of the run that are not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// Older ones, which were not kept.
    pub before: u64,
    /// Younger ones, which were not asked for.
    pub after: u64,
}

/// A fault that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Struck {
    /// The event.
    pub event: u64,
    /// Virtual time in microseconds.
    pub at_us: u64,
    /// The process.
    pub process: String,
    /// Which fault.
    pub what: String,
    /// Number of the request that it struck; `None` if it struck the process.
    pub request: Option<u64>,
}

/// How likely the failure is if everything from an event on is drawn afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Chance {
    /// The event.
    pub event: u64,
    /// Fresh runs.
    pub runs: u32,
    /// Those that failed in the same way.
    pub failed: u32,
}

impl Chance {
    /// The share of failing runs, in percent, rounded down; 0 without runs.
    #[must_use]
    pub fn percent(&self) -> u32 {
        (u64::from(self.failed) * 100).checked_div(u64::from(self.runs)).unwrap_or(0) as u32
    }
}

/// Something that the failure needs, and how often it fails without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// The event, if it is one.
    pub event: Option<u64>,
    /// What it is, and what was changed to find out.
    pub what: String,
    /// Runs without it.
    pub runs: u32,
    /// Those that failed all the same.
    pub failed: u32,
}

impl Run {
    /// Place of an event in `trace`. Lines of the system's log share their number with the event
    /// that follows them; the event itself is meant.
    #[must_use]
    pub fn place_of(&self, event: u64) -> Option<usize> {
        let from = self.trace.partition_point(|row| row.event < event);
        let same = self.trace[from..].iter().take_while(|row| row.event == event);
        let place = from + same.take_while(|row| row.kind == Kind::Log).count();
        self.trace.get(place).is_some_and(|row| row.event == event).then_some(place)
    }

    /// An event by its number.
    #[must_use]
    pub fn row(&self, event: u64) -> Option<&Row> {
        self.place_of(event).map(|place| &self.trace[place])
    }

    /// The request that an event belongs to: it left, took effect, was answered or was struck.
    #[must_use]
    pub fn exchange_of(&self, row: &Row) -> Option<&Exchange> {
        let belongs = matches!(row.kind, Kind::Request | Kind::Apply | Kind::Reply | Kind::Fault);
        belongs.then(|| self.exchanges.iter().find(|exchange| exchange.request == row.a)).flatten()
    }

    /// The events of the story, and of each request in it all others, so that every arrow has both
    /// ends; oldest first.
    #[must_use]
    pub fn story_events(&self) -> Vec<u64> {
        let Some(story) = &self.story else { return Vec::new() };
        let mut events: Vec<u64> = story.lines.iter().map(|line| line.event).collect();
        let told = events.clone();
        for row in told.iter().filter_map(|event| self.row(*event)) {
            if let Some(exchange) = self.exchange_of(row) {
                events.extend(exchange.events());
            }
        }
        events.extend(self.first_error);
        events.sort_unstable();
        events.dedup();
        events.retain(|event| self.place_of(*event).is_some());
        events
    }

    /// Whether an event proves the failure.
    #[must_use]
    pub fn is_evidence(&self, event: u64) -> bool {
        let told = self.story.as_ref().map_or(&[][..], |story| &story.lines);
        self.proof.contains(&event) || told.iter().any(|line| line.event == event && line.evidence)
    }
}

#[cfg(test)]
mod tests {
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
                "chances": [
                  {
                    "event": 1,
                    "runs": 200,
                    "failed": 4
                  },
                  {
                    "event": 8,
                    "runs": 200,
                    "failed": 182
                  },
                  {
                    "event": 16,
                    "runs": 200,
                    "failed": 200
                  }
                ],
                "needed": [
                  {
                    "event": 7,
                    "what": "request lost",
                    "runs": 200,
                    "failed": 0
                  }
                ],
                "free": [
                  "every latency",
                  "names"
                ],
                "trace": []
              },
              "reduced": null
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
}
