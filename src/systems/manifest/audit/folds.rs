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
        for key in keys {
            let found = held.get(&key).copied();
            self.compare(&path, key, upto, found, self.truth(key, upto))?;
        }
        self.last_commits(&path, &checkpoint, upto)
    }

    /// A merged segment changes the state before it into the state after it.
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
        for key in keys {
            let found = merged.result(key, self.truth(key, before));
            self.compare(&path, key, reference.last, found, self.truth(key, reference.last))?;
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
    fn compare(
        &self,
        path: &str,
        key: KeyId,
        upto: u64,
        found: Visible,
        truth: Visible,
    ) -> Result<(), Broken> {
        if found == truth {
            return Ok(());
        }
        let show = |visible: Visible| match visible {
            None => String::from("nothing"),
            Some((seq, value)) => format!("{value} of commit {seq}"),
        };
        let what = format!(
            "root {} folds commits up to {upto} into {path}, which shows {} under {key}; the commits make it {}",
            self.version,
            show(found),
            show(truth)
        );
        // Something that was there before and is gone for good, or else something that is missing.
        let is_old = found.is_some_and(|(seq, value)| {
            self.judge.model().at(key, seq).is_some_and(|then| then.value == Some(value))
        });
        let missed = truth.is_some_and(|(seq, _)| found.is_none_or(|(old, _)| old < seq));
        let rule = if is_old && !missed { Rule::NothingReturns } else { Rule::FoldWhole };
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
