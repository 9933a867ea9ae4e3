//! What is folded must be what the commits make: compared with the model, which shares no code with
//! the folding.
//!
//! Checkpoints and merged segments are held to that when they are written, published or not: a fold
//! that was saved half done is wrong already if the next one that goes on from it would be. When a
//! root names one, it is only compared with what was written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Broken, Past};
use crate::checkers::{Judge, Rule};
use crate::systems::manifest::decode::folded::{Checkpoint, Merged};
use crate::systems::manifest::decode::{CheckpointRef, SegmentRef};
use crate::workload::{KeyId, KeyRange, ValueId};

/// The judge of what is folded.
pub(super) struct Folds<'a> {
    pub(super) history: &'a Past,
    pub(super) judge: &'a Judge,
}

/// What is folded, and which commits it shows a trace of.
struct Fold<'a> {
    path: &'a str,
    upto: u64,
    traces: BTreeSet<u64>,
}

/// What is visible of a key: the commit that wrote it, and the value.
type Visible = Option<(u64, ValueId)>;

impl Folds<'_> {
    fn truth(&self, key: KeyId, seq: u64) -> Visible {
        let version = self.judge.model().at(key, seq)?;
        Some((version.seq, version.value?))
    }

    /// A whole object was written that is a checkpoint or a merged segment.
    pub(super) fn written(&self, path: &str, body: &Bytes) -> Result<(), Broken> {
        let damaged = |problem| wrong(path, problem);
        if let Some(said) = CheckpointRef::said_by(body) {
            let checkpoint = Checkpoint::decode(body).map_err(damaged)?;
            return self.checkpoint(path, &said, &checkpoint);
        }
        if let Some(said) = SegmentRef::said_by_merged(body) {
            let merged = Merged::decode(body).map_err(damaged)?;
            return self.merged(path, &said, &merged);
        }
        Ok(())
    }

    /// A checkpoint holds the state after its commit, and says who committed last.
    fn checkpoint(
        &self,
        path: &str,
        reference: &CheckpointRef,
        checkpoint: &Checkpoint,
    ) -> Result<(), Broken> {
        if self.history.chain(reference.upto) != Some(reference.chain) {
            return Err(gap(path, "its chain hash is not that of its commit"));
        }
        let held: BTreeMap<KeyId, (u64, ValueId)> =
            checkpoint.entries.iter().map(|(key, seq, value)| (*key, (*seq, *value))).collect();
        let upto = reference.upto;
        let present = self.judge.model().scan(KeyRange::ALL, upto).map(|(key, _)| key);
        let keys: BTreeSet<KeyId> = present.chain(held.keys().copied()).collect();
        let traces = checkpoint.entries.iter().map(|(_, seq, _)| *seq).collect();
        let fold = Fold { path, upto, traces };
        for key in keys {
            self.compare(&fold, key, None, held.get(&key).copied())?;
        }
        self.last_commits(path, checkpoint, upto)
    }

    /// A merged segment changes each state between its first and its last commit into the state
    /// after it: a process that has seen a part of its commits applies the whole.
    fn merged(&self, path: &str, reference: &SegmentRef, merged: &Merged) -> Result<(), Broken> {
        let before = reference.first.saturating_sub(1);
        if self.history.chain(before) != Some(merged.chain_start) {
            return Err(gap(path, "it does not continue the chain"));
        }
        let written = self.judge.model().written_keys(KeyRange::ALL);
        let keys: BTreeSet<KeyId> = written.chain(merged.keys()).collect();
        let traces = merged.commits.iter().map(|(_, seq)| *seq).collect();
        let fold = Fold { path, upto: reference.last, traces };
        for key in keys {
            // The newest first: what makes even that wrong says more.
            let mut states = self.judge.model().states(key, before, reference.last);
            for state in states.next_back().into_iter().chain(states) {
                let held = state.and_then(|version| Some((version.seq, version.value?)));
                self.compare(&fold, key, held, merged.result(key, held))?;
            }
        }
        let seqs = merged.commits.iter().map(|(_, seq)| *seq);
        let ids = merged.commits.iter().all(|(id, seq)| self.id(*seq) == Some(*id));
        if !seqs.eq(reference.first..=reference.last) || !ids {
            return Err(gap(path, "it lists other commits than it holds"));
        }
        Ok(())
    }

    fn id(&self, seq: u64) -> Option<(u128, u64)> {
        self.history.ids.get(usize::try_from(seq).ok()?).copied()
    }

    /// What a fold shows of a key, over a state that showed `before`, must be what the commits show.
    fn compare(
        &self,
        fold: &Fold<'_>,
        key: KeyId,
        before: Visible,
        found: Visible,
    ) -> Result<(), Broken> {
        let truth = self.truth(key, fold.upto);
        if found == truth {
            return Ok(());
        }
        let show = |visible: Visible| match visible {
            None => String::from("nothing"),
            Some((seq, value)) => format!("{value} of commit {seq}"),
        };
        let what = format!(
            "{} folds commits up to {} and shows {} under {key}; the commits make it {}",
            fold.path,
            fold.upto,
            show(found),
            show(truth)
        );
        // An old value is back if the fold knows the commit that took it away. One that shows no
        // trace of that commit has a gap. A deletion leaves no trace of its own in a checkpoint, but
        // what came after it does. What makes a right state wrong is no gap either: something older
        // is laid over it.
        let model = self.judge.model();
        let is_old = found.is_some_and(|(seq, value)| {
            model.at(key, seq).is_some_and(|then| then.value == Some(value))
        });
        let is_known = model.at(key, fold.upto).is_some_and(|now| match now.value {
            Some(_) => fold.traces.contains(&now.seq),
            None => fold.traces.range(now.seq..).next().is_some(),
        });
        let undoes = truth.is_some() && before == truth;
        let rule = match (is_old || undoes) && is_known {
            true => Rule::NothingReturns,
            false => Rule::FoldWhole,
        };
        Err(Broken(rule, what))
    }

    /// The newest commit of every writer that committed lately.
    fn last_commits(&self, path: &str, checkpoint: &Checkpoint, upto: u64) -> Result<(), Broken> {
        let newest = self.history.last_commits(upto);
        let newest = newest.filter(|(_, (_, seq))| *seq >= checkpoint.dedup_from);
        let listed = checkpoint.last_commits.iter();
        let listed = listed.map(|((writer, wseq), seq)| (*writer, (*wseq, *seq)));
        if newest.eq(listed) {
            return Ok(());
        }
        let from = checkpoint.dedup_from;
        Err(gap(path, &format!("it does not name the last commits from {from} on")))
    }
}

fn wrong(path: &str, problem: &str) -> Broken {
    Broken(Rule::BytesIntact, format!("{path} was written, but {problem}"))
}

fn gap(path: &str, problem: &str) -> Broken {
    Broken(Rule::FoldWhole, format!("{path} is folded, and {problem}"))
}
