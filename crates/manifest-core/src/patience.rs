//! What a reader does about an answer that is no good: try again, and when to stop.
//!
//! Three things look alike from one answer and are not. A request that **failed**, or whose body
//! broke off, says nothing about the object: it is repeated until the deadline, with full jitter.
//! A body that is whole but **wrong** (a hash does not match, history is contradicted) may have
//! been damaged on the way, so it is read again; but damage on the way is different every time,
//! and damage at rest is the same. So it is believed when the same wrong thing was found
//! [`SAME_FINDINGS`] times. An object that is **missing** sends the reader back to the head, which
//! may have been replaced meanwhile; it is believed when the same head named it that often. Heads
//! only move forward and the deadline ends everything else, so no reader goes round for ever.

use std::time::Duration;

use crate::error::Error;
use crate::requests::{Failure, Requests};
use crate::steps::*;

/// How often the same thing must be found wrong before it is reported.
const SAME_FINDINGS: u32 = 3;

/// Why the newest head could not be read and installed.
#[derive(Debug)]
pub(crate) enum RefreshError {
    /// A request had no good answer. Trying again may help.
    Failed(Failure),
    /// What was read is wrong. If it was damaged on the way, reading it again helps.
    Damaged(Box<Finding>),
    /// A segment that the head names does not exist. If the head was replaced, reading that again
    /// helps.
    Missing(Box<Finding>),
    /// Final: there is no head, or that of another manifest, or an object is corrupt for sure.
    Gone(Box<Error>),
}

/// An error that is believed only when the same is found again.
#[derive(Debug)]
pub(crate) struct Finding {
    /// What to report then.
    pub(crate) error: Error,
    /// Tells this finding from others: a hash of what it rests on.
    pub(crate) print: u128,
}

impl RefreshError {
    /// These bytes are wrong.
    #[cold]
    pub(crate) fn damaged(error: Error, bytes: &[u8]) -> Self {
        let print = crate::format::xxh3(bytes);
        Self::Damaged(Box::new(Finding { error, print }))
    }

    #[cold]
    pub(crate) fn gone(error: Error) -> Self {
        Self::Gone(Box::new(error))
    }

    /// The error of an operation that ends with this.
    pub(crate) fn report(self, operation: &'static str) -> Error {
        match self {
            Self::Failed(failure) => failure.unavailable(operation),
            Self::Damaged(finding) | Self::Missing(finding) => finding.error,
            Self::Gone(error) => *error,
        }
    }
}

/// The tries of one reader at one thing.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Duration,
    tries: u32,
    /// The print of the newest finding, and how often in a row it was found.
    found: Option<(u128, u32)>,
}

impl Patience {
    /// Ends at that time (`Env::now`).
    pub(crate) fn until(deadline: Duration) -> Self {
        Self { deadline, tries: 0, found: None }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// No next try: [`RefreshError::Gone`] if the error is final or believed by now,
    /// [`RefreshError::Failed`] at the deadline.
    pub(crate) async fn after(
        &mut self,
        requests: &Requests,
        error: RefreshError,
    ) -> Result<(), RefreshError> {
        let failure = match error {
            RefreshError::Failed(failure) => failure,
            RefreshError::Damaged(finding) | RefreshError::Missing(finding) => {
                if self.believes(finding.print) {
                    return Err(RefreshError::gone(finding.error));
                }
                Failure::unfit(finding.error)
            }
            gone @ RefreshError::Gone(_) => return Err(gone),
        };
        if requests.env.now() >= self.deadline {
            return Err(RefreshError::Failed(failure));
        }
        step!(READ_BACK_OFF);
        requests.back_off(self.tries).await;
        self.tries += 1;
        Ok(())
    }

    /// Counts a finding; whether that was often enough.
    fn believes(&mut self, print: u128) -> bool {
        let times = match self.found {
            Some((before, times)) if before == print => times + 1,
            _ => 1,
        };
        self.found = Some((print, times));
        times >= SAME_FINDINGS
    }
}
