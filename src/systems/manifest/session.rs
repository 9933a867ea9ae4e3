//! Operations as calls of `manifest-core`'s public API, and the environment it runs in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use manifest_core::{
    BoxFuture, Env, Error, KeyRange as ByteRange, Manifest, Options, Role, Snapshot, Status,
    Transaction,
};
use object_store::path::Path;
use sim::{ProcessId, Site};

use super::duties::Duties;
use super::held::Held;
use super::{Habits, PREFIX, inquiry};
use crate::checkers::{Ending, Failure};
use crate::system::{Executing, OpenContext, OpenError, Recorder, Serving, Session, Shelf};
use crate::workload::{Freshness, KeyId, KeyRange, OpId, Operation, ReadTarget, Write};

/// The role under which some worlds write.
pub(super) const LEADER: &str = "leader";

/// Time and randomness of a simulated process.
#[derive(Debug)]
struct SimEnv {
    process: ProcessId,
}

impl Env for SimEnv {
    fn now(&self) -> Duration {
        sim::monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sim::sleep(duration))
    }

    fn random_u64(&self) -> u64 {
        sim::draw(self.process, Site::SYSTEM).word_u64(0)
    }

    fn wall_ms(&self) -> i64 {
        let monotonic_ms = i64::try_from(sim::monotonic().as_millis()).unwrap_or(i64::MAX);
        monotonic_ms + sim::clock(self.process).wall_offset_ns / 1_000_000
    }
}

pub(super) async fn open(
    context: OpenContext,
    options: Options,
    habits: Habits,
) -> Result<Rc<dyn Session>, OpenError> {
    let env = Arc::new(SimEnv { process: context.process });
    let pin_ttl = options.pin_ttl;
    let opened = Manifest::open_or_create(context.store, Path::from(PREFIX), env, options).await;
    match opened {
        Ok(manifest) => Ok(Rc::new(ManifestSession {
            held: Held::new(manifest.clone(), context.shelf.clone(), pin_ttl),
            shelf: context.shelf,
            duties: Duties::new(manifest.clone(), pin_ttl),
            manifest,
            habits,
            leader: RefCell::default(),
            fenced: Cell::new(0),
        }) as Rc<dyn Session>),
        Err(error @ Error::Unavailable { .. }) => Err(OpenError::Unavailable(error.to_string())),
        Err(error) => Err(OpenError::Broken(error.to_string())),
    }
}

struct ManifestSession {
    manifest: Manifest,
    habits: Habits,
    held: Held,
    shelf: Shelf,
    duties: Duties,
    /// The role that it writes under, as long as it thinks that it has it.
    leader: RefCell<Option<Role>>,
    /// How often it lost it.
    fenced: Cell<u32>,
}

impl Session for ManifestSession {
    fn execute<'a>(&'a self, operation: &'a Operation, seen: &'a Recorder) -> Executing<'a> {
        Box::pin(async move {
            match self.run(operation, seen).await {
                Ok(ending) => ending,
                Err(error) => self.ending_of(error, operation, seen).await,
            }
        })
    }

    fn maintain(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            // A failed upkeep loses nothing: the next one does the work.
            let _ = self.manifest.maintain().await;
        })
    }

    fn serve(&self, duty: usize, round: u32) -> Serving<'_> {
        Box::pin(self.duties.serve(duty, round))
    }

    fn let_go(&self) -> Serving<'_> {
        Box::pin(self.held.let_go())
    }

    fn tidy(&self) -> Serving<'_> {
        Box::pin(self.duties.tidy())
    }
}

impl ManifestSession {
    async fn run(&self, operation: &Operation, seen: &Recorder) -> Result<Ending, Error> {
        inquiry::maybe_ask(&self.manifest, &self.shelf, operation.variant, seen).await?;
        if operation.freshness == Freshness::Held {
            self.held.read(operation, seen).await?;
            return Ok(Ending::Ok { commit: None });
        }
        if operation.writes.is_empty() {
            let snapshot = self.base(operation).await?;
            seen.snapshot(snapshot.seq());
            read_snapshot(&snapshot, &operation.reads, seen);
            self.held.maybe_leave(operation.variant);
            return Ok(Ending::Ok { commit: None });
        }
        let role = self.role_for(operation).await?;
        let mut transaction = if operation.reads.is_empty() {
            self.manifest.transaction()
        } else {
            let base = self.base(operation).await?;
            seen.snapshot(base.seq());
            base.transaction()
        };
        for read in &operation.reads {
            match *read {
                ReadTarget::Key(key) => {
                    let entry = transaction.get(key.encode());
                    seen.saw(key, entry.as_ref().map(|entry| (Some(entry.seq), &entry.value[..])));
                }
                ReadTarget::Range(range) => {
                    let rows = transaction.scan(byte_range(range));
                    seen.saw_range(range, rows.iter().map(row));
                }
            }
        }
        for (index, write) in operation.writes.iter().enumerate() {
            match *write {
                Write::Put(key) => transaction.put(encoded(key), seen.value(index)),
                Write::Delete(key) => transaction.delete(encoded(key)),
                Write::DeleteRange(range) => transaction.delete_range(byte_range(range)),
            };
        }
        read_own(&mut transaction, operation, seen);
        transaction.set_metadata(metadata(operation.id, role.as_ref()));
        if let Some(role) = &role {
            transaction.under(role);
        }
        let pending = transaction.submit()?;
        inquiry::maybe_leave(&self.shelf, operation.variant, operation.id, pending.id());
        let commit = pending.await?;
        Ok(Ending::Ok { commit: Some(commit.seq) })
    }

    /// In worlds with a leader every second writing operation wants to be done by it. A process
    /// without the role takes it over; one that lost it hesitates.
    async fn role_for(&self, operation: &Operation) -> Result<Option<Role>, Error> {
        let variant = operation.variant;
        if self.habits.writes != Writing::UnderRole || !variant.is_multiple_of(2) {
            return Ok(None);
        }
        let held = self.leader.borrow().clone();
        if held.is_some() || (self.fenced.get() > 0 && !variant.is_multiple_of(8)) {
            return Ok(held);
        }
        let role = self.manifest.acquire(LEADER).await?;
        *self.leader.borrow_mut() = Some(role.clone());
        Ok(Some(role))
    }

    async fn base(&self, operation: &Operation) -> Result<Snapshot, Error> {
        let variant = operation.variant;
        match operation.freshness {
            Freshness::Strong => self.manifest.read().await,
            Freshness::Session | Freshness::Held => Ok(self.manifest.snapshot()),
            Freshness::Kept => Ok(self.held.remembered(variant)),
        }
    }

    async fn ending_of(&self, error: Error, operation: &Operation, seen: &Recorder) -> Ending {
        match error {
            Error::Conflict { key, seq } => {
                Ending::Failed(Failure::Conflict { key: KeyId::decode(&key), seq })
            }
            Error::OutcomeUnknown { id } => {
                // Half of the clients ask what became of it, as they would after a restart.
                if operation.variant.is_multiple_of(2) {
                    return Ending::Unknown;
                }
                seen.asks_once_more();
                match self.manifest.status(id).await {
                    Ok(Status::Committed { seq }) => {
                        sim::mark("status.committed");
                        Ending::Ok { commit: Some(seq) }
                    }
                    Ok(Status::NotCommitted) => {
                        sim::mark("status.not_committed");
                        Ending::Failed(Failure::Unavailable)
                    }
                    _ => Ending::Unknown,
                }
            }
            Error::Fenced { .. } => {
                self.leader.borrow_mut().take();
                self.fenced.set(self.fenced.get() + 1);
                Ending::Failed(Failure::Fenced)
            }
            Error::TooLarge { .. } => Ending::Failed(Failure::TooLarge),
            Error::Corrupt { .. } => Ending::Failed(Failure::Corrupt),
            Error::SnapshotExpired { .. } => Ending::Failed(Failure::Expired),
            _ => Ending::Failed(Failure::Unavailable),
        }
    }
}

/// What the transaction itself wrote last is what it reads now. Other keys are not asked for: they
/// would count as read.
fn read_own(transaction: &mut Transaction, operation: &Operation, seen: &Recorder) {
    if !operation.variant.is_multiple_of(4) {
        return;
    }
    for key in operation.written_keys() {
        let entry = transaction.get(key.encode());
        seen.saw_own(key, entry.as_ref().map(|entry| &entry.value[..]));
    }
}

/// How a world's processes write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    AsTheyLike,
    /// Half of it under one role that they take from each other.
    UnderRole,
}

/// What stands beside a commit: which operation it is, and under which epoch of the role.
fn metadata(id: OpId, role: Option<&Role>) -> Bytes {
    let mut bytes = id.0.to_le_bytes().to_vec();
    if let Some(role) = role {
        bytes.extend_from_slice(&role.epoch().to_le_bytes());
    }
    bytes.into()
}

fn read_snapshot(snapshot: &Snapshot, reads: &[ReadTarget], seen: &Recorder) {
    for read in reads {
        match *read {
            ReadTarget::Key(key) => {
                let entry = snapshot.get(key.encode());
                seen.saw(key, entry.as_ref().map(|entry| (Some(entry.seq), &entry.value[..])));
            }
            ReadTarget::Range(range) => {
                let rows = snapshot.scan(byte_range(range));
                seen.saw_range(range, rows.iter().map(row));
            }
        }
    }
}

pub(super) fn row(row: &(Bytes, manifest_core::Entry)) -> (KeyId, Option<u64>, &[u8]) {
    let (key, entry) = row;
    // Bytes that are no key of this world become a key that no client ever writes.
    let key = KeyId::decode(key).unwrap_or(KeyId(9999));
    (key, Some(entry.seq), &entry.value[..])
}

fn encoded(key: KeyId) -> Bytes {
    Bytes::copy_from_slice(&key.encode())
}

pub(super) fn byte_range(range: KeyRange) -> ByteRange {
    ByteRange { start: encoded(range.start), end: range.end.map(encoded) }
}
