//! From waiting transactions to the next head: validation, and encoding.
//!
//! A transaction is validated at the place that it is about to get: against everything that was
//! committed after its base, and against the transactions before it in the same batch. Whatever
//! was decided for an earlier head is decided again for the next one.
//!
//! A conflict with what is committed is final, and the transaction is refused at once. A conflict
//! with an earlier one of the same batch is not: that one is not published yet, may lose the race,
//! and may then be refused itself. So the later one stays in the batch for the next round, with all
//! that stand behind it (ids of one writer enter history in order), and that round comes right after
//! the PUT is decided. If the earlier one landed the later one meets it as a committed change, and is
//! told the seq that it really has; if not, it is judged anew. Each round decides at least one
//! transaction and takes no new ones in, so nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::UpdateVersion;

use super::filling::{Filled, Filling, Fit, NewSegment};
use super::{Commit, EditWork, Work};
use crate::edit::Draft;
use crate::env::random_u128;
use crate::error::{Error, Limit};
use crate::format::directory::Directory;
use crate::format::head::{Head, HeadWriter};
use crate::format::record::Op;
use crate::history::{Found, History};
use crate::index::Index;
use crate::inner::{Inner, lock};
use crate::planted::{Bugs, PlantedBug};
use crate::range::KeyRange;
use crate::state::State;
use crate::steps::*;

/// A head that is to replace its base, and whose transactions it carries.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) base: Arc<UpdateVersion>,
    pub(super) base_version: u64,
    /// A segment that the head names and that is not written yet.
    pub(super) segment: Option<NewSegment>,
    pub(super) next: Arc<Head>,
    /// The transactions in it and their seqs.
    pub(super) carried: Vec<(Work, u64)>,
}

/// What became of a batch that was validated.
#[derive(Debug)]
pub(super) enum Built {
    /// There is nothing to send.
    Nothing,
    /// A head to send.
    Head(Attempt),
    /// The first transaction does not fit, and the head names as many segments as it can.
    NoRoom,
}

/// Whether there is something to do about a head without room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Room {
    #[default]
    CanBeMade,
    /// What does not fit is refused.
    IsFinal,
}

/// What the transactions before this one in the same batch change: the keys, and whether each is
/// present after it.
pub(super) type Changes = BTreeMap<Bytes, bool>;

impl Attempt {
    /// Validates the batch against the newest state and builds the head that commits what
    /// survives, with the edits that apply. Those that cannot be committed get their outcome here;
    /// those that do not fit, and those that wait for what becomes of an earlier one, stay in
    /// `batch`, in their order. Edits stay in `edits` until a head has them.
    pub(super) fn build(
        inner: &Inner,
        batch: &mut Vec<Work>,
        edits: &mut Vec<EditWork>,
        room: Room,
    ) -> Built {
        step!(COMMIT_VALIDATE);
        let mut state = lock(&inner.state);
        let base = Arc::clone(&state.head);
        let mut draft = Draft::of(&base, inner.options.head_limit_bytes, inner.bugs);
        let has_edits = settle_edits(edits, &base, &mut draft);
        let mut filling = Filling::new(inner, draft, batch);
        let mut later = Vec::new();
        let mut no_room = false;
        let mut waiting = batch.drain(..);
        for work in waiting.by_ref() {
            if work.slot.is_withdrawn() {
                work.withdraw(&mut state);
                continue;
            }
            #[cfg(feature = "planted-bugs")]
            if inner.bugs.is(PlantedBug::TornBatch) && work.is_refused() {
                work.withdraw(&mut state);
                continue;
            }
            if let Err(refused) = validate(inner, &work, &state, filling.directory()) {
                work.finish(&mut state, Err(refused));
                continue;
            }
            if reads_changed(&work, filling.changes())
                && !inner.bugs.is(PlantedBug::BatchConflictMissed)
            {
                step!(COMMIT_DEFERRED);
                later.push(work);
                // Ids of one writer enter in order: those behind it wait with it.
                if inner.bugs.is(PlantedBug::BatchReordered) {
                    continue;
                }
                break;
            }
            match filling.fit(&mut state.ready, work.encoded_len) {
                #[cfg(feature = "planted-bugs")]
                Fit::Yes if inner.bugs.is(PlantedBug::TornBatch) => {
                    let mut rest = work;
                    let Some(first) = rest.tear(&mut state) else {
                        filling.push(&state.index, rest);
                        continue;
                    };
                    filling.push(&state.index, first);
                    later.push(rest);
                    break;
                }
                Fit::Yes => filling.push(&state.index, work),
                Fit::NextHead => {
                    step!(COMMIT_BATCH_SPLIT);
                    later.push(work);
                    break;
                }
                Fit::No { .. } if room == Room::CanBeMade => {
                    no_room = true;
                    later.push(work);
                    break;
                }
                Fit::No { size } => {
                    step!(COMMIT_HEAD_FULL);
                    let max = inner.options.head_limit_bytes;
                    let error = Error::TooLarge { limit: Limit::Head, size, max };
                    work.finish(&mut state, Err(error));
                }
            }
        }
        later.extend(waiting);
        *batch = later;
        match filling.finish(&mut state.ready, has_edits) {
            Some(Filled { head, segment, carried }) => {
                let (base, base_version) = (Arc::clone(&state.tag), state.head.header.version);
                Built::Head(Attempt { base, base_version, segment, next: Arc::new(head), carried })
            }
            None if no_room => Built::NoRoom,
            None => Built::Nothing,
        }
    }

    /// What the history says of its transactions. They are in one head, one is all; and the last
    /// of them is the one that even a folded history names.
    pub(super) fn find_in(&self, history: &History, bugs: Bugs) -> Found {
        match self.carried.last() {
            Some((work, _)) if bugs.is(PlantedBug::DedupByWseq) => history.find_by_wseq(work.id),
            Some((work, seq)) => history.find(work.id, *seq),
            None => Found::Absent,
        }
    }

    /// The store has this head: takes it over into the state, and tells everybody in it.
    pub(super) fn enter(self, inner: &Inner, tag: UpdateVersion, sent_at: Duration) {
        let mut state = lock(&inner.state);
        // A read may have seen this head, or one after it, before the PUT's answer came.
        if state.head.header.version >= self.next.header.version {
            return finish_committed(&mut state, self.carried);
        }
        // Nobody needs their bases any more: versions that only those could read need not be kept.
        for (work, _) in &self.carried {
            state.index.release(work.base);
        }
        for (work, seq) in self.carried {
            for op in work.ops {
                state.index.apply(op, seq);
            }
            state.history.insert(work.id, seq);
            work.slot.finish(Ok(Commit { id: work.id, seq }));
        }
        state.adopt(self.next, Arc::new(tag));
        state.confirm(sent_at);
    }

    /// This head is in the history, seen from behind: refuses those of the batch that had read what
    /// it changes. Where history is folded nothing else may be left to tell that it changed.
    pub(super) fn refuse_deferred(&self, inner: &Inner, batch: &mut Vec<Work>) {
        let changed_for = |work: &Work| {
            self.carried.iter().find_map(|(earlier, seq)| {
                let key = earlier.ops.iter().find_map(|op| read_by(work, op));
                key.map(|key| (key, *seq))
            })
        };
        let mut state = lock(&inner.state);
        for work in std::mem::take(batch) {
            match changed_for(&work) {
                Some((key, seq)) => work.finish(&mut state, Err(Error::Conflict { key, seq })),
                None => batch.push(work),
            }
        }
    }

    /// The history has this head's transactions already: tells everybody.
    pub(super) fn found(self, inner: &Inner) {
        finish_committed(&mut lock(&inner.state), self.carried);
    }

    /// Ends all with the same error, each its own.
    pub(super) fn fail(self, inner: &Inner, error: impl Fn(&Work) -> Error) {
        let mut state = lock(&inner.state);
        for (work, _) in self.carried {
            let error = error(&work);
            work.finish(&mut state, Err(error));
        }
    }

    /// The store has the burning head, which carries nothing.
    pub(super) fn enter_burn(&self, inner: &Inner, tag: UpdateVersion, sent_at: Duration) {
        let mut state = lock(&inner.state);
        if state.head.header.version < self.next.header.version {
            state.adopt(Arc::clone(&self.next), Arc::new(tag));
            state.confirm(sent_at);
        }
    }

    /// The head that kills the same base and adds nothing.
    pub(super) fn burning(&self, inner: &Inner) -> Option<Arc<Head>> {
        let state = lock(&inner.state);
        (state.head.header.version == self.base_version).then(|| {
            let nonce = random_u128(&*inner.requests.env);
            Arc::new(HeadWriter::follow(&state.head, nonce, 0).burn().finish())
        })
    }
}

fn finish_committed(state: &mut State, carried: Vec<(Work, u64)>) {
    for (work, seq) in carried {
        let id = work.id;
        work.finish(state, Ok(Commit { id, seq }));
    }
}

/// Edits that the base has, or that it rules out, get their outcome; those that apply go into the
/// draft. Whether there are any.
fn settle_edits(edits: &mut Vec<EditWork>, base: &Arc<Head>, draft: &mut Draft<'_>) -> bool {
    edits.retain(|work| {
        if work.slot.is_withdrawn() {
            return false;
        }
        if work.edit.is_done(base) {
            work.slot.finish(Ok(Ok(Arc::clone(base))));
            return false;
        }
        match work.edit.apply(draft) {
            Ok(()) => true,
            Err(refusal) => {
                work.slot.finish(Ok(Err(refusal)));
                false
            }
        }
    });
    !edits.is_empty()
}

/// Its role is still its own, and nothing that the transaction read has been changed by a commit
/// after its base.
fn validate(inner: &Inner, work: &Work, state: &State, directory: &Directory) -> Result<(), Error> {
    if let Some(claim) = &work.claim
        && let Err(refusal) = claim.check(directory, inner.bugs)
    {
        step!(COMMIT_FENCED);
        return Err(refusal.error());
    }
    let base = if inner.bugs.is(PlantedBug::ConflictWindowLatestOnly) {
        work.base.max(state.seq().saturating_sub(1))
    } else if inner.bugs.is(PlantedBug::ValidatedFromNext) {
        work.base + 1
    } else {
        work.base
    };
    let unchanged = validate_reads(work, &state.index, base);
    if unchanged.is_err() {
        step!(COMMIT_CONFLICT);
    }
    unchanged
}

/// Nothing that the transaction read has been changed by a commit after `base`.
fn validate_reads(work: &Work, index: &Index, base: u64) -> Result<(), Error> {
    for key in &work.reads {
        if let Some(seq) = index.changed_since(key, base) {
            return Err(Error::Conflict { key: key.clone(), seq });
        }
    }
    for range in &work.ranges {
        if let Some((key, seq)) = index.range_changed_since(range, base) {
            return Err(Error::Conflict { key, seq });
        }
    }
    Ok(())
}

/// A key that a transaction read, point or range, and that an operation may change.
fn read_by(work: &Work, op: &Op) -> Option<Bytes> {
    match op {
        Op::Put { key, .. } | Op::Delete { key } => {
            let read = work.reads.contains(key) || work.ranges.iter().any(|it| it.contains(key));
            read.then(|| key.clone())
        }
        Op::DeleteRange { start, end } => {
            let gone = KeyRange { start: start.clone(), end: end.clone() };
            let point = work.reads.iter().find(|key| gone.contains(key)).cloned();
            point.or_else(|| {
                let first = |range: &KeyRange| range.start.clone().max(start.clone());
                let shared = |range: &&KeyRange| {
                    let first = first(range);
                    gone.contains(&first) && range.contains(&first)
                };
                work.ranges.iter().find(shared).map(first)
            })
        }
    }
}

/// Whether an earlier transaction of the batch changes what this one read.
fn reads_changed(work: &Work, changes: &Changes) -> bool {
    if changes.is_empty() {
        return false;
    }
    let in_range = |range: &KeyRange| changes.range::<[u8], _>(range.bounds()).next().is_some();
    work.reads.iter().any(|key| changes.contains_key(key)) || work.ranges.iter().any(in_range)
}
