#![forbid(unsafe_code)]
//! A serializable key/value manifest on one object store prefix.
//!
//! `manifest-core` keeps a small, precious map (the files of a table, the tables of a database,
//! the state of a pipeline) on an object store and nothing else: no server, no lock service, no
//! clock that must be right. Any number of processes may read and write at once. Transactions are
//! strictly serializable, and a commit costs **one request**: a conditional PUT of one object,
//! `head`, which carries the newest records inside it.
//!
//! The contract, with every byte of every object, is `docs/protocol.md` in the repository.

mod commit;
mod env;
mod error;
mod format;
mod history;
mod index;
mod inner;
mod maintain;
mod manifest;
mod options;
mod planted;
mod probe;
mod range;
mod requests;
mod snapshot;
mod state;
pub mod steps;
mod transaction;

pub use commit::{Commit, Pending};
#[cfg(feature = "tokio")]
pub use env::TokioEnv;
pub use env::{BoxFuture, Env};
pub use error::{Error, Limit};
pub use format::CommitId;
pub use index::Entry;
pub use maintain::Maintenance;
pub use manifest::{HeadInfo, Manifest, Status};
pub use options::{Ambiguity, Options};
#[cfg(feature = "planted-bugs")]
pub use planted::{PlantedBug, UnknownBug};
pub use range::KeyRange;
pub use snapshot::Snapshot;
pub use transaction::Transaction;
