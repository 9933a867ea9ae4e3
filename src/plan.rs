//! Plans: one world, written down, readable and editable by hand.
//!
//! A seed is a handle for one build: change one line of the workload, and the same seed is another
//! world. A plan says what the world *is*: its processes and their operations, what befalls them,
//! and the requests that are not ordinary. So it can be reduced, read, kept beside the code, and
//! run again years later. `docs/plans.md` describes every field.
//!
//! What a plan leaves open is drawn from its `seed`: the randomness that the system itself asks
//! for, which of several ready tasks runs first, and the choices of an order that is not by time.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | the parts of a plan |
//! | `span`, `words` | durations, operations and moments as text |
//! | `happenings` | blows and orders of events as they stand in a plan |
//! | `file` | reading and writing, with limits |
//! | `check` | what a plan must keep to, whatever the system |
//! | `extract` | from a run to its plan |
//! | `observe` | the same, ordered by time |
//! | `build` | from a plan to its world |
//! | `vary` | the same with something drawn afresh |

mod build;
mod check;
mod extract;
mod file;
mod happenings;
mod observe;
mod span;
#[cfg(test)]
mod tests;
mod vary;
mod words;

use serde::{Deserialize, Serialize};
use sim::Seed;
use sim_storage::fault::Fault;

use crate::checkers::Rule;
use crate::strategy::Strategy;
use crate::swarm::LastWords;
use crate::workload::Freshness;
use crate::world::{Limit, Verdict};

pub use build::{Misfit, Ran, replay};
pub(crate) use build::{Trial, run};
pub use check::Flaw;
pub(crate) use extract::{Origin, origin_of_seed, pruned, written_ways};
pub use file::{FILE_BYTES_MAX, PlanError};
pub use happenings::{
    BlowEntry, BlowKind, InterestEntry, OrderEntry, OutageEntry, Place, ScheduleEntry, TasksEntry,
    Whom,
};
pub(crate) use observe::observed_ways;
pub use span::Span;
pub(crate) use vary::{Variation, Width, run_varied};
pub use words::{Does, MomentEntry};

/// The format that this version writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// One world, written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The format, [`FORMAT`].
    pub format: u32,
    /// The version of `vopr` that wrote it.
    pub vopr: String,
    /// Name of the system under test.
    pub system: String,
    /// The bug that is planted, if there is one.
    #[serde(default)]
    pub bug: Option<String>,
    /// Decides what the plan leaves open.
    pub seed: Seed,
    /// What is to be seen.
    pub expect: Expect,
    /// What holds for the whole world.
    pub world: WorldEntry,
    /// The slots: who is there, and what they do.
    pub slots: Vec<SlotEntry>,
    /// What befalls processes and the store as a whole.
    #[serde(default)]
    pub blows: Vec<BlowEntry>,
    /// The requests that are not ordinary.
    #[serde(default)]
    pub requests: Vec<RequestEntry>,
}

/// What is to be seen when the plan is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// How it fails; `None`: it passes.
    pub failure: Option<Failure>,
    /// One line for people.
    #[serde(default)]
    pub note: String,
}

/// The fingerprint of a failure: two runs with the same one fail in the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Failure {
    /// A rule was broken; each rule has one place where it is checked.
    Rule(Rule),
    /// The system panicked at this file and line.
    Panic(String),
    /// Nothing would ever have happened again.
    Deadlock,
    /// A limit was reached. Nothing is ever reduced to this.
    Endless,
}

impl Failure {
    /// The failure of a run; `None` if it passed.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Option<Failure> {
        match verdict {
            Verdict::Pass => None,
            Verdict::Broken(finding) | Verdict::Stuck(finding) => Some(match Limit::of(finding) {
                None => Failure::Rule(finding.rule),
                Some(Limit::Deadlock) => Failure::Deadlock,
                Some(Limit::Time | Limit::Polls) => Failure::Endless,
            }),
            Verdict::Panicked { place, .. } => Some(Failure::Panic(place.clone())),
        }
    }

    /// A word for the name of a file: the class of the failure.
    #[must_use]
    pub fn class(&self) -> String {
        match self {
            Failure::Rule(rule) => rule.class().to_string(),
            Failure::Panic(_) => String::from("Panic"),
            Failure::Deadlock | Failure::Endless => Rule::Progress.class().to_string(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Rule(rule) => f.write_str(&rule.name()),
            Failure::Panic(place) => write!(f, "panic at {place}"),
            Failure::Deadlock => f.write_str("deadlock"),
            Failure::Endless => f.write_str("endless"),
        }
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> String {
        failure.to_string()
    }
}

impl TryFrom<String> for Failure {
    type Error = String;

    fn try_from(text: String) -> Result<Failure, String> {
        if let Some(place) = text.strip_prefix("panic at ") {
            return Ok(Failure::Panic(place.to_owned()));
        }
        match text.as_str() {
            "deadlock" => return Ok(Failure::Deadlock),
            "endless" => return Ok(Failure::Endless),
            _ => {}
        }
        let rule = Rule::ALL.into_iter().find(|rule| rule.name() == text);
        rule.map(Failure::Rule).ok_or_else(|| format!("no rule is called '{text}'"))
    }
}

/// What holds for the whole world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldEntry {
    /// The store that is imitated.
    pub store: String,
    /// What a small request usually takes; the system scales its timers by it.
    pub typical_request: Span,
    /// Random words from which the system makes its own options.
    pub tuning: [u32; sim::DRAW_WORDS],
    /// How long the ways of an ordinary request take.
    pub usual: WaysEntry,
    /// After how long a client's transport gives up.
    pub transport_timeout: Span,
    /// How long after it was sent a request may still land that nobody waits for.
    pub late_landing_max: Span,
    /// Whether the store limits the writes to one name, as its profile says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub write_limit: WriteLimitEntry,
    /// Clients in each process.
    pub clients: u16,
    /// Bytes of filling in each value.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filling: u16,
    /// Who must have the last word when all is quiet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub last_words: LastWords,
    /// How the world of the seed looked for trouble; for people only.
    pub strategy: Strategy,
    /// The order of events; none: by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleEntry>,
    /// The highest number of a process before the last words of the world.
    pub processes: u16,
}

/// How long the two ways of a request take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaysEntry {
    /// To the store.
    pub there: Span,
    /// From the store.
    pub back: Span,
}

/// Whether the store limits the writes to one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteLimitEntry {
    /// No.
    #[default]
    Ignored,
    /// As the profile of the store says.
    Kept,
}

/// A slot: a role to be filled, and what whoever fills it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotEntry {
    /// Its name: role and number, as in `writer-2`.
    pub name: String,
    /// The number of its process, which decides the randomness that it is given.
    pub process: u16,
    /// When it starts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_after: Span,
    /// What its clients do, if it is a writer or a reader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationEntry>,
    /// The rounds of its duty, if it has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<RoundEntry>,
}

impl SlotEntry {
    /// The numbers of its operations, or of its rounds, in their order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let operations = self.operations.iter().map(|operation| operation.number);
        operations.chain(self.rounds.iter().map(|round| round.number))
    }

    /// The pauses at its operations, or at its rounds, in the same order.
    pub(crate) fn pauses_mut(&mut self) -> impl Iterator<Item = &mut Span> + '_ {
        let operations = self.operations.iter_mut().map(|operation| &mut operation.think);
        operations.chain(self.rounds.iter_mut().map(|round| &mut round.pause))
    }
}

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationEntry {
    /// Its number in the slot. Blows and requests name it; numbers may be left out.
    pub number: u32,
    /// What it reads and writes.
    pub does: Does,
    /// From which state it reads.
    #[serde(default = "strong", skip_serializing_if = "is_strong")]
    pub freshness: Freshness,
    /// How long the client pauses before it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub think: Span,
    /// How long the client waits for it; none: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Span>,
    /// What the client does after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub upkeep: UpkeepEntry,
    /// Decides what the system leaves open about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variant: u16,
}

/// Whether a client does upkeep after an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpkeepEntry {
    /// No.
    #[default]
    None,
    /// Once.
    Done,
}

/// One round of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundEntry {
    /// Its number in the slot.
    pub number: u32,
    /// How long the process pauses after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pause: Span,
}

/// A request that is not ordinary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestEntry {
    /// Name of its process.
    pub process: String,
    /// What the process had begun last.
    pub at: MomentEntry,
    /// How many requests the process made since then, before this one.
    pub nth: u32,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// How long it takes to the store, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<Span>,
    /// How long the answer takes, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Span>,
    /// An outage that hits a larger share of the requests than this, in parts per million, hits it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub luck_ppm: u32,
}

impl Plan {
    /// How many faults it plans: those of requests, and blows.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.blows.len() + self.requests.iter().filter(|request| request.fault.is_some()).count()
    }

    /// How many operations and rounds it plans.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.slots.iter().map(|slot| slot.numbers().count()).sum()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn strong() -> Freshness {
    Freshness::Strong
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_strong(freshness: &Freshness) -> bool {
    *freshness == Freshness::Strong
}
