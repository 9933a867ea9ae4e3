//! The head: the root of a manifest, with the newest records inside it.
//!
//! Decoding verifies the fixed part and the directory, and that the tail begins where the
//! directory ends. The tail's records are verified by whoever installs the head, because a
//! process that already holds the first of them only has to compare bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::directory::{Counts, Directory, SegmentRef};
use super::record::{self, CommitId, Op, RunEnd};
use super::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};

const MAGIC: [u8; 4] = *b"MCHD";
/// Bytes before the directory.
pub(crate) const FIXED_LEN: usize = 136;
const BURN: u16 = 1;

/// The fixed part of a head, but for the lengths that follow from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) burn: bool,
    pub(crate) incarnation: u128,
    pub(crate) nonce: u128,
    pub(crate) prev_digest: u128,
    pub(crate) chain: u128,
    pub(crate) version: u64,
    pub(crate) next_seq: u64,
    pub(crate) gate: u64,
    pub(crate) floor: u64,
    pub(crate) tail_count: u32,
    pub(crate) counts: Counts,
}

impl Header {
    fn encode(&self, len: usize, tail_offset: usize, tail_len: usize) -> [u8; FIXED_LEN] {
        let mut out = [0; FIXED_LEN];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &FORMAT.to_le_bytes());
        put(6, &(if self.burn { BURN } else { 0 }).to_le_bytes());
        put(8, &(len as u32).to_le_bytes());
        put(12, &(tail_offset as u32).to_le_bytes());
        put(16, &self.incarnation.to_le_bytes());
        put(32, &self.nonce.to_le_bytes());
        put(48, &self.prev_digest.to_le_bytes());
        put(64, &self.chain.to_le_bytes());
        put(80, &self.version.to_le_bytes());
        put(88, &self.next_seq.to_le_bytes());
        put(96, &self.gate.to_le_bytes());
        put(104, &self.floor.to_le_bytes());
        put(112, &(tail_len as u32).to_le_bytes());
        put(116, &self.tail_count.to_le_bytes());
        put(120, &self.counts.segments.to_le_bytes());
        put(122, &self.counts.roles.to_le_bytes());
        put(124, &self.counts.retired.to_le_bytes());
        put(128, &[u8::from(self.counts.checkpoint)]);
        out
    }

    /// Also returns the object's length, the tail's offset and the tail's length.
    fn decode(bytes: &[u8]) -> Result<(Self, usize, usize, usize), Damage> {
        let mut cursor = Cursor::new(bytes);
        expect(cursor.take(4)? == MAGIC, "a head", "another magic")?;
        if cursor.u16()? != FORMAT {
            return Err(Damage::Newer { feature: "another head format" });
        }
        let flags = cursor.u16()?;
        expect(flags & !BURN == 0, "known flags", flags)?;
        let (len, tail_offset) = (cursor.u32()? as usize, cursor.u32()? as usize);
        let (incarnation, nonce) = (cursor.u128()?, cursor.u128()?);
        let (prev_digest, chain) = (cursor.u128()?, cursor.u128()?);
        let (version, next_seq) = (cursor.u64()?, cursor.u64()?);
        let (gate, floor) = (cursor.u64()?, cursor.u64()?);
        let (tail_len, tail_count) = (cursor.u32()? as usize, cursor.u32()?);
        let (segments, roles, retired) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
        let checkpoint = match cursor.u8()? {
            0 => false,
            1 => true,
            other => return Err(Damage::new("a checkpoint or none", other)),
        };
        expect(cursor.take(7)? == [0; 7], "zero", "another number")?;
        expect(version >= 1 && next_seq >= 1, "versions and seqs from 1", version)?;
        expect(version < u64::MAX, "a version that another can follow", version)?;
        let counts = Counts { segments, roles, retired, checkpoint };
        let burn = flags & BURN != 0;
        let header = Self {
            burn,
            incarnation,
            nonce,
            prev_digest,
            chain,
            version,
            next_seq,
            gate,
            floor,
            tail_count,
            counts,
        };
        Ok((header, len, tail_offset, tail_len))
    }
}

/// A head: its bytes and what is known of them.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) directory: Arc<Directory>,
    pub(crate) digest: u128,
    bytes: Bytes,
    tail_offset: usize,
}

impl Head {
    /// Verifies everything but the tail's records. `known` is a head that this process holds:
    /// its directory is shared if it is the same.
    pub(crate) fn decode(bytes: Bytes, known: Option<&Head>) -> Result<Self, Damage> {
        let (header, len, tail_offset, tail_len) = Header::decode(&bytes)?;
        expect(len == bytes.len(), "a whole head", bytes.len())?;
        let adds_up = tail_offset.checked_add(tail_len).and_then(|n| n.checked_add(DIGEST_LEN));
        let adds_up = tail_offset >= FIXED_LEN && adds_up == Some(len);
        expect(adds_up, "lengths that add up", tail_offset)?;
        let digest = Cursor::new(&bytes[len - DIGEST_LEN..]).u128()?;
        let computed = xxh3(&bytes[..tail_offset]);
        expect_hash(digest, computed, "a head that matches its digest")?;

        let encoded = &bytes[FIXED_LEN..tail_offset];
        let directory = match known {
            Some(known)
                if known.header.counts == header.counts && known.directory_bytes() == encoded =>
            {
                Arc::clone(&known.directory)
            }
            _ => Arc::new(Directory::decode(encoded, header.counts)?),
        };
        let head = Self { header, directory, digest, bytes, tail_offset };
        head.check_tail_start()?;
        Ok(head)
    }

    /// The tail begins where the directory ends.
    fn check_tail_start(&self) -> Result<(), Damage> {
        let start = self.tail_start();
        let end = start.next_seq.checked_add(u64::from(self.header.tail_count));
        expect(end == Some(self.header.next_seq), "seqs without a gap", self.header.next_seq)?;
        let chain = match self.tail() {
            [] => self.header.chain,
            tail => record::peek(tail)?.1,
        };
        expect_hash(start.chain, chain, "a tail that continues the chain")
    }

    /// Where the tail begins.
    pub(crate) fn tail_start(&self) -> RunEnd {
        self.directory.tail_start(self.header.incarnation)
    }

    /// Where the tail, and with it all history, ends.
    pub(crate) fn end(&self) -> RunEnd {
        RunEnd { chain: self.header.chain, next_seq: self.header.next_seq }
    }

    /// The inline records.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.bytes[self.tail_offset..self.bytes.len() - DIGEST_LEN]
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn directory_bytes(&self) -> &[u8] {
        &self.bytes[FIXED_LEN..self.tail_offset]
    }

    /// The first head of a new manifest.
    pub(crate) fn genesis(incarnation: u128, nonce: u128) -> Self {
        let header = Header {
            burn: false,
            incarnation,
            nonce,
            prev_digest: 0,
            chain: incarnation,
            version: 1,
            next_seq: 1,
            gate: 0,
            floor: 0,
            tail_count: 0,
            counts: Counts::default(),
        };
        HeadWriter::start(header, Arc::default(), &[], &[], 0).finish()
    }
}

#[cfg(test)]
impl Head {
    /// A head with any directory and an empty tail.
    pub(crate) fn with_directory(directory: Directory, incarnation: u128) -> Self {
        let mut header = Head::genesis(incarnation, 1).header;
        let start = directory.tail_start(incarnation);
        header.counts = directory.counts();
        (header.chain, header.next_seq) = (start.chain, start.next_seq);
        let encoded = directory.encode();
        HeadWriter::start(header, Arc::new(directory), &encoded, &[], 0).finish()
    }
}

/// What a head changes besides adding records.
#[derive(Debug)]
pub(crate) struct HeadEdit {
    pub(crate) directory: Directory,
    pub(crate) gate: u64,
    pub(crate) floor: u64,
    /// Bytes and records of the base's tail that a segment of the directory holds.
    pub(crate) sealed_len: usize,
    pub(crate) sealed_count: u32,
}

/// Builds the successor of a head by appending to one buffer.
#[derive(Debug)]
pub(crate) struct HeadWriter {
    out: Vec<u8>,
    header: Header,
    directory: Arc<Directory>,
    tail_offset: usize,
}

impl HeadWriter {
    fn start(
        header: Header,
        directory: Arc<Directory>,
        directory_bytes: &[u8],
        tail: &[u8],
        room: usize,
    ) -> Self {
        let tail_offset = FIXED_LEN + directory_bytes.len();
        let mut out = Vec::with_capacity(tail_offset + tail.len() + room + DIGEST_LEN);
        // The fixed part is written last, when everything in it is known.
        out.extend_from_slice(&[0; FIXED_LEN]);
        out.extend_from_slice(directory_bytes);
        out.extend_from_slice(tail);
        Self { out, header, directory, tail_offset }
    }

    /// A head that follows `base` and keeps its directory and its tail. `room` is the number of
    /// bytes that will be appended.
    pub(crate) fn follow(base: &Head, nonce: u128, room: usize) -> Self {
        let header = Self::next_header(base, nonce);
        let directory = Arc::clone(&base.directory);
        Self::start(header, directory, base.directory_bytes(), base.tail(), room)
    }

    /// A head that follows `base` with another directory, without the part of the tail that is
    /// sealed.
    pub(crate) fn edit(base: &Head, nonce: u128, edit: HeadEdit, room: usize) -> Self {
        let mut header = Self::next_header(base, nonce);
        header.counts = edit.directory.counts();
        header.gate = edit.gate;
        header.floor = edit.floor;
        header.tail_count -= edit.sealed_count;
        let encoded = edit.directory.encode();
        let tail = &base.tail()[edit.sealed_len..];
        Self::start(header, Arc::new(edit.directory), &encoded, tail, room)
    }

    fn next_header(base: &Head, nonce: u128) -> Header {
        Header {
            burn: false,
            nonce,
            prev_digest: base.digest,
            version: base.header.version + 1,
            ..base.header
        }
    }

    /// Marks the head as one that is written only to kill its base.
    pub(crate) fn burn(mut self) -> Self {
        self.header.burn = true;
        self
    }

    /// How long the head would be if it ended here.
    pub(crate) fn len(&self) -> usize {
        self.out.len() + DIGEST_LEN
    }

    /// Appends a record and returns its seq.
    pub(crate) fn push(&mut self, id: CommitId, ops: &[Op], metadata: &[u8]) -> u64 {
        let seq = self.header.next_seq;
        self.header.chain =
            record::append(&mut self.out, self.header.chain, seq, id, ops, metadata);
        self.header.next_seq += 1;
        self.header.tail_count += 1;
        seq
    }

    /// The tail as it stands now, and where it begins and ends.
    pub(crate) fn tail(&self) -> (&[u8], RunEnd, RunEnd) {
        let start = self.directory.tail_start(self.header.incarnation);
        let end = RunEnd { chain: self.header.chain, next_seq: self.header.next_seq };
        (&self.out[self.tail_offset..], start, end)
    }

    /// Everything that the head will name.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The version that the head will have.
    pub(crate) fn version(&self) -> u64 {
        self.header.version
    }

    /// The same head with its whole tail in a segment.
    pub(crate) fn with_tail_in(self, segment: SegmentRef) -> Self {
        let mut directory = Directory::clone(&self.directory);
        directory.segments.push(segment);
        let mut header = self.header;
        header.counts = directory.counts();
        header.tail_count = 0;
        let encoded = directory.encode();
        Self::start(header, Arc::new(directory), &encoded, &[], 0)
    }

    pub(crate) fn finish(mut self) -> Head {
        let len = self.len();
        let tail_len = self.out.len() - self.tail_offset;
        let fixed = self.header.encode(len, self.tail_offset, tail_len);
        self.out[..FIXED_LEN].copy_from_slice(&fixed);
        let digest = xxh3(&self.out[..self.tail_offset]);
        self.out.extend_from_slice(&digest.to_le_bytes());
        Head {
            header: self.header,
            directory: self.directory,
            digest,
            bytes: Bytes::from(self.out),
            tail_offset: self.tail_offset,
        }
    }
}
