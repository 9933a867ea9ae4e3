//! What all clones of a `Manifest`, its snapshots and its transactions share, and the one way to
//! bring the state up to date.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use object_store::UpdateVersion;

use crate::commit::{Leader, Queue};
use crate::error::Error;
use crate::format::Damage;
use crate::format::directory::SegmentRef;
use crate::format::head::Head;
use crate::format::segment::Segment;
use crate::options::Options;
use crate::patience::{Finding, Patience, RefreshError};
use crate::planted::Bugs;
use crate::requests::{Fetched, Requests};
use crate::state::{InstallError, Installed, State};
use crate::steps::*;

/// The shared part of a process's manifest.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) requests: Requests,
    pub(crate) options: Options,
    pub(crate) bugs: Bugs,
    /// First half of all commit ids of this process.
    pub(crate) writer: u128,
    pub(crate) incarnation: u128,
    /// Held briefly and never across an await.
    pub(crate) state: Mutex<State>,
    pub(crate) queue: Mutex<Queue>,
    /// Held by the one who drives a batch, across its requests.
    pub(crate) leader: tokio::sync::Mutex<Leader>,
    /// Own commits that were reported unknown, by wseq, with the version of the newest base that
    /// they were sent on.
    pub(crate) unresolved: Mutex<BTreeMap<u64, u64>>,
}

/// Locks. A panic elsewhere leaves the state as it was before or after a whole change, because
/// changes verify first and then apply; so a poisoned lock is still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer to "is there a newer head?".
#[derive(Debug)]
pub(crate) enum HeadAnswer {
    /// The head still has the tag that was asked for.
    Same,
    /// Another head: it was installed, or is older than what is held.
    Installed,
}

impl Inner {
    /// One conditional GET of the head (and GETs of segments, if this process fell behind a
    /// seal), and the result installed. Segments are tried again until `deadline`, each on its
    /// own; those that were read stay in `segments`, for another call to use.
    pub(crate) async fn refresh(
        &self,
        if_none_match: Option<String>,
        deadline: Duration,
        segments: &mut Vec<Segment>,
    ) -> Result<HeadAnswer, RefreshError> {
        let asked_at = self.requests.env.now();
        let fetched = self.requests.get(&self.requests.head, if_none_match).await;
        let (bytes, tag) = match fetched.map_err(RefreshError::Failed)? {
            Fetched::Body { bytes, tag } => (bytes, tag),
            Fetched::NotModified => {
                lock(&self.state).confirm(asked_at);
                return Ok(HeadAnswer::Same);
            }
            Fetched::NotFound => {
                let head = self.requests.head.to_string();
                return Err(RefreshError::gone(Error::NotFound { head }));
            }
        };
        let head = {
            let state = lock(&self.state);
            Head::decode(bytes.clone(), Some(&state.head))
        };
        let head = Arc::new(head.map_err(|damage| self.damaged_head(damage, &bytes))?);
        self.install(&head, &Arc::new(tag), deadline, segments).await?;
        let mut state = lock(&self.state);
        if state.head.digest == head.digest {
            state.confirm(asked_at);
        }
        Ok(HeadAnswer::Installed)
    }

    /// Installs a head, reading the segments that are missing for it.
    pub(crate) async fn install(
        &self,
        head: &Arc<Head>,
        tag: &Arc<UpdateVersion>,
        deadline: Duration,
        segments: &mut Vec<Segment>,
    ) -> Result<(), RefreshError> {
        loop {
            let installed = lock(&self.state).install(head, tag, segments);
            let missing = match installed {
                Ok(Installed::Yes) => return Ok(()),
                Ok(Installed::NeedsSegments(missing)) => missing,
                Err(InstallError::OtherIncarnation) => {
                    return Err(RefreshError::gone(Error::IncarnationChanged));
                }
                Err(InstallError::Damaged(damage)) => {
                    return Err(self.damaged_head(damage, head.bytes()));
                }
            };
            // Rare, and large: in a box, so that the future around it stays small.
            Box::pin(self.read_segments(missing, head, deadline, segments)).await?;
        }
    }

    /// Reads segments in parallel and adds them to `segments`. What was read is kept even if
    /// another one could not be.
    async fn read_segments(
        &self,
        missing: Vec<(SegmentRef, u128)>,
        head: &Head,
        deadline: Duration,
        segments: &mut Vec<Segment>,
    ) -> Result<(), RefreshError> {
        let reads = missing
            .into_iter()
            .map(|(reference, chain)| self.segment(reference, chain, head.digest, deadline));
        let mut result = Ok(());
        for read in join_all(reads).await {
            match read {
                Ok(segment) => segments.push(segment),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// A segment that the head with this digest names, verified, with patience.
    async fn segment(
        &self,
        reference: SegmentRef,
        chain: u128,
        head: u128,
        deadline: Duration,
    ) -> Result<Segment, RefreshError> {
        let path = self.requests.segment_path(reference.name);
        let mut patience = Patience::until(deadline);
        loop {
            step!(OPEN_GET_SEGMENT);
            let error = match self.requests.get(&path, None).await {
                Ok(Fetched::Body { bytes, .. }) => {
                    match Segment::decode(bytes.clone(), reference, self.incarnation, chain) {
                        Ok(segment) => return Ok(segment),
                        Err(damage) => RefreshError::damaged(Error::corrupt(&path, damage), &bytes),
                    }
                }
                // Not here: whether the head still names it is to be asked first.
                Ok(Fetched::NotModified | Fetched::NotFound) => {
                    let error = Error::Corrupt {
                        object: path.to_string(),
                        expected: "the segment that the head names".to_owned(),
                        got: "no object".to_owned(),
                    };
                    let finding = Finding { error, print: head };
                    return Err(RefreshError::Missing(Box::new(finding)));
                }
                Err(failure) => RefreshError::Failed(failure),
            };
            patience.after(&self.requests, error).await?;
        }
    }

    #[cold]
    fn damaged_head(&self, damage: Damage, bytes: &[u8]) -> RefreshError {
        RefreshError::damaged(Error::corrupt(&self.requests.head, damage), bytes)
    }
}
