//! From a finished world to a run.

use sim::trace::{Kind, Row};

use super::exchanges::Exchanges;
use super::{Counts, Run, Struck, Unseen, bands, objects, operations, pace};
use crate::diagnosis::Diagnosis;
use crate::report::Story;
use crate::world::{Verdict, WorldReport};

/// The process that stands for the world itself: phases, limits, the last word of the auditor.
pub(in crate::report) const WORLD: &str = "world";

impl Run {
    /// The run of a finished world whose trace was kept, up to and including the event `until`.
    #[must_use]
    pub fn of(report: &WorldReport, diagnosis: Option<Diagnosis>, until: Option<u64>) -> Run {
        let counts = Counts {
            events: report.events,
            requests: report.requests,
            operations: report.operations,
            commits: report.commits,
            virtual_us: report.virtual_ns / 1000,
        };
        let mut run = Run::of_trace(report.trace.clone(), counts, until);
        run.options = options(&report.description);
        run.fingerprint = format!("{:016x}", report.fingerprint);
        run.proof = diagnosis.as_ref().map_or_else(Vec::new, |found| found.proof.clone());
        run.first_error = first_error(&report.verdict, &run.trace);
        if report.verdict != Verdict::Pass {
            let mut story = Story::of(report, diagnosis);
            story.lines.retain(|line| until.is_none_or(|until| line.event <= until));
            run.story = Some(story);
        }
        run
    }

    /// What a trace tells by itself.
    #[must_use]
    pub fn of_trace(mut trace: Vec<Row>, counts: Counts, until: Option<u64>) -> Run {
        trace.retain(|row| until.is_none_or(|until| row.event <= until));
        let unseen = Unseen {
            before: trace.first().map_or(0, |row| row.event),
            after: trace.last().map_or(0, |row| counts.events.saturating_sub(row.event + 1)),
        };
        let exchanges = Exchanges::of(&trace);
        Run {
            options: Vec::new(),
            fingerprint: String::new(),
            counts,
            unseen,
            processes: processes(&trace),
            bands: bands::bands(&trace, &exchanges),
            faults: faults(&trace, &exchanges),
            objects: objects::objects(&trace),
            operations: operations::operations(&trace),
            pace: pace::Pace::of(&trace, &exchanges),
            exchanges: exchanges.into_list(),
            story: None,
            proof: Vec::new(),
            first_error: None,
            examined: None,
            trace,
        }
    }
}

/// The event that the verdict is about. A limit that was reached is no event.
fn first_error(verdict: &Verdict, trace: &[Row]) -> Option<u64> {
    let said = match verdict {
        Verdict::Broken(finding) | Verdict::Stuck(finding) => Some(finding.event),
        Verdict::Pass | Verdict::Panicked { .. } => None,
    };
    let errors = trace.iter().filter(|row| matches!(row.kind, Kind::RuleBroken | Kind::Panic));
    let events: Vec<u64> = errors.map(|row| row.event).collect();
    said.filter(|event| events.contains(event)).or(events.first().copied())
}

/// The processes of a trace: roles in the order of their appearance, numbers within a role.
fn processes(trace: &[Row]) -> Vec<String> {
    let mut roles: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for row in trace.iter().filter(|row| row.process != WORLD) {
        if !names.contains(&row.process.as_str()) {
            names.push(&row.process);
            let (role, _) = parts(&row.process);
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
    }
    names.sort_by_key(|name| {
        let (role, number) = parts(name);
        (roles.iter().position(|other| *other == role), number)
    });
    names.into_iter().map(str::to_owned).collect()
}

/// Role and number of a process.
fn parts(name: &str) -> (&str, u32) {
    let split = name.rsplit_once('-');
    split.and_then(|(role, number)| Some((role, number.parse().ok()?))).unwrap_or((name, 0))
}

fn faults(trace: &[Row], exchanges: &Exchanges) -> Vec<Struck> {
    let strikes = trace.iter().filter(|row| row.kind == Kind::Fault);
    let struck = strikes.map(|row| Struck {
        event: row.event,
        at_us: row.at_ns / 1000,
        process: row.process.clone(),
        what: fault_name(&row.detail),
        request: exchanges.get(row.a).map(|exchange| exchange.request),
    });
    struck.collect()
}

/// A fault for people: `fault.reply_lost` is "reply lost".
pub(super) fn fault_name(label: &str) -> String {
    label.trim_start_matches("fault.").replace('_', " ")
}

/// The properties of a world: its description, cut at the commas that stand outside parentheses.
fn options(description: &str) -> Vec<String> {
    let mut options = Vec::new();
    for line in description.lines() {
        let (mut from, mut depth) = (0, 0u32);
        for (at, letter) in line.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                // What comes after a colon is a list of its own and stays together.
                ',' if depth == 0 && !line[from..at].contains("faults:") => {
                    options.push(line[from..at].trim().to_owned());
                    from = at + 1;
                }
                _ => {}
            }
        }
        options.push(line[from..].trim().to_owned());
    }
    options.retain(|option| !option.is_empty());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_one_property_each() {
        let text = "strategy walk (Walk, window 2s), store s3, request faults: timeout 1%, 503 2%\n\
                    manifest-core: tail 10 B, pins 7s";
        assert_eq!(
            options(text),
            [
                "strategy walk (Walk, window 2s)",
                "store s3",
                "request faults: timeout 1%, 503 2%",
                "manifest-core: tail 10 B",
                "pins 7s",
            ]
        );
    }
}
