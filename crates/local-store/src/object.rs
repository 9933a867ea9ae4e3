//! Reading one object.
//!
//! A reader opens the file once, and has with it one version whole: attributes, tag and body stand
//! in the same file, which nobody writes to after it was published. A writer that replaces the object
//! gives the name to another file. No lock is taken.
//!
//! **Nobody is told of what a power loss could take back.** Between the rename that publishes a
//! version and the moment at which that rename has reached the disk, others can see it. A reader that
//! finds the file not marked as settled waits for the disk itself before it answers, and then marks
//! it. So does whoever is refused because of what he saw. The same holds for an absence: an object
//! is removed by putting an empty file in its place first, which a reader takes for "not there" only
//! after it has waited for the disk; the empty file is removed when that is done.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::disk;
use crate::error::{Error, Result};
use crate::header::{self, Header};
use crate::inner::Inner;
use crate::names::Place;
use crate::options::Durability;

/// How much of a file to read at once when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Enough for nearly every header.
    Header,
    /// The whole of a small object too.
    Body,
}

impl Need {
    fn bytes(self) -> u64 {
        match self {
            Need::Header => 512,
            Need::Body => 16 << 10,
        }
    }
}

/// What is in the place of an object.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and never kept")]
pub(crate) enum Seen {
    Nothing,
    /// The empty file of a removal that is going on, or whose process has died.
    Removed,
    Object(Stored),
}

/// One version of an object, open.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    file: File,
    path: PathBuf,
    metadata: Metadata,
    /// The first bytes of the file.
    first: Bytes,
}

impl Seen {
    /// The tag of the object that is there.
    pub(crate) fn tag(&self) -> Option<String> {
        match self {
            Seen::Object(stored) => Some(stored.header.tag.text()),
            Seen::Nothing | Seen::Removed => None,
        }
    }
}

impl Inner {
    /// Opens an object, of which a caller may be told.
    ///
    /// # Errors
    /// [`Error::Missing`], also of the directory.
    pub(crate) fn open(&self, place: &Place, need: Need) -> Result<Stored> {
        let seen = self.look(place, need)?;
        self.settle(place, &seen)?;
        match seen {
            Seen::Object(stored) => Ok(stored),
            Seen::Nothing | Seen::Removed => Err(Error::Missing),
        }
    }

    /// Looks at what is in the place of an object. No caller may be told before
    /// [`settle`](Self::settle) has been called with it.
    pub(crate) fn look(&self, place: &Place, need: Need) -> Result<Seen> {
        if !self.directories.exists(&place.directory)? {
            return Ok(Seen::Nothing);
        }
        let path = self.directories.path(&place.directory, &place.file);
        let file = match disk::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(Error::Damaged { path, why: "it is a symbolic link" });
            }
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        if !metadata.is_file() {
            return Err(Error::Damaged { path, why: "it is not a file" });
        }
        if metadata.len() == 0 {
            return Ok(Seen::Removed);
        }
        Stored::read_header(file, path, metadata, need).map(Seen::Object)
    }

    /// Waits for the disk, if somebody is to be told of what might not have reached it.
    pub(crate) fn settle(&self, place: &Place, seen: &Seen) -> Result<()> {
        if self.durability == Durability::ProcessCrash {
            return Ok(());
        }
        match seen {
            Seen::Nothing => Ok(()),
            Seen::Removed => self.directories.settle(&place.directory),
            Seen::Object(stored) if disk::is_settled(&stored.metadata) => Ok(()),
            Seen::Object(stored) => {
                // Its writer may not have waited even for the bytes.
                disk::sync_file(&stored.file, &stored.path)?;
                self.directories.settle(&place.directory)?;
                // Whoever does not own the file cannot mark it, and waits every time.
                let _ = disk::mark_settled(&stored.file, &stored.metadata, &stored.path);
                Ok(())
            }
        }
    }
}

impl Stored {
    fn read_header(file: File, path: PathBuf, metadata: Metadata, need: Need) -> Result<Self> {
        let length = metadata.len();
        let mut first = read(&file, &path, 0..length.min(need.bytes()))?;
        let damaged = |why| Error::Damaged { path: path.clone(), why };
        let header = header::length(&first).map_err(damaged)? as u64;
        if header > first.len() as u64 {
            first = read(&file, &path, 0..length.min(header))?;
        }
        let header = header::decode(&first, length).map_err(damaged)?;
        Ok(Self { header, file, path, metadata, first })
    }

    /// What is told of the object.
    pub(crate) fn meta(&self, location: Path) -> ObjectMeta {
        let nanoseconds = u32::try_from(self.metadata.mtime_nsec()).unwrap_or(0);
        let modified = DateTime::<Utc>::from_timestamp(self.metadata.mtime(), nanoseconds);
        ObjectMeta {
            location,
            last_modified: modified.unwrap_or(DateTime::UNIX_EPOCH),
            size: self.header.body,
            e_tag: Some(self.header.tag.text()),
            version: None,
        }
    }

    /// Bytes of the body. The range must be within it.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let range = self.header.begin + range.start..self.header.begin + range.end;
        if range.end <= self.first.len() as u64 {
            return Ok(self.first.slice(range.start as usize..range.end as usize));
        }
        read(&self.file, &self.path, range)
    }

    /// The whole body, to be copied.
    pub(crate) fn body(&self) -> Result<io::Take<&File>> {
        use io::{Read, Seek, SeekFrom};
        let mut file = &self.file;
        let begin = file.seek(SeekFrom::Start(self.header.begin));
        begin.map_err(Error::io("read", &self.path))?;
        Ok(file.take(self.header.body))
    }
}

fn read(file: &File, path: &std::path::Path, range: Range<u64>) -> Result<Bytes> {
    let length = usize::try_from(range.end - range.start)
        .map_err(|_| Error::NotSupported("a range of more bytes than this machine can address"))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start).map_err(Error::io("read", path))?;
    Ok(bytes.into())
}
