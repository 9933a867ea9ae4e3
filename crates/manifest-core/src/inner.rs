//! What all clones of a `Manifest`, its snapshots and its transactions share, and the one way to
//! bring the state up to date.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use object_store::UpdateVersion;
use object_store::path::Path;

use crate::commit::{Leader, Queue};
use crate::error::Error;
use crate::format::Damage;
use crate::format::checkpoint::Checkpoint;
use crate::format::directory::{CheckpointRef, RetiredKind, SegmentRef};
use crate::format::head::Head;
use crate::format::segment::Segment;
use crate::options::Options;
use crate::patience::{Finding, Patience, RefreshError};
use crate::pins::Pins;
use crate::planted::Bugs;
use crate::requests::{Fetched, Requests};
use crate::state::{InstallError, Installed, Missing, Parts, State};
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
    /// Own commits that were reported unknown, by wseq.
    pub(crate) unresolved: Mutex<BTreeMap<u64, Unresolved>>,
    pub(crate) pins: Pins,
}

/// An own commit whose fate was open when it was last looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unresolved {
    /// The version of the newest base that it was sent on. Those before were dead without it.
    pub(crate) base_version: u64,
    /// The seq that it has if it is committed.
    pub(crate) seq: u64,
}

/// Locks. A panic elsewhere leaves the state as it was before or after a whole change, because
/// changes verify first and then apply; so a poisoned lock is still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the state is brought up to date for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Open,
    Read,
    Status,
    Compact,
    Pin,
}

impl Purpose {
    fn operation(self) -> &'static str {
        match self {
            Purpose::Open => "open",
            Purpose::Read => "read",
            Purpose::Status => "status",
            Purpose::Compact => "compact",
            Purpose::Pin => "pin",
        }
    }

    fn step(self) {
        match self {
            Purpose::Open => step!(OPEN_GET_HEAD),
            Purpose::Read => step!(READ_GET_HEAD),
            Purpose::Status => step!(STATUS_GET_HEAD),
            Purpose::Compact => step!(COMPACT_GET_HEAD),
            Purpose::Pin => step!(PIN_GET_HEAD),
        }
    }
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
    /// Brings the state up to date: one conditional GET of the head, with patience.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`], [`Error::NotFound`],
    /// [`Error::IncarnationChanged`].
    pub(crate) async fn bring_up_to_date(&self, purpose: Purpose) -> Result<(), Error> {
        let deadline = self.requests.env.now() + self.options.read_deadline;
        self.refresh_until(None, Parts::default(), purpose, deadline).await
    }

    /// The same after something went wrong already. `parts` is what was read all the same.
    pub(crate) async fn refresh_until(
        &self,
        mut last: Option<RefreshError>,
        mut parts: Parts,
        purpose: Purpose,
        deadline: Duration,
    ) -> Result<(), Error> {
        let mut patience = Patience::until(deadline);
        loop {
            if let Some(error) = last.take() {
                // Rare, and large: in a box, so that the future around it stays small.
                Box::pin(patience.after(&self.requests, error))
                    .await
                    .map_err(|error| error.report(purpose.operation()))?;
            }
            purpose.step();
            let tag = lock(&self.state).tag.e_tag.clone();
            match self.refresh(tag, deadline, &mut parts).await {
                Ok(HeadAnswer::Same) => {
                    step!(READ_NOT_MODIFIED);
                    return Ok(());
                }
                Ok(HeadAnswer::Installed) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
    }

    /// One conditional GET of the head (and GETs of other objects, if this process fell behind a
    /// seal), and the result installed. Each of those is tried again until `deadline` on its own;
    /// what was read stays in `parts`, for another call to use.
    pub(crate) async fn refresh(
        &self,
        if_none_match: Option<String>,
        deadline: Duration,
        parts: &mut Parts,
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
        self.install(&head, &Arc::new(tag), deadline, parts).await?;
        let mut state = lock(&self.state);
        if state.head.digest == head.digest {
            state.confirm(asked_at);
        }
        Ok(HeadAnswer::Installed)
    }

    /// Installs a head, reading the objects that are missing for it.
    pub(crate) async fn install(
        &self,
        head: &Arc<Head>,
        tag: &Arc<UpdateVersion>,
        deadline: Duration,
        parts: &mut Parts,
    ) -> Result<(), RefreshError> {
        loop {
            let installed = lock(&self.state).install(head, tag, parts);
            let missing = match installed {
                Ok(Installed::Yes) => return Ok(()),
                Ok(Installed::Needs(missing)) => missing,
                Err(InstallError::OtherIncarnation) => {
                    return Err(RefreshError::gone(Error::IncarnationChanged));
                }
                Err(InstallError::Damaged(damage)) => {
                    return Err(self.damaged_head(damage, head.bytes()));
                }
            };
            // Rare, and large: in a box, so that the future around it stays small.
            Box::pin(self.read_parts(missing, head, deadline, parts)).await?;
        }
    }

    /// Reads objects in parallel and adds them to `parts`. What was read is kept even if another
    /// one could not be.
    pub(crate) async fn read_parts(
        &self,
        missing: Vec<Missing>,
        head: &Head,
        deadline: Duration,
        parts: &mut Parts,
    ) -> Result<(), RefreshError> {
        let reads = missing.into_iter().map(|part| async move {
            match part {
                Missing::Checkpoint(reference) => {
                    let read = self.checkpoint(reference, head.digest, deadline).await;
                    read.map(Part::Checkpoint)
                }
                Missing::Segment(reference, chain) => {
                    let read = self.segment(reference, chain, head.digest, deadline).await;
                    read.map(Part::Segment)
                }
            }
        });
        let mut result = Ok(());
        for read in join_all(reads).await {
            match read {
                Ok(Part::Checkpoint(checkpoint)) => parts.checkpoint = Some(checkpoint),
                Ok(Part::Segment(segment)) => parts.segments.push(segment),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// A segment that the head with this digest names, verified, with patience.
    pub(crate) async fn segment(
        &self,
        reference: SegmentRef,
        chain: u128,
        head: u128,
        deadline: Duration,
    ) -> Result<Segment, RefreshError> {
        let path = self.requests.object_path(RetiredKind::Segment, reference.name);
        let decode = |bytes| {
            #[cfg(feature = "planted-bugs")]
            if self.bugs.is(crate::planted::PlantedBug::TornSegmentAccepted) {
                return Segment::decode_torn(bytes, reference, self.incarnation, chain);
            }
            Segment::decode(bytes, reference, self.incarnation, chain)
        };
        self.object(&path, RetiredKind::Segment, head, deadline, decode).await
    }

    /// A checkpoint that the head with this digest names, verified, with patience.
    pub(crate) async fn checkpoint(
        &self,
        reference: CheckpointRef,
        head: u128,
        deadline: Duration,
    ) -> Result<Checkpoint, RefreshError> {
        let path = self.requests.object_path(RetiredKind::Checkpoint, reference.name);
        let decode = |bytes| Checkpoint::decode(bytes, reference, self.incarnation);
        self.object(&path, RetiredKind::Checkpoint, head, deadline, decode).await
    }

    /// A whole object that the head with this digest names, verified, with patience.
    async fn object<T>(
        &self,
        path: &Path,
        kind: RetiredKind,
        head: u128,
        deadline: Duration,
        decode: impl Fn(Bytes) -> Result<T, Damage>,
    ) -> Result<T, RefreshError> {
        let mut patience = Patience::until(deadline);
        loop {
            match kind {
                RetiredKind::Segment => step!(OPEN_GET_SEGMENT),
                RetiredKind::Checkpoint => step!(OPEN_GET_CHECKPOINT),
            }
            let error = match self.requests.get(path, None).await {
                Ok(Fetched::Body { bytes, .. }) => match decode(bytes.clone()) {
                    Ok(object) => return Ok(object),
                    Err(damage) => RefreshError::damaged(Error::corrupt(path, damage), &bytes),
                },
                // Not here: whether the head still names it is to be asked first.
                Ok(Fetched::NotModified | Fetched::NotFound) => {
                    let finding = Finding { error: missing_object(path), print: head };
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

/// An object that was read for a head.
enum Part {
    Checkpoint(Checkpoint),
    Segment(Segment),
}

/// A root names this object, and it is not there.
#[cold]
pub(crate) fn missing_object(path: &Path) -> Error {
    Error::Corrupt {
        object: path.to_string(),
        expected: "an object that the head names".to_owned(),
        got: "no object".to_owned(),
    }
}
