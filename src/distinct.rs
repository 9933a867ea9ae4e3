//! How many different things were seen, in bounded memory.
//!
//! The `k` smallest of the hashes that were seen are kept. While there are fewer than `k`, their
//! number is exact. After that the k-th smallest, as a share of the whole range, says how densely
//! the hashes lie: `(k - 1) / share` is an unbiased estimate with a standard error of
//! `1 / sqrt(k - 2)` (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", RANDOM 2002;
//! Beyer et al., "On Synopses for Distinct-Value Estimation Under Multiset Operations", SIGMOD
//! 2007). The k smallest of a union are among the k smallest of its parts, so estimates merge in
//! any order, and seeing something twice changes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Hashes that are kept: the standard error is 2.2 %, the memory a few tens of kilobytes.
const KEPT: usize = 2048;

/// A set of hashes of which only the smallest are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinct {
    smallest: BTreeSet<u64>,
}

impl Distinct {
    /// Sees something by its hash, which must be spread evenly over all numbers.
    pub fn see(&mut self, hash: u64) {
        let is_full = self.smallest.len() == KEPT;
        if is_full && self.smallest.last().is_some_and(|&largest| hash >= largest) {
            return;
        }
        if self.smallest.insert(hash) && is_full {
            self.smallest.pop_last();
        }
    }

    /// Sees all that `other` saw.
    pub fn merge(&mut self, other: &Distinct) {
        for &hash in &other.smallest {
            self.see(hash);
        }
    }

    /// How many different things were seen: exact below two thousand, an estimate above.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.smallest.last() {
            Some(&largest) if self.smallest.len() == KEPT => {
                let estimate = ((KEPT as u128 - 1) << 64) / (u128::from(largest) + 1);
                u64::try_from(estimate).unwrap_or(u64::MAX)
            }
            _ => self.smallest.len() as u64,
        }
    }

    /// Whether [`Distinct::count`] is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.smallest.len() < KEPT
    }
}

/// Digits of a hash in the written form.
const DIGITS: usize = 16;

/// One string of hexadecimal digits, sixteen for each hash, ascending.
impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = String::with_capacity(self.smallest.len() * DIGITS);
        for hash in &self.smallest {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{hash:016x}");
        }
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distinct, D::Error> {
        let flaw = |what: &str| serde::de::Error::custom(format!("hashes that were seen: {what}"));
        let digits = String::deserialize(deserializer)?;
        if digits.len() > KEPT * DIGITS || !digits.len().is_multiple_of(DIGITS) {
            return Err(flaw("too many digits, or some are missing"));
        }
        let mut distinct = Distinct::default();
        for hash in digits.as_bytes().chunks(DIGITS) {
            let hash = std::str::from_utf8(hash).ok().filter(|hash| !hash.starts_with('+'));
            let hash = hash.and_then(|hash| u64::from_str_radix(hash, 16).ok());
            let hash = hash.ok_or_else(|| flaw("not hexadecimal"))?;
            if distinct.smallest.last().is_some_and(|&last| last >= hash) {
                return Err(flaw("not ascending"));
            }
            distinct.smallest.insert(hash);
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(numbers: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        for number in numbers {
            distinct.see(sim::trace::fold(number, 7));
        }
        distinct
    }

    #[test]
    fn few_things_are_counted_exactly_however_often_they_are_seen() {
        assert_eq!(Distinct::default().count(), 0);
        let few = seen((0..10).chain(0..1000).chain(500..1500));
        assert_eq!((few.count(), few.is_exact()), (1500, true));
    }

    #[test]
    fn many_things_are_estimated_within_a_few_percent() {
        for many in [10_000, 100_000, 1_000_000] {
            let distinct = seen(0..many);
            let error = distinct.count().abs_diff(many) * 100 / many;
            assert!(!distinct.is_exact() && error < 8, "{many}: {}", distinct.count());
        }
    }

    #[test]
    fn parts_merge_in_any_order_to_what_one_would_have_seen_alone() {
        let whole = seen(0..9000);
        let parts = [seen(0..4000), seen(3000..7000), seen(6500..9000)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut merged = Distinct::default();
            for part in order {
                merged.merge(&parts[part]);
            }
            assert_eq!(merged, whole);
        }
    }

    #[test]
    fn what_was_seen_reads_as_it_is_written() {
        for distinct in [seen(0..0), seen(0..3), seen(0..5000)] {
            let json = serde_json::to_string(&distinct).expect("it serializes");
            assert_eq!(serde_json::from_str::<Distinct>(&json).expect("it parses"), distinct);
        }
        let hash = "0000000000000007";
        for wrong in [
            "7".to_owned(),
            format!("{hash}{hash}"),
            "+000000000000007".to_owned(),
            "000000000000é07".to_owned(),
            "0".repeat(16 * (KEPT + 1)),
        ] {
            let json = serde_json::to_string(&wrong).expect("it serializes");
            assert!(serde_json::from_str::<Distinct>(&json).is_err(), "{wrong}");
        }
    }
}
