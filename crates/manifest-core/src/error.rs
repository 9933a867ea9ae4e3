//! Everything that can go wrong, as one type, each case with what the caller should do.
//!
//! The rule for commits: **any error but [`Error::OutcomeUnknown`] means that the transaction is
//! not committed, now and forever.** A caller may run it again without asking anybody.

use std::sync::Arc;

use bytes::Bytes;

use crate::format::{CommitId, Damage};

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another transaction changed what this one had read. Not committed.
    ///
    /// Take a new snapshot (or a strong read), read again, decide again, commit again.
    #[error("conflict: key {key:?} was changed by commit {seq}")]
    Conflict {
        /// The first key found that was read and has changed since.
        key: Bytes,
        /// The commit that changed it.
        seq: u64,
    },

    /// The deadline passed before the fate of the commit could be found out. It may be committed,
    /// may become so later, or may never be.
    ///
    /// Keep the id and ask `Manifest::status`; do not run the transaction again before that
    /// says that it is not committed, unless running it twice is harmless.
    #[error("the outcome of commit {id} is unknown")]
    OutcomeUnknown {
        /// The id to ask for.
        id: CommitId,
    },

    /// An object is damaged, missing or contradicts the history that was already verified, also
    /// after it was read again.
    ///
    /// Stop writing to this prefix and look at the object. For a commit: not committed.
    #[error("{object} is corrupt: expected {expected}, got {got}")]
    Corrupt {
        /// Its name below the store's root.
        object: String,
        /// What had to be there.
        expected: String,
        /// What was there.
        got: String,
    },

    /// The store did not answer in time. For a commit: not committed.
    ///
    /// Retry later.
    #[error("{operation}: the store is unavailable")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The last error of the store, or what was wrong with what it sent; none if its last
        /// answer was a time-out.
        #[source]
        source: Option<Arc<object_store::Error>>,
    },

    /// The role has another owner by now. For a commit: not committed.
    ///
    /// Stop doing what the role allows. Take the role again only if this process is meant to have
    /// it.
    #[error("the role {role} was taken over: epoch {epoch} is past, the present one is {current}")]
    Fenced {
        /// The role.
        role: String,
        /// The epoch that this process acted in.
        epoch: u64,
        /// The epoch that the head names.
        current: u64,
    },

    /// The snapshot's objects may be collected: its pin was not renewed in time, or it is too old to
    /// be pinned.
    ///
    /// Open a session on a newer snapshot, and renew the pin more often
    /// (`Manifest::keep_pinned`).
    #[error("the snapshot of head version {version} has expired")]
    SnapshotExpired {
        /// The version of its head.
        version: u64,
    },

    /// Something is larger than a limit allows. For a commit: not committed.
    ///
    /// For [`Limit::Head`]: the head names as many segments as it can and is full, and folding
    /// them did not work out. Run a compactor (and a collector, if that says so), then retry. For
    /// the others: make it smaller.
    #[error("{size} {limit}, the limit is {max}")]
    TooLarge {
        /// Which limit.
        limit: Limit,
        /// The size that was needed, in bytes.
        size: usize,
        /// The limit, in bytes.
        max: usize,
    },

    /// The store lacks a property that the protocol cannot do without. Nothing was created.
    ///
    /// Use another store, or another mode of this one.
    #[error("the store is not supported: {missing}")]
    UnsupportedStore {
        /// The property.
        missing: &'static str,
    },

    /// The manifest uses something that this version of the library cannot read.
    ///
    /// Update the library.
    #[error("{object} needs a newer version of this library: {feature}")]
    UnsupportedFormat {
        /// The object's name below the store's root.
        object: String,
        /// What it uses.
        feature: &'static str,
    },

    /// There is no manifest under the prefix. Create one.
    #[error("there is no manifest at {head}")]
    NotFound {
        /// Where its head would be.
        head: String,
    },

    /// There is a manifest under the prefix already. Open it.
    #[error("there is a manifest at {head} already")]
    AlreadyExists {
        /// Where its head is.
        head: String,
    },

    /// The manifest was deleted and another one was created under the same prefix.
    ///
    /// Everything that this process knows is about the old one: drop the `Manifest` and open
    /// again.
    #[error("the manifest was replaced by another one")]
    IncarnationChanged,

    /// The options contradict themselves.
    #[error("invalid options: {problem}")]
    InvalidOptions {
        /// What is wrong with them.
        problem: &'static str,
    },
}

/// The limits of [`Error::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// `Options::key_limit_bytes`.
    Key,
    /// `Options::value_limit_bytes`, for a value.
    Value,
    /// `Options::value_limit_bytes`, for a transaction's metadata.
    Metadata,
    /// `Options::head_limit_bytes`: the head with this transaction in it.
    Head,
    /// A transaction: 60 MiB with everything in it.
    Transaction,
    /// The name of a role: 64 bytes.
    RoleName,
    /// All roles together: an eighth of `Options::head_limit_bytes`.
    Roles,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Limit::Key => "bytes of a key",
            Limit::Value => "bytes of a value",
            Limit::Metadata => "bytes of metadata",
            Limit::Head => "bytes of the head",
            Limit::Transaction => "bytes of a transaction",
            Limit::RoleName => "bytes of a role's name",
            Limit::Roles => "bytes of roles",
        })
    }
}

impl Error {
    /// The damage of an object, with its name.
    pub(crate) fn corrupt(object: impl ToString, damage: Damage) -> Self {
        match damage {
            Damage::Corrupt { expected, got } => {
                Error::Corrupt { object: object.to_string(), expected: expected.into(), got }
            }
            Damage::Newer { feature } => {
                Error::UnsupportedFormat { object: object.to_string(), feature }
            }
        }
    }
}
