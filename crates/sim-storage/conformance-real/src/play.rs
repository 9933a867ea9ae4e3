//! Operations, and what a client sees of them, in words that do not depend on the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion,
};

/// The names that operations are about; small, so that they meet.
const NAMES: [&str; 4] = ["a", "d/b", "d/c", "z"];

/// One operation on names by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Put(usize, u8),
    Create(usize, u8),
    /// With the version that this client saw last, which may be an old one.
    Update(usize, u8),
    Get(usize),
    Head(usize),
    Range(usize, u64, u64),
    IfMatch(usize),
    IfNoneMatch(usize),
    Delete(usize),
    List,
    Level,
    ListAfter(usize),
    Copy(usize, usize),
    CopyIfAbsent(usize, usize),
    Rename(usize, usize),
    Multipart(usize, u8),
}

/// A client with what it knows.
#[derive(Clone)]
pub struct Player {
    store: Arc<dyn ObjectStore>,
    directory: String,
    seen: BTreeMap<usize, UpdateVersion>,
}

impl Player {
    pub fn new(store: Arc<dyn ObjectStore>, directory: &str) -> Self {
        Self { store, directory: directory.to_owned(), seen: BTreeMap::new() }
    }

    fn path(&self, name: usize) -> Path {
        Path::from(format!("{}/{}", self.directory, NAMES[name]))
    }

    /// Does one operation and says what came of it.
    pub async fn play(&mut self, operation: Operation) -> String {
        match self.attempt(operation).await {
            Ok(seen) => seen,
            Err(error) => kind(&error),
        }
    }

    async fn attempt(&mut self, operation: Operation) -> object_store::Result<String> {
        let store = Arc::clone(&self.store);
        let body = |content: u8| vec![b'a' + content; usize::from(content) * 3];
        Ok(match operation {
            Operation::Put(name, content) => {
                let put = store.put(&self.path(name), body(content).into()).await?;
                self.seen.insert(name, put.into());
                "put".into()
            }
            Operation::Create(name, content) => {
                let mode = PutMode::Create.into();
                let put = store.put_opts(&self.path(name), body(content).into(), mode).await?;
                self.seen.insert(name, put.into());
                "created".into()
            }
            Operation::Update(name, content) => {
                let Some(version) = self.seen.get(&name).cloned() else {
                    return Ok("nothing seen yet".into());
                };
                let mode = PutMode::Update(version).into();
                let put = store.put_opts(&self.path(name), body(content).into(), mode).await?;
                self.seen.insert(name, put.into());
                "updated".into()
            }
            Operation::Get(name) => self.get(name, GetOptions::default()).await?,
            Operation::Head(name) => {
                let meta = store.head(&self.path(name)).await?;
                let size = meta.size;
                self.learn(name, &meta);
                format!("{size} bytes")
            }
            Operation::Range(name, start, end) => {
                let range = Some(GetRange::Bounded(start..end));
                self.get(name, GetOptions { range, ..GetOptions::default() }).await?
            }
            Operation::IfMatch(name) => {
                let if_match = self.seen.get(&name).and_then(|version| version.e_tag.clone());
                self.get(name, GetOptions { if_match, ..GetOptions::default() }).await?
            }
            Operation::IfNoneMatch(name) => {
                let if_none_match = self.seen.get(&name).and_then(|version| version.e_tag.clone());
                self.get(name, GetOptions { if_none_match, ..GetOptions::default() }).await?
            }
            Operation::Delete(name) => {
                store.delete(&self.path(name)).await?;
                "deleted".into()
            }
            Operation::List => self.names(store.list(Some(&self.root())).try_collect().await?),
            Operation::ListAfter(name) => {
                let listing = store.list_with_offset(Some(&self.root()), &self.path(name));
                self.names(listing.try_collect().await?)
            }
            Operation::Level => {
                let level = store.list_with_delimiter(Some(&self.root())).await?;
                format!("{} and {:?}", self.names(level.objects), level.common_prefixes.len())
            }
            Operation::Copy(from, to) => {
                store.copy(&self.path(from), &self.path(to)).await?;
                "copied".into()
            }
            Operation::CopyIfAbsent(from, to) => {
                store.copy_if_not_exists(&self.path(from), &self.path(to)).await?;
                "copied to a free name".into()
            }
            Operation::Rename(from, to) => {
                store.rename(&self.path(from), &self.path(to)).await?;
                "renamed".into()
            }
            Operation::Multipart(name, content) => {
                let mut upload = store.put_multipart(&self.path(name)).await?;
                upload.put_part(body(content + 1).into()).await?;
                let put = upload.complete().await?;
                self.seen.insert(name, put.into());
                "uploaded".into()
            }
        })
    }

    fn root(&self) -> Path {
        Path::from(self.directory.clone())
    }

    fn learn(&mut self, name: usize, meta: &ObjectMeta) {
        let version = UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() };
        self.seen.insert(name, version);
    }

    async fn get(&mut self, name: usize, options: GetOptions) -> object_store::Result<String> {
        let got = self.store.get_opts(&self.path(name), options).await?;
        let (meta, range) = (got.meta.clone(), got.range.clone());
        let body = got.bytes().await?;
        self.learn(name, &meta);
        Ok(format!("{range:?} of {} bytes: {}", meta.size, String::from_utf8_lossy(&body)))
    }

    fn names(&self, metas: Vec<ObjectMeta>) -> String {
        let lines = metas.into_iter().map(|meta| {
            let name = meta.location.to_string();
            format!("{}={}", name.trim_start_matches(self.directory.as_str()), meta.size)
        });
        lines.collect::<Vec<_>>().join(" ")
    }
}

/// How a range that begins behind the end is told: by the server as a status; or, as azurite answers
/// a range that begins right at the end with success, by the client that cannot make sense of that.
const BEYOND_THE_END: [&str; 3] =
    ["416", "Wanted range starting at", "Failed to parse value for CONTENT_RANGE"];

/// The kind of an error. Stores word their messages differently; what is of no kind that random
/// operations without faults may meet is told in full.
fn kind(error: &Error) -> String {
    let kind = match error {
        Error::Generic { .. } => {
            let text = error.to_string();
            if BEYOND_THE_END.iter().any(|part| text.contains(part)) {
                return "range beyond the end".to_owned();
            }
            return text;
        }
        Error::NotFound { .. } => "not found",
        Error::AlreadyExists { .. } => "already exists",
        Error::Precondition { .. } => "precondition failed",
        Error::NotModified { .. } => "not modified",
        Error::NotImplemented { .. } => "not implemented",
        _ => "other error",
    };
    kind.to_owned()
}
