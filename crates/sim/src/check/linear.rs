//! Linearizability and strict serializability by values alone: which algorithm for which keys.
//!
//! Linearizability is local, so keys are judged apart wherever no operation ties them together.
//! Registers with unique values go to the zones; what remains is cut into components of keys that
//! share operations. A component of one key with few clients is cheapest to search; one of
//! transactions goes to the windows; each of the two takes over where the other gives up.

use super::search::{Shape, Store, just_in_time};
use super::{Budget, Undecided, Verdict, lists, windows, zones};
use crate::history::{History, Key, OpId, Outcome, Value};

/// What a checker takes for granted about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// What every key holds before its first write.
    pub initial: Value,
}

impl Default for Assumptions {
    fn default() -> Self {
        Assumptions { initial: Value::ABSENT }
    }
}

/// A part of a history that no order explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inexplicable {
    /// The keys that it is about.
    pub keys: Vec<Key>,
    /// Every operation that touches those keys.
    pub ops: Vec<OpId>,
    /// Operations that the algorithm holds responsible: a start for a reduction, may be empty.
    pub suspects: Vec<OpId>,
    /// Total index up to which the history is already wrong, if the algorithm knows.
    pub until: Option<u32>,
}

/// Judges a history by the values that its clients saw; commit numbers are not looked at.
///
/// `budget` is for each component of keys and for each algorithm.
#[must_use]
pub fn check(history: &History, assume: Assumptions, budget: Budget) -> Verdict<Inexplicable> {
    let initial = |_: Key| assume.initial;
    let swept = zones::sweep(history, &initial);
    if let Some((key, suspects)) = swept.violations.into_iter().next() {
        let ops = ops_on(history, &[key]);
        return Verdict::Violated(Inexplicable { keys: vec![key], ops, suspects, until: None });
    }
    let mut undecided = None;
    for (keys, ops) in components(history, &swept.rest) {
        match component(history, &ops, &initial, budget) {
            Verdict::Ok => {}
            Verdict::Violated((suspects, until)) => {
                return Verdict::Violated(Inexplicable { keys, ops, suspects, until });
            }
            Verdict::Undecided(reason) => undecided = Some(reason),
        }
    }
    undecided.map_or(Verdict::Ok, Verdict::Undecided)
}

/// Below this many calls at once, searching a single key is cheaper than ordering it.
const FEW_AT_ONCE: usize = 12;

type Found = (Vec<OpId>, Option<u32>);

/// Judges all operations on a set of keys.
pub(crate) fn component(
    history: &History,
    ops: &[OpId],
    initial: &dyn Fn(Key) -> Value,
    budget: Budget,
) -> Verdict<Found> {
    let by_search = |budget: Budget| {
        let store = Store::new(history, ops, initial);
        let calls = store.calls(ops);
        match just_in_time(&store, &calls, budget) {
            Verdict::Ok => Verdict::Ok,
            Verdict::Violated(stuck) => Verdict::Violated((Vec::new(), Some(stuck.event))),
            Verdict::Undecided(reason) => Verdict::Undecided(reason),
        }
    };
    let by_windows = || match windows::check(history, ops, initial, budget) {
        Verdict::Ok => Verdict::Ok,
        Verdict::Violated(suspects) => Verdict::Violated((suspects, None)),
        Verdict::Undecided(reason) => Verdict::Undecided(reason),
    };
    match Shape::of(history, ops.iter().copied()) {
        Shape::Other => Verdict::Undecided(Undecided::Unsupported { what: "addition" }),
        Shape::Lists => {
            by_names(history, ops, initial, budget).unwrap_or_else(|| by_search(budget))
        }
        Shape::Values if is_one_key(history, ops) && most_at_once(history, ops) <= FEW_AT_ONCE => {
            first_of(by_search(Budget { steps: budget.steps / 10 }), || {
                first_of(by_windows(), || by_search(budget))
            })
        }
        // What the windows cannot order is rarely searched better: a short try.
        Shape::Values => first_of(by_windows(), || by_search(Budget { steps: budget.steps / 20 })),
    }
}

/// Judges lists as registers, where that is possible.
fn by_names(
    history: &History,
    ops: &[OpId],
    initial: &dyn Fn(Key) -> Value,
    budget: Budget,
) -> Option<Verdict<Found>> {
    let absent = ops
        .iter()
        .flat_map(|&op| history.accesses(op))
        .all(|(_, key, _)| initial(key) == Value::ABSENT);
    if !absent {
        return None;
    }
    let registers = match lists::name(history, ops) {
        lists::Named::Registers(registers) => registers,
        lists::Named::Contradiction(suspects) => return Some(Verdict::Violated((suspects, None))),
        lists::Named::NotApplicable => return None,
    };
    let all: Vec<OpId> = registers.ops().map(|(op, _)| op).collect();
    match windows::check(&registers, &all, initial, budget) {
        Verdict::Ok => Some(Verdict::Ok),
        Verdict::Violated(suspects) => {
            let back = suspects.into_iter().map(|op| ops[op.0 as usize]).collect();
            Some(Verdict::Violated((back, None)))
        }
        Verdict::Undecided(_) => None,
    }
}

fn is_one_key(history: &History, ops: &[OpId]) -> bool {
    let mut keys = ops.iter().flat_map(|&op| history.accesses(op)).map(|(_, key, _)| key);
    keys.next().is_none_or(|first| keys.all(|key| key == first))
}

/// The first answer; if neither has one, the larger budget that was not enough.
fn first_of(one: Verdict<Found>, other: impl FnOnce() -> Verdict<Found>) -> Verdict<Found> {
    let Verdict::Undecided(reason) = one else { return one };
    match (reason, other()) {
        (Undecided::Budget { steps }, Verdict::Undecided(Undecided::Budget { steps: other })) => {
            Verdict::Undecided(Undecided::Budget { steps: steps.max(other) })
        }
        (_, answer) => answer,
    }
}

/// The greatest number of certain operations that are open at the same time.
fn most_at_once(history: &History, ops: &[OpId]) -> usize {
    let mut ends: Vec<u32> = Vec::new();
    let mut most = 0;
    for &op in ops {
        let entry = history.op(op);
        if entry.outcome == Outcome::Ok {
            ends.retain(|&end| end > entry.invoke);
            ends.push(entry.deadline());
            most = most.max(ends.len());
        }
    }
    most
}

/// Every operation that touches one of the keys.
pub(crate) fn ops_on(history: &History, keys: &[Key]) -> Vec<OpId> {
    let touches = |op: OpId| history.accesses(op).any(|(_, key, _)| keys.contains(&key));
    history.ops().map(|(op, _)| op).filter(|&op| touches(op)).collect()
}

/// The keys given, grouped so that no operation touches two groups, each with its operations.
fn components(history: &History, keys: &[Key]) -> Vec<(Vec<Key>, Vec<OpId>)> {
    let mut root: Vec<u32> = (0..history.key_count() as u32).collect();
    fn find(root: &mut [u32], key: u32) -> u32 {
        let mut at = key;
        while root[at as usize] != at {
            root[at as usize] = root[root[at as usize] as usize];
            at = root[at as usize];
        }
        at
    }
    for (op, entry) in history.ops() {
        if entry.outcome == Outcome::Failed {
            continue;
        }
        let mut first = None;
        for (_, key, _) in history.accesses(op) {
            let here = find(&mut root, key.0);
            let with = *first.get_or_insert(here);
            let with = find(&mut root, with);
            root[here.max(with) as usize] = here.min(with);
        }
    }
    let mut number = vec![u32::MAX; root.len()];
    let mut groups: Vec<(Vec<Key>, Vec<OpId>)> = Vec::new();
    for &key in keys {
        let of = find(&mut root, key.0) as usize;
        if number[of] == u32::MAX {
            number[of] = groups.len() as u32;
            groups.push(Default::default());
        }
        groups[number[of] as usize].0.push(key);
    }
    for (op, _) in history.ops() {
        if let Some((_, key, _)) = history.accesses(op).next() {
            let of = number[find(&mut root, key.0) as usize];
            if let Some(group) = groups.get_mut(of as usize) {
                group.1.push(op);
            }
        }
    }
    groups
}
