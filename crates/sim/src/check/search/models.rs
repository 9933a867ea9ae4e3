//! The key/value store as a model: registers, lists, and transactions over several of them.
//!
//! A call is an operation of a [`History`]; its accesses happen in one step, in their order. That
//! covers get, put, delete (a write of [`Value::ABSENT`]), compare-and-set and its failure, append,
//! whole-list reads, range scans (a read of every key of the range, absent ones too) and any
//! transaction of these. A mutex is a compare-and-set register.
//!
//! Lists are kept as nodes of a tree in which equal lists are one node, so a state is a few words
//! however long its lists are.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Call, Model};
use crate::history::{Access, History, Key, OpId, Outcome, Value};

/// What one key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// A value; [`Value::ABSENT`] is also the empty list.
    Value(Value),
    /// A list, as the number of its last node.
    List(u32),
}

/// What a history asks of a checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Values only.
    Values,
    /// Some keys hold lists.
    Lists,
    /// Something that the store does not model: additions.
    Other,
}

impl Shape {
    /// The shape of the operations given.
    pub fn of(history: &History, ops: impl Iterator<Item = OpId>) -> Shape {
        let mut shape = Shape::Values;
        for op in ops {
            for (_, _, access) in history.accesses(op) {
                match access {
                    Access::ReadList { .. } | Access::Append { .. } => shape = Shape::Lists,
                    Access::Add { .. } => return Shape::Other,
                    _ => {}
                }
            }
        }
        shape
    }
}

/// A store of keys, as a [`Model`] over some operations of a history.
#[derive(Debug)]
pub struct Store<'h> {
    history: &'h History,
    /// The keys in play, sorted: a state has one cell for each.
    keys: Vec<Key>,
    initial: Vec<Cell>,
    lists: RefCell<BTreeMap<(u32, Value), u32>>,
    /// The node of each list that was read, by access number.
    seen: BTreeMap<u32, u32>,
}

impl<'h> Store<'h> {
    /// The model for the operations `ops`, every key starting as `initial` says.
    pub fn new(history: &'h History, ops: &[OpId], initial: &dyn Fn(Key) -> Value) -> Self {
        let mut keys: Vec<Key> =
            ops.iter().flat_map(|&op| history.accesses(op)).map(|(_, key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut store = Store {
            history,
            initial: keys.iter().map(|&key| Cell::Value(initial(key))).collect(),
            keys,
            lists: RefCell::default(),
            seen: BTreeMap::new(),
        };
        for (number, _, access) in ops.iter().flat_map(|&op| history.accesses(op)) {
            if let Access::ReadList { list } = access {
                let node =
                    history.list(list).iter().fold(0, |node, &value| store.child(node, value));
                store.seen.insert(number, node);
            }
        }
        store
    }

    /// The calls that these operations are: those that failed are left out, and so are those of
    /// unknown outcome that write nothing. Of several operations of unknown outcome that do the
    /// same, the first one lends its content to all.
    #[must_use]
    pub fn calls(&self, ops: &[OpId]) -> Vec<Call<OpId>> {
        let mut same: BTreeMap<Vec<(Key, u64, u64, u64)>, OpId> = BTreeMap::new();
        let happened = ops.iter().filter(|&&op| match self.history.op(op).outcome {
            Outcome::Ok => true,
            Outcome::Failed => false,
            Outcome::Unknown => self.history.writes(op),
        });
        happened
            .map(|&op| {
                let entry = self.history.op(op);
                let call = match entry.outcome {
                    Outcome::Ok => op,
                    _ => *same.entry(content(self.history, op)).or_insert(op),
                };
                Call { op, invoke: entry.earliest(), deadline: entry.deadline(), call }
            })
            .collect()
    }

    fn child(&self, node: u32, value: Value) -> u32 {
        let mut lists = self.lists.borrow_mut();
        let next = lists.len() as u32 + 1;
        *lists.entry((node, value)).or_insert(next)
    }
}

/// What an operation does, comparable.
fn content(history: &History, op: OpId) -> Vec<(Key, u64, u64, u64)> {
    let accesses = history.accesses(op).map(|(number, key, access)| match access {
        Access::Read { value, .. } => (key, 0, value.0, 0),
        Access::ReadNot { value, .. } => (key, 1, value.0, 0),
        Access::Write { value } => (key, 2, value.0, 0),
        Access::Update { seen, value, .. } => (key, 3, seen.0, value.0),
        Access::Append { value } => (key, 4, value.0, 0),
        Access::Add { amount } => (key, 5, amount as u64, 0),
        Access::ReadList { .. } => (key, 6, u64::from(number), 0),
        Access::ReadUnknown => (key, 7, 0, 0),
    });
    accesses.collect()
}

impl Model for Store<'_> {
    type State = Vec<Cell>;
    type Call = OpId;

    fn initial(&self) -> Vec<Cell> {
        self.initial.clone()
    }

    fn step(&self, state: &Vec<Cell>, call: &OpId) -> Option<Vec<Cell>> {
        let mut next = state.clone();
        for (number, key, access) in self.history.accesses(*call) {
            let cell = &mut next[self.keys.binary_search(&key).ok()?];
            match access {
                Access::Read { value, .. } if *cell != Cell::Value(value) => return None,
                Access::ReadNot { value, .. } if *cell == Cell::Value(value) => return None,
                Access::Update { seen, .. } if *cell != Cell::Value(seen) => return None,
                Access::Write { value } | Access::Update { value, .. } => {
                    *cell = Cell::Value(value);
                }
                Access::ReadList { .. } => {
                    let node = *self.seen.get(&number)?;
                    let list =
                        if node == 0 { Cell::Value(Value::ABSENT) } else { Cell::List(node) };
                    if *cell != list {
                        return None;
                    }
                }
                Access::Append { value } => {
                    let node = match *cell {
                        Cell::List(node) => node,
                        Cell::Value(Value::ABSENT) => 0,
                        Cell::Value(first) => self.child(0, first),
                    };
                    *cell = Cell::List(self.child(node, value));
                }
                Access::Read { .. } | Access::ReadNot { .. } | Access::ReadUnknown => {}
                Access::Add { .. } => return None,
            }
        }
        Some(next)
    }

    /// A write of a value is needed only by who sees that value, or sees that another is gone.
    fn may_enable(&self, cause: &OpId, later: &OpId) -> bool {
        self.history.accesses(*cause).any(|(_, key, wrote)| {
            let left = match wrote {
                Access::Write { value } | Access::Update { value, .. } => Some(value),
                Access::Append { .. } => None,
                _ => return false,
            };
            self.history.accesses(*later).any(|(_, other, saw)| {
                other == key
                    && match (saw, left) {
                        (
                            Access::Read { value, .. } | Access::Update { seen: value, .. },
                            Some(left),
                        ) => value == left,
                        (Access::ReadNot { value, .. }, Some(left)) => value != left,
                        (Access::Write { .. } | Access::ReadUnknown, _) => false,
                        _ => true,
                    }
            })
        })
    }
}
