//! The commit log: which operation is which commit.

use std::collections::BTreeMap;

use crate::history::{Access, History, Key, OpId, Outcome, Value};

/// One commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEntry {
    /// Its number; the first commit is 1.
    pub number: u64,
    /// The operation that it is.
    pub op: OpId,
}

/// The log, and how much of it is known.
#[derive(Clone, Copy, Debug)]
pub enum Log<'a> {
    /// Read from the store: every commit from number 1 on. Sorted; a gap is a fault.
    Complete(&'a [LogEntry]),
    /// Put together from what clients were told and saw ([`infer_log`]): commits that nobody
    /// heard of are missing. Sorted.
    Partial(&'a [LogEntry]),
}

impl<'a> Log<'a> {
    /// The commits that are known, by number.
    #[must_use]
    pub fn entries(self) -> &'a [LogEntry] {
        match self {
            Log::Complete(entries) | Log::Partial(entries) => entries,
        }
    }
}

/// The log as far as clients can know it: acknowledged commits under the number they were told,
/// and operations of unknown outcome of which some read saw a version.
///
/// An operation of unknown outcome is recognised by the key and value that it wrote, so values
/// must be unique for it to be found.
#[must_use]
pub fn infer_log(history: &History) -> Vec<LogEntry> {
    let mut log = Vec::new();
    let mut open: BTreeMap<(Key, Value), OpId> = BTreeMap::new();
    for (op, entry) in history.ops() {
        match (entry.outcome, entry.commit()) {
            (Outcome::Ok | Outcome::Unknown, Some(number)) => log.push(LogEntry { number, op }),
            (Outcome::Unknown, None) => {
                for (_, key, access) in history.accesses(op) {
                    if let Access::Write { value } | Access::Update { value, .. } = access {
                        open.insert((key, value), op);
                    }
                }
            }
            _ => {}
        }
    }
    for (op, entry) in history.ops() {
        if entry.outcome != Outcome::Ok || open.is_empty() {
            continue;
        }
        for (_, key, access) in history.accesses(op) {
            let (Access::Read { value, version: Some(number) }
            | Access::Update { seen: value, version: Some(number), .. }) = access
            else {
                continue;
            };
            if number > 0
                && let Some(&op) = open.get(&(key, value))
            {
                log.push(LogEntry { number, op });
            }
        }
    }
    log.sort_unstable();
    log.dedup();
    log
}
