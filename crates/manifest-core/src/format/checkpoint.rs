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
//! all of them. Each block ends with its own CRC, which tells a damaged block from a whole one in
//! the wrong place.
//!
//! The *last commits* are what is left of the commit ids of the folded history: the newest commit
//! of every writer that committed at or after `dedup_from`. With them a process still finds out what
//! became of a commit whose record is folded away.
//!
//! The *state digest* is the hash of all entries in their order. It does not depend on where the
//! blocks were cut, so two folds of the same history can be compared, whatever their options.

mod block;
mod encode;
mod front;

use bytes::Bytes;

use super::directory::{CheckpointRef, ObjectName};
use super::{Cursor, DIGEST_LEN, Damage, expect, expect_hash};

pub(crate) use block::{Block, EntryView, StateDigest};
pub(crate) use encode::{Encoded, encode};
pub(crate) use front::{BlockRef, Front};

const MAGIC: [u8; 4] = *b"MCCK";
/// Bytes before the block index.
pub(super) const FIXED_LEN: usize = 120;
/// Bytes of an index entry with an empty key.
const MIN_INDEX_ENTRY: usize = 30;
/// Bytes of one writer's last commit.
const LAST_COMMIT_LEN: usize = 32;
/// Bytes of the CRC at the end of a block.
const CRC_LEN: usize = 4;

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
        let front::Fixed { header, len, front_len, .. } =
            front::Fixed::decode(&mut Cursor::new(&bytes))?;
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
            let body = block::open(self.block(block), block)?;
            let upto_seq = self.front.header.upto_seq;
            last_key = Some(block::verify_entries(body, block, upto_seq, |_| entries += 1)?);
            digest.add_encoded(body);
        }
        expect(entries == self.front.entry_count, "all its entries", entries)?;
        expect_hash(self.front.state_digest, digest.finish(), "the digest of the state")
    }

    /// All entries, in order of their keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryView<'_>> {
        let body = |block| self.block(block).split_last_chunk::<CRC_LEN>().map(|(body, _)| body);
        self.front.blocks.iter().filter_map(body).flat_map(block::verified)
    }
}
