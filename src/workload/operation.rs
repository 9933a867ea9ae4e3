//! One operation of a client.

use std::fmt;

use super::value::ValueId;

/// Number of an operation within its world, from 0, in the order of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u32);

/// A key, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u16);

impl KeyId {
    /// Length of an encoded key in bytes.
    pub const LEN: usize = 5;

    /// The key as bytes: `k0042`. Byte order is number order.
    ///
    /// # Panics
    /// If the number has more than four digits.
    #[must_use]
    pub fn encode(self) -> [u8; KeyId::LEN] {
        assert!(self.0 < 10_000, "keys have four digits");
        let digit = |power: u16| b'0' + (self.0 / power % 10) as u8;
        [b'k', digit(1000), digit(100), digit(10), digit(1)]
    }

    /// The number of an encoded key; `None` if the bytes are no key.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<KeyId> {
        let digits: &[u8; 4] = bytes.strip_prefix(b"k")?.try_into().ok()?;
        digits
            .iter()
            .try_fold(0, |number, &byte| {
                byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0'))
            })
            .map(KeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{:04}", self.0)
    }
}

/// Keys from `start` up to but not including `end`; no end means all from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRange {
    /// First key.
    pub start: KeyId,
    /// First key behind the range.
    pub end: Option<KeyId>,
}

impl KeyRange {
    /// Every key.
    pub const ALL: KeyRange = KeyRange { start: KeyId(0), end: None };

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: KeyId) -> bool {
        key >= self.start && self.end.is_none_or(|end| key < end)
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..", self.start),
        }
    }
}

/// What an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTarget {
    /// One key.
    Key(KeyId),
    /// Every key of a range.
    Range(KeyRange),
}

impl ReadTarget {
    /// Whether reading the target reads `key`.
    #[must_use]
    pub fn covers(&self, key: KeyId) -> bool {
        match self {
            ReadTarget::Key(own) => *own == key,
            ReadTarget::Range(range) => range.contains(key),
        }
    }
}

/// One write of an operation. All writes of an operation take effect together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The key gets a value; its identity is the operation and the position of this write.
    Put(KeyId),
    /// The key is gone.
    Delete(KeyId),
    /// Every key of the range is gone.
    DeleteRange(KeyRange),
}

/// What kind of operation a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OpKind {
    /// One blind put.
    Put,
    /// One blind delete.
    Delete,
    /// One blind delete of a range.
    DeleteRange,
    /// Several blind writes at once.
    Batch,
    /// One key is read.
    Get,
    /// A range is read.
    Scan,
    /// One key is read and written on the condition that it did not change.
    ReadModifyWrite,
    /// Several keys and ranges are read, several are written, on the condition that nothing of
    /// what was read has changed.
    Transaction,
}

impl OpKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [OpKind; 8] = [
        OpKind::Put,
        OpKind::Delete,
        OpKind::DeleteRange,
        OpKind::Batch,
        OpKind::Get,
        OpKind::Scan,
        OpKind::ReadModifyWrite,
        OpKind::Transaction,
    ];

    /// The name that people see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Put => "put",
            OpKind::Delete => "delete",
            OpKind::DeleteRange => "range delete",
            OpKind::Batch => "batch",
            OpKind::Get => "get",
            OpKind::Scan => "scan",
            OpKind::ReadModifyWrite => "read-modify-write",
            OpKind::Transaction => "transaction",
        }
    }

    /// Whether operations of this kind write nothing.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        matches!(self, OpKind::Get | OpKind::Scan)
    }
}

/// From which state an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// At least as new as everything that was acknowledged, to anyone, before it began.
    Strong,
    /// What the process holds: at least as new as all that this process has seen.
    Session,
    /// A snapshot that the client holds or finds, however old. It shows what was, whole and
    /// unchanged.
    Held,
    /// A snapshot that the process has in memory, however old. Nothing protects it, and nothing has
    /// to: reading it makes no request.
    Kept,
}

impl Freshness {
    /// Whether what is read may be older than what the process knows.
    #[must_use]
    pub fn is_past(self) -> bool {
        matches!(self, Freshness::Held | Freshness::Kept)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: OpId,
    /// Its kind.
    pub kind: OpKind,
    /// From which state it reads.
    pub freshness: Freshness,
    /// What it reads, first.
    pub reads: Vec<ReadTarget>,
    /// What it writes, after it has read.
    pub writes: Vec<Write>,
    /// Decides whatever a system leaves open about an operation (which snapshot is held, under
    /// which role is written). It belongs to the operation and does not depend on how many others
    /// there are.
    pub variant: u16,
}

impl Operation {
    /// The keys that it puts or deletes one by one.
    pub fn written_keys(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.writes.iter().filter_map(|write| match write {
            Write::Put(key) | Write::Delete(key) => Some(*key),
            Write::DeleteRange(_) => None,
        })
    }

    /// What its writes make of a key, under the number `id`: `Some(None)` if it is gone, `None` if
    /// they leave it alone.
    #[must_use]
    pub fn own_value(&self, id: OpId, key: KeyId) -> Option<Option<ValueId>> {
        self.writes.iter().enumerate().rev().find_map(|(index, write)| match write {
            Write::Put(own) => (*own == key).then(|| Some(ValueId::new(id, index))),
            Write::Delete(own) => (*own == key).then_some(None),
            Write::DeleteRange(range) => range.contains(key).then_some(None),
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.name())?;
        for read in &self.reads {
            match read {
                ReadTarget::Key(key) => write!(f, " r:{key}")?,
                ReadTarget::Range(range) => write!(f, " r:{range}")?,
            }
        }
        for write in &self.writes {
            match write {
                Write::Put(key) => write!(f, " w:{key}")?,
                Write::Delete(key) => write!(f, " d:{key}")?,
                Write::DeleteRange(range) => write!(f, " d:{range}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_survive_the_way_through_bytes_in_order(a in 0u16..10_000, b in 0u16..10_000) {
            prop_assert_eq!(KeyId::decode(&KeyId(a).encode()), Some(KeyId(a)));
            prop_assert_eq!(a.cmp(&b), KeyId(a).encode().cmp(&KeyId(b).encode()));
        }

        #[test]
        fn other_bytes_are_no_key(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            if let Some(key) = KeyId::decode(&bytes) {
                prop_assert_eq!(key.encode().to_vec(), bytes);
            }
        }
    }

    #[test]
    fn a_range_excludes_its_end() {
        let range = KeyRange { start: KeyId(2), end: Some(KeyId(4)) };
        let inside: Vec<_> = (0..6).filter(|&key| range.contains(KeyId(key))).collect();
        assert_eq!(inside, [2, 3]);
        assert!(KeyRange::ALL.contains(KeyId(9999)));
    }
}
