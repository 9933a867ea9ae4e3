//! The objects that folding and pinning write: checkpoint, merged segment, pin.

use bytes::Bytes;
use twox_hash::{XxHash3_128, xxhash3_128};

use super::{
    CheckpointRef, DIGEST_LEN, Fields, ObjectName, Problem, SEGMENT_FIXED_LEN, SegmentRef,
    is_merged, key,
};
use crate::workload::{KeyId, KeyRange, ValueId, decode_value};

/// What a checkpoint says.
#[derive(Debug)]
pub(in crate::systems::manifest) struct Checkpoint {
    /// Keys, each with the commit that wrote it and its value, in order.
    pub(in crate::systems::manifest) entries: Vec<(KeyId, u64, ValueId)>,
    pub(in crate::systems::manifest) dedup_from: u64,
    /// Commit ids and their seqs.
    pub(in crate::systems::manifest) last_commits: Vec<((u128, u64), u64)>,
}

fn value(fields: &mut Fields<'_>) -> Result<ValueId, Problem> {
    let len = fields.u32()? as usize;
    decode_value(fields.take(len)?).map_err(|_| "a value that no client wrote")
}

impl Checkpoint {
    /// Everything that a checkpoint says. Length and digest of its front are those of its
    /// [`CheckpointRef`].
    pub(in crate::systems::manifest) fn decode(body: &Bytes) -> Result<Self, Problem> {
        let mut fields = Fields(body);
        if fields.take(4)? != b"MCCK" || fields.u16()? != 1 {
            return Err("it is no checkpoint of format 1");
        }
        fields.u16()?;
        let _len = fields.u64()?;
        let (_incarnation, _chain, state) = (fields.u128()?, fields.u128()?, fields.u128()?);
        let (_hv, _upto) = (fields.u64()?, fields.u64()?);
        let (_target, dedup_from) = (fields.u64()?, fields.u64()?);
        let entry_count = fields.u64()?;
        let (_front_len, blocks, writers) = (fields.u32()?, fields.u32()?, fields.u32()?);
        fields.u32()?;
        let mut entries = Vec::new();
        let mut whole_state = xxhash3_128::Hasher::new();
        for _ in 0..blocks {
            let (offset, block_len, hash) = (fields.u64()? as usize, fields.u32()?, fields.u128()?);
            key(&mut fields)?;
            let block =
                body.get(offset..offset + block_len as usize).ok_or("a block is missing")?;
            if XxHash3_128::oneshot(block) != hash {
                return Err("the hash of a block is wrong");
            }
            let block = &block[..block.len().saturating_sub(4)];
            whole_state.write(block);
            let mut block = Fields(block);
            while !block.0.is_empty() {
                entries.push((key(&mut block)?, block.u64()?, value(&mut block)?));
            }
        }
        if entries.len() as u64 != entry_count || !entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("its entries are not as many as it says, or not sorted");
        }
        if whole_state.finish_128() != state {
            return Err("its state digest is not that of its entries");
        }
        let mut last_commits = Vec::new();
        for _ in 0..writers {
            let id = (fields.u128()?, fields.u64()?);
            last_commits.push((id, fields.u64()?));
        }
        Ok(Checkpoint { entries, dedup_from, last_commits })
    }
}

/// The digest that stands at the end of these bytes, if it is theirs.
fn digest_of(bytes: &[u8]) -> Option<u128> {
    let digest = XxHash3_128::oneshot(bytes.get(..bytes.len().checked_sub(DIGEST_LEN)?)?);
    bytes.ends_with(&digest.to_le_bytes()).then_some(digest)
}

impl CheckpointRef {
    /// What a checkpoint says of itself, if its front is whole. Its name is not in it.
    pub(in crate::systems::manifest) fn said_by(body: &Bytes) -> Option<Self> {
        let mut fields = Fields(body);
        if fields.take(8).ok()?[..4] != *b"MCCK" {
            return None;
        }
        let len = fields.u64().ok()?;
        let (_incarnation, chain) = (fields.u128().ok()?, fields.u128().ok()?);
        fields.take(16).ok()?;
        let (hv, upto) = (fields.u64().ok()?, fields.u64().ok()?);
        fields.take(24).ok()?;
        let front_len = fields.u32().ok()?;
        let hash = digest_of(body.get(..front_len as usize)?)?;
        let whole = body.len() as u64 == len;
        let name = ObjectName { hv, uuid: 0 };
        whole.then_some(CheckpointRef { name, upto, len, front_len, hash, chain })
    }
}

impl SegmentRef {
    /// What a merged segment says of itself, if it is whole. Its name is not in it.
    pub(in crate::systems::manifest) fn said_by_merged(body: &Bytes) -> Option<Self> {
        if !is_merged(body) {
            return None;
        }
        let hash = digest_of(body)?;
        let mut header = Fields(body.get(32..SEGMENT_FIXED_LEN)?);
        let (first, last, hv) = (header.u64().ok()?, header.u64().ok()?, header.u64().ok()?);
        header.take(24).ok()?;
        let chain_end = header.u128().ok()?;
        let (name, len) = (ObjectName { hv, uuid: 0 }, body.len() as u32);
        Some(SegmentRef { name, first, last, len, hash, chain_end })
    }
}

/// What a merged segment says.
#[derive(Debug)]
pub(in crate::systems::manifest) struct Merged {
    pub(in crate::systems::manifest) chain_start: u128,
    /// The newest change of each key, in order of keys: its seq, and its value unless it deletes.
    keys: Vec<(KeyId, u64, Option<ValueId>)>,
    ranges: Vec<(u64, KeyRange)>,
    /// Commit ids and their seqs.
    pub(in crate::systems::manifest) commits: Vec<((u128, u64), u64)>,
}

impl Merged {
    /// Everything that a merged segment says. Its digest is that of its [`SegmentRef`].
    pub(in crate::systems::manifest) fn decode(body: &Bytes) -> Result<Self, Problem> {
        let digest_at = body.len().checked_sub(DIGEST_LEN).ok_or("it ends early")?;
        let mut chain = Fields(body.get(64..80).ok_or("it ends early")?);
        let chain_start = chain.u128()?;
        let mut fields = Fields(body.get(SEGMENT_FIXED_LEN..digest_at).ok_or("it ends early")?);
        let (key_count, range_count) = (fields.u32()?, fields.u32()?);
        let mut merged = Merged { chain_start, keys: vec![], ranges: vec![], commits: vec![] };
        for _ in 0..key_count {
            let kind = fields.u8()?;
            let (name, seq) = (key(&mut fields)?, fields.u64()?);
            let value = if kind == 1 { Some(value(&mut fields)?) } else { None };
            merged.keys.push((name, seq, value));
        }
        for _ in 0..range_count {
            let (seq, start) = (fields.u64()?, key(&mut fields)?);
            let end = if fields.u8()? == 1 { Some(key(&mut fields)?) } else { None };
            merged.ranges.push((seq, KeyRange { start, end }));
        }
        while !fields.0.is_empty() {
            let id = (fields.u128()?, fields.u64()?);
            merged.commits.push((id, fields.u64()?));
        }
        match merged.keys.is_sorted_by(|a, b| a.0 < b.0) {
            true => Ok(merged),
            false => Err("its keys are not sorted"),
        }
    }

    /// What it makes of a key that had this value before: the value, and the commit that wrote it.
    pub(in crate::systems::manifest) fn result(
        &self,
        key: KeyId,
        before: Option<(u64, ValueId)>,
    ) -> Option<(u64, ValueId)> {
        if let Ok(place) = self.keys.binary_search_by_key(&key, |entry| entry.0) {
            let (_, seq, value) = self.keys[place];
            return value.map(|value| (seq, value));
        }
        before.filter(|_| !self.ranges.iter().any(|(_, range)| range.contains(key)))
    }

    /// The keys that it names.
    pub(in crate::systems::manifest) fn keys(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().map(|entry| entry.0)
    }
}

/// What a pin says.
#[derive(Clone, Copy, Debug)]
pub(in crate::systems::manifest) struct Pin {
    pub(in crate::systems::manifest) version: u64,
    pub(in crate::systems::manifest) counter: u64,
    pub(in crate::systems::manifest) ttl_ns: u64,
}

impl Pin {
    pub(in crate::systems::manifest) fn decode(body: &[u8]) -> Result<Self, Problem> {
        let digest_at = body.len().checked_sub(DIGEST_LEN).ok_or("it ends early")?;
        let digest = XxHash3_128::oneshot(&body[..digest_at]);
        if !body.starts_with(b"MCPN") || body[digest_at..] != digest.to_le_bytes() {
            return Err("it is no pin");
        }
        let mut fields = Fields(body.get(48..72).ok_or("it ends early")?);
        let (version, counter, ttl_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        Ok(Pin { version, counter, ttl_ns: ttl_ms.saturating_mul(1_000_000) })
    }
}
