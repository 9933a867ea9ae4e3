//! What a person (or a program) is told at the end of a campaign.
//!
//! A [`Report`] is a plain value that follows from the campaign's seeds alone: no times, no number
//! of workers, nothing of the machine. Text and JSON are pure functions of it, so the same command
//! prints the same bytes. What depends on the machine (rates, seconds) is told apart from it, on
//! standard error.

mod coverage;
#[cfg(test)]
mod example;
mod html;
mod json;
mod known;
mod lanes;
mod marks;
mod names;
mod number;
pub mod run;
mod story;
#[cfg(test)]
mod tests;
mod text;
mod track;

use serde::Serialize;
use sim::Seed;

pub use coverage::{CanaryLine, Coverage};
pub use html::{GroupLinks, Moment, NightPage, to_html, to_night_html};
pub use json::{json_of, to_json};
pub use lanes::to_lanes;
pub use marks::{MarkLine, MarkReport};
pub use number::{grouped, short};
pub use run::{Run, RunReport};
pub use story::{CauseLine, Line, Story, row_text};
pub use text::{failures_text, to_text};
pub use track::{Alone, BugRecord, TrackRecord};

/// The result of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of `vopr`.
    pub version: &'static str,
    /// Name of the system under test.
    pub system: String,
    /// The planted bug, if there is one.
    pub bug: Option<String>,
    /// The profile of the worlds.
    pub profile: String,
    /// The store that is imitated, `drawn` if each world has its own.
    pub store: String,
    /// First seed.
    pub first_seed: u64,
    /// Last seed; `None` if the search was guided and chose its worlds as it went.
    pub last_seed: Option<u64>,
    /// How much of that was run.
    pub coverage: Coverage,
    /// What was done.
    pub work: Work,
    /// How differently the worlds went.
    pub search: Search,
    /// Faults that took effect, most frequent first.
    pub faults: Vec<Share>,
    /// Marks.
    pub marks: Marks,
    /// How often each check was made.
    pub checks: Checks,
    /// The seed with the most requests.
    pub largest: Option<Largest>,
    /// The failures, grouped, most seeds first.
    pub failures: Vec<FailureGroup>,
    /// Failures of further groups, which are only counted.
    pub other_failures: u64,
    /// Worlds with a planted bug that were run beside the others, if that was asked for.
    pub canary: Option<CanaryLine>,
    /// Hash over all runs, in hexadecimal.
    pub fingerprint: String,
}

impl Report {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// How many seeds failed, in whatever way.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let told: u64 = self.failures.iter().map(|group| group.count).sum();
        told + self.other_failures
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Seeds that were run.
    pub seeds: u64,
    /// Requests that left a process.
    pub requests: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits in the stores.
    pub commits: u64,
    /// Transactions that were refused because of a conflict.
    pub conflicts: u64,
    /// Operations whose outcome stayed unknown.
    pub unknown: u64,
    /// Events of all traces.
    pub events: u64,
    /// Virtual seconds.
    pub virtual_seconds: u64,
}

/// How differently the worlds went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Behaviours at the store that differ in more than latencies and the order of independent
    /// requests. An estimate above two thousand.
    pub behaviours: u64,
    /// The strategies, most seeds first.
    pub strategies: Vec<Searched>,
}

/// What the worlds of one strategy did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Searched {
    /// Its name.
    pub name: String,
    /// Seeds.
    pub seeds: u64,
    /// Behaviours among them.
    pub behaviours: u64,
}

/// In how many seeds something took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// Seeds.
    pub seeds: u64,
    /// How often in all.
    pub times: u64,
}

/// Which marks were reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// Marks that were reached, of those that can be.
    pub reached: u64,
    /// Marks that can be reached without a planted bug.
    pub total: u64,
    /// Marks that a long run must reach and this one did not.
    pub never: Vec<String>,
    /// Rare marks that this run did not reach.
    pub never_rare: Vec<String>,
}

/// How often each check was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Roots compared with their predecessors.
    pub chain: u64,
    /// Commits and endings compared with the history.
    pub history: u64,
    /// Values compared with the model.
    pub model_reads: u64,
    /// Operations placed in real time.
    pub real_time: u64,
    /// Requests compared with the budget.
    pub budget: u64,
    /// Worlds whose whole history was checked once more at the end.
    pub serializable: u64,
    /// Worlds in which everything finished.
    pub progress: u64,
}

/// The seed with the most requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Largest {
    /// The seed.
    pub seed: Seed,
    /// Its requests.
    pub requests: u64,
}

/// Failures that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    /// How many seeds.
    pub count: u64,
    /// The smallest of them.
    pub seeds: Vec<Seed>,
    /// The story of the smallest.
    pub story: Story,
    /// How much smaller than its seed the run is that the story tells, if it was reduced.
    pub reduced: Option<ReducedLine>,
    /// The file in which the reduced plan is kept.
    pub saved: Option<String>,
    /// How to keep it, if there is one and it is not kept.
    pub save: Option<String>,
    /// How to see more of it.
    pub replay: String,
}

/// How a failing run was made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReducedLine {
    /// Events of the seed's run.
    pub events_before: u64,
    /// Faults that took effect in it.
    pub faults_before: u64,
    /// Events of the reduced run.
    pub events: u64,
    /// Those of them that the minimal view shows: what a person reads.
    pub shown: u64,
    /// Faults that take effect in it.
    pub faults: u64,
    /// Operations that clients began in the seed's run.
    pub operations_before: u64,
    /// Operations that they begin in the reduced run.
    pub operations: u64,
    /// Candidates that were tried.
    pub tries: u32,
}

impl std::fmt::Display for ReducedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(
            f,
            "reduced from {} events and {} fault{} to {} events and {} fault{} ({} tries, same failure each time)",
            self.events_before,
            self.faults_before,
            plural(self.faults_before),
            self.events,
            self.faults,
            plural(self.faults),
            self.tries
        )
    }
}
