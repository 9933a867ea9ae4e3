//! Faults that last: a process that is cut off, a store that is down or asks for less.
//!
//! The world starts them (they belong to its plan, not to a request), the store lets them act on
//! every request that meets them.

use sim::ProcessId;

use super::{SimStore, State, lock};
use crate::fault::Moment;

/// What the store knows of one process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Link {
    /// How many requests it has made.
    pub(crate) requests: u32,
    /// What it began last, for scripts.
    pub(crate) moment: Moment,
    /// How many requests it has made since then.
    pub(crate) since: u32,
    /// The number of the request of this process that was sent last among those applied.
    pub(crate) newest_applied: u32,
    /// Until when it is cut off, in virtual nanoseconds.
    pub(crate) partitioned_until_ns: u64,
}

/// What is wrong with the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageKind {
    /// Requests are lost on their way.
    Unreachable,
    /// Requests are answered with 503 and change nothing.
    Throttling,
    /// Requests are answered with 500 and change nothing.
    Failing,
}

impl OutageKind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "fault.outage_unreachable",
            Self::Throttling => "fault.outage_throttling",
            Self::Failing => "fault.outage_failing",
        }
    }
}

/// A spell in which the store is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// What is wrong.
    pub kind: OutageKind,
    /// Which share of the requests is hit, in parts per million.
    pub share_ppm: u32,
    /// When it ends, in virtual nanoseconds.
    pub until_ns: u64,
}

impl SimStore {
    /// Cuts a process off until the virtual time `until_ns`: its requests and the replies to it are
    /// lost. Requests that are on their way to the store already still land.
    pub fn partition(&self, process: ProcessId, until_ns: u64) {
        lock(&self.shared).link(process).partitioned_until_ns = until_ns;
    }

    /// Begins (or, with `None`, ends) a spell in which the whole store is not well.
    pub fn set_outage(&self, outage: Option<Outage>) {
        lock(&self.shared).outage = outage;
    }
}

impl State {
    pub(super) fn link(&mut self, process: ProcessId) -> &mut Link {
        let index = usize::from(process.0);
        if self.links.len() <= index {
            self.links.resize(index + 1, Link::default());
        }
        &mut self.links[index]
    }

    pub(super) fn partitioned(&self, process: ProcessId, now_ns: u64) -> bool {
        let link = self.links.get(usize::from(process.0));
        link.is_some_and(|link| now_ns < link.partitioned_until_ns)
    }

    /// The outage that hits a request of this luck (see [`Fate`](crate::fault::Fate)), if one does.
    pub(super) fn outage_for(&self, now_ns: u64, luck_ppm: u32) -> Option<OutageKind> {
        let outage = self.outage?;
        let hit = now_ns < outage.until_ns && luck_ppm < outage.share_ppm;
        hit.then_some(outage.kind)
    }
}
