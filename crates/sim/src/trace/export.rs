//! Traces on their way out: filtered, with names instead of numbers, as JSON or NDJSON.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Kept, Kind};
use crate::process::ProcessName;

/// Which events of a trace are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// What went wrong and what was done to the world: faults, failures, conflicts, crashes,
    /// broken rules.
    FailuresOnly,
    /// What clients saw and what the store committed, besides the failures.
    Minimal,
    /// Everything.
    #[default]
    Verbose,
}

impl Filter {
    /// Whether events of `kind` pass.
    #[must_use]
    pub fn passes(self, kind: Kind) -> bool {
        let failure = matches!(
            kind,
            Kind::Fail
                | Kind::Unknown
                | Kind::Conflict
                | Kind::Fault
                | Kind::Crash
                | Kind::Stall
                | Kind::ClockStep
                | Kind::RuleBroken
                | Kind::Panic
        );
        let client = matches!(
            kind,
            Kind::Invoke
                | Kind::Ok
                | Kind::Read
                | Kind::Scan
                | Kind::ReadModifyWrite
                | Kind::Told
                | Kind::Commit
                | Kind::Restart
                | Kind::Phase
        );
        match self {
            Filter::FailuresOnly => failure,
            Filter::Minimal => failure || client,
            Filter::Verbose => true,
        }
    }
}

/// One event as it is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Position in the run, from 0.
    pub event: u64,
    /// Virtual time in nanoseconds since the world began.
    pub at_ns: u64,
    /// Name of the process.
    pub process: String,
    /// Number of the task of that process that did it; 0, and left out, if it was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub task: u64,
    /// Kind of event.
    pub kind: Kind,
    /// Number of the object concerned; 0 where none is.
    pub object: u32,
    /// First number, see [`Kind`].
    pub a: u64,
    /// Second number, see [`Kind`].
    pub b: u64,
    /// Text for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Row {
    /// The row of a kept event, in a world with these processes.
    #[must_use]
    pub fn new(kept: &Kept, processes: &[ProcessName]) -> Self {
        let event = kept.event;
        let process = processes
            .get(usize::from(event.process.0))
            .map_or_else(|| format!("process-{}", event.process.0), ToString::to_string);
        Row {
            event: event.index,
            at_ns: event.at_ns,
            process,
            task: event.task,
            kind: event.kind,
            object: event.object,
            a: event.a,
            b: event.b,
            detail: kept.detail.clone(),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Writes one JSON object on each line.
///
/// # Errors
/// What `out` reports.
pub fn to_ndjson<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    mut out: impl Write,
) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes one JSON array.
///
/// # Errors
/// What `out` reports.
pub fn to_json(rows: &[Row], mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, rows)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessId;
    use crate::trace::Event;

    fn kept(kind: Kind) -> Kept {
        let event = Event {
            index: 3,
            at_ns: 5_000_000,
            process: ProcessId(1),
            task: 0,
            kind,
            object: 2,
            a: 7,
            b: 9,
        };
        Kept { event, detail: String::from("put head if-match 17") }
    }

    #[test]
    fn each_filter_shows_what_the_stricter_one_shows() {
        for kind in Kind::ALL {
            assert!(!Filter::FailuresOnly.passes(kind) || Filter::Minimal.passes(kind));
            assert!(Filter::Verbose.passes(kind));
        }
        assert!(Filter::FailuresOnly.passes(Kind::RuleBroken));
        assert!(!Filter::FailuresOnly.passes(Kind::Commit));
        assert!(!Filter::Minimal.passes(Kind::Request));
    }

    #[test]
    fn rows_come_back_from_both_formats() {
        let names =
            [ProcessName { role: "world", number: 0 }, ProcessName { role: "writer", number: 2 }];
        let rows = [Row::new(&kept(Kind::Request), &names), Row::new(&kept(Kind::Fault), &names)];
        assert_eq!(rows[0].process, "writer-2");

        let mut lines = Vec::new();
        to_ndjson(&rows, &mut lines).expect("a vector takes every byte");
        let text = String::from_utf8(lines).expect("JSON is UTF-8");
        let back: Vec<Row> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is a row"))
            .collect();
        assert_eq!(back, rows);

        let mut array = Vec::new();
        to_json(&rows, &mut array).expect("a vector takes every byte");
        assert_eq!(serde_json::from_slice::<Vec<Row>>(&array).expect("an array of rows"), rows);
    }
}
