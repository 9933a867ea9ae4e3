//! From (key, value) to a small number, without a hash seed.
//!
//! Values that parsers and simulations give out are small and mostly distinct, so most pairs live
//! in a plain table by value. The rest (large values, or one value under several keys) goes to
//! open addressing with a fixed mixing function: the same history gives the same table on every
//! machine, and nothing ever iterates over it.

use crate::history::{Key, Value};

const EMPTY: u32 = u32::MAX;

/// A map from (key, value) to `u32`.
#[derive(Debug, Default)]
pub(crate) struct ValueIndex {
    /// By value: the number, and the key that it is for.
    plain: Vec<(u32, u32)>,
    plain_max: usize,
    mixed: Vec<(u32, u32, u64)>,
    len: usize,
}

impl ValueIndex {
    /// An index for about `capacity` entries.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let plain_max = capacity.saturating_mul(4).max(64);
        let plain = Vec::with_capacity(capacity + 1);
        ValueIndex { plain, plain_max, mixed: vec![(EMPTY, 0, 0); 16], len: 0 }
    }

    fn find(&self, key: Key, value: Value) -> usize {
        let mask = self.mixed.len() - 1;
        let mut mix = value.0 ^ (u64::from(key.0) << 40);
        mix = (mix ^ (mix >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (mix ^ (mix >> 29)) as usize & mask;
        while self.mixed[at].0 != EMPTY && (self.mixed[at].1, self.mixed[at].2) != (key.0, value.0)
        {
            at = (at + 1) & mask;
        }
        at
    }

    /// What was stored under (key, value).
    #[inline]
    pub(crate) fn get(&self, key: Key, value: Value) -> Option<u32> {
        match self.plain.get(value.0 as usize) {
            Some(&(number, of)) if number != EMPTY && of == key.0 => return Some(number),
            Some(&(EMPTY, _)) => return None,
            _ => {}
        }
        let number = self.mixed[self.find(key, value)].0;
        (number != EMPTY).then_some(number)
    }

    /// Stores `number` unless the pair has one already, which is then returned.
    #[inline]
    pub(crate) fn insert(&mut self, key: Key, value: Value, number: u32) -> Option<u32> {
        if value.0 < self.plain_max as u64 {
            let at = value.0 as usize;
            if at >= self.plain.len() {
                self.plain.resize(at + 1, (EMPTY, 0));
            }
            match self.plain[at] {
                (EMPTY, _) => {
                    self.plain[at] = (number, key.0);
                    return None;
                }
                (other, of) if of == key.0 => return Some(other),
                _ => {}
            }
        }
        self.insert_mixed(key, value, number)
    }

    fn insert_mixed(&mut self, key: Key, value: Value, number: u32) -> Option<u32> {
        if self.len * 2 >= self.mixed.len() {
            let larger = vec![(EMPTY, 0, 0); self.mixed.len() * 4];
            let old = std::mem::replace(&mut self.mixed, larger);
            for entry in old.into_iter().filter(|entry| entry.0 != EMPTY) {
                let at = self.find(Key(entry.1), Value(entry.2));
                self.mixed[at] = entry;
            }
        }
        let at = self.find(key, value);
        if self.mixed[at].0 != EMPTY {
            return Some(self.mixed[at].0);
        }
        self.mixed[at] = (number, key.0, value.0);
        self.len += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_may_belong_to_many_keys() {
        let mut index = ValueIndex::with_capacity(4);
        for key in 0..100 {
            for value in [0, 7, 1 << 40, u64::MAX] {
                assert_eq!(index.insert(Key(key), Value(value), key), None);
                assert_eq!(index.insert(Key(key), Value(value), 1000), Some(key));
            }
        }
        assert_eq!(index.get(Key(42), Value(7)), Some(42));
        assert_eq!(index.get(Key(42), Value(u64::MAX)), Some(42));
        assert_eq!(index.get(Key(42), Value(8)), None);
        assert_eq!(index.get(Key(100), Value(7)), None);
    }
}
