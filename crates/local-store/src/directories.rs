//! The directories under the root: made when they are needed, made durable once, locked to publish.
//!
//! **A directory is never removed.** An empty one is not shown as a prefix, so that nobody sees the
//! difference; and because it stays, it can be the lock of what is in it, and what a process knows of
//! it (that it is no symbolic link, that it has reached the disk) stays true.
//!
//! **The lock of an object is its directory.** `flock` on the directory itself, exclusive for those
//! who look and then replace or remove, shared for those who list. So there are no lock files: none
//! to collide with a name, none to sweep, and not the race of lock files that are removed (one
//! process locks the file that another has just unlinked, a third makes a new one). The kernel
//! releases the lock with the last descriptor of its holder, also after SIGKILL.
//!
//! A put or a copy holds it for one look and one rename, tens of microseconds, not while it writes a body
//! or waits for the disk; so it hardly matters that objects in one directory share it. A removal holds
//! it while it waits for the disk, a move of an object while it copies. Two are taken only by such a
//! move, in the order of their names: no cycle, no deadlock. Nobody holds a lock while a future waits:
//! it is taken and released within one stretch of system calls.
//!
//! A listing takes the shared lock while it reads the names of one directory, because some file
//! systems give a replaced name a new position, where a reader on its way past may miss it.
//! Reading an object takes no lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::disk;
use crate::error::{Error, Result};
use crate::options::Durability;

/// What this process knows of a directory that it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// It is a directory, and so is everything above it: no symbolic link is on the way.
    Real,
    /// And all of their names are on stable storage.
    Durable,
}

#[derive(Debug)]
pub(crate) struct Directories {
    root: PathBuf,
    durability: Durability,
    known: Mutex<BTreeMap<String, Known>>,
}

/// A directory that is locked, at the latest until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    handle: File,
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl Locked {
    /// Lets others in.
    ///
    /// Not left to the closing of the descriptor: a process that was forked meanwhile holds another
    /// one to the same lock. Where this fails, the end of both processes releases it.
    pub(crate) fn unlock(&self) {
        let _ = self.handle.unlock();
    }

    /// Waits until the names in the directory are on stable storage; with the lock or without.
    pub(crate) fn sync(&self, path: &Path) -> Result<()> {
        disk::sync_directory(&self.handle, path)
    }
}

impl Directories {
    pub(crate) fn new(root: PathBuf, durability: Durability) -> Self {
        let directories = Self { root, durability, known: Mutex::default() };
        directories.forget_all();
        directories
    }

    /// Forgets all but the root.
    fn forget_all(&self) {
        let root = BTreeMap::from([(String::new(), Known::Durable)]);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = root;
    }

    /// The root of the store.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a directory, or of a file in it.
    pub(crate) fn path(&self, directory: &str, file: &str) -> PathBuf {
        let mut path =
            PathBuf::with_capacity(self.root.as_os_str().len() + directory.len() + file.len() + 2);
        path.push(&self.root);
        // Pushing nothing would still append a separator.
        [directory, file].into_iter().filter(|part| !part.is_empty()).for_each(|part| {
            path.push(part);
        });
        path
    }

    fn known(&self, directory: &str) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(directory).copied()
    }

    fn remember(&self, directory: &str, now: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(directory.to_owned()).or_insert(now);
        *entry = now.max(*entry);
    }

    /// Whether a directory exists.
    ///
    /// # Errors
    /// [`Error::Obstructed`] if it, or one above it, is a link or a file.
    pub(crate) fn exists(&self, directory: &str) -> Result<bool> {
        if self.known(directory).is_some() {
            return Ok(true);
        }
        for (_, part) in ancestry(directory) {
            if self.known(part).is_none() {
                if !self.look(part)? {
                    return Ok(false);
                }
                self.remember(part, Known::Real);
            }
        }
        Ok(true)
    }

    /// Whether something is there that is a directory and not a link to one.
    fn look(&self, directory: &str) -> Result<bool> {
        let path = self.path(directory, "");
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => Err(Error::Obstructed { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("look at", path)(error)),
        }
    }

    /// Makes a directory and all above it where they are missing, and durable unless they are known
    /// to be: whoever made them may not have come to it.
    pub(crate) fn prepare(&self, directory: &str) -> Result<()> {
        let needed = match self.durability {
            Durability::PowerLoss => Known::Durable,
            Durability::ProcessCrash => Known::Real,
        };
        if self.known(directory) >= Some(needed) {
            return Ok(());
        }
        for (parent, part) in ancestry(directory) {
            if self.known(part) >= Some(needed) {
                continue;
            }
            disk::create_directory(&self.path(part, ""))?;
            // What was there before may be anything.
            self.look(part)?;
            if self.durability == Durability::PowerLoss {
                self.sync(parent)?;
            }
            self.remember(part, needed);
        }
        Ok(())
    }

    /// Waits until the names in a directory, its own and those above are on stable storage.
    pub(crate) fn settle(&self, directory: &str) -> Result<()> {
        for (parent, part) in ancestry(directory) {
            if self.known(part) != Some(Known::Durable) {
                self.sync(parent)?;
                self.remember(part, Known::Durable);
            }
        }
        self.sync(directory)
    }

    fn sync(&self, directory: &str) -> Result<()> {
        let path = self.path(directory, "");
        let handle = disk::open_directory(&path).map_err(Error::io("open", &path))?;
        disk::sync_directory(&handle, &path)
    }

    /// Locks a directory that [`prepare`](Self::prepare) made, to publish in it or remove from it.
    pub(crate) fn lock(&self, directory: &str) -> Result<Locked> {
        let path = self.path(directory, "");
        let opened = match disk::open_directory(&path) {
            // Somebody has removed it by hand, and more, perhaps.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget_all();
                self.prepare(directory)?;
                disk::open_directory(&path)
            }
            opened => opened,
        };
        let handle = opened.map_err(Error::io("open", &path))?;
        uninterrupted(|| handle.lock()).map_err(Error::io("lock", &path))?;
        Ok(Locked { handle })
    }

    /// Locks a directory to read the names in it. None if there is none.
    pub(crate) fn lock_to_list(&self, directory: &str) -> Result<Option<Locked>> {
        if !self.exists(directory)? {
            return Ok(None);
        }
        let path = self.path(directory, "");
        let handle = match disk::open_directory(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        uninterrupted(|| handle.lock_shared()).map_err(Error::io("lock", &path))?;
        Ok(Some(Locked { handle }))
    }
}

/// A call of which a signal is no reason to give up.
fn uninterrupted(call: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A relative path and all above it but the root, from the top; each with the one that it is in.
fn ancestry(directory: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = directory.match_indices('/').map(|(end, _)| end).chain([directory.len()]);
    let mut parent = "";
    ends.filter(|&end| end > 0).map(move |end| {
        let part = &directory[..end];
        (std::mem::replace(&mut parent, part), part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ancestry_goes_down_from_the_top() {
        let of = |directory| ancestry(directory).collect::<Vec<_>>();
        assert_eq!(of(""), []);
        assert_eq!(of("a"), [("", "a")]);
        assert_eq!(of("a/b/c"), [("", "a"), ("a", "a/b"), ("a/b", "a/b/c")]);
    }
}
