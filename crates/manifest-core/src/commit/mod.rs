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
//! - `mod.rs`: the queue, the waiting, the outcome.
//! - `batch.rs`: validation, and building the next head.
//! - `drive.rs`: sending it and finding out what became of it.

mod batch;
mod drive;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::env::BoxFuture;
use crate::error::Error;
use crate::format::CommitId;
use crate::format::record::{self, Op};
use crate::inner::{Inner, lock};
use crate::range::KeyRange;
use crate::snapshot::Snapshot;
use crate::steps::*;
use crate::transaction::Transaction;

pub(crate) use drive::Leader;

/// A transaction that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// Its place in the history.
    pub seq: u64,
}

/// Transactions that wait for the next batch, in order of their wseq.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    slots: VecDeque<Arc<Slot>>,
    last_wseq: u64,
}

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Slot {
    id: CommitId,
    /// The seq that it read at. The snapshot itself is held by the one who waits, so it is live
    /// as long as the slot is not withdrawn.
    base: u64,
    reads: Vec<Bytes>,
    ranges: Vec<KeyRange>,
    ops: Vec<Op>,
    metadata: Bytes,
    encoded_len: usize,
    queued_at: Duration,
    outcome: Mutex<Outcome>,
}

#[derive(Debug)]
enum Outcome {
    Waiting,
    /// Nobody waits any more: it need not be sent if it has not been.
    Withdrawn,
    Done(Result<Commit, Error>),
}

impl Slot {
    fn finish(&self, result: Result<Commit, Error>) {
        *lock(&self.outcome) = Outcome::Done(result);
    }

    fn is_withdrawn(&self) -> bool {
        matches!(*lock(&self.outcome), Outcome::Withdrawn)
    }

    fn result(&self) -> Option<Result<Commit, Error>> {
        match &*lock(&self.outcome) {
            Outcome::Done(result) => Some(result.clone()),
            _ => None,
        }
    }
}

/// A transaction that has its id and its place in the queue. Await it to commit.
///
/// Dropping it withdraws the transaction, unless its request may be under way already: then its
/// outcome is found out by whoever commits next, and `Manifest::status` tells it.
#[must_use = "a submitted transaction is only driven by awaiting it"]
pub struct Pending {
    slot: Arc<Slot>,
    drive: BoxFuture<'static, Result<Commit, Error>>,
    /// Released after the slot is withdrawn: what it protects is needed to validate the slot.
    _base: Snapshot,
}

impl Pending {
    pub(crate) fn enqueue(transaction: Transaction) -> Self {
        let read_only = transaction.is_read_only();
        let Transaction { base, reads, ranges, ops, metadata } = transaction;
        let inner = Arc::clone(base.inner());
        let encoded_len = record::encoded_len(&ops, &metadata);
        let queued_at = inner.requests.env.now();
        let mut queue = lock(&inner.queue);
        queue.last_wseq += 1;
        let id = CommitId { writer: inner.writer, wseq: queue.last_wseq };
        let outcome = if read_only {
            Outcome::Done(Ok(Commit { id, seq: base.seq() }))
        } else {
            Outcome::Waiting
        };
        let slot = Arc::new(Slot {
            id,
            base: base.seq(),
            reads,
            ranges,
            ops,
            metadata,
            encoded_len,
            queued_at,
            outcome: Mutex::new(outcome),
        });
        if !read_only {
            queue.slots.push_back(Arc::clone(&slot));
        }
        drop(queue);
        let drive = Box::pin(wait_or_lead(inner, Arc::clone(&slot)));
        Self { slot, drive, _base: base }
    }

    /// The id that the transaction is committed under.
    pub fn id(&self) -> CommitId {
        self.slot.id
    }
}

/// Waits for the outcome of a slot, and does the work for everybody if it is this one's turn.
async fn wait_or_lead(inner: Arc<Inner>, slot: Arc<Slot>) -> Result<Commit, Error> {
    if let Some(result) = slot.result() {
        return result;
    }
    step!(COMMIT_QUEUED);
    let mut leader = inner.leader.lock().await;
    loop {
        if let Some(result) = slot.result() {
            return result;
        }
        leader.run_batch(&inner).await;
    }
}

impl Future for Pending {
    type Output = Result<Commit, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.drive.as_mut().poll(cx)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut outcome = lock(&self.slot.outcome);
        if matches!(*outcome, Outcome::Waiting) {
            *outcome = Outcome::Withdrawn;
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.slot.id).finish_non_exhaustive()
    }
}
