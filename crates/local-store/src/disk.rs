//! Every change that this crate makes to the disk, and every wait for it, passes through here.
//!
//! One place, so that the tests can write down what was changed and what was waited for, and then
//! ask what a crash at any point, or a power loss that keeps any part of what was not waited for,
//! would have left (`power_loss.rs`). Reading is done where it is needed.
//!
//! Whether an object has reached stable storage, its name included, is told by its file: as long as
//! it has not, the owner may write to the file (mode `u+w`); [`mark_settled`] takes all write
//! permissions away. The mark itself need not be durable. Without it, somebody waits for the disk
//! once more.

#[cfg(test)]
pub(crate) mod recorder;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes an event down if a test has asked for it.
macro_rules! record {
    ($event:ident($($field:expr),*)) => {
        #[cfg(test)]
        recorder::note(|| recorder::Event::$event($($field.into()),*));
    };
}

/// Opens a file to read: not through a symbolic link, and not waiting for the other end if somebody
/// has left a pipe there.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Opens a directory, not through a symbolic link.
pub(crate) fn open_directory(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY).open(path)
}

/// A new file, to read and write.
pub(crate) fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
    let file = file.map_err(Error::io("create", path))?;
    record!(Create(path));
    Ok(file)
}

/// Writes into a file that [`create`] made.
pub(crate) fn write_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset).map_err(Error::io("write to", path))?;
    record!(Write(path, bytes, offset));
    Ok(())
}

/// Copies what is left of a source to an offset, as the system does it best (some file systems share
/// the blocks and copy nothing).
pub(crate) fn copy_at(
    file: &mut File,
    path: &Path,
    source: io::Take<&File>,
    to: u64,
) -> Result<u64> {
    let copied = copy_bytes(file, source, to).map_err(Error::io("copy to", path))?;
    record!(Write(path, recorder::read_back(file, to), to));
    Ok(copied)
}

fn copy_bytes(file: &mut File, mut source: io::Take<&File>, to: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(to))?;
    io::copy(&mut source, file)
}

/// Waits until the bytes of a file are on stable storage.
pub(crate) fn sync_file(file: &File, path: &Path) -> Result<()> {
    record!(SyncFile(path));
    flush(file, path)
}

/// Waits until the names in a directory are on stable storage.
pub(crate) fn sync_directory(directory: &File, path: &Path) -> Result<()> {
    record!(SyncDirectory(path));
    flush(directory, path)
}

fn flush(file: &File, path: &Path) -> Result<()> {
    // It was written down that there is a wait; thousands of real ones would tell no more.
    #[cfg(test)]
    if recorder::is_on() {
        return Ok(());
    }
    file.sync_all().map_err(Error::io("flush", path))
}

/// Moves a file, over another one if there is one.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("publish", to))?;
    record!(Rename(from, to));
    Ok(())
}

/// Makes a directory, unless it is there.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created.map_err(Error::io("create", path))?,
    }
    record!(CreateDirectory(path));
    Ok(())
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(Error::io("remove", path))?;
    record!(Remove(path));
    Ok(())
}

/// Removes an empty directory.
pub(crate) fn remove_directory(path: &Path) -> Result<()> {
    fs::remove_dir(path).map_err(Error::io("remove", path))?;
    record!(RemoveDirectory(path));
    Ok(())
}

/// Says that a file and its name are on stable storage.
pub(crate) fn mark_settled(file: &File, metadata: &Metadata, path: &Path) -> Result<()> {
    let mode = metadata.mode() & 0o7555;
    let marked = file.set_permissions(fs::Permissions::from_mode(mode));
    marked.map_err(Error::io("mark", path))?;
    record!(MarkSettled(path));
    Ok(())
}

/// Whether a file and its name are known to be on stable storage.
pub(crate) fn is_settled(metadata: &Metadata) -> bool {
    metadata.mode() & 0o200 == 0
}
