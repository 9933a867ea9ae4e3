//! What a process knows of a manifest: the newest head it has seen, and all keys and ids up to it.
//!
//! [`State::install`] is the only way in for a head that was read, and it is the gate at which
//! history is checked: the incarnation must be the same, versions must grow, the successor must
//! name its predecessor, records that are known must be the same bytes, records that are new must
//! continue the chain, and the chain must end where the head says. Refreshes may overlap; a head
//! that is older than what is held is ignored. Nothing is changed before everything is verified.

use std::sync::Arc;

use object_store::UpdateVersion;

use crate::edit::Edit;
use crate::format::checkpoint::Checkpoint;
use crate::format::directory::{CheckpointRef, SegmentRef};
use crate::format::head::Head;
use crate::format::merged::Delta;
use crate::format::record::{self, OpView, RecordView, RunEnd, skip_to, verify_run};
use crate::format::segment::{Segment, SegmentBodyView};
use crate::format::{Damage, expect, expect_hash};
use crate::history::History;
use crate::index::Index;
use crate::planted::{Bugs, PlantedBug};
use crate::steps::*;

/// What became of a head that was handed to [`State::install`].
#[derive(Debug)]
pub(crate) enum Installed {
    /// The state is at least as new as this head now.
    Yes,
    /// What is missing is in these objects: read them and try again.
    Needs(Vec<Missing>),
}

/// An object that is needed for a head.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Missing {
    Checkpoint(CheckpointRef),
    /// A segment, and the chain hash that it continues.
    Segment(SegmentRef, u128),
}

/// Objects that were read for a head, verified each by itself.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) segments: Vec<Segment>,
}

impl Parts {
    fn checkpoint(&self, reference: &CheckpointRef) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().filter(|held| held.reference == *reference)
    }

    fn segment(&self, reference: &SegmentRef) -> Option<&Segment> {
        self.segments.iter().find(|held| held.reference == *reference)
    }
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
    /// Edits that wait for the next commit to publish them. What they name is written.
    pub(crate) ready: Vec<Edit>,
    /// When the store last confirmed `head` as the newest (`Env::now`).
    pub(crate) confirmed_at: std::time::Duration,
    bugs: Bugs,
}

impl State {
    /// The state of a process that knows nothing yet: before the first record, under a head that
    /// was read. The caller installs that head.
    pub(crate) fn before_everything(incarnation: u128, bugs: Bugs) -> Self {
        let mut head = Head::genesis(incarnation, 0);
        head.header.version = 0;
        Self {
            head: Arc::new(head),
            tag: Arc::new(UpdateVersion { e_tag: None, version: None }),
            index: Index::default(),
            history: History::default(),
            ready: Vec::new(),
            confirmed_at: std::time::Duration::ZERO,
            bugs,
        }
    }

    /// The seq of the newest commit that is known.
    pub(crate) fn seq(&self) -> u64 {
        self.head.header.next_seq - 1
    }

    /// Takes over a head that was read, if it is newer. `parts` are those that an earlier call
    /// asked for.
    pub(crate) fn install(
        &mut self,
        head: &Arc<Head>,
        tag: &Arc<UpdateVersion>,
        parts: &Parts,
    ) -> Result<Installed, InstallError> {
        let (new, held) = (&head.header, &self.head.header);
        if new.incarnation != held.incarnation && !self.bugs.is(PlantedBug::IncarnationUnchecked) {
            return Err(InstallError::OtherIncarnation);
        }
        if new.version < held.version {
            step!(REFRESH_OLDER);
            if self.bugs.is(PlantedBug::SessionSnapshotRegress) {
                self.adopt(Arc::clone(head), Arc::clone(tag));
            }
            return Ok(Installed::Yes);
        }
        if new.version == held.version {
            expect_hash(self.head.digest, head.digest, "one head for each version")?;
            return Ok(Installed::Yes);
        }
        if new.version == held.version + 1 && held.version > 0 {
            expect_hash(self.head.digest, new.prev_digest, "a head that follows the one held")?;
        }
        let missing = self.missing_parts(head, parts);
        if !missing.is_empty() {
            step!(REFRESH_BEHIND_SEAL);
            return Ok(Installed::Needs(missing));
        }
        step!(REFRESH_NEWER);
        let new = self.verify_new(head, parts)?;
        if let Some(checkpoint) = new.checkpoint {
            self.skip_to(checkpoint);
        }
        for run in new.runs {
            match run {
                NewRun::Records(run) => self.apply_run(run),
                NewRun::Delta(delta, from) => self.apply_delta(delta, from),
            }
        }
        self.apply_run(new.tail);
        self.adopt(Arc::clone(head), Arc::clone(tag));
        Ok(Installed::Yes)
    }

    /// The checkpoint of a head, if this state lacks commits that only it has.
    fn needed_checkpoint<'a>(&self, head: &'a Head) -> Option<&'a CheckpointRef> {
        let checkpoint = head.directory.checkpoint.as_ref();
        checkpoint.filter(|it| it.upto_seq >= self.head.header.next_seq)
    }

    /// The objects that hold what this state lacks and `parts` does not bring.
    fn missing_parts(&self, head: &Head, parts: &Parts) -> Vec<Missing> {
        let next = self.head.header.next_seq;
        let mut missing = Vec::new();
        if let Some(reference) = self.needed_checkpoint(head)
            && parts.checkpoint(reference).is_none()
        {
            missing.push(Missing::Checkpoint(*reference));
        }
        let mut chain = head.directory.segments_start(head.header.incarnation).chain;
        for reference in &head.directory.segments {
            if reference.last >= next && parts.segment(reference).is_none() {
                missing.push(Missing::Segment(*reference, chain));
            }
            chain = reference.chain_end;
        }
        missing
    }

    /// Verifies everything of `head` that this state lacks, in order.
    fn verify_new<'a>(&self, head: &'a Head, parts: &'a Parts) -> Result<NewRecords<'a>, Damage> {
        let mut end = self.head.end();
        expect(head.header.next_seq >= end.next_seq, "a history that only grows", end.next_seq)?;
        let mut checkpoint = None;
        if let Some(reference) = self.needed_checkpoint(head) {
            let read = parts.checkpoint(reference);
            checkpoint =
                Some(read.ok_or_else(|| Damage::new("a checkpoint that was read", "none"))?);
            end = RunEnd { chain: reference.chain, next_seq: reference.upto_seq + 1 };
        }
        let mut runs = Vec::new();
        for reference in &head.directory.segments {
            if reference.last < end.next_seq {
                continue;
            }
            let segment = parts.segment(reference);
            let segment = segment.ok_or_else(|| Damage::new("a segment that was read", "none"))?;
            match segment.body() {
                SegmentBodyView::Records(records) => {
                    let new = skip_to(records, end.next_seq)?;
                    end = verify_run(new, end)?;
                    if self.bugs.is(PlantedBug::TornSegmentAccepted) {
                        // The chain would tell that records are missing at the end.
                        end = RunEnd { chain: reference.chain_end, next_seq: reference.last + 1 };
                    }
                    runs.push(NewRun::Records(new));
                }
                SegmentBodyView::Merged(delta) => {
                    // Its records are gone: what it continues can be verified, what lies inside
                    // is vouched for by the head.
                    runs.push(NewRun::Delta(delta, end.next_seq));
                    end = RunEnd { chain: reference.chain_end, next_seq: reference.last + 1 };
                }
            }
        }
        let tail = self.new_part_of_tail(head, end)?;
        end = verify_run(tail, end)?;
        expect_hash(head.header.chain, end.chain, "a tail that ends at the head's chain hash")?;
        expect(
            end.next_seq == head.header.next_seq,
            "as many records as the head counts",
            end.next_seq,
        )?;
        Ok(NewRecords { checkpoint, runs, tail })
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

    /// Everything up to a checkpoint at once: what it does not have is absent.
    fn skip_to(&mut self, checkpoint: &Checkpoint) {
        step!(REFRESH_SKIP);
        let (seq, front) = (self.seq(), &checkpoint.front);
        let upto = front.header.upto_seq;
        self.index.skip_to(checkpoint.entries(), seq, upto);
        self.history.skip_to(upto, front.header.dedup_from, &front.writers);
    }

    /// What a merged segment says of the commits from `from` on.
    fn apply_delta(&mut self, delta: &Delta, from: u64) {
        for (op, seq) in delta_ops(delta).filter(|(_, seq)| *seq >= from) {
            self.index.apply_view(op, seq);
        }
        for (id, seq) in delta.commits.iter().filter(|(_, seq)| *seq >= from) {
            self.history.insert(*id, *seq);
        }
    }

    /// Records that were verified.
    fn apply_run(&mut self, run: &[u8]) {
        for record in record::verified(run) {
            self.apply(&record);
        }
    }

    fn apply(&mut self, record: &RecordView<'_>) {
        for op in record.ops() {
            self.index.apply_view(op, record.seq);
        }
        self.history.insert(record.id, record.seq);
        self.keep_readable(record.seq);
    }

    /// With `session-snapshot-regress` this state may become that of an earlier commit again, which
    /// has to be there then: otherwise it would read like damage, not like the past.
    fn keep_readable(&mut self, seq: u64) {
        if self.bugs.is(PlantedBug::SessionSnapshotRegress) {
            self.index.acquire(seq);
        }
    }

    /// Makes a head the newest one held. Its records are in the index already.
    pub(crate) fn adopt(&mut self, head: Arc<Head>, tag: Arc<UpdateVersion>) {
        self.head = head;
        self.tag = tag;
        self.keep_readable(self.seq());
        if !self.ready.is_empty() {
            // Published, by this process or in its stead.
            let head = &self.head;
            self.ready.retain(|edit| !edit.is_done(head));
        }
    }
}

/// The operations of a merged segment in order of their seqs. Within one commit range deletes come
/// first: what they delete of that commit's own is not in the delta any more.
pub(crate) fn delta_ops(delta: &Delta) -> impl Iterator<Item = (OpView<'_>, u64)> {
    let ranges = delta.ranges.iter().map(|range| {
        let op = OpView::DeleteRange { start: &range.start, end: range.end.as_deref() };
        (op, range.seq)
    });
    let keys = delta.keys.iter().map(|entry| {
        let op = match &entry.value {
            Some(value) => OpView::Put { key: &entry.key, value },
            None => OpView::Delete { key: &entry.key },
        };
        (op, entry.seq)
    });
    let mut ops: Vec<_> = ranges.chain(keys).collect();
    ops.sort_by_key(|(_, seq)| *seq);
    ops.into_iter()
}

/// What a head brings, verified, in order.
struct NewRecords<'a> {
    checkpoint: Option<&'a Checkpoint>,
    runs: Vec<NewRun<'a>>,
    tail: &'a [u8],
}

/// What a segment brings.
enum NewRun<'a> {
    Records(&'a [u8]),
    /// A merged one, and the first seq of it that is new.
    Delta(&'a Delta, u64),
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
