//! Compaction: fewer, larger objects, so that opening stays cheap and the head stays small.
//!
//! A [`Compactor`] holds the role `compactor`. It folds the checkpoint and the segments behind it
//! into the next checkpoint, and it merges neighbouring segments. It reads what it folds, writes one
//! object off the commit path, and publishes it in the next head, which may be one that carries
//! commits as well. No commit waits for it and none is aborted by it; two compactors at once cost
//! work and nothing else.
//!
//! A fold of many segments writes down how far it has come ([`Options::fold_step`]), as a
//! checkpoint that nobody publishes. A compactor that begins looks for such checkpoints with one
//! LIST, and goes on from the newest whose end lies on the present head's chain: what it folded is
//! a function of the history up to there, so it does not matter who folded it. The collector
//! removes what is left over.
//!
//! [`Options::fold_step`]: crate::Options::fold_step

use std::sync::Arc;

use crate::commit;
use crate::delta::DeltaBuilder;
use crate::edit::{Claim, Edit, Refusal};
use crate::error::Error;
use crate::fold::{self, COMPACTOR, Fold, Progress};
use crate::format::checkpoint::Checkpoint;
use crate::format::directory::{RetiredKind, SegmentRef};
use crate::format::head::Head;
use crate::format::merged;
use crate::format::record::RunEnd;
use crate::format::segment::SegmentHeader;
use crate::format::{ObjectName, parse_name};
use crate::inner::{Inner, Purpose, lock};
use crate::patience::RefreshError;
use crate::planted::PlantedBug;
use crate::requests::Fetched;
use crate::role::{self, Role};
use crate::seal::put_new;
use crate::state::{Missing, Parts};
use crate::steps::*;

/// What a call of a [`Compactor`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compaction {
    /// There is nothing to do.
    Nothing,
    /// The head names a checkpoint up to this seq.
    Checkpointed {
        /// The last commit in it.
        upto_seq: u64,
    },
    /// The head names one segment instead of several.
    Merged {
        /// Its first seq.
        first: u64,
        /// Its last seq.
        last: u64,
    },
    /// The head moved on meanwhile in a way that left no place for the result: somebody else
    /// compacted. Call again.
    Outdated,
    /// So many names wait for a collector that the head has no room for more. Run a collection
    /// pass first.
    Uncollected,
}

/// Folds and merges, under the role `compactor`.
#[derive(Debug)]
pub struct Compactor {
    inner: Arc<Inner>,
    claim: Claim,
    /// How far it has folded: the next fold goes on from there.
    fold: Option<Fold>,
    /// Whether it has looked for what an earlier one left.
    looked: Looked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    NotYet,
    Done,
}

impl Compactor {
    pub(crate) async fn start(inner: &Arc<Inner>) -> Result<Self, Error> {
        let Role { claim } = role::acquire(inner, COMPACTOR).await?;
        Ok(Self { inner: Arc::clone(inner), claim, fold: None, looked: Looked::NotYet })
    }

    /// Its role.
    pub fn role(&self) -> Role {
        Role { claim: self.claim.clone() }
    }

    /// Folds the checkpoint and all segments that the newest head names into a new checkpoint, and
    /// publishes it.
    ///
    /// One conditional GET of the head; one GET for each object that is folded and was not before;
    /// one PUT; one conditional PUT, unless a commit of this process takes it along. The first call
    /// also makes one LIST, and a fold of more than `Options::fold_step` segments one PUT for each
    /// step.
    ///
    /// # Errors
    /// [`Error::Fenced`]: somebody else has the role now. [`Error::Unavailable`]: nothing is lost,
    /// call again. [`Error::Corrupt`] and the other errors of `Manifest::read`.
    pub async fn checkpoint(&mut self) -> Result<Compaction, Error> {
        let head = self.newest_head().await?;
        let Some(target) = head.directory.segments.last().map(|segment| segment.last) else {
            return Ok(Compaction::Nothing);
        };
        match self.fold_to(&head, target).await {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Outdated) => {
                step!(FOLD_OUTDATED);
                return Ok(Compaction::Outdated);
            }
        }
        let Some(fold) = &mut self.fold else {
            return Ok(Compaction::Nothing);
        };
        let reference = fold.write(&self.inner, head.header.version, target).await?;
        let upto_seq = reference.upto_seq;
        let edit = Edit::Checkpoint { reference, claim: self.claim.clone() };
        self.publish(edit, Compaction::Checkpointed { upto_seq }).await
    }

    /// Merges neighbouring segments into one: the longest run, oldest first, that is not larger
    /// than `Options::merge_limit_bytes`. What was replaced within the run disappears, deletes stay.
    ///
    /// One conditional GET of the head; one GET for each segment; one PUT; one conditional PUT,
    /// unless a commit of this process takes it along.
    ///
    /// # Errors
    /// As [`Compactor::checkpoint`].
    pub async fn merge(&mut self) -> Result<Compaction, Error> {
        let head = self.newest_head().await?;
        let Some((run, start)) = run_to_merge(&head, self.inner.options.merge_limit_bytes) else {
            return Ok(Compaction::Nothing);
        };
        let mut chain = start.chain;
        let missing = run.iter().map(|reference| {
            let missing = Missing::Segment(*reference, chain);
            chain = reference.chain_end;
            missing
        });
        let missing = missing.collect();
        let deadline = self.inner.requests.env.now() + self.inner.options.read_deadline;
        let mut parts = Parts::default();
        step!(MERGE_READ);
        match self.inner.read_parts(missing, &head, deadline, &mut parts).await {
            Ok(()) => {}
            Err(RefreshError::Missing(_)) => return Ok(Compaction::Outdated),
            Err(error) => return Err(error.report("merge")),
        }
        parts.segments.sort_by_key(|segment| segment.reference.first);
        if self.inner.bugs.is(PlantedBug::MergeOrderReversed) {
            parts.segments.reverse();
        }
        let mut delta = DeltaBuilder::default();
        for segment in &parts.segments {
            delta.add_segment(segment);
        }
        let (first, last) = (start.next_seq, run[run.len() - 1].last);
        let header = SegmentHeader {
            incarnation: self.inner.incarnation,
            first,
            last,
            hv: head.header.version,
            chain_start: start.chain,
            chain_end: chain_end(run),
        };
        let (bytes, hash) = merged::encode(header, &delta.finish_merge(self.inner.bugs));
        let name = put_new(&self.inner, RetiredKind::Segment, header.hv, &bytes).await?;
        let by = header.reference(name, &bytes, hash);
        let replaced = run.iter().map(|segment| segment.name).collect();
        let edit = Edit::Merge { replaced, by, claim: self.claim.clone() };
        self.publish(edit, Compaction::Merged { first, last }).await
    }

    /// The newest head, if the role is still this one's there.
    async fn newest_head(&self) -> Result<Arc<Head>, Error> {
        self.inner.bring_up_to_date(Purpose::Compact).await?;
        let head = Arc::clone(&lock(&self.inner.state).head);
        self.claim.check(&head.directory, self.inner.bugs).map_err(Refusal::error)?;
        Ok(head)
    }

    /// Brings the own fold to the end of a head's segments.
    async fn fold_to(&mut self, head: &Head, target: u64) -> Result<(), Stop> {
        let inner = Arc::clone(&self.inner);
        let mut fold = match self.fold.take().filter(|fold| fold.is_on(head)) {
            Some(fold) => fold,
            None => self.find_start(head).await?,
        };
        loop {
            step!(FOLD_READ);
            let progress = fold.advance(&inner, head, inner.options.fold_step).await?;
            if progress == Progress::Finished {
                break;
            }
            if inner.bugs.is(PlantedBug::CheckpointCoversHead) {
                fold.end = head.directory.tail_start(inner.incarnation);
                break;
            }
            step!(FOLD_SAVE);
            // Only a precaution: without it a restarted fold has more to do.
            if fold.write(&inner, head.header.version, target).await.is_err() {
                step!(FOLD_NOT_SAVED);
            }
        }
        self.fold = Some(fold);
        Ok(())
    }

    /// What an earlier compactor saved, or else the head's checkpoint.
    async fn find_start(&mut self, head: &Head) -> Result<Fold, Stop> {
        if self.looked == Looked::NotYet {
            self.looked = Looked::Done;
            if let Some(fold) = self.find_saved(head).await {
                step!(FOLD_RESUME);
                return Ok(fold);
            }
        }
        Ok(fold::start(&self.inner, head).await?)
    }

    /// The newest checkpoint that nobody published, if its end lies on the head's chain. One LIST,
    /// and one GET if there is one. Whatever goes wrong means that there is none.
    async fn find_saved(&self, head: &Head) -> Option<Fold> {
        let requests = &self.inner.requests;
        step!(FOLD_LIST);
        let listed = requests.list(&requests.checkpoints).await.ok()?;
        let directory = &head.directory;
        let is_saved = |name: &ObjectName| {
            name.hv >= head.header.gate
                && directory.checkpoint.is_none_or(|held| held.name != *name)
                && directory.retired.iter().all(|retired| retired.name != *name)
        };
        let names = listed.iter().filter_map(|meta| parse_name(meta.location.filename()?));
        let name = names.filter(is_saved).max()?;
        let path = requests.object_path(RetiredKind::Checkpoint, name);
        step!(FOLD_GET_SAVED);
        let Ok(Fetched::Body { bytes, .. }) = requests.get(&path, None).await else {
            return None;
        };
        let saved = Checkpoint::decode_unreferenced(bytes, name, self.inner.incarnation).ok()?;
        let mut fold = Some(Fold::of(&saved)).filter(|fold| fold.is_on(head))?;
        if self.inner.bugs.is(PlantedBug::ResumedCompactionBoundary) {
            let target = saved.front.header.target;
            let reached = head.directory.segments.iter().find(|segment| segment.last == target);
            if let Some(segment) = reached {
                fold.end = RunEnd { chain: segment.chain_end, next_seq: target + 1 };
            }
        }
        Some(fold)
    }

    async fn publish(&self, edit: Edit, done: Compaction) -> Result<Compaction, Error> {
        step!(COMPACT_PUBLISH);
        match commit::publish(&self.inner, edit).await? {
            Ok(_) => Ok(done),
            Err(Refusal::Outdated) => {
                step!(COMPACT_OUTDATED);
                Ok(Compaction::Outdated)
            }
            Err(Refusal::Uncollected) => Ok(Compaction::Uncollected),
            Err(refusal) => Err(refusal.error()),
        }
    }
}

/// Why a fold came to nothing.
enum Stop {
    /// What it wanted to read is gone.
    Outdated,
    Failed(Error),
}

impl From<RefreshError> for Stop {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Missing(_) => Stop::Outdated,
            error => Stop::Failed(error.report("compact")),
        }
    }
}

fn chain_end(run: &[SegmentRef]) -> u128 {
    run[run.len() - 1].chain_end
}

/// The longest run of at least two segments that together are not larger than `limit`, the oldest
/// of several, and where it begins.
fn run_to_merge(head: &Head, limit: usize) -> Option<(&[SegmentRef], RunEnd)> {
    let segments = &head.directory.segments;
    let mut best = 0..0;
    for start in 0..segments.len() {
        let mut bytes = 0;
        let fits = segments[start..].iter().take_while(|segment| {
            bytes += segment.len as usize;
            bytes <= limit
        });
        let count = fits.count();
        if count > best.len() {
            best = start..start + count;
        }
    }
    let start = match best.start.checked_sub(1) {
        None => head.directory.segments_start(head.header.incarnation),
        Some(before) => {
            let before = &segments[before];
            RunEnd { chain: before.chain_end, next_seq: before.last + 1 }
        }
    };
    (best.len() >= 2).then(|| (&segments[best], start))
}
