//! Which commit ids are in the history that this process has seen, and at which seq.
//!
//! It answers the two questions that keep a commit from entering twice: "is my commit in there?"
//! after an ambiguous PUT, and "what became of that id?" after a restart.

use std::collections::BTreeMap;

use crate::format::CommitId;

/// The ids of the visible history.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// For each writer its commits, wseq and seq, in order of wseq.
    writers: BTreeMap<u128, Vec<(u64, u64)>>,
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

    /// Where the commit is.
    pub(crate) fn seq_of(&self, id: CommitId) -> Option<u64> {
        let commits = self.writers.get(&id.writer)?;
        let found = commits.binary_search_by_key(&id.wseq, |(wseq, _)| *wseq).ok()?;
        Some(commits[found].1)
    }

    /// Whether the writer has a later commit than this one. A writer sends one batch at a time,
    /// on a base that only moves forward, and its ids enter in order: if a later one is in and
    /// this one is not, every base that this one was sent on is dead, and it can never enter.
    ///
    /// (One that waits for an earlier one of its batch lets later ones go first. If those enter,
    /// so does the one that it waits for, in the same head; then it is in conflict for ever.)
    pub(crate) fn is_passed(&self, id: CommitId) -> bool {
        let newest = self.writers.get(&id.writer).and_then(|commits| commits.last());
        newest.is_some_and(|(wseq, _)| *wseq > id.wseq)
    }
}
