//! Writing: put, copy, rename.
//!
//! ```text
//! stage    write header and body to a file of our own; wait for the disk      no lock
//! lock     the directory of the object
//! look     at what is there now; refuse, if it is not what the request asks for
//! rename   the file to the object's name: from here on others see it
//! unlock
//! wait     until the rename has reached the disk
//! mark     the file as settled; answer
//! ```
//! All that decides (look and rename) is done under the lock, and every change of a name is made
//! under it. So of two conditional writes on one version one sees the other. A process that dies
//! before the rename has changed nothing, one that dies after it has changed everything; the kernel
//! releases its lock, and its file, if it is still staged, is swept.
//!
//! The wait for the rename is not under the lock. A writer that replaces what has not reached the
//! disk waits for the same directory, and so for both; who is told of it without replacing it waits
//! too (`object.rs`).
//!
//! While a body is written nobody waits for it. The price is that writers who race on one object
//! write their bodies in vain; a look before the body is written spares most of that.

use object_store::{Attributes, PutMode, PutPayload, UpdateVersion};

use crate::directories::Locked;
use crate::disk;
use crate::error::{Error, Result};
use crate::header::{self, EncodedAttributes, Tag};
use crate::inner::Inner;
use crate::names::Place;
use crate::object::{Need, Seen};
use crate::options::Durability;
use crate::session::Staged;

/// What must be there for a write to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Anything,
    Nothing,
    /// The version with this tag.
    Version(String),
}

impl Condition {
    fn check(&self, seen: &Seen) -> Result<()> {
        match (self, seen.tag()) {
            (Condition::Anything, _) | (Condition::Nothing, None) => Ok(()),
            (Condition::Nothing, Some(_)) => Err(Error::Exists),
            (Condition::Version(wanted), held) if held.as_ref() == Some(wanted) => Ok(()),
            (Condition::Version(wanted), held) => {
                Err(Error::OtherTag { held, wanted: wanted.clone() })
            }
        }
    }
}

impl Inner {
    /// Puts an object that is at hand as a whole.
    pub(crate) fn put(
        &self,
        place: &Place,
        body: &PutPayload,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<Tag> {
        let attributes = EncodedAttributes::new(attributes)?;
        if self.durability == Durability::PowerLoss {
            // Waiting for the disk is dear: not for a write that is refused anyway.
            self.check(place, condition)?;
        }
        self.directories.prepare(&place.directory)?;
        let tag = Tag::fresh()?;
        let staged = self.session.create()?;
        staged.write(tag, &attributes, body)?;
        self.sync(&staged)?;
        self.publish(place, &staged, condition)?;
        Ok(tag)
    }

    /// Makes `to` an object of its own with the body and the attributes of `from`.
    pub(crate) fn copy(&self, from: &Place, to: &Place, condition: &Condition) -> Result<()> {
        self.directories.prepare(&to.directory)?;
        let staged = self.stage_copy(from)?;
        self.publish(to, &staged, condition)
    }

    /// Moves an object. Unlike a copy and a removal one after another, it loses no write that is
    /// made to `from` meanwhile. A crash between the two steps leaves both.
    pub(crate) fn rename(&self, from: &Place, to: &Place, condition: &Condition) -> Result<()> {
        if from == to {
            let there = self.look(from, Need::Header)?;
            self.settle(from, &there)?;
            there.tag().ok_or(Error::Missing)?;
            return condition.check(&there);
        }
        self.directories.prepare(&to.directory)?;
        if !self.directories.exists(&from.directory)? {
            return Err(Error::Missing);
        }
        let lock = |place: &Place| self.directories.lock(&place.directory);
        let (from_lock, to_lock);
        match from.directory.cmp(&to.directory) {
            std::cmp::Ordering::Less => (from_lock, to_lock) = (lock(from)?, Some(lock(to)?)),
            std::cmp::Ordering::Equal => (from_lock, to_lock) = (lock(from)?, None),
            std::cmp::Ordering::Greater => {
                to_lock = Some(lock(to)?);
                from_lock = lock(from)?;
            }
        }
        let to_held = to_lock.as_ref().unwrap_or(&from_lock);
        let staged = self.stage_copy(from)?;
        self.replace(to, &staged, condition, to_held)?;
        self.await_disk(to, &staged, to_held)?;
        self.remove_locked([from], &from_lock)
    }

    /// Publishes what is staged, and waits for the disk.
    pub(crate) fn publish(
        &self,
        place: &Place,
        staged: &Staged,
        condition: &Condition,
    ) -> Result<()> {
        let lock = self.directories.lock(&place.directory)?;
        self.replace(place, staged, condition, &lock)?;
        lock.unlock();
        self.await_disk(place, staged, &lock)
    }

    /// Waits until the bytes of a staged file are on stable storage.
    pub(crate) fn sync(&self, staged: &Staged) -> Result<()> {
        match self.durability {
            Durability::PowerLoss => staged.sync(),
            Durability::ProcessCrash => Ok(()),
        }
    }

    /// Refuses what would be refused now.
    fn check(&self, place: &Place, condition: &Condition) -> Result<()> {
        let seen = self.look(place, Need::Header)?;
        let checked = condition.check(&seen);
        if checked.is_err() {
            self.settle(place, &seen)?;
        }
        checked
    }

    /// Gives a staged file the name of an object, if what is there now allows it.
    fn replace(
        &self,
        place: &Place,
        staged: &Staged,
        condition: &Condition,
        lock: &Locked,
    ) -> Result<()> {
        if *condition != Condition::Anything {
            let seen = self.look(place, Need::Header)?;
            if let Err(refused) = condition.check(&seen) {
                // Nobody needs to wait for the disk with us.
                lock.unlock();
                self.settle(place, &seen)?;
                return Err(refused);
            }
        }
        staged.rename(&self.directories.path(&place.directory, &place.file))
    }

    /// Waits until a publication has reached the disk.
    fn await_disk(&self, place: &Place, staged: &Staged, lock: &Locked) -> Result<()> {
        if self.durability == Durability::ProcessCrash {
            return Ok(());
        }
        lock.sync(&self.directories.path(&place.directory, ""))?;
        let path = self.directories.path(&place.directory, &place.file);
        // Without the mark, the next reader waits for the disk in vain.
        if let Ok(metadata) = staged.file.metadata() {
            let _ = disk::mark_settled(&staged.file, &metadata, &path);
        }
        Ok(())
    }

    /// Stages a copy of an object, with a tag of its own.
    fn stage_copy(&self, from: &Place) -> Result<Staged> {
        let source = self.open(from, Need::Header)?;
        let mut staged = self.session.create()?;
        let attributes = EncodedAttributes::new(&source.header.attributes)?;
        let header = header::encode(Tag::fresh()?, source.header.body, &attributes);
        staged.write_at(&header, 0)?;
        staged.copy_at(source.body()?, header.len() as u64)?;
        self.sync(&staged)?;
        Ok(staged)
    }
}

/// The condition of a mode of `object_store`.
///
/// # Errors
/// `NotSupported` for an update without a tag, or of a version number: this store gives none.
pub(crate) fn condition(mode: PutMode) -> Result<Condition> {
    match mode {
        PutMode::Overwrite => Ok(Condition::Anything),
        PutMode::Create => Ok(Condition::Nothing),
        PutMode::Update(UpdateVersion { version: Some(_), .. }) => {
            Err(Error::NotSupported("an update by version: versions have tags here"))
        }
        PutMode::Update(UpdateVersion { e_tag: None, .. }) => {
            Err(Error::NotSupported("an update without the tag of what it replaces"))
        }
        PutMode::Update(UpdateVersion { e_tag: Some(tag), .. }) => Ok(Condition::Version(tag)),
    }
}
