//! Keys and values of the run.
//!
//! | keys | what is done to them |
//! |---|---|
//! | `reg/..` | blind puts, several at once; some that read two others |
//! | `cnt/..` | read, add one, write: the number at the end is the number of commits that did it |
//! | `grp/..` | scanned as a range and replaced; deleted, one or all as a range |
//! | `big/..` | values above the inline limit |
//! | `log/<operation>` | written once, by every transaction: the whole history is read from these |
//!
//! Every value carries the name of the operation that wrote it, so no two are equal. A large value is
//! its name and a filling made from that; who reads it looks at every byte, and knows it by its name
//! from then on.

use std::collections::BTreeMap;

use bytes::Bytes;
use manifest_core::{Entry, KeyRange, Snapshot};
use twox_hash::XxHash3_128;

use crate::journal::Seen;
use crate::random::Random;

pub(crate) const REGISTERS: u64 = 16;
pub(crate) const COUNTERS: u64 = 4;
pub(crate) const GROUP: u64 = 8;
pub(crate) const BIG: u64 = 4;

/// Keys that are not of the log.
const SMALL: [&str; 4] = ["big/", "cnt/", "grp/", "reg/"];

pub(crate) fn key(kind: &str, number: u64) -> String {
    format!("{kind}/{number:02}")
}

pub(crate) fn log_key(op: &str) -> String {
    format!("log/{op}")
}

/// The bytes of a large value.
pub(crate) fn fill(name: &str, random: &mut Random) -> Bytes {
    let length = 9_000 + random.below(30_000) as usize;
    let mut bytes = format!("{name}\n").into_bytes();
    bytes.extend(filling(name).take(length));
    bytes.into()
}

fn filling(name: &str) -> impl Iterator<Item = u8> {
    let seed = XxHash3_128::oneshot(name.as_bytes()) as u64;
    (0..).map(move |n: u64| ((seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
}

/// A value by its name. One that is damaged gets a name that nobody wrote.
pub(crate) fn name(value: &[u8]) -> String {
    let mut parts = value.splitn(2, |byte| *byte == b'\n');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    match parts.next() {
        Some(rest) if !filling(&name).take(rest.len()).eq(rest.iter().copied()) => {
            format!("{name} with a damaged filling")
        }
        _ => name,
    }
}

/// What was read of a key.
pub(crate) fn seen(key: &str, entry: Option<Entry>) -> Seen {
    match entry {
        Some(entry) => (key.to_owned(), Some(name(&entry.value)), Some(entry.seq)),
        None => (key.to_owned(), None, None),
    }
}

/// The present number of a counter.
pub(crate) fn count_of(name: Option<&str>) -> u64 {
    name.and_then(|name| name.split(' ').next()).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// The names of a range's keys, present or not.
pub(crate) fn all_small_keys() -> Vec<String> {
    let of = |kind: &'static str, count| (0..count).map(move |number| key(kind, number));
    let keys = of("big", BIG).chain(of("cnt", COUNTERS)).chain(of("grp", GROUP));
    keys.chain(of("reg", REGISTERS)).collect()
}

/// A hash of everything but the log, with the seqs that wrote it.
#[derive(Debug, Default)]
pub(crate) struct Digest(Vec<u8>);

impl Digest {
    pub(crate) fn add(&mut self, key: &str, name: &str, seq: u64) {
        self.0.extend_from_slice(format!("{key}\0{name}\0{seq}\n").as_bytes());
    }

    pub(crate) fn finish(self) -> String {
        format!("{:032x}", XxHash3_128::oneshot(&self.0))
    }

    /// Of a replayed state.
    pub(crate) fn of(state: &BTreeMap<String, (String, u64)>) -> String {
        let mut digest = Self::default();
        for kind in SMALL {
            let keys = state.range(kind.to_owned()..).take_while(|(key, _)| key.starts_with(kind));
            for (key, (name, seq)) in keys {
                digest.add(key, name, *seq);
            }
        }
        digest.finish()
    }

    /// Of rows in order of keys.
    pub(crate) fn rows(&mut self, rows: &[(Bytes, Entry)]) {
        for (key, entry) in rows {
            self.add(&String::from_utf8_lossy(key), &name(&entry.value), entry.seq);
        }
    }

    /// Of a snapshot.
    pub(crate) fn of_snapshot(snapshot: &Snapshot) -> String {
        let mut digest = Self::default();
        for range in small_ranges() {
            digest.rows(&snapshot.scan(range));
        }
        digest.finish()
    }
}

/// The ranges that a digest covers, in order.
pub(crate) fn small_ranges() -> impl Iterator<Item = KeyRange> {
    SMALL.into_iter().map(KeyRange::prefix)
}
