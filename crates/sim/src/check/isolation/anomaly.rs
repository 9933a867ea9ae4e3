//! Anomalies by the names that the literature gave them.

use super::Isolation;
use crate::history::{History, Key, Names, OpId, Value};

/// What kind of anomaly. Ordered from worst to mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Name {
    /// Reads disagree about the order of versions.
    IncompatibleOrder,
    /// One element twice in a list.
    Duplicate,
    /// A cycle of writes.
    G0,
    /// A committed version rests on an aborted one.
    DirtyUpdate,
    /// A read of an aborted write.
    G1a,
    /// A read of a version that its transaction replaced itself.
    G1b,
    /// A cycle of writes and reads.
    G1c,
    /// A transaction contradicts itself.
    Internal,
    /// Two transactions read one version and both replaced it.
    LostUpdate,
    /// A cycle with one anti-dependency: read skew.
    GSingle,
    /// A cycle whose anti-dependencies never touch.
    GNonadjacent,
    /// A cycle with anti-dependencies: write skew and the like.
    G2Item,
    /// The same with the order of one process.
    G0Process,
    /// The same with the order of one process.
    G1cProcess,
    /// The same with the order of one process.
    GSingleProcess,
    /// The same with the order of one process.
    G2ItemProcess,
    /// The same with real time.
    G0Realtime,
    /// The same with real time.
    G1cRealtime,
    /// The same with real time.
    GSingleRealtime,
    /// The same with real time.
    G2ItemRealtime,
}

impl Name {
    /// The name in print.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Name::IncompatibleOrder => "incompatible-order",
            Name::Duplicate => "duplicate-elements",
            Name::G0 => "G0",
            Name::DirtyUpdate => "dirty-update",
            Name::G1a => "G1a",
            Name::G1b => "G1b",
            Name::G1c => "G1c",
            Name::Internal => "internal",
            Name::LostUpdate => "lost-update",
            Name::GSingle => "G-single",
            Name::GNonadjacent => "G-nonadjacent",
            Name::G2Item => "G2-item",
            Name::G0Process => "G0-process",
            Name::G1cProcess => "G1c-process",
            Name::GSingleProcess => "G-single-process",
            Name::G2ItemProcess => "G2-item-process",
            Name::G0Realtime => "G0-realtime",
            Name::G1cRealtime => "G1c-realtime",
            Name::GSingleRealtime => "G-single-realtime",
            Name::G2ItemRealtime => "G2-item-realtime",
        }
    }

    /// The weakest level that forbids it.
    #[must_use]
    pub fn weakest(self) -> Isolation {
        match self {
            Name::G0 | Name::Duplicate | Name::IncompatibleOrder => Isolation::ReadUncommitted,
            Name::DirtyUpdate | Name::G1a | Name::G1b | Name::G1c => Isolation::ReadCommitted,
            Name::Internal | Name::LostUpdate | Name::GSingle | Name::GNonadjacent => {
                Isolation::SnapshotIsolation
            }
            Name::G2Item => Isolation::Serializable,
            Name::G0Process | Name::G1cProcess | Name::GSingleProcess | Name::G2ItemProcess => {
                Isolation::StrongSessionSerializable
            }
            Name::G0Realtime | Name::G1cRealtime | Name::GSingleRealtime | Name::G2ItemRealtime => {
                Isolation::StrictSerializable
            }
        }
    }

    /// Whether a history with it breaks the level.
    #[must_use]
    pub fn breaks(self, level: Isolation) -> bool {
        self.weakest() <= level
    }
}

/// Why one transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It wrote a version that the other one replaced.
    WriteWrite {
        /// The key.
        key: Key,
        /// The version replaced; absent if it is the initial state.
        from: Value,
        /// The version that replaced it.
        to: Value,
    },
    /// The other one read what it wrote.
    WriteRead {
        /// The key.
        key: Key,
        /// The version.
        value: Value,
    },
    /// It read a version that the other one replaced.
    ReadWrite {
        /// The key.
        key: Key,
        /// The version read.
        from: Value,
        /// The version that replaced it.
        to: Value,
    },
    /// It ended before the other one of the same process began.
    Process,
    /// It ended before the other one began.
    Realtime,
}

/// One edge of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The earlier transaction.
    pub from: OpId,
    /// The later one.
    pub to: OpId,
    /// Why.
    pub why: Why,
}

/// One anomaly with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What kind.
    pub name: Name,
    /// The cycle, if it is one.
    pub cycle: Vec<Edge>,
    /// The transactions, if it is no cycle.
    pub txns: Vec<OpId>,
    /// The key that it is about, if it is about one.
    pub key: Option<Key>,
    /// The value that it is about, if it is about one.
    pub value: Option<Value>,
}

impl Anomaly {
    /// The operations involved, without duplicates.
    #[must_use]
    pub fn ops(&self) -> Vec<OpId> {
        let mut ops: Vec<OpId> = self.cycle.iter().map(|edge| edge.from).collect();
        ops.extend(&self.txns);
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// One sentence for each edge, or for the anomaly.
    #[must_use]
    pub fn sentences(&self, history: &History, names: &dyn Names) -> Vec<String> {
        if self.cycle.is_empty() {
            return vec![self.alone(names)];
        }
        self.cycle.iter().map(|edge| edge.sentence(history, names)).collect()
    }

    fn alone(&self, names: &dyn Names) -> String {
        let txns: Vec<String> = self.txns.iter().map(|op| format!("T{}", op.0)).collect();
        let key = self.key.map_or_else(String::new, |key| names.key(key));
        let value = self.value.map_or_else(String::new, |value| names.value(value));
        let first = txns.first().cloned().unwrap_or_default();
        let second = txns.get(1).cloned().unwrap_or_default();
        match self.name {
            Name::G1a => format!("{first} read {key}={value}, which {second} wrote and aborted"),
            Name::G1b => format!(
                "{first} read {key}={value}, which {second} had replaced itself before it ended"
            ),
            Name::Internal => format!("{first} read {key}={value} against its own earlier access"),
            Name::LostUpdate => format!(
                "{} all read {key}={value} and all replaced it: only one of them can be next",
                txns.join(", ")
            ),
            Name::DirtyUpdate => {
                format!("{first} wrote {key} on top of {value}, which {second} wrote and aborted")
            }
            Name::Duplicate => format!("{first} read {key} with {value} in it twice"),
            Name::IncompatibleOrder => {
                format!(
                    "{first} and {second} saw {key} in orders of which neither begins the other"
                )
            }
            _ => format!("{} of {}", self.name.text(), txns.join(", ")),
        }
    }
}

impl Edge {
    /// The reason of the edge as a sentence.
    #[must_use]
    pub fn sentence(&self, history: &History, names: &dyn Names) -> String {
        let (from, to) = (format!("T{}", self.from.0), format!("T{}", self.to.0));
        let version = |key: Key, value: Value| format!("{}={}", names.key(key), names.value(value));
        match self.why {
            Why::WriteWrite { key, from: old, to: new } => format!(
                "{from} wrote {}, which {to} replaced by {}",
                version(key, old),
                names.value(new)
            ),
            Why::WriteRead { key, value } => {
                format!("{to} read {}, which {from} wrote", version(key, value))
            }
            Why::ReadWrite { key, from: old, to: new } => {
                format!("{from} read {}, before {to} wrote {}", version(key, old), names.value(new))
            }
            Why::Process | Why::Realtime => {
                let ended = history.op(self.from).deadline();
                let began = history.op(self.to).invoke;
                let same = if self.why == Why::Process { " of the same process" } else { "" };
                format!(
                    "{from} ended at {}, before {to}{same} began at {}",
                    names.place(ended, history.at(ended)),
                    names.place(began, history.at(began))
                )
            }
        }
    }
}
