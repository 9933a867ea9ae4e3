//! Ranges of keys, in the one form that the format stores: from a key, up to a key or unbounded.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use bytes::Bytes;

/// A range of keys: `start <= key`, and `key < end` if there is an end.
///
/// It is made from Rust's range syntax over anything that can be seen as bytes (`"a".."b"`,
/// `b"a".to_vec()..`, `..`), or from a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that is inside, if it exists.
    pub start: Bytes,
    /// The first key that is behind the range; none if the range has no end.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// The keys that begin with these bytes.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        // The end is the prefix with its last byte that can grow grown, and cut behind it.
        let grown = prefix.iter().rposition(|byte| *byte < u8::MAX).map(|at| {
            let mut end = prefix[..=at].to_vec();
            end[at] += 1;
            Bytes::from(end)
        });
        Self { start: Bytes::copy_from_slice(prefix), end: grown }
    }

    /// Whether the key is inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start <= key && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// Whether no key can be inside.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// For `BTreeMap::range`, which panics on a range that ends before it starts: an empty range
    /// becomes the empty range at its start.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let start = Bound::Included(&self.start[..]);
        match &self.end {
            None => (start, Bound::Unbounded),
            Some(end) if self.is_empty() => {
                let _ = end;
                (start, Bound::Excluded(&self.start[..]))
            }
            Some(end) => (start, Bound::Excluded(&end[..])),
        }
    }
}

fn copy(key: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(key.as_ref())
}

/// The key right behind `key`.
fn after(key: impl AsRef<[u8]>) -> Bytes {
    let key = key.as_ref();
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> Self {
        Self { start: Bytes::new(), end: None }
    }
}

impl<K: AsRef<[u8]>> From<Range<K>> for KeyRange {
    fn from(range: Range<K>) -> Self {
        Self { start: copy(range.start), end: Some(copy(range.end)) }
    }
}

impl<K: AsRef<[u8]>> From<RangeFrom<K>> for KeyRange {
    fn from(range: RangeFrom<K>) -> Self {
        Self { start: copy(range.start), end: None }
    }
}

impl<K: AsRef<[u8]>> From<RangeTo<K>> for KeyRange {
    fn from(range: RangeTo<K>) -> Self {
        Self { start: Bytes::new(), end: Some(copy(range.end)) }
    }
}

impl<K: AsRef<[u8]>> From<RangeInclusive<K>> for KeyRange {
    fn from(range: RangeInclusive<K>) -> Self {
        Self { start: copy(range.start()), end: Some(after(range.end())) }
    }
}

impl<K: AsRef<[u8]>> From<RangeToInclusive<K>> for KeyRange {
    fn from(range: RangeToInclusive<K>) -> Self {
        Self { start: Bytes::new(), end: Some(after(range.end)) }
    }
}
