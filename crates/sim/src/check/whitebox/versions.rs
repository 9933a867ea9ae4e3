//! The versions of every key, in commit order, and the checks of the log itself.

use super::{Fault, Log, Stop};
use crate::history::{Access, History, Key, OpId, Outcome, Value};

/// One version of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) value: Value,
    pub(super) op: OpId,
}

/// Versions of all keys in one vector, grouped by key, each group sorted by commit number.
#[derive(Debug, Default)]
pub(super) struct Versions {
    all: Vec<Version>,
    /// Start of the group of a key; one more entry than keys.
    start: Vec<u32>,
    /// Length of the group: less than its room when a transaction wrote a key twice.
    len: Vec<u32>,
    /// Where the last look-up of the key ended: the next one is usually near.
    near: Vec<u32>,
    /// Commit number of each operation, 0 for none.
    committed: Vec<u64>,
}

/// The positions that see one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// First position: the version's own number.
    pub(super) from: u64,
    /// The position that no longer sees it: the number of the commit that replaced it.
    pub(super) until: u64,
    pub(super) value: Value,
}

impl Versions {
    /// Reads the log, checks it against the outcomes that clients were told, and sorts the
    /// writes by key and number.
    pub(super) fn load(&mut self, history: &History, log: Log<'_>) -> Result<(), Stop> {
        self.number(history, log)?;
        self.check_outcomes(history, log)?;
        self.group(history, log)
    }

    fn number(&mut self, history: &History, log: Log<'_>) -> Result<(), Fault> {
        self.committed.clear();
        self.committed.resize(history.len(), 0);
        let mut last: Option<super::LogEntry> = None;
        for &entry in log.entries() {
            let previous = last.map_or(0, |last| last.number);
            if let Some(last) = last
                && last.number == entry.number
            {
                return Err(Fault::Fork { number: entry.number, first: last.op, second: entry.op });
            }
            let dense = matches!(log, Log::Partial(_)) || entry.number == previous + 1;
            if entry.number <= previous || !dense {
                return Err(Fault::LogGap { missing: previous + 1 });
            }
            let committed = &mut self.committed[entry.op.0 as usize];
            if *committed != 0 {
                let (first, second) = (*committed, entry.number);
                return Err(Fault::CommittedTwice { op: entry.op, first, second });
            }
            *committed = entry.number;
            last = Some(entry);
        }
        Ok(())
    }

    fn check_outcomes(&self, history: &History, log: Log<'_>) -> Result<(), Fault> {
        for ((op, entry), &number) in history.ops().zip(&self.committed) {
            match entry.outcome {
                Outcome::Failed if number != 0 => return Err(Fault::GhostCommit { op, number }),
                Outcome::Ok if number == 0 => {
                    let told = entry.commit();
                    if told.is_some() || history.writes(op) {
                        let entries = log.entries();
                        let holder = told.and_then(|told| {
                            let found = entries.binary_search_by_key(&told, |entry| entry.number);
                            found.ok().map(|index| entries[index].op)
                        });
                        return Err(Fault::LostCommit { op, told, holder });
                    }
                }
                Outcome::Ok => {
                    if let Some(told) = entry.commit()
                        && told != number
                    {
                        return Err(Fault::WrongNumber { op, told, number });
                    }
                }
                Outcome::Failed | Outcome::Unknown => {}
            }
        }
        Ok(())
    }

    fn group(&mut self, history: &History, log: Log<'_>) -> Result<(), Stop> {
        let keys = history.key_count();
        self.start.clear();
        self.start.resize(keys + 1, 0);
        for entry in log.entries() {
            for (_, key, access) in history.accesses(entry.op) {
                if written(access)?.is_some() {
                    self.start[key.0 as usize + 1] += 1;
                }
            }
        }
        for key in 0..keys {
            self.start[key + 1] += self.start[key];
        }
        let empty = Version { number: 0, value: Value::ABSENT, op: OpId(0) };
        self.all.clear();
        self.all.resize(self.start[keys] as usize, empty);
        self.len.clear();
        self.len.resize(keys, 0);
        self.near.clear();
        self.near.resize(keys, 0);
        for entry in log.entries() {
            for (_, key, access) in history.accesses(entry.op) {
                if let Some(value) = written(access)? {
                    self.push(key, Version { number: entry.number, value, op: entry.op });
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, key: Key, version: Version) {
        let start = self.start[key.0 as usize] as usize;
        let len = &mut self.len[key.0 as usize];
        let end = start + *len as usize;
        if *len > 0 && self.all[end - 1].number == version.number {
            self.all[end - 1] = version;
        } else {
            self.all[end] = version;
            *len += 1;
        }
    }

    /// Commit number of an operation, if it is in the log.
    pub(super) fn committed(&self, op: OpId) -> Option<u64> {
        let number = self.committed[op.0 as usize];
        (number != 0).then_some(number)
    }

    /// The versions of a key, oldest first; the initial state is not among them.
    pub(super) fn of(&self, key: Key) -> &[Version] {
        let start = self.start[key.0 as usize] as usize;
        &self.all[start..start + self.len[key.0 as usize] as usize]
    }

    /// The positions that see version `number` of `key`; none if no commit wrote it.
    #[inline]
    pub(super) fn span(&mut self, key: Key, number: u64) -> Option<Span> {
        let index = self.last_until(key, number);
        let span = self.span_at(key, index);
        (span.from == number).then_some(span)
    }

    /// The positions around `position` that see the same version of `key`.
    #[inline]
    pub(super) fn span_around(&mut self, key: Key, position: u64) -> Span {
        let index = self.last_until(key, position);
        self.span_at(key, index)
    }

    /// How many versions of the key have a number of at most `number`.
    #[inline]
    fn last_until(&mut self, key: Key, number: u64) -> usize {
        let near = self.near[key.0 as usize] as usize;
        let versions = self.of(key);
        let fits = |count: usize| {
            count <= versions.len()
                && (count == 0 || versions[count - 1].number <= number)
                && (count == versions.len() || versions[count].number > number)
        };
        let count = if fits(near) {
            near
        } else if fits(near + 1) {
            near + 1
        } else {
            versions.partition_point(|version| version.number <= number)
        };
        self.near[key.0 as usize] = count as u32;
        count
    }

    #[inline]
    fn span_at(&self, key: Key, count: usize) -> Span {
        let versions = self.of(key);
        let until = versions.get(count).map_or(u64::MAX, |next| next.number);
        match count.checked_sub(1).and_then(|last| versions.get(last)) {
            Some(version) => Span { from: version.number, until, value: version.value },
            None => Span { from: 0, until, value: Value::ABSENT },
        }
    }

    /// Who wrote version `number` of `key`.
    pub(super) fn writer(&self, key: Key, number: u64) -> Option<(OpId, u64)> {
        let versions = self.of(key);
        let index = versions.binary_search_by_key(&number, |version| version.number).ok()?;
        Some((versions[index].op, number))
    }

    /// The last version of `key` before commit `number`.
    pub(super) fn before(&self, key: Key, number: u64) -> Option<Version> {
        let versions = self.of(key);
        let count = versions.partition_point(|version| version.number < number);
        count.checked_sub(1).map(|last| versions[last])
    }
}

/// The value that an access leaves behind, if it writes.
#[inline]
fn written(access: Access) -> Result<Option<Value>, Stop> {
    match access {
        Access::Write { value } | Access::Update { value, .. } => Ok(Some(value)),
        Access::Read { .. } | Access::ReadNot { .. } | Access::ReadUnknown => Ok(None),
        Access::ReadList { .. } => Err(Stop::Unsupported("list read")),
        Access::Append { .. } => Err(Stop::Unsupported("append")),
        Access::Add { .. } => Err(Stop::Unsupported("addition")),
    }
}
