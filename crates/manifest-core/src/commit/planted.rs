//! What planted bugs do to a batch on its way, where that is more than leaving a step out.
//!
//! Each of these is called in one place, behind the question whether its bug is planted. None of it
//! exists without the feature `planted-bugs`. What each bug is about stands in the table of
//! `crate::planted`.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use object_store::path::Path;
use object_store::{PutMode, UpdateVersion};

use super::batch::Attempt;
use super::slot::Slot;
use super::{Commit, Leader, Work};
use crate::error::Error;
use crate::format::directory::RetiredKind;
use crate::format::record;
use crate::inner::{Inner, lock};
use crate::requests::Failure;
use crate::state::State;

impl Attempt {
    /// The same bytes, to be sent with the tag of the newest head that is known
    /// (`stale-payload-rebase`).
    pub(super) fn under_new_tag(self, inner: &Inner) -> Self {
        let state = lock(&inner.state);
        let (base, base_version) = (Arc::clone(&state.tag), state.head.header.version);
        Self { base, base_version, ..self }
    }

    /// Everybody in it gets the outcome that is expected (`ack-before-publish`).
    pub(super) fn tell_early(&self) {
        for (work, seq) in &self.carried {
            work.slot.finish(Ok(Commit { id: work.id, seq: *seq }));
        }
    }

    /// Nothing of it can be in conflict any more (`validated-once`).
    pub(super) fn without_reads(mut self) -> Self {
        for (work, _) in &mut self.carried {
            work.reads.clear();
            work.ranges.clear();
        }
        self
    }

    /// The same PUT once more, as a transport does that retries by itself
    /// (`refusal-taken-for-loss`).
    pub(super) async fn send_again(&self, inner: &Inner) -> Result<UpdateVersion, Failure> {
        let mode = PutMode::Update(UpdateVersion::clone(&self.base));
        inner.requests.put(&inner.requests.head, self.next.bytes().clone(), mode).await
    }

    /// The objects that this head names and the one that it replaces does not
    /// (`cleanup-on-unknown`).
    pub(super) fn only_here(&self, inner: &Inner) -> Vec<Path> {
        let state = lock(&inner.state);
        if state.head.header.version != self.base_version {
            return Vec::new();
        }
        let (new, old) = (&self.next.directory, &state.head.directory);
        let segments = new.segments.iter().filter(|it| !old.segments.contains(it));
        let checkpoint = new.checkpoint.iter().filter(|it| old.checkpoint != Some(**it));
        let segments = segments.map(|it| (RetiredKind::Segment, it.name));
        let checkpoint = checkpoint.map(|it| (RetiredKind::Checkpoint, it.name));
        let names = segments.chain(checkpoint);
        names.map(|(kind, name)| inner.requests.object_path(kind, name)).collect()
    }
}

impl Work {
    /// Takes the first operation away, as a transaction that goes before this one under the same id
    /// and is all that is validated (`torn-batch`). Nothing if there is only one.
    pub(super) fn tear(&mut self, state: &mut State) -> Option<Work> {
        if self.ops.len() < 2 {
            return None;
        }
        let ops = vec![self.ops.remove(0)];
        state.index.acquire(self.base);
        self.encoded_len = record::encoded_len(&self.ops, &self.metadata);
        Some(Work {
            id: self.id,
            slot: Arc::clone(&self.slot),
            base: self.base,
            reads: std::mem::take(&mut self.reads),
            ranges: std::mem::take(&mut self.ranges),
            encoded_len: record::encoded_len(&ops, &self.metadata),
            ops,
            metadata: self.metadata.clone(),
            claim: self.claim.clone(),
            queued_at: self.queued_at,
        })
    }

    /// Whether an earlier part of it was refused (`torn-batch`).
    pub(super) fn is_refused(&self) -> bool {
        self.slot.result().is_some_and(|outcome| outcome.is_err())
    }
}

/// Drives batches until this slot has its outcome, even in the middle of one
/// (`ack-before-publish`). What is in flight then waits for the next leader.
pub(super) async fn drive_until_told<T: Clone>(
    inner: &Inner,
    leader: &mut Leader,
    slot: &Slot<T>,
) -> Result<T, Error> {
    loop {
        let mut batch = pin!(leader.run_batch(inner));
        let told = std::future::poll_fn(|cx| {
            let done = batch.as_mut().poll(cx).is_ready();
            match slot.result() {
                Some(result) => Poll::Ready(Some(result)),
                None if done => Poll::Ready(None),
                None => Poll::Pending,
            }
        });
        if let Some(result) = told.await {
            return result;
        }
    }
}

/// Puts operations that somebody else wrote into the queue, under the id that he gave them, and
/// drives the batch (`orphan-adoption`).
///
/// # Errors
/// As `Transaction::commit`.
pub(crate) async fn commit_for(
    inner: &Arc<Inner>,
    id: crate::format::CommitId,
    ops: Vec<record::Op>,
    metadata: bytes::Bytes,
) -> Result<Commit, Error> {
    let slot = Arc::new(Slot::default());
    let base = {
        let mut state = lock(&inner.state);
        let seq = state.seq();
        state.index.acquire(seq);
        seq
    };
    let work = Work {
        id,
        slot: Arc::clone(&slot),
        base,
        reads: Vec::new(),
        ranges: Vec::new(),
        encoded_len: record::encoded_len(&ops, &metadata),
        ops,
        metadata,
        claim: None,
        queued_at: inner.requests.env.now(),
    };
    lock(&inner.queue).waiting.push_back(work);
    super::wait_or_lead(Arc::clone(inner), slot).await
}
