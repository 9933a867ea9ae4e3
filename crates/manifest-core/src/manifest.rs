//! The handle: create, open, read, begin transactions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, PutMode, UpdateVersion};

use crate::collect::Collector;
use crate::commit::{Leader, Queue};
use crate::compact::Compactor;
use crate::env::{Env, random_u128};
use crate::error::Error;
use crate::format::CommitId;
use crate::format::head::Head;
use crate::history::Found;
use crate::inner::{Inner, Purpose, lock};
use crate::maintain::{self, Maintenance};
use crate::options::Options;
use crate::patience::{Patience, RefreshError};
use crate::pins::{self, Pins};
use crate::planted::PlantedBug;
use crate::probe::probe;
use crate::requests::{Failure, Fetched, Requests};
use crate::role::{self, Role};
use crate::session::{self, SavedSnapshot, Session};
use crate::snapshot::Snapshot;
use crate::state::{Parts, State};
use crate::steps::*;
use crate::transaction::Transaction;

/// A manifest that is open. Clones share everything and are cheap.
#[derive(Debug, Clone)]
pub struct Manifest {
    inner: Arc<Inner>,
}

/// The fate of a commit id, as far as the history tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is committed.
    Committed {
        /// Its place in the history.
        seq: u64,
    },
    /// It is not committed and never will be.
    NotCommitted,
    /// Either it is not in the history now, and nothing rules out that a request which is still
    /// under way puts it there: ask again after the next commit of anybody. Or it is so old that
    /// what is left of the history does not tell (`Options::dedup_window`).
    Unknown,
}

/// What the newest head that this process has seen says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadInfo {
    /// How often the head was replaced, plus 1.
    pub version: u64,
    /// The seq of the newest commit; 0 if there was none.
    pub seq: u64,
    /// The number that tells this manifest from others under the same name.
    pub incarnation: u128,
    /// The chain hash after the newest commit: it commits to all history.
    pub chain: u128,
    /// The digest of the head.
    pub digest: u128,
    /// Bytes of the whole head.
    pub head_bytes: usize,
    /// Bytes of inline records.
    pub tail_bytes: usize,
    /// Inline records.
    pub tail_records: u32,
    /// Segments that the head names.
    pub segments: usize,
    /// Whether something that is written waits for a commit to publish it.
    pub seal_pending: bool,
    /// The last commit that the head's checkpoint holds; 0 if there is none.
    pub checkpoint_seq: u64,
    /// Names out of use that wait for a collector.
    pub retired: usize,
    /// Nothing is published under a name that was chosen before this version.
    pub gate: u64,
    /// Snapshots before this version can be read only by those who pinned them in time.
    pub floor: u64,
}

impl Manifest {
    /// Creates a manifest under a prefix, after probing the store.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::UnsupportedStore`], [`Error::Unavailable`] (the
    /// manifest may then exist: use [`Manifest::open_or_create`] to go on),
    /// [`Error::InvalidOptions`].
    pub async fn create(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        env: Arc<dyn Env>,
        options: Options,
    ) -> Result<Self, Error> {
        options.check()?;
        let requests = Requests::new(store, prefix, env, &options);
        let deadline = requests.env.now() + options.read_deadline;
        probe(&requests, deadline, options.batch_window).await?;
        let incarnation = random_u128(&*requests.env);
        let head = Head::genesis(incarnation, random_u128(&*requests.env));
        let (head, tag) = put_first_head(&requests, head, deadline).await?;
        Self::start(requests, options, head, tag, deadline).await
    }

    /// Opens the manifest under a prefix: one GET of the head, then all its segments in parallel.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::UnsupportedFormat`],
    /// [`Error::Unavailable`], [`Error::InvalidOptions`].
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        env: Arc<dyn Env>,
        options: Options,
    ) -> Result<Self, Error> {
        options.check()?;
        let requests = Requests::new(store, prefix, env, &options);
        let deadline = requests.env.now() + options.read_deadline;
        let (head, tag) = get_first_head(&requests, deadline).await?;
        Self::start(requests, options, head, tag, deadline).await
    }

    /// Opens the manifest, or creates it if there is none.
    ///
    /// # Errors
    /// As [`Manifest::open`] and [`Manifest::create`].
    pub async fn open_or_create(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        env: Arc<dyn Env>,
        options: Options,
    ) -> Result<Self, Error> {
        let opened = Self::open(store.clone(), prefix.clone(), env.clone(), options.clone()).await;
        if !matches!(opened, Err(Error::NotFound { .. })) {
            return opened;
        }
        let created =
            Self::create(store.clone(), prefix.clone(), env.clone(), options.clone()).await;
        match created {
            // Somebody else was faster.
            Err(Error::AlreadyExists { .. }) => Self::open(store, prefix, env, options).await,
            other => other,
        }
    }

    /// A process with an empty state, and the head that it found installed.
    async fn start(
        requests: Requests,
        options: Options,
        head: Head,
        tag: UpdateVersion,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let incarnation = head.header.incarnation;
        let inner = Arc::new(Inner {
            writer: random_u128(&*requests.env),
            bugs: requests.bugs,
            state: Mutex::new(State::before_everything(incarnation, requests.bugs)),
            requests,
            options,
            incarnation,
            queue: Mutex::new(Queue::default()),
            leader: tokio::sync::Mutex::new(Leader::default()),
            unresolved: Mutex::new(BTreeMap::new()),
            pins: Pins::default(),
        });
        lock(&inner.state).confirm(inner.requests.env.now());
        let manifest = Self { inner };
        let mut parts = Parts::default();
        let (head, tag) = (Arc::new(head), Arc::new(tag));
        let installed = manifest.inner.install(&head, &tag, deadline, &mut parts);
        if let Err(error) = installed.await {
            // Something was in the way: read the head again, with patience.
            manifest.inner.refresh_until(Some(error), parts, Purpose::Open, deadline).await?;
        }
        #[cfg(feature = "planted-bugs")]
        if manifest.inner.bugs.is(PlantedBug::OrphanAdoption) {
            Box::pin(crate::planted::adopt::adopt(&manifest.inner)).await;
        }
        Ok(manifest)
    }

    /// The newest state that this process knows. No request: it may be behind what others have
    /// committed, never behind what this process has.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::newest(&self.inner)
    }

    /// A strong read: a snapshot that is at least as new as every commit that was acknowledged
    /// to anybody before this call. One conditional GET.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`], [`Error::NotFound`],
    /// [`Error::IncarnationChanged`].
    pub async fn read(&self) -> Result<Snapshot, Error> {
        if self.serves_stale_reads() {
            step!(READ_CACHED);
            return Ok(self.snapshot());
        }
        match self.inner.bring_up_to_date(Purpose::Read).await {
            Err(Error::Unavailable { .. })
                if self.inner.bugs.is(PlantedBug::ReadFromCacheOnError) => {}
            result => result?,
        }
        Ok(self.snapshot())
    }

    /// A transaction on [`Manifest::snapshot`].
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.snapshot())
    }

    /// What became of a commit, of this process or another one. One conditional GET.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub async fn status(&self, id: CommitId) -> Result<Status, Error> {
        self.inner.bring_up_to_date(Purpose::Status).await?;
        let state = lock(&self.inner.state);
        let own = (id.writer == self.inner.writer)
            .then(|| lock(&self.inner.unresolved).get(&id.wseq).copied())
            .flatten();
        let earliest = own.map_or(1, |own| own.seq);
        // Its last base has been replaced, and not by it.
        let base_is_dead = own.is_some_and(|own| own.base_version < state.head.header.version)
            || self.inner.bugs.is(PlantedBug::StatusTooSure);
        Ok(match state.history.find(id, earliest) {
            Found::At(seq) => Status::Committed { seq },
            Found::Absent if base_is_dead || state.history.is_passed(id) => Status::NotCommitted,
            Found::Absent | Found::CannotTell => Status::Unknown,
        })
    }

    /// Upkeep: call it now and then, from a background loop or after a commit. If the inline
    /// records are over `Options::tail_limit_bytes`, it writes them into a segment with one PUT;
    /// the next commit publishes it at no extra cost. If the head has no place for another segment
    /// it folds them first, as a compactor would. No commit ever waits for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. Nothing is lost; call it again later.
    pub async fn maintain(&self) -> Result<Maintenance, Error> {
        maintain::maintain(&self.inner).await
    }

    /// Takes a role, over from whoever has it: one conditional PUT of the head, or none of its own
    /// if a commit takes it along. [`Transaction::under`] commits under it.
    ///
    /// # Errors
    /// [`Error::Fenced`]: somebody else took it at the same moment. [`Error::Unavailable`]: it may
    /// or may not be taken; take it again. [`Error::TooLarge`]: a name of more than 64 bytes, or
    /// more roles than fit into the head.
    pub async fn acquire(&self, role: &str) -> Result<Role, Error> {
        role::acquire(&self.inner, role).await
    }

    /// Takes the role `compactor`, over from whoever has it.
    ///
    /// # Errors
    /// As [`Manifest::acquire`].
    pub async fn compactor(&self) -> Result<Compactor, Error> {
        Compactor::start(&self.inner).await
    }

    /// A collector of garbage. It makes no request before its first pass.
    pub fn collector(&self) -> Collector {
        Collector::new(&self.inner)
    }

    /// Opens a session on the newest snapshot that this process knows, or a newer one: one PUT of
    /// this process's pin and one conditional GET of the head; no request if the pin covers it
    /// already.
    ///
    /// The pin has to be renewed three times in `Options::pin_ttl`: see [`Manifest::renew_pin`] and
    /// [`Manifest::keep_pinned`].
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub async fn session(&self) -> Result<Session, Error> {
        Session::newest(&self.inner).await
    }

    /// Opens a session on an earlier snapshot. Costs what [`Manifest::session`] costs.
    ///
    /// # Errors
    /// [`Error::SnapshotExpired`]: a collector has been there. [`Error::IncarnationChanged`]: it is
    /// of another manifest. [`Error::Corrupt`]; and as [`Manifest::read`].
    pub async fn reopen(&self, saved: &SavedSnapshot) -> Result<Session, Error> {
        Session::reopen(&self.inner, saved).await
    }

    /// The newest snapshot that this process knows, to be reopened later. No request.
    pub fn save(&self) -> SavedSnapshot {
        session::save_newest(&self.inner)
    }

    /// Renews this process's pin, for the oldest of its open sessions: one PUT; one DELETE if no
    /// session is open any more; nothing if there is no pin.
    ///
    /// # Errors
    /// [`Error::SnapshotExpired`]: it is too late, all sessions are over. [`Error::Unavailable`]:
    /// try again soon.
    pub async fn renew_pin(&self) -> Result<(), Error> {
        pins::renew(&self.inner).await
    }

    /// Renews the pin for ever, three times in `Options::pin_ttl`: to be run beside the sessions,
    /// as a task of its own, and dropped when there are none. An error ends this attempt, not the
    /// loop.
    pub async fn keep_pinned(&self) {
        loop {
            self.inner.requests.env.sleep(self.inner.options.pin_ttl / 3).await;
            let _ = self.renew_pin().await;
        }
    }

    /// What the newest head that this process has seen says.
    pub fn head_info(&self) -> HeadInfo {
        let state = lock(&self.inner.state);
        let head = &state.head;
        HeadInfo {
            version: head.header.version,
            seq: state.seq(),
            incarnation: head.header.incarnation,
            chain: head.header.chain,
            digest: head.digest,
            head_bytes: head.bytes().len(),
            tail_bytes: head.tail().len(),
            tail_records: head.header.tail_count,
            segments: head.directory.segments.len(),
            seal_pending: !state.ready.is_empty(),
            checkpoint_seq: head.directory.checkpoint.map_or(0, |checkpoint| checkpoint.upto_seq),
            retired: head.directory.retired.len(),
            gate: head.header.gate,
            floor: head.header.floor,
        }
    }

    /// The first half of all commit ids of this process.
    pub fn writer(&self) -> u128 {
        self.inner.writer
    }

    /// Whether a strong read is answered from memory. Never, without the bug.
    fn serves_stale_reads(&self) -> bool {
        if !self.inner.bugs.is(PlantedBug::HeadCacheStale) {
            return false;
        }
        let confirmed_at = lock(&self.inner.state).confirmed_at;
        let age = self.inner.requests.env.now().saturating_sub(confirmed_at);
        age < self.inner.bugs.cache_age()
    }
}

/// Writes the first head if there is none, and finds out whether the manifest is this one.
///
/// What is returned is one head and *its* tag: the first head with the tag of its PUT, or what was
/// read back, which may be a later head, because others commit as soon as there is something to
/// commit to.
async fn put_first_head(
    requests: &Requests,
    first: Head,
    deadline: Duration,
) -> Result<(Head, UpdateVersion), Error> {
    let mut patience = Patience::until(deadline);
    loop {
        step!(CREATE_PUT_HEAD);
        let put = requests.put(&requests.head, first.bytes().clone(), PutMode::Create).await;
        let failure = match put {
            Ok(tag) if tag.e_tag.is_some() => return Ok((first, tag)),
            Ok(_) => Failure::TimedOut,
            Err(failure) => failure,
        };
        step!(CREATE_RESOLVE);
        let error = match read_head(requests).await {
            Ok(Some((head, tag))) if head.header.incarnation == first.header.incarnation => {
                let keeps = requests.bugs.is(PlantedBug::TagOfAnotherHead);
                return Ok((if keeps { first } else { head }, tag));
            }
            Ok(Some(_)) => {
                return Err(Error::AlreadyExists { head: requests.head.to_string() });
            }
            // Not there (yet): send it again. It is created once at most.
            Ok(None) => RefreshError::Failed(failure),
            Err(error) => error,
        };
        let again = patience.after(requests, error).await;
        again.map_err(|error| error.report("create"))?;
    }
}

/// Reads the head of a manifest that nothing is known of.
async fn get_first_head(
    requests: &Requests,
    deadline: Duration,
) -> Result<(Head, UpdateVersion), Error> {
    let mut patience = Patience::until(deadline);
    loop {
        step!(OPEN_GET_HEAD);
        let error = match read_head(requests).await {
            Ok(Some((_, tag))) if tag.e_tag.is_none() => {
                let missing = "an entity tag in the answer to a GET";
                return Err(Error::UnsupportedStore { missing });
            }
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {
                return Err(Error::NotFound { head: requests.head.to_string() });
            }
            Err(error) => error,
        };
        let again = patience.after(requests, error).await;
        again.map_err(|error| error.report("open"))?;
    }
}

/// One GET of the head, whoever's it is.
async fn read_head(requests: &Requests) -> Result<Option<(Head, UpdateVersion)>, RefreshError> {
    match requests.get(&requests.head, None).await {
        Ok(Fetched::Body { bytes, tag }) => match Head::decode(bytes.clone(), None) {
            Ok(head) => Ok(Some((head, tag))),
            Err(damage) => {
                let error = Error::corrupt(&requests.head, damage);
                Err(RefreshError::damaged(error, &bytes))
            }
        },
        Ok(Fetched::NotFound | Fetched::NotModified) => Ok(None),
        Err(failure) => Err(RefreshError::Failed(failure)),
    }
}
