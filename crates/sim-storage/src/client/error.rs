//! Failures as `object_store` tells them.
//!
//! The mapping is that of its S3, GCS and Azure clients with their own retries off: the HTTP status
//! is folded into a few variants, and what was asked decides between some of them. Two things follow
//! that surprise people, and that a protocol must live with: **409 is `AlreadyExists`** although
//! nothing landed, and a broken connection, a timeout, 429, 500 and 503 are all `Generic`.

use object_store::Error;

use crate::model::Refusal;
use crate::store::Failure;

/// The name under which the store appears in errors.
pub(super) const STORE: &str = "SimStore";

/// What the client had asked for, as far as errors depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A PUT without a condition.
    Put,
    /// A PUT, copy or rename that must not replace anything.
    Create,
    /// A PUT that must replace one version.
    Update,
    /// A read, a listing, or a copy without a condition.
    Read,
    /// A deletion.
    Delete,
}

/// The error for a failed request.
pub(super) fn error(failure: Failure, path: &str, asked: Asked) -> Error {
    let source = Box::new(failure);
    let path = || path.to_owned();
    let Failure::Refused(refusal) = failure else {
        return Error::Generic { store: STORE, source };
    };
    match (refusal, asked) {
        // The S3 client turns the 404 of a conditional overwrite into a failed precondition.
        (Refusal::NotFound, Asked::Update) | (Refusal::PreconditionFailed, _) => {
            Error::Precondition { path: path(), source }
        }
        (Refusal::NotFound | Refusal::NoSuchUpload, _) => Error::NotFound { path: path(), source },
        (Refusal::Exists | Refusal::Conflict, _) => Error::AlreadyExists { path: path(), source },
        (Refusal::NotModified, _) => Error::NotModified { path: path(), source },
        (Refusal::Unsupported, _) => Error::NotSupported { source },
        (
            Refusal::RangeNotSatisfiable { .. }
            | Refusal::MissingPart(_)
            | Refusal::TooManyRequests
            | Refusal::SlowDown
            | Refusal::Internal
            | Refusal::ErrorInside,
            _,
        ) => Error::Generic { store: STORE, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(refusal: Refusal, asked: Asked) -> Error {
        error(Failure::Refused(refusal), "k", asked)
    }

    #[test]
    fn what_a_client_sees_when_a_put_goes_wrong() {
        assert!(matches!(of(Refusal::Exists, Asked::Create), Error::AlreadyExists { .. }));
        assert!(matches!(of(Refusal::Conflict, Asked::Create), Error::AlreadyExists { .. }));
        assert!(matches!(of(Refusal::Conflict, Asked::Update), Error::AlreadyExists { .. }));
        assert!(matches!(
            of(Refusal::PreconditionFailed, Asked::Update),
            Error::Precondition { .. }
        ));
        assert!(matches!(of(Refusal::NotFound, Asked::Update), Error::Precondition { .. }));
        assert!(matches!(of(Refusal::SlowDown, Asked::Update), Error::Generic { .. }));
        assert!(matches!(error(Failure::Reset, "k", Asked::Put), Error::Generic { .. }));
        assert!(matches!(error(Failure::TimedOut, "k", Asked::Put), Error::Generic { .. }));
    }

    #[test]
    fn the_text_says_the_status_and_the_path() {
        let text = of(Refusal::PreconditionFailed, Asked::Update).to_string();
        assert!(text.contains("412") && text.contains('k'), "{text}");
    }
}
