//! Runs told by hand, for the tests of whatever shows runs.

use sim::trace::{Kind, Row};

use super::run::{Counts, Run, RunReport};
use super::{CauseLine, Line, Story};
use crate::examine::{Chance, Examination, Part, Tally, Weight};

/// The number of a request, as the store gives it: process and count.
fn number(process: u64, count: u64) -> u64 {
    process << 32 | count
}

/// A trace in the making.
#[derive(Default)]
struct Trace {
    rows: Vec<Row>,
    at_us: u64,
}

impl Trace {
    fn add(&mut self, process: &str, kind: Kind, (a, b): (u64, u64), detail: &str) {
        let (event, process) = (self.rows.len() as u64, process.to_owned());
        let at_ns = self.at_us * 1000;
        let detail = detail.to_owned();
        self.rows.push(Row { event, at_ns, process, task: 0, kind, object: 1, a, b, detail });
    }

    fn after(&mut self, us: u64) -> &mut Self {
        self.at_us += us;
        self
    }

    /// A request that takes effect and is answered at once.
    fn asks(&mut self, process: &str, request: u64, status: u64, text: &str) {
        let told = format!("{text} -> {status}");
        self.add(process, Kind::Request, (request, 0), text);
        self.after(1_000).add(process, Kind::Apply, (request, status), &told);
        self.after(1_000).add(process, Kind::Reply, (request, status), &told);
    }
}

/// Two writers, one lost request, and an acknowledgement that is wrong.
fn lost_update() -> Vec<Row> {
    let mut trace = Trace::default();
    let put = "update m/head if-match \"17171717171717aa\" (9 B)";
    trace.add("world", Kind::Phase, (1, 0), "Safety phase");
    trace.add("writer-1", Kind::Invoke, (6, 0), "put w:k0001");
    trace.add("writer-2", Kind::Invoke, (7, 0), "put w:k0002");
    trace.after(1_000).asks("writer-1", number(1, 0), 200, "get m/head");
    trace.add("writer-2", Kind::Request, (number(2, 0), 3), put);
    trace.add("writer-2", Kind::Fault, (number(2, 0), 9), "fault.request_lost");
    trace.after(1_000).add("writer-1", Kind::Request, (number(1, 1), 3), put);
    trace.after(500).add("writer-1", Kind::Commit, (6, 18), "commit 18 = operation 6");
    trace.add("writer-1", Kind::Apply, (number(1, 1), 200), &format!("{put} -> 200"));
    trace.after(500).add("writer-1", Kind::Reply, (number(1, 1), 200), &format!("{put} -> 200"));
    trace.add("writer-1", Kind::Ok, (6, 18), "put 6 acknowledged as commit 18");
    trace.add("writer-1", Kind::Stall, (20_000_000, 0), "");
    trace.after(30_000).add("writer-2", Kind::Reply, (number(2, 0), 1), &format!("{put} -> 1"));
    trace.add("writer-1", Kind::Resume, (0, 0), "");
    trace.after(1_000).asks("writer-2", number(2, 1), 412, put);
    trace.add("writer-2", Kind::Ok, (7, 18), "put 7 acknowledged as commit 18");
    let wrong = "an acknowledged commit is the content of its number: put 7 is not commit 18";
    trace.add("writer-2", Kind::RuleBroken, (0, 0), wrong);
    trace.rows
}

/// What is told of a failure, with these events as its lines.
fn story(trace: &[Row], events: &[u64], evidence: &[u64]) -> Story {
    let told = events.iter().filter_map(|event| trace.iter().find(|row| row.event == *event));
    let lines = told.map(|row| Line {
        event: row.event,
        at_us: row.at_ns / 1000,
        process: row.process.clone(),
        text: super::row_text(row),
        evidence: evidence.contains(&row.event),
    });
    Story {
        seed: 4217.into(),
        class: String::from("LostUpdate"),
        meaning: String::from("an acknowledged commit is not honoured"),
        also: vec![String::from("HistoryGap")],
        what: String::from("writer-2's put 7 was acknowledged as commit 18, which is operation 6"),
        rule: String::from("an acknowledged commit is the content of its number"),
        place: String::from("src/checkers/history.rs"),
        lines: lines.collect(),
        events: trace.len() as u64,
        causes: vec![
            CauseLine {
                sentence: String::from("412 was taken for success"),
                evidence: evidence.to_vec(),
            },
            CauseLine { sentence: String::from("something else"), evidence: Vec::new() },
        ],
    }
}

fn told(trace: Vec<Row>, events: &[u64], evidence: &[u64]) -> RunReport {
    let counts = Counts {
        events: trace.len() as u64,
        requests: 4,
        operations: 2,
        commits: 1,
        virtual_us: trace.last().map_or(0, |row| row.at_ns / 1000),
    };
    let story = story(&trace, events, evidence);
    let first_error = trace.iter().find(|row| row.kind == Kind::RuleBroken).map(|row| row.event);
    let full = Run {
        options: vec![String::from("store s3"), String::from("2 writers")],
        fingerprint: String::from("5b869b5b097c648f"),
        story: Some(story),
        proof: evidence.to_vec(),
        first_error,
        ..Run::of_trace(trace, counts, None)
    };
    RunReport {
        version: "0.1.0",
        system: String::from("manifest-core"),
        bug: None,
        plan: None,
        seed: 4217.into(),
        group: Some(String::from("AcknowledgedPresent in src/checkers/history.rs")),
        next: vec![String::from("vopr replay 4217")],
        full,
        reduced: None,
        reduction: None,
    }
}

/// A lost update of two writers.
pub(super) fn report() -> RunReport {
    told(lost_update(), &[3, 6, 8, 16, 19, 20], &[7, 18, 20])
}

/// The same with everything that takes more runs to find out, and a reduced run beside it.
pub(super) fn examined() -> RunReport {
    let mut report = report();
    let tally = |failed| Tally { runs: 200, failed, otherwise: 0 };
    let chance = |event, failed| Chance { event, tally: tally(failed) };
    let part = |event, what: &str, change: &str, tally, weight| Part {
        event,
        what: what.to_owned(),
        change: change.to_owned(),
        tally,
        weight,
    };
    let otherwise = Tally { runs: 200, failed: 130, otherwise: 7 };
    report.full.examined = Some(Examination {
        as_it_is: tally(200),
        drawn: String::from("latencies, names, jitter"),
        parts: vec![
            part(Some(7), "request lost (writer-2)", "without it", tally(0), Weight::Needed),
            part(Some(10), "before 17", "swapped", tally(0), Weight::Needed),
            part(Some(1), "writer-1: put w:k0001", "without it", otherwise, Weight::Helps),
            part(None, "reader-1, who opens the system", "without it", tally(200), Weight::Free),
        ],
        chances: vec![chance(1, 4), chance(8, 182), chance(16, 200)],
        is_too_rare: false,
        is_cut_short: false,
    });
    let mut reduced = lost_update();
    reduced.retain(|row| !matches!(row.kind, Kind::Stall | Kind::Resume));
    report.reduced = Some(told(reduced, &[6, 8, 20], &[7, 18, 20]).full);
    report
}

/// A run in which nothing failed.
pub(super) fn passed() -> RunReport {
    let mut report = report();
    report.full.trace.retain(|row| row.kind != Kind::RuleBroken);
    let full = Run { story: None, proof: Vec::new(), first_error: None, ..report.full };
    RunReport { full, group: None, ..report }
}

/// Four processes, a crash, a partition, and a request that comes late.
pub(super) fn crowded() -> RunReport {
    let mut trace = Trace::default();
    trace.asks("writer-1", number(1, 0), 200, "create m/seg/1 if-absent (4 B)");
    trace.asks("writer-2", number(2, 0), 404, "get m/head");
    trace.asks("reader-1", number(3, 0), 200, "get m/seg/1");
    trace.asks("reader-2", number(4, 0), 200, "delete m/seg/1 m/seg/2");
    trace.add("writer-1", Kind::Request, (number(1, 1), 0), "put m/head (8 B)");
    trace.add("reader-2", Kind::Request, (number(4, 1), 0), "get m/head");
    trace.add("reader-2", Kind::Fault, (number(4, 1), 0), "fault.partition");
    trace.after(700).add("writer-1", Kind::Apply, (number(1, 1), 200), "put m/head (8 B) -> 200");
    trace.add("reader-2", Kind::Reply, (number(4, 1), 0), "get m/head -> 0");
    trace.add("writer-2", Kind::Crash, (0, 0), "");
    trace.after(900_000).add("writer-2", Kind::Restart, (1, 0), "");
    trace.add("world", Kind::RuleBroken, (0, 0), "everything completes: it does not");
    told(trace.rows, &[0, 3, 6, 9, 12, 13, 14, 17, 18, 19], &[9, 19])
}

/// The same run with names that try to be markup.
pub(super) fn hostile() -> RunReport {
    let evil = "m/\"><script>alert('x')</script></pre>\u{1}&amp;<!--";
    let mut trace = Trace::default();
    trace.add(evil, Kind::Invoke, (6, 0), evil);
    trace.asks(evil, number(1, 0), 200, &format!("put {evil} (4 B)"));
    trace.add(evil, Kind::Fault, (number(1, 0), 0), evil);
    trace.add(evil, Kind::RuleBroken, (0, 0), evil);
    let mut report = told(trace.rows, &[0, 1, 2, 4, 5], &[1, 5]);
    report.bug = Some(evil.to_owned());
    report.system = evil.to_owned();
    report.next = vec![evil.to_owned()];
    report.group = Some(evil.to_owned());
    report.full.options = vec![evil.to_owned()];
    if let Some(story) = &mut report.full.story {
        story.what = evil.to_owned();
        story.class = evil.to_owned();
        story.causes[0].sentence = evil.to_owned();
    }
    report
}

/// A run of many events whose failure stands at its end.
pub(super) fn long(events: u64) -> RunReport {
    let mut trace = Trace::default();
    let mut count = 0;
    while (trace.rows.len() as u64) < events - 1 {
        let process = count % 9 + 1;
        let name = format!("writer-{process}");
        let text = format!("update m/head if-match \"{count:016x}\" ({count} B)");
        trace.add(&name, Kind::Step, (0, 0), "commit.put_head");
        trace.asks(&name, number(process, count), 200, &text);
        trace.after(if count % 100 == 0 { 500_000 } else { 10 });
        count += 1;
    }
    trace.rows.truncate(events as usize - 1);
    trace.add("writer-1", Kind::RuleBroken, (0, 0), "a rule that is broken at the end");
    told(trace.rows, &[events - 9, events - 1], &[events - 1])
}
