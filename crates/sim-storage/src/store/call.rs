//! The future of one request, as its client sees it.
//!
//! The first poll sends the request; dropping the future only means that nobody waits any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sim::ProcessId;

use super::request::{Failure, Reply, Request};
use super::{Shared, lock};
use crate::model::Model;

/// Waits for the answer to a request that is made by `build` at the first poll.
pub(crate) struct Call<'s, F> {
    shared: &'s Shared,
    process: ProcessId,
    /// The world that the client's handle belongs to.
    epoch: u32,
    stage: Stage<F>,
}

enum Stage<F> {
    /// Nothing was sent yet.
    New(Option<F>),
    /// In this slot.
    Waiting(u32),
    Done,
}

impl<'s, F> Call<'s, F>
where
    F: FnOnce(&mut Model) -> Request + Unpin,
{
    pub(crate) fn new(shared: &'s Shared, process: ProcessId, epoch: u32, build: F) -> Self {
        Self { shared, process, epoch, stage: Stage::New(Some(build)) }
    }
}

impl<F> Future for Call<'_, F>
where
    F: FnOnce(&mut Model) -> Request + Unpin,
{
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = lock(this.shared);
        if state.epoch != this.epoch {
            // The world of this handle is over, and with it everyone who could answer.
            return Poll::Pending;
        }
        match &mut this.stage {
            Stage::New(build) => {
                if let Some(build) = build.take() {
                    let request = build(&mut state.model);
                    let slot = state.open(this.process, request, cx.waker().clone());
                    this.stage = Stage::Waiting(slot);
                }
                Poll::Pending
            }
            Stage::Waiting(slot) => match state.collect(*slot, cx.waker()) {
                Some(answer) => {
                    this.stage = Stage::Done;
                    Poll::Ready(answer)
                }
                None => Poll::Pending,
            },
            // Polled again after it was ready.
            Stage::Done => Poll::Pending,
        }
    }
}

impl<F> Drop for Call<'_, F> {
    fn drop(&mut self) {
        if let Stage::Waiting(slot) = self.stage {
            let mut state = lock(self.shared);
            if state.epoch == self.epoch {
                state.abandon(slot);
            }
        }
    }
}
