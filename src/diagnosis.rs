//! From a broken rule to a diagnosis: what kind of failure it is, and what probably caused it.
//!
//! The class follows from the earliest event that broke a rule and from the order of
//! [`Class`]. Causes are never looked up from the name of the check: each class has a list of
//! causes, each cause may have a test that looks for its traces in the events of the run, and
//! those that are found there stand first, with the events that show it.

use sim::trace::{Kind, Row};

use crate::checkers::{Class, Finding, Rule};

/// A possible cause, with the events that speak for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What may have gone wrong.
    pub sentence: &'static str,
    /// Events that show it; empty if the trace says nothing either way.
    pub evidence: Vec<u64>,
}

/// What a failure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The class.
    pub class: Class,
    /// Causes, the best supported first.
    pub causes: Vec<Cause>,
}

/// The case of one failing run.
struct Case<'a> {
    finding: &'a Finding,
    rows: &'a [Row],
    /// Name of the process whose action broke the rule.
    process: &'a str,
}

type Test = fn(&Case<'_>) -> Option<Vec<u64>>;

/// Diagnoses a finding from the trace of its run.
#[must_use]
pub fn diagnose(finding: &Finding, rows: &[Row]) -> Diagnosis {
    let class = finding.rule.class();
    let broken = rows.iter().find(|row| row.event == finding.event);
    let process = broken.map_or("", |row| row.process.as_str());
    let case = Case { finding, rows, process };
    let mut causes: Vec<Cause> = causes_of(class)
        .iter()
        .map(|(sentence, test)| Cause {
            sentence,
            evidence: test.and_then(|test| test(&case)).unwrap_or_default(),
        })
        .collect();
    causes.sort_by_key(|cause| cause.evidence.is_empty());
    Diagnosis { class, causes }
}

fn causes_of(class: Class) -> &'static [(&'static str, Option<Test>)] {
    match class {
        Class::LostUpdate => &[
            ("the root was put without a condition", Some(unconditional_put)),
            (
                "412 after a retry was taken for the own earlier write",
                Some(own_write_taken_for_success),
            ),
            (
                "the batch was acknowledged before its PUT was answered",
                Some(acknowledged_unanswered),
            ),
            (
                "the body was kept across a conflict and only the tag renewed",
                Some(put_after_conflict),
            ),
            (
                "the conflict check does not look at all commits since the base",
                Some(reads_overwritten),
            ),
            ("an error of a background task was swallowed", None),
        ],
        Class::PhantomCommit => &[
            (
                "a retry after an unknown outcome did not look for its own commit",
                Some(retried_after_unknown),
            ),
            ("an unknown outcome was reported as a failure", Some(failed_after_unknown)),
            ("a conflict after a time-out was taken for a rival's", Some(conflict_after_unknown)),
            ("a request that its client had given up landed later", Some(late_request)),
            ("recovery published work of a crashed process", Some(after_crash)),
        ],
        Class::StaleRead | Class::NonMonotonicRead => &[
            (
                "the read was answered from a cache, without a request",
                Some(answered_without_request),
            ),
            ("an older answer arrived last and won", Some(reordered_answers)),
            ("the store gave an old version", None),
            ("a stalled process went on with what it had read before", Some(after_stall)),
        ],
        Class::DirtyRead => &[
            ("one transaction was split over several publications", None),
            ("a reader looked beyond what the root names", None),
            ("objects were published before they were complete", None),
            ("a replay stopped in the middle of a commit", Some(after_crash)),
        ],
        Class::TornOrCorruptRecord => &[
            ("a short body was decoded as far as it goes", Some(short_body)),
            ("a torn PUT was retried under the same name", Some(torn_put)),
            ("length or hash of the body is not checked", None),
            ("an empty object was taken as valid", None),
        ],
        Class::HistoryGap => &[
            ("a checkpoint or segment replaced other records than it holds", None),
            ("a slower process published older content over newer", Some(after_stall)),
            ("a missing object was skipped", None),
            ("a replay boundary is off by one", None),
        ],
        Class::DanglingReference => &[
            ("an object was deleted after an unknown outcome", Some(retried_after_unknown)),
            ("the collector misses a class of references", None),
            ("an object in flight was taken for garbage", None),
            ("a root was published before its objects", None),
        ],
        Class::StuckProgress => &[
            ("a waiter is not woken", None),
            ("somebody waits for a process that is gone", Some(after_crash)),
            (
                "a refusal names a commit that never happened or did not touch the reads",
                Some(false_conflict),
            ),
            ("every attempt is overtaken by another process", Some(put_after_conflict)),
        ],
        Class::SnapshotDivergence => &[
            ("a cache key lacks the version", None),
            ("content depends on map order, time or randomness", None),
            ("a scan misses or repeats keys at its boundary", None),
            ("two versions of one key are applied in the wrong order", None),
        ],
        Class::JudgesDisagree => &[
            ("a checker is wrong: keep this seed and report it", None),
            ("a rule is missing among those that are checked at the event", None),
        ],
        _ => &[
            ("a check is made once instead of at every edit", None),
            ("a request is sent that the operation does not need", None),
            ("a state after a restart is taken over unchecked", Some(after_crash)),
            ("cleaning up is skipped when an attempt fails", None),
        ],
    }
}

impl Case<'_> {
    /// The rows of the process in question up to the broken rule, newest first.
    fn own(&self) -> impl Iterator<Item = &Row> {
        let (until, process) = (self.finding.event, self.process);
        self.rows.iter().rev().filter(move |row| row.event <= until && row.process == process)
    }

    fn own_root_put(&self) -> Option<&Row> {
        self.own().find(|row| row.kind == Kind::Request && is_root_write(&row.detail))
    }

    /// The first event of the operation that the evidence begins with.
    fn invoked(&self) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.kind == Kind::Invoke && self.finding.evidence.contains(&row.event))
    }

    /// Faults and failures of the process that leave an outcome unknown, newest first.
    fn unknowns(&self) -> impl Iterator<Item = &Row> {
        let since = self.invoked().map_or(0, |row| row.event);
        self.own().filter(move |row| {
            row.event >= since
                && row.kind == Kind::Fault
                && [
                    "reply_lost",
                    "late_apply",
                    "duplicate",
                    "error_500_after",
                    "timeout",
                    "request_lost",
                ]
                .iter()
                .any(|name| row.detail.contains(name))
        })
    }
}

fn is_root_write(detail: &str) -> bool {
    (detail.starts_with("put ") || detail.starts_with("update ")) && detail.contains("/head")
}

fn unconditional_put(case: &Case<'_>) -> Option<Vec<u64>> {
    let put = case.own_root_put()?;
    put.detail.starts_with("put ").then(|| vec![put.event])
}

fn own_write_taken_for_success(case: &Case<'_>) -> Option<Vec<u64>> {
    let refused = case.own().find(|row| row.kind == Kind::Reply && row.detail.contains("412"))?;
    let unknown = case.unknowns().next()?;
    (case.finding.rule == Rule::AcknowledgedPresent).then(|| vec![unknown.event, refused.event])
}

fn acknowledged_unanswered(case: &Case<'_>) -> Option<Vec<u64>> {
    let put = case.own_root_put()?;
    let answered = case.own().any(|row| row.kind == Kind::Reply && row.a == put.a);
    (case.finding.rule == Rule::AcknowledgedPresent && !answered).then(|| vec![put.event])
}

fn put_after_conflict(case: &Case<'_>) -> Option<Vec<u64>> {
    let put = case.own_root_put()?;
    let refused = case.own().find(|row| {
        row.event < put.event && row.kind == Kind::Reply && row.detail.contains("412")
    })?;
    Some(vec![refused.event, put.event])
}

fn reads_overwritten(case: &Case<'_>) -> Option<Vec<u64>> {
    (case.finding.rule == Rule::ReadsStillHold).then(|| case.finding.evidence.clone())
}

fn retried_after_unknown(case: &Case<'_>) -> Option<Vec<u64>> {
    let unknown = case.unknowns().last()?;
    let put = case.own_root_put()?;
    (unknown.event < put.event).then(|| vec![unknown.event, put.event])
}

fn failed_after_unknown(case: &Case<'_>) -> Option<Vec<u64>> {
    let unknown = case.unknowns().next()?;
    (case.finding.rule == Rule::FailedAbsent).then(|| vec![unknown.event])
}

fn conflict_after_unknown(case: &Case<'_>) -> Option<Vec<u64>> {
    let unknown = case.unknowns().last()?;
    let refused = case.own().find(|row| {
        row.event > unknown.event
            && row.kind == Kind::Reply
            && (row.detail.contains("412") || row.detail.contains("409"))
    })?;
    Some(vec![unknown.event, refused.event])
}

fn late_request(case: &Case<'_>) -> Option<Vec<u64>> {
    let row =
        case.own().find(|row| row.kind == Kind::Fault && row.detail.contains("late_apply"))?;
    Some(vec![row.event])
}

fn after_crash(case: &Case<'_>) -> Option<Vec<u64>> {
    case.own().find(|row| row.kind == Kind::Crash).map(|row| vec![row.event])
}

fn after_stall(case: &Case<'_>) -> Option<Vec<u64>> {
    let since = case.invoked().map_or(0, |row| row.event);
    case.own().find(|row| row.kind == Kind::Stall && row.event >= since).map(|row| vec![row.event])
}

fn answered_without_request(case: &Case<'_>) -> Option<Vec<u64>> {
    let invoked = case.invoked()?;
    let asked = case.own().any(|row| row.kind == Kind::Request && row.event > invoked.event);
    (!asked).then(|| vec![invoked.event, case.finding.event])
}

fn reordered_answers(case: &Case<'_>) -> Option<Vec<u64>> {
    let mut replies = case.own().filter(|row| row.kind == Kind::Reply);
    let (last, before) = (replies.next()?, replies.next()?);
    (last.a < before.a).then(|| vec![before.event, last.event])
}

fn short_body(case: &Case<'_>) -> Option<Vec<u64>> {
    let row =
        case.own().find(|row| row.kind == Kind::Fault && row.detail.contains("short_body"))?;
    Some(vec![row.event])
}

fn torn_put(case: &Case<'_>) -> Option<Vec<u64>> {
    let torn = |row: &&Row| row.kind == Kind::Fault && row.detail.contains("torn_put");
    case.rows.iter().find(torn).map(|row| vec![row.event])
}

fn false_conflict(case: &Case<'_>) -> Option<Vec<u64>> {
    (case.finding.rule == Rule::ConflictReal).then(|| case.finding.evidence.clone())
}
