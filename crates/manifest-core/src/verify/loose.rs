//! Segments and checkpoints without a head: each is held against its own name and its own fields.
//!
//! That finds every damage within an object. It cannot find a whole object of another history.

use bytes::Bytes;

use super::head::PLAUSIBLE;
use crate::format::checkpoint::Checkpoint;
use crate::format::directory::{RetiredKind, SegmentRef};
use crate::format::segment::Segment;
use crate::format::{Cursor, DIGEST_LEN, Damage, ObjectName, expect};

/// Bytes before the incarnation, in every kind of object.
const BEFORE_INCARNATION: usize = 16;

/// Whether an object agrees with itself and with its name.
pub(super) fn check(kind: RetiredKind, bytes: Bytes, name: ObjectName) -> Result<(), Damage> {
    match kind {
        RetiredKind::Segment => check_segment(bytes, name),
        RetiredKind::Checkpoint => check_checkpoint(bytes, name),
    }
}

fn check_checkpoint(bytes: Bytes, name: ObjectName) -> Result<(), Damage> {
    let mut cursor = Cursor::new(&bytes);
    cursor.take(BEFORE_INCARNATION)?;
    let incarnation = cursor.u128()?;
    Checkpoint::decode_unreferenced(bytes, name, incarnation).map(|_| ())
}

/// Makes the reference that would fit the segment, of its own fields (1.6 of the format), and
/// verifies it against that.
fn check_segment(bytes: Bytes, name: ObjectName) -> Result<(), Damage> {
    let mut cursor = Cursor::new(&bytes);
    cursor.take(BEFORE_INCARNATION)?;
    let (incarnation, first, last) = (cursor.u128()?, cursor.u64()?, cursor.u64()?);
    let _hv_and_zero = (cursor.u64()?, cursor.u64()?);
    let (chain_start, chain_end) = (cursor.u128()?, cursor.u128()?);
    expect(last < PLAUSIBLE, "seqs that somebody could have counted to", last)?;
    let mut digest = Cursor::new(&bytes[bytes.len() - DIGEST_LEN..]);
    let hash = digest.u128()?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let reference = SegmentRef { name, first, last, len, hash, chain_end };
    Segment::decode(bytes, reference, incarnation, chain_start).map(|_| ())
}
