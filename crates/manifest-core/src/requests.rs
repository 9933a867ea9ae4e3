//! The requests that the protocol makes, each with its own time limit.
//!
//! A request that takes too long is given up: its future is dropped. That does not stop it in the
//! world; it may still land, which is why a time-out of a PUT is an unknown outcome and nothing
//! else. The client underneath may hide retries of its own, so a PUT that failed with "already
//! exists" or "precondition failed" may be this very PUT, landed. Nothing here interprets a
//! failure of a PUT: that is the business of whoever reads back.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};

use crate::env::{BoxFuture, Env};
use crate::error::Error;
use crate::format::directory::RetiredKind;
use crate::format::{ObjectName, push_hex};
use crate::options::Options;
use crate::planted::{Bugs, PlantedBug};

/// Why a request has no good answer.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No answer in time.
    TimedOut,
    /// The answer of the store.
    Store(Arc<object_store::Error>),
}

impl Failure {
    /// The store answered, but not with what it has: a body that broke off or was damaged.
    #[cold]
    pub(crate) fn unfit(
        why: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Failure::Store(Arc::new(object_store::Error::Generic {
            store: "manifest-core",
            source: why.into(),
        }))
    }

    /// Whether the store says that the condition did not hold. It may have been this very PUT's
    /// first copy that made it so.
    pub(crate) fn is_refusal(&self) -> bool {
        let Failure::Store(error) = self else { return false };
        matches!(
            **error,
            object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }
        )
    }

    /// Whether the store says that there is such an object already. Stores also say so of requests
    /// that met another one on the way and were not done (409).
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn is_conflict(&self) -> bool {
        let Failure::Store(error) = self else { return false };
        matches!(**error, object_store::Error::AlreadyExists { .. })
    }

    /// The request's operation could not be done in time.
    pub(crate) fn unavailable(self, operation: &'static str) -> Error {
        let source = match self {
            Failure::TimedOut => None,
            Failure::Store(error) => Some(error),
        };
        Error::Unavailable { operation, source }
    }
}

/// An object that was read, or the news that it is still the same.
#[derive(Debug)]
pub(crate) enum Fetched {
    Body { bytes: Bytes, tag: UpdateVersion },
    NotModified,
    NotFound,
}

/// The store, seen from one process.
#[derive(Debug)]
pub(crate) struct Requests {
    store: Arc<dyn ObjectStore>,
    pub(crate) env: Arc<dyn Env>,
    prefix: Path,
    pub(crate) head: Path,
    pub(crate) segments: Path,
    pub(crate) checkpoints: Path,
    pub(crate) pins: Path,
    attempt_timeout: Duration,
    backoff_min: Duration,
    backoff_max: Duration,
    pub(crate) bugs: Bugs,
}

impl Requests {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        env: Arc<dyn Env>,
        options: &Options,
    ) -> Self {
        Self {
            store,
            env,
            head: prefix.clone().join("head"),
            segments: prefix.clone().join("seg"),
            checkpoints: prefix.clone().join("ckpt"),
            pins: prefix.clone().join("pin"),
            prefix,
            attempt_timeout: options.attempt_timeout,
            backoff_min: options.backoff_min,
            backoff_max: options.backoff_max,
            bugs: Bugs::of(options),
        }
    }

    /// Where a segment or a checkpoint is.
    pub(crate) fn object_path(&self, kind: RetiredKind, name: ObjectName) -> Path {
        let folder = match kind {
            RetiredKind::Segment => &self.segments,
            RetiredKind::Checkpoint => &self.checkpoints,
        };
        below(folder, |path| name.push_to(path))
    }

    /// Where the pin of a process is.
    pub(crate) fn pin_path(&self, process: u128) -> Path {
        below(&self.pins, |path| push_hex(path, &process.to_be_bytes()))
    }

    /// Where a probe's scratch object is.
    pub(crate) fn probe_path(&self, uuid: u128) -> Path {
        let folder = self.prefix.clone().join("probe");
        below(&folder, |path| push_hex(path, &uuid.to_be_bytes()))
    }

    /// One PUT.
    pub(crate) async fn put(
        &self,
        path: &Path,
        body: Bytes,
        mode: PutMode,
    ) -> Result<UpdateVersion, Failure> {
        let options = PutOptions { mode, ..PutOptions::default() };
        // On the store itself: `Arc` implements the trait too, with a box more for each request.
        let mut request = (*self.store).put_opts(path, PutPayload::from(body), options);
        let mut limit = Limit::new(self);
        let answer = poll_fn(|cx| {
            limit
                .race(cx, |cx| request.as_mut().poll(cx).map_ok(UpdateVersion::from).map_err(store))
        });
        answer.await
    }

    /// One GET, conditional if a tag is given: the answer and its body, both within one time limit.
    /// A body that is not as long as the answer announced broke off on the way: a failure like any
    /// other.
    pub(crate) async fn get(
        &self,
        path: &Path,
        if_none_match: Option<String>,
    ) -> Result<Fetched, Failure> {
        self.fetch(path, GetOptions { if_none_match, ..GetOptions::default() }).await
    }

    /// One GET of these bytes of an object, or of all.
    pub(crate) async fn get_part(
        &self,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> Result<Fetched, Failure> {
        let range = range.map(GetRange::Bounded);
        self.fetch(path, GetOptions { range, ..GetOptions::default() }).await
    }

    async fn fetch(&self, path: &Path, options: GetOptions) -> Result<Fetched, Failure> {
        let mut limit = Limit::new(self);
        let opened = {
            let mut request = (*self.store).get_opts(path, options);
            // Taken apart where it arrives: the whole answer is large, and moving it is slow.
            poll_fn(|cx| limit.race(cx, |cx| request.as_mut().poll(cx).map(Opened::of))).await?
        };
        let (mut body, size, tag) = match opened {
            Opened::Body(body, size, tag) => (body, size, tag),
            Opened::NotModified => return Ok(Fetched::NotModified),
            Opened::NotFound => return Ok(Fetched::NotFound),
        };
        let bytes = limit.next(&mut body).await?.unwrap_or_default();
        let bytes = match limit.next(&mut body).await? {
            None => bytes,
            Some(second) => Box::pin(limit.rest(bytes, second, &mut body)).await?,
        };
        // Whatever is not a run of records notices by itself, with this bug too.
        let counts = !self.bugs.is(PlantedBug::TornSegmentAccepted);
        if bytes.len() as u64 != size && counts {
            let got = bytes.len();
            return Err(Failure::unfit(format!(
                "{path}: a body of {got} bytes where {size} were announced"
            )));
        }
        Ok(Fetched::Body { bytes, tag })
    }

    /// One DELETE.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), Failure> {
        use object_store::ObjectStoreExt as _;
        let mut request = pin!(self.store.delete(path));
        let mut limit = Limit::new(self);
        poll_fn(|cx| limit.race(cx, |cx| request.as_mut().poll(cx).map_err(store))).await
    }

    /// One LIST: everything in a folder. The time limit is for each answer of the store, because a
    /// long listing comes in pages.
    pub(crate) async fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>, Failure> {
        let mut listing = self.store.list(Some(folder));
        let mut found = Vec::new();
        loop {
            let mut limit = Limit::new(self);
            let next = poll_fn(|cx| {
                limit.race(cx, |cx| {
                    listing.as_mut().poll_next(cx).map(Option::transpose).map_err(store)
                })
            });
            match next.await? {
                Some(meta) => found.push(meta),
                None => return Ok(found),
            }
            if self.bugs.is(PlantedBug::ListingFirstPage) && found.len() >= self.bugs.page() {
                return Ok(found);
            }
        }
    }

    /// Deletes objects, in as few requests as the store allows. Returns those that are gone for
    /// sure.
    pub(crate) async fn delete_all(&self, paths: Vec<Path>) -> BTreeSet<Path> {
        let asked: Vec<Path> = paths.clone();
        let stream = futures_util::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut answers = self.store.delete_stream(stream);
        let mut gone = BTreeSet::new();
        // Answers come in the order of the paths.
        let mut asked = asked.into_iter();
        loop {
            let mut limit = Limit::new(self);
            let next = poll_fn(|cx| limit.race(cx, |cx| answers.as_mut().poll_next(cx).map(Ok)));
            let Ok(Some(answer)) = next.await else {
                return gone;
            };
            let path = asked.next();
            match answer {
                Ok(path) => gone.insert(path),
                Err(object_store::Error::NotFound { .. }) => path.is_some_and(|it| gone.insert(it)),
                Err(_) => false,
            };
        }
    }

    /// How long to wait before try number `tries` + 1: uniform below a bound that doubles with
    /// every try ("full jitter").
    pub(crate) fn back_off(&self, tries: u32) -> BoxFuture<'static, ()> {
        let doubled = self.backoff_min.saturating_mul(1 << tries.min(30));
        let bound = doubled.min(self.backoff_max).as_nanos() as u64;
        let wait = (u128::from(self.env.random_u64()) * u128::from(bound)) >> 64;
        self.env.sleep(Duration::from_nanos(wait as u64))
    }
}

/// The path in a folder whose last part `name` appends: digits and dashes, which need no escaping.
fn below(folder: &Path, name: impl FnOnce(&mut String)) -> Path {
    let folder = folder.as_ref();
    let mut path = String::with_capacity(folder.len() + 50);
    path.push_str(folder);
    path.push('/');
    name(&mut path);
    // Never escaped a second time, as `Path::from` would do with a prefix that has escapes.
    Path::parse(&path).unwrap_or_else(|_| Path::from(path))
}

/// The time limit of one request.
struct Limit<'a> {
    requests: &'a Requests,
    timer: Option<BoxFuture<'static, ()>>,
}

impl<'a> Limit<'a> {
    fn new(requests: &'a Requests) -> Self {
        Self { requests, timer: None }
    }

    /// Polls the request, then the timer, which is only made if the request does not answer at
    /// once. An answer that is there counts, however late it is.
    fn race<T>(
        &mut self,
        cx: &mut Context<'_>,
        request: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, Failure>>,
    ) -> Poll<Result<T, Failure>> {
        if let ready @ Poll::Ready(_) = request(cx) {
            return ready;
        }
        let Requests { env, attempt_timeout, .. } = self.requests;
        let timer = self.timer.get_or_insert_with(|| env.sleep(*attempt_timeout));
        timer.as_mut().poll(cx).map(|()| Err(Failure::TimedOut))
    }

    /// The next part of a body.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, Failure> {
        let next = poll_fn(|cx| {
            self.race(cx, |cx| body.as_mut().poll_next(cx).map(Option::transpose).map_err(store))
        });
        next.await
    }

    /// A body that comes in more than one part.
    async fn rest(
        &mut self,
        first: Bytes,
        second: Bytes,
        body: &mut Body,
    ) -> Result<Bytes, Failure> {
        let mut whole = first.to_vec();
        whole.extend_from_slice(&second);
        while let Some(more) = self.next(body).await? {
            whole.extend_from_slice(&more);
        }
        Ok(whole.into())
    }
}

/// The answer to a GET, before its body.
enum Opened {
    /// The body, how long it is, and the tag.
    Body(Body, u64, UpdateVersion),
    NotModified,
    NotFound,
}

/// A body on its way.
type Body = BoxStream<'static, object_store::Result<Bytes>>;

impl Opened {
    fn of(answer: object_store::Result<GetResult>) -> Result<Self, Failure> {
        match answer {
            Ok(mut answer) => {
                // Of the part that was asked for, which is all of it without a range.
                let size = answer.range.end.saturating_sub(answer.range.start);
                let meta = &mut answer.meta;
                let (e_tag, version) = (meta.e_tag.take(), meta.version.take());
                let tag = UpdateVersion { e_tag, version };
                Ok(Opened::Body(answer.into_stream(), size, tag))
            }
            Err(object_store::Error::NotModified { .. }) => Ok(Opened::NotModified),
            Err(object_store::Error::NotFound { .. }) => Ok(Opened::NotFound),
            Err(error) => Err(store(error)),
        }
    }
}

/// The store's own error.
#[cold]
fn store(error: object_store::Error) -> Failure {
    Failure::Store(Arc::new(error))
}
