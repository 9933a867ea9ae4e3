//! Writes a checkpoint: the blocks first, because the front holds their hashes.

use bytes::Bytes;

use super::block::{StateDigest, push_entry};
use super::{CheckpointHeader, FIXED_LEN, LAST_COMMIT_LEN, LastCommit, MAGIC, MIN_INDEX_ENTRY};
use crate::format::{DIGEST_LEN, FORMAT, xxh3};

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
    let front = blocks.front(&header, writers);
    let hash = xxh3(&front);
    let front_len = front.len() + DIGEST_LEN;
    // The blocks make room for the front in their own buffer: a state is too large to be held twice.
    let mut out = blocks.out;
    let blocks_len = out.len();
    out.resize(front_len + blocks_len, 0);
    out.copy_within(..blocks_len, front_len);
    out[..front.len()].copy_from_slice(&front);
    out[front.len()..front_len].copy_from_slice(&hash.to_le_bytes());
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
        push_entry(&mut self.out, key, seq, value);
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

    /// Everything before the blocks but the digest.
    fn front(&self, header: &CheckpointHeader, writers: &[LastCommit]) -> Vec<u8> {
        let index_len: usize = self.index.iter().map(|b| MIN_INDEX_ENTRY + b.key_len).sum();
        let front_len = FIXED_LEN + index_len + LAST_COMMIT_LEN * writers.len() + DIGEST_LEN;
        let mut out = Vec::with_capacity(front_len);
        out.extend_from_slice(&self.fixed(header, front_len, writers.len()));
        for block in &self.index {
            out.extend_from_slice(&((front_len + block.at) as u64).to_le_bytes());
            out.extend_from_slice(&(block.len as u32).to_le_bytes());
            out.extend_from_slice(&block.hash.to_le_bytes());
            // A block begins with the length and the bytes of its first key.
            out.extend_from_slice(&self.out[block.at..block.at + 2 + block.key_len]);
        }
        for last in writers {
            out.extend_from_slice(&last.writer.to_le_bytes());
            out.extend_from_slice(&last.wseq.to_le_bytes());
            out.extend_from_slice(&last.seq.to_le_bytes());
        }
        out
    }

    /// The fixed part.
    fn fixed(
        &self,
        header: &CheckpointHeader,
        front_len: usize,
        writers: usize,
    ) -> [u8; FIXED_LEN] {
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
        fixed
    }
}
