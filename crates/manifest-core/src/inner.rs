//! What all clones of a `Manifest`, its snapshots and its transactions share, and the one way to
//! bring the state up to date.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use object_store::UpdateVersion;

use crate::commit::{Leader, Queue};
use crate::error::Error;
use crate::format::head::{Head, SegmentRef};
use crate::format::segment::Segment;
use crate::options::Options;
use crate::planted::Bugs;
use crate::requests::{Failure, Fetched, Requests};
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

/// Why the newest head could not be installed.
#[derive(Debug)]
pub(crate) enum RefreshError {
    /// A request had no good answer. Trying again may help.
    Failed(Failure),
    /// What was read is damaged. If it was damaged on the way, reading it again helps.
    Damaged(Error),
    /// A segment that the head names does not exist.
    Missing(Error),
    /// There is no head, or that of another manifest. Final.
    Gone(Error),
}

impl Inner {
    /// One conditional GET of the head (and GETs of segments, if this process fell behind a
    /// seal), and the result installed.
    pub(crate) async fn refresh(
        &self,
        if_none_match: Option<String>,
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
                return Err(RefreshError::Gone(Error::NotFound { head }));
            }
        };
        let head = {
            let state = lock(&self.state);
            Head::decode(bytes, Some(&state.head))
        };
        let head = head
            .map_err(|damage| RefreshError::Damaged(Error::corrupt(&self.requests.head, damage)))?;
        self.install(&head, &tag).await?;
        let mut state = lock(&self.state);
        if state.head.digest == head.digest {
            state.confirm(asked_at);
        }
        Ok(HeadAnswer::Installed)
    }

    /// Installs a head, reading the segments that are missing for it.
    pub(crate) async fn install(
        &self,
        head: &Head,
        tag: &UpdateVersion,
    ) -> Result<(), RefreshError> {
        let mut segments = Vec::new();
        loop {
            let installed = lock(&self.state).install(head, tag, &segments);
            let missing = match installed {
                Ok(Installed::Yes) => return Ok(()),
                Ok(Installed::NeedsSegments(missing)) => missing,
                Err(error @ InstallError::OtherIncarnation) => {
                    return Err(RefreshError::Gone(error.of_object(&self.requests.head)));
                }
                Err(error) => {
                    return Err(RefreshError::Damaged(error.of_object(&self.requests.head)));
                }
            };
            let reads = missing
                .into_iter()
                .map(|(reference, chain)| self.segment(reference, chain));
            for read in join_all(reads).await {
                segments.push(read?);
            }
        }
    }

    /// One GET of a segment, verified.
    async fn segment(&self, reference: SegmentRef, chain: u128) -> Result<Segment, RefreshError> {
        step!(OPEN_GET_SEGMENT);
        let path = self.requests.segment_path(reference.name);
        match self
            .requests
            .get(&path, None)
            .await
            .map_err(RefreshError::Failed)?
        {
            Fetched::Body { bytes, .. } => {
                Segment::decode(bytes, reference, self.incarnation, chain)
                    .map_err(|damage| RefreshError::Damaged(Error::corrupt(&path, damage)))
            }
            Fetched::NotModified | Fetched::NotFound => {
                Err(RefreshError::Missing(Error::Corrupt {
                    object: path.to_string(),
                    expected: "the segment that the head names".to_owned(),
                    got: "no object".to_owned(),
                }))
            }
        }
    }
}
