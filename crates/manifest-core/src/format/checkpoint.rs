//! A checkpoint: the whole state up to one commit, sorted by key and cut into blocks.
//!
//! ```text
//! | header | block index | last commits | digest | block | block | ...
//! |<--------------- front ---------------------->|
//! ```
//!
//! The *front* is small and stands first, so that a reader of a large state fetches it with one
//! ranged GET, finds in the index which block a key is in, and fetches that block with another. Its
//! last 16 bytes are its digest, which is the hash that the head stores. Each index entry holds the
//! hash of its block, so the digest commits to every byte of the object although nobody has to read
//! all of them; and each block ends with its own CRC, so a walk over an object whose front is lost
//! can still tell which blocks are whole.
//!
//! The *last commits* are what is left of the commit ids of the folded history: the newest commit
//! of every writer that committed at or after `dedup_from`. With them a process still finds out what
//! became of a commit whose record is folded away.
//!
//! The *state digest* is the hash of all entries in their order. It does not depend on where the
//! blocks were cut, so two folds of the same history can be compared, whatever their options.

use std::ops::Range;

use bytes::Bytes;

use super::directory::{CheckpointRef, ObjectName};
use super::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};
use crate::range::KeyRange;

const MAGIC: [u8; 4] = *b"MCCK";
/// Bytes before the block index.
pub(crate) const FIXED_LEN: usize = 120;
/// Bytes of an index entry with an empty key.
const MIN_INDEX_ENTRY: usize = 30;
/// Bytes of one writer's last commit.
const LAST_COMMIT_LEN: usize = 32;
/// Bytes of the CRC at the end of a block.
const CRC_LEN: usize = 4;
/// Bytes of an entry with an empty key and an empty value.
const MIN_ENTRY: usize = 14;

/// What a checkpoint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointHeader {
    pub(crate) incarnation: u128,
    /// The version of the head that the creator held, as in the name.
    pub(crate) hv: u64,
    /// The last commit that is folded in.
    pub(crate) upto_seq: u64,
    /// Where the fold was heading: `upto_seq` if it is finished, more if it stopped on the way.
    pub(crate) target: u64,
    /// The chain hash at `upto_seq`.
    pub(crate) chain: u128,
    /// The last commits are complete from this seq on.
    pub(crate) dedup_from: u64,
}

/// The newest commit of one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastCommit {
    pub(crate) writer: u128,
    pub(crate) wseq: u64,
    pub(crate) seq: u64,
}

/// A present key, borrowed from a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryView<'a> {
    pub(crate) key: &'a [u8],
    /// The commit that wrote it.
    pub(crate) seq: u64,
    pub(crate) value: &'a [u8],
}

fn next_entry<'a>(cursor: &mut Cursor<'a>) -> Result<EntryView<'a>, Damage> {
    Ok(EntryView { key: cursor.short()?, seq: cursor.u64()?, value: cursor.long()? })
}

/// The entries of a block that was verified before, its CRC cut off.
fn verified(body: &[u8]) -> impl Iterator<Item = EntryView<'_>> {
    let mut rest = Cursor::new(body);
    std::iter::from_fn(move || if rest.len() == 0 { None } else { next_entry(&mut rest).ok() })
}

/// The hash of a state: of the encoded entries, one after another, in order of their keys.
#[derive(Clone)]
pub(crate) struct StateDigest(twox_hash::XxHash3_128);

impl std::fmt::Debug for StateDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateDigest({:032x})", self.0.finish_128())
    }
}

impl StateDigest {
    pub(crate) fn new() -> Self {
        Self(twox_hash::XxHash3_128::new())
    }

    /// Adds the next entry. Keys must come in ascending order for the digest to mean anything.
    pub(crate) fn add(&mut self, key: &[u8], seq: u64, value: &[u8]) {
        self.0.write(&(key.len() as u16).to_le_bytes());
        self.0.write(key);
        let mut fixed = [0; 12];
        fixed[..8].copy_from_slice(&seq.to_le_bytes());
        fixed[8..].copy_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.write(&fixed);
        self.0.write(value);
    }

    /// Adds whole encoded entries. A block stores an entry exactly as the digest sees it.
    fn add_encoded(&mut self, entries: &[u8]) {
        self.0.write(entries);
    }

    pub(crate) fn finish(self) -> u128 {
        self.0.finish_128()
    }
}

/// A checkpoint's bytes, and what its reference has to say about them.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) front_len: u32,
    pub(crate) hash: u128,
}

/// Encodes a checkpoint. A block is closed as soon as it has `block_bytes` or more.
///
/// The entries must be strictly sorted by key and the last commits strictly by writer, and both
/// must keep to the seqs that the header names: what does not is refused when it is read.
pub(crate) fn encode<'a>(
    header: CheckpointHeader,
    entries: impl Iterator<Item = (&'a [u8], u64, &'a [u8])>,
    writers: &[LastCommit],
    block_bytes: usize,
) -> Encoded {
    let mut blocks = Blocks::new();
    for (key, seq, value) in entries {
        blocks.push(key, seq, value);
        if blocks.open_len() >= block_bytes {
            blocks.close();
        }
    }
    blocks.close();
    let index_len: usize = blocks.index.iter().map(|b| MIN_INDEX_ENTRY + b.key_len).sum();
    let front_len = FIXED_LEN + index_len + LAST_COMMIT_LEN * writers.len() + DIGEST_LEN;
    let mut out = Vec::with_capacity(front_len + blocks.out.len());
    blocks.push_header(&mut out, &header, front_len, writers.len());
    for block in &blocks.index {
        out.extend_from_slice(&((front_len + block.at) as u64).to_le_bytes());
        out.extend_from_slice(&(block.len as u32).to_le_bytes());
        out.extend_from_slice(&block.hash.to_le_bytes());
        // A block begins with the length and the bytes of its first key.
        out.extend_from_slice(&blocks.out[block.at..block.at + 2 + block.key_len]);
    }
    for last in writers {
        out.extend_from_slice(&last.writer.to_le_bytes());
        out.extend_from_slice(&last.wseq.to_le_bytes());
        out.extend_from_slice(&last.seq.to_le_bytes());
    }
    let hash = xxh3(&out);
    out.extend_from_slice(&hash.to_le_bytes());
    out.extend_from_slice(&blocks.out);
    Encoded { bytes: Bytes::from(out), front_len: front_len as u32, hash }
}

/// The blocks that are written so far, the last of them still open.
struct Blocks {
    out: Vec<u8>,
    open_at: usize,
    open_key_len: usize,
    index: Vec<Closed>,
    entry_count: u64,
    digest: StateDigest,
}

/// A block that is closed: where it is among the blocks, and how long its first key is.
struct Closed {
    at: usize,
    len: usize,
    key_len: usize,
    hash: u128,
}

impl Blocks {
    fn new() -> Self {
        Self {
            out: Vec::new(),
            open_at: 0,
            open_key_len: 0,
            index: Vec::new(),
            entry_count: 0,
            digest: StateDigest::new(),
        }
    }

    fn open_len(&self) -> usize {
        self.out.len() - self.open_at
    }

    fn push(&mut self, key: &[u8], seq: u64, value: &[u8]) {
        if self.open_len() == 0 {
            self.open_key_len = key.len();
        }
        self.out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(&seq.to_le_bytes());
        self.out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.out.extend_from_slice(value);
        self.entry_count += 1;
    }

    /// Ends the open block, if there is anything in it.
    fn close(&mut self) {
        let at = self.open_at;
        if self.out.len() == at {
            return;
        }
        self.digest.add_encoded(&self.out[at..]);
        let crc = crc32c::crc32c(&self.out[at..]);
        self.out.extend_from_slice(&crc.to_le_bytes());
        let hash = xxh3(&self.out[at..]);
        let len = self.out.len() - at;
        self.index.push(Closed { at, len, key_len: self.open_key_len, hash });
        self.open_at = self.out.len();
    }

    fn push_header(
        &self,
        out: &mut Vec<u8>,
        header: &CheckpointHeader,
        front_len: usize,
        writers: usize,
    ) {
        let mut fixed = [0; FIXED_LEN];
        let mut put = |at: usize, bytes: &[u8]| fixed[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &FORMAT.to_le_bytes());
        put(8, &((front_len + self.out.len()) as u64).to_le_bytes());
        put(16, &header.incarnation.to_le_bytes());
        put(32, &header.chain.to_le_bytes());
        put(48, &self.digest.clone().finish().to_le_bytes());
        put(64, &header.hv.to_le_bytes());
        put(72, &header.upto_seq.to_le_bytes());
        put(80, &header.target.to_le_bytes());
        put(88, &header.dedup_from.to_le_bytes());
        put(96, &self.entry_count.to_le_bytes());
        put(104, &(front_len as u32).to_le_bytes());
        put(108, &(self.index.len() as u32).to_le_bytes());
        put(112, &(writers as u32).to_le_bytes());
        out.extend_from_slice(&fixed);
    }
}

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
struct Fixed {
    header: CheckpointHeader,
    state_digest: u128,
    entry_count: u64,
    len: u64,
    front_len: u32,
    block_count: u32,
    writer_count: u32,
}

impl Fixed {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
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

    /// Which block holds the key, if any does.
    pub(crate) fn block_of(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| block.first_key <= key).checked_sub(1)
    }

    /// Which blocks hold the keys of a range, and perhaps others before and behind it.
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
    // One copy for all first keys: the front must not keep a whole object in memory.
    let keys = Bytes::copy_from_slice(cursor.clone().take(cursor.len())?);
    let before = cursor.len();
    let mut blocks: Vec<BlockRef> = Vec::with_capacity(count);
    let mut next = u64::from(fixed.front_len);
    for _ in 0..count {
        let (offset, len, hash) = (cursor.u64()?, cursor.u32()?, cursor.u128()?);
        let key_len = cursor.short()?.len();
        let key_end = before - cursor.len();
        let first_key = keys.slice(key_end - key_len..key_end);
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

/// One block, verified.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    body: Bytes,
    /// Where each entry begins.
    starts: Vec<u32>,
}

/// The entries of a block as bytes, after its length, hash and CRC were found right.
fn open_block<'a>(bytes: &'a [u8], reference: &BlockRef) -> Result<&'a [u8], Damage> {
    let len = bytes.len();
    expect(len == reference.len as usize, "a block of the referenced length", len)?;
    expect(len >= CRC_LEN, "a whole block", len)?;
    expect_hash(reference.hash, xxh3(bytes), "the referenced hash of the block")?;
    let (body, crc) = bytes.split_at(len - CRC_LEN);
    let crc = Cursor::new(crc).u32()?;
    expect(crc32c::crc32c(body) == crc, "a block with a matching CRC", "another CRC")?;
    Ok(body)
}

/// Verifies the entries of a block, tells where each of them begins, and returns the last key.
fn verify_entries<'a>(
    body: &'a [u8],
    reference: &BlockRef,
    upto_seq: u64,
    mut entry_at: impl FnMut(usize),
) -> Result<&'a [u8], Damage> {
    let mut cursor = Cursor::new(body);
    let mut last: Option<&[u8]> = None;
    while cursor.len() > 0 {
        entry_at(body.len() - cursor.len());
        let EntryView { key, seq, .. } = next_entry(&mut cursor)?;
        expect((1..=upto_seq).contains(&seq), "a seq up to the checkpoint's", seq)?;
        match last {
            None => expect(reference.first_key == key, "the first key of the index", "another")?,
            Some(last) => expect(last < key, "entries sorted by key", "another order")?,
        }
        last = Some(key);
    }
    last.ok_or_else(|| Damage::new("a block with an entry", "an empty one"))
}

impl Block {
    /// Verifies the bytes of one block against the index entry that named it.
    pub(crate) fn decode(
        bytes: Bytes,
        reference: &BlockRef,
        upto_seq: u64,
    ) -> Result<Self, Damage> {
        let body = open_block(&bytes, reference)?;
        let mut starts = Vec::new();
        verify_entries(body, reference, upto_seq, |at| starts.push(at as u32))?;
        let body = bytes.slice(..body.len());
        Ok(Self { body, starts })
    }

    /// The entries in order of their keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryView<'_>> {
        verified(&self.body)
    }

    /// The entry of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<EntryView<'_>> {
        let entry = |at: &u32| next_entry(&mut Cursor::new(&self.body[*at as usize..])).ok();
        let at = self.starts.partition_point(|at| entry(at).is_some_and(|entry| entry.key < key));
        self.starts.get(at).and_then(entry).filter(|entry| entry.key == key)
    }
}

/// A whole checkpoint, verified.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) reference: CheckpointRef,
    pub(crate) front: Front,
    bytes: Bytes,
}

impl Checkpoint {
    /// Verifies every byte of an object against the reference that named it, the state digest
    /// included.
    pub(crate) fn decode(
        bytes: Bytes,
        reference: CheckpointRef,
        incarnation: u128,
    ) -> Result<Self, Damage> {
        let len = bytes.len();
        expect(len as u64 == reference.len, "a checkpoint of the referenced length", len)?;
        let front_len = reference.front_len as usize;
        expect(front_len <= len, "a front inside the object", front_len)?;
        let front = Front::decode(&bytes[..front_len], &reference, incarnation)?;
        let checkpoint = Self { reference, front, bytes };
        checkpoint.verify_blocks()?;
        Ok(checkpoint)
    }

    /// Verifies an object that nobody refers to, and makes the reference that would fit it. The
    /// caller has nothing to compare `upto_seq` and the chain hash with but the history itself.
    pub(crate) fn decode_unreferenced(
        bytes: Bytes,
        name: ObjectName,
        incarnation: u128,
    ) -> Result<Self, Damage> {
        let Fixed { header, len, front_len, .. } = Fixed::decode(&mut Cursor::new(&bytes))?;
        let digest_at = (front_len as usize).checked_sub(DIGEST_LEN);
        let digest = digest_at.and_then(|at| bytes.get(at..front_len as usize));
        let digest = digest.ok_or_else(|| Damage::new("a front inside the object", front_len))?;
        let hash = Cursor::new(digest).u128()?;
        let CheckpointHeader { upto_seq, chain, .. } = header;
        let reference = CheckpointRef { name, upto_seq, len, front_len, hash, chain };
        Self::decode(bytes, reference, incarnation)
    }

    fn block(&self, block: &BlockRef) -> &[u8] {
        // The index was verified: the blocks fill the object to its end.
        let at = block.offset as usize;
        &self.bytes[at..at + block.len as usize]
    }

    fn verify_blocks(&self) -> Result<(), Damage> {
        let mut digest = StateDigest::new();
        let mut entries = 0u64;
        let mut last_key: Option<&[u8]> = None;
        for block in &self.front.blocks {
            let sorted = last_key.is_none_or(|last| last < &block.first_key[..]);
            expect(sorted, "blocks that do not overlap", "another order")?;
            let body = open_block(self.block(block), block)?;
            let upto_seq = self.front.header.upto_seq;
            last_key = Some(verify_entries(body, block, upto_seq, |_| entries += 1)?);
            digest.add_encoded(body);
        }
        expect(entries == self.front.entry_count, "all its entries", entries)?;
        expect_hash(self.front.state_digest, digest.finish(), "the digest of the state")
    }

    /// All entries, in order of their keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryView<'_>> {
        let body = |block| self.block(block).split_last_chunk::<CRC_LEN>().map(|(body, _)| body);
        self.front.blocks.iter().filter_map(body).flat_map(verified)
    }
}
