//! Where the outcome of what was queued is left for the one who waits for it.

use std::sync::Mutex;

use crate::error::Error;
use crate::inner::lock;

/// The outcome of one transaction or edit.
#[derive(Debug)]
pub(super) struct Slot<T> {
    outcome: Mutex<Outcome<T>>,
}

#[derive(Debug)]
enum Outcome<T> {
    Waiting,
    /// Nobody waits any more: it need not be sent if it has not been.
    Withdrawn,
    Done(Result<T, Error>),
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { outcome: Mutex::new(Outcome::Waiting) }
    }
}

impl<T: Clone> Slot<T> {
    pub(super) fn finish(&self, result: Result<T, Error>) {
        *lock(&self.outcome) = Outcome::Done(result);
    }

    pub(super) fn result(&self) -> Option<Result<T, Error>> {
        match &*lock(&self.outcome) {
            Outcome::Done(result) => Some(result.clone()),
            _ => None,
        }
    }
}

impl<T> Slot<T> {
    /// Nobody waits any more. Whether it has no outcome yet.
    pub(super) fn withdraw(&self) -> bool {
        let mut outcome = lock(&self.outcome);
        let waits = matches!(*outcome, Outcome::Waiting);
        if waits {
            *outcome = Outcome::Withdrawn;
        }
        waits
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(*lock(&self.outcome), Outcome::Withdrawn)
    }
}

/// Withdraws when the future that waits is dropped.
pub(super) struct WithdrawOnDrop<'a, T>(pub(super) &'a Slot<T>);

impl<T> Drop for WithdrawOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}
