//! Values: unique, self-describing, and damaged visibly.
//!
//! A value names the operation and the write that made it, and is filled up with bytes that follow
//! from that name. So a reader learns from the bytes alone which write it sees, and a value that
//! was cut, flipped or spliced is recognised as one that nobody wrote.

use std::fmt;

use super::OpId;

/// The identity of a written value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

impl ValueId {
    /// The value of write number `write` of operation `op`.
    #[must_use]
    pub fn new(op: OpId, write: usize) -> Self {
        ValueId(u64::from(op.0) << 16 | write as u64 & 0xffff)
    }

    /// The operation that wrote it.
    #[must_use]
    pub fn op(self) -> OpId {
        OpId((self.0 >> 16) as u32)
    }

    /// Which write of that operation it was.
    #[must_use]
    pub fn write(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.op().0, self.write())
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes that no client wrote as a whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes that no client wrote as a value")]
pub struct DamagedValue {
    /// Length of the bytes.
    pub len: usize,
}

const NAME_LEN: usize = 10;

fn filler(id: ValueId) -> [u8; 8] {
    id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

/// The bytes of a value with `filling` bytes behind its name.
#[must_use]
pub fn encode_value(id: ValueId, filling: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NAME_LEN + usize::from(filling));
    bytes.extend_from_slice(&id.0.to_le_bytes());
    bytes.extend_from_slice(&filling.to_le_bytes());
    let pattern = filler(id);
    let mut left = usize::from(filling);
    while left > 0 {
        let part = left.min(pattern.len());
        bytes.extend_from_slice(&pattern[..part]);
        left -= part;
    }
    bytes
}

/// Which value these bytes are.
///
/// # Errors
/// If they are not exactly the bytes of one value.
pub fn decode_value(bytes: &[u8]) -> Result<ValueId, DamagedValue> {
    let damaged = DamagedValue { len: bytes.len() };
    let (name, filling) = bytes.split_at_checked(NAME_LEN).ok_or(damaged)?;
    let id = ValueId(u64::from_le_bytes(name[..8].try_into().map_err(|_| damaged)?));
    let expected = usize::from(u16::from_le_bytes(name[8..].try_into().map_err(|_| damaged)?));
    let pattern = filler(id);
    let intact = filling.len() == expected
        && filling.chunks(pattern.len()).all(|chunk| chunk == &pattern[..chunk.len()]);
    if intact { Ok(id) } else { Err(damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_survives_the_way_through_bytes(op: u32, write in 0usize..100, filling in 0u16..300) {
            let id = ValueId::new(OpId(op), write);
            prop_assert_eq!((id.op(), id.write()), (OpId(op), write));
            prop_assert_eq!(decode_value(&encode_value(id, filling)), Ok(id));
        }

        #[test]
        fn a_cut_value_is_damaged(op: u32, filling in 0u16..100, cut in 1usize..20) {
            let bytes = encode_value(ValueId::new(OpId(op), 0), filling);
            let kept = bytes.len().saturating_sub(cut);
            prop_assert!(decode_value(&bytes[..kept]).is_err());
        }

        #[test]
        fn a_flipped_bit_is_damage_or_another_name(op: u32, filling in 8u16..100, bit: usize) {
            let id = ValueId::new(OpId(op), 0);
            let mut bytes = encode_value(id, filling);
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(decode_value(&bytes), Ok(id));
        }
    }
}
