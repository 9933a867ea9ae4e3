//! What was changed on the disk and what was waited for, written down for the tests.
//!
//! The record is of one thread: requests are done in place, on the thread that polls them.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// One change of the disk, or one wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Create(PathBuf),
    Write(PathBuf, Vec<u8>, u64),
    SyncFile(PathBuf),
    SyncDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    CreateDirectory(PathBuf),
    Remove(PathBuf),
    RemoveDirectory(PathBuf),
    MarkSettled(PathBuf),
}

thread_local! {
    static RECORD: RefCell<Option<Vec<Event>>> = const { RefCell::new(None) };
}

/// Runs something and tells what it did to the disk.
pub(crate) fn record<T>(what: impl FnOnce() -> T) -> (T, Vec<Event>) {
    RECORD.with(|record| *record.borrow_mut() = Some(Vec::new()));
    let result = what();
    let events = RECORD.with(|record| record.borrow_mut().take());
    (result, events.unwrap_or_default())
}

/// Whether somebody records.
pub(super) fn is_on() -> bool {
    RECORD.with(|record| record.borrow().is_some())
}

/// Writes an event down, if somebody records.
pub(crate) fn note(event: impl FnOnce() -> Event) {
    RECORD.with(|record| {
        if let Some(events) = record.borrow_mut().as_mut() {
            events.push(event());
        }
    });
}

/// What was copied into a file behind the back of the record.
pub(super) fn read_back(file: &File, from: u64) -> Vec<u8> {
    let length = file.metadata().map_or(0, |metadata| metadata.len()).saturating_sub(from);
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, from).expect("a file that was just written can be read");
    bytes
}
