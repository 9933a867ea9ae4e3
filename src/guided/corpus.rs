//! What a guided search remembers: the pairs that were shown, how often, and where.

use std::collections::BTreeMap;

use sim::Seed;

/// The most pairs that are kept. Protocols have some thousands; the bound is for hostile files.
pub(super) const PAIRS_MAX: usize = 1 << 20;

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

    pub(super) fn insert(&mut self, pair: u64, shown: Shown) {
        self.pairs.insert(pair, shown);
    }

    /// A world of so many events showed these pairs, each first at an event.
    pub(super) fn learn(&mut self, seed: &Seed, length: u64, pairs: &[(u64, u64)]) {
        for &(pair, event) in pairs {
            let is_full = self.pairs.len() == PAIRS_MAX;
            match self.pairs.get_mut(&pair) {
                Some(shown) => {
                    shown.worlds += 1;
                    if length < shown.length {
                        (shown.seed, shown.event, shown.length) = (seed.clone(), event, length);
                    }
                }
                None if is_full => {}
                None => {
                    self.pairs.insert(pair, Shown { worlds: 1, seed: seed.clone(), event, length });
                }
            }
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

#[cfg(test)]
mod tests {
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
}
