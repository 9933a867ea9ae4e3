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
use crate::state::State;
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
    waiting: VecDeque<Work>,
    last_wseq: u64,
}

/// A transaction on its way. Whoever leads owns it; the one who waits for it shares only its slot.
#[derive(Debug)]
pub(crate) struct Work {
    slot: Arc<Slot>,
    /// The seq that it read at. It stays registered as a reader in the index until the work is
    /// done, because validating it needs the marks of what was deleted since.
    base: u64,
    reads: Vec<Bytes>,
    ranges: Vec<KeyRange>,
    ops: Vec<Op>,
    metadata: Bytes,
    encoded_len: usize,
    queued_at: Duration,
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

/// Where the outcome of a transaction is left for the one who waits.
#[derive(Debug)]
pub(crate) struct Slot {
    id: CommitId,
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

    /// Nobody waits any more. Whether it has no outcome yet.
    fn withdraw(&self) -> bool {
        let mut outcome = lock(&self.outcome);
        let waits = matches!(*outcome, Outcome::Waiting);
        if waits {
            *outcome = Outcome::Withdrawn;
        }
        waits
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
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    drive: BoxFuture<'static, Result<Commit, Error>>,
    is_done: bool,
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
        let slot = Arc::new(Slot { id, outcome: Mutex::new(Outcome::Waiting) });
        let drive: BoxFuture<'static, _> = if read_only {
            Box::pin(std::future::ready(Ok(Commit { id, seq: base.seq() })))
        } else {
            queue.waiting.push_back(Work {
                slot: Arc::clone(&slot),
                base: base.into_registered_seq(),
                reads,
                ranges,
                ops,
                metadata,
                encoded_len,
                queued_at,
            });
            Box::pin(wait_or_lead(Arc::clone(&inner), Arc::clone(&slot)))
        };
        drop(queue);
        Self { inner, slot, drive, is_done: false }
    }

    /// The id that the transaction is committed under.
    pub fn id(&self) -> CommitId {
        self.slot.id
    }
}

/// Waits for the outcome of a slot, and does the work for everybody if it is this one's turn.
async fn wait_or_lead(inner: Arc<Inner>, slot: Arc<Slot>) -> Result<Commit, Error> {
    step!(COMMIT_QUEUED);
    let mut leader = match inner.leader.try_lock() {
        Ok(leader) => leader,
        Err(_) => inner.leader.lock().await,
    };
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
        let wseq = self.slot.id.wseq;
        let found = queue.waiting.binary_search_by_key(&wseq, |work| work.slot.id.wseq);
        let work = found.ok().and_then(|place| queue.waiting.remove(place));
        drop(queue);
        if let Some(work) = work {
            work.withdraw(&mut lock(&self.inner.state));
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.slot.id).finish_non_exhaustive()
    }
}
