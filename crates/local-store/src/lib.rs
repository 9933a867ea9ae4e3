//! An object store on a directory, with conditional PUTs that are atomic among processes.
//!
//! [`LocalStore`] is an [`object_store::ObjectStore`] for people without a cloud: on a laptop, in a
//! test, on a single server. Unlike `LocalFileSystem`, it has compare-and-set
//! ([`PutMode::Update`](object_store::PutMode::Update)), so that a commit protocol that was made for
//! S3 runs on it as it is. Any number of processes and threads may use one directory at once, any of
//! them may be killed at any moment, and the power may fail.
//!
//! ```
//! use local_store::{LocalStore, Options};
//! use object_store::path::Path;
//! use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let directory = temporary.path();
//! let store = LocalStore::open(directory, Options::default())?;
//! let head = Path::from("tables/orders/head");
//!
//! // Only if nothing is there.
//! let first = store.put_opts(&head, "v1".into(), PutMode::Create.into()).await?;
//!
//! // Only in the place of the version that was seen.
//! let seen = UpdateVersion { e_tag: first.e_tag, version: first.version };
//! store.put_opts(&head, "v2".into(), PutMode::Update(seen.clone()).into()).await?;
//!
//! // Whoever comes late is refused, in this process or in any other.
//! let late = store.put_opts(&head, "v3".into(), PutMode::Update(seen).into()).await;
//! assert!(matches!(late, Err(Error::Precondition { .. })));
//! assert_eq!(store.get(&head).await?.bytes().await?, "v2");
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! * **A write is all or nothing**, whenever its process dies: the old object or the new one, whole.
//!   Conditions hold among all processes. What a dead process left half done is never shown, and
//!   removed when the store is opened next (or by [`LocalStore::sweep`]).
//! * **What anybody was told survives a power loss**, with [`Durability::PowerLoss`], the default. That
//!   is more than that answered writes survive: a reader who sees a write that is still on its way to
//!   the disk waits for it too, and so does a writer who is refused because of it.
//! * **A read brings one version**, with the tag and the attributes that belong to these very bytes,
//!   and takes no lock. A body that is streamed while the object is replaced stays that of its version.
//! * **Tags never recur**: each version has 128 random bits, kept in its file. Restoring a backup or
//!   setting back a clock changes nothing about that.
//! * **A listing** is sorted, shows each object that stays exactly once, and is not a snapshot.
//!   A directory without objects is not a prefix.
//! * **A future that is dropped** has done all of its request or nothing of it, or it will do all of it
//!   (see [`Blocking`]); never half.
//! * **Refusals are definite, I/O errors are not.** After `AlreadyExists`, `Precondition`, `NotFound` and
//!   `NotSupported` nothing has changed. After any other error of a write the object is the old or the
//!   new one: read it.
//!
//! Attributes are kept (64 KiB of them), object tags are ignored, there are no version numbers.
//! Deleting what is not there succeeds, as on S3. A rename copies, and then removes: a crash between
//! the two leaves both; nothing that is written to its source meanwhile is lost.
//!
//! # What is required
//!
//! * **One kernel, one file system.** All processes on one machine (containers may share a
//!   volume), and a file system that has `flock`, atomic `rename` and, for power losses, `fsync` of
//!   directories: ext4, XFS, btrfs, ZFS, APFS and their like. Not a network file system (NFS, SMB), nor a
//!   directory that a virtual machine shares with its host: there locks and names may be late or local.
//! * **Unix.** Made for Linux; macOS and the BSDs have the same calls. Other systems do not compile:
//!   Windows cannot lock or flush a directory, nor replace a file that somebody reads.
//! * **Hands off while it is used.** Whoever writes or removes files by hand takes no lock. With no
//!   process running, directories may be removed, copied, moved and restored at will. Files and links
//!   that the store did not make are neither shown nor followed.
//!
//! # On the disk
//!
//! ```text
//! ROOT/tables/orders/head@           the object tables/orders/head: a header, then its body
//! ROOT/.local-store/format           the number of this format
//! ROOT/.local-store/staging/SESSION/ what is being written, by one opened store
//! ```
//! Object and prefix of one name live side by side (`a@` beside `a/`). All but small letters, digits and
//! `-_=+,.` is written `%xx`, so that names are told apart on every file system. Long segments are
//! cut, so that the only limit is the system's on paths (about 4,000 encoded bytes).
//!
//! The lock of an object is its directory. Why that is enough, and why there are no lock files, stands at
//! the top of `directories.rs`; the steps of a write in `publish.rs` and `remove.rs`; what readers do in
//! `object.rs`. A process that is *stopped* (not killed) while it holds the lock holds up writers and
//! listings in that one directory until it goes on or dies; reads go on.
//!
//! # Blocking
//!
//! There is no asynchronous file system. By default a request makes its system calls in the poll of its
//! future: it needs no runtime, takes microseconds without waiting for the disk, and cannot be
//! cancelled in its middle. Where other tasks or timers share the thread, ask for
//! `Blocking::TokioPool` (feature `tokio`).
//!
//! # What it costs
//!
//! For 4 KiB on ext4, as ratios, from three runs of `cargo bench -p local-store --bench requests` on a
//! busy machine with two cores (the spread is that of its disk):
//!
//! | request | without waiting for the disk | with |
//! |---|---|---|
//! | time of an update, to the bare calls that write a file and rename it (and flush both) | 1.2 to 1.3 | 0.8 to 1.2 |
//! | time of a create, to that of `LocalFileSystem` (`with_fsync`) | 1.0 | 1.0 to 1.7 |
//! | time of a get, to opening and reading a file | 1.5 | 1.5 |
//! | updates of one key by four processes, to those by one | 0.2 to 0.3 | 1.0 to 5 |
//! | creates by four processes, to those by one | 0.2 to 0.4 | 7 to 30 |
//!
//! A create and an update flush twice: the file, then its directory; processes that wait for the disk at
//! once share its flushes. In memory (`/dev/shm`), with no disk to hide it, an update takes two and a
//! half times the bare calls.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("local-store needs directories that can be locked and flushed: it is for Unix only");

mod blocking;
mod directories;
mod disk;
mod error;
mod header;
mod inner;
mod list;
mod names;
mod object;
mod options;
#[cfg(test)]
mod power_loss;
mod publish;
mod remove;
mod session;
mod store;
mod upload;

pub use error::Error;
pub use options::{Blocking, Durability, Options};
pub use session::Swept;
pub use store::LocalStore;
