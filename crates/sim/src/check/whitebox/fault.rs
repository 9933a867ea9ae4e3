//! What can contradict the log, each with the operations that prove it.

use std::fmt::Write as _;

use crate::history::{History, Key, Names, OpId, Value};

/// A contradiction between the commit log, the clients and real time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The log misses a number.
    LogGap {
        /// The number that is missing.
        missing: u64,
    },
    /// Two operations hold the same number.
    Fork {
        /// The number.
        number: u64,
        /// The first of them.
        first: OpId,
        /// The second.
        second: OpId,
    },
    /// One operation was committed twice.
    CommittedTwice {
        /// The operation.
        op: OpId,
        /// Its first number.
        first: u64,
        /// Its second number.
        second: u64,
    },
    /// An acknowledged write is not in the log.
    LostCommit {
        /// The write.
        op: OpId,
        /// The number that its client was told, if any.
        told: Option<u64>,
        /// Who holds that number instead.
        holder: Option<OpId>,
    },
    /// An acknowledged write is in the log under another number than its client was told.
    WrongNumber {
        /// The write.
        op: OpId,
        /// The number that its client was told.
        told: u64,
        /// The number in the log.
        number: u64,
    },
    /// An operation that was answered "definitely failed" is in the log.
    GhostCommit {
        /// The operation.
        op: OpId,
        /// Its number.
        number: u64,
    },
    /// A read saw a version that no commit wrote.
    PhantomVersion {
        /// The reader.
        op: OpId,
        /// The key.
        key: Key,
        /// The version.
        version: u64,
    },
    /// A read saw another value than its version holds.
    WrongValue {
        /// The reader.
        op: OpId,
        /// The key.
        key: Key,
        /// The version.
        version: u64,
        /// The value seen.
        seen: Value,
        /// The value that the version holds.
        holds: Value,
    },
    /// A transaction did not see its own earlier write.
    Internal {
        /// The transaction.
        op: OpId,
        /// The key.
        key: Key,
    },
    /// A value without a version that no position of the operation can explain.
    NoPosition {
        /// The operation.
        op: OpId,
        /// The key.
        key: Key,
    },
    /// A writer did not read the state that it committed on: lost update or write skew.
    NotTheStateCommittedOn {
        /// The writer.
        op: OpId,
        /// Its number.
        number: u64,
        /// The key that it had read.
        key: Key,
        /// The commit that changed the key in between, and its number.
        between: Option<(OpId, u64)>,
    },
    /// Under snapshot isolation: another commit wrote the same key after the snapshot.
    LostUpdate {
        /// The writer.
        op: OpId,
        /// Its number.
        number: u64,
        /// The key that both wrote.
        key: Key,
        /// The other writer and its number.
        other: (OpId, u64),
    },
    /// A reader saw one key before and another key after the same commit.
    TornSnapshot {
        /// The reader.
        op: OpId,
        /// The key whose version was replaced too early.
        old: Key,
        /// The commit that replaced it, and its number.
        replaced_by: Option<(OpId, u64)>,
        /// The key whose version is at least that new.
        new: Key,
        /// That version.
        version: u64,
    },
    /// An operation does not see the state that its snapshot number names.
    NotItsSnapshot {
        /// The operation.
        op: OpId,
        /// The snapshot number.
        snapshot: u64,
        /// The key that does not fit.
        key: Key,
    },
    /// A writer began after a later position had been seen.
    CommitAgainstRealTime {
        /// The writer.
        op: OpId,
        /// Its number.
        number: u64,
        /// The operation that had ended before, at position `position`.
        past: OpId,
        /// Its position.
        position: u64,
    },
    /// A reader saw a version that had been replaced before it began.
    StaleRead {
        /// The reader.
        op: OpId,
        /// The key.
        key: Key,
        /// The commit that replaced the version, and its number.
        replaced_by: Option<(OpId, u64)>,
        /// The operation whose end makes that past.
        past: OpId,
        /// Its position.
        position: u64,
    },
    /// A session guarantee: the process had been further than this.
    WentBack {
        /// The operation that went back.
        op: OpId,
        /// The earlier operation of the same process.
        earlier: OpId,
        /// The key, for guarantees about one key.
        key: Option<Key>,
        /// The number that the earlier operation had reached.
        reached: u64,
        /// The number of the later one.
        number: u64,
    },
}

impl Fault {
    /// Name of the rule that is broken, stable across releases.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Fault::LogGap { .. } => "log-gap",
            Fault::Fork { .. } => "fork",
            Fault::CommittedTwice { .. } => "committed-twice",
            Fault::LostCommit { .. } => "lost-commit",
            Fault::WrongNumber { .. } => "wrong-number",
            Fault::GhostCommit { .. } => "ghost-commit",
            Fault::PhantomVersion { .. } => "phantom-version",
            Fault::WrongValue { .. } => "wrong-value",
            Fault::Internal { .. } => "internal",
            Fault::NoPosition { .. } => "no-position",
            Fault::NotTheStateCommittedOn { .. } => "not-the-state-committed-on",
            Fault::LostUpdate { .. } => "lost-update",
            Fault::TornSnapshot { .. } => "torn-snapshot",
            Fault::NotItsSnapshot { .. } => "not-its-snapshot",
            Fault::CommitAgainstRealTime { .. } => "commit-against-real-time",
            Fault::StaleRead { .. } => "stale-read",
            Fault::WentBack { .. } => "went-back",
        }
    }

    /// The operations that prove it, without duplicates.
    #[must_use]
    pub fn ops(&self) -> Vec<OpId> {
        let mut ops = match *self {
            Fault::LogGap { .. } => vec![],
            Fault::Fork { first, second, .. } => vec![first, second],
            Fault::LostCommit { op, holder, .. } => {
                [Some(op), holder].into_iter().flatten().collect()
            }
            Fault::CommittedTwice { op, .. }
            | Fault::WrongNumber { op, .. }
            | Fault::GhostCommit { op, .. }
            | Fault::PhantomVersion { op, .. }
            | Fault::WrongValue { op, .. }
            | Fault::Internal { op, .. }
            | Fault::NoPosition { op, .. }
            | Fault::NotItsSnapshot { op, .. } => vec![op],
            Fault::NotTheStateCommittedOn { op, between, .. } => with(op, between),
            Fault::LostUpdate { op, other, .. } => vec![op, other.0],
            Fault::TornSnapshot { op, replaced_by, .. } => with(op, replaced_by),
            Fault::CommitAgainstRealTime { op, past, .. } => vec![op, past],
            Fault::StaleRead { op, replaced_by, past, .. } => {
                let mut ops = with(op, replaced_by);
                ops.push(past);
                ops
            }
            Fault::WentBack { op, earlier, .. } => vec![op, earlier],
        };
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// The contradiction as one or two sentences.
    #[must_use]
    pub fn sentence(&self, history: &History, names: &dyn Names) -> String {
        let who = |op: OpId| tell(history, names, op);
        let mut text = String::new();
        let _ = match self {
            Fault::LogGap { missing } => write!(text, "the log has no commit {missing}"),
            Fault::Fork { number, first, second } => {
                write!(text, "{} and {} are both commit {number}", who(*first), who(*second))
            }
            Fault::CommittedTwice { op, first, second } => {
                write!(text, "{} is commit {first} and commit {second}", who(*op))
            }
            Fault::LostCommit { op, told: Some(told), holder } => {
                let _ = write!(text, "{} was told that it is commit {told}, ", who(*op));
                match holder {
                    Some(holder) => write!(text, "but commit {told} is {}", who(*holder)),
                    None => write!(text, "but it is not in the log"),
                }
            }
            Fault::LostCommit { op, told: None, .. } => {
                write!(text, "{} was acknowledged, but it is not in the log", who(*op))
            }
            Fault::WrongNumber { op, told, number } => {
                write!(
                    text,
                    "{} was told that it is commit {told}, but it is commit {number}",
                    who(*op)
                )
            }
            Fault::GhostCommit { op, number } => {
                write!(text, "{} was told that it failed, but it is commit {number}", who(*op))
            }
            Fault::PhantomVersion { op, key, version } => write!(
                text,
                "{} saw version {version} of {}, which no commit wrote",
                who(*op),
                names.key(*key)
            ),
            Fault::WrongValue { op, key, version, seen, holds } => write!(
                text,
                "{} saw {}={} as version {version}, but that version holds {}",
                who(*op),
                names.key(*key),
                names.value(*seen),
                names.value(*holds)
            ),
            Fault::Internal { op, key } => {
                write!(text, "{} did not see its own write of {}", who(*op), names.key(*key))
            }
            Fault::NoPosition { op, key } => write!(
                text,
                "no state that {} may have read holds what it saw of {}",
                who(*op),
                names.key(*key)
            ),
            Fault::NotTheStateCommittedOn { op, number, key, between } => {
                let _ = write!(
                    text,
                    "{} is commit {number}, but the version of {} that it read ",
                    who(*op),
                    names.key(*key)
                );
                match between {
                    Some((other, at)) => {
                        write!(text, "had been replaced by {}, commit {at}", who(*other))
                    }
                    None => write!(text, "is newer"),
                }
            }
            Fault::LostUpdate { op, number, key, other } => write!(
                text,
                "{}, commit {number}, and {}, commit {}, both wrote {} and neither saw the other",
                who(*op),
                who(other.0),
                other.1,
                names.key(*key)
            ),
            Fault::TornSnapshot { op, old, replaced_by, new, version } => {
                let _ =
                    write!(text, "{} saw {} as of commit {version}, ", who(*op), names.key(*new));
                match replaced_by {
                    Some((other, at)) => write!(
                        text,
                        "together with {} from before {}, commit {at}",
                        names.key(*old),
                        who(*other)
                    ),
                    None => write!(text, "together with an older {}", names.key(*old)),
                }
            }
            Fault::NotItsSnapshot { op, snapshot, key } => write!(
                text,
                "{} read snapshot {snapshot}, but what it saw of {} is not of that snapshot",
                who(*op),
                names.key(*key)
            ),
            Fault::CommitAgainstRealTime { op, number, past, position } => write!(
                text,
                "{} is commit {number}, but it began after {} had ended, which is at commit {position}",
                who(*op),
                who(*past)
            ),
            Fault::StaleRead { op, key, replaced_by, past, position } => {
                let _ = write!(text, "{} saw a version of {} ", who(*op), names.key(*key));
                let _ = match replaced_by {
                    Some((other, at)) => {
                        write!(text, "that {}, commit {at}, had replaced", who(*other))
                    }
                    None => write!(text, "that is too old"),
                };
                write!(text, "; {} had ended before, at commit {position}", who(*past))
            }
            Fault::WentBack { op, earlier, key, reached, number } => {
                let _ = write!(text, "{} is at commit {number}", who(*op));
                if let Some(key) = key {
                    let _ = write!(text, " of {}", names.key(*key));
                }
                write!(text, ", after {} of the same process had been at {reached}", who(*earlier))
            }
        };
        text
    }
}

fn with(op: OpId, other: Option<(OpId, u64)>) -> Vec<OpId> {
    [Some(op), other.map(|(other, _)| other)].into_iter().flatten().collect()
}

fn tell(history: &History, names: &dyn Names, op: OpId) -> String {
    let entry = history.op(op);
    let place = names.place(entry.invoke, history.at(entry.invoke));
    format!("T{} ({} at {place})", op.0, names.process(entry.process))
}
