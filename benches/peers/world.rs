//! The world under measure: one register, the history of its clients, and the check at the end.
//!
//! Every simulator here runs a world on one thread, one world at a time. So the world lives in a
//! thread-local, costs the same everywhere, and demands nothing of the futures that use it: a
//! simulator may want them `Send` or not. Nothing is borrowed while a future is polled.
//!
//! An **event** is something that happens at a virtual instant of its own: a request arrives at
//! the register, a reply arrives at its client, a pause for thought ends. It is counted here and
//! in the same way for all, whatever a simulator needs to make it happen.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

use crate::workload::{OPERATIONS, READERS, WRITERS};

/// What a client asks of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The value and its version.
    Read,
    /// Replaces the value if its version is still `expected`.
    CompareAndSet {
        /// The version that the client read.
        expected: u64,
        /// The new value.
        value: u64,
    },
}

/// What the register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The answer to a read.
    Value {
        /// How often the value was replaced so far.
        version: u64,
        /// The value; 0 at version 0.
        value: u64,
    },
    /// The value was replaced and has this version now.
    Stored {
        /// The new version.
        version: u64,
    },
    /// Another version than the expected one was found.
    Conflict,
}

/// Whether an operation reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// One operation of the history.
#[derive(Clone, Copy, Debug)]
struct Operation {
    kind: Kind,
    /// The newest version that any client knew when this operation was invoked.
    known: u64,
    /// What it returned: version and value.
    returned: Option<(u64, u64)>,
}

/// What one or several worlds amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Number of worlds.
    pub(crate) worlds: u64,
    /// Requests that reached the register.
    pub(crate) requests: u64,
    /// Events as this file defines them.
    pub(crate) events: u64,
    /// Polls of the clients' tasks.
    pub(crate) polls: u64,
    /// Hash over all histories, in the order of what happened.
    pub(crate) hash: u64,
}

impl Tally {
    /// Adds a world that came after those in `self`.
    pub(crate) fn add(&mut self, later: Tally) {
        self.worlds += later.worlds;
        self.requests += later.requests;
        self.events += later.events;
        self.polls += later.polls;
        self.hash = fold(self.hash, later.hash);
    }

    /// Takes another witness of the run into the hash, such as a simulator's own fingerprint.
    pub(crate) fn witness(mut self, word: u64) -> Self {
        self.hash = fold(self.hash, word);
        self
    }
}

#[derive(Debug, Default)]
struct World {
    /// The version and the value of every compare-and-set that took effect, oldest first.
    log: Vec<(u64, u64)>,
    history: Vec<Operation>,
    /// The newest version that any client knows.
    known: u64,
    tally: Tally,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with(|world| f(&mut world.borrow_mut()))
}

/// Makes the world new; keeps the memory of the last one.
pub(crate) fn begin() {
    with(|world| {
        world.log.clear();
        world.history.clear();
        world.known = 0;
        world.tally = Tally::default();
    });
}

/// The register does what `request` says.
pub(crate) fn apply(request: Request) -> Reply {
    with(|world| {
        world.tally.requests += 1;
        world.tally.events += 2;
        let (version, value) = world.log.last().copied().unwrap_or((0, 0));
        match request {
            Request::Read => Reply::Value { version, value },
            Request::CompareAndSet { expected, .. } if expected != version => Reply::Conflict,
            Request::CompareAndSet { value, .. } => {
                world.log.push((version + 1, value));
                Reply::Stored {
                    version: version + 1,
                }
            }
        }
    })
}

/// A client begins an operation; the result is its number.
pub(crate) fn invoke(client: u32, kind: Kind) -> usize {
    with(|world| {
        world.history.push(Operation {
            kind,
            known: world.known,
            returned: None,
        });
        let word = u64::from(client) << 8 | kind as u64;
        world.tally.hash = fold(world.tally.hash, word);
        world.history.len() - 1
    })
}

/// An operation returned this version and value.
pub(crate) fn returned(operation: usize, version: u64, value: u64) {
    with(|world| {
        world.history[operation].returned = Some((version, value));
        world.known = world.known.max(version);
        let hash = fold(world.tally.hash, (operation as u64) << 32 | version);
        world.tally.hash = fold(hash, value);
    });
}

/// Counts a pause for thought.
pub(crate) fn thought() {
    with(|world| world.tally.events += 1);
}

/// Counts a poll of a client's task.
pub(crate) fn polled() {
    with(|world| world.tally.polls += 1);
}

/// Ends the world and checks its history.
///
/// # Panics
/// If the history is not that of a register: then the simulator or its adapter is wrong.
pub(crate) fn end() -> Tally {
    with(|world| {
        check(&world.log, &world.history);
        Tally {
            worlds: 1,
            ..world.tally
        }
    })
}

/// Versions are consecutive; everything acknowledged is in, once; every operation saw at least
/// what was known when it began, and a value that stood under its version.
fn check(log: &[(u64, u64)], history: &[Operation]) {
    assert_eq!(history.len() as u32, (WRITERS + READERS) * OPERATIONS);
    for (index, &(version, _)) in log.iter().enumerate() {
        assert_eq!(version, index as u64 + 1, "versions are not consecutive");
    }
    let mut acknowledged = vec![false; log.len()];
    for operation in history {
        let (version, value) = operation.returned.expect("every operation returns");
        let stood = match version {
            0 => 0,
            version => log[version as usize - 1].1,
        };
        assert_eq!(value, stood, "another value stood under version {version}");
        assert!(version >= operation.known, "version {version} is stale");
        if operation.kind == Kind::Write {
            assert!(version > operation.known, "a write under a known version");
            let seen = std::mem::replace(&mut acknowledged[version as usize - 1], true);
            assert!(!seen, "version {version} was acknowledged twice");
        }
    }
    assert!(
        acknowledged.iter().all(|&seen| seen),
        "a write out of nowhere"
    );
    assert_eq!(log.len() as u32, WRITERS * OPERATIONS);
}

/// Multiply to 128 bits and xor the halves: enough to tell two runs apart.
fn fold(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    (product >> 64) as u64 ^ product as u64
}
