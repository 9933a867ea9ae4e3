//! A store that does not show everything.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a listing is like.
#[derive(Debug, Default)]
pub(crate) enum Listing {
    #[default]
    Whole,
    /// It does not show this object, which can be read.
    Hides(Path),
    Fails,
}

/// What reading an object is like.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Bodies {
    #[default]
    Whole,
    Fail,
}

#[derive(Debug, Default)]
pub(crate) struct Hiding {
    pub(crate) inner: InMemory,
    pub(crate) listing: Listing,
    pub(crate) bodies: Bodies,
}

impl Hiding {
    pub(crate) fn new(inner: InMemory) -> Self {
        Self { inner, ..Self::default() }
    }
}

impl std::fmt::Display for Hiding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that hides something")
    }
}

fn refused() -> Error {
    Error::Generic { store: "test", source: "connection refused".into() }
}

#[async_trait::async_trait]
impl ObjectStore for Hiding {
    async fn put_opts(&self, to: &Path, body: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(to, body, opts).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.bodies {
            Bodies::Whole => self.inner.get_opts(path, options).await,
            Bodies::Fail => Err(refused()),
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let hidden = match &self.listing {
            Listing::Whole => return self.inner.list(prefix),
            Listing::Hides(hidden) => hidden.clone(),
            Listing::Fails => {
                return futures_util::stream::once(async { Err(refused()) }).boxed();
            }
        };
        let shows = move |found: &Result<ObjectMeta>| {
            found.as_ref().is_ok_and(|meta| meta.location != hidden)
        };
        self.inner.list(prefix).filter(move |it| std::future::ready(shows(it))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
