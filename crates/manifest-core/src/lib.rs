//! A serializable key/value manifest on one object store prefix.
//!
//! `manifest-core` keeps a small, precious map (the files of a table, the tables of a database,
//! the state of a pipeline) on an object store and nothing else: no server, no lock service, no
//! clock that must be right. Any number of processes may read and write at once. Transactions are
//! strictly serializable, and a commit costs **one request**: a conditional PUT of one object,
//! `head`, which carries the newest records inside it.
//!
//! ```text
//! commit, nobody in the way        1 PUT for all transactions that wait
//! commit, lost race                + 1 GET + 1 PUT
//! commit, unknown outcome          + 1 GET, and + 1 PUT if it has not landed
//! strong read                      1 conditional GET
//! snapshot read                    none
//! cold open                        1 GET, then at most 17 in parallel
//! ```
//!
//! A commit whose request had no clear answer is never guessed at: the head is read back until its
//! fate is known. Any error of a commit but [`Error::OutcomeUnknown`] means that it is not
//! committed and never will be.
//!
//! The contract, with every byte of every object, is `docs/protocol.md` in the repository.
//!
//! # Example
//!
#![cfg_attr(feature = "tokio", doc = "```")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use std::sync::Arc;
//! use manifest_core::{Error, KeyRange, Manifest, Options, TokioEnv};
//! use object_store::{memory::InMemory, path::Path};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let (store, env) = (Arc::new(InMemory::new()), Arc::new(TokioEnv::new()));
//! let prefix = Path::from("tables/orders");
//! let manifest = Manifest::open_or_create(store, prefix, env, Options::default()).await?;
//!
//! // All of these writes or none, in one request.
//! let mut add = manifest.transaction();
//! add.put("file/1", "rows 1 to 1000").put("file/2", "rows 1001 to 2000");
//! let commit = add.commit().await?;
//! assert_eq!(commit.seq, 1);
//!
//! // A transaction that read what somebody else changed is refused.
//! let mut merge = manifest.transaction();
//! assert_eq!(merge.scan(KeyRange::prefix("file/")).len(), 2);
//! merge.delete_range(KeyRange::prefix("file/")).put("file/3", "rows 1 to 2000");
//!
//! let mut rival = manifest.transaction();
//! rival.delete("file/2");
//! rival.commit().await?;
//! assert!(matches!(merge.commit().await, Err(Error::Conflict { seq: 2, .. })));
//!
//! // A strong read sees every commit that was acknowledged before it began.
//! assert!(manifest.read().await?.get("file/2").is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # How the code is laid out
//!
//! | module | what it is about |
//! |---|---|
//! | `format` | the bytes: head, record, segment |
//! | `index`, `history` | keys in versions, commit ids, in memory |
//! | `state` | the gate at which a head that was read is verified and taken over |
//! | `commit` | the queue, validation, the PUT, and what became of it |
//! | `edit` | what else a head may change, and the rules for it |
//! | `maintain`, `seal` | upkeep of a process that commits |
//! | `compact`, `fold`, `delta` | checkpoints and merged segments |
//! | `collect` | garbage collection |
//! | `pins`, `session` | long readers of old snapshots |
//! | `role` | who may do what |
//! | `probe`, `manifest` | create, open, read, status |
//! | [`mod@verify`] | what lies under a prefix: damage, garbage, what it costs to open |
//! | `patience` | what is tried again, how often, and what is believed |
//! | `requests`, `env` | the store with time limits; time and randomness |
//! | [`steps`] | the names of the protocol's steps, for logs and simulators |

#![forbid(unsafe_code)]

mod collect;
mod commit;
mod compact;
mod delta;
mod edit;
mod env;
mod error;
mod fold;
mod format;
mod history;
mod index;
mod inner;
mod maintain;
mod manifest;
mod options;
mod patience;
mod pins;
mod planted;
mod probe;
mod range;
mod requests;
mod role;
mod seal;
mod session;
mod snapshot;
mod state;
pub mod steps;
mod transaction;
pub mod verify;

pub use collect::{Collected, Collector};
pub use commit::{Commit, Pending};
pub use compact::{Compaction, Compactor};
pub use edit::Floor;
#[cfg(feature = "tokio")]
pub use env::TokioEnv;
pub use env::{BoxFuture, Env};
pub use error::{Error, Limit};
pub use format::CommitId;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use format::fuzzing;
pub use index::Entry;
pub use maintain::Maintenance;
pub use manifest::{HeadInfo, Manifest, Status};
pub use options::{Ambiguity, Options};
#[cfg(feature = "planted-bugs")]
pub use planted::{PlantedBug, UnknownBug};
pub use range::KeyRange;
pub use role::Role;
pub use session::{SavedSnapshot, Session};
pub use snapshot::Snapshot;
pub use transaction::Transaction;
pub use verify::verify;
