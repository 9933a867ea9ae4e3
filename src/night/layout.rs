//! Stretches and blocks: how the seeds of a campaign are given out.
//!
//! ```text
//!   places     0 ........ 1 ........ 2 ........ 3 ........ 4 ....      of the campaign, in stretches
//!   block 1/2  ##########            ##########            ######
//!   block 2/2             ##########            ##########
//! ```
//! A campaign is cut into **stretches** of consecutive seeds, the same ones for everybody: their
//! length follows from the number of seeds alone. A stretch is what a worker takes at once and what
//! is counted at once. **Block I of N** is every N-th stretch, beginning with the I-th: blocks are
//! disjoint and together exactly the whole, and a campaign without an end has blocks too.
//!
//! The stretches of a guided search are its generations. It has one block only, since each generation
//! is chosen from all that were before.
//!
//! Inside a block seeds are numbered without gaps, by *positions*: what is done is then one long
//! span whichever block it is.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spans::Spans;
use crate::guided::{GENERATION, WORLDS_MAX};

/// The longest stretch, in seeds: about a second of one worker.
pub const STRETCH_MAX: u64 = 1000;

/// A campaign has about so many stretches, unless they would be too long.
const STRETCHES: u64 = 256;

/// One of several parts of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Which one, from 1.
    index: u64,
    /// How many there are.
    count: u64,
}

impl Block {
    /// The whole campaign.
    pub const WHOLE: Block = Block { index: 1, count: 1 };

    /// The most blocks of a campaign.
    pub const COUNT_MAX: u64 = 1_000_000;

    /// Whether it is the whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == 1
    }

    /// Whether this is another block of the same cut: they have no seed in common.
    #[must_use]
    pub fn is_sibling_of(&self, other: &Block) -> bool {
        self.count == other.count && self.index != other.index
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Why a text is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a block is written I/N, with I from 1 to N and N at most {}: 3/8 is the third of eight",
    Block::COUNT_MAX
)]
pub struct BlockError;

impl FromStr for Block {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Block, BlockError> {
        let (index, count) = text.split_once('/').ok_or(BlockError)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| BlockError);
        let block = Block { index: number(index)?, count: number(count)? };
        let is_sound = (1..=block.count).contains(&block.index) && block.count <= Block::COUNT_MAX;
        if is_sound { Ok(block) } else { Err(BlockError) }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Block, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How many seeds a campaign has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Seeds(u64),
    /// As many as there are from the first one on; somebody else ends it.
    Endless,
}

/// Where the seeds of a block are in its campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    seeds: u64,
    stretch: u64,
    block: Block,
}

impl Layout {
    /// The layout of a block of a campaign that begins at this seed.
    #[must_use]
    pub fn new(first_seed: u64, extent: Extent, block: Block) -> Layout {
        match extent {
            Extent::Seeds(seeds) => {
                let stretch = seeds.div_ceil(STRETCHES).clamp(1, STRETCH_MAX);
                Layout { seeds, stretch, block }
            }
            Extent::Endless => Layout { seeds: u64::MAX - first_seed, stretch: STRETCH_MAX, block },
        }
    }

    /// The layout of a guided campaign: its stretches are its generations, and worlds, each with its
    /// number, stand for seeds. It can only be run whole.
    #[must_use]
    pub fn of_generations(first_seed: u64, extent: Extent, block: Block) -> Layout {
        let seeds = match extent {
            Extent::Seeds(worlds) => worlds,
            Extent::Endless => u64::MAX - first_seed,
        };
        Layout { seeds: seeds.min(WORLDS_MAX), stretch: GENERATION, block }
    }

    /// Seeds of the block.
    #[must_use]
    pub fn seeds_of_block(&self) -> u64 {
        let stretches = self.seeds.div_ceil(self.stretch);
        let Some(after) = stretches.checked_sub(self.block.index) else { return 0 };
        let mine = after / self.block.count + 1;
        // The last stretch of the campaign may be short, and then it is the last of its block.
        let has_last = after.is_multiple_of(self.block.count);
        let missing = u128::from(stretches) * u128::from(self.stretch) - u128::from(self.seeds);
        let full = u128::from(mine) * u128::from(self.stretch);
        (full - if has_last { missing } else { 0 }) as u64
    }

    /// The place in the campaign of the seed at a position of the block.
    #[must_use]
    pub fn place(&self, position: u64) -> u64 {
        let (number, offset) = (position / self.stretch, position % self.stretch);
        let stretch = number * self.block.count + (self.block.index - 1);
        stretch * self.stretch + offset
    }

    /// The end of the stretch in which a position lies, as a position.
    #[must_use]
    pub fn end_of_stretch(&self, position: u64) -> u64 {
        let end = (position / self.stretch).saturating_add(1).saturating_mul(self.stretch);
        end.min(self.seeds_of_block())
    }

    /// The places in the campaign of these positions, stretch by stretch, those of neighbouring
    /// stretches joined.
    #[must_use]
    pub fn places(&self, positions: &Spans) -> Spans {
        if self.block.is_whole() {
            return positions.clone();
        }
        let mut places = Spans::default();
        for span in positions.iter() {
            let mut from = span.start;
            while from < span.end {
                let to = self.end_of_stretch(from).clamp(from + 1, span.end);
                places.insert(self.place(from)..self.place(from) + (to - from));
                from = to;
            }
        }
        places
    }

    /// The places of what lies within one stretch of the block.
    #[must_use]
    pub fn stretch_places(&self, positions: &Range<u64>) -> Range<u64> {
        let start = self.place(positions.start);
        start..start + (positions.end - positions.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_reads_as_it_is_written() {
        for text in ["1/1", "3/8", "1000000/1000000"] {
            assert_eq!(text.parse::<Block>().expect("a block").to_string(), text);
        }
        for text in ["", "0/8", "9/8", "1/0", "1", "a/b", "1/1000001", "-1/3", "1/2/3"] {
            assert_eq!(text.parse::<Block>(), Err(BlockError), "{text}");
        }
    }

    #[test]
    fn a_campaign_without_an_end_has_blocks_as_well() {
        let block = "2/3".parse().expect("a block");
        let layout = Layout::new(42, Extent::Endless, block);
        assert_eq!([0, 999, 1000].map(|position| layout.place(position)), [1000, 1999, 4000]);
        assert!(layout.seeds_of_block() > u64::MAX / 4);
        assert_eq!(layout.end_of_stretch(1500), 2000);
    }

    proptest! {
        #[test]
        fn blocks_are_disjoint_and_together_the_whole(seeds in 1u64..5000, count in 1u64..12) {
            let mut seen = vec![0; seeds as usize];
            for index in 1..=count {
                let layout = Layout::new(7, Extent::Seeds(seeds), Block { index, count });
                let mine = layout.seeds_of_block();
                for position in 0..mine {
                    seen[layout.place(position) as usize] += 1;
                }
                let mut all = Spans::default();
                all.insert(0..mine);
                prop_assert_eq!(layout.places(&all).count(), mine);
            }
            prop_assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
        }
    }
}
