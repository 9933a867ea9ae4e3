//! Scripts: worlds in which the fate of every request is written down instead of drawn.
//!
//! A request is addressed by what its process was doing, not by how many requests went before it
//! in the whole run: the process, the [`Moment`] that it had reached last (the third operation,
//! say), and the number of the request since that moment. So an operation can be taken out of a
//! world, with its requests, and the requests of all other operations keep their fates.
//!
//! Requests that a script does not mention are **ordinary**: no fault, and the same time there and
//! back for all of them.

use std::collections::BTreeMap;

use sim::ProcessId;

use super::Fault;

/// What a process had begun last when it made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Its life with this number, from 0: it opens the system.
    Opening(u32),
    /// The operation (or the round of a duty) with this number.
    Operation(u32),
    /// The end, when faults are over.
    Quiet,
}

impl Default for Moment {
    fn default() -> Self {
        Moment::Opening(0)
    }
}

/// The address of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// Whose request it is.
    pub process: ProcessId,
    /// What the process had begun last.
    pub moment: Moment,
    /// How many requests the process made since then, before this one.
    pub nth: u32,
}

/// How long the two ways of a request take, in virtual nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ways {
    /// From the process to the store.
    pub there_ns: u64,
    /// From the store to the process.
    pub back_ns: u64,
}

/// What is decided about one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// How long its ways take; `None`: as usual.
    pub ways: Option<Ways>,
    /// What goes wrong. A fault that means nothing for such a request does nothing.
    pub fault: Option<Fault>,
    /// An outage that hits a larger share of the requests than this, in parts per million, hits
    /// this one.
    pub luck_ppm: u32,
}

/// The fates of all requests of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// How long the ways of a request usually take.
    pub usual: Ways,
    /// The requests that are not ordinary.
    pub fates: BTreeMap<RequestKey, Fate>,
}

impl Script {
    /// The fate of one request.
    pub(crate) fn fate(&self, key: &RequestKey) -> (Ways, Fate) {
        let fate = self.fates.get(key).copied().unwrap_or_default();
        (fate.ways.unwrap_or(self.usual), fate)
    }
}

/// A request that was made, and what was decided about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its address.
    pub key: RequestKey,
    /// Its number, as it stands in the trace.
    pub request: u64,
    /// Its fate, with the ways that it was given.
    pub fate: Fate,
}
