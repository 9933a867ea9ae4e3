//! The decoders, one function each over arbitrary bytes: for fuzzers, and for the tests here.
//!
//! Almost any bytes are refused by a hash, so a fuzzer would never get past it. Each function
//! therefore looks at the bytes twice: as they are, and with all lengths, CRCs and hashes *sealed
//! again* so that what is behind the hashes is reached. Somebody who can write to the store can do
//! the same. Whatever comes, a decoder returns; and what it accepts has to be the one encoding of
//! what it read.

use bytes::Bytes;

use super::checkpoint::{self, Block, Checkpoint, StateDigest};
use super::directory::{ObjectName, SegmentRef};
use super::head::Head;
use super::merged::{self, Delta};
use super::pin::Pin;
use super::record::{self, Op, OpView, RunEnd, verify_run};
use super::segment::{self, Segment, SegmentBodyView, SegmentHeader};
use super::{Cursor, DIGEST_LEN, Damage, xxh3};

/// Decodes a head and verifies the records in it, as a process does that holds no state.
pub fn head(data: &[u8]) {
    let mut sealed = data.to_vec();
    seal_head(&mut sealed);
    for bytes in [data.to_vec(), sealed] {
        let Ok(head) = Head::decode(bytes.into(), None) else { continue };
        if verify_run(head.tail(), head.tail_start()) == Ok(head.end()) {
            assert_eq!(record::verified(head.tail()).count(), head.header.tail_count as usize);
        }
        let again = Head::decode(head.bytes().clone(), Some(&head)).expect("the same bytes");
        assert_eq!(again.digest, head.digest);
    }
}

/// Verifies a run of records. Where the chain begins is taken from its first record.
pub fn records(data: &[u8]) {
    let mut sealed = data.to_vec();
    let Ok((_, chain, next_seq)) = record::peek(data) else { return };
    seal_run(&mut sealed, chain);
    // No history comes near the last seq; a run that would pass it is not tried.
    let from = RunEnd { chain, next_seq: next_seq.min(u64::MAX - data.len() as u64) };
    for run in [data, &sealed] {
        let _ = record::skip_to(run, next_seq.saturating_add(1));
        if verify_run(run, from).is_ok() {
            check_run(run, from.chain);
        }
    }
}

/// Decodes a segment of either kind.
pub fn segment(data: &[u8]) {
    let mut sealed = data.to_vec();
    seal_segment(&mut sealed);
    for bytes in [data.to_vec(), sealed] {
        let bytes = Bytes::from(bytes);
        let Ok((header, reference)) = segment_names(&bytes) else { continue };
        let decoded =
            Segment::decode(bytes.clone(), reference, header.incarnation, header.chain_start);
        let Ok(decoded) = decoded else { continue };
        let (again, _) = match decoded.body() {
            SegmentBodyView::Records(run) => {
                check_run(run, header.chain_start);
                segment::encode(header, run)
            }
            SegmentBodyView::Merged(delta) => {
                check_delta(delta, &header);
                merged::encode(header, delta)
            }
        };
        assert_eq!(again, bytes, "the one encoding");
    }
}

/// Decodes a merged segment: bytes of another kind are made one.
pub fn merged(data: &[u8]) {
    let mut data = data.to_vec();
    if let Some(magic) = data.get_mut(..4) {
        magic.copy_from_slice(&merged::MAGIC);
    }
    segment(&data);
}

/// Decodes a checkpoint, whole and block by block.
pub fn checkpoint(data: &[u8]) {
    let mut sealed = data.to_vec();
    seal_checkpoint(&mut sealed);
    for bytes in [data.to_vec(), sealed] {
        let bytes = Bytes::from(bytes);
        let Ok((incarnation, hv)) = checkpoint_names(&bytes) else { continue };
        let name = ObjectName { hv, uuid: 1 };
        let decoded = Checkpoint::decode_unreferenced(bytes.clone(), name, incarnation);
        if let Ok(decoded) = decoded {
            check_checkpoint(&decoded, &bytes);
        }
    }
}

/// Decodes a pin.
pub fn pin(data: &[u8]) {
    let mut sealed = data.to_vec();
    seal_end(&mut sealed);
    for bytes in [data, &sealed] {
        if let Ok(pin) = Pin::decode(bytes) {
            assert_eq!(pin.encode(), bytes, "the one encoding");
        }
    }
}

fn check_run(run: &[u8], chain: u128) {
    let (mut again, mut chain) = (Vec::with_capacity(run.len()), chain);
    for record in record::verified(run) {
        let ops: Vec<Op> = record.ops().map(owned).collect();
        chain = record::append(&mut again, chain, record.seq, record.id, &ops, record.metadata);
    }
    assert_eq!(again, run, "the one encoding");
}

/// An operation that does not borrow.
pub(super) fn owned(op: OpView<'_>) -> Op {
    let copy = Bytes::copy_from_slice;
    match op {
        OpView::Put { key, value } => Op::Put { key: copy(key), value: copy(value) },
        OpView::Delete { key } => Op::Delete { key: copy(key) },
        OpView::DeleteRange { start, end } => {
            Op::DeleteRange { start: copy(start), end: end.map(copy) }
        }
    }
}

fn check_delta(delta: &Delta, header: &SegmentHeader) {
    assert!(delta.keys.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert!(delta.ranges.windows(2).all(|pair| pair[0].seq <= pair[1].seq));
    assert!(delta.commits.iter().map(|(_, seq)| *seq).eq(header.first..=header.last));
}

fn check_checkpoint(decoded: &Checkpoint, bytes: &Bytes) {
    let front = &decoded.front;
    let mut digest = StateDigest::new();
    let mut last: Option<&[u8]> = None;
    for entry in decoded.entries() {
        assert!(last.is_none_or(|last| last < entry.key));
        digest.add(entry.key, entry.seq, entry.value);
        last = Some(entry.key);
    }
    assert_eq!(digest.finish(), front.state_digest);
    assert_eq!(decoded.entries().count() as u64, front.entry_count);
    let mut entries = decoded.entries();
    for (at, reference) in front.blocks.iter().enumerate() {
        let range = reference.offset as usize..reference.offset as usize + reference.len as usize;
        let block = Block::decode(bytes.slice(range), reference, front.header.upto_seq);
        let block = block.expect("a block of a whole checkpoint");
        for entry in block.entries() {
            assert_eq!(Some(entry), entries.next());
            assert_eq!(Some(entry), block.get(entry.key));
            assert_eq!(front.block_of(entry.key), Some(at));
        }
    }
    assert_eq!(entries.next(), None);
}

/// What a segment says of itself, and the reference that would fit it.
fn segment_names(bytes: &[u8]) -> Result<(SegmentHeader, SegmentRef), Damage> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(16)?;
    let incarnation = cursor.u128()?;
    let (first, last, hv) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
    cursor.take(8)?;
    let (chain_start, chain_end) = (cursor.u128()?, cursor.u128()?);
    let digest_at = bytes.len().saturating_sub(DIGEST_LEN);
    let hash = Cursor::new(&bytes[digest_at..]).u128()?;
    let name = ObjectName { hv, uuid: 1 };
    let reference = SegmentRef { name, first, last, len: bytes.len() as u32, hash, chain_end };
    Ok((SegmentHeader { incarnation, first, last, hv, chain_start, chain_end }, reference))
}

/// The incarnation and the `hv` of a checkpoint.
fn checkpoint_names(bytes: &[u8]) -> Result<(u128, u64), Damage> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(16)?;
    let incarnation = cursor.u128()?;
    cursor.take(32)?;
    Ok((incarnation, cursor.u64()?))
}

/// Overwrites bytes, if they are there.
fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    let there = at.checked_add(field.len()).and_then(|end| bytes.get_mut(at..end));
    if let Some(there) = there {
        there.copy_from_slice(field);
    }
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    let field = bytes.get(at..).unwrap_or_default();
    Cursor::new(field).u32().unwrap_or_default() as usize
}

/// The digest of everything before it, at the end.
fn seal_end(bytes: &mut [u8]) {
    if let Some(at) = bytes.len().checked_sub(DIGEST_LEN) {
        let digest = xxh3(&bytes[..at]);
        put(bytes, at, &digest.to_le_bytes());
    }
}

/// The chain hashes and CRCs of a run, as far as its lengths lead. Returns the chain hash behind it.
fn seal_run(run: &mut [u8], mut chain: u128) -> u128 {
    let mut rest = run;
    while let Ok((len, ..)) = record::peek(rest) {
        let (record, behind) = rest.split_at_mut(len);
        put(record, 0, &chain.to_le_bytes());
        let crc = crc32c::crc32c(&record[..len - 4]);
        put(record, len - 4, &crc.to_le_bytes());
        chain = xxh3(record);
        rest = behind;
    }
    chain
}

/// Seals a head again.
pub(super) fn seal_head(bytes: &mut [u8]) {
    let len = bytes.len();
    put(bytes, 8, &(len as u32).to_le_bytes());
    let tail_offset = u32_at(bytes, 12);
    let tail_end = len.saturating_sub(DIGEST_LEN);
    let Some(tail_len) = tail_end.checked_sub(tail_offset) else { return };
    put(bytes, 112, &(tail_len as u32).to_le_bytes());
    let tail = &mut bytes[tail_offset..tail_end];
    if let Ok((_, chain, _)) = record::peek(tail) {
        let chain = seal_run(tail, chain);
        put(bytes, 64, &chain.to_le_bytes());
    }
    let digest = xxh3(&bytes[..tail_offset]);
    put(bytes, tail_end, &digest.to_le_bytes());
}

/// Seals a segment of either kind again.
pub(super) fn seal_segment(bytes: &mut [u8]) {
    let len = bytes.len();
    put(bytes, 8, &(len as u32).to_le_bytes());
    if !bytes.starts_with(&merged::MAGIC)
        && let Some(end) = len.checked_sub(DIGEST_LEN)
        && let Some(run) = bytes.get_mut(segment::FIXED_LEN..end)
        && let Ok((_, chain, _)) = record::peek(run)
    {
        let chain_end = seal_run(run, chain);
        put(bytes, 64, &chain.to_le_bytes());
        put(bytes, 80, &chain_end.to_le_bytes());
    }
    seal_end(bytes);
}

/// Seals a checkpoint again, block by block: each is as long as its index entry says.
pub(super) fn seal_checkpoint(bytes: &mut [u8]) {
    let len = bytes.len();
    put(bytes, 8, &(len as u64).to_le_bytes());
    let front_len = u32_at(bytes, 104);
    let (mut state, mut entry, mut at) = (Vec::new(), checkpoint::FIXED_LEN, front_len);
    for _ in 0..u32_at(bytes, 108) {
        let end = at.saturating_add(u32_at(bytes, entry + 8));
        let Some(block) = bytes.get_mut(at..end) else { break };
        if let Some((body, crc)) = block.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(body).to_le_bytes();
            state.extend_from_slice(body);
        }
        let hash = xxh3(block);
        put(bytes, entry, &(at as u64).to_le_bytes());
        put(bytes, entry + 12, &hash.to_le_bytes());
        let key_len = u32_at(bytes, entry + 28) as u16;
        (entry, at) = (entry + 30 + usize::from(key_len), end);
        if entry >= front_len {
            break;
        }
    }
    put(bytes, 48, &xxh3(&state).to_le_bytes());
    if let Some(front) = bytes.get_mut(..front_len) {
        seal_end(front);
    }
}
