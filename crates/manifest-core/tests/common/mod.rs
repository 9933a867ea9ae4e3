//! What the tests share: an environment on tokio's paused clock, and a store that does to a
//! request what a test tells it to.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use manifest_core::{BoxFuture, Env, Manifest, Options};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

pub const PREFIX: &str = "db";

/// tokio's clock (paused in tests, so waiting costs nothing) and a counted random source.
#[derive(Debug)]
pub struct TestEnv {
    start: tokio::time::Instant,
    random: AtomicU64,
}

impl TestEnv {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { start: tokio::time::Instant::now(), random: AtomicU64::new(seed << 32) })
    }
}

impl Env for TestEnv {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(d))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random_u64(&self) -> u64 {
        let mut z = self.random.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Put,
    Get,
    Delete,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It never reaches the store; the client sees an error.
    Lose,
    /// It is done; the client sees an error.
    LoseReply,
    /// It is done; the client never hears of it.
    Silence,
    /// It is done, and a hidden retry of it tells the client that the condition does not hold.
    HiddenRetry,
    /// The client never hears of it, and it is done when the test calls [`TestStore::land_late`].
    Late,
    /// It waits for the test, and then is done.
    Hold(Arc<Notify>),
    /// It is done, and its answer waits for the test.
    HoldAnswer(Arc<Notify>),
    /// A PUT: it is not done, because of another one that the store is busy with.
    Conflict,
    /// A GET: the second half of the body does not come.
    Half,
    /// A GET: one bit of the body is another one, each time a different bit.
    FlipBit,
    /// A GET: the body is one byte short.
    Cut,
    /// A GET: there is no such object.
    Lack,
}

/// A promise that a store may not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vice {
    IgnoresIfNoneMatch,
    IgnoresIfMatch,
    ReadsStale,
    HasNoTags,
    Never304,
    HasNoConditionalPut,
}

#[derive(Debug)]
struct Rule {
    kind: Kind,
    part: &'static str,
    fault: Fault,
}

/// A memory store under the control of a test.
#[derive(Debug, Default)]
pub struct TestStore {
    pub inner: InMemory,
    rules: Mutex<VecDeque<Rule>>,
    late: Mutex<Vec<(Path, PutPayload, PutOptions)>>,
    log: Mutex<Vec<(Kind, String)>>,
    flips: AtomicU64,
    /// The first body and tag of the last new object, for a store that reads stale.
    first: Mutex<Option<(Bytes, Option<String>)>>,
    pub vice: Option<Vice>,
}

impl std::fmt::Display for TestStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("test store")
    }
}

fn broken() -> Error {
    Error::Generic { store: "test", source: "connection reset".into() }
}

impl TestStore {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn with_vice(vice: Vice) -> Arc<Self> {
        Arc::new(Self { vice: Some(vice), ..Self::default() })
    }

    /// The next request of this kind whose path contains `part` meets this fault. Rules for the
    /// same requests are used up in the order in which they were given.
    pub fn fault(&self, kind: Kind, part: &'static str, fault: Fault) {
        self.rules.lock().unwrap().push_back(Rule { kind, part, fault });
    }

    pub fn faults_left(&self) -> usize {
        self.rules.lock().unwrap().len()
    }

    pub fn clear_faults(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// Lets the late PUTs land now, and says for each whether its condition still held.
    pub async fn land_late(&self) -> Vec<bool> {
        let late: Vec<_> = self.late.lock().unwrap().drain(..).collect();
        let mut landed = Vec::new();
        for (path, payload, options) in late {
            landed.push(self.inner.put_opts(&path, payload, options).await.is_ok());
        }
        landed
    }

    /// The requests since the last call.
    pub fn take_log(&self) -> Vec<(Kind, String)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// How many requests of a kind there were since the last call that took the log, by kind.
    pub fn counts(&self) -> (usize, usize) {
        let log = self.take_log();
        let count = |kind| log.iter().filter(|(k, _)| *k == kind).count();
        (count(Kind::Put), count(Kind::Get))
    }

    fn next_fault(&self, kind: Kind, path: &Path) -> Option<Fault> {
        self.log.lock().unwrap().push((kind, path.to_string()));
        let mut rules = self.rules.lock().unwrap();
        let found = rules.iter().position(|r| r.kind == kind && path.as_ref().contains(r.part))?;
        rules.remove(found).map(|rule| rule.fault)
    }

    async fn do_put(
        &self,
        path: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        match self.vice {
            Some(Vice::IgnoresIfNoneMatch) if opts.mode == PutMode::Create => {
                opts.mode = PutMode::Overwrite;
            }
            Some(Vice::IgnoresIfMatch) if matches!(opts.mode, PutMode::Update(_)) => {
                opts.mode = PutMode::Overwrite;
            }
            Some(Vice::HasNoConditionalPut) if opts.mode != PutMode::Overwrite => {
                let source = "conditional put".into();
                return Err(Error::NotSupported { source });
            }
            _ => {}
        }
        let created = (opts.mode == PutMode::Create).then(|| Bytes::from(payload.clone()));
        let mut result = self.inner.put_opts(path, payload, opts).await?;
        if let Some(body) = created {
            *self.first.lock().unwrap() = Some((body, result.e_tag.clone()));
        }
        if self.vice == Some(Vice::HasNoTags) {
            result.e_tag = None;
        }
        Ok(result)
    }

    async fn do_get(&self, path: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.vice == Some(Vice::Never304) {
            options.if_none_match = None;
        }
        self.inner.get_opts(path, options).await
    }
}

/// A result without its body, and the body.
async fn apart(result: GetResult) -> Result<(GetResult, Bytes)> {
    let rest = GetResult {
        payload: object_store::GetResultPayload::Stream(futures_util::stream::empty().boxed()),
        meta: result.meta.clone(),
        range: result.range.clone(),
        attributes: result.attributes.clone(),
        extensions: result.extensions.clone(),
    };
    Ok((rest, result.bytes().await?))
}

/// A result with another body.
fn with_body(mut result: GetResult, body: Bytes) -> GetResult {
    let stream = futures_util::stream::once(async move { Ok(body) });
    result.payload = object_store::GetResultPayload::Stream(stream.boxed());
    result
}

#[async_trait::async_trait]
impl ObjectStore for TestStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let Some(fault) = self.next_fault(Kind::Put, path) else {
            return self.do_put(path, payload, opts).await;
        };
        match fault {
            Fault::Lose => Err(broken()),
            Fault::LoseReply => {
                let _ = self.do_put(path, payload, opts).await;
                Err(broken())
            }
            Fault::Silence => {
                let _ = self.do_put(path, payload, opts).await;
                std::future::pending().await
            }
            Fault::HiddenRetry => {
                let _ = self.do_put(path, payload.clone(), opts.clone()).await;
                self.do_put(path, payload, opts).await
            }
            Fault::Late => {
                self.late.lock().unwrap().push((path.clone(), payload, opts));
                std::future::pending().await
            }
            Fault::Hold(gate) => {
                gate.notified().await;
                self.do_put(path, payload, opts).await
            }
            Fault::HoldAnswer(gate) => {
                let result = self.do_put(path, payload, opts).await;
                gate.notified().await;
                result
            }
            Fault::Conflict => {
                let path = path.to_string();
                Err(Error::AlreadyExists { path, source: "409 Conflict".into() })
            }
            Fault::FlipBit | Fault::Cut | Fault::Half | Fault::Lack => {
                unreachable!("a fault of a GET")
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.next_fault(Kind::Get, path);
        if let Some(Fault::Hold(gate)) = &fault {
            gate.notified().await;
        }
        let result = self.do_get(path, options).await;
        if let Some(Fault::HoldAnswer(gate)) = &fault {
            gate.notified().await;
        }
        match fault {
            None | Some(Fault::Hold(_) | Fault::HoldAnswer(_)) => {
                let stale = self.vice == Some(Vice::ReadsStale) && path.as_ref().contains("probe");
                match (result, self.first.lock().unwrap().clone()) {
                    (Ok(mut result), Some((body, tag))) if stale => {
                        result.meta.size = body.len() as u64;
                        result.meta.e_tag = tag;
                        Ok(with_body(result, body))
                    }
                    (other, _) => other,
                }
            }
            Some(Fault::Silence | Fault::Late) => std::future::pending().await,
            Some(Fault::FlipBit) => {
                let (result, body) = apart(result?).await?;
                let mut body = body.to_vec();
                let bit = self.flips.fetch_add(1, Ordering::Relaxed) as usize;
                let at = (body.len() / 2 + bit / 8) % body.len();
                body[at] ^= 1 << (bit % 8);
                Ok(with_body(result, body.into()))
            }
            Some(Fault::Cut) => {
                let (result, body) = apart(result?).await?;
                Ok(with_body(result, body.slice(..body.len() - 1)))
            }
            Some(Fault::Half) => {
                let (result, body) = apart(result?).await?;
                Ok(with_body(result, body.slice(..body.len() / 2)))
            }
            Some(Fault::Lack) => {
                Err(Error::NotFound { path: path.to_string(), source: "lacking".into() })
            }
            Some(Fault::Lose | Fault::LoseReply | Fault::HiddenRetry | Fault::Conflict) => {
                Err(broken())
            }
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.log.lock().unwrap().push((Kind::Delete, String::new()));
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Options with which a test meets every limit soon.
pub fn small() -> Options {
    Options {
        tail_limit_bytes: 256,
        head_limit_bytes: 4096,
        attempt_timeout: Duration::from_secs(1),
        commit_deadline: Duration::from_secs(10),
        read_deadline: Duration::from_secs(10),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(200),
        ..Options::default()
    }
}

pub async fn create(store: &Arc<TestStore>) -> Manifest {
    create_with(store, small()).await
}

pub async fn create_with(store: &Arc<TestStore>, options: Options) -> Manifest {
    let manifest =
        Manifest::create(store.clone(), Path::from(PREFIX), TestEnv::new(1), options).await;
    store.take_log();
    manifest.expect("a new manifest")
}

pub async fn open(store: &Arc<TestStore>, seed: u64) -> Manifest {
    open_with(store, seed, small()).await
}

pub async fn open_with(store: &Arc<TestStore>, seed: u64, options: Options) -> Manifest {
    let path = Path::from(PREFIX);
    let manifest = Manifest::open(store.clone(), path, TestEnv::new(seed), options).await;
    store.take_log();
    manifest.expect("an open manifest")
}

/// A transaction that puts one key.
pub fn put(manifest: &Manifest, key: &str, value: &str) -> manifest_core::Transaction {
    let mut transaction = manifest.transaction();
    transaction.put(key.to_owned(), value.to_owned());
    transaction
}

/// All keys and values that a fresh process sees, as text.
pub async fn truth(store: &Arc<TestStore>) -> Vec<(String, String)> {
    let fresh = open(store, 999).await;
    contents(&fresh.snapshot())
}

pub fn contents(snapshot: &manifest_core::Snapshot) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    snapshot.scan(..).into_iter().map(|(k, e)| (text(&k), text(&e.value))).collect()
}

pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}
