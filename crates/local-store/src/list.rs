//! Listings: a walk through the directories in the order of the locations.
//!
//! The names in one directory are read at once, under the shared lock, and sorted; what is in the
//! directories beneath is read when the walk comes there. So a listing of many objects is not one
//! snapshot, as on other stores: a name that stays is listed once, one that comes or goes meanwhile
//! may be listed or not. Each object is opened, for its tag and its size stand in its file.
//!
//! What the store did not write is not shown: symbolic links, names that are not canonical, files
//! that are no objects by their name. An empty directory is not a prefix.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ListResult, ObjectMeta};

use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::names::{self, Kind, Place};
use crate::object::Need;

/// A name in a directory.
#[derive(Debug)]
enum Entry {
    Object { location: Path, place: Place },
    Prefix { location: Path, directory: String },
}

impl Entry {
    /// The order of listings: by location, where a prefix stands for what is beneath it.
    fn compare(&self, other: &Self) -> Ordering {
        fn text(entry: &Entry) -> impl Iterator<Item = u8> {
            let (location, end) = match entry {
                Entry::Object { location, .. } => (location, None),
                Entry::Prefix { location, .. } => (location, Some(b'/')),
            };
            location.as_ref().bytes().chain(end)
        }
        text(self).cmp(text(other))
    }
}

/// A listing that is going on.
#[derive(Debug)]
pub(crate) struct Walk {
    inner: Arc<Inner>,
    /// Where the walk begins, until it has.
    begin: Option<(Path, String)>,
    /// What is left of each level, the deepest last.
    levels: Vec<std::vec::IntoIter<Entry>>,
    /// Only locations after this one.
    offset: Option<Path>,
}

impl Walk {
    pub(crate) fn new(inner: Arc<Inner>, prefix: Path, offset: Option<Path>) -> Self {
        let directory = names::directory(&prefix);
        Self { inner, begin: Some((prefix, directory)), levels: Vec::new(), offset }
    }

    /// At most so many objects more; fewer only at the end.
    pub(crate) fn batch(&mut self, size: usize) -> Vec<object_store::Result<ObjectMeta>> {
        self.by_ref().take(size).collect()
    }

    fn enter(&mut self, prefix: &Path, directory: &str) -> object_store::Result<()> {
        let level = self.inner.level(prefix, directory).map_err(|error| error.of(prefix))?;
        self.levels.push(level.into_iter());
        Ok(())
    }

    /// Whether all that is beneath a prefix comes before what is wanted.
    fn is_passed(&self, prefix: &Path) -> bool {
        let beneath = || prefix.as_ref().bytes().chain([b'/']);
        self.offset.as_ref().is_some_and(|offset| {
            beneath().lt(offset.as_ref().bytes()) && !offset.prefix_matches(prefix)
        })
    }
}

impl Iterator for Walk {
    type Item = object_store::Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((prefix, directory)) = self.begin.take()
            && let Err(error) = self.enter(&prefix, &directory)
        {
            return Some(Err(error));
        }
        loop {
            let Some(entry) = self.levels.last_mut()?.next() else {
                self.levels.pop();
                continue;
            };
            match entry {
                Entry::Prefix { location, .. } if self.is_passed(&location) => {}
                Entry::Prefix { location, directory } => {
                    if let Err(error) = self.enter(&location, &directory) {
                        return Some(Err(error));
                    }
                }
                Entry::Object { location, .. }
                    if self.offset.as_ref().is_some_and(|offset| location <= *offset) => {}
                Entry::Object { location, place } => match self.inner.open(&place, Need::Header) {
                    Ok(stored) => return Some(Ok(stored.meta(location))),
                    Err(Error::Missing) => {}
                    Err(error) => return Some(Err(error.of(&location))),
                },
            }
        }
    }
}

impl Inner {
    /// The objects and the prefixes directly beneath a prefix.
    pub(crate) fn list_level(self: &Arc<Self>, prefix: &Path) -> object_store::Result<ListResult> {
        let mut objects = Vec::new();
        let mut common_prefixes = Vec::new();
        let directory = names::directory(prefix);
        for entry in self.level(prefix, &directory).map_err(|error| error.of(prefix))? {
            match entry {
                Entry::Object { location, place } => match self.open(&place, Need::Header) {
                    Ok(stored) => objects.push(stored.meta(location)),
                    Err(Error::Missing) => {}
                    Err(error) => return Err(error.of(&location)),
                },
                Entry::Prefix { location, .. } => {
                    let mut beneath = Walk::new(Arc::clone(self), location.clone(), None);
                    if beneath.next().transpose()?.is_some() {
                        common_prefixes.push(location);
                    }
                }
            }
        }
        // On their own, without the slash that they stand for.
        common_prefixes.sort_unstable();
        Ok(ListResult { objects, common_prefixes, extensions: Default::default() })
    }

    /// The names directly beneath a prefix, sorted.
    fn level(&self, prefix: &Path, directory: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.read_names(prefix, directory, &mut Vec::new(), &mut entries)?;
        entries.sort_unstable_by(Entry::compare);
        Ok(entries)
    }

    /// Reads the names in a directory; `chunks` are the chunks of a long segment that led here.
    fn read_names(
        &self,
        prefix: &Path,
        directory: &str,
        chunks: &mut Vec<String>,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let mut continued = Vec::new();
        {
            let Some(_lock) = self.directories.lock_to_list(directory)? else { return Ok(()) };
            let path = self.directories.path(directory, "");
            for entry in fs::read_dir(&path).map_err(Error::io("list", &path))? {
                let entry = entry.map_err(Error::io("list", &path))?;
                let is_directory = match entry.file_type() {
                    Ok(kind) if kind.is_symlink() => continue,
                    Ok(kind) => kind.is_dir(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Error::io("look at", entry.path())(error)),
                };
                let name = entry.file_name().into_string().unwrap_or_default();
                match names::decode(&name) {
                    Some((Kind::Object, _)) if !is_directory => {
                        let file = name.clone();
                        let place = Place { directory: directory.to_owned(), file };
                        let location = joined(prefix, chunks, name.trim_end_matches('@'));
                        entries.extend(location.map(|location| Entry::Object { location, place }));
                    }
                    Some((Kind::Prefix, _)) if is_directory => {
                        let mut beneath = directory.to_owned();
                        names::push(&mut beneath, &name);
                        entries.extend(
                            joined(prefix, chunks, &name)
                                .map(|location| Entry::Prefix { location, directory: beneath }),
                        );
                    }
                    Some((Kind::Continued, _)) if is_directory => continued.push(name),
                    _ => {}
                }
            }
        }
        for name in continued {
            let mut beneath = directory.to_owned();
            names::push(&mut beneath, &name);
            chunks.push(name);
            self.read_names(prefix, &beneath, chunks, entries)?;
            chunks.pop();
        }
        Ok(())
    }
}

/// The location of a segment that is these chunks. None if they are not the canonical ones, or if no
/// segment can be like that.
fn joined(prefix: &Path, chunks: &[String], last: &str) -> Option<Path> {
    let all = || chunks.iter().map(String::as_str).chain([last]);
    let bytes: Vec<u8> = all().filter_map(names::decode).flat_map(|(_, bytes)| bytes).collect();
    let segment = String::from_utf8(bytes).ok()?;
    let canonical = names::encode(&segment).iter().map(String::as_str).eq(all());
    if !canonical || segment.contains('/') {
        return None;
    }
    let mut location = prefix.to_string();
    names::push(&mut location, &segment);
    Path::parse(location).ok()
}
