//! One committed transaction: its id, its seq, its operations, its place in the chain.
//!
//! The first field of a record is the chain hash before it and the chain hash after it is the
//! hash of all its bytes, so one pass over one slice extends the chain.

use bytes::Bytes;

use super::{Cursor, Damage, expect, expect_hash, xxh3};

/// Bytes before the operations.
pub(crate) const FIXED_LEN: usize = 60;
/// Bytes of a record without operations and metadata.
pub(crate) const MIN_LEN: usize = FIXED_LEN + 4;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;

/// The name of one attempt to commit: unique for ever, and in the history at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId {
    /// The writer: a random number that a process draws when it opens the manifest.
    pub writer: u128,
    /// The writer's own count, from 1.
    pub wseq: u64,
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}/{}", self.writer, self.wseq)
    }
}

/// A change that a transaction makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Put { key: Bytes, value: Bytes },
    Delete { key: Bytes },
    DeleteRange { start: Bytes, end: Option<Bytes> },
}

/// The same, borrowed from encoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpView<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
    DeleteRange { start: &'a [u8], end: Option<&'a [u8]> },
}

impl Op {
    fn encoded_len(&self) -> usize {
        match self {
            Op::Put { key, value } => 1 + 2 + key.len() + 4 + value.len(),
            Op::Delete { key } => 1 + 2 + key.len(),
            Op::DeleteRange { start, end } => {
                1 + 2 + start.len() + 1 + end.as_ref().map_or(0, |end| 2 + end.len())
            }
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Op::Put { key, value } => {
                out.push(PUT);
                push_short(out, key);
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(value);
            }
            Op::Delete { key } => {
                out.push(DELETE);
                push_short(out, key);
            }
            Op::DeleteRange { start, end } => {
                out.push(DELETE_RANGE);
                push_short(out, start);
                out.push(u8::from(end.is_some()));
                if let Some(end) = end {
                    push_short(out, end);
                }
            }
        }
    }
}

/// Lengths are checked against `Options::key_limit_bytes`, at most 65,535, before this.
fn push_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// How long the record of these operations is.
pub(crate) fn encoded_len(ops: &[Op], metadata: &[u8]) -> usize {
    MIN_LEN + ops.iter().map(Op::encoded_len).sum::<usize>() + metadata.len()
}

/// Appends a record and returns the chain hash after it.
pub(crate) fn append(
    out: &mut Vec<u8>,
    chain: u128,
    seq: u64,
    id: CommitId,
    ops: &[Op],
    metadata: &[u8],
) -> u128 {
    let start = out.len();
    let mut fixed = [0; FIXED_LEN];
    fixed[0..16].copy_from_slice(&chain.to_le_bytes());
    fixed[20..24].copy_from_slice(&(ops.len() as u32).to_le_bytes());
    fixed[24..32].copy_from_slice(&seq.to_le_bytes());
    fixed[32..48].copy_from_slice(&id.writer.to_le_bytes());
    fixed[48..56].copy_from_slice(&id.wseq.to_le_bytes());
    fixed[56..60].copy_from_slice(&(metadata.len() as u32).to_le_bytes());
    out.extend_from_slice(&fixed);
    for op in ops {
        op.encode(out);
    }
    out.extend_from_slice(metadata);
    let len = out.len() - start + 4;
    out[start + 16..start + 20].copy_from_slice(&(len as u32).to_le_bytes());
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    xxh3(&out[start..])
}

/// A verified record, borrowed from encoded bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordView<'a> {
    pub(crate) chain_prev: u128,
    pub(crate) seq: u64,
    pub(crate) id: CommitId,
    ops: Cursor<'a>,
    #[cfg_attr(not(any(test, feature = "planted-bugs")), allow(dead_code))]
    pub(crate) metadata: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The operations. The record was verified, so all of them are there.
    pub(crate) fn ops(&self) -> impl Iterator<Item = OpView<'a>> + use<'a> {
        let mut rest = self.ops;
        std::iter::from_fn(move || if rest.len() == 0 { None } else { next_op(&mut rest).ok() })
    }
}

fn next_op<'a>(cursor: &mut Cursor<'a>) -> Result<OpView<'a>, Damage> {
    match cursor.u8()? {
        PUT => Ok(OpView::Put { key: cursor.short()?, value: cursor.long()? }),
        DELETE => Ok(OpView::Delete { key: cursor.short()? }),
        DELETE_RANGE => {
            let start = cursor.short()?;
            let end = match cursor.u8()? {
                0 => None,
                1 => Some(cursor.short()?),
                other => return Err(Damage::new("a range that is bounded or not", other)),
            };
            expect(end.is_none_or(|end| start < end), "a range that is not empty", "an empty one")?;
            Ok(OpView::DeleteRange { start, end })
        }
        other => Err(Damage::new("an operation kind", other)),
    }
}

/// Length, chain hash before and seq of the record at the front of `bytes`, nothing verified
/// but that the record fits: for walking over records that were verified before.
pub(crate) fn peek(bytes: &[u8]) -> Result<(usize, u128, u64), Damage> {
    let mut cursor = Cursor::new(bytes);
    let chain_prev = cursor.u128()?;
    let len = cursor.u32()? as usize;
    let _op_count = cursor.u32()?;
    let seq = cursor.u64()?;
    expect(len >= MIN_LEN && len <= bytes.len(), "a record inside its object", len)?;
    Ok((len, chain_prev, seq))
}

/// Takes the record at the front of `bytes` apart and verifies its structure and its CRC.
/// Also returns how long it is.
pub(crate) fn parse(bytes: &[u8]) -> Result<(RecordView<'_>, usize), Damage> {
    let (len, ..) = peek(bytes)?;
    let (body, crc) = bytes[..len].split_at(len - 4);
    let crc = Cursor::new(crc).u32()?;
    expect(crc32c::crc32c(body) == crc, "a record with a matching CRC", "another CRC")?;
    let (record, op_count) = view(body)?;
    let mut walk = record.ops;
    for _ in 0..op_count {
        next_op(&mut walk)?;
    }
    walk.finish()?;
    Ok((record, len))
}

/// The fields of a record without its CRC, and how many operations it has. Its operations are not
/// looked at.
fn view(body: &[u8]) -> Result<(RecordView<'_>, u32), Damage> {
    let mut cursor = Cursor::new(body);
    let chain_prev = cursor.u128()?;
    let _len = cursor.u32()?;
    let op_count = cursor.u32()?;
    let seq = cursor.u64()?;
    let id = CommitId { writer: cursor.u128()?, wseq: cursor.u64()? };
    let metadata_len = cursor.u32()? as usize;
    expect(metadata_len <= cursor.len(), "metadata inside the record", metadata_len)?;
    let ops = Cursor::new(cursor.take(cursor.len() - metadata_len)?);
    let metadata = cursor.take(metadata_len)?;
    Ok((RecordView { chain_prev, seq, id, ops, metadata }, op_count))
}

/// The records of a run that was verified before.
pub(crate) fn verified(run: &[u8]) -> impl Iterator<Item = RecordView<'_>> {
    let mut rest = run;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (len, ..) = peek(rest).ok()?;
        let (record, _) = view(&rest[..len - 4]).ok()?;
        rest = &rest[len..];
        Some(record)
    })
}

/// Where a run of records ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunEnd {
    /// The chain hash after the last record.
    pub(crate) chain: u128,
    /// The seq that the next record will get.
    pub(crate) next_seq: u64,
}

/// Verifies that `bytes` is a run of whole records that continues the chain at `from`.
pub(crate) fn verify_run(bytes: &[u8], from: RunEnd) -> Result<RunEnd, Damage> {
    let mut rest = bytes;
    let mut end = from;
    while !rest.is_empty() {
        let (record, len) = parse(rest)?;
        expect_hash(end.chain, record.chain_prev, "a record that continues the chain")?;
        expect(record.seq == end.next_seq, "the next seq", record.seq)?;
        let next_seq = end.next_seq.checked_add(1);
        let next_seq = next_seq.ok_or_else(|| Damage::new("a seq below 2^64 - 1", record.seq))?;
        end = RunEnd { chain: xxh3(&rest[..len]), next_seq };
        rest = &rest[len..];
    }
    Ok(end)
}

/// The part of an already verified run that begins at `seq`; empty if the run ends before it.
pub(crate) fn skip_to(run: &[u8], seq: u64) -> Result<&[u8], Damage> {
    let mut rest = run;
    while !rest.is_empty() {
        let (len, _, at) = peek(rest)?;
        if at >= seq {
            break;
        }
        rest = &rest[len..];
    }
    Ok(rest)
}
