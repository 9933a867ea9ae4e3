//! The front of a checkpoint: what it is about, where its blocks are, and the last commits.

use std::ops::Range;

use bytes::Bytes;

use super::block::MIN_ENTRY;
use super::{
    CRC_LEN, CheckpointHeader, FIXED_LEN, LAST_COMMIT_LEN, LastCommit, MAGIC, MIN_INDEX_ENTRY,
};
use crate::format::directory::CheckpointRef;
use crate::format::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};
use crate::range::KeyRange;

/// Where a block is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) first_key: Bytes,
    /// From the beginning of the object.
    pub(crate) offset: u64,
    /// In bytes, the CRC included.
    pub(crate) len: u32,
    pub(crate) hash: u128,
}

/// The front of a checkpoint, verified.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) header: CheckpointHeader,
    pub(crate) state_digest: u128,
    pub(crate) entry_count: u64,
    /// Sorted by writer.
    pub(crate) writers: Vec<LastCommit>,
    /// Sorted by first key, and one behind another in the object.
    pub(crate) blocks: Vec<BlockRef>,
}

/// The fixed part, with the lengths and counts that the rest is checked against.
pub(super) struct Fixed {
    pub(super) header: CheckpointHeader,
    state_digest: u128,
    entry_count: u64,
    pub(super) len: u64,
    pub(super) front_len: u32,
    block_count: u32,
    writer_count: u32,
}

impl Fixed {
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
        expect(cursor.take(4)? == MAGIC, "a checkpoint", "another magic")?;
        if cursor.u16()? != FORMAT {
            return Err(Damage::Newer { feature: "another checkpoint format" });
        }
        expect(cursor.u16()? == 0, "zero", "another number")?;
        let len = cursor.u64()?;
        let (incarnation, chain, state_digest) = (cursor.u128()?, cursor.u128()?, cursor.u128()?);
        let (hv, upto_seq, target) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (dedup_from, entry_count) = (cursor.u64()?, cursor.u64()?);
        let (front_len, block_count, writer_count) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        expect(cursor.u32()? == 0, "zero", "another number")?;
        expect(target >= upto_seq, "a fold that does not pass its target", target)?;
        let header = CheckpointHeader { incarnation, hv, upto_seq, target, chain, dedup_from };
        Ok(Self { header, state_digest, entry_count, len, front_len, block_count, writer_count })
    }

    fn check(&self, reference: &CheckpointRef, incarnation: u128) -> Result<(), Damage> {
        let header = &self.header;
        expect(header.incarnation == incarnation, "a checkpoint of this manifest", "another's")?;
        expect(self.len == reference.len, "its own length", self.len)?;
        expect(self.front_len == reference.front_len, "its own front", self.front_len)?;
        expect(header.hv == reference.name.hv, "the hv of its name", header.hv)?;
        expect(header.upto_seq == reference.upto_seq, "the referenced seq", header.upto_seq)?;
        expect_hash(reference.chain, header.chain, "the referenced chain hash")
    }
}

impl Front {
    /// Verifies exactly the first `front_len` bytes of an object against the reference that named
    /// it.
    pub(crate) fn decode(
        bytes: &[u8],
        reference: &CheckpointRef,
        incarnation: u128,
    ) -> Result<Self, Damage> {
        let len = bytes.len();
        expect(len == reference.front_len as usize, "a front of the referenced length", len)?;
        expect(len >= FIXED_LEN + DIGEST_LEN, "a whole front", len)?;
        let (body, digest) = bytes.split_at(len - DIGEST_LEN);
        let stored = Cursor::new(digest).u128()?;
        expect_hash(reference.hash, stored, "the referenced digest")?;
        expect_hash(stored, xxh3(body), "a front that matches its digest")?;

        let mut cursor = Cursor::new(body);
        let fixed = Fixed::decode(&mut cursor)?;
        fixed.check(reference, incarnation)?;
        let blocks = decode_index(&mut cursor, &fixed)?;
        let writers = decode_writers(&mut cursor, &fixed)?;
        cursor.finish()?;
        let Fixed { header, state_digest, entry_count, .. } = fixed;
        Ok(Self { header, state_digest, entry_count, writers, blocks })
    }

    /// Which block the key is in, if it is present.
    pub(crate) fn block_of(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| block.first_key <= key).checked_sub(1)
    }

    /// Which blocks the present keys of a range are in. The first may hold none of them, every
    /// other does.
    pub(crate) fn blocks_of(&self, range: &KeyRange) -> Range<usize> {
        let first = self.block_of(&range.start).unwrap_or(0);
        if range.is_empty() {
            return first..first;
        }
        let end = range.end.as_ref().map_or(self.blocks.len(), |end| {
            self.blocks.partition_point(|block| block.first_key < *end)
        });
        first..end
    }
}

fn decode_index(cursor: &mut Cursor<'_>, fixed: &Fixed) -> Result<Vec<BlockRef>, Damage> {
    let count = fixed.block_count as usize;
    expect(count <= cursor.len() / MIN_INDEX_ENTRY, "an index inside the front", count)?;
    let mut blocks: Vec<BlockRef> = Vec::with_capacity(count);
    let mut next = u64::from(fixed.front_len);
    for _ in 0..count {
        let (offset, len, hash) = (cursor.u64()?, cursor.u32()?, cursor.u128()?);
        // A copy: a front that is kept must not keep the whole object.
        let first_key = Bytes::copy_from_slice(cursor.short()?);
        expect(offset == next, "blocks without a gap", offset)?;
        expect(len as usize >= MIN_ENTRY + CRC_LEN, "a block with an entry", len)?;
        let sorted = blocks.last().is_none_or(|last| last.first_key < first_key);
        expect(sorted, "blocks sorted by key", "another order")?;
        next = offset.saturating_add(u64::from(len));
        blocks.push(BlockRef { first_key, offset, len, hash });
    }
    expect(next == fixed.len, "blocks up to the end of the object", next)?;
    let room = (fixed.len - u64::from(fixed.front_len)) / MIN_ENTRY as u64;
    let plausible = fixed.entry_count >= u64::from(fixed.block_count) && fixed.entry_count <= room;
    expect(plausible, "as many entries as fit into the blocks", fixed.entry_count)?;
    Ok(blocks)
}

fn decode_writers(cursor: &mut Cursor<'_>, fixed: &Fixed) -> Result<Vec<LastCommit>, Damage> {
    let count = fixed.writer_count as usize;
    expect(count <= cursor.len() / LAST_COMMIT_LEN, "last commits inside the front", count)?;
    let mut writers: Vec<LastCommit> = Vec::with_capacity(count);
    let seqs = fixed.header.dedup_from.max(1)..=fixed.header.upto_seq;
    for _ in 0..count {
        let last = LastCommit { writer: cursor.u128()?, wseq: cursor.u64()?, seq: cursor.u64()? };
        expect(
            seqs.contains(&last.seq),
            "a last commit between dedup_from and upto_seq",
            last.seq,
        )?;
        let sorted = writers.last().is_none_or(|before| before.writer < last.writer);
        expect(sorted, "last commits sorted by writer", "another order")?;
        writers.push(last);
    }
    Ok(writers)
}
