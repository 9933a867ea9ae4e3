//! The rules of the root and its chain, checked on every root that reaches the store.
//!
//! The auditor follows the object `head` from version to version. A new root must build on the one
//! that it replaces, keep its history, seal only what stood in the tail, and name only objects
//! that exist and hold what it says. Every record that a root adds is one commit, reported to the
//! judge in order.

use std::collections::BTreeMap;

use bytes::Bytes;
use sim::ProcessId;
use sim_storage::model::Applied;

use super::PREFIX;
use super::decode::{Problem, Record, Root, SegmentRef, segment_records};
use crate::checkers::{Judge, Rule};
use crate::system::Auditor;
use crate::workload::{ValueId, Write};

/// A finding in the making.
struct Broken(Rule, String);

fn damaged(problem: Problem) -> Broken {
    Broken(Rule::BytesIntact, format!("a root was published, but {problem}"))
}

/// Follows the chain of roots of one world.
#[derive(Debug, Default)]
pub(super) struct ChainAuditor {
    root: Option<Root>,
    /// Bodies of the segment objects that exist, by name below the prefix.
    segments: BTreeMap<String, Bytes>,
    writes: Vec<(Write, Option<ValueId>)>,
}

impl Auditor for ChainAuditor {
    fn applied(&mut self, change: &Applied<'_>, judge: &mut Judge) {
        let Some(name) = change.text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/'))
        else {
            return;
        };
        let process = ProcessId(change.origin.process);
        if name == "head" {
            judge.count_chain_checks(1);
            if let Err(Broken(rule, what)) = self.root_applied(change, process, judge) {
                judge.broken(rule, process, what, &[]);
            }
        } else if name.starts_with("seg/") {
            match change.after {
                Some(version) => {
                    self.segments.insert(name.to_owned(), version.body.clone());
                }
                None => {
                    self.segments.remove(name);
                    if self.is_referenced(name) {
                        let what = format!("{name} was deleted while the root names it");
                        judge.broken(Rule::ReferencesExist, process, what, &[]);
                    }
                }
            }
        }
    }
}

impl ChainAuditor {
    fn is_referenced(&self, name: &str) -> bool {
        let references = self.root.as_ref().and_then(|root| root.segments().ok());
        references.is_some_and(|segments| segments.iter().any(|segment| segment.name() == name))
    }

    fn root_applied(
        &mut self,
        change: &Applied<'_>,
        process: ProcessId,
        judge: &mut Judge,
    ) -> Result<(), Broken> {
        let Some(version) = change.after else {
            return Err(Broken(Rule::ReferencesExist, String::from("the root was deleted")));
        };
        let root = Root::decode(&version.body).map_err(damaged)?;
        let previous = self.root.take();
        check_parent(previous.as_ref(), &root)?;
        let first_new = self.kept_history(previous.as_ref(), &root)?;
        self.report_commits(previous.as_ref(), &root, first_new, process, judge)?;
        self.root = Some(root);
        Ok(())
    }

    /// Where in the tail the new records begin; everything before them, and everything in the
    /// segments, must be what the previous root held.
    fn kept_history(&self, previous: Option<&Root>, root: &Root) -> Result<usize, Broken> {
        let Some(previous) = previous else {
            return Ok(0);
        };
        let gap = |what: String| Err(Broken(Rule::HistoryWhole, what));
        if root.directory == previous.directory {
            if !root.tail.starts_with(&previous.tail) {
                return gap(format!(
                    "root {} changes or drops records of root {}",
                    root.version, previous.version
                ));
            }
            return Ok(previous.tail.len());
        }
        let (before, after) =
            (previous.segments().map_err(damaged)?, root.segments().map_err(damaged)?);
        let (Some(added), true) = (after.get(before.len()..), after.starts_with(&before)) else {
            return gap(format!(
                "root {} drops segments of root {}",
                root.version, previous.version
            ));
        };
        let mut sealed = 0;
        for segment in added {
            sealed += self.sealed_part(segment, &previous.tail[sealed..], root.version)?;
        }
        if !root.tail.starts_with(&previous.tail[sealed..]) {
            return gap(format!(
                "root {} drops records that are in no segment: {} of {} tail bytes were sealed",
                root.version,
                sealed,
                previous.tail.len()
            ));
        }
        Ok(previous.tail.len() - sealed)
    }

    /// How many bytes at the beginning of `tail` the segment holds; it must hold exactly those.
    fn sealed_part(
        &self,
        segment: &SegmentRef,
        tail: &[u8],
        version: u64,
    ) -> Result<usize, Broken> {
        let name = segment.name();
        let Some(body) = self.segments.get(&name) else {
            return Err(Broken(
                Rule::ReferencesExist,
                format!("root {version} names {name}, which does not exist"),
            ));
        };
        let wrong = |what: &str| {
            Err(Broken(Rule::ReferencesExist, format!("root {version} names {name}, but {what}")))
        };
        let records = match segment_records(body) {
            Ok(records) => records,
            Err(problem) => return wrong(problem),
        };
        let digest = &body[body.len() - 16..];
        if body.len() != segment.len as usize || *digest != segment.hash.to_le_bytes() {
            return wrong("its length or hash is another one");
        }
        if !tail.starts_with(&records) {
            let what =
                format!("root {version} seals records into {name} that are not those of the tail");
            return Err(Broken(Rule::HistoryWhole, what));
        }
        let (mut rest, mut chain, mut seqs) = (&records[..], 0, (0, 0));
        while !rest.is_empty() {
            let (record, after) = Record::decode(rest).map_err(damaged)?;
            chain = record.chain();
            seqs = (if seqs.0 == 0 { record.seq } else { seqs.0 }, record.seq);
            rest = after;
        }
        if seqs != (segment.first, segment.last) || chain != segment.chain_end {
            return wrong("it holds other commits than the root says");
        }
        Ok(records.len())
    }

    fn report_commits(
        &mut self,
        previous: Option<&Root>,
        root: &Root,
        first_new: usize,
        process: ProcessId,
        judge: &mut Judge,
    ) -> Result<(), Broken> {
        let (mut chain, mut seq) = match previous {
            Some(previous) => (previous.chain, previous.next_seq),
            None => (root.incarnation, 1),
        };
        let mut rest = &root.tail[first_new..];
        while !rest.is_empty() {
            let (record, after) = Record::decode(rest).map_err(damaged)?;
            if record.seq != seq || seq != judge.commits() + 1 {
                let what =
                    format!("root {} adds commit {} where {seq} is next", root.version, record.seq);
                return Err(Broken(Rule::HistoryWhole, what));
            }
            if record.chain_prev != chain {
                let what =
                    format!("commit {seq} of root {} does not continue the chain", root.version);
                return Err(Broken(Rule::ChainIntact, what));
            }
            self.writes.clear();
            record.writes(&mut self.writes).map_err(damaged)?;
            judge.commit(process, record.token, self.writes.drain(..));
            (chain, seq, rest) = (record.chain(), seq + 1, after);
        }
        if root.chain != chain || root.next_seq != seq {
            let what = format!(
                "root {} says that commit {} is next under another chain hash than its records have",
                root.version, root.next_seq
            );
            return Err(Broken(Rule::ChainIntact, what));
        }
        Ok(())
    }
}

fn check_parent(previous: Option<&Root>, root: &Root) -> Result<(), Broken> {
    let expected = previous.map_or((0, 1), |previous| (previous.digest, previous.version + 1));
    if (root.prev_digest, root.version) != expected {
        let what = format!(
            "root {} replaces root {}, but it was built on {}",
            root.version,
            expected.1 - 1,
            if root.version == expected.1 {
                String::from("another root of that number")
            } else {
                format!("root {}", root.version - 1)
            }
        );
        return Err(Broken(Rule::RootParent, what));
    }
    if let Some(previous) = previous {
        if root.incarnation != previous.incarnation {
            let what = format!("root {} belongs to another manifest", root.version);
            return Err(Broken(Rule::RootParent, what));
        }
        if root.nonce == previous.nonce {
            let what = format!("root {} repeats the nonce of its predecessor", root.version);
            return Err(Broken(Rule::ChainIntact, what));
        }
    }
    if root.tail_count == 0 && !root.tail.is_empty() {
        return Err(Broken(
            Rule::BytesIntact,
            String::from("a root counts no records and has some"),
        ));
    }
    Ok(())
}
