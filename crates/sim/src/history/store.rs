//! The arena behind [`History`]: three flat vectors and links between them.
//!
//! Operations of different processes overlap, so the accesses of one operation are not
//! neighbours in memory; each access links to the next one of its operation. That makes every
//! append a push, and `clear` three length resets.

use super::{Access, Key, ListId, OpId, Outcome, Recency, Value};

const NONE: u32 = u32::MAX;
const NO_NUMBER: u64 = u64::MAX;
const KEY_BITS: u32 = 28;

const READ: u32 = 0;
const READ_NOT: u32 = 1;
const WRITE: u32 = 2;
const UPDATE: u32 = 3;
const READ_LIST: u32 = 4;
const APPEND: u32 = 5;
const ADD: u32 = 6;
const READ_UNKNOWN: u32 = 7;

/// One operation, without its accesses.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// The process (client) that ran it.
    pub process: u32,
    /// Total index of its invoke event.
    pub invoke: u32,
    returned: u32,
    first: u32,
    last: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What it promises about recency.
    pub recency: Recency,
    commit: u64,
    snapshot: u64,
}

impl Op {
    /// Total index of its return event, if it returned.
    #[must_use]
    pub fn returned(&self) -> Option<u32> {
        (self.returned != NONE).then_some(self.returned)
    }

    /// Total index from which on the operation may take effect: its invoke, or 0 for the read of a
    /// snapshot, which may be older than the invoke.
    #[must_use]
    pub fn earliest(&self) -> u32 {
        match self.recency {
            Recency::Strict => self.invoke,
            Recency::Snapshot => 0,
        }
    }

    /// Last index at which it can take effect: its return if it ended `Ok`, `u32::MAX` otherwise.
    #[must_use]
    pub fn deadline(&self) -> u32 {
        match self.outcome {
            Outcome::Ok => self.returned,
            Outcome::Failed | Outcome::Unknown => NONE,
        }
    }

    /// The commit number that its client was told.
    #[must_use]
    pub fn commit(&self) -> Option<u64> {
        (self.commit != NO_NUMBER).then_some(self.commit)
    }

    /// The commit number of the snapshot that it read, if the system tells.
    #[must_use]
    pub fn snapshot(&self) -> Option<u64> {
        (self.snapshot != NO_NUMBER).then_some(self.snapshot)
    }
}

/// One access as stored. `kind` shares a word with the key.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key_kind: u32,
    next: u32,
    seen: u64,
    version: u64,
    written: u64,
}

/// Whether an event begins or ends its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The client sent it.
    Invoke,
    /// The client learnt its outcome, or gave up.
    Return,
}

/// One event of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The operation.
    pub op: OpId,
    /// Which end of it.
    pub kind: EventKind,
}

/// Operations, their accesses and their events, in the order in which they were recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    slots: Vec<Slot>,
    events: Vec<u32>,
    at: Vec<u64>,
    lists: Vec<Value>,
    keys: u32,
    processes: u32,
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.slots.clear();
        self.events.clear();
        self.at.clear();
        self.lists.clear();
        self.keys = 0;
        self.processes = 0;
    }

    /// Records that `process` begins an operation. `at` is the caller's own mark of the moment
    /// (a step of a simulation, a line of a file); only reports use it.
    ///
    /// # Panics
    /// If the history already has 2³¹ - 1 operations.
    pub fn invoke(&mut self, process: u32, at: u64) -> OpId {
        let id = u32::try_from(self.ops.len()).expect("fewer than 2^31 operations");
        assert!(id < NONE >> 1, "fewer than 2^31 operations");
        self.processes = self.processes.max(process.saturating_add(1));
        let invoke = self.push_event(id << 1, at);
        self.ops.push(Op {
            process,
            invoke,
            returned: NONE,
            first: NONE,
            last: NONE,
            outcome: Outcome::Unknown,
            recency: Recency::Strict,
            commit: NO_NUMBER,
            snapshot: NO_NUMBER,
        });
        OpId(id)
    }

    /// Records how the operation ended. An operation that is never completed stays `Unknown`.
    ///
    /// # Panics
    /// If the operation has returned already.
    pub fn complete(&mut self, op: OpId, outcome: Outcome, at: u64) {
        let returned = self.push_event(op.0 << 1 | 1, at);
        let entry = &mut self.ops[op.0 as usize];
        assert!(entry.returned == NONE, "an operation returns once");
        entry.returned = returned;
        entry.outcome = outcome;
    }

    /// Changes the outcome of an operation after the fact, without a new event.
    pub fn set_outcome(&mut self, op: OpId, outcome: Outcome) {
        self.ops[op.0 as usize].outcome = outcome;
    }

    /// Records the commit number that the client was told.
    pub fn set_commit(&mut self, op: OpId, number: u64) {
        self.ops[op.0 as usize].commit = number;
    }

    /// Records the commit number of the snapshot that the operation read.
    pub fn set_snapshot(&mut self, op: OpId, number: u64) {
        self.ops[op.0 as usize].snapshot = number;
    }

    /// Declares what the operation promises about recency; `Strict` unless told otherwise.
    pub fn set_recency(&mut self, op: OpId, recency: Recency) {
        self.ops[op.0 as usize].recency = recency;
    }

    /// Records that the operation saw `value` under `key`.
    pub fn read(&mut self, op: OpId, key: Key, value: Value, version: Option<u64>) {
        self.push_slot(op, key, READ, value.0, version.unwrap_or(NO_NUMBER), 0);
    }

    /// Records that the operation learnt that `key` does not hold `value`.
    pub fn read_not(&mut self, op: OpId, key: Key, value: Value, version: Option<u64>) {
        self.push_slot(op, key, READ_NOT, value.0, version.unwrap_or(NO_NUMBER), 0);
    }

    /// Records a write; a delete writes [`Value::ABSENT`].
    pub fn write(&mut self, op: OpId, key: Key, value: Value) {
        self.push_slot(op, key, WRITE, 0, NO_NUMBER, value.0);
    }

    /// Records that the operation saw `seen` and replaced it by `value` in one step.
    pub fn update(&mut self, op: OpId, key: Key, seen: Value, version: Option<u64>, value: Value) {
        self.push_slot(op, key, UPDATE, seen.0, version.unwrap_or(NO_NUMBER), value.0);
    }

    /// Records that the operation saw a whole list.
    pub fn read_list(&mut self, op: OpId, key: Key, values: &[Value]) {
        let list = self.lists.len() as u64;
        self.lists.extend_from_slice(values);
        self.push_slot(op, key, READ_LIST, list << 32 | values.len() as u64, NO_NUMBER, 0);
    }

    /// Records an append of one element.
    pub fn append(&mut self, op: OpId, key: Key, value: Value) {
        self.push_slot(op, key, APPEND, 0, NO_NUMBER, value.0);
    }

    /// Records an addition.
    pub fn add(&mut self, op: OpId, key: Key, amount: i64) {
        self.push_slot(op, key, ADD, 0, NO_NUMBER, amount as u64);
    }

    /// Records that the operation will read `key`, before the result is known.
    pub fn read_unknown(&mut self, op: OpId, key: Key) {
        self.push_slot(op, key, READ_UNKNOWN, 0, NO_NUMBER, 0);
    }

    /// Records an access given as a value.
    pub fn access(&mut self, op: OpId, key: Key, access: Access) {
        match access {
            Access::Read { value, version } => self.read(op, key, value, version),
            Access::ReadNot { value, version } => self.read_not(op, key, value, version),
            Access::Write { value } => self.write(op, key, value),
            Access::Update { seen, version, value } => self.update(op, key, seen, version, value),
            Access::ReadList { list } => {
                let packed = u64::from(list.start) << 32 | u64::from(list.len);
                self.push_slot(op, key, READ_LIST, packed, NO_NUMBER, 0);
            }
            Access::Append { value } => self.append(op, key, value),
            Access::Add { amount } => self.add(op, key, amount),
            Access::ReadUnknown => self.read_unknown(op, key),
        }
    }

    fn push_event(&mut self, code: u32, at: u64) -> u32 {
        let index = self.events.len() as u32;
        self.events.push(code);
        self.at.push(at);
        index
    }

    #[inline]
    fn push_slot(&mut self, op: OpId, key: Key, kind: u32, seen: u64, version: u64, written: u64) {
        assert!(key <= Key::MAX, "a key is at most Key::MAX");
        let index = self.slots.len() as u32;
        self.keys = self.keys.max(key.0 + 1);
        let key_kind = kind << KEY_BITS | key.0;
        self.slots.push(Slot { key_kind, next: NONE, seen, version, written });
        let entry = &mut self.ops[op.0 as usize];
        if entry.first == NONE {
            entry.first = index;
        } else {
            self.slots[entry.last as usize].next = index;
        }
        entry.last = index;
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// One more than the greatest key.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys as usize
    }

    /// One more than the greatest process number.
    #[must_use]
    pub fn process_count(&self) -> usize {
        self.processes as usize
    }

    /// Number of accesses of all operations together.
    #[must_use]
    pub fn access_count(&self) -> usize {
        self.slots.len()
    }

    /// Number of events: one more than the greatest total index.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// The operation.
    ///
    /// # Panics
    /// If it is not of this history.
    #[must_use]
    pub fn op(&self, id: OpId) -> &Op {
        &self.ops[id.0 as usize]
    }

    /// All operations, in the order of their invokes.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = (OpId, &Op)> + '_ {
        self.ops.iter().enumerate().map(|(index, op)| (OpId(index as u32), op))
    }

    /// All events, in the order of their index.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event> + '_ {
        self.events.iter().map(|code| Event {
            op: OpId(code >> 1),
            kind: if code & 1 == 0 { EventKind::Invoke } else { EventKind::Return },
        })
    }

    /// The mark that the caller gave to an event.
    #[must_use]
    pub fn at(&self, index: u32) -> u64 {
        self.at.get(index as usize).copied().unwrap_or(0)
    }

    /// The accesses of an operation in the order in which it made them, each with a number that
    /// is unique in the history and below [`History::access_count`].
    #[must_use]
    pub fn accesses(&self, op: OpId) -> AccessIter<'_> {
        AccessIter { history: self, next: self.ops[op.0 as usize].first }
    }

    /// The access with this number.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn access_at(&self, number: u32) -> (Key, Access) {
        self.slots[number as usize].view()
    }

    /// The elements of a list that was seen.
    #[must_use]
    pub fn list(&self, list: ListId) -> &[Value] {
        let start = list.start as usize;
        self.lists.get(start..start + list.len as usize).unwrap_or(&[])
    }

    /// Whether the operation writes anything.
    #[must_use]
    pub fn writes(&self, op: OpId) -> bool {
        self.accesses(op).any(|(_, _, access)| {
            matches!(
                access,
                Access::Write { .. }
                    | Access::Update { .. }
                    | Access::Append { .. }
                    | Access::Add { .. }
            )
        })
    }
}

impl Slot {
    #[inline]
    fn view(&self) -> (Key, Access) {
        let key = Key(self.key_kind & Key::MAX.0);
        let version = (self.version != NO_NUMBER).then_some(self.version);
        let access = match self.key_kind >> KEY_BITS {
            READ => Access::Read { value: Value(self.seen), version },
            READ_NOT => Access::ReadNot { value: Value(self.seen), version },
            WRITE => Access::Write { value: Value(self.written) },
            UPDATE => {
                Access::Update { seen: Value(self.seen), version, value: Value(self.written) }
            }
            READ_LIST => Access::ReadList {
                list: ListId { start: (self.seen >> 32) as u32, len: self.seen as u32 },
            },
            APPEND => Access::Append { value: Value(self.written) },
            ADD => Access::Add { amount: self.written as i64 },
            _ => Access::ReadUnknown,
        };
        (key, access)
    }
}

/// Iterator over the accesses of one operation: number, key, access.
#[derive(Clone, Debug)]
pub struct AccessIter<'a> {
    history: &'a History,
    next: u32,
}

impl Iterator for AccessIter<'_> {
    type Item = (u32, Key, Access);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        let slot = self.history.slots.get(number as usize)?;
        self.next = slot.next;
        let (key, access) = slot.view();
        Some((number, key, access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_with_one_access_takes_less_than_a_hundred_bytes() {
        let events = 2 * (size_of::<u32>() + size_of::<u64>());
        let bytes = size_of::<Op>() + size_of::<Slot>() + events;
        assert!(bytes < 100, "{bytes} bytes");
    }

    #[test]
    fn accesses_of_overlapping_operations_stay_apart() {
        let mut history = History::new();
        let first = history.invoke(0, 10);
        let second = history.invoke(1, 11);
        history.read(first, Key(3), Value(7), Some(2));
        history.write(second, Key(3), Value(8));
        history.update(first, Key(4), Value::ABSENT, None, Value(9));
        history.complete(first, Outcome::Ok, 12);

        let of_first: Vec<_> =
            history.accesses(first).map(|(_, key, access)| (key, access)).collect();
        assert_eq!(
            of_first,
            [
                (Key(3), Access::Read { value: Value(7), version: Some(2) }),
                (Key(4), Access::Update { seen: Value::ABSENT, version: None, value: Value(9) }),
            ]
        );
        assert_eq!(history.accesses(second).count(), 1);
        assert_eq!(history.op(first).deadline(), 2);
        assert_eq!(history.op(second).deadline(), u32::MAX, "not returned: may act for ever");
        assert_eq!(history.at(2), 12);
        assert_eq!(history.key_count(), 5);
    }

    #[test]
    fn a_cleared_history_starts_anew() {
        let mut history = History::new();
        let op = history.invoke(5, 0);
        history.read_list(op, Key(1), &[Value(1), Value(2)]);
        history.complete(op, Outcome::Failed, 0);
        history.clear();
        assert!(history.is_empty());
        assert_eq!(
            (history.key_count(), history.process_count(), history.event_count()),
            (0, 0, 0)
        );
        assert_eq!(history.invoke(0, 0), OpId(0));
    }
}
