//! What a process knows of a manifest: the newest head it has seen, and all keys and ids up to it.
//!
//! [`State::install`] is the only way in for a head that was read, and it is the gate at which
//! history is checked: the incarnation must be the same, versions must grow, the successor must
//! name its predecessor, records that are known must be the same bytes, records that are new must
//! continue the chain, and the chain must end where the head says. Refreshes may overlap; a head
//! that is older than what is held is ignored. Nothing is changed before everything is verified.

use std::sync::Arc;

use object_store::UpdateVersion;

use crate::format::directory::SegmentRef;
use crate::format::head::Head;
use crate::format::record::{self, RecordView, RunEnd, skip_to, verify_run};
use crate::format::segment::Segment;
use crate::format::{Damage, expect, expect_hash};
use crate::history::History;
use crate::index::Index;
use crate::maintain::Sealed;
use crate::steps::*;

/// What became of a head that was handed to [`State::install`].
#[derive(Debug)]
pub(crate) enum Installed {
    /// The state is at least as new as this head now.
    Yes,
    /// Records that are missing are in these segments, the first of which continues the chain
    /// at the given hash: read them and try again.
    NeedsSegments(Vec<(SegmentRef, u128)>),
}

/// The state of a process.
#[derive(Debug)]
pub(crate) struct State {
    /// The newest head seen.
    pub(crate) head: Arc<Head>,
    /// Its tag: what a conditional request names.
    pub(crate) tag: Arc<UpdateVersion>,
    pub(crate) index: Index,
    pub(crate) history: History,
    /// A segment that is written and waits for the next commit to publish it.
    pub(crate) sealed: Option<Sealed>,
    /// When the store last confirmed `head` as the newest (`Env::now`).
    pub(crate) confirmed_at: std::time::Duration,
}

impl State {
    /// The state of a process that knows nothing yet: before the first record, under a head that
    /// was read. The caller installs that head.
    pub(crate) fn before_everything(incarnation: u128) -> Self {
        let mut head = Head::genesis(incarnation, 0);
        head.header.version = 0;
        Self {
            head: Arc::new(head),
            tag: Arc::new(UpdateVersion { e_tag: None, version: None }),
            index: Index::default(),
            history: History::default(),
            sealed: None,
            confirmed_at: std::time::Duration::ZERO,
        }
    }

    /// The seq of the newest commit that is known.
    pub(crate) fn seq(&self) -> u64 {
        self.head.header.next_seq - 1
    }

    /// Takes over a head that was read, if it is newer. `segments` are those that an earlier call
    /// asked for.
    pub(crate) fn install(
        &mut self,
        head: &Arc<Head>,
        tag: &Arc<UpdateVersion>,
        segments: &[Segment],
    ) -> Result<Installed, InstallError> {
        let (new, held) = (&head.header, &self.head.header);
        if new.incarnation != held.incarnation {
            return Err(InstallError::OtherIncarnation);
        }
        if new.version < held.version {
            step!(REFRESH_OLDER);
            return Ok(Installed::Yes);
        }
        if new.version == held.version {
            expect_hash(self.head.digest, head.digest, "one head for each version")?;
            return Ok(Installed::Yes);
        }
        if new.version == held.version + 1 && held.version > 0 {
            expect_hash(self.head.digest, new.prev_digest, "a head that follows the one held")?;
        }
        if head.directory.checkpoint.is_some() {
            return Err(Damage::Newer { feature: "checkpoints" }.into());
        }
        let missing = self.missing_segments(head, segments)?;
        if !missing.is_empty() {
            step!(REFRESH_BEHIND_SEAL);
            return Ok(Installed::NeedsSegments(missing));
        }
        step!(REFRESH_NEWER);
        let new = self.verify_new(head, segments)?;
        for run in new.segments.into_iter().chain([new.tail]) {
            for record in record::verified(run) {
                self.apply(&record);
            }
        }
        self.adopt(Arc::clone(head), Arc::clone(tag));
        Ok(Installed::Yes)
    }

    /// The segments that hold records which this state lacks and `segments` does not bring.
    fn missing_segments(
        &self,
        head: &Head,
        segments: &[Segment],
    ) -> Result<Vec<(SegmentRef, u128)>, Damage> {
        let next = self.head.header.next_seq;
        let mut chain = head.directory.segments_start(head.header.incarnation).chain;
        let mut missing = Vec::new();
        for reference in &head.directory.segments {
            let brought = segments.iter().any(|segment| segment.reference == *reference);
            if reference.last >= next && !brought {
                missing.push((*reference, chain));
            }
            chain = reference.chain_end;
        }
        Ok(missing)
    }

    /// Verifies all records of `head` that this state lacks, in order.
    fn verify_new<'a>(
        &self,
        head: &'a Head,
        segments: &'a [Segment],
    ) -> Result<NewRecords<'a>, Damage> {
        let mut end = self.head.end();
        expect(head.header.next_seq >= end.next_seq, "a history that only grows", end.next_seq)?;
        let mut runs = Vec::new();
        for reference in &head.directory.segments {
            if reference.last < end.next_seq {
                continue;
            }
            let segment = segments.iter().find(|segment| segment.reference == *reference);
            let segment = segment.ok_or_else(|| Damage::new("a segment that was read", "none"))?;
            let new = skip_to(segment.records(), end.next_seq)?;
            end = verify_run(new, end)?;
            runs.push(new);
        }
        let tail = self.new_part_of_tail(head, end)?;
        end = verify_run(tail, end)?;
        expect_hash(head.header.chain, end.chain, "a tail that ends at the head's chain hash")?;
        expect(
            end.next_seq == head.header.next_seq,
            "as many records as the head counts",
            end.next_seq,
        )?;
        Ok(NewRecords { segments: runs, tail })
    }

    /// The part of a new head's tail behind what is known, after comparing what is known.
    fn new_part_of_tail<'a>(&self, head: &'a Head, end: RunEnd) -> Result<&'a [u8], Damage> {
        let starts_at = head.tail_start().next_seq;
        if starts_at >= end.next_seq {
            return Ok(head.tail());
        }
        let held_from = self.head.tail_start().next_seq;
        expect(starts_at >= held_from, "segments that are never taken apart", starts_at)?;
        let known = if starts_at == held_from {
            self.head.tail()
        } else {
            skip_to(self.head.tail(), starts_at)?
        };
        match head.tail().strip_prefix(known) {
            Some(new) => Ok(new),
            None => Err(Damage::new("the records that are known", "others in their place")),
        }
    }

    /// The store confirmed the head as the newest, to a request that was sent at `at`.
    pub(crate) fn confirm(&mut self, at: std::time::Duration) {
        self.confirmed_at = self.confirmed_at.max(at);
    }

    fn apply(&mut self, record: &RecordView<'_>) {
        for op in record.ops() {
            self.index.apply_view(op, record.seq);
        }
        self.history.insert(record.id, record.seq);
    }

    /// Makes a head the newest one held. Its records are in the index already.
    pub(crate) fn adopt(&mut self, head: Arc<Head>, tag: Arc<UpdateVersion>) {
        self.head = head;
        self.tag = tag;
        let start = self.head.tail_start().next_seq;
        if self.sealed.as_ref().is_some_and(|sealed| sealed.reference.first < start) {
            // Published, by this process or in its stead.
            self.sealed = None;
        }
    }
}

/// The records that a head brings, verified, as runs in order.
struct NewRecords<'a> {
    segments: Vec<&'a [u8]>,
    tail: &'a [u8],
}

/// Why a head was refused.
#[derive(Debug)]
pub(crate) enum InstallError {
    /// It belongs to another manifest under the same name.
    OtherIncarnation,
    /// It is damaged or contradicts the history.
    Damaged(Damage),
}

impl From<Damage> for InstallError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}
