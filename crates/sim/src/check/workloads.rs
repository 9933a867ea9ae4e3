//! Rules of thumb for well-known workloads: bank, counter, set, long fork.
//!
//! These do not look for an order. Each checks one consequence that any correct system has, the
//! way testers of databases have long written their workloads: cheap, and blind to the rest.

use std::collections::BTreeMap;

use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Bank: the accounts that a read saw do not add up.
    WrongTotal {
        /// The read.
        op: OpId,
        /// What they add up to.
        total: i64,
        /// What they should.
        expected: i64,
    },
    /// Bank: an account is below zero.
    NegativeBalance {
        /// The read.
        op: OpId,
        /// The account.
        account: Key,
        /// Its balance.
        balance: i64,
    },
    /// Counter: a read lies outside of what acknowledged and attempted additions allow.
    CounterOutOfBounds {
        /// The read.
        op: OpId,
        /// What it saw.
        value: i64,
        /// The least that was possible.
        least: i64,
        /// The most that was possible.
        most: i64,
    },
    /// Set: an element that was acknowledged, or seen, is missing in a later read.
    LostElement {
        /// The operation that added it, or saw it.
        known: OpId,
        /// The read that misses it.
        missed: OpId,
        /// The element.
        element: Value,
    },
    /// Set: a read has an element that nobody added.
    UnexpectedElement {
        /// The read.
        op: OpId,
        /// The element.
        element: Value,
    },
    /// Two reads saw two writes in opposite orders.
    LongFork {
        /// One read.
        one: OpId,
        /// The other.
        other: OpId,
        /// Seen by the one only.
        only_one: Key,
        /// Seen by the other only.
        only_other: Key,
    },
}

impl Broken {
    /// Name of the rule.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Broken::WrongTotal { .. } => "wrong-total",
            Broken::NegativeBalance { .. } => "negative-balance",
            Broken::CounterOutOfBounds { .. } => "counter-out-of-bounds",
            Broken::LostElement { .. } => "lost-element",
            Broken::UnexpectedElement { .. } => "unexpected-element",
            Broken::LongFork { .. } => "long-fork",
        }
    }

    /// The operations involved.
    #[must_use]
    pub fn ops(&self) -> Vec<OpId> {
        match *self {
            Broken::WrongTotal { op, .. }
            | Broken::NegativeBalance { op, .. }
            | Broken::CounterOutOfBounds { op, .. }
            | Broken::UnexpectedElement { op, .. } => vec![op],
            Broken::LostElement { known, missed, .. } => vec![known, missed],
            Broken::LongFork { one, other, .. } => vec![one, other],
        }
    }

    /// The rule and how it is broken, in a sentence.
    #[must_use]
    pub fn sentence(&self, names: &dyn crate::history::Names) -> String {
        match self {
            Broken::WrongTotal { op, total, expected } => {
                format!("T{} saw accounts that add up to {total}, not to {expected}", op.0)
            }
            Broken::NegativeBalance { op, account, balance } => {
                format!("T{} saw account {} at {balance}", op.0, names.key(*account))
            }
            Broken::CounterOutOfBounds { op, value, least, most } => {
                format!("T{} saw {value}, but the counter was between {least} and {most}", op.0)
            }
            Broken::LostElement { known, missed, element } => format!(
                "element {} was known when T{} ended, and T{}, which began later, did not see it",
                names.value(*element),
                known.0,
                missed.0
            ),
            Broken::UnexpectedElement { op, element } => {
                format!("T{} saw element {}, which nobody added", op.0, names.value(*element))
            }
            Broken::LongFork { one, other, only_one, only_other } => format!(
                "T{} saw {} but not {}, and T{} saw {} but not {}: neither state can come first",
                one.0,
                names.key(*only_one),
                names.key(*only_other),
                other.0,
                names.key(*only_other),
                names.key(*only_one)
            ),
        }
    }
}

fn answered(history: &History) -> impl Iterator<Item = OpId> + '_ {
    history.ops().filter(|(_, op)| op.outcome == Outcome::Ok).map(|(op, _)| op)
}

/// Bank: transfers move money, so every read of all accounts adds up to the same total, and no
/// account is below zero. Reads carry each balance as a two's complement [`Value`].
///
/// Without `total`, the first read says what it is.
#[must_use]
pub fn bank(history: &History, total: Option<i64>) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut expected = total;
    for op in answered(history) {
        let mut sum: Option<i64> = None;
        for (_, key, access) in history.accesses(op) {
            if let Access::Read { value, .. } = access {
                let balance = value.0 as i64;
                sum = Some(sum.unwrap_or(0).saturating_add(balance));
                if balance < 0 {
                    broken.push(Broken::NegativeBalance { op, account: key, balance });
                }
            }
        }
        if let Some(total) = sum {
            let expected = *expected.get_or_insert(total);
            if total != expected {
                broken.push(Broken::WrongTotal { op, total, expected });
            }
        }
    }
    broken
}

/// Counter: a read is at least the sum of what was acknowledged when it began (and of all
/// decrements tried until it ended), at most the sum of all increments tried until it ended (and
/// of decrements acknowledged before it began).
#[must_use]
pub fn counter(history: &History) -> Vec<Broken> {
    let mut broken = Vec::new();
    let (mut least, mut most) = (0i64, 0i64);
    let mut begun: BTreeMap<OpId, i64> = BTreeMap::new();
    let mut most_before: BTreeMap<OpId, i64> = BTreeMap::new();
    for event in history.events() {
        let op = event.op;
        let entry = history.op(op);
        for (_, _, access) in history.accesses(op) {
            match (access, event.kind, entry.outcome) {
                (_, _, Outcome::Failed) => {}
                (Access::Add { amount }, EventKind::Invoke, _) if amount > 0 => {
                    most = most.saturating_add(amount);
                }
                (Access::Add { amount }, EventKind::Invoke, _) => {
                    least = least.saturating_add(amount);
                }
                (Access::Add { amount }, EventKind::Return, Outcome::Ok) if amount > 0 => {
                    least = least.saturating_add(amount);
                }
                (Access::Add { amount }, EventKind::Return, Outcome::Ok) => {
                    most = most.saturating_add(amount);
                }
                (Access::Read { .. }, EventKind::Invoke, _) => {
                    begun.insert(op, least);
                    most_before.insert(op, most);
                }
                (Access::Read { value, .. }, EventKind::Return, Outcome::Ok) => {
                    let value = value.0 as i64;
                    let low = begun.get(&op).copied().unwrap_or(least).min(least);
                    let high = most_before.get(&op).copied().unwrap_or(most).max(most);
                    if value < low || value > high {
                        broken.push(Broken::CounterOutOfBounds {
                            op,
                            value,
                            least: low,
                            most: high,
                        });
                    }
                }
                _ => {}
            }
        }
    }
    broken
}

/// Set: once an element was acknowledged or seen, every read that begins later sees it; and no
/// read sees what nobody added. `Append` adds, `ReadList` reads.
#[must_use]
pub fn set(history: &History) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut tried: BTreeMap<(Key, Value), ()> = BTreeMap::new();
    for (op, entry) in history.ops() {
        for (_, key, access) in history.accesses(op) {
            if let Access::Append { value } = access
                && entry.outcome != Outcome::Failed
            {
                tried.insert((key, value), ());
            }
        }
    }
    // Per element: the event at which it was known, and by whom.
    let mut known: BTreeMap<(Key, Value), (u32, OpId)> = BTreeMap::new();
    let mut reads: Vec<(OpId, Key, Vec<Value>)> = Vec::new();
    for op in answered(history) {
        let end = history.op(op).deadline();
        let mut learn = |key: Key, value: Value| {
            let entry = known.entry((key, value)).or_insert((end, op));
            if end < entry.0 {
                *entry = (end, op);
            }
        };
        for (_, key, access) in history.accesses(op) {
            match access {
                Access::Append { value } => learn(key, value),
                Access::ReadList { list } => {
                    let mut values = history.list(list).to_vec();
                    for &element in &values {
                        learn(key, element);
                        if !tried.contains_key(&(key, element)) {
                            broken.push(Broken::UnexpectedElement { op, element });
                        }
                    }
                    values.sort_unstable();
                    reads.push((op, key, values));
                }
                _ => {}
            }
        }
    }
    for (missed, key, values) in reads {
        let begun = history.op(missed).invoke;
        for (&(_, element), &(end, op)) in known.range((key, Value(0))..=(key, Value(u64::MAX))) {
            if end < begun && values.binary_search(&element).is_err() {
                broken.push(Broken::LostElement { known: op, missed, element });
            }
        }
    }
    broken
}

/// Long fork: every key is written once; two reads of the same keys must not disagree about which
/// of two writes came first.
#[must_use]
pub fn long_fork(history: &History) -> Vec<Broken> {
    let mut groups: BTreeMap<Vec<Key>, Vec<(OpId, Vec<bool>)>> = BTreeMap::new();
    for op in answered(history) {
        let mut seen: Vec<(Key, bool)> = history
            .accesses(op)
            .filter_map(|(_, key, access)| match access {
                Access::Read { value, .. } => Some((key, value != Value::ABSENT)),
                _ => None,
            })
            .collect();
        seen.sort_unstable();
        if seen.len() > 1 {
            let (keys, values) = seen.into_iter().unzip();
            groups.entry(keys).or_default().push((op, values));
        }
    }
    let mut broken = Vec::new();
    for (keys, mut reads) in groups {
        // Sorted by how much they saw, each must contain the one before.
        reads.sort_by_key(|(op, values)| (values.iter().filter(|seen| **seen).count(), *op));
        for pair in reads.windows(2) {
            let only = |a: &[bool], b: &[bool]| (0..a.len()).find(|&at| a[at] && !b[at]);
            let here = only(&pair[0].1, &pair[1].1);
            let there = only(&pair[1].1, &pair[0].1);
            if let (Some(here), Some(there)) = (here, there) {
                let (one, other) = (pair[0].0, pair[1].0);
                let (only_one, only_other) = (keys[here], keys[there]);
                broken.push(Broken::LongFork { one, other, only_one, only_other });
            }
        }
    }
    broken
}
