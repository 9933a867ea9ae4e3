//! Strict serializability, and weaker levels, of a history whose system tells commit numbers.
//!
//! # The contract
//! Input is the history and the final commit log read from the store: which operation is commit
//! number 1, 2, 3, ... The question is whether *the order that the log claims* explains what the
//! clients saw. `Ok` proves the level. A violation means that the protocol's own numbers
//! contradict what clients saw or real time; now and then another order would have satisfied
//! the clients, so a caller who wants to know whether a client could have noticed asks the
//! black box as well.
//!
//! # The algorithm
//! Position `p` is the state after commit `p`. A read of version `v` of a key allows the
//! positions from `v` up to the commit that replaced it. The window of an operation is the
//! intersection over its reads. A writer at number `s` must have `s - 1` in its window. Walking
//! the events in order, one number `floor` is the greatest position that certainly lies in the
//! past: a writer must begin while `floor < s`, a reader takes the least position of its window
//! that is at least `floor`, and a response raises `floor`. Taking the least position is optimal
//! because only lower bounds flow forward. One pass, no search, O(events + accesses); reads
//! without a version walk the versions of their key.
//!
//! An operation of unknown outcome needs no search either: it is in the log and happened, with no
//! end, or it is not and did not happen.

mod fault;
mod log;
mod sessions;
mod versions;
mod walk;

pub use fault::Fault;
pub use log::{Log, LogEntry, infer_log};

use super::{Undecided, Verdict};
use crate::history::History;
use versions::Versions;

/// What the history is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One order that agrees with real time.
    StrictSerializable,
    /// One order, here the order of the log; real time does not matter.
    Serializable,
    /// Snapshot isolation whose snapshots are at least as new as the begin of the transaction.
    StrongSnapshotIsolation,
    /// Every transaction reads one snapshot, and of two concurrent ones that write the same key
    /// only one commits.
    SnapshotIsolation,
    /// Per process, versions read never go back.
    MonotonicReads,
    /// A process sees its own acknowledged writes, or newer ones.
    ReadYourWrites,
    /// Writes of a process are committed in its order.
    MonotonicWrites,
    /// A process's write is committed after the versions that it had read.
    WritesFollowReads,
}

/// A checker that keeps its scratch memory between histories.
#[derive(Debug, Default)]
pub struct WhiteBox {
    versions: Versions,
    positions: Vec<u64>,
    own: Vec<u32>,
}

impl WhiteBox {
    /// A checker with no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges `history` against the order that `log` claims.
    ///
    /// Appends, list reads and additions carry no version and are not modelled here: they make
    /// the answer `Undecided`.
    pub fn check(&mut self, history: &History, log: Log<'_>, level: Level) -> Verdict<Fault> {
        match self.judge(history, log, level) {
            Ok(()) => Verdict::Ok,
            Err(Stop::Fault(fault)) => Verdict::Violated(fault),
            Err(Stop::Unsupported(what)) => Verdict::Undecided(Undecided::Unsupported { what }),
        }
    }

    fn judge(&mut self, history: &History, log: Log<'_>, level: Level) -> Result<(), Stop> {
        self.versions.load(history, log)?;
        match level {
            Level::StrictSerializable
            | Level::Serializable
            | Level::StrongSnapshotIsolation
            | Level::SnapshotIsolation => self.walk(history, level),
            Level::MonotonicReads
            | Level::ReadYourWrites
            | Level::MonotonicWrites
            | Level::WritesFollowReads => sessions::check(history, &self.versions, level),
        }
    }
}

/// Why a walk ended early.
#[derive(Debug)]
enum Stop {
    Fault(Fault),
    Unsupported(&'static str),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}
