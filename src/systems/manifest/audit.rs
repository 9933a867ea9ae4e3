//! The rules of the root and its chain, checked on every root that reaches the store.
//!
//! The auditor follows the object `head` from version to version. A new root must build on the one
//! that it replaces, keep its history, and name only objects that exist and hold what it says.
//! Every record that a root adds is one commit, reported to the judge in order.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | from root to root: parent, names, the run of records |
//! | `folds` | what checkpoints and merged segments must hold: the model |
//! | `objects` | the objects beside the root: who may delete what, pins, garbage |
//! | `roles` | who may do what |

mod folds;
mod objects;
mod roles;

use std::collections::BTreeMap;

use bytes::Bytes;
use sim::ProcessId;
use sim_storage::model::Applied;

use self::objects::Objects;
use self::roles::Owners;
use super::PREFIX;
use super::decode::{
    CheckpointRef, Directory, Folder, ObjectName, Problem, Record, Root, SegmentRef,
};
use super::decode::{is_merged, segment_records};
use crate::checkers::{Judge, Rule};
use crate::system::Auditor;
use crate::workload::{ValueId, Write};

/// A finding in the making.
struct Broken(Rule, String);

/// What one change breaks. All of it is told, and the diagnosis takes what weighs most.
#[derive(Default)]
struct Breaches(Vec<Broken>);

impl Breaches {
    fn note(&mut self, checked: Result<(), Broken>) {
        self.0.extend(checked.err());
    }
}

fn damaged(problem: Problem) -> Broken {
    Broken(Rule::BytesIntact, format!("a root was published, but {problem}"))
}

/// Follows the chain of roots of one world.
#[derive(Debug, Default)]
pub(super) struct ChainAuditor {
    root: Option<Root>,
    directory: Directory,
    objects: Objects,
    owners: Owners,
    history: Past,
    writes: Vec<(Write, Option<ValueId>)>,
}

/// What is known of every commit, by its seq.
#[derive(Debug, Default)]
struct Past {
    /// The chain hash after it; the first is that before all commits.
    chains: Vec<u128>,
    /// Its id; the first stands for nothing.
    ids: Vec<(u128, u64)>,
    /// Of each writer its commits, oldest first: their numbers by the writer and in the history.
    writers: BTreeMap<u128, Vec<(u64, u64)>>,
}

impl Past {
    fn newest(&self) -> u64 {
        (self.chains.len() as u64).saturating_sub(1)
    }

    /// The number of a commit of the same writer that is not before this one, if there is one.
    fn overtaken(&self, (writer, wseq): (u128, u64)) -> Option<u64> {
        let (newest, _) = self.writers.get(&writer)?.last().copied()?;
        (newest >= wseq).then_some(newest)
    }

    /// Of each writer its newest commit up to `upto`, by the numbers of the writer and the history.
    fn last_commits(&self, upto: u64) -> impl Iterator<Item = (u128, (u64, u64))> + '_ {
        self.writers.iter().filter_map(move |(writer, commits)| {
            let later = commits.partition_point(|(_, seq)| *seq <= upto);
            Some((*writer, commits[..later].last().copied()?))
        })
    }

    /// The commit with this id.
    fn find(&self, id: (u128, u64)) -> Option<u64> {
        let place = self.ids.iter().skip(1).position(|known| *known == id)?;
        Some(place as u64 + 1)
    }

    fn chain(&self, seq: u64) -> Option<u128> {
        self.chains.get(usize::try_from(seq).ok()?).copied()
    }
}

impl Auditor for ChainAuditor {
    fn applied(&mut self, change: &Applied<'_>, judge: &mut Judge) {
        let Some(name) = change.text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/'))
        else {
            return;
        };
        let process = ProcessId(change.origin.process);
        let mut breaches = Breaches::default();
        let checked = if name == "head" {
            judge.count_chain_checks(1);
            self.root_applied(change, process, judge, &mut breaches)
        } else {
            let floor = self.root.as_ref().map_or(0, |root| root.floor);
            if let Some(version) = change.after {
                let folds = folds::Folds { history: &self.history, judge };
                breaches.note(folds.written(name, &version.body));
            }
            let checked = self.objects.applied(name, change, &self.directory, floor);
            if let Some((process, until_ns)) = self.objects.lease(name) {
                judge.leased(process, until_ns);
            }
            checked
        };
        breaches.note(checked);
        for Broken(rule, what) in breaches.0 {
            judge.broken(rule, process, what, &[]);
        }
    }

    fn ended(&mut self, judge: &mut Judge) {
        if let Err(Broken(rule, what)) = self.objects.check_garbage(&self.directory) {
            judge.broken(rule, ProcessId::WORLD, what, &[]);
        }
    }
}

impl ChainAuditor {
    fn root_applied(
        &mut self,
        change: &Applied<'_>,
        process: ProcessId,
        judge: &mut Judge,
        breaches: &mut Breaches,
    ) -> Result<(), Broken> {
        let Some(version) = change.after else {
            return Err(Broken(Rule::ReferencesExist, String::from("the root was deleted")));
        };
        let root = Root::decode(&version.body).map_err(damaged)?;
        let previous = self.root.take();
        breaches.note(check_parent(previous.as_ref(), &root));
        if self.history.chains.is_empty() {
            self.history.chains.push(root.incarnation);
            self.history.ids.push((0, 0));
        }
        let same_directory = previous.as_ref().is_some_and(|it| it.directory == root.directory);
        if !same_directory {
            let directory = root.directory().map_err(damaged)?;
            self.check_directory(previous.as_ref(), &root, &directory, process, breaches);
            let before = std::mem::replace(&mut self.directory, directory);
            let version = root.version - 1;
            self.objects.renamed(&before, &self.directory, version);
            judge.published(
                self.directory
                    .named()
                    .map(|(folder, name)| format!("{PREFIX}/{}", name.path(folder))),
            );
        }
        let fresh = match previous.as_ref().filter(|_| same_directory) {
            Some(previous) => self.same_tail(previous, &root)?,
            None => self.outside_records(&root, process, judge)?,
        };
        self.report(&root, fresh, process, judge)?;
        let (newest, chain) = (self.history.newest(), self.history.chain(self.history.newest()));
        if Some(root.chain) != chain || root.next_seq != newest + 1 {
            let what = format!(
                "root {} says that commit {} is next under another chain hash than its records have",
                root.version, root.next_seq
            );
            return Err(Broken(Rule::ChainIntact, what));
        }
        self.root = Some(root);
        Ok(())
    }

    /// The records that a root adds inline to a tail that is otherwise that of its predecessor.
    fn same_tail(&self, previous: &Root, root: &Root) -> Result<Bytes, Broken> {
        if !root.tail.starts_with(&previous.tail) {
            let what = format!(
                "root {} changes or drops records of root {}",
                root.version, previous.version
            );
            return Err(Broken(Rule::HistoryWhole, what));
        }
        Ok(root.tail.slice(previous.tail.len()..))
    }

    /// Names that come and names that go, and the rules for both.
    fn check_directory(
        &mut self,
        previous: Option<&Root>,
        root: &Root,
        directory: &Directory,
        process: ProcessId,
        breaches: &mut Breaches,
    ) {
        let before = &self.directory;
        breaches.note(self.owners.check(before, directory, root.version, process));
        let gate = previous.map_or(0, |previous| previous.gate);
        breaches.note(self.objects.check_names(before, directory, gate, root.version));
        breaches.note(check_gate(previous, root));
        breaches.note(check_cover(directory, root));
        let is_new =
            |segment: &&SegmentRef| !before.segments.iter().any(|held| held.name == segment.name);
        let body = |segment: &SegmentRef| self.objects.body(Folder::Segments, segment.name);
        let merged: Vec<&SegmentRef> = directory
            .segments
            .iter()
            .filter(|segment| is_new(segment) && body(segment).is_some_and(|it| is_merged(it)))
            .collect();
        let checkpoint = directory
            .checkpoint
            .as_ref()
            .filter(|new| before.checkpoint.is_none_or(|held| held.name != new.name));
        if checkpoint.is_some() || !merged.is_empty() {
            breaches.note(self.owners.check_compactor(directory, root.version, process));
        }
        if let Some(checkpoint) = checkpoint {
            breaches.note(check_forward(before.checkpoint.as_ref(), checkpoint, root.version));
            let body = self.objects.body(Folder::Checkpoints, checkpoint.name);
            let said = body.and_then(CheckpointRef::said_by);
            let same = said.is_some_and(|said| said.is_same_content(checkpoint));
            breaches.note(same_content(same, checkpoint.name, Folder::Checkpoints, root.version));
        }
        for segment in merged {
            let said = body(segment).and_then(SegmentRef::said_by_merged);
            let same = said.is_some_and(|said| said.is_same_content(segment));
            breaches.note(same_content(same, segment.name, Folder::Segments, root.version));
        }
    }

    /// The records of a root whose directory is another one: those of new segments that are known
    /// are compared and the others reported; then those of the tail. Returns what of the tail is
    /// new.
    fn outside_records(
        &mut self,
        root: &Root,
        process: ProcessId,
        judge: &mut Judge,
    ) -> Result<Bytes, Broken> {
        let segments = self.directory.segments.clone();
        for segment in &segments {
            let records = self.records_of(segment, root.version)?;
            if let Some(records) = records {
                let fresh = self.skip_known(&records, root.version)?;
                self.report(root, fresh, process, judge)?;
            }
            if self.history.chain(segment.last) != Some(segment.chain_end) {
                let what = format!(
                    "root {} names a segment up to commit {} under another chain hash",
                    root.version, segment.last
                );
                return Err(Broken(Rule::ChainIntact, what));
            }
        }
        self.skip_known(&root.tail, root.version)
    }

    /// The records of a segment that holds some; they must be those that the root says.
    fn records_of(&self, segment: &SegmentRef, version: u64) -> Result<Option<Bytes>, Broken> {
        let name = || segment.name.path(Folder::Segments);
        let Some(body) = self.objects.body(Folder::Segments, segment.name) else {
            let what = format!("root {version} names {}, which does not exist", name());
            return Err(Broken(Rule::ReferencesExist, what));
        };
        if is_merged(body) {
            return Ok(None);
        }
        let wrong = |what: &str| {
            let what = format!("root {version} names {}, but {what}", name());
            Err(Broken(Rule::ReferencesExist, what))
        };
        let records = match segment_records(body) {
            Ok(records) => records,
            Err(problem) => return wrong(problem),
        };
        let digest = &body[body.len() - 16..];
        if body.len() != segment.len as usize || *digest != segment.hash.to_le_bytes() {
            return wrong("its length or hash is another one");
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
        Ok(Some(records))
    }

    /// The part of a run of records that is new. What is known must be the same.
    fn skip_known(&self, run: &Bytes, version: u64) -> Result<Bytes, Broken> {
        let mut at = 0;
        while at < run.len() {
            let (record, rest) = Record::decode(&run[at..]).map_err(damaged)?;
            match self.history.chain(record.seq) {
                None => break,
                Some(chain) if chain == record.chain() => at = run.len() - rest.len(),
                Some(_) => {
                    let what = format!("root {version} changes commit {}", record.seq);
                    return Err(Broken(Rule::HistoryWhole, what));
                }
            }
        }
        Ok(run.slice(at..))
    }

    /// Tells the judge of new records.
    fn report(
        &mut self,
        root: &Root,
        fresh: Bytes,
        process: ProcessId,
        judge: &mut Judge,
    ) -> Result<(), Broken> {
        let mut rest = &fresh[..];
        let mut led = Ok(());
        while !rest.is_empty() {
            let (record, after) = Record::decode(rest).map_err(damaged)?;
            let seq = self.history.newest() + 1;
            if record.seq != seq || seq != judge.commits() + 1 {
                let what =
                    format!("root {} adds commit {} where {seq} is next", root.version, record.seq);
                return Err(self.misplaced(record.id, Rule::HistoryWhole, what));
            }
            if Some(record.chain_prev) != self.history.chain(seq - 1) {
                let what =
                    format!("commit {seq} of root {} does not continue the chain", root.version);
                return Err(self.misplaced(record.id, Rule::ChainIntact, what));
            }
            let overtaken = self.history.overtaken(record.id);
            if let Some(wseq) = overtaken.filter(|_| !self.is_again(&record, judge)) {
                let what = format!(
                    "commit {seq} has number {} of its writer, which has committed number {wseq} before",
                    record.id.1
                );
                led = led.and(Err(self.misplaced(record.id, Rule::WriterOrder, what)));
            }
            if let Some(epoch) = record.epoch {
                led = led.and(self.owners.check_leader(&self.directory, epoch, seq, process));
            }
            self.writes.clear();
            record.writes(&mut self.writes).map_err(damaged)?;
            judge.commit(process, record.token, self.writes.drain(..));
            self.history.chains.push(record.chain());
            self.history.ids.push(record.id);
            self.history.writers.entry(record.id.0).or_default().push((record.id.1, seq));
            rest = after;
        }
        led
    }

    /// Whether a record is an operation that has committed before. Of that the judge tells, who
    /// knows what was asked for.
    fn is_again(&self, record: &Record<'_>, judge: &Judge) -> bool {
        let earlier = self.history.find(record.id);
        record.token.is_some() && earlier.and_then(|seq| judge.operation_of(seq)) == record.token
    }

    /// A record that does not fit where it stands. If its commit is known, it was published twice.
    fn misplaced(&self, id: (u128, u64), rule: Rule, what: String) -> Broken {
        match self.history.find(id) {
            None => Broken(rule, what),
            Some(seq) => {
                Broken(Rule::CommittedOnce, format!("{what}; its id is that of commit {seq}"))
            }
        }
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

/// Gate and floor only grow; a new gate is the root's own version, and a new floor is that gate or
/// the one before it.
fn check_gate(previous: Option<&Root>, root: &Root) -> Result<(), Broken> {
    let (gate, floor) = previous.map_or((0, 0), |previous| (previous.gate, previous.floor));
    let is_kept = (root.gate, root.floor) == (gate, floor);
    let is_pass = root.gate == root.version
        && root.floor >= floor
        && [floor, gate, root.gate].contains(&root.floor);
    if is_kept || (root.gate > gate && is_pass) {
        return Ok(());
    }
    let what = format!(
        "root {} sets gate {} and floor {} after {gate} and {floor}",
        root.version, root.gate, root.floor
    );
    Err(Broken(Rule::GateKept, what))
}

/// A fold that a root names is the one that was written under that name.
fn same_content(same: bool, name: ObjectName, folder: Folder, version: u64) -> Result<(), Broken> {
    if same {
        return Ok(());
    }
    let path = name.path(folder);
    let what = format!("root {version} names {path}, which does not exist or holds something else");
    Err(Broken(Rule::ReferencesExist, what))
}

fn check_forward(
    before: Option<&CheckpointRef>,
    checkpoint: &CheckpointRef,
    version: u64,
) -> Result<(), Broken> {
    if before.is_none_or(|held| held.upto < checkpoint.upto) {
        return Ok(());
    }
    let what = format!("root {version} goes back to a checkpoint of commit {}", checkpoint.upto);
    Err(Broken(Rule::CheckpointForward, what))
}

/// Checkpoint, segments and tail cover every commit, one after another, and none twice.
fn check_cover(directory: &Directory, root: &Root) -> Result<(), Broken> {
    let mut next = directory.checkpoint.map_or(1, |checkpoint| checkpoint.upto + 1);
    for segment in &directory.segments {
        if segment.first < next && segment.last >= segment.first {
            let what = format!(
                "root {} names a segment of commits {}..{}, and commits up to {} are folded already",
                root.version,
                segment.first,
                segment.last,
                next - 1
            );
            return Err(Broken(Rule::NothingReturns, what));
        }
        if segment.first != next || segment.last < segment.first {
            let what = format!(
                "root {} names a segment of commits {}..{} where {next} is next",
                root.version, segment.first, segment.last
            );
            return Err(Broken(Rule::HistoryWhole, what));
        }
        next = segment.last + 1;
    }
    if !root.tail.is_empty() {
        let (first, _) = Record::decode(&root.tail).map_err(damaged)?;
        if first.seq != next {
            let what = format!(
                "root {} has commit {} inline where {next} is next",
                root.version, first.seq
            );
            return Err(Broken(Rule::HistoryWhole, what));
        }
    }
    if next + u64::from(root.tail_count) != root.next_seq {
        let what = format!(
            "root {} has {} inline commits behind commit {} and says that {} is next",
            root.version,
            root.tail_count,
            next - 1,
            root.next_seq
        );
        return Err(Broken(Rule::HistoryWhole, what));
    }
    Ok(())
}
