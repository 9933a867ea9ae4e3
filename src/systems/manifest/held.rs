//! Snapshots that clients hold on to: sessions of `manifest-core`, long and short, on the newest
//! state or on one that somebody saved; and snapshots in memory.
//!
//! What to do next follows from the variant of the operation, mixed: whether a session is kept for
//! the next read, and what the next one is opened on. The pin is renewed when a client comes by
//! and finds it due, so a process whose clients are busy elsewhere lets it lapse.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use manifest_core::{Error, Manifest, SavedSnapshot, Session, Snapshot};

use super::session::{byte_range, row};
use crate::system::{Recorder, Shelf};
use crate::workload::{Operation, ReadTarget};

/// The held snapshots of one process.
pub(super) struct Held {
    manifest: Manifest,
    shelf: Shelf,
    pin_ttl: Duration,
    /// Sessions that were opened and are kept for later.
    kept: RefCell<Vec<Session>>,
    renewed_at: Cell<Duration>,
    /// Snapshots in memory, oldest first.
    remembered: RefCell<VecDeque<Snapshot>>,
}

/// Snapshots in memory that a process keeps at most.
const REMEMBERED: usize = 4;

/// Where saved snapshots lie on the shelf.
const SNAPSHOTS: &str = "snapshots";

/// Bits that follow from the variant of an operation.
pub(super) fn habit(variant: u16, place: u32) -> u32 {
    u32::from(variant).wrapping_mul(0x9e37_79b1).rotate_left(7 * place + 5) >> 24
}

impl Held {
    pub(super) fn new(manifest: Manifest, shelf: Shelf, pin_ttl: Duration) -> Self {
        let renewed_at = Cell::new(sim::monotonic());
        let (kept, remembered) = (RefCell::default(), RefCell::default());
        Self { manifest, shelf, pin_ttl, kept, renewed_at, remembered }
    }

    /// Leaves the newest snapshot for others, now and then.
    pub(super) fn maybe_leave(&self, variant: u16) {
        if habit(variant, 0) < 80 {
            self.shelf.leave(SNAPSHOTS, self.manifest.save().into_bytes());
        }
    }

    /// Reads from a snapshot of the past.
    pub(super) async fn read(&self, operation: &Operation, seen: &Recorder) -> Result<(), Error> {
        self.renew_if_due().await;
        let mut session = self.session(operation.variant).await?;
        seen.snapshot(session.seq());
        for read in &operation.reads {
            match *read {
                ReadTarget::Key(key) => {
                    let entry = session.get(key.encode()).await?;
                    seen.saw(key, entry.as_ref().map(|entry| (Some(entry.seq), &entry.value[..])));
                }
                ReadTarget::Range(range) => {
                    let rows = session.scan(byte_range(range)).await?;
                    seen.saw_range(range, rows.iter().map(row));
                }
            }
        }
        if habit(operation.variant, 1) < 170 {
            self.kept.borrow_mut().push(session);
        }
        Ok(())
    }

    /// A snapshot that the process has in memory: the oldest that it keeps, or the newest there is.
    pub(super) fn remembered(&self, variant: u16) -> Snapshot {
        let mut remembered = self.remembered.borrow_mut();
        let oldest = remembered.pop_front().filter(|_| habit(variant, 2) < 170);
        let snapshot = oldest.unwrap_or_else(|| self.manifest.snapshot());
        if habit(variant, 1) < 170 {
            // The one that was read stays the oldest; what is too many goes from the other end.
            remembered.push_front(snapshot.clone());
            remembered.truncate(REMEMBERED);
        }
        if habit(variant, 3) < 110 {
            remembered.push_back(self.manifest.snapshot());
        }
        snapshot
    }

    async fn session(&self, variant: u16) -> Result<Session, Error> {
        // Long sessions: the oldest that is kept. Short ones: a new one.
        if habit(variant, 2) < 170 && !self.kept.borrow().is_empty() {
            return Ok(self.kept.borrow_mut().remove(0));
        }
        let found = self.shelf.find(SNAPSHOTS, habit(variant, 3) as usize);
        let found = found.filter(|_| habit(variant, 2) < 110);
        match found {
            Some(bytes) => self.manifest.reopen(&SavedSnapshot::from_bytes(bytes)).await,
            None => {
                let session = self.manifest.session().await?;
                if habit(variant, 0) < 80 {
                    self.shelf.leave(SNAPSHOTS, session.save().into_bytes());
                }
                Ok(session)
            }
        }
    }

    async fn renew_if_due(&self) {
        let now = sim::monotonic();
        if now.saturating_sub(self.renewed_at.get()) < self.pin_ttl / 3 {
            return;
        }
        self.renewed_at.set(now);
        let _ = self.manifest.renew_pin().await;
    }

    /// Ends all sessions, and gives the pin up.
    pub(super) async fn let_go(&self) {
        self.kept.borrow_mut().clear();
        self.remembered.borrow_mut().clear();
        let _ = self.manifest.renew_pin().await;
    }
}
