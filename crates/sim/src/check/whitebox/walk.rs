//! The one pass over the events: windows, the floor of real time, and the least position.

use super::versions::Span;
use super::{Fault, Level, Stop, WhiteBox};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Recency, Value};

/// The positions that the versioned reads of one operation allow: `from..until`.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: u64,
    from_key: Key,
    until: u64,
    until_key: Key,
    /// Whether reads remain that only a look at a position can settle.
    loose: Loose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loose {
    None,
    Some,
}

const EVERYWHERE: Window =
    Window { from: 0, from_key: Key(0), until: u64::MAX, until_key: Key(0), loose: Loose::None };

impl Window {
    fn meet(&mut self, key: Key, span: Span) {
        if span.from > self.from {
            (self.from, self.from_key) = (span.from, key);
        }
        if span.until < self.until {
            (self.until, self.until_key) = (span.until, key);
        }
    }
}

/// The greatest position that certainly lies in the past, and who put it there.
#[derive(Clone, Copy, Debug)]
struct Floor {
    position: u64,
    op: OpId,
}

impl WhiteBox {
    pub(super) fn walk(&mut self, history: &History, level: Level) -> Result<(), Stop> {
        self.positions.clear();
        self.positions.resize(history.len(), 0);
        self.own.clear();
        self.own.resize(history.key_count(), u32::MAX);
        let mut floor = Floor { position: 0, op: OpId(0) };
        for event in history.events() {
            let op = event.op;
            match event.kind {
                EventKind::Invoke => {
                    self.positions[op.0 as usize] = self.place(history, op, level, floor)?;
                }
                EventKind::Return => {
                    let position = self.positions[op.0 as usize];
                    if history.op(op).outcome == Outcome::Ok && position > floor.position {
                        floor = Floor { position, op };
                    }
                }
            }
        }
        Ok(())
    }

    /// The position at which the operation leaves the state, judged at its invoke.
    fn place(
        &mut self,
        history: &History,
        op: OpId,
        level: Level,
        floor: Floor,
    ) -> Result<u64, Stop> {
        let entry = history.op(op);
        let number = self.versions.committed(op);
        if number.is_none() && entry.outcome != Outcome::Ok {
            // Not in the log: it did not happen, and what an aborted transaction saw is its own.
            return Ok(0);
        }
        let window = self.window(history, op)?;
        if window.from >= window.until {
            return Err(self.torn(op, window).into());
        }
        let real_time = matches!(level, Level::StrictSerializable | Level::StrongSnapshotIsolation);
        match number {
            Some(number) => {
                if real_time && floor.position >= number {
                    let (past, position) = (floor.op, floor.position);
                    return Err(Fault::CommitAgainstRealTime { op, number, past, position }.into());
                }
                match level {
                    Level::StrictSerializable | Level::Serializable => {
                        self.check_base(history, op, window, number)?;
                    }
                    _ => self.check_snapshot_writer(history, op, window, number, level, floor)?,
                }
                Ok(number)
            }
            None => {
                let strict = real_time && entry.recency == Recency::Strict;
                self.reader(history, op, window, if strict { Some(floor) } else { None })
            }
        }
    }

    /// Intersects the versions that the operation saw.
    fn window(&mut self, history: &History, op: OpId) -> Result<Window, Stop> {
        let mut window = EVERYWHERE;
        for (_, key, access) in history.accesses(op) {
            let (value, version) = match access {
                Access::Read { value, version } | Access::Update { seen: value, version, .. } => {
                    (value, version)
                }
                Access::ReadNot { .. } => {
                    window.loose = Loose::Some;
                    continue;
                }
                Access::Write { .. } => {
                    self.own[key.0 as usize] = op.0;
                    continue;
                }
                Access::ReadUnknown => continue,
                Access::ReadList { .. } => return Err(Stop::Unsupported("list read")),
                Access::Append { .. } => return Err(Stop::Unsupported("append")),
                Access::Add { .. } => return Err(Stop::Unsupported("addition")),
            };
            if self.own[key.0 as usize] == op.0 {
                check_own(history, op, key, value)?;
            } else if let Some(version) = version {
                let Some(span) = self.versions.span(key, version) else {
                    return Err(Fault::PhantomVersion { op, key, version }.into());
                };
                if span.value != value {
                    let holds = span.value;
                    return Err(Fault::WrongValue { op, key, version, seen: value, holds }.into());
                }
                window.meet(key, span);
            } else {
                window.loose = Loose::Some;
            }
            if matches!(access, Access::Update { .. }) {
                self.own[key.0 as usize] = op.0;
            }
        }
        if let Some(snapshot) = history.op(op).snapshot() {
            if snapshot < window.from {
                return Err(Fault::NotItsSnapshot { op, snapshot, key: window.from_key }.into());
            }
            if snapshot >= window.until {
                return Err(Fault::NotItsSnapshot { op, snapshot, key: window.until_key }.into());
            }
            // A transaction may be validated again at a later base: only a reader stays here.
            if self.versions.committed(op).is_none() {
                (window.from, window.until) = (snapshot, snapshot + 1);
            }
        }
        Ok(window)
    }

    /// A serializable writer saw the state just before its own number.
    fn check_base(
        &mut self,
        history: &History,
        op: OpId,
        window: Window,
        number: u64,
    ) -> Result<(), Stop> {
        if number > window.until {
            let (key, between) =
                (window.until_key, self.versions.writer(window.until_key, window.until));
            return Err(Fault::NotTheStateCommittedOn { op, number, key, between }.into());
        }
        if number <= window.from {
            let key = window.from_key;
            return Err(Fault::NotTheStateCommittedOn { op, number, key, between: None }.into());
        }
        if window.loose == Loose::Some {
            let base = number - 1;
            if let Err(key) = self.settle(history, op, base, number) {
                let between = self.versions.before(key, number).map(|last| (last.op, last.number));
                return Err(Fault::NotTheStateCommittedOn { op, number, key, between }.into());
            }
        }
        Ok(())
    }

    /// A snapshot-isolated writer saw some state after which nobody else wrote its keys.
    fn check_snapshot_writer(
        &mut self,
        history: &History,
        op: OpId,
        window: Window,
        number: u64,
        level: Level,
        floor: Floor,
    ) -> Result<(), Stop> {
        let until = window.until.min(number);
        let mut from = window.from;
        for (_, key, access) in history.accesses(op) {
            if !matches!(access, Access::Write { .. } | Access::Update { .. }) {
                continue;
            }
            if let Some(last) = self.versions.before(key, number) {
                if last.number >= until {
                    let other = (last.op, last.number);
                    return Err(Fault::LostUpdate { op, number, key, other }.into());
                }
                from = from.max(last.number);
            }
        }
        if level == Level::StrongSnapshotIsolation {
            if floor.position >= until {
                return Err(self.stale(op, window, floor).into());
            }
            from = from.max(floor.position);
        }
        match self.settle(history, op, from, until) {
            Ok(_) => Ok(()),
            Err(key) => Err(Fault::NoPosition { op, key }.into()),
        }
    }

    /// The least position of the window that is not in the past.
    fn reader(
        &mut self,
        history: &History,
        op: OpId,
        window: Window,
        floor: Option<Floor>,
    ) -> Result<u64, Stop> {
        let least = floor.map_or(0, |floor| floor.position);
        if let Some(floor) = floor
            && least >= window.until
        {
            return Err(self.stale(op, window, floor).into());
        }
        let from = window.from.max(least);
        if window.loose == Loose::None {
            return Ok(from);
        }
        self.settle(history, op, from, window.until).map_err(|key| {
            let fault = match floor {
                Some(floor) if floor.position > window.from => Fault::StaleRead {
                    op,
                    key,
                    replaced_by: None,
                    past: floor.op,
                    position: floor.position,
                },
                _ => Fault::NoPosition { op, key },
            };
            Stop::Fault(fault)
        })
    }

    /// The least position in `from..until` at which every read without a version, and every
    /// failed compare, is right; the key that stands in the way if there is none.
    fn settle(&mut self, history: &History, op: OpId, from: u64, until: u64) -> Result<u64, Key> {
        let mut position = from;
        'again: loop {
            let mut written: Option<Key> = None;
            for (_, key, access) in history.accesses(op) {
                let (value, version, wanted) = match access {
                    Access::Read { value, version: None }
                    | Access::Update { seen: value, version: None, .. } => (value, None, true),
                    Access::ReadNot { value, version } => (value, version, false),
                    Access::Write { .. } => {
                        written = Some(key);
                        continue;
                    }
                    _ => continue,
                };
                if written.is_some() && wrote_before(history, op, key, access) {
                    continue;
                }
                let span = self.versions.span_around(key, position);
                let same = version.map_or(span.value == value, |version| span.from == version);
                if same != wanted {
                    position = span.until;
                    if position >= until {
                        return Err(key);
                    }
                    continue 'again;
                }
            }
            return Ok(position);
        }
    }

    fn torn(&self, op: OpId, window: Window) -> Fault {
        Fault::TornSnapshot {
            op,
            old: window.until_key,
            replaced_by: self.versions.writer(window.until_key, window.until),
            new: window.from_key,
            version: window.from,
        }
    }

    fn stale(&self, op: OpId, window: Window, floor: Floor) -> Fault {
        Fault::StaleRead {
            op,
            key: window.until_key,
            replaced_by: self.versions.writer(window.until_key, window.until),
            past: floor.op,
            position: floor.position,
        }
    }
}

/// A read after an own write sees that write.
fn check_own(history: &History, op: OpId, key: Key, seen: Value) -> Result<(), Fault> {
    let mut last = None;
    for (_, other, access) in history.accesses(op) {
        if other != key {
            continue;
        }
        match access {
            Access::Write { value } => last = Some(value),
            Access::Update { seen: value, value: next, .. } => {
                if last.is_some_and(|last| last != value) {
                    return Err(Fault::Internal { op, key });
                }
                last = Some(next);
            }
            Access::Read { value, .. }
                if value == seen && last.is_some_and(|last| last != value) =>
            {
                return Err(Fault::Internal { op, key });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the operation wrote `key` before it made this access.
fn wrote_before(history: &History, op: OpId, key: Key, before: Access) -> bool {
    for (_, other, access) in history.accesses(op) {
        if other == key {
            if access == before {
                return false;
            }
            if matches!(access, Access::Write { .. } | Access::Update { .. }) {
                return true;
            }
        }
    }
    false
}
