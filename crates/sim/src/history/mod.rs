//! What the clients of a system saw: one history type for every checker.
//!
//! A history is a list of **operations**. An operation belongs to one process, begins at an
//! *invoke* event, may end at a *return* event, and touches keys: for each touch (an
//! [`Access`]) the history keeps the value seen, the version seen and the value written. Events
//! carry one total index, given out in the order in which they are recorded, so no checker ever
//! sorts anything to learn what happened before what.
//!
//! ```text
//!   index      0    1    2    3    4    5
//!   client 1   |--- write x=1 ---|              [0,3]   ok
//!   client 2        |--- read x -> 1 -|         [1,4]   ok
//!   client 3             |--- write x=2 ···     [2, ∞)  unknown
//! ```
//!
//! Three outcomes exist, and the third one is the reason for most of the work in
//! [`check`](crate::check): `Ok` took effect between its two events, `Failed` certainly took no
//! effect, and `Unknown` took effect at any one moment after its invoke, or never.
//!
//! The layout is meant to be written in the inner loop of a simulation and to be kept between
//! worlds: an operation is 40 bytes, an access 32, an event 12; [`History::clear`] keeps the
//! memory. Keys and values are numbers. Whoever needs names (a file parser, a report) keeps them
//! beside the history, see [`Names`].

mod names;
mod store;

pub use names::{NameTable, Names, Numbered};
pub use store::{AccessIter, Event, EventKind, History, Op};

/// Index of an operation in its [`History`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u32);

/// A key, as a small dense number. At most [`Key::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

impl Key {
    /// The greatest key that a history can hold.
    pub const MAX: Key = Key((1 << 28) - 1);
}

/// A value. [`Value::ABSENT`] is what a key holds before its first write and after a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

impl Value {
    /// No value: never written, or deleted.
    pub const ABSENT: Value = Value(0);
}

/// How an operation ended, as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It took effect at one moment between invoke and return.
    Ok,
    /// It took no effect, and never will.
    Failed,
    /// It took effect at one moment after its invoke, or never. Also the state of an operation
    /// that has not returned.
    Unknown,
}

/// What an operation promises about recency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recency {
    /// Takes effect between its invoke and its return.
    Strict,
    /// A read of a snapshot that may be older than the invoke: consistent, but possibly stale.
    Snapshot,
}

/// What one operation did to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Saw `value`; `version` is the commit number that wrote it, 0 for the initial state,
    /// if the system tells.
    Read {
        /// The value seen.
        value: Value,
        /// Commit number of the version seen.
        version: Option<u64>,
    },
    /// Learnt that the key did *not* hold `value` (a failed compare-and-set). With a version:
    /// that the version was not the current one.
    ReadNot {
        /// The value that was expected and not found.
        value: Value,
        /// The version that was expected and not found.
        version: Option<u64>,
    },
    /// Wrote `value`; a delete writes [`Value::ABSENT`].
    Write {
        /// The value written.
        value: Value,
    },
    /// Saw `seen` and replaced it by `value` in one step (compare-and-set, read-modify-write).
    Update {
        /// The value seen.
        seen: Value,
        /// Commit number of the version seen.
        version: Option<u64>,
        /// The value written.
        value: Value,
    },
    /// Saw a whole list (see [`History::list`]).
    ReadList {
        /// Handle of the list.
        list: ListId,
    },
    /// Appended one element to the list, set or text held by the key.
    Append {
        /// The element.
        value: Value,
    },
    /// Added a signed amount to the number held by the key.
    Add {
        /// The amount.
        amount: i64,
    },
    /// Will read the key, but the result is not known (the operation did not return).
    ReadUnknown,
}

/// Handle of a list that an operation saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListId {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl ListId {
    /// Number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether the list has no element.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}
