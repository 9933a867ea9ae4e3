//! Fills a head with transactions until it is full.
//!
//! Records go inline, behind those that are in the head already. A record that is too long for
//! that, or finds no room, goes **outside**: the whole tail, this record and those after it become
//! a segment, which is written before the head that names it. That costs one request more, keeps
//! the head small, and needs a free place for a segment.

use bytes::Bytes;
use object_store::path::Path;

use super::Work;
use super::batch::Changes;
use crate::edit::{Draft, Edit};
use crate::env::random_u128;
use crate::format::ObjectName;
use crate::format::directory::{Directory, MAX_SEGMENTS, RetiredKind, SegmentRef};
use crate::format::head::{Head, HeadWriter};
use crate::format::record::Op;
use crate::format::segment::{self, SegmentHeader};
use crate::index::Index;
use crate::inner::Inner;
use crate::range::KeyRange;
use crate::steps::*;

/// Bytes of records that one segment may hold when a commit writes it.
const SEGMENT_LIMIT: usize = 64 << 20;

/// A segment that is to be written before the head that names it.
#[derive(Debug)]
pub(super) struct NewSegment {
    pub(super) path: Path,
    pub(super) bytes: Bytes,
}

/// Whether a record fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    /// Not behind the records that are in already.
    NextHead,
    /// Not at all; the head would have that size.
    No {
        size: usize,
    },
}

/// A head that is full, or as full as it gets.
pub(super) struct Filled {
    pub(super) head: Head,
    /// To be written before it.
    pub(super) segment: Option<NewSegment>,
    /// The transactions and their seqs.
    pub(super) carried: Vec<(Work, u64)>,
}

/// A head that is being filled.
pub(super) struct Filling<'a> {
    inner: &'a Inner,
    stage: Stage<'a>,
    place: Place,
    /// Bytes that will be appended at most.
    room: usize,
    /// Whether anybody after the first may read what the ones before change.
    several: bool,
    changes: Changes,
    carried: Vec<(Work, u64)>,
}

/// A writer is made only when there is something to write.
enum Stage<'a> {
    Draft(Draft<'a>),
    Writer(HeadWriter),
    Taken,
}

/// Where the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inline,
    Outside,
}

impl<'a> Filling<'a> {
    pub(super) fn new(inner: &'a Inner, draft: Draft<'a>, batch: &[Work]) -> Self {
        Self {
            inner,
            stage: Stage::Draft(draft),
            place: Place::Inline,
            room: batch.iter().map(|work| work.encoded_len).sum(),
            several: batch.len() > 1,
            changes: Changes::new(),
            carried: Vec::new(),
        }
    }

    /// The directory that the head will have.
    pub(super) fn directory(&self) -> &Directory {
        static NONE: Directory = Directory::EMPTY;
        match &self.stage {
            Stage::Draft(draft) => draft.directory(),
            Stage::Writer(writer) => writer.directory(),
            Stage::Taken => &NONE,
        }
    }

    /// What the transactions in it change.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The writer, with the edits that are ready and still fit.
    fn writer(&mut self, ready: &mut Vec<Edit>) -> &mut HeadWriter {
        if let Stage::Draft(_) = self.stage
            && let Stage::Draft(mut draft) = std::mem::replace(&mut self.stage, Stage::Taken)
        {
            if !ready.is_empty() {
                ready.retain(|edit| publishes(edit, &mut draft));
            }
            let nonce = random_u128(&*self.inner.requests.env);
            self.stage = Stage::Writer(draft.into_writer(nonce, self.room));
        }
        match &mut self.stage {
            Stage::Writer(writer) => writer,
            Stage::Draft(_) | Stage::Taken => unreachable!("the stage was set to a writer above"),
        }
    }

    /// Whether a record of this length can be pushed.
    pub(super) fn fit(&mut self, ready: &mut Vec<Edit>, len: usize) -> Fit {
        let (inline_limit, head_limit) =
            (self.inner.options.inline_limit_bytes, self.inner.options.head_limit_bytes);
        let (place, is_first) = (self.place, self.carried.is_empty());
        let writer = self.writer(ready);
        let size = writer.len() + len;
        if place == Place::Outside {
            return if size <= SEGMENT_LIMIT { Fit::Yes } else { Fit::NextHead };
        }
        if len <= inline_limit && size <= head_limit {
            return Fit::Yes;
        }
        if !is_first {
            return Fit::NextHead;
        }
        if writer.directory().segments.len() < MAX_SEGMENTS {
            self.place = Place::Outside;
            return Fit::Yes;
        }
        if size <= head_limit { Fit::Yes } else { Fit::No { size } }
    }

    /// Appends a transaction that fits.
    pub(super) fn push(&mut self, index: &Index, work: Work) {
        let Stage::Writer(writer) = &mut self.stage else {
            return;
        };
        let seq = writer.push(work.id, &work.ops, &work.metadata);
        if self.several {
            note_changes(&mut self.changes, index, &work.ops);
        }
        self.carried.push((work, seq));
    }

    /// The head; `None` if it carries nothing and is not wanted for its edits.
    pub(super) fn finish(mut self, ready: &mut Vec<Edit>, has_edits: bool) -> Option<Filled> {
        if self.carried.is_empty() && !has_edits {
            return None;
        }
        if self.carried.len() > 1 {
            step!(COMMIT_BATCHED);
        }
        self.writer(ready);
        let Stage::Writer(writer) = self.stage else {
            return None;
        };
        if self.place == Place::Inline {
            return Some(Filled { head: writer.finish(), segment: None, carried: self.carried });
        }
        step!(COMMIT_OUTSIDE);
        let (reference, segment) = tail_segment(self.inner, &writer);
        let head = writer.with_tail_in(reference).finish();
        Some(Filled { head, segment: Some(segment), carried: self.carried })
    }
}

/// Adds an edit that waited for a commit, unless its time has passed.
fn publishes(edit: &Edit, draft: &mut Draft<'_>) -> bool {
    let fits = edit.apply(draft).is_ok();
    match (edit, fits) {
        (Edit::Seal(_), true) => step!(SEAL_PUBLISH),
        (Edit::Seal(_), false) => step!(SEAL_OUTDATED),
        (_, true) => step!(EDIT_PUBLISH),
        (_, false) => step!(EDIT_OUTDATED),
    }
    fits
}

/// The segment that holds the whole tail of a head in the making.
fn tail_segment(inner: &Inner, writer: &HeadWriter) -> (SegmentRef, NewSegment) {
    let (tail, start, end) = writer.tail();
    let header = SegmentHeader {
        incarnation: inner.incarnation,
        first: start.next_seq,
        last: end.next_seq - 1,
        hv: writer.version() - 1,
        chain_start: start.chain,
        chain_end: end.chain,
    };
    let (bytes, hash) = segment::encode(header, tail);
    let name = ObjectName { hv: header.hv, uuid: random_u128(&*inner.requests.env) };
    let reference = header.reference(name, &bytes, hash);
    (reference, NewSegment { path: inner.requests.object_path(RetiredKind::Segment, name), bytes })
}

/// Adds what a transaction changes. As everywhere, deleting what is absent changes nothing.
pub(super) fn note_changes(changes: &mut Changes, index: &Index, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Put { key, .. } => {
                changes.insert(key.clone(), true);
            }
            Op::Delete { key } => {
                let noted = changes.get(key).copied();
                if noted.unwrap_or_else(|| index.is_present(key)) {
                    changes.insert(key.clone(), false);
                }
            }
            Op::DeleteRange { start, end } => {
                let range = KeyRange { start: start.clone(), end: end.clone() };
                for (_, present) in changes.range_mut::<[u8], _>(range.bounds()) {
                    *present = false;
                }
                for key in index.present(&range) {
                    changes.entry(key.clone()).or_insert(false);
                }
            }
        }
    }
}
