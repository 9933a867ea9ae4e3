//! Sets of places, kept as what lies together: `0..5000` and `5010..5020` instead of 5010 numbers.
//!
//! A campaign is done in an order that differs from run to run, but never far from the front. So
//! what is done is one long span and a few short ones, however many seeds there are.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of places, as disjoint spans that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// End of each span, by its start.
    ends: BTreeMap<u64, u64>,
}

impl Spans {
    /// Adds places. Some of them may be there already.
    pub fn insert(&mut self, places: Range<u64>) {
        if places.is_empty() {
            return;
        }
        let Range { mut start, mut end } = places;
        // Every span that overlaps or touches becomes part of the new one.
        while let Some((&from, &to)) = self.ends.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.ends.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.ends.insert(start, end);
    }

    /// The first places at or after `from` that are not in the set: up to the next one that is, or
    /// to `limit`. `None` if there are none below `limit`.
    #[must_use]
    pub fn gap(&self, from: u64, limit: u64) -> Option<Range<u64>> {
        let covering = self.ends.range(..=from).next_back();
        let start = covering.map_or(from, |(_, &end)| end.max(from));
        let next = self.ends.range(start..).next().map_or(limit, |(&next, _)| next.min(limit));
        (start < limit).then_some(start..next)
    }

    /// How many places there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ends.iter().map(|(start, end)| end - start).sum()
    }

    /// The end of the last span, 0 if there is none.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ends.last_key_value().map_or(0, |(_, &end)| end)
    }

    /// Whether all these places are in the set.
    #[must_use]
    pub fn holds(&self, places: &Range<u64>) -> bool {
        let covering = self.ends.range(..=places.start).next_back();
        places.is_empty() || covering.is_some_and(|(_, &end)| end >= places.end)
    }

    /// Whether all places of `other` are in the set.
    #[must_use]
    pub fn contains(&self, other: &Spans) -> bool {
        other.iter().all(|span| self.holds(&span))
    }

    /// Whether any of these places is in the set.
    #[must_use]
    pub fn meets(&self, places: &Range<u64>) -> bool {
        self.gap(places.start, places.end) != Some(places.clone()) && !places.is_empty()
    }

    /// The spans, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ends.iter().map(|(&start, &end)| start..end)
    }
}

impl Serialize for Spans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.ends)
    }
}

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spans, D::Error> {
        let mut spans = Spans::default();
        for (start, end) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            if start >= end || (start <= spans.end() && !spans.ends.is_empty()) {
                return Err(serde::de::Error::custom("spans must ascend and not touch"));
            }
            spans.ends.insert(start, end);
        }
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(spans: &[Range<u64>]) -> Spans {
        let mut all = Spans::default();
        spans.iter().for_each(|span| all.insert(span.clone()));
        all
    }

    #[test]
    fn spans_that_touch_become_one() {
        let spans = of(&[0..5, 10..15, 5..10]);
        assert_eq!((spans.iter().count(), spans.gap(0, 20)), (1, Some(15..20)));
        assert_eq!((spans.count(), spans.end()), (15, 15));
    }

    #[test]
    fn gaps_are_what_is_left_to_do() {
        let spans = of(&[0..5, 8..10]);
        assert_eq!(spans.gap(0, 20), Some(5..8));
        assert_eq!(spans.gap(8, 20), Some(10..20));
        assert_eq!(spans.gap(0, 5), None);
        assert!(spans.meets(&(4..6)) && !spans.meets(&(5..8)) && !spans.meets(&(7..7)));
    }

    #[test]
    fn what_is_no_set_of_spans_is_refused() {
        let read = |text: &str| serde_json::from_str::<Spans>(text);
        assert_eq!(read("[[0,5],[8,10]]").expect("sound"), of(&[0..5, 8..10]));
        for text in ["[[5,5]]", "[[5,1]]", "[[0,5],[5,8]]", "[[8,10],[0,5]]", "[[0,-1]]", "[[1]]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// Against a set of single numbers.
        #[test]
        fn spans_are_a_set(pieces in prop::collection::vec((0u64..60, 0u64..12), 0..20)) {
            let (mut spans, mut single) = (Spans::default(), std::collections::BTreeSet::new());
            for (start, length) in pieces {
                spans.insert(start..start + length);
                single.extend(start..start + length);
            }
            prop_assert_eq!(spans.iter().flatten().collect::<Vec<_>>(),
                single.iter().copied().collect::<Vec<_>>());
            let apart: Vec<_> = spans.iter().collect();
            prop_assert!(apart.windows(2).all(|pair| pair[0].end < pair[1].start));
            for place in 0..80 {
                prop_assert_eq!(spans.holds(&(place..place + 1)), single.contains(&place));
                prop_assert_eq!(spans.meets(&(place..place + 1)), single.contains(&place));
            }
            let text = serde_json::to_string(&spans).expect("it serializes");
            prop_assert_eq!(serde_json::from_str::<Spans>(&text).expect("it parses"), spans);
        }
    }
}
