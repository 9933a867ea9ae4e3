//! The directory of a head: everything that it names.
//!
//! The checkpoint, the segments in order of their seqs and without a gap, the roles sorted by name,
//! the retired names in order of their retirement. The fixed part of the head says how many there
//! are of each; here are the entries, one after another, without padding.

use super::record::RunEnd;
use super::{Cursor, Damage, expect, push_hex};

/// Bytes of a segment's reference, and of a checkpoint's.
pub(crate) const SEGMENT_REF_LEN: usize = 76;
/// Bytes of a role with an empty name.
pub(crate) const ROLE_LEN: usize = 26;
/// Bytes of a retired name.
pub(crate) const RETIRED_LEN: usize = 33;
/// Segments that a head may name.
pub(crate) const MAX_SEGMENTS: usize = 16;

/// The two numbers in the name of a segment or checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    /// The version of the head that the creator held.
    pub(crate) hv: u64,
    /// A random number, never used twice.
    pub(crate) uuid: u128,
}

impl ObjectName {
    /// As it stands in a path, at the end of `path`.
    pub(crate) fn push_to(self, path: &mut String) {
        push_hex(path, &self.hv.to_be_bytes());
        path.push('-');
        push_hex(path, &self.uuid.to_be_bytes());
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(49);
        self.push_to(&mut text);
        f.pad(&text)
    }
}

/// The reference to a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointRef {
    pub(crate) name: ObjectName,
    pub(crate) upto_seq: u64,
    pub(crate) len: u64,
    /// Bytes before the first block.
    pub(crate) front_len: u32,
    pub(crate) hash: u128,
    pub(crate) chain: u128,
}

/// The reference to a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRef {
    pub(crate) name: ObjectName,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) len: u32,
    pub(crate) hash: u128,
    pub(crate) chain_end: u128,
}

/// Who holds a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleEntry {
    pub(crate) name: String,
    pub(crate) epoch: u64,
    pub(crate) owner: u128,
}

/// What a retired name named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetiredKind {
    Segment = 1,
    Checkpoint = 2,
}

/// A name that is out of use and waits for its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetiredName {
    pub(crate) kind: RetiredKind,
    pub(crate) name: ObjectName,
    pub(crate) at_version: u64,
}

/// Everything that a head names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Directory {
    pub(crate) checkpoint: Option<CheckpointRef>,
    pub(crate) segments: Vec<SegmentRef>,
    pub(crate) roles: Vec<RoleEntry>,
    pub(crate) retired: Vec<RetiredName>,
}

impl Directory {
    /// Nothing at all.
    pub(crate) const EMPTY: Self =
        Self { checkpoint: None, segments: Vec::new(), roles: Vec::new(), retired: Vec::new() };

    /// Where the tail begins: the chain hash and seq behind everything that is named here.
    pub(crate) fn tail_start(&self, incarnation: u128) -> RunEnd {
        if let Some(last) = self.segments.last() {
            RunEnd { chain: last.chain_end, next_seq: last.last + 1 }
        } else {
            self.segments_start(incarnation)
        }
    }

    /// Where the first segment begins.
    pub(crate) fn segments_start(&self, incarnation: u128) -> RunEnd {
        match &self.checkpoint {
            Some(ckpt) => RunEnd { chain: ckpt.chain, next_seq: ckpt.upto_seq + 1 },
            None => RunEnd { chain: incarnation, next_seq: 1 },
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            segments: self.segments.len() as u16,
            roles: self.roles.len() as u16,
            retired: self.retired.len() as u32,
            checkpoint: self.checkpoint.is_some(),
        }
    }

    /// The bytes between the fixed part and the tail.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_REF_LEN * (self.segments.len() + 1));
        let name = |out: &mut Vec<u8>, name: &ObjectName| {
            out.extend_from_slice(&name.hv.to_le_bytes());
            out.extend_from_slice(&name.uuid.to_le_bytes());
        };
        if let Some(ckpt) = &self.checkpoint {
            name(&mut out, &ckpt.name);
            out.extend_from_slice(&ckpt.upto_seq.to_le_bytes());
            out.extend_from_slice(&ckpt.len.to_le_bytes());
            out.extend_from_slice(&ckpt.front_len.to_le_bytes());
            out.extend_from_slice(&ckpt.hash.to_le_bytes());
            out.extend_from_slice(&ckpt.chain.to_le_bytes());
        }
        for segment in &self.segments {
            name(&mut out, &segment.name);
            out.extend_from_slice(&segment.first.to_le_bytes());
            out.extend_from_slice(&segment.last.to_le_bytes());
            out.extend_from_slice(&segment.len.to_le_bytes());
            out.extend_from_slice(&segment.hash.to_le_bytes());
            out.extend_from_slice(&segment.chain_end.to_le_bytes());
        }
        for role in &self.roles {
            out.extend_from_slice(&(role.name.len() as u16).to_le_bytes());
            out.extend_from_slice(role.name.as_bytes());
            out.extend_from_slice(&role.epoch.to_le_bytes());
            out.extend_from_slice(&role.owner.to_le_bytes());
        }
        for retired in &self.retired {
            out.push(retired.kind as u8);
            name(&mut out, &retired.name);
            out.extend_from_slice(&retired.at_version.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8], counts: Counts) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes);
        let mut directory = Directory::default();
        if counts.checkpoint {
            directory.checkpoint = Some(decode_checkpoint(&mut cursor)?);
        }
        let segments = usize::from(counts.segments);
        expect(segments <= MAX_SEGMENTS, "at most 16 segments", segments)?;
        for _ in 0..segments {
            directory.segments.push(decode_segment(&mut cursor)?);
        }
        for _ in 0..counts.roles {
            directory.roles.push(decode_role(&mut cursor)?);
        }
        for _ in 0..counts.retired {
            directory.retired.push(decode_retired(&mut cursor)?);
        }
        cursor.finish()?;
        directory.check()?;
        Ok(directory)
    }

    /// Segments are contiguous and roles sorted.
    fn check(&self) -> Result<(), Damage> {
        let mut next = self.checkpoint.map_or(0, |ckpt| ckpt.upto_seq).checked_add(1);
        for segment in &self.segments {
            let holds = Some(segment.first) == next && segment.first <= segment.last;
            expect(holds, "contiguous segments", segment.first)?;
            next = segment.last.checked_add(1);
        }
        expect(next.is_some(), "seqs below 2^64 - 1", u64::MAX)?;
        let sorted = self.roles.windows(2).all(|pair| pair[0].name < pair[1].name);
        expect(sorted, "roles sorted by name", "another order")
    }
}

fn decode_name(cursor: &mut Cursor<'_>) -> Result<ObjectName, Damage> {
    Ok(ObjectName { hv: cursor.u64()?, uuid: cursor.u128()? })
}

fn decode_checkpoint(cursor: &mut Cursor<'_>) -> Result<CheckpointRef, Damage> {
    Ok(CheckpointRef {
        name: decode_name(cursor)?,
        upto_seq: cursor.u64()?,
        len: cursor.u64()?,
        front_len: cursor.u32()?,
        hash: cursor.u128()?,
        chain: cursor.u128()?,
    })
}

fn decode_segment(cursor: &mut Cursor<'_>) -> Result<SegmentRef, Damage> {
    Ok(SegmentRef {
        name: decode_name(cursor)?,
        first: cursor.u64()?,
        last: cursor.u64()?,
        len: cursor.u32()?,
        hash: cursor.u128()?,
        chain_end: cursor.u128()?,
    })
}

fn decode_role(cursor: &mut Cursor<'_>) -> Result<RoleEntry, Damage> {
    let name = std::str::from_utf8(cursor.short()?);
    let name = name.map_err(|error| Damage::new("a role name in UTF-8", error))?.to_owned();
    Ok(RoleEntry { name, epoch: cursor.u64()?, owner: cursor.u128()? })
}

fn decode_retired(cursor: &mut Cursor<'_>) -> Result<RetiredName, Damage> {
    let kind = match cursor.u8()? {
        1 => RetiredKind::Segment,
        2 => RetiredKind::Checkpoint,
        other => return Err(Damage::new("a kind of retired name", other)),
    };
    Ok(RetiredName { kind, name: decode_name(cursor)?, at_version: cursor.u64()? })
}

/// How many entries of each kind a directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(super) segments: u16,
    pub(super) roles: u16,
    pub(super) retired: u32,
    pub(super) checkpoint: bool,
}
