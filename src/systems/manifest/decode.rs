//! An independent reader of the manifest's objects, written from `docs/protocol.md` alone.
//!
//! It shares no code with `manifest-core`: if the two disagree about a byte, one of them is wrong,
//! and the run says so.

use bytes::Bytes;
use twox_hash::XxHash3_128;

use crate::workload::{KeyId, KeyRange, OpId, ValueId, Write, decode_value};

/// Why bytes are not what the format says.
pub(super) type Problem = &'static str;

const ROOT_FIXED_LEN: usize = 136;
const SEGMENT_FIXED_LEN: usize = 96;
const RECORD_FIXED_LEN: usize = 60;
const DIGEST_LEN: usize = 16;

/// Reads little-endian integers one after another.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let (head, rest) = self.0.split_at_checked(len).ok_or("it ends early")?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.take(N)?.try_into().map_err(|_| "it ends early")
    }

    fn u8(&mut self) -> Result<u8, Problem> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, Problem> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn u128(&mut self) -> Result<u128, Problem> {
        Ok(u128::from_le_bytes(self.array()?))
    }
}

/// One root (head object).
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) incarnation: u128,
    pub(super) nonce: u128,
    pub(super) prev_digest: u128,
    pub(super) chain: u128,
    pub(super) version: u64,
    pub(super) next_seq: u64,
    pub(super) tail_count: u32,
    /// The directory's bytes: equal bytes name the same objects.
    pub(super) directory: Bytes,
    pub(super) segment_count: u16,
    pub(super) tail: Bytes,
    pub(super) digest: u128,
}

impl Root {
    pub(super) fn decode(body: &Bytes) -> Result<Root, Problem> {
        let mut fields = Fields(body);
        if fields.take(4)? != b"MCHD" || fields.u16()? != 1 {
            return Err("it does not begin as a head of format 1");
        }
        let _flags = fields.u16()?;
        let len = fields.u32()? as usize;
        let tail_offset = fields.u32()? as usize;
        let (incarnation, nonce) = (fields.u128()?, fields.u128()?);
        let (prev_digest, chain) = (fields.u128()?, fields.u128()?);
        let (version, next_seq) = (fields.u64()?, fields.u64()?);
        let _gate_and_floor = (fields.u64()?, fields.u64()?);
        let (tail_len, tail_count) = (fields.u32()? as usize, fields.u32()?);
        let segment_count = fields.u16()?;
        if len != body.len() || tail_offset < ROOT_FIXED_LEN {
            return Err("its length is not the one that it states");
        }
        if tail_offset + tail_len + DIGEST_LEN != len {
            return Err("its parts do not add up to its length");
        }
        let digest = XxHash3_128::oneshot(&body[..tail_offset]);
        if body[len - DIGEST_LEN..] != digest.to_le_bytes() {
            return Err("its digest is wrong");
        }
        Ok(Root {
            incarnation,
            nonce,
            prev_digest,
            chain,
            version,
            next_seq,
            tail_count,
            directory: body.slice(ROOT_FIXED_LEN..tail_offset),
            segment_count,
            tail: body.slice(tail_offset..tail_offset + tail_len),
            digest,
        })
    }

    /// The segments that the directory names, in order. (This version names no checkpoint.)
    pub(super) fn segments(&self) -> Result<Vec<SegmentRef>, Problem> {
        let mut fields = Fields(&self.directory);
        (0..self.segment_count)
            .map(|_| {
                Ok(SegmentRef {
                    hv: fields.u64()?,
                    uuid: fields.u128()?,
                    first: fields.u64()?,
                    last: fields.u64()?,
                    len: fields.u32()?,
                    hash: fields.u128()?,
                    chain_end: fields.u128()?,
                })
            })
            .collect()
    }
}

/// A reference to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentRef {
    pub(super) hv: u64,
    pub(super) uuid: u128,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) len: u32,
    pub(super) hash: u128,
    pub(super) chain_end: u128,
}

impl SegmentRef {
    /// The object's name below the manifest's prefix.
    pub(super) fn name(&self) -> String {
        format!("seg/{:016x}-{:032x}", self.hv, self.uuid)
    }
}

/// The records inside a segment object, if the object is intact.
pub(super) fn segment_records(body: &Bytes) -> Result<Bytes, Problem> {
    if body.len() < SEGMENT_FIXED_LEN + DIGEST_LEN || &body[..4] != b"MCSG" {
        return Err("it is no segment");
    }
    let end = body.len() - DIGEST_LEN;
    if body[end..] != XxHash3_128::oneshot(&body[..end]).to_le_bytes() {
        return Err("its digest is wrong");
    }
    Ok(body.slice(SEGMENT_FIXED_LEN..end))
}

/// One commit record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    bytes: &'a [u8],
    pub(super) chain_prev: u128,
    pub(super) seq: u64,
    op_count: u32,
    /// Which operation of the world it is, from the metadata.
    pub(super) token: Option<OpId>,
    ops: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `bytes`, and what follows it.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<(Record<'a>, &'a [u8]), Problem> {
        let mut fields = Fields(bytes);
        let chain_prev = fields.u128()?;
        let len = fields.u32()? as usize;
        let op_count = fields.u32()?;
        let seq = fields.u64()?;
        let _commit_id = (fields.u128()?, fields.u64()?);
        let metadata_len = fields.u32()? as usize;
        let (record, rest) = bytes.split_at_checked(len).ok_or("a record ends early")?;
        let crc_at = len.checked_sub(4).ok_or("a record is too short")?;
        if record[crc_at..] != crc32c::crc32c(&record[..crc_at]).to_le_bytes() {
            return Err("the checksum of a record is wrong");
        }
        let metadata_at = crc_at.checked_sub(metadata_len).ok_or("a record is too short")?;
        let metadata = &record[metadata_at..crc_at];
        let token = <[u8; 4]>::try_from(metadata).ok().map(|token| OpId(u32::from_le_bytes(token)));
        let ops = record.get(RECORD_FIXED_LEN..metadata_at).ok_or("a record is too short")?;
        Ok((Record { bytes: record, chain_prev, seq, op_count, token, ops }, rest))
    }

    /// The chain hash after this record.
    pub(super) fn chain(&self) -> u128 {
        XxHash3_128::oneshot(self.bytes)
    }

    /// Its writes as the world's numbers, appended to `out`.
    pub(super) fn writes(&self, out: &mut Vec<(Write, Option<ValueId>)>) -> Result<(), Problem> {
        let mut fields = Fields(self.ops);
        for _ in 0..self.op_count {
            let kind = fields.u8()?;
            let first = key(&mut fields)?;
            out.push(match kind {
                1 => {
                    let len = fields.u32()? as usize;
                    let value = decode_value(fields.take(len)?)
                        .map_err(|_| "a value that no client wrote")?;
                    (Write::Put(first), Some(value))
                }
                2 => (Write::Delete(first), None),
                3 => {
                    let end = match fields.u8()? {
                        0 => None,
                        _ => Some(key(&mut fields)?),
                    };
                    (Write::DeleteRange(KeyRange { start: first, end }), None)
                }
                _ => return Err("an operation of unknown kind"),
            });
        }
        if fields.0.is_empty() {
            Ok(())
        } else {
            Err("bytes behind the last operation of a record")
        }
    }
}

fn key(fields: &mut Fields<'_>) -> Result<KeyId, Problem> {
    let len = usize::from(fields.u16()?);
    KeyId::decode(fields.take(len)?).ok_or("a key that no client wrote")
}
