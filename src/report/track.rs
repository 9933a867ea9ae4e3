//! The track record: which planted bugs are found, how soon, and what is said of them.
//!
//! Misses are listed like hits: a table that shows only what went well would be worth nothing. Text,
//! JSON and the Markdown page are functions of one value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use sim::Seed;

use super::ReducedLine;
use crate::hunt::Outcome;
use crate::system::BugInfo;

/// The record of all hunts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackRecord {
    /// Version of `vopr`.
    pub version: &'static str,
    /// Name of the system.
    pub system: String,
    /// How seeds are searched.
    pub search: String,
    /// Hunts for each bug.
    pub starts: usize,
    /// Seeds after which a hunt is given up.
    pub limit: u64,
    /// One line for each bug.
    pub bugs: Vec<BugRecord>,
}

/// What the hunts for one bug came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BugRecord {
    /// Its name.
    pub name: String,
    /// What it changes.
    pub sentence: String,
    /// Where it was seen.
    pub origin: String,
    /// Hunts that found it.
    pub found: usize,
    /// Seeds to the first detection, for half of the hunts. A miss counts as more than any hit.
    pub median: Option<u64>,
    /// The same for 95 % of the hunts.
    pub most: Option<u64>,
    /// CPU time to the first detection in milliseconds, for half of the hunts.
    pub cpu_ms: Option<u64>,
    /// Strategies of the worlds that found it, and how often.
    pub found_by: BTreeMap<String, usize>,
    /// What each strategy does alone; empty if that was not measured.
    pub alone: Vec<Alone>,
    /// The first detection, made small; `None` if there was none, or it does not reduce.
    pub reduced: Option<ReducedLine>,
    /// The class that should be said.
    pub class: String,
    /// Detections in which it was said first.
    pub right: usize,
    /// Detections in which it was said first, or was said besides, or a class that is as good was
    /// said first.
    pub acceptable: usize,
    /// What was said first, and how often.
    pub said: BTreeMap<String, usize>,
    /// Seeds of which another class was said first.
    pub misjudged: Vec<Seed>,
    /// The rules that were broken, and how often.
    pub rules: BTreeMap<String, usize>,
}

/// What one strategy does without the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alone {
    /// The strategy.
    pub strategy: String,
    /// Hunts that found the bug.
    pub found: usize,
    /// Seeds to the first detection, for half of the hunts.
    pub median: Option<u64>,
}

impl Alone {
    /// What the hunts of a strategy for a bug came to.
    #[must_use]
    pub fn of(strategy: &str, outcomes: &[Outcome]) -> Self {
        let seeds = seeds_of(outcomes);
        let found = seeds.iter().flatten().count();
        Alone { strategy: strategy.to_owned(), found, median: quantile(&seeds, 50) }
    }
}

fn seeds_of(outcomes: &[Outcome]) -> Vec<Option<u64>> {
    outcomes.iter().map(|outcome| outcome.catch.as_ref().map(|catch| catch.seeds)).collect()
}

impl BugRecord {
    /// What these hunts for a bug came to.
    #[must_use]
    pub fn of(bug: &BugInfo, outcomes: &[Outcome]) -> Self {
        let catches = || outcomes.iter().filter_map(|outcome| outcome.catch.as_ref());
        let cpu = outcomes
            .iter()
            .map(|outcome| outcome.catch.as_ref().map(|_| outcome.cpu.as_millis() as u64));
        let seeds = seeds_of(outcomes);
        let mut record = BugRecord {
            name: bug.name.to_owned(),
            sentence: bug.sentence.to_owned(),
            origin: bug.origin.to_owned(),
            found: catches().count(),
            median: quantile(&seeds, 50),
            most: quantile(&seeds, 95),
            cpu_ms: quantile(&cpu.collect::<Vec<_>>(), 50),
            found_by: BTreeMap::new(),
            alone: Vec::new(),
            reduced: None,
            class: bug.class.to_string(),
            right: 0,
            acceptable: 0,
            said: BTreeMap::new(),
            misjudged: Vec::new(),
            rules: BTreeMap::new(),
        };
        for catch in catches() {
            let said = catch.class;
            let right = said == Some(bug.class);
            let near = catch.also.contains(&bug.class)
                || said.is_some_and(|class| bug.also.contains(&class));
            record.right += usize::from(right);
            if !right {
                record.misjudged.push(catch.seed.clone());
            }
            record.acceptable += usize::from(right || near);
            let said = said.map_or_else(|| String::from("Panic"), |class| class.to_string());
            *record.said.entry(said).or_default() += 1;
            *record.found_by.entry(catch.strategy.name().to_owned()).or_default() += 1;
            let rule = catch.rule.map_or_else(|| String::from("Panic"), |rule| rule.name());
            *record.rules.entry(rule).or_default() += 1;
        }
        record
    }
}

/// The smallest value that so many percent do not exceed (nearest rank); `None` if that is a miss.
fn quantile(values: &[Option<u64>], percent: usize) -> Option<u64> {
    let mut values: Vec<u64> = values.iter().map(|value| value.unwrap_or(u64::MAX)).collect();
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(rank).copied().filter(|value| *value != u64::MAX)
}

impl TrackRecord {
    /// Whether every hunt found its bug.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.bugs.iter().all(|bug| bug.found == self.starts)
    }

    fn totals(&self) -> String {
        let (mut found, mut right, mut acceptable) = (0, 0, 0);
        for bug in &self.bugs {
            found += bug.found;
            right += bug.right;
            acceptable += bug.acceptable;
        }
        let hunts = self.starts * self.bugs.len();
        let whole = self.bugs.iter().filter(|bug| bug.found == self.starts).count();
        let share = |part: usize| 100.0 * part as f64 / found.max(1) as f64;
        format!(
            "{whole} of {} bugs found from every start, {found} of {hunts} hunts successful; \
             class right in {:.1} % of detections, right or named besides in {:.1} %",
            self.bugs.len(),
            share(right),
            share(acceptable)
        )
    }

    /// For each strategy that was measured alone: the bugs for which it needed the fewest seeds.
    fn earned(&self) -> Vec<(&str, Vec<&str>)> {
        let mut earned: Vec<(&str, Vec<&str>)> = Vec::new();
        for bug in &self.bugs {
            let best = bug.alone.iter().filter_map(|alone| alone.median).min();
            for alone in &bug.alone {
                let place = earned.iter().position(|(name, ..)| *name == alone.strategy);
                let place = place.unwrap_or_else(|| {
                    earned.push((&alone.strategy, Vec::new()));
                    earned.len() - 1
                });
                if alone.median.is_some() && alone.median == best {
                    earned[place].1.push(&bug.name);
                }
            }
        }
        earned
    }

    /// The record as text. It ends with a line break.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!(
            "vopr {}   system {}   {}   {} starts, at most {} seeds each\n\n",
            self.version, self.system, self.search, self.starts, self.limit
        );
        let width = self.bugs.iter().map(|bug| bug.name.len()).max().unwrap_or(3);
        let _ = writeln!(
            out,
            "  {:width$}  {:>7}  {:>7}  {:>7}  {:>8}  {:>10}  {:>8}  {:>7}  class",
            "bug", "found", "median", "95 %", "cpu ms", "found by", "reduced", "right"
        );
        for bug in &self.bugs {
            let _ = writeln!(
                out,
                "  {:width$}  {:>7}  {:>7}  {:>7}  {:>8}  {:>10}  {:>8}  {:>7}  {}{}",
                bug.name,
                format!("{}/{}", bug.found, self.starts),
                shown(bug.median),
                shown(bug.most),
                shown(bug.cpu_ms),
                found_by(bug),
                small(bug),
                format!("{}/{}", bug.right, bug.found),
                bug.class,
                others(bug)
            );
        }
        let _ = writeln!(out, "\n{}", self.totals());
        if self.bugs.iter().any(|bug| !bug.alone.is_empty()) {
            self.alone_to_text(width, &mut out);
        }
        out
    }

    fn alone_to_text(&self, width: usize, out: &mut String) {
        let names = || self.bugs[0].alone.iter().map(|alone| &alone.strategy);
        let _ = write!(out, "\neach strategy alone: seeds to the first detection, median\n\n");
        let _ = write!(out, "  {:width$}", "bug");
        names().for_each(|name| {
            let _ = write!(out, "  {name:>7}");
        });
        let _ = writeln!(out);
        for bug in &self.bugs {
            let _ = write!(out, "  {:width$}", bug.name);
            for alone in &bug.alone {
                let _ = write!(out, "  {:>7}", shown(alone.median));
            }
            let _ = writeln!(out);
        }
        let _ = writeln!(out);
        for (name, wins) in self.earned() {
            let plural = if wins.len() == 1 { "" } else { "s" };
            let _ = writeln!(out, "  {name} is the soonest for {} bug{plural}", wins.len());
        }
    }

    /// The record as a page.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = format!(
            "# Track record\n\n\
             Which bugs `vopr` finds when they are planted in `{}`, how many seeds that takes from \
             a start that nobody chose, and what it says of them. Made by `vopr bugs --markdown`; \
             misses are listed like hits.\n\n\
             {} starts for each bug, at most {} seeds each, {}. *Median* and *95 %* are seeds to \
             the first detection; CPU time depends on the machine. *Found by* is the strategy of the \
             worlds that found it most often. *Reduced* is the first detection made small: what a \
             person reads of it (the events of `vopr replay --filter minimal`), and its \
             faults.\n\n{}.\n\n\
             | bug | found | median | 95 % | CPU ms | found by | reduced | class | right | broken rules |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            self.system,
            self.starts,
            self.limit,
            self.search,
            self.totals()
        );
        for bug in &self.bugs {
            let rules: Vec<String> =
                bug.rules.iter().map(|(rule, times)| format!("{rule} {times}")).collect();
            let _ = writeln!(
                out,
                "| `{}` | {}/{} | {} | {} | {} | {} | {} | {}{} | {}/{} | {} |",
                bug.name,
                bug.found,
                self.starts,
                shown(bug.median),
                shown(bug.most),
                shown(bug.cpu_ms),
                found_by(bug),
                small(bug),
                bug.class,
                others(bug),
                bug.right,
                bug.found,
                rules.join(", ")
            );
        }
        self.alone_to_markdown(&mut out);
        out.push_str("\n## What they are, and where they were seen\n\n| bug | change | seen in |\n|---|---|---|\n");
        for bug in &self.bugs {
            let _ = writeln!(out, "| `{}` | {} | {} |", bug.name, bug.sentence, bug.origin);
        }
        out
    }
}

impl TrackRecord {
    fn alone_to_markdown(&self, out: &mut String) {
        let Some(first) = self.bugs.first().filter(|bug| !bug.alone.is_empty()) else { return };
        out.push_str(
            "\n## Each strategy alone\n\n\
             Seeds to the first detection, median over the starts; a dash where fewer than half of \
             the hunts were successful.\n\n| bug |",
        );
        for alone in &first.alone {
            let _ = write!(out, " {} |", alone.strategy);
        }
        out.push_str("\n|---|");
        first.alone.iter().for_each(|_| out.push_str("---|"));
        out.push('\n');
        for bug in &self.bugs {
            let _ = write!(out, "| `{}` |", bug.name);
            for alone in &bug.alone {
                let _ = write!(out, " {} |", shown(alone.median));
            }
            out.push('\n');
        }
        out.push('\n');
        for (name, wins) in self.earned() {
            let _ = writeln!(
                out,
                "* `{name}` is the soonest, or among the soonest, for {}.",
                wins.len()
            );
        }
    }
}

fn shown(value: Option<u64>) -> String {
    value.map_or_else(|| String::from("-"), |value| value.to_string())
}

/// The strategy that found it most often, and how often.
fn found_by(bug: &BugRecord) -> String {
    let most = bug.found_by.iter().rev().max_by_key(|(_, times)| **times);
    most.map_or_else(|| String::from("-"), |(name, times)| format!("{name} {times}"))
}

/// What a person reads of the small form: events of its minimal view, and faults.
fn small(bug: &BugRecord) -> String {
    match bug.reduced {
        None => String::from("-"),
        Some(line) => format!("{} / {}", line.shown, line.faults),
    }
}

/// What was said instead, and how often.
fn others(bug: &BugRecord) -> String {
    let others: Vec<String> = bug
        .said
        .iter()
        .filter(|(class, _)| **class != bug.class)
        .map(|(class, times)| format!("{class} {times}"))
        .collect();
    match bug.misjudged.first() {
        None => String::new(),
        Some(seed) => format!(" (said: {}, as in seed {seed})", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_counts_as_more_than_any_hit() {
        let values = [Some(5), Some(9), None, Some(1)];
        assert_eq!(quantile(&values, 50), Some(5));
        assert_eq!(quantile(&values, 75), Some(9));
        assert_eq!(quantile(&values, 95), None);
        assert_eq!(quantile(&[], 50), None);
    }

    #[test]
    fn a_reduced_run_is_as_long_as_what_a_person_reads_of_it() {
        let bug = BugInfo {
            name: "some-bug",
            sentence: "",
            origin: "",
            class: crate::checkers::Class::LostUpdate,
            also: &[],
        };
        let mut record = BugRecord::of(&bug, &[]);
        assert_eq!(small(&record), "-");
        record.reduced = Some(ReducedLine {
            events_before: 3914,
            faults_before: 212,
            events: 96,
            shown: 8,
            faults: 1,
            operations_before: 300,
            operations: 2,
            tries: 61,
        });
        assert_eq!(small(&record), "8 / 1");
    }
}
