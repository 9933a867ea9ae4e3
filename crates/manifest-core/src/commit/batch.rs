//! From waiting transactions to the next head: validation, and encoding.
//!
//! A transaction is validated at the place that it is about to get: against everything that was
//! committed after its base, and against the transactions before it in the same batch. Whatever
//! was decided for an earlier head is decided again for the next one.
//!
//! A conflict with what is committed is final, and the transaction is refused at once. A conflict
//! with an earlier one of the same batch is not: that one is not published yet, may lose the race,
//! and may then be refused itself. So the later one stays in the batch for the next round, which
//! comes right after the PUT is decided. If the earlier one landed the later one meets it as a
//! committed change, and is told the seq that it really has; if not, it is judged anew. Each round
//! decides at least one transaction and takes no new ones in, so nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::UpdateVersion;

use super::{Commit, Slot, Work};
use crate::env::random_u128;
use crate::error::{Error, Limit};
use crate::format::head::{Head, HeadWriter};
use crate::format::record::Op;
use crate::history::History;
use crate::index::Index;
use crate::inner::{Inner, lock};
use crate::range::KeyRange;
use crate::state::State;
use crate::steps::*;

/// A head that is to replace its base, and whose transactions it carries.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) base: Arc<UpdateVersion>,
    pub(super) base_version: u64,
    pub(super) next: Arc<Head>,
    /// The transactions in it and their seqs.
    pub(super) carried: Vec<(Work, u64)>,
}

/// What the transactions before this one in the same batch change: the keys, and whether each is
/// present after it.
type Changes = BTreeMap<Bytes, bool>;

impl Attempt {
    /// Validates the batch against the newest state and builds the head that commits what
    /// survives. Those that cannot be committed get their outcome here; those that do not fit, and
    /// those that wait for what becomes of an earlier one, stay in `batch`, in their order. `None`
    /// if nothing survives.
    pub(super) fn build(inner: &Inner, batch: &mut Vec<Work>) -> Option<Attempt> {
        step!(COMMIT_VALIDATE);
        let several = batch.len() > 1;
        let room = batch.iter().map(|work| work.encoded_len).sum();
        let max = inner.options.head_limit_bytes;
        let mut state = lock(&inner.state);
        let mut writer = None;
        let mut changes = Changes::new();
        let mut carried = Vec::new();
        let mut later = Vec::new();
        let mut full = false;
        for work in batch.drain(..) {
            if full {
                later.push(work);
                continue;
            }
            if work.slot.is_withdrawn() {
                work.withdraw(&mut state);
                continue;
            }
            if let Err(conflict) = validate(&work, &state.index) {
                step!(COMMIT_CONFLICT);
                work.finish(&mut state, Err(conflict));
                continue;
            }
            if reads_changed(&work, &changes) {
                step!(COMMIT_DEFERRED);
                later.push(work);
                continue;
            }
            // Only now, because a batch that is refused as a whole needs none.
            let writer = writer.get_or_insert_with(|| start_head(inner, &mut state, room));
            let size = writer.len() + work.encoded_len;
            if size > max && carried.is_empty() {
                step!(COMMIT_HEAD_FULL);
                work.finish(&mut state, Err(Error::TooLarge { limit: Limit::Head, size, max }));
                continue;
            }
            if size > max {
                step!(COMMIT_BATCH_SPLIT);
                full = true;
                later.push(work);
                continue;
            }
            let seq = writer.push(work.slot.id, &work.ops, &work.metadata);
            if several {
                note_changes(&mut changes, &state.index, &work.ops);
            }
            carried.push((work, seq));
        }
        batch.append(&mut later);
        if carried.len() > 1 {
            step!(COMMIT_BATCHED);
        }
        let writer = writer.filter(|_| !carried.is_empty())?;
        let (base, base_version) = (Arc::clone(&state.tag), state.head.header.version);
        Some(Attempt { base, base_version, next: Arc::new(writer.finish()), carried })
    }

    /// Whether its transactions are in the history. They are in one head: one is all.
    pub(super) fn is_in(&self, history: &History) -> bool {
        self.carried.first().is_some_and(|(work, _)| history.seq_of(work.slot.id).is_some())
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
            state.history.insert(work.slot.id, seq);
            work.slot.finish(Ok(Commit { id: work.slot.id, seq }));
        }
        state.adopt(self.next, Arc::new(tag));
        state.confirm(sent_at);
    }

    /// The history has this head's transactions already: tells everybody.
    pub(super) fn found(self, inner: &Inner) {
        finish_committed(&mut lock(&inner.state), self.carried);
    }

    /// Ends all with the same error, each its own.
    pub(super) fn fail(self, inner: &Inner, error: impl Fn(&Slot) -> Error) {
        let mut state = lock(&inner.state);
        for (work, _) in self.carried {
            let error = error(&work.slot);
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
        let id = work.slot.id;
        work.finish(state, Ok(Commit { id, seq }));
    }
}

/// The successor of the newest head, without records yet; with a sealed segment in place of the
/// records that it holds, if one is ready and still fits.
fn start_head(inner: &Inner, state: &mut State, room: usize) -> HeadWriter {
    let nonce = random_u128(&*inner.requests.env);
    if let Some(sealed) = &state.sealed {
        if sealed.continues(&state.head) {
            step!(SEAL_PUBLISH);
            let (reference, len) = (sealed.reference, sealed.tail_len);
            return HeadWriter::follow_sealed(&state.head, nonce, reference, len, room);
        }
        step!(SEAL_OUTDATED);
        state.sealed = None;
    }
    HeadWriter::follow(&state.head, nonce, room)
}

/// Nothing that the transaction read has been changed by a commit after its base.
fn validate(work: &Work, index: &Index) -> Result<(), Error> {
    for key in &work.reads {
        if let Some(seq) = index.changed_since(key, work.base) {
            return Err(Error::Conflict { key: key.clone(), seq });
        }
    }
    for range in &work.ranges {
        if let Some((key, seq)) = index.range_changed_since(range, work.base) {
            return Err(Error::Conflict { key, seq });
        }
    }
    Ok(())
}

/// Whether an earlier transaction of the batch changes what this one read.
fn reads_changed(work: &Work, changes: &Changes) -> bool {
    if changes.is_empty() {
        return false;
    }
    let in_range = |range: &KeyRange| changes.range::<[u8], _>(range.bounds()).next().is_some();
    work.reads.iter().any(|key| changes.contains_key(key)) || work.ranges.iter().any(in_range)
}

/// Adds what a transaction changes. As everywhere, deleting what is absent changes nothing.
fn note_changes(changes: &mut Changes, index: &Index, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Put { key, .. } => {
                changes.insert(key.clone(), true);
            }
            Op::Delete { key } => {
                let noted = changes.get(key).copied();
                if noted.unwrap_or_else(|| index.is_present(key)) {
                    changes.insert(key.clone(), false);
                }
            }
            Op::DeleteRange { start, end } => {
                let range = KeyRange { start: start.clone(), end: end.clone() };
                for (_, present) in changes.range_mut::<[u8], _>(range.bounds()) {
                    *present = false;
                }
                for key in index.present(&range) {
                    changes.entry(key.clone()).or_insert(false);
                }
            }
        }
    }
}
