//! Tasks: ordinary futures, each owned by one process.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::engine;
use crate::process::ProcessId;

pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// A place for one task. Slots are reused; the generation tells an old waker from a new task.
pub(crate) struct TaskSlot {
    /// `None` while the task is being polled, and when the slot is free.
    pub(crate) future: Option<LocalFuture>,
    pub(crate) process: ProcessId,
    pub(crate) generation: u64,
    pub(crate) waker: Option<Waker>,
    /// Already in the ready queue (or parked with its stalled process).
    pub(crate) queued: bool,
    pub(crate) occupied: bool,
}

impl std::fmt::Debug for TaskSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskSlot")
            .field("process", &self.process)
            .field("generation", &self.generation)
            .field("queued", &self.queued)
            .field("occupied", &self.occupied)
            .finish_non_exhaustive()
    }
}

/// Wakes a task of this thread's engine. It holds numbers only, so it may be sent anywhere; on
/// another thread, or after the world has ended, it wakes nothing.
pub(crate) struct TaskWaker {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        engine::wake(self.slot, self.generation);
    }
}

/// Why a task gave no result: its process crashed while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed;

impl std::fmt::Display for Crashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the process crashed while the task ran")
    }
}

impl std::error::Error for Crashed {}

#[derive(Debug)]
struct Shared<T> {
    result: Option<Result<T, Crashed>>,
    waiting: Option<Waker>,
}

/// The result of a spawned task, to be awaited. Dropping it leaves the task running.
#[derive(Debug)]
pub struct JoinHandle<T> {
    shared: Rc<RefCell<Shared<T>>>,
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Crashed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        match shared.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                shared.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Lives inside the task's future: when it is dropped before it reported, the process has crashed,
/// and whoever waits is told.
struct Reporter<T>(Option<Rc<RefCell<Shared<T>>>>);

impl<T> Reporter<T> {
    fn report(&mut self, result: Result<T, Crashed>) {
        let Some(shared) = self.0.take() else { return };
        let waiting = {
            let mut shared = shared.borrow_mut();
            shared.result = Some(result);
            shared.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.report(Err(Crashed));
    }
}

/// Joins a future with a handle to its result.
pub(crate) fn joined<T: 'static>(
    future: impl Future<Output = T> + 'static,
) -> (LocalFuture, JoinHandle<T>) {
    let shared = Rc::new(RefCell::new(Shared { result: None, waiting: None }));
    let mut reporter = Reporter(Some(Rc::clone(&shared)));
    let task = Box::pin(async move {
        let result = future.await;
        reporter.report(Ok(result));
    });
    (task, JoinHandle { shared })
}
