//! The story of one failing seed: the few events that matter, in the words of the domain.

use serde::Serialize;
use sim::Seed;
use sim::trace::{Kind, Row};

use crate::checkers::{Class, Finding};
use crate::diagnosis::{Cause, Diagnosis};
use crate::world::{Verdict, WorldReport};

/// Lines of a story, at most.
const LINES_MAX: usize = 16;

/// One event of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Index of the event.
    pub event: u64,
    /// Virtual time in microseconds.
    pub at_us: u64,
    /// Name of the process.
    pub process: String,
    /// What happened.
    pub text: String,
    /// Whether the event is evidence for the broken rule.
    pub evidence: bool,
}

/// The story of one failing seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The seed.
    pub seed: Seed,
    /// The class of failure, or what else it is.
    pub class: String,
    /// What the class means.
    pub meaning: String,
    /// Other classes that the same moment shows.
    pub also: Vec<String>,
    /// What happened, with the names of this run.
    pub what: String,
    /// The rule, as a sentence that must hold.
    pub rule: String,
    /// The file that checks the rule.
    pub place: String,
    /// The events that matter, oldest first; empty if no trace was made.
    pub lines: Vec<Line>,
    /// Events of the whole run.
    pub events: u64,
    /// Probable causes, the best supported first; empty without a diagnosis.
    pub causes: Vec<CauseLine>,
}

/// A probable cause with the events that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseLine {
    /// What may have gone wrong.
    pub sentence: String,
    /// The events.
    pub evidence: Vec<u64>,
}

impl From<Cause> for CauseLine {
    fn from(cause: Cause) -> Self {
        CauseLine { sentence: cause.sentence.to_owned(), evidence: cause.evidence }
    }
}

impl Story {
    /// The story of a failing run. Without a kept trace it has no lines.
    #[must_use]
    pub fn of(report: &WorldReport, diagnosis: Option<Diagnosis>) -> Story {
        let mut story = Story {
            seed: report.seed.clone(),
            class: String::new(),
            meaning: String::new(),
            also: Vec::new(),
            what: String::new(),
            rule: String::new(),
            place: String::new(),
            lines: Vec::new(),
            events: report.events,
            causes: Vec::new(),
        };
        match &report.verdict {
            Verdict::Pass => story.not_deterministic(),
            Verdict::Panicked { message, .. } => {
                story.class = String::from("Panic");
                story.meaning = String::from("the system under test panicked");
                story.what = message.clone();
                story.rule = String::from("code under test does not panic");
                story.place = String::from("src/campaign.rs");
                story.lines = last_lines(&report.trace);
            }
            Verdict::Broken(finding) | Verdict::Stuck(finding) => {
                story.tell(finding, diagnosis, &report.trace);
            }
        }
        story
    }

    /// The story of a seed whose two runs differ.
    pub fn not_deterministic(&mut self) {
        self.class = Class::SnapshotDivergence.to_string();
        self.meaning = String::from("two runs of one seed differ");
        self.what = String::from(
            "the second run had another fingerprint: something reads a clock, a random source, \
             a hash-ordered map or a thread outside the engine",
        );
        self.rule = String::from("the same seed gives the same trace");
        self.place = String::from("src/campaign.rs");
        self.lines.clear();
        self.causes.clear();
    }

    fn tell(&mut self, finding: &Finding, diagnosis: Option<Diagnosis>, trace: &[Row]) {
        let class = diagnosis.as_ref().map_or(finding.rule.class(), |diagnosis| diagnosis.class);
        self.class = class.to_string();
        self.meaning = class.sentence().to_owned();
        self.what = finding.what.clone();
        self.rule = finding.rule.sentence().to_owned();
        self.place = finding.rule.place().to_owned();
        let (proof, also, causes) = diagnosis
            .map(|diagnosis| (diagnosis.proof, diagnosis.also, diagnosis.causes))
            .unwrap_or_default();
        self.also = also.iter().map(ToString::to_string).collect();
        self.causes = causes.into_iter().map(CauseLine::from).collect();
        let mut evidence = finding.evidence.clone();
        evidence.extend(&proof);
        if let Some(cause) = self.causes.first() {
            evidence.extend(&cause.evidence);
        }
        evidence.sort_unstable();
        evidence.dedup();
        self.lines = chosen_lines(trace, &evidence, finding.event);
    }
}

/// The evidence, and around it what the processes of the evidence did last.
fn chosen_lines(trace: &[Row], evidence: &[u64], broken: u64) -> Vec<Line> {
    let is_evidence = |row: &Row| evidence.binary_search(&row.event).is_ok();
    let processes: Vec<&str> =
        trace.iter().filter(|row| is_evidence(row)).map(|row| row.process.as_str()).collect();
    let mut chosen: Vec<usize> =
        (0..trace.len()).filter(|&index| is_evidence(&trace[index])).collect();
    for index in (0..trace.len()).rev() {
        let row = &trace[index];
        if chosen.len() >= LINES_MAX.max(evidence.len()) {
            break;
        }
        let telling = matches!(
            row.kind,
            Kind::Request
                | Kind::Reply
                | Kind::Fault
                | Kind::Crash
                | Kind::Restart
                | Kind::Stall
                | Kind::Unknown
                | Kind::Told
                | Kind::Fail
                | Kind::Conflict
                | Kind::Commit
                | Kind::Invoke
        );
        if telling
            && row.event <= broken
            && processes.contains(&row.process.as_str())
            && !chosen.contains(&index)
        {
            chosen.push(index);
        }
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|index| line(&trace[index], is_evidence(&trace[index]))).collect()
}

fn last_lines(trace: &[Row]) -> Vec<Line> {
    trace[trace.len().saturating_sub(LINES_MAX)..].iter().map(|row| line(row, false)).collect()
}

fn line(row: &Row, evidence: bool) -> Line {
    Line {
        event: row.event,
        at_us: row.at_ns / 1000,
        process: row.process.clone(),
        text: row_text(row),
        evidence,
    }
}

/// An answer as its client sees it. The store writes 0 where the connection broke and 1 where no
/// answer came in time.
fn answer(detail: &str) -> String {
    match detail.rsplit_once(" -> ") {
        Some((request, "0")) => format!("connection lost: {request}"),
        Some((request, "1")) => format!("no answer in time: {request}"),
        _ => format!("answer: {}", shortened(detail)),
    }
}

/// What a request does, for one line: of many names only the first.
pub(super) fn shortened(detail: &str) -> String {
    let (request, status) = detail.rsplit_once(" -> ").unwrap_or((detail, ""));
    let status = if status.is_empty() { String::new() } else { format!(" -> {status}") };
    match request.strip_prefix("delete ").and_then(|names| names.split_once(' ')) {
        None => detail.to_owned(),
        Some((first, more)) => {
            format!("delete {first} and {} more{status}", more.split(' ').count())
        }
    }
}

/// One event in words.
#[must_use]
pub fn row_text(row: &Row) -> String {
    let detail = row.detail.as_str();
    match row.kind {
        Kind::Invoke => format!("begins {detail} (operation {})", row.a),
        Kind::Request => shortened(detail),
        Kind::Apply => format!("in the store: {}", shortened(detail)),
        Kind::Reply => answer(detail),
        Kind::Fault => format!("FAULT {}", detail.trim_start_matches("fault.").replace('_', " ")),
        Kind::Crash => String::from("CRASH"),
        Kind::Restart => String::from("starts again"),
        Kind::Stall => format!("STALLS for {} ms", row.a / 1_000_000),
        Kind::Resume => String::from("runs again"),
        Kind::Step | Kind::Mark => format!("reaches {detail}"),
        Kind::RuleBroken => format!("WRONG  {detail}"),
        _ if detail.is_empty() => row.kind.name().to_owned(),
        _ => detail.to_owned(),
    }
}
