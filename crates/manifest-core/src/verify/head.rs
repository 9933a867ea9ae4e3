//! What a head must be, beyond what decoding it verifies.
//!
//! Decoding verifies the digest and the shape. A head that was written by a correct process also
//! keeps these rules, and each of them is what an argument of the protocol rests on.

use std::collections::{BTreeMap, BTreeSet};

use object_store::path::Path;

use super::report::{OpenCost, Report, Summary};
use crate::format::directory::RetiredKind;
use crate::format::head::Head;
use crate::format::record::{RecordView, verified, verify_run};
use crate::format::{CommitId, ObjectName};
use crate::role::ROLE_NAME_LIMIT;

/// Versions and seqs up to here leave room to count on. Nobody gets there by committing.
pub(super) const PLAUSIBLE: u64 = 1 << 62;

/// What the head says, and what it costs to open.
pub(super) fn summary(head: &Head) -> Summary {
    let (header, directory) = (&head.header, &head.directory);
    let segments = directory.segments.iter().map(|it| u64::from(it.len)).sum::<u64>();
    let checkpoint = directory.checkpoint.map_or(0, |it| it.len);
    let head_bytes = head.bytes().len() as u64;
    let objects = directory.segments.len() as u32 + u32::from(directory.checkpoint.is_some());
    Summary {
        incarnation: header.incarnation,
        version: header.version,
        seq: header.next_seq.saturating_sub(1),
        head_bytes,
        tail_records: header.tail_count,
        segments: directory.segments.len(),
        checkpoint_seq: directory.checkpoint.map_or(0, |it| it.upto_seq),
        retired: directory.retired.len(),
        gate: header.gate,
        floor: header.floor,
        roles: directory.roles.iter().map(|it| (it.name.clone(), it.epoch)).collect(),
        open: OpenCost {
            requests: 1 + objects,
            rounds: 1 + u32::from(objects > 0),
            bytes: head_bytes.saturating_add(segments).saturating_add(checkpoint),
        },
    }
}

/// Whether the numbers of a head can be counted with.
pub(super) fn is_plausible(head: &Head) -> bool {
    head.header.version < PLAUSIBLE && head.header.next_seq < PLAUSIBLE
}

/// Everything that the head itself must keep. The ids of its records, if they are whole.
pub(super) fn check(head: &Head, path: &Path, report: &mut Report) -> Vec<CommitId> {
    check_numbers(head, path, report);
    check_names(head, path, report);
    for role in &head.directory.roles {
        if role.name.len() > ROLE_NAME_LIMIT || role.epoch == 0 {
            let found = format!("{:?} in epoch {}", role.name, role.epoch);
            report.breach(path, "roles with short names and epochs from 1", found);
        }
    }
    check_tail(head, path, report)
}

fn check_numbers(head: &Head, path: &Path, report: &mut Report) {
    let header = &head.header;
    let (version, gate, floor) = (header.version, header.gate, header.floor);
    if gate > version {
        report.breach(path, "a gate that is no version to come", format!("{gate} at {version}"));
    }
    if floor > gate {
        report.breach(path, "a floor not above the gate", format!("{floor} above {gate}"));
    }
    if (version == 1) != (header.prev_digest == 0) {
        let found = format!("version {version}, {:032x}", header.prev_digest);
        report.breach(path, "the digest of the head before it, and none before the first", found);
    }
}

/// Each name stands once, was chosen under an earlier head, and went out of use later than that.
fn check_names(head: &Head, path: &Path, report: &mut Report) {
    let (directory, version) = (&head.directory, head.header.version);
    let segments = directory.segments.iter().map(|it| (RetiredKind::Segment, it.name));
    let checkpoint = directory.checkpoint.iter().map(|it| (RetiredKind::Checkpoint, it.name));
    let retired = directory.retired.iter().map(|it| (it.kind, it.name));
    let mut seen: BTreeSet<(u8, ObjectName)> = BTreeSet::new();
    for (kind, name) in segments.chain(checkpoint).chain(retired) {
        if !seen.insert((kind as u8, name)) {
            report.breach(path, "each name once, in use or retired", format!("{name} twice"));
        }
        if name.hv >= version {
            let found = format!("{name} in version {version}");
            report.breach(path, "names that were chosen under an earlier head", found);
        }
    }
    let mut last = 0;
    for retired in &directory.retired {
        let at = retired.at_version;
        if at <= retired.name.hv || at > version || at < last {
            let found = format!("{} at {at}", retired.name);
            report.breach(path, "names retired in order, by heads after their own", found);
        }
        last = at;
    }
}

fn check_tail(head: &Head, path: &Path, report: &mut Report) -> Vec<CommitId> {
    match verify_run(head.tail(), head.tail_start()) {
        Err(damage) => {
            report.file(path, crate::error::Error::corrupt(path, damage));
            Vec::new()
        }
        Ok(end) if end != head.end() => {
            let found =
                format!("{:032x} behind commit {}", end.chain, end.next_seq.saturating_sub(1));
            report.breach(path, "a tail that ends at the head's chain hash and seq", found);
            Vec::new()
        }
        Ok(_) => ids(head.tail()),
    }
}

/// The ids of a run that was verified.
pub(super) fn ids(run: &[u8]) -> Vec<CommitId> {
    verified(run).map(|record: RecordView<'_>| record.id).collect()
}

/// The newest id of each writer, on a walk over history in its order.
#[derive(Debug, Default)]
pub(super) struct Ids {
    newest: BTreeMap<u128, u64>,
}

impl Ids {
    /// What a checkpoint remembers.
    pub(super) fn note(&mut self, writer: u128, wseq: u64) {
        self.newest.insert(writer, wseq);
    }

    /// The next commits. Each id is in the history once, and those of one writer in their order.
    pub(super) fn check(&mut self, ids: &[CommitId], path: &Path, report: &mut Report) {
        for id in ids {
            let newest = self.newest.entry(id.writer).or_default();
            if id.wseq <= *newest {
                let found = format!("{id} behind {newest} of the same writer");
                report.breach(path, "each commit id once and in order", found);
            }
            *newest = (*newest).max(id.wseq);
        }
    }
}
