//! Random numbers for the workload: SplitMix64 (Steele, Lea, Flood 2014), from a seed.
//!
//! A run is not reproducible, because the operating system schedules it; the seed only makes the
//! mix of operations the same. The ids of `manifest-core` come from the operating system.

/// A generator.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// One that differs for every process, life and task.
    pub(crate) fn new(parts: &[u64]) -> Self {
        let mut random = Self(0x9e37_79b9_7f4a_7c15);
        for part in parts {
            random.0 = random.next() ^ part;
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
