//! Rules of thumb for well-known workloads: bank, counter, set, long fork, unique ids, comments,
//! sequential inserts.
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
    /// Queue: an element was acknowledged and never came out.
    NeverTaken {
        /// The operation that put it in.
        op: OpId,
        /// The element.
        element: Value,
    },
    /// Unique ids: one was given out twice.
    GivenTwice {
        /// Who got it first.
        one: OpId,
        /// Who got it again.
        other: OpId,
        /// The id.
        element: Value,
    },
    /// Comments: a read sees a later insert without one that had ended before it began.
    MissingPredecessor {
        /// The insert that is missing.
        before: OpId,
        /// The insert that is seen.
        seen: OpId,
        /// The read.
        read: OpId,
        /// What is missing.
        element: Value,
    },
    /// Sequential: a read found a later insert of one client and then missed an earlier one.
    OutOfOrder {
        /// The read.
        op: OpId,
        /// The group of inserts.
        key: Key,
        /// What it had found.
        element: Value,
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
            Broken::NeverTaken { .. } => "never-taken",
            Broken::GivenTwice { .. } => "given-twice",
            Broken::MissingPredecessor { .. } => "missing-predecessor",
            Broken::OutOfOrder { .. } => "out-of-order",
        }
    }

    /// The operations involved.
    #[must_use]
    pub fn ops(&self) -> Vec<OpId> {
        match *self {
            Broken::WrongTotal { op, .. }
            | Broken::NegativeBalance { op, .. }
            | Broken::CounterOutOfBounds { op, .. }
            | Broken::NeverTaken { op, .. }
            | Broken::OutOfOrder { op, .. }
            | Broken::UnexpectedElement { op, .. } => vec![op],
            Broken::GivenTwice { one, other, .. } => vec![one, other],
            Broken::MissingPredecessor { before, seen, read, .. } => vec![before, seen, read],
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
            Broken::NeverTaken { op, element } => {
                format!("T{} put {} in, and it never came out", op.0, names.value(*element))
            }
            Broken::GivenTwice { one, other, element } => {
                format!("T{} and T{} both got {}", one.0, other.0, names.value(*element))
            }
            Broken::MissingPredecessor { before, seen, read, element } => format!(
                "T{} had ended before T{} began, and T{} saw what T{} inserted without {}",
                before.0,
                seen.0,
                read.0,
                seen.0,
                names.value(*element)
            ),
            Broken::OutOfOrder { op, key, element } => format!(
                "T{} found {} of {} and then missed what the same client had inserted before it",
                op.0,
                names.value(*element),
                names.key(*key)
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

/// Unique ids: no element is given out twice. `Append` gives out; unknown outcomes gave nothing
/// that anybody knows.
#[must_use]
pub fn unique_ids(history: &History) -> Vec<Broken> {
    let mut given: BTreeMap<(Key, Value), OpId> = BTreeMap::new();
    let mut broken = Vec::new();
    for other in answered(history) {
        for (_, key, access) in history.accesses(other) {
            let Access::Append { value: element } = access else { continue };
            match given.get(&(key, element)) {
                Some(&one) => broken.push(Broken::GivenTwice { one, other, element }),
                None => {
                    given.insert((key, element), other);
                }
            }
        }
    }
    broken
}

/// Comments: who sees an insert sees every insert that had ended before that one began. `Append`
/// inserts, `ReadList` reads. O(inserts + what was read), after a sort of the inserts.
#[must_use]
pub fn comments(history: &History) -> Vec<Broken> {
    let mut begun: BTreeMap<(Key, Value), OpId> = BTreeMap::new();
    let mut ended: BTreeMap<Key, Vec<(u32, OpId, Value)>> = BTreeMap::new();
    for (op, entry) in history.ops() {
        for (_, key, access) in history.accesses(op) {
            if let Access::Append { value } = access {
                begun.insert((key, value), op);
                if entry.outcome == Outcome::Ok {
                    ended.entry(key).or_default().push((entry.deadline(), op, value));
                }
            }
        }
    }
    ended.values_mut().for_each(|inserts| inserts.sort_unstable());
    let mut broken = Vec::new();
    for read in answered(history) {
        for (_, key, access) in history.accesses(read) {
            let Access::ReadList { list } = access else { continue };
            let values = history.list(list);
            // The insert seen that began last expects all that any other one does.
            let last = values.iter().filter_map(|&value| begun.get(&(key, value)));
            let Some(&seen) = last.max_by_key(|op| history.op(**op).invoke) else { continue };
            let mut values = values.to_vec();
            values.sort_unstable();
            let earlier = ended.get(&key).into_iter().flatten();
            let missing = earlier
                .take_while(|(end, _, _)| *end < history.op(seen).invoke)
                .find(|(_, _, value)| values.binary_search(value).is_err());
            if let Some(&(_, before, element)) = missing {
                broken.push(Broken::MissingPredecessor { before, seen, read, element });
            }
        }
    }
    broken
}

/// Sequential: one client inserts the rows of a group in order, another looks them up in the
/// reverse order; from the first that it finds on, it must find all. `ReadList` holds what was
/// found, [`Value::ABSENT`] for what was not.
#[must_use]
pub fn sequential(history: &History) -> Vec<Broken> {
    let mut broken = Vec::new();
    for op in answered(history) {
        for (_, key, access) in history.accesses(op) {
            let Access::ReadList { list } = access else { continue };
            let found = |value: &&Value| **value != Value::ABSENT;
            let values = history.list(list);
            let from_first = values.iter().skip_while(|value| !found(value));
            if let Some(&element) = from_first.clone().next()
                && !from_first.clone().all(|value| found(&value))
            {
                broken.push(Broken::OutOfOrder { op, key, element });
            }
        }
    }
    broken
}
