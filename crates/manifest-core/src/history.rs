//! Which commit ids are in the history that this process has seen, and at which seq.
//!
//! It answers the two questions that keep a commit from entering twice: "is my commit in there?"
//! after an ambiguous PUT, and "what became of that id?" after a restart.
//!
//! Not all of history is visible for ever. A checkpoint names, of every writer that committed
//! lately, the newest commit before it and nothing else; and what is very old is forgotten. So an
//! answer can be "cannot tell", and it is given exactly when absence proves nothing.

use std::collections::BTreeMap;

use crate::format::CommitId;
use crate::format::checkpoint::LastCommit;

/// The ids of the visible history.
#[derive(Debug)]
pub(crate) struct History {
    /// For each writer its commits, wseq and seq, in order of wseq.
    writers: BTreeMap<u128, Vec<(u64, u64)>>,
    /// Every commit from this seq on is listed.
    complete_from: u64,
    /// Of every writer that committed at this seq or later, the newest commit before
    /// `complete_from` is listed. Never above `complete_from`.
    writers_from: u64,
}

/// What the history says of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is at this seq.
    At(u64),
    /// It is not in the history.
    Absent,
    /// It may be in a part of the history that is not visible.
    CannotTell,
}

impl Default for History {
    fn default() -> Self {
        Self { writers: BTreeMap::new(), complete_from: 1, writers_from: 1 }
    }
}

impl History {
    /// Remembers a commit.
    pub(crate) fn insert(&mut self, id: CommitId, seq: u64) {
        let commits = self.writers.entry(id.writer).or_default();
        // A correct writer's wseqs only grow; the order is kept whatever the log says, and of an
        // id that is in the log twice the first place counts.
        match commits.last() {
            Some((newest, _)) if *newest >= id.wseq => {
                if let Err(place) = commits.binary_search_by_key(&id.wseq, |(wseq, _)| *wseq) {
                    commits.insert(place, (id.wseq, seq));
                }
            }
            _ => commits.push((id.wseq, seq)),
        }
    }

    /// Where the commit is. It cannot be before `earliest`.
    ///
    /// A writer's ids enter in order. So one that would stand behind a commit that is listed, and
    /// is not listed itself, is nowhere: the first that is listed is the newest before
    /// `complete_from` or is in the complete part, and everything after it is complete.
    pub(crate) fn find(&self, id: CommitId, earliest: u64) -> Found {
        let Some(commits) = self.writers.get(&id.writer) else {
            return self.unless_hidden(earliest, self.writers_from);
        };
        match commits.binary_search_by_key(&id.wseq, |(wseq, _)| *wseq) {
            Ok(found) => Found::At(commits[found].1),
            Err(0) if commits[0].1 < self.complete_from => {
                self.unless_hidden(earliest, self.complete_from)
            }
            Err(0) => self.unless_hidden(earliest, self.writers_from),
            Err(_) => Found::Absent,
        }
    }

    /// Where a commit with the same number is, whoever made it (`dedup-by-wseq`).
    pub(crate) fn find_by_wseq(&self, id: CommitId) -> Found {
        let all = self.writers.values().flatten();
        let found = all.filter(|(wseq, _)| *wseq == id.wseq).map(|(_, seq)| *seq).max();
        found.map_or(Found::Absent, Found::At)
    }

    fn unless_hidden(&self, earliest: u64, visible_from: u64) -> Found {
        if earliest >= visible_from { Found::Absent } else { Found::CannotTell }
    }

    /// Whether the commit is not in the history for sure, and its writer has a later one. A writer
    /// sends one batch at a time, on a base that only moves forward, and its ids enter in order:
    /// then every base that this one was sent on is dead, and it can never enter.
    ///
    /// (One that waits for an earlier one of its batch lets later ones go first. If those enter,
    /// so does the one that it waits for, in the same head; then it is in conflict for ever.)
    pub(crate) fn is_passed(&self, id: CommitId) -> bool {
        let newest = self.writers.get(&id.writer).and_then(|commits| commits.last());
        newest.is_some_and(|(wseq, _)| *wseq > id.wseq) && self.find(id, 1) == Found::Absent
    }

    /// History up to `upto` was skipped: all that is known of it is what a checkpoint names, of
    /// writers that committed at `writers_from` or later.
    pub(crate) fn skip_to(&mut self, upto: u64, writers_from: u64, newest: &[LastCommit]) {
        let listed = newest.iter().map(|last| (last.writer, vec![(last.wseq, last.seq)]));
        self.writers = listed.collect();
        self.complete_from = upto + 1;
        self.writers_from = writers_from.min(upto + 1);
    }

    /// Forgets everything before `seq`.
    pub(crate) fn forget_before(&mut self, seq: u64) {
        if seq <= self.writers_from {
            return;
        }
        self.writers.retain(|_, commits| {
            let old = commits.partition_point(|(_, at)| *at < seq);
            commits.drain(..old);
            !commits.is_empty()
        });
        self.writers_from = seq;
        self.complete_from = self.complete_from.max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(writer: u128, wseq: u64) -> CommitId {
        CommitId { writer, wseq }
    }

    #[test]
    fn a_complete_history_always_tells() {
        let mut history = History::default();
        history.insert(id(1, 1), 1);
        history.insert(id(1, 3), 2);
        assert_eq!(history.find(id(1, 1), 1), Found::At(1));
        assert_eq!(history.find(id(1, 2), 1), Found::Absent);
        assert_eq!(history.find(id(2, 1), 1), Found::Absent);
        assert!(history.is_passed(id(1, 2)) && !history.is_passed(id(1, 4)));
    }

    #[test]
    fn behind_a_checkpoint_only_the_newest_of_each_writer_is_known() {
        let mut history = History::default();
        let newest = [LastCommit { writer: 1, wseq: 5, seq: 40 }];
        history.skip_to(50, 30, &newest);
        history.insert(id(1, 7), 51);
        assert_eq!(history.find(id(1, 5), 1), Found::At(40));
        assert_eq!(history.find(id(1, 6), 1), Found::Absent, "between two that are listed");
        assert_eq!(history.find(id(1, 4), 1), Found::CannotTell, "folded away");
        assert!(!history.is_passed(id(1, 4)));
        assert_eq!(history.find(id(2, 9), 1), Found::CannotTell, "may have committed before 30");
        assert_eq!(history.find(id(2, 9), 30), Found::Absent, "would be listed");
        history.insert(id(3, 2), 52);
        assert_eq!(history.find(id(3, 1), 1), Found::CannotTell);
        assert_eq!(history.find(id(3, 1), 30), Found::Absent);
    }

    #[test]
    fn what_is_forgotten_cannot_be_told() {
        let mut history = History::default();
        for seq in 1..10 {
            history.insert(id(u128::from(seq % 2), seq), seq);
        }
        history.forget_before(6);
        assert_eq!(history.find(id(0, 4), 1), Found::CannotTell);
        assert_eq!(history.find(id(0, 6), 1), Found::At(6));
        assert_eq!(history.find(id(0, 7), 1), Found::Absent);
        assert_eq!(history.find(id(9, 1), 6), Found::Absent);
        assert_eq!(history.find(id(9, 1), 5), Found::CannotTell);
    }
}
