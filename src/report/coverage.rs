//! How much of a campaign was run, and whether a planted bug was found on the way.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::Serialize;

use super::short;

/// Gaps that are told one by one.
const GAPS_TOLD: usize = 8;

/// How much of a campaign was run. By default all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The block that was to be run, as `I/N`; `None`: the whole.
    pub block: Option<String>,
    /// Seeds that are missing of it.
    pub missing: u64,
    /// The first gaps, each with its first and last seed.
    pub gaps: Vec<(u64, u64)>,
    /// How many more gaps there are.
    pub more_gaps: u64,
}

impl Coverage {
    /// What is missing of a block (or of the whole): these seeds.
    #[must_use]
    pub fn of(block: Option<String>, missing: &[Range<u64>]) -> Coverage {
        let gaps = missing.iter().take(GAPS_TOLD).map(|gap| (gap.start, gap.end - 1));
        Coverage {
            block,
            missing: missing.iter().map(|gap| gap.end - gap.start).sum(),
            gaps: gaps.collect(),
            more_gaps: missing.len().saturating_sub(GAPS_TOLD) as u64,
        }
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// One line, if something is missing.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if self.is_complete() {
            return Ok(());
        }
        let gaps = self.gaps.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}..{last}"),
        });
        let gaps: Vec<String> = gaps.collect();
        write!(
            out,
            "  missing   {} seeds were not run:  {}",
            short(self.missing),
            gaps.join("  ")
        )?;
        match self.more_gaps {
            0 => writeln!(out),
            more => writeln!(out, "  and {more} more gaps"),
        }
    }
}

/// Worlds with a planted bug that were run beside the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanaryLine {
    /// The bug.
    pub bug: String,
    /// How many worlds had it.
    pub planted: u64,
    /// How many of these failed.
    pub caught: u64,
}

impl CanaryLine {
    /// Whether the bug was there and nobody saw it.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        self.planted > 0 && self.caught == 0
    }

    /// One line.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        let CanaryLine { bug, planted, caught } = self;
        let verdict = if self.is_missed() { "MISSED" } else { "found" };
        writeln!(
            out,
            "  canary    {verdict}: {bug} was planted in {planted} worlds, {caught} failed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_and_the_rest_is_counted() {
        let gaps = (1..10).map(|number| number * 100..number * 100 + 50);
        let gaps: Vec<_> = std::iter::once(7..8).chain(gaps).collect();
        let mut out = String::new();
        Coverage::of(None, &gaps).write(&mut out).expect("a string takes it");
        Coverage::of(None, &[]).write(&mut out).expect("a string takes it");
        assert_eq!(
            out,
            "  missing   451 seeds were not run:  7  100..149  200..249  300..349  400..449  \
             500..549  600..649  700..749  and 2 more gaps\n"
        );
    }

    #[test]
    fn a_canary_that_nobody_saw_is_missed() {
        let line = |planted, caught| CanaryLine { bug: String::from("x"), planted, caught };
        assert!(line(10, 0).is_missed());
        assert!(!line(10, 1).is_missed() && !line(0, 0).is_missed());
    }
}
