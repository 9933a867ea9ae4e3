//! Commit: one conditional PUT of the head for a whole batch, and nothing guessed.
//!
//! There is no background task. Every committer puts its transaction into the queue and waits for
//! a fair mutex. Who gets it first is the **leader**: it takes the whole queue as one batch and
//! drives it until every transaction in it has its outcome; the others find theirs when their turn
//! comes. While a PUT is in flight the next batch gathers in the queue.
//!
//! Everything that a leader knows lies in [`Leader`], inside the mutex, not in its future. If the
//! future is dropped, with the PUT in any state, the next leader finds the attempt and reads its
//! outcome back before it does anything else.
//!
//! Edits of the head ([`crate::edit`]) that somebody waits for go the same way, and share the PUT
//! with the transactions that wait at the same time.
//!
//! - `mod.rs`: the queue and the waiting.
//! - `slot.rs`: where an outcome is left.
//! - `batch.rs`: validation.
//! - `filling.rs`: building the next head.
//! - `drive.rs`: sending it and finding out what became of it.
//! - `planted.rs`: what planted bugs do, never in a normal build.

mod batch;
mod drive;
mod filling;
#[cfg(feature = "planted-bugs")]
mod planted;
mod slot;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::edit::{Claim, Edit, Refusal};
use crate::env::BoxFuture;
use crate::error::Error;
use crate::format::CommitId;
use crate::format::head::Head;
use crate::format::record::{self, Op};
use crate::inner::{Inner, lock};
#[cfg(feature = "planted-bugs")]
use crate::planted::PlantedBug;
use crate::range::KeyRange;
use crate::state::State;
use crate::steps::*;
use crate::transaction::Transaction;

pub(crate) use drive::Leader;
#[cfg(feature = "planted-bugs")]
pub(crate) use planted::commit_for;
use slot::Slot;

/// A transaction that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// Its place in the history.
    pub seq: u64,
}

/// What waits for the next batch.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// In order of their wseq.
    waiting: VecDeque<Work>,
    edits: Vec<EditWork>,
    last_wseq: u64,
}

/// A transaction on its way. Whoever leads owns it; the one who waits for it shares only its slot.
#[derive(Debug)]
pub(crate) struct Work {
    id: CommitId,
    slot: Arc<Slot<Commit>>,
    /// The seq that it read at. It stays registered as a reader in the index until the work is
    /// done, because validating it needs the marks of what was deleted since.
    base: u64,
    reads: Vec<Bytes>,
    ranges: Vec<KeyRange>,
    ops: Vec<Op>,
    metadata: Bytes,
    /// The role that it is committed under.
    claim: Option<Claim>,
    encoded_len: usize,
    queued_at: Duration,
}

/// An edit of the head that somebody waits for.
#[derive(Debug)]
pub(crate) struct EditWork {
    slot: Arc<Slot<Published>>,
    edit: Edit,
}

impl Work {
    /// It has its outcome, and its base is needed no more.
    fn finish(self, state: &mut State, result: Result<Commit, Error>) {
        state.index.release(self.base);
        self.slot.finish(result);
    }

    /// Nobody waits for it.
    fn withdraw(self, state: &mut State) {
        state.index.release(self.base);
    }
}

/// A transaction that has its id and its place in the queue. Await it to commit.
///
/// Dropping it withdraws the transaction, unless its request may be under way already: then its
/// outcome is found out by whoever commits next, and `Manifest::status` tells it.
#[must_use = "a submitted transaction is only driven by awaiting it"]
pub struct Pending {
    inner: Arc<Inner>,
    id: CommitId,
    slot: Arc<Slot<Commit>>,
    drive: BoxFuture<'static, Result<Commit, Error>>,
    is_done: bool,
}

impl Pending {
    pub(crate) fn enqueue(transaction: Transaction) -> Self {
        let read_only = transaction.is_read_only();
        let Transaction { base, reads, ranges, ops, metadata, claim } = transaction;
        let inner = Arc::clone(base.inner());
        let encoded_len = record::encoded_len(&ops, &metadata);
        let queued_at = inner.requests.env.now();
        let mut queue = lock(&inner.queue);
        queue.last_wseq += 1;
        let id = CommitId { writer: inner.writer, wseq: queue.last_wseq };
        let slot = Arc::default();
        let drive: BoxFuture<'static, _> = if read_only {
            Box::pin(std::future::ready(Ok(Commit { id, seq: base.seq() })))
        } else {
            queue.waiting.push_back(Work {
                id,
                slot: Arc::clone(&slot),
                base: base.into_registered_seq(),
                reads,
                ranges,
                ops,
                metadata,
                claim,
                encoded_len,
                queued_at,
            });
            Box::pin(wait_or_lead(Arc::clone(&inner), Arc::clone(&slot)))
        };
        drop(queue);
        Self { inner, id, slot, drive, is_done: false }
    }

    /// The id that the transaction is committed under.
    pub fn id(&self) -> CommitId {
        self.id
    }
}

/// What became of an edit: a head that has it, or why none ever will.
pub(crate) type Published = Result<Arc<Head>, Refusal>;

/// Puts an edit into the next head, which may be one of its own. Returns a head that has it.
///
/// Dropping the future withdraws the edit unless its PUT may be under way. Asking again is always
/// safe.
///
/// # Errors
/// [`Error::Unavailable`]: it may or may not be in.
pub(crate) async fn publish(inner: &Arc<Inner>, edit: Edit) -> Result<Published, Error> {
    let slot = Arc::new(Slot::default());
    lock(&inner.queue).edits.push(EditWork { slot: Arc::clone(&slot), edit });
    let guard = slot::WithdrawOnDrop(&slot);
    let result = wait_or_lead(Arc::clone(inner), Arc::clone(&slot)).await;
    drop(guard);
    result
}

/// Waits for the outcome of a slot, and does the work for everybody if it is this one's turn.
async fn wait_or_lead<T: Clone>(inner: Arc<Inner>, slot: Arc<Slot<T>>) -> Result<T, Error> {
    step!(COMMIT_QUEUED);
    let mut leader = match inner.leader.try_lock() {
        Ok(leader) => leader,
        Err(_) => inner.leader.lock().await,
    };
    loop {
        if let Some(result) = slot.result() {
            return result;
        }
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::AckBeforePublish) {
            return Box::pin(planted::drive_until_told(&inner, &mut leader, &slot)).await;
        }
        leader.run_batch(&inner).await;
    }
}

impl Future for Pending {
    type Output = Result<Commit, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.drive.as_mut().poll(cx);
        self.is_done |= polled.is_ready();
        polled
    }
}

impl Drop for Pending {
    /// Out of the queue if it is still there. If it is in a batch already the leader sees that it
    /// is withdrawn when it validates the batch the next time.
    fn drop(&mut self) {
        if self.is_done || !self.slot.withdraw() {
            return;
        }
        let mut queue = lock(&self.inner.queue);
        let wseq = self.id.wseq;
        let found = queue.waiting.binary_search_by_key(&wseq, |work| work.id.wseq);
        let work = found.ok().and_then(|place| queue.waiting.remove(place));
        drop(queue);
        if let Some(work) = work {
            work.withdraw(&mut lock(&self.inner.state));
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.id).finish_non_exhaustive()
    }
}
