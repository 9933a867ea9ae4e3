//! The staging area: where bodies are written before they are published.
//!
//! Each opened store has a directory of its own in `.local-store/staging`, and holds a lock on it
//! as long as it lives. What lies in a directory that nobody has locked belongs to the dead, and
//! whoever opens the store next removes it. Nothing here has a name that a listing could show.
//!
//! A directory is made, then locked; between the two a sweeper may take it for one of the dead. So
//! its maker, when it has the lock, looks whether the directory is still there under its name, and if
//! not makes another.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::PutPayload;

use crate::disk;
use crate::error::{Error, Result};
use crate::header::{self, EncodedAttributes, Tag};

/// Up to this many bytes, header and body go to the file in one call.
const AT_ONCE: usize = 64 << 10;

/// How often to try for a directory that no sweeper takes away.
const ATTEMPTS: u32 = 100;

/// The staging directory of one opened store.
#[derive(Debug)]
pub(crate) struct Session {
    path: PathBuf,
    /// Holds the lock.
    handle: File,
}

/// What a sweep has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Opened stores whose processes have died.
    pub sessions: u64,
    /// Files that they had not published.
    pub files: u64,
}

impl Session {
    /// Begins a session in the staging area.
    pub(crate) fn begin(staging: &Path) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = staging.join(fresh_name()?);
            disk::create_directory(&path)?;
            let Some(handle) = open_if_there(&path)? else { continue };
            match handle.try_lock() {
                Ok(()) if is_at(&handle, &path)? => return Ok(Self { path, handle }),
                // A sweeper was faster.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
        }
        let busy = io::Error::other("other processes remove it again and again");
        Err(Error::io("keep a directory in", staging)(busy))
    }

    /// An empty file that is not published.
    pub(crate) fn create(self: &Arc<Self>) -> Result<Staged> {
        let path = self.path.join(fresh_name()?);
        let file = disk::create(&path)?;
        Ok(Staged { file, path, published: AtomicBool::new(false), _session: Arc::clone(self) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now will be swept.
        let _ = disk::remove_directory(&self.path);
        let _ = self.handle.unlock();
    }
}

/// A file that is not yet published; removed with this value unless it is by then.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) file: File,
    path: PathBuf,
    published: AtomicBool,
    _session: Arc<Session>,
}

impl Staged {
    /// Writes header and body of an object that is at hand as a whole.
    pub(crate) fn write(
        &self,
        tag: Tag,
        attributes: &EncodedAttributes,
        body: &PutPayload,
    ) -> Result<()> {
        let mut buffer = header::encode(tag, body.content_length() as u64, attributes);
        let mut offset = 0;
        for part in body {
            if buffer.len() + part.len() <= AT_ONCE {
                buffer.extend_from_slice(part);
                continue;
            }
            self.write_at(&buffer, offset)?;
            offset += buffer.len() as u64;
            buffer.clear();
            self.write_at(part, offset)?;
            offset += part.len() as u64;
        }
        self.write_at(&buffer, offset)
    }

    /// Writes somewhere into the file.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        disk::write_at(&self.file, &self.path, bytes, offset)
    }

    /// Copies what is left of a source to an offset.
    pub(crate) fn copy_at(&mut self, source: io::Take<&File>, offset: u64) -> Result<u64> {
        disk::copy_at(&mut self.file, &self.path, source, offset)
    }

    /// Waits until the bytes are on stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        disk::sync_file(&self.file, &self.path)
    }

    /// Gives the file its name, in the place of what had it.
    pub(crate) fn rename(&self, to: &Path) -> Result<()> {
        disk::rename(&self.path, to)?;
        self.published.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes the file if it is not published.
    pub(crate) fn discard(&self) {
        if !self.published.swap(true, Ordering::Relaxed) {
            // What cannot be removed now will be swept.
            let _ = disk::remove(&self.path);
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Removes what dead processes have left in the staging area, as far as this one may.
pub(crate) fn sweep(staging: &Path) -> Result<Swept> {
    let mut swept = Swept::default();
    for entry in fs::read_dir(staging).map_err(Error::io("list", staging))? {
        let path = entry.map_err(Error::io("list", staging))?.path();
        match sweep_session(&path) {
            Ok(None) => {}
            Ok(Some(files)) => {
                swept.sessions += 1;
                swept.files += files;
            }
            // Of another user, who will do it.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

/// Removes a session of a dead process; says how many files were in it.
fn sweep_session(path: &Path) -> Result<Option<u64>> {
    let Some(handle) = open_if_there(path)? else { return Ok(None) };
    match handle.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
    }
    // Another sweeper, or its owner at its end, may have removed it meanwhile.
    if !is_at(&handle, path)? {
        return Ok(None);
    }
    let mut files = 0;
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        disk::remove(&entry.map_err(Error::io("list", path))?.path())?;
        files += 1;
    }
    disk::remove_directory(path)?;
    Ok(Some(files))
}

fn open_if_there(path: &Path) -> Result<Option<File>> {
    match disk::open_directory(path) {
        Ok(handle) => Ok(Some(handle)),
        // Foreign files are left alone.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Whether a directory that is open is the one that has this name.
fn is_at(handle: &File, path: &Path) -> Result<bool> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let held = handle.metadata().map_err(Error::io("look at", path))?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(identity(named) == identity(held)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

fn fresh_name() -> Result<String> {
    Ok(format!("{:032x}", u128::from_be_bytes(header::random()?)))
}
