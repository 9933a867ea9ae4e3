//! Removing objects.
//!
//! ```text
//! lock     the directory
//! rename   an empty file over each object: from here on it is not there
//! wait     until these renames have reached the disk
//! remove   the empty files; where this is lost, what is left means the same
//! unlock
//! ```
//! Were the name removed at once, a reader that finds nothing could not know that a power loss may
//! bring the object back (`object.rs`). Who does not care for power losses removes the name at once.
//!
//! Neighbours in a stream of deletions that are in one directory share the lock and the wait.

use std::fs;
use std::io;

use object_store::path::Path;

use crate::directories::Locked;
use crate::disk;
use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::names::{self, Place};
use crate::options::Durability;

type Answer = object_store::Result<Path>;

impl Inner {
    /// Removes objects, and answers in the order in which they were given. Those that are not there
    /// are as good as removed.
    pub(crate) fn remove_all(&self, locations: Vec<Answer>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(locations.len());
        let mut left = locations.into_iter().map(placed).peekable();
        while let Some(first) = left.next() {
            let mut group = match first {
                Ok(first) => vec![first],
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            let directory = group[0].1.directory.clone();
            let is_near = |next: &object_store::Result<(Path, Place)>| {
                next.as_ref().is_ok_and(|(_, place)| place.directory == directory)
            };
            while let Some(Ok(next)) = left.next_if(is_near) {
                group.push(next);
            }
            answers.extend(self.remove_group(group));
        }
        answers
    }

    /// Removes objects in one directory together; one by one where that fails, to know which.
    fn remove_group(&self, group: Vec<(Path, Place)>) -> impl Iterator<Item = Answer> {
        let together = self.remove(group.iter().map(|(_, place)| place));
        group.into_iter().map(move |(location, place)| {
            if together.is_err() {
                self.remove([&place]).map_err(|error| error.of(&location))?;
            }
            Ok(location)
        })
    }

    fn remove<'a>(&self, places: impl IntoIterator<Item = &'a Place>) -> Result<()> {
        let mut places = places.into_iter().peekable();
        let Some(Place { directory, .. }) = places.peek() else { return Ok(()) };
        if !self.directories.exists(directory)? {
            return Ok(());
        }
        let lock = self.directories.lock(directory)?;
        self.remove_locked(places, &lock)
    }

    /// Removes objects in one directory, which is locked.
    pub(crate) fn remove_locked<'a>(
        &self,
        places: impl IntoIterator<Item = &'a Place>,
        lock: &Locked,
    ) -> Result<()> {
        let mut gone = Vec::new();
        for place in places {
            let path = self.directories.path(&place.directory, &place.file);
            match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    if self.durability == Durability::PowerLoss && metadata.len() > 0 {
                        self.session.create()?.rename(&path)?;
                    }
                    gone.push(path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("look at", path)(error)),
            }
        }
        if let (Durability::PowerLoss, Some(directory)) =
            (self.durability, gone.first().and_then(|path| path.parent()))
        {
            lock.sync(directory)?;
        }
        gone.iter().try_for_each(|path| disk::remove(path))
    }
}

fn placed(location: Answer) -> object_store::Result<(Path, Place)> {
    let location = location?;
    match names::place(&location) {
        Ok(place) => Ok((location, place)),
        Err(error) => Err(error.of(&location)),
    }
}
