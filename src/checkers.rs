//! The judge: every rule that a run must keep, checked at the event that could break it.
//!
//! The judge has its own picture of the world, built from two sources and nothing else: what
//! clients did and saw ([`Judge::invoke`], [`Judge::saw`], [`Judge::respond`]), and what the store
//! really holds (an [`Auditor`](crate::system::Auditor) reads every applied request and reports
//! commits through [`Judge::commit`]). It shares no code with the system under test.
//!
//! | file | family of rules |
//! |---|---|
//! | `history` | acknowledged = present, failed = absent, unknown = at most once, each once, whole |
//! | `reads` | every read equals the model at its snapshot; never stale, never backwards |
//! | `model` | the reference: every version of every key |
//! | `budget` | the exact number of requests of each operation |
//! | `whole` | the whole history once more, by checkers of another make |
//! | `rule` | the rules, with the sentence and the class of each |

mod budget;
mod finding;
mod history;
mod model;
mod reads;
mod rule;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use sim::ProcessId;

pub use budget::{Budget, RequestKind};
pub use finding::Finding;
pub use history::{Ending, Failure, Said};
pub use model::Model;
pub use rule::{Class, Rule};

use crate::swarm::Judging;
use crate::workload::{KeyId, OpId, Operation, ValueId, Write};

/// A process's view of the system from one open to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub u32);

#[derive(Clone, Copy, Debug, Default)]
struct SessionState {
    process: ProcessId,
    /// Newest commit number that the session has seen.
    floor: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpState {
    Running,
    Acknowledged,
    Failed,
    Unknown,
}

/// What the judge knows of one operation.
#[derive(Clone, Debug)]
struct Op {
    operation: Arc<Operation>,
    session: SessionId,
    process: ProcessId,
    invoked_event: u64,
    invoked_ns: u64,
    /// Newest commit that was certainly in the past when the operation began.
    floor: u64,
    /// Newest commit that its own session had seen when it began.
    session_floor: u64,
    snapshot: Option<u64>,
    /// The commit that holds its writes, and the event at which that took effect.
    committed: Option<(u64, u64)>,
    /// The event at which somebody was told that it has no effect and never will.
    denied: Option<u64>,
    state: OpState,
}

/// One commit of the log, as the store's truth shows it.
#[derive(Clone, Copy, Debug)]
struct Commit {
    op: OpId,
    event: u64,
    /// Its writes, in `Judge::writes`.
    writes: (u32, u32),
}

/// How often each check was made; shown in the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckCounts {
    /// Roots whose chain to their predecessor was recomputed.
    pub chain: u64,
    /// Commits and endings compared with the history.
    pub history: u64,
    /// Values (or absences) compared with the model.
    pub model_reads: u64,
    /// Operations whose place in real time was checked.
    pub real_time: u64,
    /// Requests compared with the budget.
    pub budget: u64,
    /// Whole histories checked once more, by a checker that shares no code with the judge.
    pub serializable: u64,
}

impl CheckCounts {
    /// Adds the counts of another world.
    pub fn add(&mut self, more: &CheckCounts) {
        self.chain += more.chain;
        self.history += more.history;
        self.model_reads += more.model_reads;
        self.real_time += more.real_time;
        self.budget += more.budget;
        self.serializable += more.serializable;
    }
}

/// The judge of one world.
#[derive(Debug, Default)]
pub struct Judge {
    judging: Judging,
    ops: Vec<Op>,
    sessions: Vec<SessionState>,
    log: Vec<Commit>,
    writes: Vec<(Write, Option<ValueId>)>,
    model: Model,
    effect: Vec<(KeyId, Option<ValueId>)>,
    scratch_keys: Vec<KeyId>,
    record: whole::Record,
    /// Newest commit that is certainly in the past: acknowledged, or seen by an ended operation.
    floor: u64,
    counts: CheckCounts,
    findings: Vec<Finding>,
    /// Until when each process may count on what it pinned.
    leases: BTreeMap<ProcessId, u64>,
    /// Objects that a root has ever named, with the event at which it first did. Kept only while
    /// details are kept, for the diagnosis.
    published: BTreeMap<String, u64>,
}

impl Judge {
    /// A judge for a new world; keeps the memory of the last one.
    pub fn reset(&mut self, judging: Judging) {
        self.judging = judging;
        self.ops.clear();
        self.sessions.clear();
        self.log.clear();
        self.writes.clear();
        self.model.reset();
        self.record.reset();
        self.floor = 0;
        self.counts = CheckCounts::default();
        self.findings.clear();
        self.published.clear();
        self.leases.clear();
    }

    /// A process opened the system (again).
    pub fn open_session(&mut self, process: ProcessId) -> SessionId {
        self.sessions.push(SessionState { process, floor: 0 });
        SessionId((self.sessions.len() - 1) as u32)
    }

    fn is_off(&self) -> bool {
        self.judging == Judging::Off
    }

    /// Number of the operation that will be invoked next.
    #[must_use]
    pub fn next_op(&self) -> OpId {
        OpId(self.ops.len() as u32)
    }

    /// Number of commits so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.log.len() as u64
    }

    /// The operation that commit `seq` says that it is.
    #[must_use]
    pub fn operation_of(&self, seq: u64) -> Option<OpId> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.log.get(index).map(|commit| commit.op)
    }

    /// How often each check was made.
    #[must_use]
    pub fn counts(&self) -> CheckCounts {
        self.counts
    }

    /// The reference model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The broken rules, in the order in which they were found; empty for a sound run.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What a process has pinned is kept for it until then at most, in virtual nanoseconds.
    pub fn leased(&mut self, process: ProcessId, until_ns: u64) {
        let lease = self.leases.entry(process).or_default();
        *lease = until_ns.max(*lease);
    }

    /// A root names these objects; they are asked for only while details are kept.
    pub fn published(&mut self, names: impl IntoIterator<Item = String>) {
        if sim::with_trace(sim::trace::Trace::keeps_details) {
            let event = sim::event_count();
            for name in names {
                self.published.entry(name).or_insert(event);
            }
        }
    }

    /// The objects that a root has ever named, with the event at which it first did; empty unless
    /// details are kept.
    #[must_use]
    pub fn publications(&self) -> &BTreeMap<String, u64> {
        &self.published
    }

    /// Counts `chain` checks made by an auditor.
    pub fn count_chain_checks(&mut self, checks: u64) {
        self.counts.chain += checks;
    }

    /// A rule is broken by what `process` did just now. The world is ended, unless it is only one
    /// request too many: that is kept in mind, and the world goes on to show what it leads to.
    pub fn broken(&mut self, rule: Rule, process: ProcessId, what: String, evidence: &[u64]) {
        let goes_on = rule == Rule::RequestBudget;
        if goes_on && self.findings.iter().any(|finding| finding.rule == rule) {
            return;
        }
        let event =
            sim::emit_with(process, sim::trace::Kind::RuleBroken, 0, rule as u64, 0, || {
                format!("{}: {what}", rule.sentence())
            });
        let mut events = evidence.to_vec();
        events.push(event);
        events.dedup();
        self.findings.push(Finding {
            rule,
            process,
            at_ns: sim::now_ns(),
            event,
            evidence: events,
            what,
        });
        if !goes_on {
            sim::halt();
        }
    }
}
