//! What a guided search remembers: the pairs that were shown, how often, and where.
//!
//! What some worlds showed is a corpus, and so is what a whole search knows: parts are merged in the
//! order of their worlds, and the same comes out however the worlds were cut into parts. Written, a
//! corpus is a list of `["9e3779b97f4a7c15",3,"42@1130:7",1277,1920]`: a pair (its hash, in order),
//! in how many worlds, the shortest of them, the event, and how many events that world has.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sim::Seed;

/// The most pairs that are kept, those with the smallest hashes. Protocols have some thousands; the
/// bound keeps the largest corpus, with the longest names of worlds, below what a file may have.
pub(super) const PAIRS_MAX: usize = 1 << 16;

/// Weight of a pair that was shown once.
const WHOLE: u64 = 1 << 20;

/// A pair that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// In how many worlds.
    pub worlds: u64,
    /// The shortest of them; of several the first.
    pub seed: Seed,
    /// The first event of that world which showed it.
    pub event: u64,
    /// Events of that world.
    pub length: u64,
}

/// The pairs that were shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    pairs: BTreeMap<u64, Shown>,
}

impl Corpus {
    /// How many pairs were shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs by their hash.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, &Shown)> {
        self.pairs.iter().map(|(&pair, shown)| (pair, shown))
    }

    /// A world of so many events showed these pairs, each first at an event.
    pub fn learn(&mut self, seed: &Seed, length: u64, pairs: &[(u64, u64)]) {
        for &(pair, event) in pairs {
            // Most pairs are known, and by a world that is no longer.
            match self.pairs.get_mut(&pair) {
                Some(known) if known.length <= length => known.see(1),
                _ => self.see(pair, Shown { worlds: 1, seed: seed.clone(), event, length }),
            }
        }
    }

    /// Takes in what worlds showed that came after all others.
    pub(crate) fn merge(&mut self, later: Corpus) {
        later.pairs.into_iter().for_each(|(pair, shown)| self.see(pair, shown));
    }

    fn see(&mut self, pair: u64, later: Shown) {
        let is_full = self.pairs.len() == PAIRS_MAX;
        if let Some(known) = self.pairs.get_mut(&pair) {
            let worlds = later.worlds;
            if later.length < known.length {
                *known = Shown { worlds: known.worlds, ..later };
            }
            known.see(worlds);
        } else if !is_full {
            self.pairs.insert(pair, later);
        } else if self.pairs.last_key_value().is_some_and(|(&last, _)| pair < last) {
            // What is among the smallest of the whole is so in every part: nothing is lost of it.
            self.pairs.pop_last();
            self.pairs.insert(pair, later);
        }
    }

    /// A pair, in inverse proportion to how many worlds showed it. `die` is any number.
    pub(super) fn choose(&self, die: u64) -> Option<&Shown> {
        let weight = |shown: &Shown| (WHOLE / shown.worlds.max(1)).max(1);
        let whole: u64 = self.pairs.values().map(weight).sum();
        let mut place = ((u128::from(die) * u128::from(whole)) >> 64) as u64;
        self.pairs.values().find(|shown| match place.checked_sub(weight(shown)) {
            Some(rest) => {
                place = rest;
                false
            }
            None => true,
        })
    }
}

impl Shown {
    fn see(&mut self, worlds: u64) {
        self.worlds = self.worlds.saturating_add(worlds);
    }
}

/// A pair as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry(String, u64, String, u64, u64);

impl Entry {
    pub(super) fn of((pair, shown): (u64, &Shown)) -> Entry {
        let Shown { worlds, seed, event, length } = shown;
        Entry(format!("{pair:016x}"), *worlds, seed.to_string(), *event, *length)
    }

    fn read(self) -> Result<(u64, Shown), String> {
        let Entry(pair, worlds, seed, event, length) = self;
        let flaw = |what: &str| format!("pair {pair}: {what}");
        let is_hash = pair.len() == 16 && !pair.starts_with('+');
        let hash = u64::from_str_radix(&pair, 16).ok().filter(|_| is_hash);
        let hash = hash.ok_or_else(|| flaw("no hash of 16 hexadecimal digits"))?;
        let seed = seed.parse::<Seed>().map_err(|error| flaw(&error.to_string()))?;
        if worlds == 0 || event >= length {
            return Err(flaw("shown in no world, or behind the end of one"));
        }
        Ok((hash, Shown { worlds, seed, event, length }))
    }
}

impl Serialize for Corpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.pairs().map(Entry::of))
    }
}

impl<'de> Deserialize<'de> for Corpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Corpus, D::Error> {
        deserializer.deserialize_seq(Entries)
    }
}

/// Takes entries one by one, so that a list without an end is refused at the first one too many.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Corpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Corpus, A::Error> {
        let mut corpus = Corpus::default();
        while let Some(entry) = entries.next_element::<Entry>()? {
            let (pair, shown) = entry.read().map_err(A::Error::custom)?;
            if corpus.len() == PAIRS_MAX {
                return Err(A::Error::custom(format!("more than {PAIRS_MAX} pairs")));
            }
            if corpus.pairs.last_key_value().is_some_and(|(&last, _)| last >= pair) {
                return Err(A::Error::custom(format!("pair {pair:016x}: not in ascending order")));
            }
            corpus.pairs.insert(pair, shown);
        }
        Ok(corpus)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seed(number: u64) -> Seed {
        Seed::from(number)
    }

    #[test]
    fn rare_pairs_are_chosen_more_often() {
        let mut corpus = Corpus::default();
        assert!(corpus.choose(0).is_none());
        for world in 0..9 {
            corpus.learn(&seed(world), 500, &[(1, 10)]);
        }
        corpus.learn(&seed(100), 500, &[(2, 20)]);
        let step = u64::MAX / 1000;
        let rare = (0..1000).filter(|at| corpus.choose(at * step).is_some_and(|it| it.event == 20));
        // Nine to one.
        assert!((890..910).contains(&rare.count()));
    }

    #[test]
    fn the_shortest_world_that_showed_a_pair_is_kept() {
        let mut corpus = Corpus::default();
        for (world, length) in [(1, 500), (2, 300), (3, 300), (4, 800)] {
            corpus.learn(&seed(world), length, &[(1, world)]);
        }
        let shown = corpus.choose(7).expect("it was shown");
        assert_eq!((shown.worlds, &shown.seed, shown.event), (4, &seed(2), 2));
    }

    #[test]
    fn a_full_corpus_keeps_the_smallest_hashes_in_whatever_parts_they_come() {
        let pairs: Vec<_> = (0..PAIRS_MAX as u64 + 500).map(|hash| (hash, 1)).collect();
        let mut whole = Corpus::default();
        whole.learn(&seed(1), 9, &pairs);
        let mut parts = Corpus::default();
        for part in pairs.rchunks(10_000) {
            let mut one = Corpus::default();
            one.learn(&seed(1), 9, part);
            parts.merge(one);
        }
        assert_eq!((whole.len(), parts == whole), (PAIRS_MAX, true));
        assert!(whole.pairs().map(|(hash, _)| hash).eq(0..PAIRS_MAX as u64));
    }

    #[test]
    fn what_is_no_corpus_is_refused() {
        let read = |text: &str| serde_json::from_str::<Corpus>(text);
        let pair = |hash: u64| format!("[\"{hash:016x}\",1,\"7@3:9\",4,5]");
        let list = |pairs: &[String]| format!("[{}]", pairs.join(","));
        assert_eq!(read(&list(&[pair(1), pair(2)])).expect("sound").len(), 2);
        for wrong in [
            list(&[pair(2), pair(1)]),
            list(&[pair(1), pair(1)]),
            list(&[pair(1)]).replace("0001", "+001").replace("\"0", "\"+"),
            list(&[pair(1)]).replace("\"0", "\""),
            list(&[pair(1)]).replace(",4,5", ",5,5"),
            list(&[pair(1)]).replace(",1,", ",0,"),
            list(&[pair(1)]).replace("7@3:9", "7@3:9@2:9"),
            list(&[pair(1)]).replace(",5]", ",-5]"),
            list(&(0..=PAIRS_MAX as u64).map(pair).collect::<Vec<_>>()),
        ] {
            assert!(read(&wrong).is_err(), "{}", &wrong[..wrong.len().min(80)]);
        }
    }

    /// A world: its name, how long it is, and the pairs that it shows.
    type World = (Seed, u64, Vec<(u64, u64)>);

    fn worlds() -> impl Strategy<Value = Vec<World>> {
        let turns = prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..4);
        let name = (any::<u64>(), turns).prop_map(|(start, turns)| {
            let turns = turns.into_iter().map(|(event, seed)| format!("@{event}:{seed}"));
            format!("{start}{}", turns.collect::<String>()).parse().expect("a seed")
        });
        let pairs = prop::collection::vec((0u64..12, 0u64..20), 0..8);
        prop::collection::vec((name, 20u64..24, pairs), 0..12)
    }

    proptest! {
        /// In parts of any size the same is learned, and a corpus reads as it is written.
        #[test]
        fn parts_in_their_order_are_the_whole(worlds in worlds(), size in 1usize..5) {
            let learned = |worlds: &[World]| {
                let mut corpus = Corpus::default();
                worlds.iter().for_each(|(seed, length, pairs)| corpus.learn(seed, *length, pairs));
                corpus
            };
            let mut merged = Corpus::default();
            worlds.chunks(size).for_each(|part| merged.merge(learned(part)));
            prop_assert_eq!(&merged, &learned(&worlds));
            let text = serde_json::to_string(&merged).expect("it serializes");
            prop_assert_eq!(serde_json::from_str::<Corpus>(&text).expect("it parses"), merged);
        }
    }
}
