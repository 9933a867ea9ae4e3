//! The entries of a checkpoint: one after another in a block, and all of them in the state digest.

use bytes::Bytes;

use super::{BlockRef, CRC_LEN};
use crate::format::{Cursor, Damage, expect, expect_hash, xxh3};

/// Bytes of an entry with an empty key and an empty value.
pub(super) const MIN_ENTRY: usize = 14;

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

/// Appends an entry.
pub(super) fn push_entry(out: &mut Vec<u8>, key: &[u8], seq: u64, value: &[u8]) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// The entries of a block that was verified before, its CRC cut off.
pub(super) fn verified(body: &[u8]) -> impl Iterator<Item = EntryView<'_>> {
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
    pub(super) fn add_encoded(&mut self, entries: &[u8]) {
        self.0.write(entries);
    }

    pub(crate) fn finish(self) -> u128 {
        self.0.finish_128()
    }
}

/// One block, verified.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    body: Bytes,
    /// Where each entry begins.
    starts: Vec<u32>,
}

/// The entries of a block as bytes, after its length, CRC and hash were found right.
pub(super) fn open<'a>(bytes: &'a [u8], reference: &BlockRef) -> Result<&'a [u8], Damage> {
    let len = bytes.len();
    expect(len == reference.len as usize, "a block of the referenced length", len)?;
    expect(len >= CRC_LEN, "a whole block", len)?;
    let (body, crc) = bytes.split_at(len - CRC_LEN);
    let crc = Cursor::new(crc).u32()?;
    expect(crc32c::crc32c(body) == crc, "a block with a matching CRC", "another CRC")?;
    expect_hash(reference.hash, xxh3(bytes), "the referenced hash of the block")?;
    Ok(body)
}

/// Verifies the entries of a block, tells where each of them begins, and returns the last key.
pub(super) fn verify_entries<'a>(
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
        let body = open(&bytes, reference)?;
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
