//! Queues: what is put in comes out, once, and in order if the queue says so.
//!
//! In a [`History`] an `Append` puts an element in, a `ReadList` takes out what it lists (an empty
//! list: the queue was found empty), and a `ReadUnknown` takes something, nobody knows what.
//!
//! [`check`] asks for linearizability, by search over a sequential queue. A take of unknown outcome
//! can remove the oldest element, or nothing. In a queue without order it could remove any; there
//! it only matters to those who found the queue empty, and a history with both is undecided.
//! An operation that takes several elements is taken apart: its elements may leave one by one.
//!
//! [`total`] asks less, in linear time, about a queue that is drained at the end: nothing comes out
//! that nobody tried to put in, and everything acknowledged comes out.

use std::collections::{BTreeMap, BTreeSet};

use super::search::{Call, Model, just_in_time};
use super::workloads::Broken;
use super::{Budget, Undecided, Verdict};
use crate::history::{Access, History, Key, OpId, Outcome, Value};

/// In which order elements leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In the order in which they came.
    Fifo,
    /// In any.
    Any,
}

/// A queue as a [`Model`].
#[derive(Clone, Copy, Debug)]
pub struct Queue(pub Order);

/// What one call does to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueCall {
    /// Puts an element in.
    Put(Value),
    /// Took this element out.
    Take(Value),
    /// Took out whatever was first, if there was anything.
    TakeFirst,
    /// Found nothing.
    Empty,
}

impl Model for Queue {
    type State = Vec<Value>;
    type Call = QueueCall;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, call: &QueueCall) -> Option<Vec<Value>> {
        let mut next = state.clone();
        match *call {
            QueueCall::Put(value) => {
                // Without order, equal contents are one state.
                let at = match self.0 {
                    Order::Fifo => next.len(),
                    Order::Any => next.partition_point(|&other| other < value),
                };
                next.insert(at, value);
            }
            QueueCall::Take(value) => {
                let at = next.iter().position(|&other| other == value)?;
                if self.0 == Order::Fifo && at > 0 {
                    return None;
                }
                next.remove(at);
            }
            QueueCall::TakeFirst if next.is_empty() => {}
            QueueCall::TakeFirst => {
                next.remove(0);
            }
            QueueCall::Empty if next.is_empty() => {}
            QueueCall::Empty => return None,
        }
        Some(next)
    }

    fn may_enable(&self, cause: &QueueCall, later: &QueueCall) -> bool {
        match (cause, later) {
            // Another element in the queue never helps anybody.
            (QueueCall::Put(put), QueueCall::Take(taken)) => put == taken,
            (QueueCall::Put(_), _) => false,
            _ => true,
        }
    }
}

/// Judges every key as a linearizable queue of its own. A violation is a set of operations that
/// has no explanation; leaving out all operations on any one of its elements gives it one, if
/// there are few enough elements to try.
#[must_use]
pub fn check(history: &History, order: Order, budget: Budget) -> Verdict<Vec<OpId>> {
    let mut undecided = None;
    for calls in calls(history).into_values() {
        let has = |wanted: QueueCall| calls.iter().any(|call| call.call == wanted);
        if order == Order::Any && has(QueueCall::TakeFirst) && has(QueueCall::Empty) {
            let what = "take of unknown outcome beside an empty queue";
            undecided = Some(Undecided::Unsupported { what });
            continue;
        }
        let mut calls = calls;
        if order == Order::Any {
            calls.retain(|call| call.call != QueueCall::TakeFirst);
        }
        match just_in_time(&Queue(order), &calls, budget) {
            Verdict::Ok => {}
            Verdict::Violated(stuck) => {
                return Verdict::Violated(reduce(order, up_to(calls, stuck.event), budget));
            }
            Verdict::Undecided(reason) => undecided = Some(reason),
        }
    }
    undecided.map_or(Verdict::Ok, Verdict::Undecided)
}

/// The calls on each key, in the order of their invokes.
fn calls(history: &History) -> BTreeMap<Key, Vec<Call<QueueCall>>> {
    let mut keys: BTreeMap<Key, Vec<Call<QueueCall>>> = BTreeMap::new();
    for (op, entry) in history.ops().filter(|(_, op)| op.outcome != Outcome::Failed) {
        for (_, key, access) in history.accesses(op) {
            let calls = keys.entry(key).or_default();
            let mut push = |call| {
                let (invoke, deadline) = (entry.earliest(), entry.deadline());
                calls.push(Call { op, invoke, deadline, call });
            };
            match access {
                Access::Append { value } => push(QueueCall::Put(value)),
                Access::ReadList { list } if history.list(list).is_empty() => {
                    push(QueueCall::Empty);
                }
                Access::ReadList { list } => {
                    history.list(list).iter().for_each(|&value| push(QueueCall::Take(value)));
                }
                Access::ReadUnknown => push(QueueCall::TakeFirst),
                _ => {}
            }
        }
    }
    keys
}

/// What had begun at an event; what had not ended by then may still happen or not.
fn up_to(mut calls: Vec<Call<QueueCall>>, event: u32) -> Vec<Call<QueueCall>> {
    calls.retain(|call| call.invoke < event);
    for call in &mut calls {
        if call.deadline > event {
            call.deadline = u32::MAX;
        }
    }
    calls
}

/// Above this many elements a violation is shown as it was found.
const REDUCIBLE: usize = 512;

/// Leaves out elements as long as no explanation appears. A queue that explains all explains the
/// rest without one element too, so what remains is a violation of the whole.
fn reduce(order: Order, mut calls: Vec<Call<QueueCall>>, budget: Budget) -> Vec<OpId> {
    let element = |call: &Call<QueueCall>| match call.call {
        QueueCall::Put(value) | QueueCall::Take(value) => Some(value),
        QueueCall::TakeFirst | QueueCall::Empty => None,
    };
    let elements: BTreeSet<Value> = calls.iter().filter_map(element).collect();
    let takes_any = calls.iter().any(|call| call.call == QueueCall::TakeFirst);
    // Who takes whatever is first takes something else once an element is gone.
    if elements.len() <= REDUCIBLE && !takes_any {
        let budget = Budget { steps: budget.steps / 100 };
        for value in elements {
            let mut fewer = calls.clone();
            fewer.retain(|call| element(call) != Some(value));
            if matches!(just_in_time(&Queue(order), &fewer, budget), Verdict::Violated(_)) {
                calls = fewer;
            }
        }
    }
    let ops: BTreeSet<OpId> = calls.iter().map(|call| call.op).collect();
    ops.into_iter().collect()
}

/// A queue that is drained at the end: nothing comes out that nobody tried to put in, and
/// everything acknowledged comes out, at least once. As many elements may be missing as there
/// were takes of unknown outcome.
#[must_use]
pub fn total(history: &History) -> Vec<Broken> {
    let mut tried: BTreeSet<(Key, Value)> = BTreeSet::new();
    let mut acknowledged: Vec<(Key, Value, OpId)> = Vec::new();
    let mut taken: BTreeMap<(Key, Value), OpId> = BTreeMap::new();
    let mut unknown = 0;
    for (op, entry) in history.ops().filter(|(_, op)| op.outcome != Outcome::Failed) {
        for (_, key, access) in history.accesses(op) {
            match access {
                Access::Append { value } => {
                    tried.insert((key, value));
                    if entry.outcome == Outcome::Ok {
                        acknowledged.push((key, value, op));
                    }
                }
                Access::ReadList { list } => {
                    for &value in history.list(list) {
                        taken.entry((key, value)).or_insert(op);
                    }
                }
                Access::ReadUnknown => unknown += 1,
                _ => {}
            }
        }
    }
    let from_nowhere = taken.iter().filter(|(at, _)| !tried.contains(at));
    let mut broken: Vec<Broken> = from_nowhere
        .map(|(&(_, element), &op)| Broken::UnexpectedElement { op, element })
        .collect();
    let lost = acknowledged.iter().filter(|(key, value, _)| !taken.contains_key(&(*key, *value)));
    let lost: Vec<Broken> =
        lost.map(|&(_, element, op)| Broken::NeverTaken { op, element }).collect();
    if lost.len() > unknown {
        broken.extend(lost);
    }
    broken
}
