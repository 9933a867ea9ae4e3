//! A merged segment: neighbouring segments folded into what is left of them, sorted by key.
//!
//! It stands where the segments stood that it replaces, over the same seqs and between the same
//! chain hashes, and it has the same effect on any state: of each key only the newest change is
//! kept, as a value or as a delete mark, and range deletes are kept as they were, because keys
//! below this segment may be in them. The ids of all its commits are kept too, one for each seq, so
//! a commit can still be found.
//!
//! The delta is applied in order of seq, the range deletes of a seq before its keys. This is not
//! the order inside a record, where a put may stand before a range delete that covers it; a merge
//! has already dropped such a put.
//!
//! The records are gone, so the chain between the two ends cannot be computed again: that the delta
//! is what the chain hashes stand for is the word of whoever merged, and only the digest guards it.

use bytes::Bytes;

use super::record::CommitId;
use super::segment::{self, SegmentHeader};
use super::{Cursor, DIGEST_LEN, Damage, expect};

pub(super) const MAGIC: [u8; 4] = *b"MCMG";
/// Bytes of the two counts behind the header.
const COUNTS_LEN: usize = 8;
/// Bytes of a delete mark of an empty key.
const MIN_KEY: usize = 11;
/// Bytes of an unbounded range delete from the empty key.
const MIN_RANGE: usize = 11;
/// Bytes of a commit.
const COMMIT_LEN: usize = 32;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// The newest change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedKey {
    pub(crate) key: Bytes,
    pub(crate) seq: u64,
    /// None: deleted.
    pub(crate) value: Option<Bytes>,
}

/// A range delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedRange {
    pub(crate) seq: u64,
    pub(crate) start: Bytes,
    pub(crate) end: Option<Bytes>,
}

/// What is left of a run of records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delta {
    /// Strictly sorted by key.
    pub(crate) keys: Vec<MergedKey>,
    /// In order of application; their seqs do not decrease.
    pub(crate) ranges: Vec<MergedRange>,
    /// One for each seq, from the first to the last.
    pub(crate) commits: Vec<(CommitId, u64)>,
}

/// Encodes a merged segment. Returns its bytes and its digest.
pub(crate) fn encode(header: SegmentHeader, delta: &Delta) -> (Bytes, u128) {
    let mut out = Vec::with_capacity(encoded_len(delta));
    segment::push_header(&mut out, MAGIC, &header);
    out.extend_from_slice(&(delta.keys.len() as u32).to_le_bytes());
    out.extend_from_slice(&(delta.ranges.len() as u32).to_le_bytes());
    for MergedKey { key, seq, value } in &delta.keys {
        out.push(if value.is_some() { PUT } else { DELETE });
        push_short(&mut out, key);
        out.extend_from_slice(&seq.to_le_bytes());
        if let Some(value) = value {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
    for MergedRange { seq, start, end } in &delta.ranges {
        out.extend_from_slice(&seq.to_le_bytes());
        push_short(&mut out, start);
        out.push(u8::from(end.is_some()));
        if let Some(end) = end {
            push_short(&mut out, end);
        }
    }
    for (id, seq) in &delta.commits {
        out.extend_from_slice(&id.writer.to_le_bytes());
        out.extend_from_slice(&id.wseq.to_le_bytes());
        out.extend_from_slice(&seq.to_le_bytes());
    }
    segment::finish(out)
}

/// How long the merged segment of a delta is.
pub(crate) fn encoded_len(delta: &Delta) -> usize {
    let value = |value: &Bytes| 4 + value.len();
    let key = |key: &MergedKey| MIN_KEY + key.key.len() + key.value.as_ref().map_or(0, value);
    let end = |end: &Bytes| 2 + end.len();
    let range =
        |range: &MergedRange| MIN_RANGE + range.start.len() + range.end.as_ref().map_or(0, end);
    let keys: usize = delta.keys.iter().map(key).sum();
    let ranges: usize = delta.ranges.iter().map(range).sum();
    segment::FIXED_LEN + COUNTS_LEN + keys + ranges + COMMIT_LEN * delta.commits.len() + DIGEST_LEN
}

fn push_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads what stands behind the header of a merged segment of these seqs. Keys and values are
/// slices of `object`, which `body` is a part of.
pub(super) fn decode(
    object: &Bytes,
    body: Cursor<'_>,
    first: u64,
    last: u64,
) -> Result<Delta, Damage> {
    let mut reader = Reader { object, rest: body, first, last };
    let (keys, ranges) = (reader.rest.u32()? as usize, reader.rest.u32()? as usize);
    let commits = last.checked_sub(first).and_then(|n| usize::try_from(n).ok()?.checked_add(1));
    let commits = commits.ok_or_else(|| Damage::new("a first and a last seq", last))?;
    // Nothing is reserved for more entries than the bytes can hold.
    let room = reader.rest.len();
    let needed = [(keys, MIN_KEY), (ranges, MIN_RANGE), (commits, COMMIT_LEN)];
    let needed = needed
        .iter()
        .fold(0, |sum: usize, (count, least)| sum.saturating_add(count.saturating_mul(*least)));
    expect(needed <= room, "as many entries as fit into the object", needed)?;
    let delta = Delta {
        keys: reader.keys(keys)?,
        ranges: reader.ranges(ranges)?,
        commits: reader.commits(commits)?,
    };
    reader.rest.finish()?;
    Ok(delta)
}

/// Takes the parts of a delta from the front of what is left.
struct Reader<'a> {
    object: &'a Bytes,
    rest: Cursor<'a>,
    first: u64,
    last: u64,
}

impl Reader<'_> {
    fn seq(&mut self) -> Result<u64, Damage> {
        let seq = self.rest.u64()?;
        expect((self.first..=self.last).contains(&seq), "a seq of the segment", seq)?;
        Ok(seq)
    }

    fn short(&mut self) -> Result<Bytes, Damage> {
        Ok(self.object.slice_ref(self.rest.short()?))
    }

    fn keys(&mut self, count: usize) -> Result<Vec<MergedKey>, Damage> {
        let mut keys: Vec<MergedKey> = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = self.rest.u8()?;
            let (key, seq) = (self.short()?, self.seq()?);
            let value = match kind {
                PUT => Some(self.object.slice_ref(self.rest.long()?)),
                DELETE => None,
                other => return Err(Damage::new("a put or a delete mark", other)),
            };
            let sorted = keys.last().is_none_or(|last| last.key < key);
            expect(sorted, "entries sorted by key", "another order")?;
            keys.push(MergedKey { key, seq, value });
        }
        Ok(keys)
    }

    fn ranges(&mut self, count: usize) -> Result<Vec<MergedRange>, Damage> {
        let mut ranges: Vec<MergedRange> = Vec::with_capacity(count);
        for _ in 0..count {
            let (seq, start) = (self.seq()?, self.short()?);
            let end = match self.rest.u8()? {
                0 => None,
                1 => Some(self.short()?),
                other => return Err(Damage::new("a range that is bounded or not", other)),
            };
            let holds = end.as_ref().is_none_or(|end| start < *end);
            expect(holds, "a range that is not empty", "an empty one")?;
            let ordered = ranges.last().is_none_or(|last| last.seq <= seq);
            expect(ordered, "range deletes in order of their seqs", seq)?;
            ranges.push(MergedRange { seq, start, end });
        }
        Ok(ranges)
    }

    fn commits(&mut self, count: usize) -> Result<Vec<(CommitId, u64)>, Damage> {
        let mut commits = Vec::with_capacity(count);
        for wanted in self.first..=self.last {
            let id = CommitId { writer: self.rest.u128()?, wseq: self.rest.u64()? };
            let seq = self.rest.u64()?;
            expect(seq == wanted, "a commit for each seq", seq)?;
            commits.push((id, seq));
        }
        Ok(commits)
    }
}
