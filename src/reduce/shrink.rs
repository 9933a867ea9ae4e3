//! Operations and keys made smaller.

use std::collections::BTreeMap;

use super::Reducer;
use crate::plan::{Does, OperationEntry, Plan, Span, UpkeepEntry};
use crate::workload::{Freshness, KeyId, KeyRange, OpKind, ReadTarget, Write};

impl Reducer<'_> {
    pub(super) fn shrink(&mut self) {
        self.on_operations(|operation| operation.think = Span(0));
        self.on_operations(|operation| operation.patience = None);
        self.on_operations(|operation| operation.upkeep = UpkeepEntry::None);
        self.on_operations(|operation| operation.variant = 0);
        self.on_operations(|operation| operation.freshness = Freshness::Strong);
        self.shrink_accesses();
        self.merge_keys();
    }

    /// An edit of as many operations as possible.
    fn on_operations(&mut self, edit: impl Fn(&mut OperationEntry)) {
        let differs = |operation: &OperationEntry| {
            let mut edited = operation.clone();
            edit(&mut edited);
            edited != *operation
        };
        let operations = self.plan.slots.iter().enumerate().flat_map(|(slot, entry)| {
            entry.operations.iter().enumerate().map(move |(place, it)| (slot, place, it))
        });
        let places: Vec<_> = operations
            .filter(|(_, _, operation)| differs(operation))
            .map(|(slot, place, _)| (slot, place))
            .collect();
        self.try_on_most(places.len(), |plan, part| {
            let (slot, place) = places[part];
            edit(&mut plan.slots[slot].operations[place]);
        });
    }

    /// Takes reads and writes out of operations that have several.
    fn shrink_accesses(&mut self) {
        for slot in 0..self.plan.slots.len() {
            for place in 0..self.plan.slots[slot].operations.len() {
                let mut access = 0;
                loop {
                    let does = &self.plan.slots[slot].operations[place].does;
                    if access >= does.reads.len() + does.writes.len() {
                        break;
                    }
                    let Some(smaller) = without(does, access) else {
                        access += 1;
                        continue;
                    };
                    let edit = |plan: &mut Plan| plan.slots[slot].operations[place].does = smaller;
                    if !self.try_edit(edit) {
                        access += 1;
                    }
                }
                let does = &self.plan.slots[slot].operations[place].does;
                let simple = simplest(does);
                if simple != *does {
                    self.try_edit(|plan| plan.slots[slot].operations[place].does = simple);
                }
            }
        }
    }

    /// As few keys as possible, with the smallest numbers.
    fn merge_keys(&mut self) {
        if self.try_edit(|plan| rename(plan, |_| KeyId(0))) {
            return;
        }
        let keys = keys(&self.plan);
        let numbered: BTreeMap<KeyId, KeyId> =
            keys.iter().enumerate().map(|(place, &key)| (key, KeyId(place as u16))).collect();
        self.try_edit(|plan| rename(plan, |key| numbered.get(&key).copied().unwrap_or(key)));
        for key in self::keys(&self.plan).into_iter().rev() {
            let smaller: Vec<KeyId> =
                self::keys(&self.plan).into_iter().filter(|other| *other < key).collect();
            for other in smaller {
                if self.try_edit(|plan| rename(plan, |it| if it == key { other } else { it })) {
                    break;
                }
            }
        }
    }
}

/// The operation without one of its accesses, reads first; `None` if that is no operation.
fn without(does: &Does, access: usize) -> Option<Does> {
    let mut smaller = does.clone();
    match access.checked_sub(does.reads.len()) {
        None => {
            smaller.reads.remove(access);
        }
        Some(write) => {
            smaller.writes.remove(write);
        }
    }
    if smaller.writes.is_empty() && !does.kind.is_read_only() {
        // What it still reads, it only reads.
        smaller.kind = OpKind::Scan;
    }
    (smaller.reads.len() + smaller.writes.len() > 0).then(|| simplest(&smaller))
}

/// The same accesses under the name of the simplest kind that has them.
fn simplest(does: &Does) -> Does {
    let kind = match (does.reads.as_slice(), does.writes.as_slice()) {
        ([ReadTarget::Key(_)], []) => OpKind::Get,
        (_, []) => OpKind::Scan,
        ([], [Write::Put(_)]) => OpKind::Put,
        ([], [Write::Delete(_)]) => OpKind::Delete,
        ([], [Write::DeleteRange(_)]) => OpKind::DeleteRange,
        ([], _) => OpKind::Batch,
        ([ReadTarget::Key(read)], [Write::Put(written)]) if read == written => {
            OpKind::ReadModifyWrite
        }
        _ => OpKind::Transaction,
    };
    Does { kind, ..does.clone() }
}

/// All keys that operations name, in order.
fn keys(plan: &Plan) -> Vec<KeyId> {
    let mut keys = Vec::new();
    let operations = plan.slots.iter().flat_map(|slot| &slot.operations);
    for does in operations.map(|operation| &operation.does) {
        keys.extend(does.reads.iter().flat_map(|read| match read {
            ReadTarget::Key(key) => [Some(*key), None],
            ReadTarget::Range(range) => [Some(range.start), range.end],
        }));
        keys.extend(does.writes.iter().flat_map(|write| match write {
            Write::Put(key) | Write::Delete(key) => [Some(*key), None],
            Write::DeleteRange(range) => [Some(range.start), range.end],
        }));
    }
    let mut keys: Vec<KeyId> = keys.into_iter().flatten().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

pub(super) fn rename(plan: &mut Plan, name: impl Fn(KeyId) -> KeyId) {
    // A range that would be empty keeps one key.
    let range = |range: &mut KeyRange| {
        range.start = name(range.start);
        range.end = range.end.map(|end| KeyId(name(end).0.max(range.start.0 + 1)));
    };
    for operation in plan.slots.iter_mut().flat_map(|slot| &mut slot.operations) {
        for read in &mut operation.does.reads {
            match read {
                ReadTarget::Key(key) => *key = name(*key),
                ReadTarget::Range(of) => range(of),
            }
        }
        for write in &mut operation.does.writes {
            match write {
                Write::Put(key) | Write::Delete(key) => *key = name(*key),
                Write::DeleteRange(of) => range(of),
            }
        }
    }
}
