//! Lists as registers: what makes appending histories as cheap as writing ones.
//!
//! If every element is appended once, a list is named by its last element, and the longest list
//! seen tells the order: an append of the element after `p` is an update of `p` to that element,
//! a read of a list is a read of its last element. An append that nobody saw is a blind write: no
//! chain of updates has room for it, so it comes last, as it must.

use std::collections::BTreeMap;

use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// What became of the operations.
#[derive(Debug)]
pub(super) enum Named {
    /// Registers; operation `i` stands for the `i`-th operation given.
    Registers(History),
    /// Two reads disagree, or one saw an element that nobody appended.
    Contradiction(Vec<OpId>),
    /// Keys that are also written, or elements appended twice.
    NotApplicable,
}

/// The last element of each element's predecessor list, per key.
#[derive(Debug, Default)]
struct Orders {
    longest: BTreeMap<Key, (OpId, Vec<Value>)>,
    before: BTreeMap<(Key, Value), Value>,
}

/// Rewrites the operations `ops`, whose keys no other operation touches.
pub(super) fn name(history: &History, ops: &[OpId]) -> Named {
    let mut appended: BTreeMap<(Key, Value), OpId> = BTreeMap::new();
    let mut orders = Orders::default();
    let happened = |op: &&OpId| history.op(**op).outcome != Outcome::Failed;
    for &op in ops.iter().filter(happened) {
        for (_, key, access) in history.accesses(op) {
            match access {
                Access::Append { value } => {
                    let doubled = appended.insert((key, value), op).is_some();
                    if doubled || value == Value::ABSENT {
                        return Named::NotApplicable;
                    }
                }
                // It saw that only if it happened: too much to tell from names.
                Access::ReadList { .. } if history.op(op).outcome == Outcome::Unknown => {
                    return Named::NotApplicable;
                }
                Access::ReadList { list } => {
                    let list = history.list(list);
                    let entry = orders.longest.entry(key).or_insert_with(|| (op, Vec::new()));
                    if list.len() > entry.1.len() {
                        *entry = (op, list.to_vec());
                    }
                }
                Access::ReadUnknown => {}
                _ => return Named::NotApplicable,
            }
        }
    }
    if let Some(contradiction) = orders.learn(history, ops, &appended) {
        return Named::Contradiction(contradiction);
    }
    Named::Registers(rewrite(history, ops, &orders))
}

impl Orders {
    fn learn(
        &mut self,
        history: &History,
        ops: &[OpId],
        appended: &BTreeMap<(Key, Value), OpId>,
    ) -> Option<Vec<OpId>> {
        for (&key, (reader, list)) in &self.longest {
            let mut last = Value::ABSENT;
            for &value in list {
                let twice = self.before.insert((key, value), last).is_some();
                if twice || !appended.contains_key(&(key, value)) {
                    return Some(vec![*reader]);
                }
                last = value;
            }
        }
        for &op in ops.iter().filter(|&&op| history.op(op).outcome == Outcome::Ok) {
            for (_, key, access) in history.accesses(op) {
                if let Access::ReadList { list } = access
                    && let Some((reader, longest)) = self.longest.get(&key)
                    && !longest.starts_with(history.list(list))
                {
                    return Some(vec![op, *reader]);
                }
            }
        }
        None
    }
}

fn rewrite(history: &History, ops: &[OpId], orders: &Orders) -> History {
    let mut moments: Vec<(u32, usize, EventKind)> = Vec::with_capacity(2 * ops.len());
    for (number, &op) in ops.iter().enumerate() {
        moments.push((history.op(op).invoke, number, EventKind::Invoke));
        if let Some(end) = history.op(op).returned() {
            moments.push((end, number, EventKind::Return));
        }
    }
    moments.sort_unstable_by_key(|moment| moment.0);
    let mut registers = History::new();
    for (at, number, kind) in moments {
        let op = ops[number];
        if kind == EventKind::Return {
            registers.complete(OpId(number as u32), history.op(op).outcome, u64::from(at));
            continue;
        }
        let new = registers.invoke(history.op(op).process, u64::from(at));
        registers.set_recency(new, history.op(op).recency);
        for (_, key, access) in history.accesses(op) {
            if history.op(op).outcome == Outcome::Failed {
                continue;
            }
            match access {
                Access::Append { value } => match orders.before.get(&(key, value)) {
                    Some(&before) => registers.update(new, key, before, None, value),
                    None => registers.write(new, key, value),
                },
                Access::ReadList { list } => {
                    let last = history.list(list).last().copied().unwrap_or(Value::ABSENT);
                    registers.read(new, key, last, None);
                }
                _ => registers.read_unknown(new, key),
            }
        }
    }
    registers
}
