//! Small runs, told by hand, with the class that they show.

use std::collections::BTreeMap;

use sim::ProcessId;
use sim::trace::{Kind, Row};

use super::diagnose;
use crate::checkers::{Class, Finding, Rule};
use crate::world::{Verdict, WorldReport};

const SEGMENT: &str = "m/seg/01-aa";
const PIN: &str = "m/pin/77";

/// A run in the making: events are numbered as they are added.
#[derive(Default)]
struct Run {
    rows: Vec<Row>,
    publications: BTreeMap<String, u64>,
    requests: u64,
    /// Of the client that acts from now on.
    task: u64,
}

impl Run {
    fn add(&mut self, process: &str, kind: Kind, a: u64, b: u64, detail: &str) -> u64 {
        let event = self.rows.len() as u64;
        let object = detail.split(' ').nth(1).map_or(0, |name| name.len() as u32);
        let (process, detail) = (process.to_owned(), detail.to_owned());
        self.rows.push(Row {
            event,
            at_ns: event,
            process,
            task: self.task,
            kind,
            object,
            a,
            b,
            detail,
        });
        event
    }

    fn by(mut self, task: u64) -> Self {
        self.task = task;
        self
    }

    fn published(mut self, name: &str) -> Self {
        self.publications.insert(name.to_owned(), self.rows.len() as u64);
        self
    }

    fn event(mut self, process: &str, kind: Kind, detail: &str) -> Self {
        self.add(process, kind, 0, 0, detail);
        self
    }

    /// A request that is applied and answered.
    fn answered(mut self, process: &str, status: u64, detail: &str) -> Self {
        self.requests += 1;
        let number = self.requests;
        self.add(process, Kind::Request, number, 0, detail);
        self.add(process, Kind::Apply, number, status, detail);
        self.add(process, Kind::Reply, number, status, detail);
        self
    }

    /// A request whose answer is hit by a fault of the body.
    fn damaged(mut self, process: &str, fault: &str, detail: &str) -> Self {
        self.requests += 1;
        let number = self.requests;
        self.add(process, Kind::Request, number, 0, detail);
        self.add(process, Kind::Apply, number, 200, detail);
        self.add(process, Kind::Fault, number, 0, fault);
        let fault = self.rows.len() - 1;
        self.rows[fault].object = self.rows[fault - 1].object;
        self.add(process, Kind::Reply, number, 200, detail);
        self
    }

    /// A request that is never answered.
    fn unanswered(mut self, process: &str, detail: &str) -> Self {
        self.requests += 1;
        let number = self.requests;
        self.add(process, Kind::Request, number, 0, detail);
        self
    }

    fn report(mut self, process: &str, rule: Rule, what: &str) -> WorldReport {
        let invoked = self.rows.iter().find(|row| row.kind == Kind::Invoke).map(|row| row.event);
        let event = self.add(process, Kind::RuleBroken, rule as u64, 0, what);
        let finding = Finding {
            rule,
            process: ProcessId(1),
            at_ns: event,
            event,
            evidence: invoked.into_iter().chain([event]).collect(),
            what: what.to_owned(),
        };
        WorldReport {
            seed: 1.into(),
            strategy: crate::strategy::Strategy::Timed,
            verdict: Verdict::Broken(finding.clone()),
            requests: 0,
            operations: 0,
            commits: 0,
            checks: Default::default(),
            counts: Vec::new(),
            virtual_ns: 0,
            events: event + 1,
            shown: 0,
            fingerprint: 0,
            behaviour: 0,
            findings: vec![finding],
            publications: self.publications,
            trace: self.rows,
            pairs: Vec::new(),
            description: String::new(),
        }
    }

    fn class(self, process: &str, rule: Rule, what: &str) -> Class {
        diagnose(&self.report(process, rule, what)).expect("a broken rule has a diagnosis").class
    }
}

fn read_segment() -> Run {
    Run::default().published(SEGMENT).event("reader-1", Kind::Invoke, "get r:k1")
}

const READ: &str = "get m/seg/01-aa";

#[test]
fn a_wrong_read_alone_is_divergence() {
    let run = read_segment().answered("reader-1", 200, READ);
    assert_eq!(run.class("reader-1", Rule::ReadEqualsModel, "wrong"), Class::SnapshotDivergence);
}

#[test]
fn a_wrong_read_that_did_without_an_object_is_a_gap() {
    let missing = read_segment().answered("reader-1", 404, READ);
    assert_eq!(missing.class("reader-1", Rule::ReadEqualsModel, "wrong"), Class::HistoryGap);
    let unanswered = read_segment().unanswered("reader-1", READ);
    assert_eq!(unanswered.class("reader-1", Rule::ReadEqualsModel, "wrong"), Class::HistoryGap);
    let found_later =
        read_segment().answered("reader-1", 404, READ).answered("reader-1", 200, READ);
    let class = found_later.class("reader-1", Rule::ReadEqualsModel, "wrong");
    assert_eq!(class, Class::SnapshotDivergence);
}

#[test]
fn a_damaged_body_that_was_not_asked_for_again_was_taken() {
    let taken = read_segment().damaged("reader-1", "fault.short_body", READ);
    let class = taken.class("reader-1", Rule::ReadEqualsModel, "wrong");
    assert_eq!(class, Class::TornOrCorruptRecord);
    let noticed = read_segment().damaged("reader-1", "fault.short_body", READ);
    let noticed = noticed.answered("reader-1", 200, READ);
    let class = noticed.class("reader-1", Rule::ReadEqualsModel, "wrong");
    assert_eq!(class, Class::SnapshotDivergence);
    let another = read_segment().damaged("reader-2", "fault.short_body", READ);
    let class = another.class("reader-1", Rule::ReadEqualsModel, "wrong");
    assert_eq!(class, Class::SnapshotDivergence);
}

#[test]
fn what_no_root_has_named_is_a_dirty_read() {
    let run = read_segment().answered("reader-1", 200, "get m/seg/02-bb");
    assert_eq!(run.class("reader-1", Rule::ReadEqualsModel, "wrong"), Class::DirtyRead);
}

#[test]
fn wrong_content_from_work_that_a_crashed_process_left_is_wrong_recovery() {
    let left =
        || {
            Run::default()
                .answered("compactor-1", 200, "create m/ckpt/01-saved if-absent (9 B)")
                .event("compactor-1", Kind::Crash, "")
        };
    let what = "ckpt/02-new folds commits up to 9";
    let written = "create m/ckpt/02-new if-absent (9 B)";
    let resumed = left().answered("compactor-1", 200, "get m/ckpt/01-saved");
    let resumed = resumed.answered("compactor-1", 200, written);
    assert_eq!(resumed.class("compactor-1", Rule::FoldWhole, what), Class::WrongRecovery);
    let afresh = left().answered("compactor-1", 200, written);
    assert_eq!(afresh.class("compactor-1", Rule::FoldWhole, what), Class::HistoryGap);
}

#[test]
fn the_first_wrong_read_after_a_restart_is_wrong_recovery() {
    let right = || Run::default().event("reader-1", Kind::Read, "get 1 at commit 4");
    let crashed = right().event("reader-1", Kind::Crash, "");
    assert_eq!(crashed.class("reader-1", Rule::ReadFresh, "old"), Class::WrongRecovery);
    assert_eq!(right().class("reader-1", Rule::ReadFresh, "old"), Class::StaleRead);
    let right_again =
        right().event("reader-1", Kind::Crash, "").event("reader-1", Kind::Read, "get 2 at 5");
    assert_eq!(right_again.class("reader-1", Rule::ReadFresh, "old"), Class::StaleRead);
}

#[test]
fn garbage_behind_a_pin_that_nobody_renews_is_a_wait_without_end() {
    let left = |pin: bool| {
        let run = Run::default().answered("writer-1", 200, "create m/seg/01-aa if-absent (9 B)");
        let run = match pin {
            true => run.answered("writer-1", 200, &format!("create {PIN} if-absent (9 B)")),
            false => run,
        };
        let run = run.event("world", Kind::Phase, "Quiet phase");
        let run = run.answered("newcomer", 200, "list m/pin/*");
        let run = match pin {
            true => run.answered("newcomer", 200, &format!("get {PIN}")),
            false => run,
        };
        run.answered("newcomer", 200, "list m/pin/*")
    };
    let what = "seg/01-aa is still there";
    assert_eq!(left(true).class("world", Rule::NothingLeft, what), Class::StuckProgress);
    assert_eq!(left(false).class("world", Rule::NothingLeft, what), Class::OrphanLeak);
}

#[test]
fn causes_that_the_trace_shows_stand_first_with_their_events() {
    let run = Run::default().event("writer-1", Kind::Invoke, "put w:k1 (operation 1)").answered(
        "writer-1",
        200,
        "put m/head (9 B)",
    );
    let report = run.report("writer-1", Rule::RootParent, "root 3 replaces root 2");
    let diagnosis = diagnose(&report).expect("a broken rule has a diagnosis");
    assert_eq!(diagnosis.class, Class::LostUpdate);
    assert_eq!(diagnosis.causes[0].sentence, "the root was put without a condition");
    assert_eq!(diagnosis.causes[0].evidence, [1]);
    assert!((4..=7).contains(&diagnosis.causes.len()));
}

#[test]
fn a_sound_run_has_no_diagnosis() {
    let mut report = Run::default().report("writer-1", Rule::RootParent, "");
    report.verdict = Verdict::Pass;
    assert_eq!(diagnose(&report), None);
}

#[test]
fn clients_of_one_process_are_told_apart() {
    let both = |again: u64| {
        let run = read_segment().by(1).answered("reader-1", 404, READ);
        run.by(again).answered("reader-1", 200, READ)
    };
    let class = |run: Run| run.class("reader-1", Rule::ReadEqualsModel, "wrong");
    assert_eq!(class(both(1)), Class::SnapshotDivergence);
    assert_eq!(class(both(2)), Class::HistoryGap);
    let gave_up = read_segment().by(1).answered("reader-1", 404, READ);
    let gave_up = gave_up.event("reader-1", Kind::Fail, "get 1 failed: Unavailable");
    assert_eq!(class(gave_up), Class::SnapshotDivergence);
    let damaged = read_segment().by(1).damaged("reader-1", "fault.bit_flip", READ);
    let damaged = damaged.by(2).answered("reader-1", 200, READ);
    assert_eq!(class(damaged), Class::TornOrCorruptRecord);
}

#[test]
fn a_wrong_failure_after_damage_that_was_taken_is_corruption() {
    let run = |goes_on: bool| {
        let run = read_segment().damaged("reader-1", "fault.short_body", READ);
        match goes_on {
            true => run.answered("reader-1", 200, "put m/head (9 B)"),
            false => run,
        }
    };
    let class = |run: Run| run.class("reader-1", Rule::FailedAbsent, "it is commit 4");
    assert_eq!(class(run(true)), Class::TornOrCorruptRecord);
    assert_eq!(class(run(false)), Class::PhantomCommit);
}

#[test]
fn a_pin_that_somebody_tries_to_remove_is_not_waited_for() {
    let left = |tried: bool| {
        let run =
            Run::default().answered("writer-1", 200, &format!("create {PIN} if-absent (9 B)"));
        let run = run.event("world", Kind::Phase, "Quiet phase");
        let run = run.answered("newcomer", 200, "list m/pin/*");
        let run = run.answered("newcomer", 200, &format!("get {PIN}"));
        let run = match tried {
            true => run.unanswered("newcomer", &format!("delete-batch {PIN}")),
            false => run,
        };
        run.answered("newcomer", 200, "list m/pin/*")
    };
    let class = |run: Run| run.class("world", Rule::NothingLeft, "pin/77 is still there");
    assert_eq!(class(left(false)), Class::StuckProgress);
    assert_eq!(class(left(true)), Class::OrphanLeak);
}
