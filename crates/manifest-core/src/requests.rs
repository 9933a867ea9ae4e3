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
use std::task::Poll;
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
        self.prefix
            .clone()
            .join("probe")
            .join(format!("{uuid:032x}"))
    }

    /// One PUT.
    pub(crate) async fn put(
        &self,
        path: &Path,
        body: Bytes,
        mode: PutMode,
    ) -> Result<UpdateVersion, Failure> {
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let request = self.store.put_opts(path, PutPayload::from(body), options);
        self.limited(request).await.map(UpdateVersion::from)
    }

    /// One GET, conditional if a tag is given.
    pub(crate) async fn get(
        &self,
        path: &Path,
        if_none_match: Option<String>,
    ) -> Result<Fetched, Failure> {
        let options = GetOptions {
            if_none_match,
            ..GetOptions::default()
        };
        let request = async {
            let result = self.store.get_opts(path, options).await?;
            let e_tag = result.meta.e_tag.clone();
            let version = result.meta.version.clone();
            let bytes = result.bytes().await?;
            Ok(Fetched::Body {
                bytes,
                tag: UpdateVersion { e_tag, version },
            })
        };
        match self.limited(request).await {
            Err(Failure::Store(error)) => match &*error {
                object_store::Error::NotModified { .. } => Ok(Fetched::NotModified),
                object_store::Error::NotFound { .. } => Ok(Fetched::NotFound),
                _ => Err(Failure::Store(error)),
            },
            other => other,
        }
    }

    /// One DELETE.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), Failure> {
        use object_store::ObjectStoreExt as _;
        self.limited(self.store.delete(path)).await
    }

    /// The request, or a time-out. The timer is only made if the request does not answer at once.
    async fn limited<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        let mut request = pin!(request);
        let mut timer: Option<BoxFuture<'static, ()>> = None;
        poll_fn(|cx| {
            // The request first: an answer that is there counts, however late it is.
            if let Poll::Ready(answer) = request.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|error| Failure::Store(Arc::new(error))));
            }
            let timer = timer.get_or_insert_with(|| self.env.sleep(self.attempt_timeout));
            timer.as_mut().poll(cx).map(|()| Err(Failure::TimedOut))
        })
        .await
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
