//! One broken rule, with what proves it.

use sim::ProcessId;

use super::Rule;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The process whose action broke it.
    pub process: ProcessId,
    /// Virtual time in nanoseconds.
    pub at_ns: u64,
    /// The event at which it was broken.
    pub event: u64,
    /// Events that prove it, oldest first; the last one is `event`.
    pub evidence: Vec<u64>,
    /// What happened, in one or two sentences with the names of this run.
    pub what: String,
}
