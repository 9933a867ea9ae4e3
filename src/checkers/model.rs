//! The reference model: every version that every key ever had.
//!
//! A version is the number of the commit that made it and the value, or nothing for a delete.
//! Deleting a key that is absent makes no version: nobody could tell.

use crate::workload::{KeyId, KeyRange, ValueId};

/// One version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The commit that made it.
    pub seq: u64,
    /// The value; `None` for a deleted key.
    pub value: Option<ValueId>,
}

/// All versions of all keys, in commit order.
#[derive(Debug, Default)]
pub struct Model {
    keys: Vec<Vec<Version>>,
}

impl Model {
    pub(super) fn reset(&mut self) {
        self.keys.iter_mut().for_each(Vec::clear);
    }

    /// The newest version of `key` that commit `seq` shows; `None` if the key was never written
    /// up to there.
    #[must_use]
    pub fn at(&self, key: KeyId, seq: u64) -> Option<Version> {
        let versions = self.keys.get(usize::from(key.0))?;
        match versions.last() {
            Some(last) if last.seq <= seq => Some(*last),
            _ => versions[..versions.partition_point(|version| version.seq <= seq)].last().copied(),
        }
    }

    /// Every state that `key` was in from commit `first` to commit `last`, oldest first: its
    /// newest version at `first`, and each later one.
    pub fn states(
        &self,
        key: KeyId,
        first: u64,
        last: u64,
    ) -> impl DoubleEndedIterator<Item = Option<Version>> + '_ {
        let versions = self.keys.get(usize::from(key.0)).map_or(&[][..], Vec::as_slice);
        let begin = versions.partition_point(|version| version.seq <= first);
        let end = versions.partition_point(|version| version.seq <= last).max(begin);
        let later = versions[begin..end].iter().map(|version| Some(*version));
        std::iter::once(self.at(key, first)).chain(later)
    }

    /// The newest version of `key`.
    #[must_use]
    pub fn latest(&self, key: KeyId) -> Option<Version> {
        self.keys.get(usize::from(key.0))?.last().copied()
    }

    /// Whether `key` has a value now.
    #[must_use]
    pub fn is_present(&self, key: KeyId) -> bool {
        self.latest(key).is_some_and(|version| version.value.is_some())
    }

    /// All keys of `range` that were ever written, in order.
    pub fn written_keys(&self, range: KeyRange) -> impl Iterator<Item = KeyId> + '_ {
        let end = range.end.map_or(self.keys.len(), |end| usize::from(end.0)).min(self.keys.len());
        (usize::from(range.start.0)..end)
            .filter(|&key| !self.keys[key].is_empty())
            .map(|key| KeyId(key as u16))
    }

    /// The keys of `range` that have a value at commit `seq`, with their versions, in order.
    pub fn scan(&self, range: KeyRange, seq: u64) -> impl Iterator<Item = (KeyId, Version)> + '_ {
        self.written_keys(range)
            .filter_map(move |key| self.at(key, seq).map(|version| (key, version)))
            .filter(|(_, version)| version.value.is_some())
    }

    pub(super) fn apply(&mut self, key: KeyId, version: Version) {
        let index = usize::from(key.0);
        if index >= self.keys.len() {
            self.keys.resize_with(index + 1, Vec::new);
        }
        self.keys[index].push(version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let mut model = Model::default();
        for (seq, value) in [(2, Some(ValueId(20))), (5, None), (9, Some(ValueId(90)))] {
            model.apply(KeyId(1), Version { seq, value });
        }
        model.apply(KeyId(3), Version { seq: 4, value: Some(ValueId(40)) });
        model
    }

    #[test]
    fn a_key_has_the_newest_version_up_to_the_commit() {
        let model = model();
        let value = |seq| model.at(KeyId(1), seq).map(|version| version.value);
        assert_eq!(value(1), None);
        assert_eq!(value(2), Some(Some(ValueId(20))));
        assert_eq!(value(4), Some(Some(ValueId(20))));
        assert_eq!(value(5), Some(None));
        assert_eq!(value(100), Some(Some(ValueId(90))));
        assert_eq!(model.at(KeyId(77), 100), None);
    }

    #[test]
    fn the_states_of_a_key_begin_with_the_one_it_was_in() {
        let model = model();
        let states = |key, first, last| {
            let states = model.states(KeyId(key), first, last);
            states.map(|version| version.map(|version| version.seq)).collect::<Vec<_>>()
        };
        assert_eq!(states(1, 0, 9), [None, Some(2), Some(5), Some(9)]);
        assert_eq!(states(1, 2, 8), [Some(2), Some(5)]);
        assert_eq!(states(77, 1, 9), [None]);
    }

    #[test]
    fn a_scan_shows_present_keys_in_order() {
        let keys = |seq| model().scan(KeyRange::ALL, seq).map(|(key, _)| key.0).collect::<Vec<_>>();
        assert_eq!(keys(1), [] as [u16; 0]);
        assert_eq!(keys(4), [1, 3]);
        assert_eq!(keys(5), [3]);
        assert_eq!(keys(9), [1, 3]);
    }
}
