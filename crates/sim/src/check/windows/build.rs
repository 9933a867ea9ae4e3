//! From operations to transactions: what each read from outside, and what it left behind.

use std::collections::BTreeMap;

use super::super::index::ValueIndex;
use super::{INITIAL, NONE, Txn};
use crate::history::{Access, History, Key, OpId, Outcome, Value};

/// What a read saw of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saw {
    Value(Value),
    Not(Value),
}

/// One read of the state before its transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) txn: Txn,
    pub(super) key: u32,
    pub(super) saw: Saw,
}

/// One write that its transaction left behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) txn: Txn,
    pub(super) key: u32,
    pub(super) value: Value,
}

/// The transactions to be ordered.
#[derive(Debug)]
pub(super) struct Problem {
    /// The operation of each transaction.
    pub(super) ops: Vec<OpId>,
    /// First and last moment of each, before anything is known.
    pub(super) window: Vec<(u32, u32)>,
    pub(super) certain: Vec<bool>,
    pub(super) reads: Vec<Read>,
    pub(super) writes: Vec<Write>,
    /// `reads[read_start[t]..read_start[t + 1]]` are those of transaction `t`.
    pub(super) read_start: Vec<u32>,
    pub(super) write_start: Vec<u32>,
    pub(super) keys: usize,
    pub(super) initial: Vec<Value>,
    /// First write of each (key, value), and the next write of the same pair.
    by_value: ValueIndex,
    next_same: Vec<u32>,
}

/// Why a problem cannot be built.
#[derive(Debug)]
pub(super) enum Bad {
    Unsupported(&'static str),
    /// Operations that contradict themselves or name a value that nobody wrote.
    Violation(Vec<OpId>),
}

impl Problem {
    pub(super) fn build(
        history: &History,
        ops: &[OpId],
        initial: &dyn Fn(Key) -> Value,
    ) -> Result<Problem, Bad> {
        let mut problem = Problem {
            ops: vec![OpId(NONE)],
            window: vec![(0, 0)],
            certain: vec![true],
            reads: Vec::new(),
            writes: Vec::new(),
            read_start: vec![0, 0],
            write_start: vec![0, 0],
            keys: 0,
            initial: Vec::new(),
            by_value: ValueIndex::with_capacity(ops.len()),
            next_same: Vec::new(),
        };
        let mut numbers = vec![NONE; history.key_count()];
        let mut own: Vec<(u32, Option<Value>)> = Vec::new();
        for &op in ops {
            let entry = history.op(op);
            if entry.outcome == Outcome::Failed {
                continue;
            }
            own.clear();
            let mut possible = true;
            for (_, key, access) in history.accesses(op) {
                let key_number = problem.key_number(&mut numbers, key, initial);
                match problem.add(op, key_number, access, &mut own) {
                    // It contradicts itself: it cannot have happened.
                    Err(Bad::Violation(_)) if entry.outcome == Outcome::Unknown => possible = false,
                    other => other?,
                }
            }
            if !possible {
                own.clear();
            }
            let txn = problem.ops.len() as u32;
            let wrote = own.iter().filter_map(|&(key, value)| Some((key, value?)));
            problem.writes.extend(wrote.map(|(key, value)| Write { txn, key, value }));
            if entry.outcome == Outcome::Unknown && problem.writes.len() == problem.last_write() {
                problem.reads.truncate(problem.read_start[txn as usize] as usize);
                continue;
            }
            problem.ops.push(op);
            let begin = entry.earliest();
            problem.window.push((begin + 1, entry.deadline().saturating_add(1)));
            problem.certain.push(entry.outcome == Outcome::Ok);
            problem.read_start.push(problem.reads.len() as u32);
            problem.write_start.push(problem.writes.len() as u32);
        }
        problem.index_values();
        Ok(problem)
    }

    fn last_write(&self) -> usize {
        self.write_start.last().map_or(0, |&start| start as usize)
    }

    fn key_number(&mut self, numbers: &mut [u32], key: Key, initial: &dyn Fn(Key) -> Value) -> u32 {
        let number = &mut numbers[key.0 as usize];
        if *number == NONE {
            *number = self.keys as u32;
            self.keys += 1;
            self.initial.push(initial(key));
        }
        *number
    }

    /// Adds one access. `own` has an entry for each key touched so far: what it was written with.
    fn add(
        &mut self,
        op: OpId,
        key: u32,
        access: Access,
        own: &mut Vec<(u32, Option<Value>)>,
    ) -> Result<(), Bad> {
        let place = own.iter().position(|entry| entry.0 == key);
        let place = place.unwrap_or_else(|| {
            own.push((key, None));
            own.len() - 1
        });
        let (saw, writes) = match access {
            Access::Read { value, .. } => (Some(Saw::Value(value)), None),
            Access::ReadNot { value, .. } => (Some(Saw::Not(value)), None),
            Access::Write { value } => (None, Some(value)),
            Access::Update { seen, value, .. } => (Some(Saw::Value(seen)), Some(value)),
            Access::ReadUnknown => (None, None),
            Access::ReadList { .. } => return Err(Bad::Unsupported("list read")),
            Access::Append { .. } => return Err(Bad::Unsupported("append")),
            Access::Add { .. } => return Err(Bad::Unsupported("addition")),
        };
        match (saw, own[place].1) {
            (Some(saw), None) => {
                let txn = self.ops.len() as u32;
                self.reads.push(Read { txn, key, saw });
            }
            (Some(Saw::Value(value)), Some(wrote)) if value != wrote => {
                return Err(Bad::Violation(vec![op]));
            }
            (Some(Saw::Not(value)), Some(wrote)) if value == wrote => {
                return Err(Bad::Violation(vec![op]));
            }
            _ => {}
        }
        if writes.is_some() {
            own[place].1 = writes;
        }
        Ok(())
    }

    fn index_values(&mut self) {
        self.next_same = vec![NONE; self.writes.len()];
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for number in 0..self.writes.len() as u32 {
            let Write { key, value, .. } = self.writes[number as usize];
            if let Some(first) = self.by_value.insert(Key(key), value, number) {
                let previous = last.insert(first, number).unwrap_or(first);
                self.next_same[previous as usize] = number;
            }
        }
    }

    pub(super) fn txns(&self) -> std::ops::Range<Txn> {
        INITIAL + 1..self.ops.len() as u32
    }

    pub(super) fn reads_of(&self, txn: Txn) -> std::ops::Range<u32> {
        self.read_start[txn as usize]..self.read_start[txn as usize + 1]
    }

    pub(super) fn writes_of(&self, txn: Txn) -> std::ops::Range<u32> {
        self.write_start[txn as usize]..self.write_start[txn as usize + 1]
    }

    /// Every transaction that left `value` under `key`, the initial one included.
    pub(super) fn writers(&self, key: u32, value: Value) -> impl Iterator<Item = Txn> + '_ {
        let initial = (self.initial[key as usize] == value).then_some(INITIAL);
        let mut next = self.by_value.get(Key(key), value);
        let written = std::iter::from_fn(move || {
            let number = next?;
            let after = self.next_same[number as usize];
            next = (after != NONE).then_some(after);
            Some(self.writes[number as usize].txn)
        });
        initial.into_iter().chain(written)
    }
}
