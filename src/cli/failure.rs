//! How a command ends: exit codes, and errors of usage.

use std::path::Path;
use std::process::ExitCode;

use crate::campaign::GroupKey;
use crate::checkers::Rule;
use crate::plan::Failure;
use crate::system::SystemUnderTest;
use crate::world::Verdict;

/// Exit codes. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Nothing failed.
    Pass = 0,
    /// The command line is wrong.
    Usage = 2,
    /// A safety rule was broken.
    Safety = 10,
    /// Something did not finish.
    NoProgress = 11,
    /// The system under test panicked.
    Panic = 12,
    /// Two runs of one seed differed.
    NotDeterministic = 13,
    /// A mark that a long run must reach was not reached.
    MarkNotReached = 14,
    /// A fault of the simulator itself.
    Simulator = 15,
    /// The budget ended before there was a verdict.
    Undecided = 16,
}

impl Exit {
    /// The exit code for failures of this kind.
    #[must_use]
    pub fn of(key: &GroupKey) -> Exit {
        match key {
            GroupKey::Rule(Rule::Progress) | GroupKey::Hung => Exit::NoProgress,
            GroupKey::Rule(Rule::JudgesAgree) => Exit::Simulator,
            GroupKey::Rule(_) => Exit::Safety,
            GroupKey::Panic(_) | GroupKey::Died(_) => Exit::Panic,
            GroupKey::NotDeterministic => Exit::NotDeterministic,
        }
    }

    /// The exit code for one run that ended like this.
    #[must_use]
    pub fn of_verdict(verdict: &Verdict) -> Exit {
        GroupKey::of(verdict).as_ref().map_or(Exit::Pass, Exit::of)
    }

    /// The exit code for a run of a plan that failed like this.
    #[must_use]
    pub fn of_failure(failure: &Failure) -> Exit {
        match failure {
            Failure::Rule(rule) => Exit::of(&GroupKey::Rule(*rule)),
            Failure::Panic(_) => Exit::Panic,
            Failure::Deadlock | Failure::Endless => Exit::NoProgress,
        }
    }

    /// The code for several kinds of failure at once. A simulator that is wrong, or runs that
    /// differ, make every other verdict doubtful, so they come first; then safety, panics, progress.
    #[must_use]
    pub fn of_all<'a>(keys: impl IntoIterator<Item = &'a GroupKey>) -> Exit {
        let weight = |exit: &Exit| match exit {
            Exit::Simulator => 5,
            Exit::NotDeterministic => 4,
            Exit::Safety => 3,
            Exit::Panic => 2,
            Exit::NoProgress => 1,
            _ => 0,
        };
        keys.into_iter().map(Exit::of).max_by_key(weight).unwrap_or(Exit::Pass)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command cannot be done as it was given.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// No system has this name.
    #[error("no system is called '{name}'; there is: {known}")]
    UnknownSystem {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// The system has no bug of this name.
    #[error("{system} has no bug called '{name}'; there is: {known}")]
    UnknownBug {
        /// The system.
        system: String,
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// No store profile has this name.
    #[error("no store is called '{name}'; there is: {known}")]
    UnknownStore {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// The last seed would be too large.
    #[error("seed {seed} and {iterations} iterations go beyond the largest seed, {}", u64::MAX)]
    SeedOutOfRange {
        /// First seed.
        seed: u64,
        /// How many.
        iterations: u64,
    },
    /// An output cannot be written.
    #[error("cannot write {path}: {source}; choose another place with --trace-dir")]
    Output {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no corpus, or cannot be written as one.
    #[error("{path}: {source}; choose another file with --corpus")]
    Corpus {
        /// The file.
        path: String,
        /// Why.
        source: crate::guided::CorpusError,
    },
    /// A guided search in blocks.
    #[error(
        "with --strategy guided each world depends on those before it, so there are no blocks that could be run alone; give each machine a --seed of its own instead of --block"
    )]
    GuidedBlock,
    /// A guided search of too many worlds.
    #[error("with --strategy guided -n is at most {}", crate::guided::WORLDS_MAX)]
    GuidedTooLong,
    /// A corpus without the search that uses one.
    #[error("--corpus is for --strategy guided, which alone remembers worlds")]
    CorpusUnused,
    /// A comparison needs seeds that are the same each time.
    #[error("--strategy guided chooses its worlds as it goes; choose another one here")]
    NotGuided,
    /// A page cannot be written.
    #[error("cannot write {path}: {source}; choose another place with --markdown")]
    Page {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A report cannot be written.
    #[error("cannot write {path}: {source}; choose another place with -o")]
    Report {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no history.
    #[error("{path}: {source}")]
    History {
        /// The file.
        path: String,
        /// Why.
        source: crate::formats::FormatError,
    },
    /// A file is no plan, or cannot be written as one.
    #[error("{path}: {source}")]
    Plan {
        /// The file.
        path: String,
        /// Why.
        source: crate::plan::PlanError,
    },
    /// A plan does not fit the system.
    #[error("{path} does not fit: {source}")]
    Misfit {
        /// The file.
        path: String,
        /// Why.
        source: crate::plan::Misfit,
    },
    /// A seed or plan cannot be reduced.
    #[error("{what}: {source}")]
    Irreducible {
        /// The seed or the file.
        what: String,
        /// Why.
        source: crate::reduce::Irreducible,
    },
    /// A run cannot be kept, continued or joined.
    #[error("{0}")]
    Night(#[from] crate::night::NightError),
    /// A run that is to be joined cannot be told here.
    #[error("{path} is of another run: {what}; use the program and the system that made it")]
    Foreign {
        /// Where.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A directory holds a run that would be lost.
    #[error("{path} holds a run that would be lost; give another directory with --out")]
    Occupied {
        /// Where.
        path: String,
    },
    /// The file of this program cannot be read.
    #[error("cannot read the file of this program: {0}; it says whether a run may be continued")]
    Program(std::io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to SIGINT and SIGTERM: {0}")]
    Signals(std::io::Error),
    /// There are no plans.
    #[error("{path} holds no plans (*.json)")]
    NoPlans {
        /// The directory.
        path: String,
    },
    /// There is no such event in the run.
    #[error("{what} has {events} events, there is no event {until}")]
    NoSuchEvent {
        /// The seed or the plan.
        what: String,
        /// What was asked for.
        until: u64,
        /// How many there are.
        events: u64,
    },
}

impl UsageError {
    /// This file is no corpus, or cannot be written as one.
    pub(super) fn corpus(path: &Path, source: crate::guided::CorpusError) -> UsageError {
        UsageError::Corpus { path: path.display().to_string(), source }
    }

    /// The system has no bug of this name.
    pub(super) fn unknown_bug(system: &dyn SystemUnderTest, name: &str) -> UsageError {
        UsageError::UnknownBug {
            system: system.name().to_owned(),
            name: name.to_owned(),
            known: system.bugs().iter().map(|bug| bug.name).collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_runs_outweigh_everything_else() {
        let keys = [
            GroupKey::Rule(Rule::Progress),
            GroupKey::Rule(Rule::RootParent),
            GroupKey::Panic(String::from("x")),
        ];
        assert_eq!(Exit::of_all([]), Exit::Pass);
        assert_eq!(Exit::of_all(&keys[..1]), Exit::NoProgress);
        assert_eq!(Exit::of_all(&keys[..]), Exit::Safety);
        assert_eq!(Exit::of_all([&keys[1], &GroupKey::NotDeterministic]), Exit::NotDeterministic);
    }
}
