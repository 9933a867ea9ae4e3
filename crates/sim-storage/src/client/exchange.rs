//! One request and what its client makes of the answer, as one future.
//!
//! An `async` block would keep everything that it captured beside what it hands on, and the futures
//! of this trait are boxed: each request would allocate and move several hundred bytes more. So the
//! future is written out: a [`Call`], and a function for its answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::model::Model;
use crate::store::{Call, Failure, Reply, Request};

/// What the methods of the trait return.
pub(super) type Boxed<'f, T> = Pin<Box<dyn Future<Output = object_store::Result<T>> + Send + 'f>>;

/// Waits for the answer to a request and turns it into a result.
pub(super) struct Exchange<'s, B, F> {
    call: Call<'s, B>,
    finish: Option<F>,
}

impl<'s, B, F> Exchange<'s, B, F> {
    pub(super) fn new(call: Call<'s, B>, finish: F) -> Self {
        let finish = Some(finish);
        Self { call, finish }
    }
}

impl<B, F, T> Future for Exchange<'_, B, F>
where
    B: FnOnce(&mut Model) -> Request + Unpin,
    F: FnOnce(Result<Reply, Failure>) -> T + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        match Pin::new(&mut this.call).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(answer) => match this.finish.take() {
                Some(finish) => Poll::Ready(finish(answer)),
                // Polled again after it was ready.
                None => Poll::Pending,
            },
        }
    }
}

/// A method that fails before it sends anything.
pub(super) fn refused<'f, T: Send + 'f>(error: object_store::Error) -> Boxed<'f, T> {
    Box::pin(std::future::ready(Err(error)))
}
