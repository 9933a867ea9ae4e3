//! Deltas: what a run of commits changes, as one sorted layer.
//!
//! Later operations on a key win within the run. Deletes stay as marks, because the key may be in
//! an older layer, and range deletes stay as ranges. A merged segment is such a delta, and so is
//! each layer that a pinned session reads.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::format::CommitId;
use crate::format::merged::{Delta, MergedKey, MergedRange};
use crate::format::record::{self, OpView};
use crate::format::segment::{Segment, SegmentBodyView};
use crate::planted::{Bugs, PlantedBug};
use crate::state::delta_ops;

/// A delta in the making. Commits are added in order of their seqs.
#[derive(Debug, Default)]
pub(crate) struct DeltaBuilder {
    keys: BTreeMap<Bytes, (u64, Option<Bytes>)>,
    ranges: Vec<MergedRange>,
    commits: Vec<(CommitId, u64)>,
}

impl DeltaBuilder {
    /// Adds a run of verified records.
    pub(crate) fn add_run(&mut self, run: &[u8]) {
        for record in record::verified(run) {
            for op in record.ops() {
                self.add(op, record.seq);
            }
            self.commits.push((record.id, record.seq));
        }
    }

    /// Adds a whole segment.
    pub(crate) fn add_segment(&mut self, segment: &Segment) {
        match segment.body() {
            SegmentBodyView::Records(run) => self.add_run(run),
            SegmentBodyView::Merged(delta) => {
                for (op, seq) in delta_ops(delta) {
                    self.add(op, seq);
                }
                self.commits.extend_from_slice(&delta.commits);
            }
        }
    }

    fn add(&mut self, op: OpView<'_>, seq: u64) {
        let copy = Bytes::copy_from_slice;
        match op {
            OpView::Put { key, value } => {
                self.keys.insert(copy(key), (seq, Some(copy(value))));
            }
            OpView::Delete { key } => {
                self.keys.insert(copy(key), (seq, None));
            }
            OpView::DeleteRange { start, end } => {
                // What the range covers is deleted by the range.
                let range = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
                let covered = self.keys.range::<[u8], _>(range);
                let covered: Vec<Bytes> = covered.map(|(key, _)| key.clone()).collect();
                for key in covered {
                    self.keys.remove(&key);
                }
                self.ranges.push(MergedRange { seq, start: copy(start), end: end.map(copy) });
            }
        }
    }

    /// The delta as a merged segment holds it.
    pub(crate) fn finish_merge(self, bugs: Bugs) -> Delta {
        let mut delta = self.finish();
        if bugs.is(PlantedBug::TombstoneDrop) {
            delta.keys.retain(|entry| entry.value.is_some());
            delta.ranges.clear();
        }
        if bugs.is(PlantedBug::MergeForgetsRanges) {
            delta.ranges.clear();
        }
        if bugs.is(PlantedBug::MergeOrderReversed) {
            // What was added last is older; the format wants both in order.
            delta.ranges.sort_by_key(|range| range.seq);
            delta.commits.sort_by_key(|(_, seq)| *seq);
        }
        delta
    }

    pub(crate) fn finish(self) -> Delta {
        let keys = self.keys.into_iter();
        let keys = keys.map(|(key, (seq, value))| MergedKey { key, seq, value });
        Delta { keys: keys.collect(), ranges: self.ranges, commits: self.commits }
    }
}

/// What a layer says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: an older layer decides.
    Nothing,
    Deleted,
    Value(u64, Bytes),
}

/// What a delta says of a key. Whatever a range delete covered is not among the keys any more, so a
/// key that is there came after all of them.
pub(crate) fn say(delta: &Delta, key: &[u8]) -> Said {
    if let Ok(found) = delta.keys.binary_search_by(|held| (*held.key).cmp(key)) {
        let held = &delta.keys[found];
        return match &held.value {
            Some(value) => Said::Value(held.seq, value.clone()),
            None => Said::Deleted,
        };
    }
    let covers = |range: &MergedRange| {
        *range.start <= *key && range.end.as_ref().is_none_or(|end| key < &end[..])
    };
    if delta.ranges.iter().any(covers) { Said::Deleted } else { Said::Nothing }
}
