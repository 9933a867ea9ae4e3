//! Random words for the options of a world and for its strategy, used one by one.

use sim::{Draw, ProcessId, Site};

/// A small source of options: one draw after another, used word by word.
#[derive(Debug)]
pub(crate) struct Words {
    site: Site,
    draw: Draw,
    used: usize,
}

impl Words {
    /// Words of the world that are drawn at `site`.
    pub(super) fn at(site: Site) -> Self {
        Words { site, draw: draw_at(site), used: 0 }
    }

    pub(super) fn word(&mut self) -> u32 {
        if self.used == sim::DRAW_WORDS {
            *self = Words::at(self.site);
        }
        self.used += 1;
        self.draw.word(self.used - 1)
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        sim::scale(self.word(), bound)
    }

    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u32) as usize]
    }

    /// A number between `low` and `high` whose order of magnitude is uniform.
    pub(crate) fn spread(&mut self, low: u32, high: u32) -> u32 {
        let octaves = (high / low).max(1).ilog2() + 1;
        let octave = self.below(octaves);
        let start = low << octave;
        (start + self.below(start)).min(high)
    }
}

/// One draw of the world.
pub(super) fn draw_at(site: Site) -> Draw {
    sim::draw(ProcessId::WORLD, site)
}
