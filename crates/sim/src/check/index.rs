//! From (key, value) to a small number, without a hash seed.
//!
//! Open addressing with a fixed mixing function: the same history gives the same table on every
//! machine, and nothing ever iterates over it.

use crate::history::{Key, Value};

/// A map from (key, value) to `u32`.
#[derive(Debug, Default)]
pub(crate) struct ValueIndex {
    entries: Vec<(u32, u32, u64)>,
    mask: usize,
    len: usize,
}

const EMPTY: u32 = u32::MAX;

impl ValueIndex {
    /// An index with room for `capacity` entries.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let size = (capacity * 2).next_power_of_two().max(16);
        ValueIndex {
            entries: vec![(EMPTY, 0, 0); size],
            mask: size - 1,
            len: 0,
        }
    }

    fn home(&self, key: Key, value: Value) -> usize {
        let mut mixed = value.0 ^ (u64::from(key.0) << 40);
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)) as usize & self.mask
    }

    fn find(&self, key: Key, value: Value) -> usize {
        let mut at = self.home(key, value);
        while self.entries[at].0 != EMPTY
            && self.entries[at] != (self.entries[at].0, key.0, value.0)
        {
            at = (at + 1) & self.mask;
        }
        at
    }

    /// What was stored under (key, value).
    pub(crate) fn get(&self, key: Key, value: Value) -> Option<u32> {
        let number = self.entries[self.find(key, value)].0;
        (number != EMPTY).then_some(number)
    }

    /// Stores `number` unless the pair has one already, which is then returned.
    pub(crate) fn insert(&mut self, key: Key, value: Value, number: u32) -> Option<u32> {
        if self.len * 2 >= self.entries.len() {
            self.grow();
        }
        let at = self.find(key, value);
        if self.entries[at].0 != EMPTY {
            return Some(self.entries[at].0);
        }
        self.entries[at] = (number, key.0, value.0);
        self.len += 1;
        None
    }

    fn grow(&mut self) {
        let mut larger = ValueIndex::with_capacity(self.entries.len());
        for &(number, key, value) in self.entries.iter().filter(|entry| entry.0 != EMPTY) {
            larger.insert(Key(key), Value(value), number);
        }
        *self = larger;
    }
}
