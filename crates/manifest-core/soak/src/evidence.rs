//! All journals of a run, put together.

use std::collections::BTreeMap;
use std::path::Path;

use crate::journal::{self, Change, End, How, Line, Seen, Told};

/// A transaction, as its client knows it.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) began: u64,
    /// Who waited for it: one journal and one task.
    pub(crate) client: (usize, u32),
    pub(crate) id: String,
    pub(crate) reads: Vec<Seen>,
    pub(crate) writes: Vec<Change>,
    /// When it was answered, and what; nothing if the process died first.
    pub(crate) end: Option<(u64, End)>,
    /// What was told to those who asked later, and when.
    pub(crate) told: Vec<(u64, Told)>,
}

impl Op {
    /// Its place in the history, if its client was told.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        match self.end {
            Some((_, End::Committed { seq })) => Some(seq),
            _ => None,
        }
    }

    /// Whether its client was told that it is not committed.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.end, Some((_, End::Conflict | End::Refused { .. })))
    }
}

/// A strong read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) began: u64,
    pub(crate) at: u64,
    pub(crate) client: (usize, u32),
    pub(crate) seq: u64,
    pub(crate) reads: Vec<Seen>,
}

/// A state that was looked at.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) how: How,
    pub(crate) seq: u64,
    pub(crate) digest: String,
}

/// What all processes wrote down.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) ops: BTreeMap<String, Op>,
    pub(crate) reads: Vec<Read>,
    pub(crate) views: Vec<View>,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// Reads all journals.
///
/// # Errors
/// If one cannot be read or contradicts itself.
pub(crate) fn gather(work: &Path) -> Result<Evidence, String> {
    let folder = work.join("journals");
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut evidence = Evidence::default();
    let mut told = Vec::new();
    for (journal, path) in paths.iter().enumerate() {
        let lines = journal::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in lines {
            evidence.take(line, journal, &mut told).ok_or_else(|| {
                format!("{}: an outcome without an intent, or a second one", path.display())
            })?;
        }
    }
    for (op, at, status) in told {
        let op = evidence.ops.get_mut(&op).ok_or("a status of an operation that nobody sent")?;
        op.told.push((at, status));
    }
    Ok(evidence)
}

impl Evidence {
    fn take(
        &mut self,
        line: Line,
        journal: usize,
        told: &mut Vec<(String, u64, Told)>,
    ) -> Option<()> {
        match line {
            Line::Intent { began, op, task, id, reads, writes } => {
                let client = (journal, task);
                let new = Op { began, client, id, reads, writes, end: None, told: Vec::new() };
                return self.ops.insert(op, new).is_none().then_some(());
            }
            Line::Outcome { at, op, end } => {
                let op = self.ops.get_mut(&op)?;
                return op.end.replace((at, end)).is_none().then_some(());
            }
            Line::Resolved { at, op, status } => told.push((op, at, status)),
            Line::Read { began, at, task, seq, reads } => {
                self.reads.push(Read { began, at, client: (journal, task), seq, reads });
            }
            Line::View { how, seq, digest, .. } => self.views.push(View { how, seq, digest }),
            Line::Count { what, times, .. } => *self.counts.entry(what).or_default() += times,
        }
        Some(())
    }
}
