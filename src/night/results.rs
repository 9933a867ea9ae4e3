//! `results.ndjson`: what happened when, for people and their tools. Nothing is ever read back from
//! it but its length.
//!
//! One line for each finished stretch with its counts, and one for each failing seed, of which there
//! is a limit for each group: so the file grows with the number of stretches, a few megabytes in a
//! night, however much fails.

use std::io::{self, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sim::Seed;

use crate::campaign::{GroupKey, Summary};

/// Failing seeds of a group that get a line.
const LINES_OF_A_GROUP: u64 = 1000;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ResultLine {
    /// A stretch was finished.
    Stretch {
        /// First seed.
        first: u64,
        /// Last seed.
        last: u64,
        /// Wall time since the run began, in milliseconds, to a few seconds.
        at_ms: u64,
        /// Seeds that failed.
        failed: u64,
        /// Requests that left a process.
        requests: u64,
        /// Commits.
        commits: u64,
        /// Events of all traces.
        events: u64,
        /// Steps, marks and faults that were reached for the first time in this run.
        new: Vec<String>,
        /// Hash over its runs, in hexadecimal.
        fingerprint: String,
    },
    /// A seed failed.
    Failure {
        /// The seed.
        seed: Seed,
        /// What it has in common with others.
        group: GroupKey,
    },
}

/// The lines of a stretch with these seeds, given what was known before it.
pub(super) fn lines_of(seeds: &Range<u64>, summary: &Summary, before: &Summary) -> Vec<ResultLine> {
    let new = summary.reached.keys().filter(|name| !before.reached.contains_key(*name));
    let mut lines = vec![ResultLine::Stretch {
        first: seeds.start,
        last: seeds.end - 1,
        at_ms: 0,
        failed: summary.failed(),
        requests: summary.requests,
        commits: summary.commits,
        events: summary.events,
        new: new.cloned().collect(),
        fingerprint: format!("{:016x}", summary.fingerprint),
    }];
    for (key, group) in &summary.failures {
        if before.failures.get(key).map_or(0, |group| group.count) < LINES_OF_A_GROUP {
            let failures = group.seeds.iter();
            lines.extend(
                failures.map(|seed| ResultLine::Failure { seed: seed.clone(), group: key.clone() }),
            );
        }
    }
    lines
}

/// Writes lines and returns how many bytes that were. Stretches are dated with `at_ms`.
///
/// # Errors
/// What the file system reports.
pub(super) fn write(
    lines: &mut [ResultLine],
    now_ms: u64,
    out: &mut impl Write,
) -> io::Result<u64> {
    let mut bytes = Vec::new();
    for line in lines {
        if let ResultLine::Stretch { at_ms, .. } = line {
            *at_ms = now_ms;
        }
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
    }
    out.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}
