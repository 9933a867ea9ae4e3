//! Fewer operations, still no explanation.
//!
//! Leaving out an operation that only reads keeps a correct history correct, and so does leaving
//! out a write that no remaining read may have seen. So a part of a history that is closed under
//! "writer of what is read" and has no explanation proves that the whole has none. Operations are
//! left out in ever smaller groups (delta debugging, Zeller and Hildebrandt 2002) as long as the
//! checker still says no: whoever is left is needed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::linear::{Assumptions, Inexplicable, component};
use super::super::{Budget, Verdict};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// What a trial may cost; one that takes longer counts as "explained".
const TRIAL: Budget = Budget { steps: 300_000 };
/// How many trials a reduction makes at most.
const TRIALS: usize = 3_000;

/// The operations of `bad` without those that are not needed for the contradiction.
#[must_use]
pub fn reduce(history: &History, bad: &Inexplicable, assume: Assumptions) -> Vec<OpId> {
    let mut reducer = Reducer { history, assume, trials: TRIALS, until: u32::MAX };
    let mut ops: Vec<OpId> =
        bad.ops.iter().copied().filter(|&op| history.op(op).outcome != Outcome::Failed).collect();
    let suspects = reducer.close(&bad.suspects, &ops);
    if !bad.suspects.is_empty() && reducer.is_bad(&suspects) {
        ops = suspects;
    } else {
        reducer.until = reducer.shortest_prefix(&ops, bad.until);
        ops.retain(|&op| history.op(op).invoke <= reducer.until);
    }
    reducer.thin(&mut ops);
    ops
}

struct Reducer<'h> {
    history: &'h History,
    assume: Assumptions,
    trials: usize,
    /// What returned later than this counts as of unknown outcome.
    until: u32,
}

impl Reducer<'_> {
    fn is_bad(&mut self, ops: &[OpId]) -> bool {
        if self.trials == 0 || ops.is_empty() {
            return false;
        }
        self.trials -= 1;
        let (part, all) = part(self.history, ops, self.until);
        let initial = |_: Key| self.assume.initial;
        matches!(component(&part, &all, &initial, TRIAL), Verdict::Violated(_))
    }

    /// The least event up to which the operations are already bad.
    fn shortest_prefix(&mut self, ops: &[OpId], known: Option<u32>) -> u32 {
        let mut ends: Vec<u32> = ops.iter().map(|&op| self.history.op(op).deadline()).collect();
        ends.sort_unstable();
        ends.retain(|&end| end <= known.unwrap_or(u32::MAX - 1));
        let (mut low, mut high) = (0, ends.len().saturating_sub(1));
        while low < high {
            let middle = low.midpoint(high);
            self.until = ends[middle];
            let prefix: Vec<OpId> = ops
                .iter()
                .copied()
                .filter(|&op| self.history.op(op).invoke <= self.until)
                .collect();
            if self.is_bad(&prefix) { high = middle } else { low = middle + 1 }
        }
        ends.get(high).copied().unwrap_or(u32::MAX)
    }

    /// Adds the writers of everything read.
    fn close(&self, some: &[OpId], all: &[OpId]) -> Vec<OpId> {
        let mut writers: BTreeMap<(Key, Value), Vec<OpId>> = BTreeMap::new();
        for &op in all {
            for (key, value) in written(self.history, op) {
                writers.entry((key, value)).or_default().push(op);
            }
        }
        let mut closed: BTreeSet<OpId> = BTreeSet::new();
        let mut todo = some.to_vec();
        while let Some(op) = todo.pop() {
            if closed.insert(op) {
                for seen in seen(self.history, op) {
                    todo.extend(writers.get(&seen).into_iter().flatten());
                }
            }
        }
        closed.into_iter().collect()
    }

    /// Leaves out groups of operations, halving the groups.
    fn thin(&mut self, ops: &mut Vec<OpId>) {
        let mut size = ops.len().div_ceil(2);
        while size > 0 && self.trials > 0 {
            let mut at = ops.len();
            let mut shrunk = false;
            while at > 0 {
                let from = at.saturating_sub(size);
                let left = self.without(ops, from, at);
                if left.len() < ops.len() && self.is_bad(&left) {
                    *ops = left;
                    shrunk = true;
                }
                at = from.min(ops.len());
            }
            if !(shrunk && size == 1) {
                size /= 2;
            }
        }
    }

    /// Whether what `writer` left was certainly replaced before `reader` began, so that the reader
    /// saw an equal value of somebody else. The last writer that the reader may have seen is
    /// kept: a reader alone would look like one of a value that nobody wrote.
    fn is_over(&self, ops: &[OpId], writer: OpId, reader: OpId, what: (Key, Value)) -> bool {
        let (write, read) = (self.history.op(writer), self.history.op(reader));
        let between = |op: OpId| {
            let entry = self.history.op(op);
            write.deadline() < entry.invoke && entry.deadline() < read.invoke
        };
        let replaces = |op: OpId| {
            self.history.accesses(op).any(|(_, key, access)| {
                key == what.0 && matches!(access, Access::Write { .. } | Access::Update { .. })
            })
        };
        let later = |op: OpId| {
            let invoke = self.history.op(op).invoke;
            write.invoke < invoke && invoke < read.deadline()
        };
        let equal = |op: OpId| written(self.history, op).any(|wrote| wrote == what);
        ops.len() <= CLOSE_LOOK
            && write.deadline() < read.invoke
            && ops.iter().any(|&op| between(op) && replaces(op))
            && ops.iter().any(|&op| op != reader && later(op) && equal(op))
    }

    /// `ops` without a range of them, and without whoever may have seen what those wrote.
    fn without(&self, ops: &[OpId], from: usize, to: usize) -> Vec<OpId> {
        let mut out: BTreeSet<OpId> = ops[from..to].iter().copied().collect();
        let mut gone: BTreeMap<(Key, Value), BTreeSet<OpId>> = BTreeMap::new();
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        loop {
            for &op in &out {
                for (key, value) in written(self.history, op) {
                    gone.entry((key, value)).or_default().insert(op);
                    keys.insert(key);
                }
            }
            let before = out.len();
            for &op in ops {
                let blind = self.history.op(op).deadline() > self.until
                    && !self
                        .history
                        .accesses(op)
                        .any(|(_, _, access)| matches!(access, Access::Update { .. }));
                let may_be_of = |seen: (Key, Value)| {
                    let mut writers = gone.get(&seen).into_iter().flatten();
                    writers.any(|&writer| !self.is_over(ops, writer, op, seen))
                };
                let depends = seen(self.history, op).any(may_be_of)
                    || loose(self.history, op).any(|key| keys.contains(&key));
                if depends && !blind {
                    out.insert(op);
                }
            }
            if out.len() == before {
                return ops.iter().copied().filter(|op| !out.contains(op)).collect();
            }
        }
    }
}

/// Up to this many operations it is looked at whether a write was certainly over.
const CLOSE_LOOK: usize = 2_000;

/// What an operation wrote.
fn written(history: &History, op: OpId) -> impl Iterator<Item = (Key, Value)> + '_ {
    history.accesses(op).filter_map(|(_, key, access)| match access {
        Access::Write { value } | Access::Update { value, .. } | Access::Append { value } => {
            Some((key, value))
        }
        _ => None,
    })
}

/// What an operation saw.
fn seen(history: &History, op: OpId) -> impl Iterator<Item = (Key, Value)> + '_ {
    history.accesses(op).flat_map(move |(_, key, access)| {
        let (one, list) = match access {
            Access::Read { value, .. } | Access::Update { seen: value, .. } => (Some(value), None),
            // A list may also be what a write left that cleared it.
            Access::ReadList { list } => (Some(Value::ABSENT), Some(list)),
            _ => (None, None),
        };
        let items = list.map_or(&[][..], |list| history.list(list));
        one.into_iter().chain(items.iter().copied()).map(move |value| (key, value))
    })
}

/// Keys of which the operation saw something that any write may have caused.
fn loose(history: &History, op: OpId) -> impl Iterator<Item = Key> + '_ {
    history.accesses(op).filter_map(|(_, key, access)| match access {
        Access::ReadNot { .. } => Some(key),
        _ => None,
    })
}

/// A history of only these operations; what returned after `until` has not returned in it.
fn part(history: &History, ops: &[OpId], until: u32) -> (History, Vec<OpId>) {
    let mut moments: Vec<(u32, OpId, EventKind)> = Vec::with_capacity(ops.len() * 2);
    for &op in ops {
        let entry = history.op(op);
        moments.push((entry.invoke, op, EventKind::Invoke));
        if entry.outcome == Outcome::Ok && entry.deadline() <= until {
            moments.push((entry.deadline(), op, EventKind::Return));
        }
    }
    moments.sort_unstable_by_key(|moment| moment.0);
    let mut part = History::new();
    let mut numbers: BTreeMap<OpId, OpId> = BTreeMap::new();
    for (index, op, kind) in moments {
        match kind {
            EventKind::Invoke => {
                let new = part.invoke(history.op(op).process, u64::from(index));
                part.set_recency(new, history.op(op).recency);
                for (_, key, access) in history.accesses(op) {
                    match access {
                        Access::ReadList { list } => part.read_list(new, key, history.list(list)),
                        access => part.access(new, key, access),
                    }
                }
                numbers.insert(op, new);
            }
            EventKind::Return => part.complete(numbers[&op], Outcome::Ok, u64::from(index)),
        }
    }
    let all = part.ops().map(|(op, _)| op).collect();
    (part, all)
}
