//! The handle of one process: `object_store::ObjectStore` on the simulated store.
//!
//! A thin adapter, and the only part that knows that crate. It turns paths, payloads and options
//! into requests of the model, and answers into results; what is not a request on a real store (the
//! filtering and coalescing that the crate's clients do) is done here as they do it.
//!
//! Nothing leaves a process before the returned future or stream is polled, and a listing, a batch of
//! deletes or several ranges are as many requests as a real client would send: one for each page,
//! one for each `delete_batch` names, one for each coalesced range.

mod body;
mod convert;
mod error;
mod exchange;
mod upload;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, RenameTargetMode, Result,
};
use sim::ProcessId;

use crate::model::{Cursor, Model, Refusal, WriteCondition};
use crate::profile::{Profile, Rename};
use crate::store::{Call, Failure, ListedPage, Reply, Request, Shared};
use convert::{attributes_to_model, read_request, write_condition};
use error::{Asked, error};
use exchange::{Boxed, Exchange, refused};

/// How many delete requests of one stream are under way at the same time, as in the S3 client.
const DELETES_AT_ONCE: usize = 20;

/// What one process holds of a [`crate::SimStore`]. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    shared: Shared,
    process: ProcessId,
    profile: Arc<Profile>,
    /// Which of the store's worlds this handle belongs to.
    epoch: u32,
}

impl Client {
    pub(crate) fn new(
        shared: Shared,
        process: ProcessId,
        profile: Arc<Profile>,
        epoch: u32,
    ) -> Self {
        Self { shared, process, profile, epoch }
    }

    /// The process whose requests these are.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    fn call<F>(&self, build: F) -> Call<'_, F>
    where
        F: FnOnce(&mut Model) -> Request + Unpin,
    {
        Call::new(&self.shared, self.process, self.epoch, build)
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        delimiter: Option<char>,
        cursor: Option<Cursor>,
    ) -> Result<ListedPage> {
        let request = Request::List {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            delimiter,
            cursor,
        };
        match self.call(|_| request).await {
            Ok(Reply::Page(page)) => Ok(*page),
            other => Err(unexpected(other, prefix, Asked::Read)),
        }
    }

    fn list_from(
        &self,
        prefix: Option<&Path>,
        after: Option<String>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        /// Which page comes next.
        enum Next {
            First,
            After(Cursor),
            None,
        }
        let (client, prefix) = (self.clone(), directory(prefix));
        stream::try_unfold(Next::First, move |next| {
            let (client, prefix, after) = (client.clone(), prefix.clone(), after.clone());
            async move {
                let cursor = match next {
                    Next::First => None,
                    Next::After(cursor) => Some(cursor),
                    Next::None => return Ok(None),
                };
                let page = client.page(&prefix, after.as_deref(), None, cursor).await?;
                let next = page.next.map_or(Next::None, Next::After);
                let ids = client.profile.version_ids;
                let metas: Vec<Result<ObjectMeta>> =
                    page.objects.into_iter().map(|listed| convert::listed(listed, ids)).collect();
                Ok::<_, object_store::Error>(Some((stream::iter(metas), next)))
            }
        })
        .try_flatten()
        .boxed()
    }

    /// Deletes the given names with one request and says of each how it went.
    async fn delete_batch(self, paths: Vec<Path>) -> Result<Vec<Result<Path>>> {
        let answer = match paths.as_slice() {
            [one] => self.call(|model| Request::Delete { name: model.name(one.as_ref()) }).await,
            many => {
                self.call(|model| Request::DeleteBatch {
                    names: many.iter().map(|path| model.name(path.as_ref())).collect(),
                })
                .await
            }
        };
        let first = paths.first().map_or("", |path| path.as_ref());
        match answer {
            Ok(Reply::Done) => Ok(paths.into_iter().map(Ok).collect()),
            Ok(Reply::Deleted(results)) => Ok(paths
                .into_iter()
                .zip(results)
                .map(|(path, result)| match result {
                    Ok(()) => Ok(path),
                    Err(refusal) => {
                        let failure = Failure::Refused(refusal);
                        Err(error(failure, path.as_ref(), Asked::Delete))
                    }
                })
                .collect()),
            other => Err(unexpected(other, first, Asked::Delete)),
        }
    }
}

/// The error for an answer that is no success. A success of the wrong kind cannot be: the store
/// answers each request in its own kind.
fn unexpected(answer: Result<Reply, Failure>, path: &str, asked: Asked) -> object_store::Error {
    let failure = answer.err().unwrap_or(Failure::Reset);
    error(failure, path, asked)
}

/// Whether the source of a copy was missing: then the error names the source, else the target.
fn is_missing(answer: &Result<Reply, Failure>) -> bool {
    matches!(answer, Err(Failure::Refused(Refusal::NotFound)))
}

/// A prefix as the crate's clients send it: with a slash at the end, unless it is empty.
fn directory(prefix: Option<&Path>) -> String {
    match prefix {
        Some(prefix) if !prefix.is_root() => format!("{prefix}/"),
        _ => String::new(),
    }
}

#[async_trait]
impl ObjectStore for Client {
    fn put_opts<'c, 'l, 'f>(
        &'c self,
        location: &'l Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Boxed<'f, PutResult>
    where
        'c: 'f,
        'l: 'f,
        Self: 'f,
    {
        let (condition, asked) = match write_condition(&opts.mode, &self.profile) {
            Ok(known) => known,
            Err(error) => return refused(error),
        };
        let body = Bytes::from(payload);
        let attributes = attributes_to_model(&opts.attributes);
        let put = self.call(move |model| Request::Put {
            name: model.name(location.as_ref()),
            size: body.len(),
            body,
            attributes,
            condition,
        });
        Box::pin(Exchange::new(put, move |answer| match answer {
            Ok(Reply::Written(written)) => {
                Ok(convert::put_result(&written, self.profile.version_ids))
            }
            other => Err(unexpected(other, location.as_ref(), asked)),
        }))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let answer = self
            .call(|model| Request::Begin {
                name: model.name(location.as_ref()),
                attributes: attributes_to_model(&opts.attributes),
            })
            .await;
        match answer {
            Ok(Reply::Upload(id)) => {
                Ok(Box::new(upload::Upload::new(self.clone(), location.clone(), id)))
            }
            other => Err(unexpected(other, location.as_ref(), Asked::Put)),
        }
    }

    fn get_opts<'c, 'l, 'f>(
        &'c self,
        location: &'l Path,
        options: GetOptions,
    ) -> Boxed<'f, GetResult>
    where
        'c: 'f,
        'l: 'f,
        Self: 'f,
    {
        let read = match read_request(&options, location) {
            Ok(read) => read,
            Err(error) => return refused(error),
        };
        let get =
            self.call(move |model| Request::Read { name: model.name(location.as_ref()), read });
        Box::pin(Exchange::new(get, move |answer| match answer {
            Ok(Reply::Read(read, fate)) => Ok(GetResult {
                payload: GetResultPayload::Stream(body::stream(&read, fate)),
                meta: convert::meta(location.clone(), &read.version, self.profile.version_ids),
                range: read.range,
                attributes: convert::attributes_from_model(&read.version.attributes),
                extensions: Default::default(),
            }),
            other => Err(unexpected(other, location.as_ref(), Asked::Read)),
        }))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let client = self.clone();
        locations
            .try_chunks(self.profile.delete_batch.max(1) as usize)
            .map(move |batch| {
                let client = client.clone();
                async move {
                    let batch = batch.map_err(|stopped| stopped.1)?;
                    client.delete_batch(batch).await.map(stream::iter)
                }
            })
            .buffered(DELETES_AT_ONCE)
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset.to_string()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = directory(prefix);
        let mut result = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
            extensions: Default::default(),
        };
        let mut cursor = None;
        loop {
            let page = self.page(&prefix, None, Some('/'), cursor).await?;
            for prefix in &page.prefixes {
                result.common_prefixes.push(Path::parse(prefix)?);
            }
            for listed in page.objects {
                result.objects.push(convert::listed(listed, self.profile.version_ids)?);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(result);
            }
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (condition, asked) = match options.mode {
            CopyMode::Overwrite => (WriteCondition::None, Asked::Read),
            CopyMode::Create => (WriteCondition::Absent, Asked::Create),
        };
        let answer = self
            .call(|model| Request::Copy {
                from: model.name(from.as_ref()),
                to: model.name(to.as_ref()),
                condition,
            })
            .await;
        match answer {
            Ok(Reply::Written(_)) => Ok(()),
            other => {
                let blamed = if is_missing(&other) { from } else { to };
                Err(unexpected(other, blamed.as_ref(), asked))
            }
        }
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (condition, mode, asked) = match options.target_mode {
            RenameTargetMode::Overwrite => (WriteCondition::None, CopyMode::Overwrite, Asked::Read),
            RenameTargetMode::Create => (WriteCondition::Absent, CopyMode::Create, Asked::Create),
        };
        if self.profile.rename == Rename::CopyThenDelete {
            self.copy_opts(from, to, CopyOptions::new().with_mode(mode)).await?;
            return self.delete(from).await;
        }
        let answer = self
            .call(|model| Request::Rename {
                from: model.name(from.as_ref()),
                to: model.name(to.as_ref()),
                condition,
            })
            .await;
        match answer {
            Ok(Reply::Written(_)) => Ok(()),
            other => {
                let blamed = if is_missing(&other) { from } else { to };
                Err(unexpected(other, blamed.as_ref(), asked))
            }
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimStore({})", self.profile.name)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("profile", &self.profile.name)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
