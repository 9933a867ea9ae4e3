//! The requests that the protocol makes, each with its own time limit.
//!
//! A request that takes too long is given up: its future is dropped. That does not stop it in the
//! world; it may still land, which is why a time-out of a PUT is an unknown outcome and nothing
//! else. The client underneath may hide retries of its own, so a PUT that failed with "already
//! exists" or "precondition failed" may be this very PUT, landed. Nothing here interprets a
//! failure of a PUT: that is the business of whoever reads back.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions, PutPayload, UpdateVersion};

use crate::env::{BoxFuture, Env};
use crate::error::Error;
use crate::format::ObjectName;
use crate::options::Options;

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
    attempt_timeout: Duration,
    backoff_min: Duration,
    backoff_max: Duration,
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
            prefix,
            attempt_timeout: options.attempt_timeout,
            backoff_min: options.backoff_min,
            backoff_max: options.backoff_max,
        }
    }

    /// Where a segment is.
    pub(crate) fn segment_path(&self, name: ObjectName) -> Path {
        self.prefix.clone().join("seg").join(name.to_string())
    }

    /// Where a probe's scratch object is.
    pub(crate) fn probe_path(&self, uuid: u128) -> Path {
        self.prefix.clone().join("probe").join(format!("{uuid:032x}"))
    }

    /// One PUT.
    pub(crate) async fn put(
        &self,
        path: &Path,
        body: Bytes,
        mode: PutMode,
    ) -> Result<UpdateVersion, Failure> {
        let options = PutOptions { mode, ..PutOptions::default() };
        let mut request = self.store.put_opts(path, PutPayload::from(body), options);
        let mut limit = Limit::new(self);
        poll_fn(|cx| limit.race(cx, |cx| request.as_mut().poll(cx))).await.map(UpdateVersion::from)
    }

    /// One GET, conditional if a tag is given.
    pub(crate) async fn get(
        &self,
        path: &Path,
        if_none_match: Option<String>,
    ) -> Result<Fetched, Failure> {
        match self.get_body(path, if_none_match).await {
            Ok((bytes, tag)) => Ok(Fetched::Body { bytes, tag }),
            Err(Failure::Store(error)) => match &*error {
                object_store::Error::NotModified { .. } => Ok(Fetched::NotModified),
                object_store::Error::NotFound { .. } => Ok(Fetched::NotFound),
                _ => Err(Failure::Store(error)),
            },
            Err(Failure::TimedOut) => Err(Failure::TimedOut),
        }
    }

    /// The answer and its body, both within one time limit. A body that is not as long as the
    /// answer announced broke off on the way: a failure like any other.
    async fn get_body(
        &self,
        path: &Path,
        if_none_match: Option<String>,
    ) -> Result<(Bytes, UpdateVersion), Failure> {
        let mut limit = Limit::new(self);
        // Little is kept across the waits: a large future is slow to make and to move.
        let (mut body, size, tag) = {
            let options = GetOptions { if_none_match, ..GetOptions::default() };
            let mut request = self.store.get_opts(path, options);
            let mut answer = poll_fn(|cx| limit.race(cx, |cx| request.as_mut().poll(cx))).await?;
            let meta = &mut answer.meta;
            let (e_tag, version) = (meta.e_tag.take(), meta.version.take());
            let size = meta.size;
            (answer.into_stream(), size, UpdateVersion { e_tag, version })
        };
        let mut next = async || {
            let next = poll_fn(|cx| {
                limit.race(cx, |cx| body.as_mut().poll_next(cx).map(Option::transpose))
            });
            next.await
        };
        let mut whole = next().await?.unwrap_or_default();
        if let Some(second) = next().await? {
            let mut joined = whole.to_vec();
            joined.extend_from_slice(&second);
            while let Some(more) = next().await? {
                joined.extend_from_slice(&more);
            }
            whole = joined.into();
        }
        if whole.len() as u64 != size {
            let got = whole.len();
            return Err(Failure::unfit(format!(
                "{path}: a body of {got} bytes where {size} were announced"
            )));
        }
        Ok((whole, tag))
    }

    /// One DELETE.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), Failure> {
        use object_store::ObjectStoreExt as _;
        let mut request = pin!(self.store.delete(path));
        let mut limit = Limit::new(self);
        poll_fn(|cx| limit.race(cx, |cx| request.as_mut().poll(cx))).await
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
        request: impl FnOnce(&mut Context<'_>) -> Poll<object_store::Result<T>>,
    ) -> Poll<Result<T, Failure>> {
        if let Poll::Ready(answer) = request(cx) {
            return Poll::Ready(answer.map_err(|error| Failure::Store(Arc::new(error))));
        }
        let Requests { env, attempt_timeout, .. } = self.requests;
        let timer = self.timer.get_or_insert_with(|| env.sleep(*attempt_timeout));
        timer.as_mut().poll(cx).map(|()| Err(Failure::TimedOut))
    }
}
