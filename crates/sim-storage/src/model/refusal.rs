//! Why a store did not do what it was asked, in the terms of HTTP.
//!
//! The model answers with a refusal, not with the error type of a client library: several libraries
//! and several versions of one library stand on the same wire protocol, and each maps the same
//! status to errors of its own. [`Refusal::status`] is what travels.

use thiserror::Error;

use crate::profile::MissingMatch;

/// A request that changed nothing because the store would not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// 404: there is no such object, or no such version of it.
    #[error("no such object")]
    NotFound,
    /// 412 (409 on Azure): create-if-absent, and the object is there.
    #[error("the object exists")]
    Exists,
    /// 412: the condition of a write or a read does not hold.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// 304: a conditional read, and nothing is newer.
    #[error("not modified")]
    NotModified,
    /// 409: a conflicting operation was under way; nothing landed, the client may try again.
    #[error("a conflicting operation is in progress")]
    Conflict,
    /// 416: the range begins after the end of the object, or is empty.
    #[error("range {start}..{end} of an object of {size} bytes")]
    RangeNotSatisfiable {
        /// First byte asked for.
        start: u64,
        /// End of the range asked for.
        end: u64,
        /// Length of the object.
        size: u64,
    },
    /// 404: the multipart upload was never begun, was aborted, or is finished.
    #[error("no such multipart upload")]
    NoSuchUpload,
    /// 400: the upload is completed with a part that was not uploaded.
    #[error("part {0} is missing")]
    MissingPart(u32),
    /// 429: too many writes to one object name.
    #[error("too many requests")]
    TooManyRequests,
    /// 503: the store asks for less.
    #[error("slow down")]
    SlowDown,
    /// 500: the store failed.
    #[error("internal error")]
    Internal,
    /// 200, and the body says that the store failed: a copy or a completion whose answer was begun
    /// before its end was known.
    #[error("an error in the body of a success")]
    ErrorInside,
    /// 501: this store does not know such a condition.
    #[error("the store does not support this condition")]
    Unsupported,
}

impl From<MissingMatch> for Refusal {
    fn from(answer: MissingMatch) -> Self {
        match answer {
            MissingMatch::NotFound => Self::NotFound,
            MissingMatch::PreconditionFailed => Self::PreconditionFailed,
        }
    }
}

impl Refusal {
    /// The HTTP status that stands for it on the wire.
    pub fn status(self) -> u16 {
        match self {
            Self::ErrorInside => 200,
            Self::NotModified => 304,
            Self::MissingPart(_) => 400,
            Self::NotFound | Self::NoSuchUpload => 404,
            Self::Conflict => 409,
            Self::Exists | Self::PreconditionFailed => 412,
            Self::RangeNotSatisfiable { .. } => 416,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unsupported => 501,
            Self::SlowDown => 503,
        }
    }
}
