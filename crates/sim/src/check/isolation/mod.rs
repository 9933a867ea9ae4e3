//! Isolation of transactions: the dependency graph, its cycles, and what they are called.
//!
//! # The contract
//! Transactions append to lists and read them whole, or write and read registers (with versions
//! or without). From what they saw follows which version came before which, and from that which
//! transaction must come before which (Adya 1999; Kingsbury and Alvaro, "Elle", 2020):
//!
//! ```text
//!   ww   T1 wrote the version that T2's write replaced
//!   wr   T2 read what T1 wrote
//!   rw   T1 read the version that T2's write replaced
//!   process, realtime   T1 ended before T2 began, in the same client or anywhere
//! ```
//!
//! A cycle has no explanation. Its edges say how bad it is: only `ww` is G0, with `wr` G1c, with
//! one `rw` G-single (read skew), with `rw` edges that never touch G-nonadjacent, with any `rw`
//! G2-item (write skew and the rest). A cycle that needs process or realtime edges breaks only
//! the levels that promise that order. Some anomalies need no cycle: aborted read (G1a),
//! intermediate read (G1b), internal, lost update, dirty update, incompatible order, duplicates.
//!
//! Every anomaly reported is real. Orders that no read revealed are not guessed, so anomalies in
//! them are missed: `rw` edges of registers without versions are few. O(n + edges), realtime
//! edges are reduced to O(n · clients).

mod anomaly;
mod build;
mod cycles;
mod edges;

pub use anomaly::{Anomaly, Edge, Name, Why};

use std::collections::BTreeMap;

use crate::history::{History, Key, OpId, Value};

/// What a history is held to. Each level includes those before it, except that sessions and real
/// time are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// No dirty writes.
    ReadUncommitted,
    /// No aborted, intermediate or circular information flow.
    ReadCommitted,
    /// One snapshot for all reads, first committer wins.
    SnapshotIsolation,
    /// Equivalent to some serial order.
    Serializable,
    /// Equivalent to a serial order that respects the order of each process.
    StrongSessionSerializable,
    /// Equivalent to a serial order that respects real time.
    StrictSerializable,
}

impl Isolation {
    /// Name of the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "read-uncommitted",
            Isolation::ReadCommitted => "read-committed",
            Isolation::SnapshotIsolation => "snapshot-isolation",
            Isolation::Serializable => "serializable",
            Isolation::StrongSessionSerializable => "strong-session-serializable",
            Isolation::StrictSerializable => "strict-serializable",
        }
    }

    /// All levels, weakest first.
    pub const ALL: [Isolation; 6] = [
        Isolation::ReadUncommitted,
        Isolation::ReadCommitted,
        Isolation::SnapshotIsolation,
        Isolation::Serializable,
        Isolation::StrongSessionSerializable,
        Isolation::StrictSerializable,
    ];
}

/// What the dependency graph says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was found, worst first; of each name a few examples.
    pub anomalies: Vec<Anomaly>,
    /// Values that were read and that no recorded operation wrote: the history may be a part of
    /// a longer one. Not counted as an anomaly.
    pub unwritten: Vec<(OpId, Key, Value)>,
}

impl Findings {
    /// The anomalies that the level forbids.
    pub fn against(&self, level: Isolation) -> impl Iterator<Item = &Anomaly> {
        self.anomalies.iter().filter(move |anomaly| anomaly.name.breaks(level))
    }

    /// The strongest level that nothing found forbids.
    #[must_use]
    pub fn strongest(&self) -> Option<Isolation> {
        let holds = |level: &&Isolation| self.against(**level).next().is_none();
        Isolation::ALL.iter().take_while(holds).last().copied()
    }
}

/// Looks for anomalies in a history of transactions.
#[must_use]
pub fn find(history: &History) -> Findings {
    let mut findings = Findings::default();
    let mut graph = build::Graph::new(history);
    build::lists(history, &mut graph, &mut findings);
    build::registers(history, &mut graph, &mut findings);
    build::orders(history, &mut graph);
    cycles::find(&graph, &mut findings.anomalies);
    findings.anomalies.sort_by_key(|anomaly| (anomaly.name, anomaly.ops().len()));
    let mut count: BTreeMap<Name, usize> = BTreeMap::new();
    findings.anomalies.retain(|anomaly| {
        let seen = count.entry(anomaly.name).or_default();
        *seen += 1;
        *seen <= EXAMPLES
    });
    findings
}

/// How many examples of one anomaly are kept.
const EXAMPLES: usize = 4;
