//! Folding: a checkpoint and the segments behind it become the next checkpoint.
//!
//! A fold reads objects and needs nothing that a process holds in memory, so any process can fold,
//! and a later one can go on where an earlier one stopped. It moves forward one whole segment at a
//! time; between two segments it *is* the state up to a commit, and can be written down. What is
//! written down is a checkpoint like any other, which names its target and is not published
//! ([`crate::compact`] says who finds it again).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::edit::{Claim, Edit};
use crate::env::random_u128;
use crate::error::Error;
use crate::format::checkpoint::{self, Checkpoint, CheckpointHeader, LastCommit};
use crate::format::directory::{CheckpointRef, RetiredKind};
use crate::format::head::Head;
use crate::format::record::{self, OpView, RunEnd};
use crate::format::segment::{Segment, SegmentBodyView};
use crate::inner::{Inner, lock};
use crate::patience::RefreshError;
use crate::planted::PlantedBug;
use crate::seal::put_new;
use crate::state::{Missing, Parts, delta_ops};
use crate::steps::*;

/// The role under which checkpoints and merged segments are published.
pub(crate) const COMPACTOR: &str = "compactor";

/// The state up to a commit.
#[derive(Debug)]
pub(crate) struct Fold {
    keys: BTreeMap<Bytes, (u64, Bytes)>,
    /// The newest commit of each writer: wseq and seq.
    writers: BTreeMap<u128, (u64, u64)>,
    /// `writers` is complete for all who committed at this seq or later.
    writers_from: u64,
    /// Where it ends.
    pub(crate) end: RunEnd,
}

impl Fold {
    /// The state before the first commit.
    pub(crate) fn empty(incarnation: u128) -> Self {
        Self {
            keys: BTreeMap::new(),
            writers: BTreeMap::new(),
            writers_from: 1,
            end: RunEnd { chain: incarnation, next_seq: 1 },
        }
    }

    /// The state that a checkpoint holds.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Self {
        let front = &checkpoint.front;
        let copy = Bytes::copy_from_slice;
        let keys = checkpoint.entries();
        let keys = keys.map(|entry| (copy(entry.key), (entry.seq, copy(entry.value))));
        let writers = front.writers.iter().map(|last| (last.writer, (last.wseq, last.seq)));
        Self {
            keys: keys.collect(),
            writers: writers.collect(),
            writers_from: front.header.dedup_from,
            end: RunEnd { chain: front.header.chain, next_seq: front.header.upto_seq + 1 },
        }
    }

    /// The last commit that is folded in.
    pub(crate) fn upto(&self) -> u64 {
        self.end.next_seq - 1
    }

    /// Adds the segment that begins where this fold ends. It was verified against the chain there.
    pub(crate) fn add(&mut self, segment: &Segment) {
        match segment.body() {
            SegmentBodyView::Records(run) => {
                for record in record::verified(run) {
                    for op in record.ops() {
                        self.apply(op, record.seq);
                    }
                    self.note_writer(record.id.writer, record.id.wseq, record.seq);
                }
            }
            SegmentBodyView::Merged(delta) => {
                for (op, seq) in delta_ops(delta) {
                    self.apply(op, seq);
                }
                for (id, seq) in &delta.commits {
                    self.note_writer(id.writer, id.wseq, *seq);
                }
            }
        }
        let SegmentRefEnd { chain, next_seq } = SegmentRefEnd::of(segment);
        self.end = RunEnd { chain, next_seq };
    }

    fn apply(&mut self, op: OpView<'_>, seq: u64) {
        match op {
            OpView::Put { key, value } => {
                let value = (seq, Bytes::copy_from_slice(value));
                match self.keys.get_mut(key) {
                    Some(held) => *held = value,
                    None => {
                        self.keys.insert(Bytes::copy_from_slice(key), value);
                    }
                }
            }
            OpView::Delete { key } => {
                self.keys.remove(key);
            }
            OpView::DeleteRange { start, end } => {
                use std::ops::Bound::{Excluded, Included, Unbounded};
                let range = (Included(start), end.map_or(Unbounded, Excluded));
                let doomed = self.keys.range::<[u8], _>(range);
                let doomed: Vec<Bytes> = doomed.map(|(key, _)| key.clone()).collect();
                for key in doomed {
                    self.keys.remove(&key);
                }
            }
        }
    }

    fn note_writer(&mut self, writer: u128, wseq: u64, seq: u64) {
        let newest = self.writers.entry(writer).or_insert((wseq, seq));
        *newest = (*newest).max((wseq, seq));
    }

    /// The checkpoint object. Writers that have not committed for `dedup_window` commits are
    /// forgotten in it, and here.
    fn encode(&mut self, inner: &Inner, hv: u64, target: u64) -> checkpoint::Encoded {
        let oldest = self.end.next_seq.saturating_sub(inner.options.dedup_window);
        self.writers_from = self.writers_from.max(oldest);
        let from = self.writers_from;
        self.writers.retain(|_, (_, seq)| *seq >= from);
        if inner.bugs.is(PlantedBug::DedupEvictedEarly) {
            let newest = self.end.next_seq.saturating_sub(8);
            self.writers.retain(|_, (_, seq)| *seq >= newest);
        }
        if inner.bugs.is(PlantedBug::CheckpointDropsLast) {
            let upto = self.upto();
            self.keys.retain(|_, (seq, _)| *seq < upto);
        }
        let header = CheckpointHeader {
            incarnation: inner.incarnation,
            hv,
            upto_seq: self.upto(),
            target,
            chain: self.end.chain,
            dedup_from: self.writers_from,
        };
        let entries = self.keys.iter().map(|(key, (seq, value))| (&key[..], *seq, &value[..]));
        let writers = self.writers.iter();
        let writers: Vec<LastCommit> = writers
            .map(|(writer, (wseq, seq))| LastCommit { writer: *writer, wseq: *wseq, seq: *seq })
            .collect();
        checkpoint::encode(header, entries, &writers, inner.options.checkpoint_block_bytes)
    }

    /// Writes the fold down as a checkpoint: one PUT of an object that nobody names yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn write(
        &mut self,
        inner: &Inner,
        hv: u64,
        target: u64,
    ) -> Result<CheckpointRef, Error> {
        let encoded = self.encode(inner, hv, target);
        let name = put_new(inner, RetiredKind::Checkpoint, hv, &encoded.bytes).await?;
        Ok(CheckpointRef {
            name,
            upto_seq: self.upto(),
            len: encoded.bytes.len() as u64,
            front_len: encoded.front_len,
            hash: encoded.hash,
            chain: self.end.chain,
        })
    }

    /// Whether a head's history goes on where this fold ends: at its checkpoint or behind one of
    /// its segments.
    pub(crate) fn is_on(&self, head: &Head) -> bool {
        let start = head.directory.segments_start(head.header.incarnation);
        let mut ends = head
            .directory
            .segments
            .iter()
            .map(|segment| RunEnd { chain: segment.chain_end, next_seq: segment.last + 1 });
        self.end == start || ends.any(|end| self.end == end)
    }

    /// Reads what of a head's segments is not in yet, `limit` at most but at least one, in
    /// parallel, and adds it. Whether all of them are in now.
    ///
    /// # Errors
    /// What reading them ended with. A segment that is gone means that the head is not the newest
    /// any more.
    pub(crate) async fn advance(
        &mut self,
        inner: &Inner,
        head: &Head,
        limit: usize,
    ) -> Result<Progress, RefreshError> {
        let deadline = inner.requests.env.now() + inner.options.read_deadline;
        let mut chain = self.end.chain;
        let new = head.directory.segments.iter().filter(|it| it.first >= self.end.next_seq);
        let all: Vec<Missing> = new
            .map(|reference| {
                let missing = Missing::Segment(*reference, chain);
                chain = reference.chain_end;
                missing
            })
            .collect();
        let now: Vec<Missing> = all.iter().take(limit.max(1)).copied().collect();
        let count = now.len();
        let mut parts = Parts::default();
        inner.read_parts(now, head, deadline, &mut parts).await?;
        parts.segments.sort_by_key(|segment| segment.reference.first);
        for segment in &parts.segments {
            self.add(segment);
        }
        Ok(if count == all.len() { Progress::Finished } else { Progress::Partial })
    }
}

/// How far a fold has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Partial,
    Finished,
}

/// Where a segment ends.
struct SegmentRefEnd {
    chain: u128,
    next_seq: u64,
}

impl SegmentRefEnd {
    fn of(segment: &Segment) -> Self {
        Self { chain: segment.reference.chain_end, next_seq: segment.reference.last + 1 }
    }
}

/// The fold that a head's checkpoint holds: one GET, or none if there is no checkpoint.
///
/// # Errors
/// What reading it ended with.
pub(crate) async fn start(inner: &Inner, head: &Head) -> Result<Fold, RefreshError> {
    let Some(reference) = head.directory.checkpoint else {
        return Ok(Fold::empty(inner.incarnation));
    };
    let deadline = inner.requests.env.now() + inner.options.read_deadline;
    let checkpoint = inner.checkpoint(reference, head.digest, deadline).await?;
    Ok(Fold::of(&checkpoint))
}

/// A writer that finds the head full of segments folds them itself, before it goes on: it takes
/// the compactor's role over and leaves both edits for its next head. Whatever goes wrong, the
/// head is as full as before.
pub(crate) async fn make_room(inner: &Inner) {
    step!(FOLD_FOR_ROOM);
    let head = Arc::clone(&lock(&inner.state).head);
    let Ok(mut fold) = start(inner, &head).await else {
        return;
    };
    let forgets = inner.bugs.is(PlantedBug::RoomForgetsNewest);
    let segments = head.directory.segments.len() - usize::from(forgets);
    match fold.advance(inner, &head, segments).await {
        Ok(Progress::Finished) => {}
        Ok(Progress::Partial) if forgets => {
            fold.end = head.directory.tail_start(inner.incarnation);
        }
        _ => return,
    }
    let upto = fold.upto();
    let Ok(reference) = fold.write(inner, head.header.version, upto).await else {
        return;
    };
    let held = head.directory.roles.iter().find(|entry| entry.name == COMPACTOR);
    let claim = Claim {
        role: COMPACTOR.into(),
        epoch: held.map_or(0, |entry| entry.epoch) + 1,
        owner: random_u128(&*inner.requests.env),
    };
    let edits = [Edit::Acquire(claim.clone()), Edit::Checkpoint { reference, claim }];
    lock(&inner.state).ready.extend(edits);
}
