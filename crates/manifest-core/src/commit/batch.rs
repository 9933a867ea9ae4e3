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

use super::Slot;
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
    pub(super) base: UpdateVersion,
    pub(super) base_version: u64,
    pub(super) next: Head,
    /// The transactions in it and their seqs.
    pub(super) carried: Vec<(Arc<Slot>, u64)>,
}

/// What the transactions before this one in the same batch change: the keys, and whether each is
/// present after it.
type Changes = BTreeMap<Bytes, bool>;

impl Attempt {
    /// Validates the batch against the newest state and builds the head that commits what
    /// survives. Those that cannot be committed get their outcome here; those that do not fit, and
    /// those that wait for what becomes of an earlier one, stay in `batch`, in their order. `None`
    /// if nothing survives.
    pub(super) fn build(inner: &Inner, batch: &mut Vec<Arc<Slot>>) -> Option<Attempt> {
        step!(COMMIT_VALIDATE);
        let several = batch.len() > 1;
        let mut state = lock(&inner.state);
        let mut writer = start_head(inner, &mut state, batch);
        let mut changes = Changes::new();
        let mut carried = Vec::with_capacity(batch.len());
        let mut deferred = Vec::new();
        let mut taken = 0;
        for slot in batch.iter() {
            // Asked under the state's lock: who withdraws releases the snapshot after it, and
            // needs that lock. So a slot that is not withdrawn here is validated with all that
            // its base protects.
            if slot.is_withdrawn() {
                taken += 1;
                continue;
            }
            if let Err(conflict) = validate(slot, &state.index) {
                step!(COMMIT_CONFLICT);
                slot.finish(Err(conflict));
                taken += 1;
                continue;
            }
            if reads_changed(slot, &changes) {
                step!(COMMIT_DEFERRED);
                deferred.push(Arc::clone(slot));
                taken += 1;
                continue;
            }
            let size = writer.len() + slot.encoded_len;
            let max = inner.options.head_limit_bytes;
            if size > max && carried.is_empty() {
                step!(COMMIT_HEAD_FULL);
                slot.finish(Err(Error::TooLarge { limit: Limit::Head, size, max }));
                taken += 1;
                continue;
            }
            if size > max {
                step!(COMMIT_BATCH_SPLIT);
                break;
            }
            let seq = writer.push(slot.id, &slot.ops, &slot.metadata);
            if several {
                note_changes(&mut changes, &state.index, &slot.ops);
            }
            carried.push((Arc::clone(slot), seq));
            taken += 1;
        }
        let attempt = (!carried.is_empty()).then(|| {
            if carried.len() > 1 {
                step!(COMMIT_BATCHED);
            }
            let (base, base_version) = (state.tag.clone(), state.head.header.version);
            Attempt { base, base_version, next: writer.finish(), carried }
        });
        batch.splice(..taken, deferred);
        attempt
    }

    /// Whether its transactions are in the history. They are in one head: one is all.
    pub(super) fn is_in(&self, history: &History) -> bool {
        self.carried.first().is_some_and(|(slot, _)| history.seq_of(slot.id).is_some())
    }

    /// The store has this head: takes it over into the state. Hands back whom to tell.
    pub(super) fn enter(
        self,
        inner: &Inner,
        tag: UpdateVersion,
        sent_at: Duration,
    ) -> Vec<(Arc<Slot>, u64)> {
        let mut state = lock(&inner.state);
        // A read may have seen this head, or one after it, before the PUT's answer came.
        if state.head.header.version < self.next.header.version {
            for (slot, seq) in &self.carried {
                for op in &slot.ops {
                    state.index.apply(op, *seq);
                }
                state.history.insert(slot.id, *seq);
            }
            state.adopt(self.next, tag);
            state.confirm(sent_at);
        }
        self.carried
    }

    /// The store has the burning head, which carries nothing.
    pub(super) fn enter_burn(&self, inner: &Inner, tag: UpdateVersion, sent_at: Duration) {
        let mut state = lock(&inner.state);
        if state.head.header.version < self.next.header.version {
            state.adopt(self.next.clone(), tag);
            state.confirm(sent_at);
        }
    }

    /// The head that kills the same base and adds nothing.
    pub(super) fn burning(&self, inner: &Inner) -> Option<Head> {
        let state = lock(&inner.state);
        (state.head.header.version == self.base_version).then(|| {
            HeadWriter::follow(&state.head, random_u128(&*inner.requests.env), 0).burn().finish()
        })
    }
}

/// The successor of the newest head, without records yet; with a sealed segment in place of the
/// records that it holds, if one is ready and still fits.
fn start_head(inner: &Inner, state: &mut State, batch: &[Arc<Slot>]) -> HeadWriter {
    let nonce = random_u128(&*inner.requests.env);
    let room = batch.iter().map(|slot| slot.encoded_len).sum();
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
fn validate(slot: &Slot, index: &Index) -> Result<(), Error> {
    for key in &slot.reads {
        if let Some(seq) = index.changed_since(key, slot.base) {
            return Err(Error::Conflict { key: key.clone(), seq });
        }
    }
    for range in &slot.ranges {
        if let Some((key, seq)) = index.range_changed_since(range, slot.base) {
            return Err(Error::Conflict { key, seq });
        }
    }
    Ok(())
}

/// Whether an earlier transaction of the batch changes what this one read.
fn reads_changed(slot: &Slot, changes: &Changes) -> bool {
    if changes.is_empty() {
        return false;
    }
    let in_range = |range: &KeyRange| changes.range::<[u8], _>(range.bounds()).next().is_some();
    slot.reads.iter().any(|key| changes.contains_key(key)) || slot.ranges.iter().any(in_range)
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
