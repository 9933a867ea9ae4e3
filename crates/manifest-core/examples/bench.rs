//! What one operation costs, in nanoseconds, over a store that answers at once.
//!
//! `cargo run --release -p manifest-core --example bench`
//!
//! Two stores: `object_store`'s memory store, and one that only swaps the head (the least that a
//! store can do, so that what is left is the protocol).
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use manifest_core::{BoxFuture, Env, Manifest, Options};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Default)]
struct CountingEnv(AtomicU64);

impl Env for CountingEnv {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
    fn random_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// One object and everything else in a memory store.
#[derive(Debug, Default)]
struct OneHead {
    head: Mutex<Option<(u64, Bytes)>>,
    rest: InMemory,
}

impl std::fmt::Display for OneHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one head")
    }
}

fn no(what: &'static str) -> Error {
    Error::Precondition { path: String::new(), source: what.into() }
}

fn nothing() -> Error {
    Error::NotFound { path: String::new(), source: "no head yet".into() }
}

#[async_trait::async_trait]
impl ObjectStore for OneHead {
    async fn put_opts(&self, path: &Path, body: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if !path.as_ref().ends_with("head") {
            return self.rest.put_opts(path, body, opts).await;
        }
        let mut head = self.head.lock().unwrap();
        let held = head.as_ref().map_or(0, |(tag, _)| *tag);
        if let PutMode::Update(version) = opts.mode
            && version.e_tag != Some(held.to_string())
        {
            return Err(no("tag"));
        }
        *head = Some((held + 1, body.into()));
        let e_tag = Some((held + 1).to_string());
        Ok(PutResult { e_tag, version: None, extensions: Default::default() })
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if !path.as_ref().ends_with("head") {
            return self.rest.get_opts(path, options).await;
        }
        let (tag, body) = self.head.lock().unwrap().clone().ok_or_else(nothing)?;
        let e_tag = tag.to_string();
        if options.if_none_match.as_ref() == Some(&e_tag) {
            return Err(Error::NotModified { path: String::new(), source: "same".into() });
        }
        let size = body.len() as u64;
        let stream = futures_util::stream::once(async move { Ok(body) }).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream),
            meta: ObjectMeta {
                location: path.clone(),
                last_modified: Default::default(),
                size,
                e_tag: Some(e_tag),
                version: None,
            },
            range: 0..size,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.rest.put_multipart_opts(path, opts).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.rest.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.rest.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.rest.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.rest.copy_opts(from, to, options).await
    }
}

/// Everything here answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a store of this benchmark answers at once"),
    }
}

fn ns(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

fn options(tail: usize) -> Options {
    Options { tail_limit_bytes: tail, ..Options::default() }
}

fn open(store: &Arc<dyn ObjectStore>, seed: u64, tail: usize) -> Manifest {
    let env = CountingEnv(AtomicU64::new(seed << 32));
    let (store, path) = (store.clone(), Path::from("b"));
    now(Manifest::open_or_create(store, path, Arc::new(env), options(tail))).unwrap()
}

/// 12 rounds of commits up to `tail` bytes, each sealed; and a reader of every commit.
fn measure(name: &str, store: impl Fn() -> Arc<dyn ObjectStore>, tail: usize) {
    let (mut commits, mut same, mut newer, mut count) = (0.0, 0.0, 0.0, 0usize);
    let mut best = [f64::MAX; 3];
    for repeat in 0..20 {
        let store = store();
        let writer = open(&store, 1 + repeat, tail);
        let reader = open(&store, 1000 + repeat, tail);
        for _ in 0..12 {
            let keys: Vec<Bytes> = (0..64).map(|n| Bytes::from(format!("key {n:03}"))).collect();
            let value = Bytes::from_static(b"0123456789abcdef");
            let mut n = 0;
            while writer.head_info().tail_bytes <= tail {
                let start = Instant::now();
                let mut t = writer.transaction();
                t.get(&keys[n % 64]);
                t.put(keys[n % 64].clone(), value.clone());
                now(t.commit()).unwrap();
                commits += ns(start, 1);
                let start = Instant::now();
                drop(now(reader.read()).unwrap());
                newer += ns(start, 1);
                let start = Instant::now();
                drop(now(reader.read()).unwrap());
                same += ns(start, 1);
                n += 1;
                count += 1;
            }
            now(writer.maintain()).unwrap();
            let mut t = writer.transaction();
            t.put(keys[0].clone(), value.clone());
            now(t.commit()).unwrap();
        }
        let round = [commits, newer, same].map(|sum| sum / count as f64);
        for (best, round) in best.iter_mut().zip(round) {
            *best = best.min(round);
        }
        (commits, newer, same, count) = (0.0, 0.0, 0.0, 0);
    }
    let [commit, newer, same] = best;
    println!(
        "{name:>10}, tail <= {tail:>6} B: commit {commit:>6.0} ns, \
         strong read: newer {newer:>6.0} ns, not modified {same:>6.0} ns"
    );
}

fn main() {
    let start = Instant::now();
    for _ in 0..100_000 {
        std::hint::black_box(Instant::now());
    }
    println!("(each figure contains one reading of the clock: {:.0} ns)", ns(start, 100_000));
    sizes();
    for tail in tails() {
        measure("one head", || Arc::new(OneHead::default()), tail);
        measure("in memory", || Arc::new(InMemory::new()), tail);
    }
}

/// The tail limits of the command line, or four.
fn tails() -> Vec<usize> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    if given.is_empty() { vec![1 << 10, 4 << 10, 16 << 10, 64 << 10] } else { given }
}

/// How large the futures are: each is copied when it is boxed or moved.
fn sizes() {
    let store: Arc<dyn ObjectStore> = Arc::new(OneHead::default());
    let manifest = open(&store, 1, 1 << 10);
    let read = std::mem::size_of_val(&manifest.read());
    let mut transaction = manifest.transaction();
    transaction.put("k", "v");
    let commit = std::mem::size_of_val(&transaction.commit());
    println!("the future of a strong read has {read} bytes, that of a commit {commit} and a box");
}
