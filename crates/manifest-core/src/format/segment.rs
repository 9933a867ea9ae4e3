//! A segment: a part of history that was moved out of the head.
//!
//! There are two kinds, and a reference does not tell which one it names; the magic does.
//!
//! - A *run* is what a seal writes: the records of the head's tail, byte for byte, so whoever reads
//!   it verifies the chain through every one of them.
//! - A *merged* segment is what a compaction makes of neighbouring segments (`merged.rs`): what
//!   is left of their records, sorted by key. It keeps the chain hashes at both ends.
//!
//! Header and digest are the same for both, and both are verified here, in one place.

use bytes::Bytes;

use super::directory::{ObjectName, SegmentRef};
use super::merged::{self, Delta};
#[cfg(feature = "planted-bugs")]
use super::record;
use super::record::{RunEnd, verify_run};
use super::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};

const MAGIC: [u8; 4] = *b"MCSG";
/// Bytes before the records.
pub(crate) const FIXED_LEN: usize = 96;

/// A segment, verified.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) reference: SegmentRef,
    body: SegmentBody,
}

/// What a segment holds.
#[derive(Debug, Clone)]
pub(crate) enum SegmentBody {
    /// A run of records, encoded.
    Records(Bytes),
    /// What is left of the records of several segments.
    Merged(Delta),
}

/// The same, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SegmentBodyView<'a> {
    Records(&'a [u8]),
    Merged(&'a Delta),
}

/// What a segment is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentHeader {
    pub(crate) incarnation: u128,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) hv: u64,
    pub(crate) chain_start: u128,
    pub(crate) chain_end: u128,
}

impl SegmentHeader {
    /// The reference to a segment with this header.
    pub(crate) fn reference(&self, name: ObjectName, bytes: &[u8], hash: u128) -> SegmentRef {
        let Self { first, last, chain_end, .. } = *self;
        SegmentRef { name, first, last, len: bytes.len() as u32, hash, chain_end }
    }
}

/// Encodes a run of records. Returns the segment's bytes and its digest.
pub(crate) fn encode(header: SegmentHeader, records: &[u8]) -> (Bytes, u128) {
    let mut out = Vec::with_capacity(FIXED_LEN + records.len() + DIGEST_LEN);
    push_header(&mut out, MAGIC, &header);
    out.extend_from_slice(records);
    finish(out)
}

/// Begins a segment. Its length is filled in when it is finished.
pub(super) fn push_header(out: &mut Vec<u8>, magic: [u8; 4], header: &SegmentHeader) {
    out.extend_from_slice(&magic);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 2 + 4]);
    let count = (header.last - header.first + 1) as u32;
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&header.incarnation.to_le_bytes());
    out.extend_from_slice(&header.first.to_le_bytes());
    out.extend_from_slice(&header.last.to_le_bytes());
    out.extend_from_slice(&header.hv.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&header.chain_start.to_le_bytes());
    out.extend_from_slice(&header.chain_end.to_le_bytes());
}

/// Ends a segment with its length and its digest.
pub(super) fn finish(mut out: Vec<u8>) -> (Bytes, u128) {
    let len = (out.len() + DIGEST_LEN) as u32;
    out[8..12].copy_from_slice(&len.to_le_bytes());
    let digest = xxh3(&out);
    out.extend_from_slice(&digest.to_le_bytes());
    (Bytes::from(out), digest)
}

/// The two kinds of segment.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Run,
    Merged,
}

/// What is the same in both kinds, verified: the digest and the header.
fn open<'a>(
    bytes: &'a [u8],
    reference: &SegmentRef,
    incarnation: u128,
    chain_start: u128,
) -> Result<(Kind, Cursor<'a>), Damage> {
    let len = bytes.len();
    expect(len == reference.len as usize, "a segment of the referenced length", len)?;
    expect(len >= FIXED_LEN + DIGEST_LEN, "a whole segment", len)?;
    let (body, digest) = bytes.split_at(len - DIGEST_LEN);
    let stored = Cursor::new(digest).u128()?;
    expect_hash(reference.hash, stored, "the referenced digest")?;
    expect_hash(stored, xxh3(body), "a segment that matches its digest")?;

    let mut cursor = Cursor::new(body);
    let kind = match cursor.take(4)? {
        magic if magic == MAGIC => Kind::Run,
        magic if magic == merged::MAGIC => Kind::Merged,
        _ => return Err(Damage::new("a segment", "another magic")),
    };
    if cursor.u16()? != FORMAT {
        return Err(Damage::Newer { feature: "another segment format" });
    }
    expect(cursor.u16()? == 0, "zero", "another number")?;
    expect(cursor.u32()? as usize == len, "its own length", "another length")?;
    let count = u64::from(cursor.u32()?);
    expect(cursor.u128()? == incarnation, "a segment of this manifest", "another's")?;
    let (first, last, hv) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
    expect(first == reference.first && last == reference.last, "the referenced seqs", first)?;
    let counted = last.checked_sub(first).and_then(|n| n.checked_add(1));
    expect(counted == Some(count), "one record for each seq", count)?;
    expect(hv == reference.name.hv, "the hv of its name", hv)?;
    expect(cursor.u64()? == 0, "zero", "another number")?;
    expect_hash(chain_start, cursor.u128()?, "the chain hash before it")?;
    expect_hash(reference.chain_end, cursor.u128()?, "the referenced chain hash")?;
    Ok((kind, cursor))
}

/// Verifies the records of a run through to the end that the reference names.
fn check_records(records: &[u8], reference: &SegmentRef, chain_start: u128) -> Result<(), Damage> {
    let end = verify_run(records, RunEnd { chain: chain_start, next_seq: reference.first })?;
    let whole = end.next_seq.checked_sub(1) == Some(reference.last);
    expect(whole, "all its records", end.next_seq)?;
    expect_hash(reference.chain_end, end.chain, "the chain of its records")
}

impl Segment {
    /// Verifies the bytes of a segment against the reference that named it and the chain hash
    /// before its first record.
    pub(crate) fn decode(
        bytes: Bytes,
        reference: SegmentRef,
        incarnation: u128,
        chain_start: u128,
    ) -> Result<Self, Damage> {
        let (kind, cursor) = open(&bytes, &reference, incarnation, chain_start)?;
        let body = match kind {
            Kind::Run => {
                let records = bytes.slice(FIXED_LEN..bytes.len() - DIGEST_LEN);
                check_records(&records, &reference, chain_start)?;
                SegmentBody::Records(records)
            }
            Kind::Merged => {
                let delta = merged::decode(&bytes, cursor, reference.first, reference.last)?;
                SegmentBody::Merged(delta)
            }
        };
        Ok(Self { reference, body })
    }

    /// The whole records at the front of a segment, whatever comes behind them. `None` if these are
    /// not the bytes of a run.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn whole_records(bytes: &Bytes) -> Option<Bytes> {
        let records = bytes.get(FIXED_LEN..).filter(|_| bytes.starts_with(&MAGIC))?;
        let mut len = 0;
        while let Ok((_, more)) = record::parse(&records[len..]) {
            len += more;
        }
        Some(bytes.slice(FIXED_LEN..FIXED_LEN + len))
    }

    /// A segment of as many records as came (`torn-segment-accepted`).
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn decode_torn(
        bytes: Bytes,
        reference: SegmentRef,
        incarnation: u128,
        chain_start: u128,
    ) -> Result<Self, Damage> {
        match Self::whole_records(&bytes) {
            Some(records) => Ok(Self { reference, body: SegmentBody::Records(records) }),
            None => Self::decode(bytes, reference, incarnation, chain_start),
        }
    }

    /// What the segment holds.
    pub(crate) fn body(&self) -> SegmentBodyView<'_> {
        match &self.body {
            SegmentBody::Records(records) => SegmentBodyView::Records(records),
            SegmentBody::Merged(delta) => SegmentBodyView::Merged(delta),
        }
    }
}
