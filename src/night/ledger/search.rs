//! The generation that a guided search is at.
//!
//! Each generation is chosen from what all before it showed, so its worlds are given out, a few at a
//! time, and only when all of them are back does it count: as one stretch, in the order of its worlds.
//! Until then it is nowhere but here. Who dies in between runs it again, and chooses the same worlds.

use std::collections::BTreeMap;
use std::ops::Range;

use sim::Seed;

use super::{Ledger, Next, Task};
use crate::campaign::Summary;
use crate::guided::{Corpus, Guide};

/// Worlds that a worker takes at once: few, since all wait for the last one of a generation.
const AT_ONCE: usize = 2;

/// Chooses generations, gives out their worlds, and gathers what they come to.
#[derive(Debug)]
pub(super) struct Search {
    guide: Guide,
    /// The next new seed when the generation was chosen.
    next_seed: u64,
    /// Position of its first world.
    from: u64,
    /// Its worlds; none between two generations.
    worlds: Vec<Seed>,
    /// How many of them were given out.
    given: usize,
    /// What came back, by the position of the first world.
    came: BTreeMap<u64, Summary>,
}

impl Search {
    /// A search that has done so many worlds, whose guide goes on with this new seed.
    pub(super) fn at(first_seed: u64, done: u64, next_seed: u64) -> Search {
        let guide = Guide::after(first_seed, done, next_seed);
        let (worlds, came) = (Vec::new(), BTreeMap::new());
        Search { guide, next_seed, from: done, worlds, given: 0, came }
    }

    /// The new seed that comes next after the generations that are done.
    pub(super) fn next_seed(&self) -> u64 {
        self.next_seed
    }

    /// Whether no generation was begun.
    pub(super) fn is_between(&self) -> bool {
        self.worlds.is_empty()
    }

    /// Begins the next generation.
    pub(super) fn begin(&mut self, known: &Corpus, most: u64) {
        self.worlds = self.guide.generation(known, most);
        self.given = 0;
    }

    /// The next worlds of the generation that nobody has, with their positions.
    pub(super) fn take(&mut self) -> Option<(Range<u64>, Vec<Seed>)> {
        let seeds: Vec<Seed> = self.worlds.iter().skip(self.given).take(AT_ONCE).cloned().collect();
        let from = self.from + self.given as u64;
        self.given += seeds.len();
        (!seeds.is_empty()).then(|| (from..from + seeds.len() as u64, seeds))
    }

    /// These worlds are done and came to this. If they were the last ones: what the generation is.
    pub(super) fn put(
        &mut self,
        positions: &Range<u64>,
        summary: Summary,
    ) -> Option<(Range<u64>, Summary)> {
        self.came.insert(positions.start, summary);
        let done: u64 = self.came.values().map(|summary| summary.seeds).sum();
        if done < self.worlds.len() as u64 {
            return None;
        }
        let parts = std::mem::take(&mut self.came).into_values();
        Some((self.end(), parts.fold(Summary::default(), Summary::merge)))
    }

    /// The generation is over; its positions.
    pub(super) fn end(&mut self) -> Range<u64> {
        let positions = self.from..self.from + self.worlds.len() as u64;
        self.worlds.clear();
        (self.from, self.next_seed) = (positions.end, self.guide.next_seed());
        positions
    }
}

impl Ledger {
    /// A guided search is taken past a generation that the journal has. `false`: it is not the next.
    pub(super) fn search_again(&mut self, positions: &Range<u64>) -> bool {
        let Some(search) = &mut self.search else { return true };
        let from = self.done.end();
        if *positions != (from..self.layout.end_of_stretch(from)) {
            return false;
        }
        search.begin(&self.summary.corpus, positions.end - from);
        search.end() == *positions
    }

    /// The next worlds of a guided search.
    pub(super) fn take_of_generation(&mut self) -> Next {
        let Some(search) = &mut self.search else { return Next::Nothing };
        if search.is_between() {
            let left = self.layout.seeds_of_block() - self.done.end();
            if self.is_ending || left == 0 {
                return Next::Nothing;
            }
            search.begin(&self.summary.corpus, left);
        }
        let Some((positions, seeds)) = search.take() else { return Next::Wait };
        Next::Run(Task { place: self.layout.place(positions.start), positions, seeds })
    }
}
