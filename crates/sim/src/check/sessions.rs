//! Session guarantees by values alone: what one process may rely on, whatever the others do.
//!
//! Values must be unique under their key. Each guarantee then says of two values of one key that
//! the one is not newer than the other (Terry et al., "Session guarantees for weakly consistent
//! replicated data", 1994, looked at key by key):
//!
//! ```text
//!   read your writes      wrote a, then read b     a is not newer than b
//!   monotonic reads       read a, then read b
//!   monotonic writes      wrote a, then wrote b
//!   writes follow reads   read a, then wrote b
//! ```
//!
//! The initial value is older than all others, and an update makes what it saw older than what it
//! wrote. A guarantee is broken exactly if that leaves two values each not newer than the other:
//! two values in one strongly connected component. Only acknowledged operations count, in the
//! order in which the process got its answers. Guarantees across keys are not looked at.
//!
//! "Everything that this process has read (or written) of this key so far" is one node of the
//! graph, and each further one follows the node before it, so the graph is linear in the history.

use std::collections::BTreeMap;

use super::{Undecided, Verdict};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// One of the four guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// A process sees its own acknowledged writes, or newer ones.
    ReadYourWrites,
    /// What a process reads never goes back.
    MonotonicReads,
    /// Writes of a process take effect in its order.
    MonotonicWrites,
    /// A process's write is newer than what it had read.
    WritesFollowReads,
}

impl Guarantee {
    /// All four.
    pub const ALL: [Guarantee; 4] = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
    ];

    /// What comes first and what follows.
    fn sides(self) -> (Side, Side) {
        match self {
            Guarantee::ReadYourWrites => (Side::Wrote, Side::Read),
            Guarantee::MonotonicReads => (Side::Read, Side::Read),
            Guarantee::MonotonicWrites => (Side::Wrote, Side::Wrote),
            Guarantee::WritesFollowReads => (Side::Read, Side::Wrote),
        }
    }
}

/// Values of one key of which each should be no newer than the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenSession {
    /// The key.
    pub key: Key,
    /// The values, in no particular order; at least two.
    pub values: Vec<Value>,
    /// Every acknowledged operation that read or wrote one of them.
    pub ops: Vec<OpId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Read,
    Wrote,
}

/// Whether all the guarantees given can hold at once.
///
/// Lists and additions are not modelled, and neither is a value written twice to a key, or a
/// delete: they make the answer `Undecided`.
#[must_use]
pub fn check(history: &History, guarantees: &[Guarantee]) -> Verdict<BrokenSession> {
    let mut graph = Graph::default();
    if let Err(what) = graph.writes_of(history) {
        return Verdict::Undecided(Undecided::Unsupported { what });
    }
    for event in history.events() {
        let certain = history.op(event.op).outcome == Outcome::Ok;
        if certain && event.kind == EventKind::Return {
            graph.answered(history, event.op, guarantees);
        }
    }
    match graph.contradiction() {
        None => Verdict::Ok,
        Some((key, values)) => {
            let about = |op: &OpId| {
                sides(history, *op).any(|(at, _, value)| at == key && values.contains(&value))
            };
            let certain = history.ops().filter(|(_, op)| op.outcome == Outcome::Ok);
            let ops = certain.map(|(op, _)| op).filter(about).collect();
            Verdict::Violated(BrokenSession { key, values, ops })
        }
    }
}

/// What an operation read and wrote, in its order.
fn sides(history: &History, op: OpId) -> impl Iterator<Item = (Key, Side, Value)> + '_ {
    history.accesses(op).flat_map(|(_, key, access)| {
        let (read, wrote) = match access {
            Access::Read { value, .. } => (Some(value), None),
            Access::Write { value } => (None, Some(value)),
            Access::Update { seen, value, .. } => (Some(seen), Some(value)),
            _ => (None, None),
        };
        let read = read.map(|value| (key, Side::Read, value));
        read.into_iter().chain(wrote.map(|value| (key, Side::Wrote, value)))
    })
}

/// An edge says that its source is not newer than its target.
#[derive(Debug, Default)]
struct Graph {
    edges: Vec<Vec<u32>>,
    values: BTreeMap<(Key, Value), u32>,
    /// The node of all that a process has read or written of a key so far.
    past: BTreeMap<(u32, Key, Side), u32>,
}

impl Graph {
    fn node(&mut self) -> u32 {
        self.edges.push(Vec::new());
        self.edges.len() as u32 - 1
    }

    fn value(&mut self, key: Key, value: Value) -> u32 {
        if let Some(&node) = self.values.get(&(key, value)) {
            return node;
        }
        let node = self.node();
        self.values.insert((key, value), node);
        if value != Value::ABSENT {
            let initial = self.value(key, Value::ABSENT);
            self.edges[initial as usize].push(node);
        }
        node
    }

    /// Enters all that was written, and what each update replaced.
    fn writes_of(&mut self, history: &History) -> Result<(), &'static str> {
        let happened = history.ops().filter(|(_, op)| op.outcome != Outcome::Failed);
        let mut written = std::collections::BTreeSet::new();
        for (_, key, access) in happened.flat_map(|(op, _)| history.accesses(op)) {
            let value = match access {
                Access::Write { value } => value,
                Access::Update { seen, value, .. } => {
                    let (from, to) = (self.value(key, seen), self.value(key, value));
                    self.edges[from as usize].push(to);
                    value
                }
                Access::Read { .. } | Access::ReadNot { .. } | Access::ReadUnknown => continue,
                Access::ReadList { .. } | Access::Append { .. } => return Err("list"),
                Access::Add { .. } => return Err("addition"),
            };
            if value == Value::ABSENT {
                return Err("delete");
            }
            if !written.insert((key, value)) {
                return Err("value written twice");
            }
        }
        Ok(())
    }

    /// A process got an answer: what it saw and wrote follows its past, then joins it.
    fn answered(&mut self, history: &History, op: OpId, guarantees: &[Guarantee]) {
        let process = history.op(op).process;
        for (key, side, value) in sides(history, op) {
            let node = self.value(key, value);
            for guarantee in guarantees {
                let (first, then) = guarantee.sides();
                if then == side
                    && let Some(&past) = self.past.get(&(process, key, first))
                {
                    self.edges[past as usize].push(node);
                }
            }
            let now = self.node();
            self.edges[node as usize].push(now);
            if let Some(before) = self.past.insert((process, key, side), now) {
                self.edges[before as usize].push(now);
            }
        }
    }

    /// Two or more values of one key in one strongly connected component (Kosaraju's two passes).
    fn contradiction(&self) -> Option<(Key, Vec<Value>)> {
        let mut back = vec![Vec::new(); self.edges.len()];
        for (from, targets) in self.edges.iter().enumerate() {
            targets.iter().for_each(|&to| back[to as usize].push(from as u32));
        }
        let mut component = vec![u32::MAX; self.edges.len()];
        for (number, &root) in self.finished().iter().rev().enumerate() {
            let mut open = vec![root];
            while let Some(node) = open.pop() {
                if component[node as usize] == u32::MAX {
                    component[node as usize] = number as u32;
                    open.extend(&back[node as usize]);
                }
            }
        }
        let mut members: BTreeMap<u32, (Key, Vec<Value>)> = BTreeMap::new();
        for (&(key, value), &node) in &self.values {
            let member = members.entry(component[node as usize]).or_insert((key, Vec::new()));
            member.1.push(value);
        }
        members.into_values().find(|(_, values)| values.len() > 1)
    }

    /// All nodes in the order in which a depth-first search leaves them.
    fn finished(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.edges.len());
        let mut met = vec![false; self.edges.len()];
        for root in 0..self.edges.len() as u32 {
            let mut path = vec![(root, 0)];
            if std::mem::replace(&mut met[root as usize], true) {
                continue;
            }
            while let Some((node, next)) = path.last_mut() {
                match self.edges[*node as usize].get(*next) {
                    Some(&to) => {
                        *next += 1;
                        if !std::mem::replace(&mut met[to as usize], true) {
                            path.push((to, 0));
                        }
                    }
                    None => {
                        order.push(*node);
                        path.pop();
                    }
                }
            }
        }
        order
    }
}
