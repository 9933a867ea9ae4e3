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
    stage: Stage<F>,
}

enum Stage<F> {
    New(F),
    Waiting { slot: u32, epoch: u32 },
    Done,
}

impl<'s, F> Call<'s, F>
where
    F: FnOnce(&mut Model) -> Request + Unpin,
{
    pub(crate) fn new(shared: &'s Shared, process: ProcessId, build: F) -> Self {
        Self {
            shared,
            process,
            stage: Stage::New(build),
        }
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
        match std::mem::replace(&mut this.stage, Stage::Done) {
            Stage::New(build) => {
                let request = build(&mut state.model);
                let slot = state.open(this.process, request, cx.waker().clone());
                let epoch = state.epoch;
                this.stage = Stage::Waiting { slot, epoch };
                Poll::Pending
            }
            Stage::Waiting { slot, epoch } if epoch == state.epoch => {
                match state.collect(slot, cx.waker()) {
                    Some(answer) => Poll::Ready(answer),
                    None => {
                        this.stage = Stage::Waiting { slot, epoch };
                        Poll::Pending
                    }
                }
            }
            // Its world is over, or it was polled after it was ready: it stays silent.
            Stage::Waiting { .. } | Stage::Done => Poll::Pending,
        }
    }
}

impl<F> Drop for Call<'_, F> {
    fn drop(&mut self) {
        if let Stage::Waiting { slot, epoch } = self.stage {
            let mut state = lock(self.shared);
            if epoch == state.epoch {
                state.abandon(slot);
            }
        }
    }
}
