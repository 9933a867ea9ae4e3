//! The bytes on the store: head, record, segment, checkpoint, pin. `docs/protocol.md` is the
//! contract, and this module is one implementation of it.
//!
//! Decoding trusts nothing: every length is checked before it is used, every hash and chain is
//! verified, and hostile input gives a [`Damage`], never a panic. Encoding appends to one buffer
//! and never encodes a record twice.

pub(crate) mod checkpoint;
mod cursor;
pub(crate) mod directory;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub(crate) mod head;
pub(crate) mod merged;
pub(crate) mod pin;
pub(crate) mod record;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

pub(crate) use cursor::Cursor;
pub(crate) use directory::ObjectName;
pub use record::CommitId;

/// The number of this format.
pub(crate) const FORMAT: u16 = 1;
/// Bytes of the digest at the end of a head and of a segment.
pub(crate) const DIGEST_LEN: usize = 16;

/// XXH3-128, seed 0: the hash of chains and bodies.
pub(crate) fn xxh3(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

/// Why bytes could not be accepted. The caller knows the object's name and adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Damage {
    /// They are not what was written, or not what the history demands.
    Corrupt {
        /// What had to be there.
        expected: &'static str,
        /// What was there.
        got: String,
    },
    /// They use a part of the format that this version does not know.
    Newer {
        /// Which.
        feature: &'static str,
    },
}

impl Damage {
    /// Bytes that contradict an expectation.
    #[cold]
    pub(crate) fn new(expected: &'static str, got: impl std::fmt::Display) -> Self {
        Damage::Corrupt { expected, got: got.to_string() }
    }
}

/// `Ok` if the condition holds.
pub(crate) fn expect(
    holds: bool,
    expected: &'static str,
    got: impl std::fmt::Display,
) -> Result<(), Damage> {
    if holds { Ok(()) } else { Err(Damage::new(expected, got)) }
}

/// `Ok` if both hashes are the same.
pub(crate) fn expect_hash(wanted: u128, got: u128, expected: &'static str) -> Result<(), Damage> {
    if wanted == got {
        Ok(())
    } else {
        Err(Damage::new(expected, format_args!("{got:032x} instead of {wanted:032x}")))
    }
}

/// Appends bytes as lower-case hexadecimal digits. Names are made for every request, and `{:x}` of
/// 128 bits costs as much as the rest of it.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// The name of a segment or checkpoint, from the last part of its path.
pub(crate) fn parse_name(name: &str) -> Option<ObjectName> {
    let (hv, uuid) = name.split_once('-')?;
    let digits = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !digits(hv, 16) || !digits(uuid, 32) {
        return None;
    }
    let (hv, uuid) = (u64::from_str_radix(hv, 16).ok()?, u128::from_str_radix(uuid, 16).ok()?);
    Some(ObjectName { hv, uuid })
}
