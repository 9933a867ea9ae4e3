//! Every algorithm against brute force, on small histories of every kind, in both directions.
//!
//! A small history is drawn in three strokes: when calls begin and end, what they do, and what
//! they saw. The third is drawn from an ideal run half of the time (so that many histories are
//! correct) and then spoilt half of the time (so that many are just not).

use super::generate::Dice;
use super::linear::{self, Assumptions};
use super::search::{Shape, Store, just_in_time, reference};
use super::{Budget, Verdict, windows, zones};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// What the clients of a small history do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mix {
    /// get, put and update with unique values
    Registers,
    /// the same with three values only, and failed compares
    Duplicates,
    /// get, put, delete
    Deletes,
    /// transactions over three keys, unique values
    Transactions,
    /// transactions with deletes, failed compares, duplicates
    Anything,
    /// appends and list reads, and writes that clear
    Lists,
    /// appends and list reads only
    Appends,
}

const MIXES: [Mix; 7] = [
    Mix::Registers,
    Mix::Duplicates,
    Mix::Deletes,
    Mix::Transactions,
    Mix::Anything,
    Mix::Lists,
    Mix::Appends,
];

/// One operation before it has seen anything.
#[derive(Clone, Debug)]
struct Plan {
    accesses: Vec<(Key, Access)>,
    outcome: Outcome,
}

struct Artist<'d> {
    dice: &'d mut Dice,
    mix: Mix,
    values: u64,
}

impl Artist<'_> {
    fn value(&mut self) -> Value {
        match self.mix {
            Mix::Duplicates => Value(1 + u64::from(self.dice.below(3))),
            Mix::Anything if self.dice.below(3) == 0 => Value(u64::from(self.dice.below(3))),
            Mix::Deletes if self.dice.below(3) == 0 => Value::ABSENT,
            _ => {
                self.values += 1;
                Value(10 + self.values)
            }
        }
    }

    fn plan(&mut self) -> Plan {
        let keys = match self.mix {
            Mix::Transactions | Mix::Anything => 3,
            Mix::Lists | Mix::Appends => 2,
            _ => 1 + self.dice.below(2),
        };
        let count = match self.mix {
            Mix::Transactions | Mix::Anything => 1 + self.dice.below(3),
            Mix::Lists | Mix::Appends => 1 + self.dice.below(2),
            _ => 1,
        };
        let accesses = (0..count).map(|_| self.access(keys)).collect();
        let outcome = match self.dice.below(8) {
            0 => Outcome::Failed,
            1 | 2 => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        Plan { accesses, outcome }
    }

    fn access(&mut self, keys: u32) -> (Key, Access) {
        let key = Key(self.dice.below(keys));
        let seen = Value::ABSENT;
        let value = self.value();
        let roll = self.dice.below(8);
        if matches!(self.mix, Mix::Lists | Mix::Appends) {
            let list = crate::history::ListId { start: 0, len: 0 };
            let access = match roll {
                0..4 => Access::Append { value },
                4 if self.mix == Mix::Lists => Access::Write { value: Value::ABSENT },
                _ => Access::ReadList { list },
            };
            return (key, access);
        }
        let access = match (self.mix, roll) {
            (_, 0..=2) => Access::Read { value: seen, version: None },
            (_, 3..=5) => Access::Write { value },
            (Mix::Duplicates | Mix::Anything, 6) => Access::ReadNot { value, version: None },
            _ => Access::Update { seen, version: None, value },
        };
        (key, access)
    }
}

/// A small history and every operation in it.
fn draw(dice: &mut Dice, mix: Mix) -> (History, Vec<OpId>) {
    let count = 2 + dice.below(6) as usize;
    let mut artist = Artist { dice, mix, values: 0 };
    let mut plans: Vec<Plan> = (0..count).map(|_| artist.plan()).collect();
    let (history, order) = schedule(dice, &plans);
    let truthful = dice.below(3) == 0;
    let lists = fill(dice, &mut plans, &order, truthful);
    let mut filled = History::new();
    let mut numbers = vec![usize::MAX; count];
    let mut next = 0;
    for event in history.events() {
        let at = event.op.0 as usize;
        match event.kind {
            EventKind::Invoke => {
                let op = filled.invoke(at as u32, 0);
                numbers[at] = next;
                next += 1;
                for (place, &(key, access)) in plans[at].accesses.iter().enumerate() {
                    match (&lists[at][place], access) {
                        (Some(list), Access::ReadList { .. }) => filled.read_list(op, key, list),
                        _ => filled.access(op, key, access),
                    }
                }
            }
            EventKind::Return => {
                filled.complete(OpId(numbers[at] as u32), plans[at].outcome, 0);
            }
        }
    }
    let ops = filled.ops().map(|(op, _)| op).collect();
    (filled, ops)
}

/// When the calls begin and end, and an order in which an ideal store could have served them.
/// In the history returned, operation `i` stands for plan `i`.
fn schedule(dice: &mut Dice, plans: &[Plan]) -> (History, Vec<usize>) {
    let clients = 1 + dice.below(4) as usize;
    let mut history = History::new();
    let mut order = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut begun = 0;
    while begun < plans.len() || !open.is_empty() {
        let room = open.len() < clients && begun < plans.len();
        if room && (open.is_empty() || dice.below(2) == 0) {
            history.invoke(0, 0);
            open.push((begun, false));
            begun += 1;
            continue;
        }
        let pick = dice.below(open.len() as u32) as usize;
        let (plan, served) = open[pick];
        if !served {
            order.push(plan);
            open[pick].1 = true;
        } else {
            open.swap_remove(pick);
            if plans[plan].outcome != Outcome::Unknown || dice.below(2) == 0 {
                history.complete(OpId(plan as u32), plans[plan].outcome, 0);
            }
        }
    }
    (history, order)
}

type Lists = Vec<Vec<Option<Vec<Value>>>>;

/// Fills in what each operation saw: the truth, or the truth with some of it replaced.
fn fill(dice: &mut Dice, plans: &mut [Plan], order: &[usize], truthful: bool) -> Lists {
    let mut values = [Value::ABSENT; 3];
    let mut lists: [Vec<Value>; 3] = Default::default();
    let mut past = vec![Value::ABSENT];
    let mut seen: Lists = plans.iter().map(|plan| vec![None; plan.accesses.len()]).collect();
    for &at in order {
        let happens = match plans[at].outcome {
            Outcome::Ok => true,
            Outcome::Failed => false,
            Outcome::Unknown => dice.below(2) == 0,
        };
        let (before, lists_before) = (values, lists.clone());
        for (place, (key, access)) in plans[at].accesses.iter_mut().enumerate() {
            let lie = !truthful && dice.below(2) == 0;
            let other = past[dice.below(past.len() as u32) as usize];
            let cell = &mut values[key.0 as usize];
            let list = &mut lists[key.0 as usize];
            match access {
                Access::Read { value, .. } => *value = if lie { other } else { *cell },
                Access::ReadNot { value, .. } if *value == *cell && !lie => {
                    *access = Access::Read { value: *cell, version: None };
                }
                Access::Write { value } => {
                    *cell = *value;
                    list.clear();
                    past.push(*value);
                }
                Access::Update { seen, value, .. } => {
                    *seen = if lie { other } else { *cell };
                    *cell = *value;
                    past.push(*value);
                }
                Access::Append { value } => list.push(*value),
                Access::ReadList { .. } => {
                    let mut copy = list.clone();
                    if lie && !copy.is_empty() {
                        let last = dice.below(copy.len() as u32) as usize;
                        copy.swap(0, last);
                        copy.truncate(1 + last);
                    }
                    seen[at][place] = Some(copy);
                }
                _ => {}
            }
        }
        if !happens {
            (values, lists) = (before, lists_before);
        }
    }
    seen
}

fn absent(_: Key) -> Value {
    Value::ABSENT
}

fn truth(history: &History, ops: &[OpId]) -> bool {
    let store = Store::new(history, ops, &absent);
    reference(&store, &store.calls(ops))
}

pub(super) fn tell(history: &History) -> String {
    let mut text = String::new();
    for (op, entry) in history.ops() {
        let accesses: Vec<_> = history
            .accesses(op)
            .map(|(_, key, access)| match access {
                Access::ReadList { list } => format!("{key:?} {:?}", history.list(list)),
                access => format!("{key:?} {access:?}"),
            })
            .collect();
        let ends = entry.returned();
        text += &format!("{op:?} [{}, {ends:?}] {:?} {accesses:?}\n", entry.invoke, entry.outcome);
    }
    text
}

/// Runs `judge` over many small histories; `None` means that it has nothing to say about one.
fn compare(cases: u64, mixes: &[Mix], judge: impl Fn(&History, &[OpId]) -> Option<bool>) {
    let (mut right, mut wrong) = (0u64, 0u64);
    for seed in 0..cases {
        for &mix in mixes {
            let (history, ops) = draw(&mut Dice::new(seed * 31 + mix as u64), mix);
            let Some(answer) = judge(&history, &ops) else {
                continue;
            };
            let truth = truth(&history, &ops);
            assert_eq!(answer, truth, "{mix:?}, seed {seed}:\n{}", tell(&history));
            if truth { right += 1 } else { wrong += 1 }
        }
    }
    assert!(right > cases / 10 && wrong > cases / 20, "one-sided: {right} right, {wrong} wrong");
}

fn decided<V: std::fmt::Debug>(verdict: &Verdict<V>) -> Option<bool> {
    match verdict {
        Verdict::Ok => Some(true),
        Verdict::Violated(_) => Some(false),
        Verdict::Undecided(reason) => panic!("undecided on a small history: {reason:?}"),
    }
}

const CASES: u64 = 4_000;

#[test]
fn the_search_decides_just_in_time_what_brute_force_decides() {
    compare(CASES, &MIXES, |history, ops| {
        let store = Store::new(history, ops, &absent);
        decided(&just_in_time(&store, &store.calls(ops), Budget::default()))
    });
}

#[test]
fn zones_decide_registers_as_brute_force_does() {
    compare(4 * CASES, &[Mix::Registers, Mix::Deletes], |history, _| {
        let swept = zones::sweep(history, &absent);
        swept.rest.is_empty().then_some(swept.violations.is_empty())
    });
}

#[test]
fn windows_decide_transactions_as_brute_force_does() {
    compare(CASES, &MIXES[..5], |history, ops| {
        decided(&windows::check(history, ops, &absent, Budget::default()))
    });
}

#[test]
fn the_whole_black_box_decides_as_brute_force_does() {
    compare(CASES, &MIXES, |history, ops| {
        assert_ne!(Shape::of(history, ops.iter().copied()), Shape::Other);
        decided(&linear::check(history, Assumptions::default(), Budget::default()))
    });
}
