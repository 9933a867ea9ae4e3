//! The pristine object store: what the data is, with no fault and no network in sight.
//!
//! This is the truth of a simulated world. It is a plain, synchronous data structure: a request is a
//! method call that takes effect at once and answers with what happened or with a [`Refusal`]. Time,
//! latency, faults and the client library's types are added around it, so any of them can be taken
//! away and the truth stays.
//!
//! Guarantees, under every [`Profile`]:
//! * a write replaces an object as a whole or not at all, and its condition is judged in the same
//!   step;
//! * generations grow with every write in the whole store and never repeat;
//! * whatever happens is a function of the calls made, in their order, with their arguments; nothing
//!   else, neither a clock nor a random number.
//!
//! Every change is shown to an [`Observer`] while it happens.

mod condition;
mod list;
mod names;
mod observer;
mod read;
mod refusal;
mod upload;
mod version;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

pub use condition::{ReadConditions, TagMatch, WriteCondition};
pub use list::{Cursor, ListRequest, Page};
pub use names::NameId;
pub use observer::{Applied, Change, Observer, Origin, Served};
pub use read::{ByteRange, Content, Part, Read, ReadRequest};
pub use refusal::Refusal;
pub use upload::UploadId;
pub use version::{Attribute, AttributeKey, Attributes, Generation, Tag, Version};

use crate::profile::{Consistency, CopiedTag, ETags, MissingDelete, Profile, VersionIds};
use names::Names;

/// What a successful write is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The new entity tag.
    pub tag: Tag,
    /// The new generation.
    pub generation: Generation,
}

/// One object: its current version, and earlier states where the profile lets anyone see them.
#[derive(Debug, Default)]
struct Object {
    current: Option<Arc<Version>>,
    /// Earlier states, oldest first, each with the time at which it ended.
    past: VecDeque<(Option<Arc<Version>>, u64)>,
}

/// A version that has no generation yet.
#[derive(Debug)]
struct Draft {
    body: Bytes,
    tag: Tag,
    date: u64,
    attributes: Attributes,
}

/// An object store as it really is.
#[derive(Debug)]
pub struct Model {
    profile: Arc<Profile>,
    names: Names,
    /// Parallel to the names.
    objects: Vec<Object>,
    order: list::Order,
    uploads: Vec<upload::Upload>,
    /// The generation that was given out last.
    generations: u64,
    watch: observer::Watch,
}

impl Model {
    /// An empty store.
    pub fn new(profile: Arc<Profile>) -> Self {
        Self {
            profile,
            names: Names::default(),
            objects: Vec::new(),
            order: list::Order::default(),
            uploads: Vec::new(),
            generations: 0,
            watch: observer::Watch::default(),
        }
    }

    /// Makes the store empty again, keeps its memory, and takes the observer off.
    pub fn reset(&mut self, profile: Arc<Profile>) {
        self.profile = profile;
        self.names.clear();
        for object in &mut self.objects {
            object.current = None;
            object.past.clear();
        }
        self.order.clear();
        self.uploads.clear();
        self.generations = 0;
        self.watch.0 = None;
    }

    /// Sets who watches from now on.
    pub fn watch(&mut self, observer: Box<dyn Observer + Send>) {
        self.watch.0 = Some(observer);
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The id of a name; a new one if the name was never mentioned before.
    pub fn name(&mut self, text: &str) -> NameId {
        let id = self.names.intern(text);
        if self.objects.len() < self.names.len() {
            self.objects.push(Object::default());
        }
        id
    }

    /// The id of a name that was mentioned before.
    pub fn find(&self, text: &str) -> Option<NameId> {
        self.names.find(text)
    }

    /// The text of a name.
    pub fn text(&self, name: NameId) -> &str {
        self.names.text(name)
    }

    /// The current version of an object, if it exists.
    pub fn current(&self, name: NameId) -> Option<&Version> {
        self.objects[name.index()].current.as_deref()
    }

    /// The version of an object that was current at a virtual time, as far as the profile keeps
    /// earlier states.
    pub fn at(&self, name: NameId, seen_at: u64) -> Option<&Version> {
        self.objects[name.index()].at(seen_at).map(|version| &**version)
    }

    /// All objects that exist, in the order in which their names were first mentioned.
    pub fn objects(&self) -> impl Iterator<Item = (NameId, &Version)> {
        let mentioned = self.names.ids().zip(&self.objects);
        mentioned.filter_map(|(name, object)| Some((name, object.current.as_deref()?)))
    }

    /// Writes a whole object.
    ///
    /// # Errors
    /// What the condition says.
    pub fn put(
        &mut self,
        by: Origin,
        name: NameId,
        body: Bytes,
        attributes: Attributes,
        condition: &WriteCondition,
    ) -> Result<Written, Refusal> {
        condition.judge(&self.profile, self.current(name))?;
        let draft = self.draft(by, body, attributes);
        Ok(self.install(by, name, Change::Put, draft))
    }

    /// Writes the beginning of a body, as a store without atomic writes does when it breaks off.
    /// `body` is what arrived.
    ///
    /// # Errors
    /// What the condition says.
    pub fn put_torn(
        &mut self,
        by: Origin,
        name: NameId,
        body: Bytes,
        attributes: Attributes,
        condition: &WriteCondition,
    ) -> Result<Written, Refusal> {
        condition.judge(&self.profile, self.current(name))?;
        let draft = self.draft(by, body, attributes);
        Ok(self.install(by, name, Change::TornPut, draft))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if it does not exist and the profile minds.
    pub fn delete(&mut self, by: Origin, name: NameId) -> Result<(), Refusal> {
        match (self.current(name), self.profile.missing_delete) {
            (Some(_), _) => {
                self.replace(by, name, Change::Delete, None);
                Ok(())
            }
            (None, MissingDelete::Ok) => Ok(()),
            (None, MissingDelete::NotFound) => Err(Refusal::NotFound),
        }
    }

    /// Copies an object within the store; body and attributes are shared.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if there is no source; what the condition on the target says.
    pub fn copy(
        &mut self,
        by: Origin,
        from: NameId,
        to: NameId,
        condition: &WriteCondition,
    ) -> Result<Written, Refusal> {
        self.copy_as(by, from, to, condition, Change::Copy)
    }

    /// Renames an object in one step.
    ///
    /// # Errors
    /// As [`Model::copy`].
    pub fn rename(
        &mut self,
        by: Origin,
        from: NameId,
        to: NameId,
        condition: &WriteCondition,
    ) -> Result<Written, Refusal> {
        let written = self.copy_as(by, from, to, condition, Change::RenameTo)?;
        if from != to {
            self.replace(by, from, Change::RenameFrom, None);
        }
        Ok(written)
    }

    fn copy_as(
        &mut self,
        by: Origin,
        from: NameId,
        to: NameId,
        condition: &WriteCondition,
        change: Change,
    ) -> Result<Written, Refusal> {
        let source = self.current(from).ok_or(Refusal::NotFound)?;
        let (body, attributes) = (source.body.clone(), source.attributes.clone());
        let tag = match (self.profile.etags, self.profile.copied_tag, condition) {
            (ETags::OfContent, CopiedTag::OfSource, WriteCondition::Absent) => {
                Some(Tag::of_parts([&body]))
            }
            (ETags::OfContent, CopiedTag::OfSource, _) => Some(source.tag),
            _ => None,
        };
        condition.judge(&self.profile, self.current(to))?;
        let mut draft = self.draft(by, body, attributes);
        draft.tag = tag.unwrap_or(draft.tag);
        Ok(self.install(by, to, change, draft))
    }

    fn draft(&self, by: Origin, body: Bytes, attributes: Attributes) -> Draft {
        let tag = match self.profile.etags {
            ETags::OfContent => Tag::of_content(&body),
            ETags::Unique => Tag::unique(Generation(self.generations + 1)),
            ETags::OfTime => Tag::of_time(self.profile.date(by.clock), body.len() as u64),
        };
        Draft { body, tag, date: by.clock, attributes }
    }

    fn install(&mut self, by: Origin, name: NameId, change: Change, draft: Draft) -> Written {
        self.generations += 1;
        let written = Written { tag: draft.tag, generation: Generation(self.generations) };
        let version = Arc::new(Version {
            body: draft.body,
            tag: draft.tag,
            generation: written.generation,
            last_modified: self.profile.date(draft.date),
            applied_at: by.at,
            request: by.request,
            attributes: draft.attributes,
        });
        self.replace(by, name, change, Some(version));
        written
    }

    /// The only place where an object changes.
    fn replace(&mut self, by: Origin, name: NameId, change: Change, after: Option<Arc<Version>>) {
        let object = &mut self.objects[name.index()];
        let before = std::mem::replace(&mut object.current, after);
        match (&before, &object.current) {
            (None, Some(_)) => self.order.born(name),
            (Some(_), None) => self.order.died(),
            _ => {}
        }
        if let Some(observer) = &mut self.watch.0 {
            let (before, after) = (before.as_deref(), object.current.as_deref());
            let text = self.names.text(name);
            observer.applied(&Applied { origin: by, name, text, change, before, after });
        }
        match (self.profile.version_ids, self.profile.consistency) {
            (VersionIds::Kept, _) => object.past.push_back((before, by.at)),
            (_, Consistency::Strong) => {}
            (_, Consistency::Eventual { stale_max_ns, .. }) => {
                object.past.push_back((before, by.at));
                let visible = by.at.saturating_sub(stale_max_ns);
                while object.past.front().is_some_and(|(_, end)| *end < visible) {
                    object.past.pop_front();
                }
            }
        }
    }
}

/// `ppm` parts per million of `len`, always less than all of it.
pub(crate) fn share(len: usize, ppm: u32) -> usize {
    let kept = (len as u128 * u128::from(ppm) / 1_000_000) as usize;
    kept.min(len.saturating_sub(1))
}
