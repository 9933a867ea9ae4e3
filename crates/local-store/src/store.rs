//! The store as its users see it: the trait, in terms of what the other modules do.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, RenameTargetMode, Result,
};

use crate::error::Error;
use crate::inner::Inner;
use crate::list::Walk;
use crate::names::{self, Place};
use crate::object::{Need, Stored};
use crate::options::Options;
use crate::publish::{self, Condition};
use crate::session::Swept;
use crate::upload::Upload;

/// A body up to this many bytes is read before its reader is answered, a longer one in pieces of
/// this size, when they are asked for.
const PIECE: u64 = 1 << 20;

/// Objects of a listing that are looked at in one go.
const LIST_BATCH: usize = 64;

/// Objects of a stream of deletions that are removed in one go, with one wait for the disk for each
/// directory.
const REMOVE_BATCH: usize = 256;

/// An object store on a directory.
///
/// Cheap to clone. The documentation of the crate has the contract.
#[derive(Debug, Clone)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

impl LocalStore {
    /// Opens the store in a directory, making both if they are missing, and removes what processes
    /// that have died left in its staging area.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be made, read or written, or if its file system has no
    /// locks; [`Error::Format`] if a later version made it.
    pub fn open(directory: impl AsRef<std::path::Path>, options: Options) -> Result<Self, Error> {
        let (inner, _) = Inner::open_store(directory.as_ref(), options)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Removes what processes left in the staging area that have died since the store was opened.
    /// For processes that live long; opening a store does it too.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self) -> Result<Swept, Error> {
        self.inner.sweep()
    }

    /// Runs blocking work that is about one object.
    async fn run<T, F>(&self, location: &Path, work: F) -> Result<T>
    where
        F: FnOnce(&Arc<Inner>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let (inner, location) = (Arc::clone(&self.inner), location.clone());
        let work = move || work(&inner).map_err(|error| error.of(&location));
        self.inner.blocking.run(work).await
    }

    fn walk(
        &self,
        prefix: Option<&Path>,
        offset: Option<Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let blocking = self.inner.blocking;
        let walk = Walk::new(Arc::clone(&self.inner), prefix.cloned().unwrap_or_default(), offset);
        let batches = stream::try_unfold(walk, move |mut walk| async move {
            let work = move || Ok((walk.batch(LIST_BATCH), walk));
            let (batch, walk) = blocking.run(work).await?;
            Ok::<_, object_store::Error>((!batch.is_empty()).then(|| (stream::iter(batch), walk)))
        });
        batches.try_flatten().boxed()
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalStore({})", self.inner.directories.root().display())
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let to = location.clone();
        let work = move |inner: &Arc<Inner>| {
            let place = names::place(&to)?;
            let condition = publish::condition(options.mode)?;
            let tag = inner.put(&place, &payload, &options.attributes, &condition)?;
            let e_tag = Some(tag.text());
            Ok(PutResult { e_tag, version: None, extensions: Default::default() })
        };
        self.run(location, work).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let to = location.clone();
        let work =
            move |inner: &Arc<Inner>| Upload::begin(Arc::clone(inner), to, &options.attributes);
        Ok(Box::new(self.run(location, work).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (inner, location) = (Arc::clone(&self.inner), location.clone());
        self.inner.blocking.run(move || get(&inner, location, &options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (from, ranges) = (location.clone(), ranges.to_vec());
        let work = move |inner: &Arc<Inner>| {
            // All of one version.
            let stored = inner.open(&names::place(&from)?, Need::Body)?;
            let size = stored.header.body;
            ranges
                .into_iter()
                .map(|range| stored.read(within(GetRange::Bounded(range), size)?))
                .collect()
        };
        self.run(location, work).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let inner = Arc::clone(&self.inner);
        let removed = locations.ready_chunks(REMOVE_BATCH).then(move |batch| {
            let inner = Arc::clone(&inner);
            async move {
                let blocking = inner.blocking;
                let removed = blocking.run(move || Ok(inner.remove_all(batch))).await;
                stream::iter(removed.unwrap_or_else(|error| vec![Err(error)]))
            }
        });
        removed.flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.walk(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.walk(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned().unwrap_or_default());
        self.inner.blocking.run(move || inner.list_level(&prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let condition = match options.mode {
            CopyMode::Overwrite => Condition::Anything,
            CopyMode::Create => Condition::Nothing,
        };
        self.transfer(from, to, condition, Inner::copy).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let condition = match options.target_mode {
            RenameTargetMode::Overwrite => Condition::Anything,
            RenameTargetMode::Create => Condition::Nothing,
        };
        self.transfer(from, to, condition, Inner::rename).await
    }
}

impl LocalStore {
    /// Copies or renames.
    async fn transfer(
        &self,
        from: &Path,
        to: &Path,
        condition: Condition,
        how: fn(&Inner, &Place, &Place, &Condition) -> Result<(), Error>,
    ) -> Result<()> {
        let (inner, from, to) = (Arc::clone(&self.inner), from.clone(), to.clone());
        let work = move || {
            let places = names::place(&from).and_then(|from| Ok((from, names::place(&to)?)));
            let done = places.and_then(|(from, to)| how(&inner, &from, &to, &condition));
            done.map_err(|error| match error {
                Error::Missing => error.of(&from),
                error => error.of(&to),
            })
        };
        self.inner.blocking.run(work).await
    }
}

fn get(inner: &Arc<Inner>, location: Path, options: &GetOptions) -> Result<GetResult> {
    let of = |error: Error| error.of(&location);
    if options.version.is_some() {
        return Err(of(Error::NotSupported("reading by version: versions have tags here")));
    }
    let place = names::place(&location).map_err(of)?;
    let need = if options.head { Need::Header } else { Need::Body };
    let stored = inner.open(&place, need).map_err(of)?;
    let meta = stored.meta(location.clone());
    options.check_preconditions(&meta)?;
    let range = match &options.range {
        Some(range) => within(range.clone(), meta.size).map_err(of)?,
        None => 0..meta.size,
    };
    let attributes = stored.header.attributes.clone();
    let payload = if options.head {
        stream::empty().boxed()
    } else if range.end - range.start <= PIECE {
        let bytes = stored.read(range.clone()).map_err(of)?;
        stream::iter([Ok(bytes)]).boxed()
    } else {
        pieces(Arc::clone(inner), stored, range.clone(), location)
    };
    let payload = GetResultPayload::Stream(payload);
    Ok(GetResult { payload, meta, range, attributes, extensions: Default::default() })
}

/// A long body, piece by piece.
fn pieces(
    inner: Arc<Inner>,
    stored: Stored,
    range: Range<u64>,
    location: Path,
) -> BoxStream<'static, Result<Bytes>> {
    let stored = Arc::new(stored);
    let next = move |range: Range<u64>| {
        let (stored, location, blocking) = (Arc::clone(&stored), location.clone(), inner.blocking);
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let middle = range.end.min(range.start + PIECE);
            let work =
                move || stored.read(range.start..middle).map_err(|error| error.of(&location));
            Ok(Some((blocking.run(work).await?, middle..range.end)))
        }
    };
    stream::try_unfold(range, next).boxed()
}

/// The bytes of a range of a body of so many.
fn within(range: GetRange, size: u64) -> Result<Range<u64>, Error> {
    range.as_range(size).map_err(|error| Error::Range(error.to_string()))
}
