//! Who watches the model.
//!
//! Checkers judge at the event: an observer is called while a change happens, with the version
//! before and after it, not from a log later. It sees the truth, whatever the client is told.

use std::fmt;

use super::names::NameId;
use super::refusal::Refusal;
use super::version::Version;

/// On whose behalf and when the model is asked to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Identifies the request within its world.
    pub request: u64,
    /// The process that sent it; it may be dead by now.
    pub process: u16,
    /// Virtual time in nanoseconds.
    pub at: u64,
    /// What the clock of the server shows that takes the request: `at`, unless that clock is wrong.
    /// It becomes the date of what the request writes, and nothing else.
    pub clock: u64,
}

/// What kind of request changed an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A PUT.
    Put,
    /// A PUT that broke off and left the beginning of its body.
    TornPut,
    /// The completion of a multipart upload that left the beginning of its bytes.
    TornComplete,
    /// The completion of a multipart upload.
    Complete,
    /// A copy; `name` is the target.
    Copy,
    /// The target's side of an atomic rename.
    RenameTo,
    /// The source's side of an atomic rename.
    RenameFrom,
    /// A deletion.
    Delete,
}

/// One change of one object, as it happens.
#[derive(Debug)]
pub struct Applied<'a> {
    /// The request that did it.
    pub origin: Origin,
    /// The object.
    pub name: NameId,
    /// Its name as text.
    pub text: &'a str,
    /// What kind of request it was.
    pub change: Change,
    /// The version that was current, if any.
    pub before: Option<&'a Version>,
    /// The version that is current now, if any.
    pub after: Option<&'a Version>,
}

/// One read of one object, as the store answers it.
#[derive(Debug)]
pub struct Served<'a> {
    /// The request that asked.
    pub origin: Origin,
    /// The object.
    pub name: NameId,
    /// Its name as text.
    pub text: &'a str,
    /// The version that is served, or why none is.
    pub outcome: Result<&'a Version, Refusal>,
}

/// Something that watches every change and every read. It is called in the middle of them, so it
/// must not call the store.
pub trait Observer {
    /// An object changed.
    fn applied(&mut self, change: &Applied<'_>);

    /// An object was read, or could not be.
    fn served(&mut self, read: &Served<'_>) {
        let _ = read;
    }
}

/// The observer of a model, if there is one.
#[derive(Default)]
pub(super) struct Watch(pub(super) Option<Box<dyn Observer + Send>>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "watched" } else { "not watched" })
    }
}
