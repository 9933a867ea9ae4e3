//! What a fold publishes must be what the commits make: compared with the model, which shares no
//! code with the folding.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Broken, Past};
use crate::checkers::{Judge, Rule};
use crate::systems::manifest::decode::folded::{Checkpoint, Merged};
use crate::systems::manifest::decode::{CheckpointRef, Folder, SegmentRef};
use crate::workload::{KeyId, KeyRange, ValueId};

/// The judge of what one root folds.
pub(super) struct Folds<'a> {
    pub(super) history: &'a Past,
    pub(super) judge: &'a Judge,
    pub(super) version: u64,
}

/// What is folded, and the newest commit of which it shows a trace.
struct Fold<'a> {
    path: &'a str,
    upto: u64,
    newest: u64,
}

/// What is visible of a key: the commit that wrote it, and the value.
type Visible = Option<(u64, ValueId)>;

impl Folds<'_> {
    fn wrong(&self, path: &str, what: &str) -> Broken {
        let version = self.version;
        Broken(Rule::ReferencesExist, format!("root {version} names {path}, but {what}"))
    }

    fn truth(&self, key: KeyId, seq: u64) -> Visible {
        let version = self.judge.model().at(key, seq)?;
        Some((version.seq, version.value?))
    }

    /// A checkpoint holds the state after its commit, and says who committed last.
    pub(super) fn checkpoint(
        &self,
        reference: &CheckpointRef,
        body: Option<&Bytes>,
    ) -> Result<(), Broken> {
        let path = reference.name.path(Folder::Checkpoints);
        let body = body.ok_or_else(|| self.wrong(&path, "it does not exist"))?;
        let read = Checkpoint::decode(body, reference);
        let checkpoint = read.map_err(|problem| self.wrong(&path, problem))?;
        if self.history.chain(reference.upto) != Some(reference.chain) {
            return Err(self.wrong(&path, "its chain hash is not that of its commit"));
        }
        let held: BTreeMap<KeyId, (u64, ValueId)> =
            checkpoint.entries.iter().map(|(key, seq, value)| (*key, (*seq, *value))).collect();
        let upto = reference.upto;
        let present = self.judge.model().scan(KeyRange::ALL, upto).map(|(key, _)| key);
        let keys: std::collections::BTreeSet<KeyId> = present.chain(held.keys().copied()).collect();
        let entries = checkpoint.entries.iter().map(|(_, seq, _)| *seq);
        let commits = checkpoint.last_commits.iter().map(|(_, seq)| *seq);
        let fold = Fold { path: &path, upto, newest: entries.chain(commits).max().unwrap_or(0) };
        for key in keys {
            self.compare(&fold, key, held.get(&key).copied())?;
        }
        self.last_commits(&path, &checkpoint, upto)
    }

    /// A merged segment changes each state between its first and its last commit into the state
    /// after it: a process that has seen a part of its commits applies the whole.
    pub(super) fn merged(
        &self,
        reference: &SegmentRef,
        body: Option<&Bytes>,
    ) -> Result<(), Broken> {
        let path = reference.name.path(Folder::Segments);
        let body = body.ok_or_else(|| self.wrong(&path, "it does not exist"))?;
        let read = Merged::decode(body, reference);
        let merged = read.map_err(|problem| self.wrong(&path, problem))?;
        let before = reference.first - 1;
        if self.history.chain(before) != Some(merged.chain_start) {
            return Err(self.wrong(&path, "it does not continue the chain"));
        }
        let written = self.judge.model().written_keys(KeyRange::ALL);
        let keys: std::collections::BTreeSet<KeyId> = written.chain(merged.keys()).collect();
        let newest = merged.commits.iter().map(|(_, seq)| *seq).max().unwrap_or(0);
        let fold = Fold { path: &path, upto: reference.last, newest };
        for key in keys {
            for state in self.judge.model().states(key, before, reference.last) {
                let held = state.and_then(|version| Some((version.seq, version.value?)));
                self.compare(&fold, key, merged.result(key, held))?;
            }
        }
        let seqs = merged.commits.iter().map(|(_, seq)| *seq);
        let ids = merged.commits.iter().all(|(id, seq)| self.id(*seq) == Some(*id));
        if !seqs.eq(reference.first..=reference.last) || !ids {
            let what = format!("root {} names {path}, which lists other commits", self.version);
            return Err(Broken(Rule::FoldWhole, what));
        }
        Ok(())
    }

    fn id(&self, seq: u64) -> Option<(u128, u64)> {
        self.history.ids.get(usize::try_from(seq).ok()?).copied()
    }

    /// What a fold shows of a key must be what the commits show.
    fn compare(&self, fold: &Fold<'_>, key: KeyId, found: Visible) -> Result<(), Broken> {
        let truth = self.truth(key, fold.upto);
        if found == truth {
            return Ok(());
        }
        let show = |visible: Visible| match visible {
            None => String::from("nothing"),
            Some((seq, value)) => format!("{value} of commit {seq}"),
        };
        let what = format!(
            "root {} folds commits up to {} into {}, which shows {} under {key}; the commits make it {}",
            self.version,
            fold.upto,
            fold.path,
            show(found),
            show(truth)
        );
        // An old value is back if the fold knows commits as new as the one that took it away.
        // A fold that knows none of them has a gap.
        let model = self.judge.model();
        let is_old = found.is_some_and(|(seq, value)| {
            model.at(key, seq).is_some_and(|then| then.value == Some(value))
        });
        let is_known = model.at(key, fold.upto).is_some_and(|now| now.seq <= fold.newest);
        let rule = match is_old && is_known && truth.is_none() {
            true => Rule::NothingReturns,
            false => Rule::FoldWhole,
        };
        Err(Broken(rule, what))
    }

    /// The newest commit of every writer that committed lately.
    fn last_commits(&self, path: &str, checkpoint: &Checkpoint, upto: u64) -> Result<(), Broken> {
        let mut newest: BTreeMap<u128, (u64, u64)> = BTreeMap::new();
        for seq in 1..=upto {
            if let Some((writer, wseq)) = self.id(seq) {
                newest.insert(writer, (wseq, seq));
            }
        }
        newest.retain(|_, (_, seq)| *seq >= checkpoint.dedup_from);
        let listed = checkpoint.last_commits.iter();
        let listed = listed.map(|((writer, wseq), seq)| (*writer, (*wseq, *seq)));
        if newest.into_iter().eq(listed) {
            return Ok(());
        }
        let what = format!(
            "root {} folds into {path}, which does not name the last commits from {} on",
            self.version, checkpoint.dedup_from
        );
        Err(Broken(Rule::FoldWhole, what))
    }
}
