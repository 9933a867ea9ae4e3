//! The keys and values of a manifest in memory, in as many versions as somebody still needs.
//!
//! Every key has its newest version and, while a live snapshot could still read them, older ones.
//! A snapshot is a number (the seq up to which it sees) that is registered here: taking one costs
//! O(1), a commit costs O(operations x log keys), and the question of validation, "was this
//! changed after seq b?", is one look-up.
//!
//! A delete leaves a mark (a version without a value) as long as a snapshot older than it lives,
//! since that snapshot's transaction must see the conflict. Deleting what is absent changes
//! nothing, leaves no mark and conflicts with nobody.
//!
//! What outlives its readers is found again through a queue in order of seq, so cleaning up costs
//! each version once, not each commit a walk over all keys.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::format::checkpoint::EntryView;
use crate::format::record::{Op, OpView};
use crate::range::KeyRange;

/// A value and the commit that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// The seq of the commit that wrote it; 0 for a write of the asking transaction itself,
    /// which has no seq yet.
    pub seq: u64,
}

/// What a commit made of a key. `None` is absent.
#[derive(Debug, Clone)]
struct Version {
    seq: u64,
    value: Option<Bytes>,
}

#[derive(Debug)]
struct Versions {
    latest: Version,
    /// In order of seq, all before `latest`; empty unless snapshots need them.
    older: Vec<Version>,
}

/// All keys, and the snapshots that read them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Bytes, Versions>,
    /// Live snapshots: seq and how many, in order of seq.
    live: VecDeque<(u64, usize)>,
    /// Keys to clean up once no snapshot below that seq lives, in order of seq.
    outdated: VecDeque<(u64, Bytes)>,
}

impl Index {
    /// Registers a snapshot. `seq` is the newest there is or that of a live snapshot.
    pub(crate) fn acquire(&mut self, seq: u64) {
        match self.live.back_mut() {
            Some((newest, count)) if *newest == seq => *count += 1,
            _ => match self.live.binary_search_by_key(&seq, |(at, _)| *at) {
                Ok(found) => self.live[found].1 += 1,
                Err(place) => self.live.insert(place, (seq, 1)),
            },
        }
    }

    /// Unregisters a snapshot.
    pub(crate) fn release(&mut self, seq: u64) {
        let Ok(found) = self.live.binary_search_by_key(&seq, |(at, _)| *at) else {
            return;
        };
        self.live[found].1 -= 1;
        if self.live[found].1 == 0 {
            self.live.remove(found);
            if found == 0 {
                self.clean_up();
            }
        }
    }

    /// The oldest live snapshot.
    fn oldest(&self) -> u64 {
        self.live.front().map_or(u64::MAX, |(seq, _)| *seq)
    }

    /// Whether a live snapshot is older than `seq`.
    fn needed_before(&self, seq: u64) -> bool {
        self.oldest() < seq
    }

    /// Forgets the versions that no live snapshot can read any more.
    fn clean_up(&mut self) {
        let oldest = self.oldest();
        while self.outdated.front().is_some_and(|(seq, _)| *seq <= oldest) {
            let Some((_, key)) = self.outdated.pop_front() else {
                break;
            };
            let Some(versions) = self.keys.get_mut(&key) else {
                continue;
            };
            // The last version at or below `oldest` is the one that snapshot reads.
            if versions.latest.seq <= oldest {
                versions.older.clear();
                if versions.latest.value.is_none() {
                    self.keys.remove(&key);
                }
            } else {
                let keep = versions.older.partition_point(|v| v.seq <= oldest).saturating_sub(1);
                versions.older.drain(..keep);
            }
        }
    }

    fn visible(versions: &Versions, at: u64) -> Option<Entry> {
        let version = if versions.latest.seq <= at {
            &versions.latest
        } else {
            let count = versions.older.partition_point(|v| v.seq <= at);
            &versions.older[count.checked_sub(1)?]
        };
        let value = version.value.clone()?;
        Some(Entry { value, seq: version.seq })
    }

    /// The key's value as the snapshot at `at` sees it.
    pub(crate) fn get(&self, key: &[u8], at: u64) -> Option<Entry> {
        Self::visible(self.keys.get(key)?, at)
    }

    fn range<'a>(&'a self, range: &KeyRange) -> impl Iterator<Item = (&'a Bytes, &'a Versions)> {
        self.keys.range::<[u8], _>(range.bounds())
    }

    /// The keys and values of a range as the snapshot at `at` sees them, in order of keys.
    pub(crate) fn scan<'a>(
        &'a self,
        range: &KeyRange,
        at: u64,
    ) -> impl Iterator<Item = (&'a Bytes, Entry)> {
        self.range(range).filter_map(move |(key, v)| Some((key, Self::visible(v, at)?)))
    }

    /// The commit after `base` that changed the key, if there is one.
    pub(crate) fn changed_since(&self, key: &[u8], base: u64) -> Option<u64> {
        let seq = self.keys.get(key)?.latest.seq;
        (seq > base).then_some(seq)
    }

    /// The first key of the range that was changed after `base`, and the commit that did.
    pub(crate) fn range_changed_since(&self, range: &KeyRange, base: u64) -> Option<(Bytes, u64)> {
        let (key, versions) = self.range(range).find(|(_, v)| v.latest.seq > base)?;
        Some((key.clone(), versions.latest.seq))
    }

    /// Whether the key has a value now.
    pub(crate) fn is_present(&self, key: &[u8]) -> bool {
        self.keys.get(key).is_some_and(|v| v.latest.value.is_some())
    }

    /// The keys of the range that have a value now.
    pub(crate) fn present<'a>(&'a self, range: &KeyRange) -> impl Iterator<Item = &'a Bytes> {
        self.range(range).filter(|(_, v)| v.latest.value.is_some()).map(|(key, _)| key)
    }

    /// Applies an operation of commit `seq`, which is newer than all that were applied.
    pub(crate) fn apply(&mut self, op: Op, seq: u64) {
        match op {
            Op::Put { key, value } => self.put(key, seq, value),
            Op::Delete { key } => self.delete(&key, seq),
            Op::DeleteRange { start, end } => self.delete_range(&start, end.as_deref(), seq),
        }
    }

    /// The same from encoded bytes. Keys and values are copied, so that a small value does not
    /// keep a whole head in memory.
    pub(crate) fn apply_view(&mut self, op: OpView<'_>, seq: u64) {
        match op {
            OpView::Put { key, value } => {
                let value = Bytes::copy_from_slice(value);
                match self.keys.get_mut(key) {
                    Some(versions) => {
                        let version = Version { seq, value: Some(value) };
                        if versions.replace(version, self.live.back()) {
                            self.outdated.push_back((seq, Bytes::copy_from_slice(key)));
                        }
                    }
                    None => self.put_new(Bytes::copy_from_slice(key), seq, value),
                }
            }
            OpView::Delete { key } => self.delete(key, seq),
            OpView::DeleteRange { start, end } => self.delete_range(start, end, seq),
        }
    }

    /// Becomes what a checkpoint at `upto` says. `held` is the newest seq that was applied. A key
    /// that the checkpoint does not have was deleted in between: no later than at `upto`, which is
    /// what is noted, because nothing tells when.
    pub(crate) fn skip_to<'a>(
        &mut self,
        entries: impl Iterator<Item = EntryView<'a>>,
        held: u64,
        upto: u64,
    ) {
        let mut new: Vec<EntryView<'_>> = Vec::new();
        let mut deleted: Vec<Bytes> = Vec::new();
        let mut present = self
            .keys
            .iter()
            .filter(|(_, versions)| versions.latest.value.is_some())
            .map(|(key, _)| key)
            .peekable();
        for entry in entries {
            while let Some(key) = present.next_if(|key| ***key < *entry.key) {
                deleted.push(key.clone());
            }
            present.next_if(|key| ***key == *entry.key);
            if entry.seq > held {
                new.push(entry);
            }
        }
        deleted.extend(present.cloned());
        new.sort_by_key(|entry| entry.seq);
        for EntryView { key, seq, value } in new {
            self.apply_view(OpView::Put { key, value }, seq);
        }
        for key in deleted {
            self.delete(&key, upto);
        }
    }

    fn put(&mut self, key: Bytes, seq: u64, value: Bytes) {
        match self.keys.get_mut(&key) {
            Some(versions) => {
                if versions.replace(Version { seq, value: Some(value) }, self.live.back()) {
                    self.outdated.push_back((seq, key));
                }
            }
            None => self.put_new(key, seq, value),
        }
    }

    fn put_new(&mut self, key: Bytes, seq: u64, value: Bytes) {
        let latest = Version { seq, value: Some(value) };
        self.keys.insert(key, Versions { latest, older: Vec::new() });
    }

    fn delete(&mut self, key: &[u8], seq: u64) {
        if !self.needed_before(seq) {
            self.keys.remove(key);
        } else if let Some(versions) = self.keys.get_mut(key)
            && versions.latest.value.is_some()
        {
            versions.replace(Version { seq, value: None }, self.live.back());
            self.outdated.push_back((seq, Bytes::copy_from_slice(key)));
        }
    }

    fn delete_range(&mut self, start: &[u8], end: Option<&[u8]>, seq: u64) {
        let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(start), upper);
        if !self.needed_before(seq) {
            let doomed = self.keys.range::<[u8], _>(range);
            let doomed: Vec<Bytes> = doomed.map(|(key, _)| key.clone()).collect();
            for key in doomed {
                self.keys.remove(&key);
            }
            return;
        }
        for (key, versions) in self.keys.range_mut::<[u8], _>(range) {
            if versions.latest.value.is_some() {
                versions.replace(Version { seq, value: None }, self.live.back());
                self.outdated.push_back((seq, key.clone()));
            }
        }
    }

    /// How many versions are held, delete marks included.
    #[cfg(test)]
    pub(crate) fn version_count(&self) -> usize {
        self.keys.values().map(|v| 1 + v.older.len()).sum()
    }
}

impl Versions {
    /// Makes `version` the newest. Returns whether the one before it was kept for a live
    /// snapshot, the newest of which is given.
    fn replace(&mut self, version: Version, newest_reader: Option<&(u64, usize)>) -> bool {
        let seq = version.seq;
        let before = std::mem::replace(&mut self.latest, version);
        // All snapshots are older than `seq`, so the newest one tells whether any can see
        // `before`. Within one commit the last operation wins: its earlier ones were never seen.
        let keep =
            before.seq < seq && newest_reader.is_some_and(|(reader, _)| *reader >= before.seq);
        if keep {
            self.older.push(before);
        }
        keep
    }
}
