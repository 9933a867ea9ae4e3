//! Rules about operations and commits: acknowledged means present, failed means absent, unknown
//! means at most once; each commit is whole, asked for, and rests on reads that still hold.
//!
//! A commit is judged at the moment at which it takes effect in the store, an ending at the moment
//! at which the client learns of it. Together with `reads` this is strict serializability in one
//! pass: the log gives the order; every read is checked at a position in it ("what was read still
//! holds where it commits"); real time is one number, the newest commit that is certainly past.

use std::sync::Arc;

use sim::trace::Kind;
use sim::{ProcessId, emit_with};

use super::model::{Model, Version};
use super::{Commit, Judge, Op, OpState, Rule, SessionId};
use crate::workload::{KeyId, KeyRange, OpId, OpKind, Operation, ReadTarget, ValueId, Write};

/// How an operation ended, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It took effect; writing operations say under which commit number.
    Ok {
        /// Number of the commit, for an operation that writes.
        commit: Option<u64>,
    },
    /// It had no effect, and never will.
    Failed(Failure),
    /// It may have taken effect, or may still do so, once.
    Unknown,
}

/// What somebody is told who asks later what became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is the commit with this number.
    Committed(u64),
    /// It has no effect, and never will.
    NeverCommitted,
}

/// Why an operation failed for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A commit wrote what the operation had read.
    Conflict {
        /// The key in question, if the system tells it.
        key: Option<KeyId>,
        /// Number of the commit in question.
        seq: u64,
    },
    /// The store did not answer in time, and nothing was sent that could still take effect.
    Unavailable,
    /// The process has lost its role.
    Fenced,
    /// The operation or the state is larger than the system allows.
    TooLarge,
    /// The system says that stored bytes are damaged or missing.
    Corrupt,
    /// The snapshot is too old to be read any more.
    Expired,
}

impl Failure {
    fn code(self) -> u64 {
        match self {
            Failure::Conflict { .. } => 1,
            Failure::Unavailable => 2,
            Failure::Fenced => 3,
            Failure::TooLarge => 4,
            Failure::Corrupt => 5,
            Failure::Expired => 6,
        }
    }
}

impl Judge {
    /// A client of `session` begins an operation, whose number must be [`Judge::next_op`].
    ///
    /// # Panics
    /// If the number is another one.
    pub fn invoke(&mut self, session: SessionId, operation: Arc<Operation>) -> OpId {
        let id = self.next_op();
        assert_eq!(operation.id, id, "operations are numbered in the order of invocation");
        let state = self.sessions[session.0 as usize];
        let numbers = (u64::from(id.0), operation.kind as u64);
        let invoked_event = emit_with(state.process, Kind::Invoke, 0, numbers.0, numbers.1, || {
            operation.to_string()
        });
        self.record.invoke(session.0, operation.freshness, operation.writes.is_empty());
        self.ops.push(Op {
            operation,
            session,
            process: state.process,
            invoked_event,
            invoked_ns: sim::now_ns(),
            floor: self.floor,
            session_floor: state.floor,
            snapshot: None,
            committed: None,
            denied: None,
            state: OpState::Running,
        });
        id
    }

    /// Commit number `self.commits() + 1` took effect in the store, by a request of `process`. It
    /// says that it is operation `token` and has these writes.
    pub fn commit(
        &mut self,
        process: ProcessId,
        token: Option<OpId>,
        writes: impl IntoIterator<Item = (Write, Option<ValueId>)>,
    ) {
        self.counts.history += 1;
        let seq = self.commits() + 1;
        let number = token.map_or(u64::MAX, |op| u64::from(op.0));
        let event = emit_with(process, Kind::Commit, 0, number, seq, || match token {
            Some(op) => format!("commit {seq} = operation {}", op.0),
            None => format!("commit {seq} of nobody"),
        });
        let first = self.writes.len() as u32;
        self.writes.extend(writes);
        let range = (first, self.writes.len() as u32);
        let op = token.unwrap_or(OpId(u32::MAX));
        self.log.push(Commit { op, event, writes: range });
        if self.ops.get(op.0 as usize).is_none() {
            let what = format!("commit {seq} carries the mark of no operation of this world");
            return self.broken(Rule::CommitAsked, process, what, &[event]);
        }
        self.judge_commit(process, op, seq, event);
        self.effect_of_commit(range);
        self.record.commit(op, seq, self.effect.iter().copied());
        for index in 0..self.effect.len() {
            let (key, value) = self.effect[index];
            self.model.apply(key, Version { seq, value });
        }
    }

    fn judge_commit(&mut self, process: ProcessId, id: OpId, seq: u64, event: u64) {
        let op = &self.ops[id.0 as usize];
        let invoked = op.invoked_event;
        if let Some((earlier, earlier_event)) = op.committed {
            let what = format!("{} is commit {earlier} and commit {seq}", describe(op));
            let evidence = [invoked, earlier_event, event];
            // What commits the rest of an operation does not repeat it: it was torn.
            let rule = match self.is_whole(id, seq) {
                true => Rule::CommittedOnce,
                false => Rule::CommitWhole,
            };
            return self.broken(rule, process, what, &evidence);
        }
        if op.state == OpState::Failed {
            let what = format!("{} was reported as failed and is commit {seq}", describe(op));
            return self.broken(Rule::FailedAbsent, process, what, &[invoked, event]);
        }
        if let Some(denied) = op.denied {
            let what = format!(
                "somebody was told that {} would never be committed, and it is commit {seq}",
                describe(op)
            );
            return self.broken(Rule::FailedAbsent, process, what, &[invoked, denied, event]);
        }
        if op.floor >= seq {
            let what = format!(
                "{} began after commit {} was seen and is commit {seq}",
                describe(op),
                op.floor
            );
            return self.broken(Rule::CommitOrder, process, what, &[invoked, event]);
        }
        if let Some((key, version)) = overwritten_read(op, &self.model) {
            let rival = self.log[version.seq as usize - 1];
            let what = format!(
                "{} is commit {seq} and read {key} at commit {}, but commit {} (operation {}) wrote {key} in between",
                describe(op),
                op.snapshot.unwrap_or(0),
                version.seq,
                rival.op.0
            );
            return self.broken(
                Rule::ReadsStillHold,
                process,
                what,
                &[invoked, rival.event, event],
            );
        }
        if !self.is_whole(id, seq) {
            let name = describe(&self.ops[id.0 as usize]);
            let what = format!("commit {seq} does not hold exactly the writes of {name}");
            return self.broken(Rule::CommitWhole, process, what, &[invoked, event]);
        }
        self.ops[id.0 as usize].committed = Some((seq, event));
    }

    /// Whether the writes of the newest commit have the effect of the operation's own writes.
    fn is_whole(&mut self, id: OpId, seq: u64) -> bool {
        let asked = &self.ops[id.0 as usize].operation.writes;
        let (first, end) = self.log[seq as usize - 1].writes;
        let stored = &self.writes[first as usize..end as usize];
        let wanted = |(index, write): (usize, &Write)| {
            (*write, matches!(write, Write::Put(_)).then(|| ValueId::new(id, index)))
        };
        if asked.len() == stored.len()
            && asked.iter().enumerate().map(wanted).eq(stored.iter().copied())
        {
            return true;
        }
        // A system may drop or reorder writes that overwrite one another: the effect counts.
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        effect(&self.model, asked.iter().enumerate().map(wanted), &mut expected);
        effect(&self.model, stored.iter().copied(), &mut found);
        expected.sort_unstable();
        found.sort_unstable();
        expected == found
    }

    fn effect_of_commit(&mut self, (first, end): (u32, u32)) {
        self.effect.clear();
        let stored = self.writes[first as usize..end as usize].iter().copied();
        effect(&self.model, stored, &mut self.effect);
    }

    /// The client of operation `id` learns how it ended.
    pub fn respond(&mut self, id: OpId, ending: Ending) {
        if self.is_off() {
            return;
        }
        self.counts.history += 1;
        let op = &mut self.ops[id.0 as usize];
        let (process, kind) = (op.process, op.operation.kind);
        let number = u64::from(id.0);
        op.state = match ending {
            Ending::Ok { .. } => OpState::Acknowledged,
            Ending::Failed(_) => OpState::Failed,
            Ending::Unknown => OpState::Unknown,
        };
        let event = match ending {
            Ending::Ok { commit } => {
                let seen = commit.or(op.snapshot).unwrap_or(0);
                emit_with(process, success_kind(kind), 0, number, seen, || match commit {
                    Some(seq) => {
                        format!("{kind} {number} acknowledged as commit {seq}", kind = kind.name())
                    }
                    None => format!("{kind} {number} at commit {seen}", kind = kind.name()),
                })
            }
            Ending::Failed(failure) => {
                let event = match failure {
                    Failure::Conflict { .. } => Kind::Conflict,
                    _ => Kind::Fail,
                };
                emit_with(process, event, 0, number, failure.code(), || {
                    format!("{} {number} failed: {failure:?}", kind.name())
                })
            }
            Ending::Unknown => emit_with(process, Kind::Unknown, 0, number, 0, || {
                format!("{} {number} has an unknown outcome", kind.name())
            }),
        };
        match ending {
            Ending::Ok { commit } => self.acknowledged(id, commit, event),
            Ending::Failed(failure) => {
                if matches!(failure, Failure::Conflict { .. }) {
                    sim::count("outcome.conflict");
                }
                self.failed(id, failure, event);
            }
            Ending::Unknown => sim::count("outcome.unknown"),
        }
        self.record.respond(id, ending);
        self.now_past(id, ending);
    }

    /// A client of `process` asked what became of operation `id`, of whomever, and was told.
    pub fn told(&mut self, process: ProcessId, id: OpId, said: Said) {
        if self.is_off() {
            return;
        }
        let number = u64::from(id.0);
        let seq = if let Said::Committed(seq) = said { seq } else { 0 };
        let event = emit_with(process, Kind::Told, 0, number, seq, || match said {
            Said::Committed(seq) => format!("is told that operation {number} is commit {seq}"),
            Said::NeverCommitted => format!("is told that operation {number} has no effect"),
        });
        self.counts.history += 1;
        let op = &mut self.ops[id.0 as usize];
        let invoked = op.invoked_event;
        match (said, op.committed) {
            (Said::Committed(seq), Some((actual, _))) if seq == actual => {
                // Whoever asks may build on the answer.
                self.floor = self.floor.max(seq);
            }
            (Said::NeverCommitted, None) => op.denied = Some(event),
            (Said::Committed(seq), committed) => {
                let truth = match committed {
                    Some((actual, _)) => format!("it is commit {actual}"),
                    None => String::from("it is none"),
                };
                let what =
                    format!("somebody was told that {} is commit {seq}, but {truth}", describe(op));
                self.broken(Rule::AcknowledgedPresent, process, what, &[invoked, event]);
            }
            (Said::NeverCommitted, Some((actual, committed))) => {
                let what = format!(
                    "somebody was told that {} has no effect, and it is commit {actual}",
                    describe(op)
                );
                let evidence = [invoked, committed, event];
                self.broken(Rule::FailedAbsent, process, what, &evidence);
            }
        }
    }

    fn acknowledged(&mut self, id: OpId, commit: Option<u64>, event: u64) {
        let op = &self.ops[id.0 as usize];
        let (process, invoked) = (op.process, op.invoked_event);
        if op.operation.writes.is_empty() {
            return;
        }
        if let (Some(said), Some((actual, _))) = (commit, op.committed)
            && said == actual
        {
            return;
        }
        let name = describe(op);
        let said = commit.map_or(String::from("a commit"), |seq| format!("commit {seq}"));
        let mut evidence = vec![invoked];
        let truth = match (op.committed, commit.and_then(|seq| self.log.get(seq as usize - 1))) {
            (Some((actual, event)), _) => {
                evidence.push(event);
                format!("it is commit {actual}")
            }
            (None, Some(holder)) => {
                evidence.push(holder.event);
                format!("that commit is operation {}", holder.op.0)
            }
            (None, None) => format!("the store has {} commits", self.commits()),
        };
        evidence.push(event);
        let what = format!("{name} was acknowledged as {said}, but {truth}");
        self.broken(Rule::AcknowledgedPresent, process, what, &evidence);
    }

    fn failed(&mut self, id: OpId, failure: Failure, event: u64) {
        let op = &self.ops[id.0 as usize];
        let (process, invoked) = (op.process, op.invoked_event);
        if let Some((seq, committed)) = op.committed {
            let what = format!(
                "{} was reported as failed ({failure:?}) and is commit {seq}",
                describe(op)
            );
            return self.broken(Rule::FailedAbsent, process, what, &[invoked, committed, event]);
        }
        if failure == Failure::Corrupt {
            let what = format!("{} was told that stored bytes are damaged or gone", describe(op));
            return self.broken(Rule::SnapshotReadable, process, what, &[invoked, event]);
        }
        if let Failure::Conflict { key, seq } = failure
            && !self.is_real_conflict(op, key, seq)
        {
            let what = format!(
                "{} read at commit {} and was refused because of commit {seq}, which wrote nothing of what it read",
                describe(op),
                op.snapshot.unwrap_or(0)
            );
            self.broken(Rule::ConflictReal, process, what, &[invoked, event]);
        }
    }

    fn is_real_conflict(&self, op: &Op, key: Option<KeyId>, seq: u64) -> bool {
        let Some(commit) = (seq as usize).checked_sub(1).and_then(|index| self.log.get(index))
        else {
            return false;
        };
        // A process that skipped history knows that a key was deleted in between, and names the
        // last commit that it may have been.
        let since = op.snapshot.map_or(0, |snapshot| snapshot as usize);
        let first = self.log.get(since).map_or(commit.writes.0, |first| first.writes.0);
        let writes = &self.writes[first.min(commit.writes.0) as usize..commit.writes.1 as usize];
        let touched = |key: KeyId| {
            writes.iter().any(|(write, _)| match write {
                Write::Put(own) | Write::Delete(own) => *own == key,
                Write::DeleteRange(range) => range.contains(key),
            })
        };
        let newer = op.snapshot.is_none_or(|snapshot| seq > snapshot);
        let covered =
            |key: KeyId| op.operation.reads.iter().any(|read| read.covers(key)) && touched(key);
        newer
            && match key {
                Some(key) => covered(key),
                None => self.model.written_keys(KeyRange::ALL).any(covered),
            }
    }

    /// What an ended operation has seen is in the past from now on, for everybody.
    fn now_past(&mut self, id: OpId, ending: Ending) {
        self.counts.real_time += 1;
        let op = &self.ops[id.0 as usize];
        let commit = match ending {
            Ending::Ok { commit } => commit.unwrap_or(0),
            Ending::Failed(_) | Ending::Unknown => 0,
        };
        let seen = op.snapshot.unwrap_or(0).max(commit);
        self.floor = self.floor.max(seen);
        // What a client reads from a snapshot of the past is not what its process knows.
        if !op.operation.freshness.is_past() {
            let session = &mut self.sessions[op.session.0 as usize];
            session.floor = session.floor.max(seen);
        }
    }
}

/// A key that `op` read and that has changed since, if there is one.
fn overwritten_read(op: &Op, model: &Model) -> Option<(KeyId, Version)> {
    let snapshot = op.snapshot?;
    // A key that was absent then and is absent now still holds, whatever was there in between.
    let changed = |key: KeyId, version: &Version| {
        let was_absent = || model.at(key, snapshot).is_none_or(|then| then.value.is_none());
        version.seq > snapshot && (version.value.is_some() || !was_absent())
    };
    op.operation.reads.iter().find_map(|read| match read {
        ReadTarget::Key(key) => model
            .latest(*key)
            .filter(|version| changed(*key, version))
            .map(|version| (*key, version)),
        ReadTarget::Range(range) => model
            .written_keys(*range)
            .filter_map(|key| model.latest(key).map(|version| (key, version)))
            .find(|(key, version)| changed(*key, version)),
    })
}

/// What `writes`, one after another, change in the model: each key at most once.
fn effect(
    model: &Model,
    writes: impl Iterator<Item = (Write, Option<ValueId>)>,
    out: &mut Vec<(KeyId, Option<ValueId>)>,
) {
    fn set(out: &mut Vec<(KeyId, Option<ValueId>)>, key: KeyId, value: Option<ValueId>) {
        match out.iter_mut().find(|(other, _)| *other == key) {
            Some(entry) => entry.1 = value,
            None => out.push((key, value)),
        }
    }
    for (write, value) in writes {
        match write {
            Write::Put(key) => set(out, key, value),
            Write::Delete(key) => set(out, key, None),
            Write::DeleteRange(range) => {
                model.written_keys(range).for_each(|key| set(out, key, None));
                out.iter_mut()
                    .filter(|(key, _)| range.contains(*key))
                    .for_each(|entry| entry.1 = None);
            }
        }
    }
    out.retain(|(key, value)| value.is_some() || model.is_present(*key));
}

/// An operation as a person calls it: `writer-2's put 17`.
pub(super) fn describe(op: &Op) -> String {
    let process = sim::process_names()
        .get(usize::from(op.process.0))
        .map_or_else(|| String::from("nobody"), ToString::to_string);
    format!("{process}'s {} {}", op.operation.kind.name(), op.operation.id.0)
}

fn success_kind(kind: OpKind) -> Kind {
    match kind {
        OpKind::Get => Kind::Read,
        OpKind::Scan => Kind::Scan,
        OpKind::ReadModifyWrite => Kind::ReadModifyWrite,
        _ => Kind::Ok,
    }
}
