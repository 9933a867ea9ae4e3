//! Session guarantees: what one process may rely on, however far behind the rest it is.
//!
//! Each guarantee keeps, per process (and per key where it is about reads), the greatest commit
//! number reached, which must not fall. Only acknowledged operations count, in the order in
//! which the process got its answers.

use std::collections::BTreeMap;

use super::versions::Versions;
use super::{Fault, Level, Stop};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome};

type Reached = BTreeMap<(u32, Key), (u64, OpId)>;

/// Checks one session guarantee.
pub(super) fn check(history: &History, versions: &Versions, level: Level) -> Result<(), Stop> {
    let mut of_key = Reached::new();
    let mut of_process: BTreeMap<u32, (u64, OpId)> = BTreeMap::new();
    for event in history.events() {
        let op = event.op;
        let entry = history.op(op);
        if event.kind != EventKind::Return || entry.outcome != Outcome::Ok {
            continue;
        }
        let number = versions.committed(op);
        match level {
            Level::MonotonicReads => {
                for (key, version) in seen(history, op) {
                    not_back(&of_key, op, entry.process, key, version)?;
                }
                for (key, version) in seen(history, op) {
                    reach(&mut of_key, (entry.process, key), version, op);
                }
            }
            Level::ReadYourWrites => {
                for (key, version) in seen(history, op) {
                    not_back(&of_key, op, entry.process, key, version)?;
                }
                if let Some(number) = number {
                    for key in written(history, op) {
                        reach(&mut of_key, (entry.process, key), number, op);
                    }
                }
            }
            Level::MonotonicWrites => {
                if let Some(number) = number {
                    process_not_back(&of_process, op, entry.process, number)?;
                    reach(&mut of_process, entry.process, number, op);
                }
            }
            _ => {
                if let Some(number) = number {
                    process_not_back(&of_process, op, entry.process, number)?;
                }
                for (_, version) in seen(history, op) {
                    reach(&mut of_process, entry.process, version, op);
                }
            }
        }
    }
    Ok(())
}

fn not_back(reached: &Reached, op: OpId, process: u32, key: Key, number: u64) -> Result<(), Fault> {
    match reached.get(&(process, key)) {
        Some(&(before, earlier)) if number < before => {
            Err(Fault::WentBack { op, earlier, key: Some(key), reached: before, number })
        }
        _ => Ok(()),
    }
}

fn process_not_back(
    reached: &BTreeMap<u32, (u64, OpId)>,
    op: OpId,
    process: u32,
    number: u64,
) -> Result<(), Fault> {
    match reached.get(&process) {
        Some(&(before, earlier)) if number < before => {
            Err(Fault::WentBack { op, earlier, key: None, reached: before, number })
        }
        _ => Ok(()),
    }
}

fn reach<K: Ord>(reached: &mut BTreeMap<K, (u64, OpId)>, key: K, number: u64, op: OpId) {
    let entry = reached.entry(key).or_insert((number, op));
    if number > entry.0 {
        *entry = (number, op);
    }
}

/// Versions that the operation saw before it wrote the key itself.
fn seen(history: &History, op: OpId) -> impl Iterator<Item = (Key, u64)> + '_ {
    history.accesses(op).filter_map(|(_, key, access)| match access {
        Access::Read { version: Some(version), .. }
        | Access::Update { version: Some(version), .. } => Some((key, version)),
        _ => None,
    })
}

fn written(history: &History, op: OpId) -> impl Iterator<Item = Key> + '_ {
    history.accesses(op).filter_map(|(_, key, access)| match access {
        Access::Write { .. } | Access::Update { .. } => Some(key),
        _ => None,
    })
}
