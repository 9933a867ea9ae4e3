//! Who loses races: everybody who wants to commit gets to, although whoever has just won can send
//! the next head before anybody else has read this one.
#![allow(missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{PREFIX, TestEnv};
use futures_util::stream::BoxStream;
use manifest_core::{Manifest, Options};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::{Instant, sleep};

/// Half of what a GET and a conditional PUT take on S3 at the median.
const GET_WAY: Duration = Duration::from_micros(13_400);
const PUT_WAY: Duration = Duration::from_micros(32_300);

/// A memory store that is as far away as S3: a request takes effect half-way.
#[derive(Debug, Clone, Default)]
struct Distant(Arc<InMemory>);

impl std::fmt::Display for Distant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a distant store")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Distant {
    async fn put_opts(&self, path: &Path, body: PutPayload, opts: PutOptions) -> Result<PutResult> {
        sleep(PUT_WAY).await;
        let result = self.0.put_opts(path, body, opts).await;
        sleep(PUT_WAY).await;
        result
    }
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        sleep(GET_WAY).await;
        let result = self.0.get_opts(path, options).await;
        sleep(GET_WAY).await;
        result
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, opts).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

async fn open(store: &Distant, seed: u64) -> Manifest {
    let (store, env) = (Arc::new(store.clone()), TestEnv::new(seed));
    let options = Options { tail_limit_bytes: 8 << 10, ..Options::default() };
    Manifest::open_or_create(store, Path::from(PREFIX), env, options).await.unwrap()
}

async fn put(manifest: &Manifest, key: &'static str) {
    let mut transaction = manifest.transaction();
    transaction.put(key, "v");
    transaction.commit().await.unwrap();
}

/// A process that commits without a pause wins most races: it needs one request from head to head,
/// all others need two. They must win some, and soon: who waits after it has read the head, and
/// before it sends the next one, wins none.
#[tokio::test(start_paused = true)]
async fn a_process_that_never_pauses_starves_nobody() {
    let store = Distant::default();
    let busy = open(&store, 1).await;
    let others = [open(&store, 2).await, open(&store, 3).await];
    let hog = tokio::spawn(async move {
        loop {
            put(&busy, "busy").await;
            busy.maintain().await.unwrap();
        }
    });
    let began = Instant::now();
    let commits = others.iter().map(async |other| {
        let mut longest = Duration::ZERO;
        for _ in 0..30 {
            let sent = Instant::now();
            put(other, "other").await;
            longest = longest.max(sent.elapsed());
        }
        longest
    });
    let longest = futures_util::future::join_all(commits).await.into_iter().max().unwrap();
    hog.abort();
    assert!(longest < Duration::from_secs(10), "a commit took {longest:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "30 commits took {:?}", began.elapsed());
}
