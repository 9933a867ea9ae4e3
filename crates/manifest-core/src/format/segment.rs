//! A segment: a run of records that was sealed out of the head's tail, byte for byte.

use bytes::Bytes;

use super::directory::SegmentRef;
use super::record::{RunEnd, verify_run};
use super::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};

const MAGIC: [u8; 4] = *b"MCSG";
/// Bytes before the records.
pub(crate) const FIXED_LEN: usize = 96;

/// The records of a segment, verified.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) reference: SegmentRef,
    bytes: Bytes,
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

/// Encodes a segment. Returns its bytes and its digest.
pub(crate) fn encode(header: SegmentHeader, records: &[u8]) -> (Bytes, u128) {
    let len = FIXED_LEN + records.len() + DIGEST_LEN;
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    let count = (header.last - header.first + 1) as u32;
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&header.incarnation.to_le_bytes());
    out.extend_from_slice(&header.first.to_le_bytes());
    out.extend_from_slice(&header.last.to_le_bytes());
    out.extend_from_slice(&header.hv.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&header.chain_start.to_le_bytes());
    out.extend_from_slice(&header.chain_end.to_le_bytes());
    out.extend_from_slice(records);
    let digest = xxh3(&out);
    out.extend_from_slice(&digest.to_le_bytes());
    (Bytes::from(out), digest)
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
        let len = bytes.len();
        expect(len == reference.len as usize, "a segment of the referenced length", len)?;
        expect(len >= FIXED_LEN + DIGEST_LEN, "a whole segment", len)?;
        let (body, digest) = bytes.split_at(len - DIGEST_LEN);
        let stored = Cursor::new(digest).u128()?;
        expect_hash(reference.hash, stored, "the referenced digest")?;
        expect_hash(stored, xxh3(body), "a segment that matches its digest")?;

        let mut cursor = Cursor::new(body);
        expect(cursor.take(4)? == MAGIC, "a segment", "another magic")?;
        if cursor.u16()? != FORMAT {
            return Err(Damage::Newer { feature: "another segment format" });
        }
        expect(cursor.u16()? == 0, "zero", "another number")?;
        expect(cursor.u32()? as usize == len, "its own length", "another length")?;
        let count = u64::from(cursor.u32()?);
        expect(cursor.u128()? == incarnation, "a segment of this manifest", "another's")?;
        let (first, last, hv) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        expect(first == reference.first && last == reference.last, "the referenced seqs", first)?;
        expect(hv == reference.name.hv, "the hv of its name", hv)?;
        expect(cursor.u64()? == 0, "zero", "another number")?;
        expect_hash(chain_start, cursor.u128()?, "the chain hash before it")?;
        expect_hash(reference.chain_end, cursor.u128()?, "the referenced chain hash")?;

        let records = cursor.take(cursor.len())?;
        let end = verify_run(records, RunEnd { chain: chain_start, next_seq: first })?;
        expect(end.next_seq == last + 1 && count == last - first + 1, "all its records", count)?;
        expect_hash(reference.chain_end, end.chain, "the chain of its records")?;
        Ok(Self { reference, bytes })
    }

    /// The run of records.
    pub(crate) fn records(&self) -> &[u8] {
        &self.bytes[FIXED_LEN..self.bytes.len() - DIGEST_LEN]
    }
}
