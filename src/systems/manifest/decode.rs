//! An independent reader of the manifest's objects, written from `docs/protocol.md` alone.
//!
//! It shares no code with `manifest-core`: if the two disagree about a byte, one of them is wrong,
//! and the run says so.

pub(super) mod folded;

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

/// How many entries a directory has.
#[derive(Clone, Copy, Debug)]
struct Counts {
    segments: u16,
    roles: u16,
    retired: u32,
    checkpoint: bool,
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
    pub(super) gate: u64,
    pub(super) floor: u64,
    /// The directory's bytes: equal bytes name the same objects.
    pub(super) directory: Bytes,
    counts: Counts,
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
        let (gate, floor) = (fields.u64()?, fields.u64()?);
        let (tail_len, tail_count) = (fields.u32()? as usize, fields.u32()?);
        let (segments, roles, retired) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let counts = Counts { segments, roles, retired, checkpoint: fields.u8()? == 1 };
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
            gate,
            floor,
            directory: body.slice(ROOT_FIXED_LEN..tail_offset),
            counts,
            tail: body.slice(tail_offset..tail_offset + tail_len),
            digest,
        })
    }

    /// Everything that the root names.
    pub(super) fn directory(&self) -> Result<Directory, Problem> {
        let mut fields = Fields(&self.directory);
        let mut directory = Directory::default();
        if self.counts.checkpoint {
            directory.checkpoint = Some(CheckpointRef {
                name: ObjectName::decode(&mut fields)?,
                upto: fields.u64()?,
                len: fields.u64()?,
                front_len: fields.u32()?,
                hash: fields.u128()?,
                chain: fields.u128()?,
            });
        }
        for _ in 0..self.counts.segments {
            directory.segments.push(SegmentRef {
                name: ObjectName::decode(&mut fields)?,
                first: fields.u64()?,
                last: fields.u64()?,
                len: fields.u32()?,
                hash: fields.u128()?,
                chain_end: fields.u128()?,
            });
        }
        for _ in 0..self.counts.roles {
            let len = usize::from(fields.u16()?);
            let name = String::from_utf8_lossy(fields.take(len)?).into_owned();
            directory.roles.push(Role { name, epoch: fields.u64()?, owner: fields.u128()? });
        }
        for _ in 0..self.counts.retired {
            let folder = match fields.u8()? {
                1 => Folder::Segments,
                2 => Folder::Checkpoints,
                _ => return Err("a retired name is of no known kind"),
            };
            let name = ObjectName::decode(&mut fields)?;
            directory.retired.push(Retired { folder, name, at: fields.u64()? });
        }
        match fields.0.is_empty() {
            true => Ok(directory),
            false => Err("its directory is longer than its entries"),
        }
    }
}

/// Everything that a root names.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) checkpoint: Option<CheckpointRef>,
    pub(super) segments: Vec<SegmentRef>,
    pub(super) roles: Vec<Role>,
    pub(super) retired: Vec<Retired>,
}

impl Directory {
    /// The objects that a reader of the root may need.
    pub(super) fn named(&self) -> impl Iterator<Item = (Folder, ObjectName)> + '_ {
        let checkpoint = self.checkpoint.iter().map(|it| (Folder::Checkpoints, it.name));
        checkpoint.chain(self.segments.iter().map(|it| (Folder::Segments, it.name)))
    }
}

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    Segments,
    Checkpoints,
}

/// The numbers in an object's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectName {
    pub(super) hv: u64,
    uuid: u128,
}

impl ObjectName {
    fn decode(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(ObjectName { hv: fields.u64()?, uuid: fields.u128()? })
    }

    /// The object that has this name below the manifest's prefix, if it has the name of one.
    pub(super) fn parse(path: &str) -> Option<(Folder, Self)> {
        let (folder, name) = path.split_once('/')?;
        let folder = match folder {
            "seg" => Folder::Segments,
            "ckpt" => Folder::Checkpoints,
            _ => return None,
        };
        let (hv, uuid) = name.split_once('-')?;
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if (hv.len(), uuid.len()) != (16, 32) || !hv.bytes().chain(uuid.bytes()).all(is_digit) {
            return None;
        }
        let hv = u64::from_str_radix(hv, 16).ok()?;
        let uuid = u128::from_str_radix(uuid, 16).ok()?;
        Some((folder, ObjectName { hv, uuid }))
    }

    /// The object's name below the manifest's prefix.
    pub(super) fn path(self, folder: Folder) -> String {
        let folder = match folder {
            Folder::Segments => "seg",
            Folder::Checkpoints => "ckpt",
        };
        format!("{folder}/{:016x}-{:032x}", self.hv, self.uuid)
    }
}

/// A reference to a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckpointRef {
    pub(super) name: ObjectName,
    pub(super) upto: u64,
    pub(super) len: u64,
    pub(super) front_len: u32,
    pub(super) hash: u128,
    pub(super) chain: u128,
}

impl CheckpointRef {
    /// Whether both speak of the same content; only one of them needs to know the name.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        let nameless = |it: &Self| (it.name.hv, it.upto, it.len, it.front_len, it.hash, it.chain);
        nameless(self) == nameless(other)
    }
}

impl SegmentRef {
    /// Whether both speak of the same content; only one of them needs to know the name.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        let nameless = |it: &Self| (it.name.hv, it.first, it.last, it.len, it.hash, it.chain_end);
        nameless(self) == nameless(other)
    }
}

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) epoch: u64,
    pub(super) owner: u128,
}

/// A name out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) folder: Folder,
    pub(super) name: ObjectName,
    pub(super) at: u64,
}

/// A reference to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentRef {
    pub(super) name: ObjectName,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) len: u32,
    pub(super) hash: u128,
    pub(super) chain_end: u128,
}

/// Whether a segment object is a merged one.
pub(super) fn is_merged(body: &[u8]) -> bool {
    body.starts_with(b"MCMG")
}

/// The records inside a segment object that is no merged one, if the object is intact.
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
    /// Its commit id.
    pub(super) id: (u128, u64),
    /// Which operation of the world it is, from the metadata.
    pub(super) token: Option<OpId>,
    /// Under which epoch of the leader's role, from the metadata.
    pub(super) epoch: Option<u64>,
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
        let id = (fields.u128()?, fields.u64()?);
        let metadata_len = fields.u32()? as usize;
        let (record, rest) = bytes.split_at_checked(len).ok_or("a record ends early")?;
        let crc_at = len.checked_sub(4).ok_or("a record is too short")?;
        if record[crc_at..] != crc32c::crc32c(&record[..crc_at]).to_le_bytes() {
            return Err("the checksum of a record is wrong");
        }
        let metadata_at = crc_at.checked_sub(metadata_len).ok_or("a record is too short")?;
        let metadata = &record[metadata_at..crc_at];
        let mut stored = Fields(metadata);
        let token = stored.u32().ok().map(OpId);
        let epoch = stored.u64().ok();
        let ops = record.get(RECORD_FIXED_LEN..metadata_at).ok_or("a record is too short")?;
        Ok((Record { bytes: record, chain_prev, seq, op_count, id, token, epoch, ops }, rest))
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
