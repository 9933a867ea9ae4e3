//! Reading one object for a verification: with patience, and every answer an honest one.
//!
//! A request that fails is repeated until the deadline. A body that is wrong, and an object that is
//! missing where one must be, is believed when it was found three times (`patience.rs`): what was
//! damaged on the way is not reported as damaged at rest.

use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::report::{Broken, Report, Unread};
use crate::error::Error;
use crate::format::{Damage, xxh3};
use crate::inner::missing_object;
use crate::patience::{Finding, Patience, RefreshError};
use crate::requests::{Failure, Fetched, Requests};

/// So often something wrong is looked at, however late it is: often enough for it to be believed.
const ENOUGH: u32 = 3;

/// Whether an object may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// It may: believed at once.
    Allowed,
    /// It may not: believed when it is missing again and again.
    Suspect,
}

/// The store, and how long to try.
#[derive(Debug)]
pub(super) struct Eyes {
    pub(super) requests: Requests,
    pub(super) deadline: Duration,
}

impl Eyes {
    fn patience(&self) -> Patience {
        Patience::until(self.requests.env.now() + self.deadline)
    }

    /// An object, decoded; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::UnsupportedFormat`] for what it holds;
    /// [`Error::Unavailable`] if the store does not say.
    pub(super) async fn object<T>(
        &self,
        path: &Path,
        absence: Absence,
        decode: impl Fn(Bytes) -> Result<T, Damage>,
    ) -> Result<Option<T>, Error> {
        let mut patience = self.patience();
        let mut findings = 0;
        loop {
            let mut is_missing = false;
            let error = match self.requests.get(path, None).await {
                Ok(Fetched::Body { bytes, .. }) => match decode(bytes.clone()) {
                    Ok(object) => return Ok(Some(object)),
                    Err(damage) => RefreshError::damaged(Error::corrupt(path, damage), &bytes),
                },
                Ok(Fetched::NotFound | Fetched::NotModified) if absence == Absence::Allowed => {
                    return Ok(None);
                }
                Ok(Fetched::NotFound | Fetched::NotModified) => {
                    is_missing = true;
                    let finding = Finding { error: missing_object(path), print: xxh3(b"missing") };
                    RefreshError::Missing(Box::new(finding))
                }
                Err(failure) => RefreshError::Failed(failure),
            };
            findings += u32::from(!matches!(error, RefreshError::Failed(_)));
            if let Err(error) = patience.after(&self.requests, error).await {
                return match error {
                    // Time is up, but whether something is broken must not depend on how busy the
                    // machine is.
                    RefreshError::Failed(_) if (1..ENOUGH).contains(&findings) => continue,
                    RefreshError::Gone(_) if is_missing => Ok(None),
                    error => Err(error.report("verify")),
                };
            }
        }
    }

    /// Everything under a prefix.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>, Error> {
        let mut patience = self.patience();
        loop {
            let failure = match self.requests.list(prefix).await {
                Ok(listed) => return Ok(listed),
                Err(failure) => failure,
            };
            let again = patience.after(&self.requests, RefreshError::Failed(failure)).await;
            again.map_err(|error| error.report("verify"))?;
        }
    }
}

impl Report {
    /// Files what an object was found to be.
    pub(super) fn file(&mut self, path: &Path, error: Error) {
        let broken = |object, expected: &str, found: String| Broken {
            object,
            expected: expected.to_owned(),
            found,
        };
        match error {
            Error::Corrupt { object, expected, got } => {
                self.broken.push(broken(object, &expected, got));
            }
            Error::UnsupportedFormat { object, feature } => {
                let expected = "a format that this version of the library reads";
                self.broken.push(broken(object, expected, feature.to_owned()));
            }
            other => {
                let (object, why) = (path.to_string(), in_full(&other));
                let source = match other {
                    Error::Unavailable { source, .. } => source,
                    _ => None,
                };
                self.unread.push(Unread { object, why, source });
            }
        }
    }

    /// Files something wrong that was not told by an error.
    pub(super) fn breach(&mut self, path: &Path, expected: &str, found: impl ToString) {
        let (object, expected) = (path.to_string(), expected.to_owned());
        self.broken.push(Broken { object, expected, found: found.to_string() });
    }
}

/// An error with the ones behind it.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The store did not say.
pub(super) fn unanswered() -> Error {
    Failure::TimedOut.unavailable("verify")
}
