//! Reads: whole objects, ranges, heads, conditions, earlier versions.
//!
//! A read is answered in one step, so it shows one version and never a mixture. What a client makes
//! of a body that breaks off on the way is not the model's business.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::condition::ReadConditions;
use super::names::NameId;
use super::observer::{Origin, Served};
use super::refusal::Refusal;
use super::version::{Generation, Version};
use super::{Model, Object};

/// A range of bytes as HTTP knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to before the second; cut at the end of the object.
    Bounded(u64, u64),
    /// From here to the end.
    From(u64),
    /// The last so many bytes, or all if there are fewer.
    Last(u64),
}

impl ByteRange {
    /// The bytes of an object of `size` bytes that the range stands for.
    ///
    /// # Errors
    /// [`Refusal::RangeNotSatisfiable`] if it is empty or begins at or after the end.
    pub fn of(self, size: u64) -> Result<Range<u64>, Refusal> {
        let (start, end) = match self {
            Self::Bounded(start, end) => (start, end),
            Self::From(start) => (start, size),
            Self::Last(count) => return Ok(size.saturating_sub(count)..size),
        };
        if start >= size || end <= start {
            return Err(Refusal::RangeNotSatisfiable { start, end, size });
        }
        Ok(start..end.min(size))
    }
}

/// How much of an object is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// Everything (GET).
    #[default]
    Whole,
    /// A range (GET with `Range`).
    Range(ByteRange),
    /// Nothing but what is known about it (HEAD).
    Head,
}

/// A read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadRequest {
    /// How much of it.
    pub part: Part,
    /// An earlier version; none for the current one.
    pub version: Option<Generation>,
    /// Under which conditions.
    pub conditions: ReadConditions,
}

/// Whether an answer brings bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The bytes of its range.
    Range,
    /// None: it answers a HEAD.
    None,
}

/// The answer to a read: the version that is served, and which bytes of it. It shares the version
/// with the store, so that an answer is cheap however big the object is.
#[derive(Debug, Clone)]
pub struct Read {
    /// The version.
    pub version: Arc<Version>,
    /// Which bytes of it; the whole object for a HEAD.
    pub range: Range<u64>,
    /// Whether it brings the bytes.
    pub content: Content,
}

impl Read {
    /// How many bytes it brings; none for a HEAD.
    pub fn len(&self) -> usize {
        match self.content {
            Content::None => 0,
            Content::Range => (self.range.end - self.range.start) as usize,
        }
    }

    /// True if it brings no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes; empty for a HEAD.
    pub fn body(&self) -> Bytes {
        let body = &self.version.body;
        match self.content {
            Content::None => Bytes::new(),
            Content::Range if self.range == (0..self.version.size()) => body.clone(),
            Content::Range => body.slice(self.range.start as usize..self.range.end as usize),
        }
    }
}

impl Model {
    /// Reads an object as it is now.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::PreconditionFailed`], [`Refusal::NotModified`] or
    /// [`Refusal::RangeNotSatisfiable`].
    pub fn read(
        &mut self,
        by: Origin,
        name: NameId,
        request: &ReadRequest,
    ) -> Result<Read, Refusal> {
        self.read_as_of(by, name, request, by.at)
    }

    /// Reads an object as it was at the virtual time `seen_at`, for stores whose reads may be stale.
    /// Earlier states are kept only where the profile asks for it; without them this is
    /// [`Model::read`].
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn read_as_of(
        &mut self,
        by: Origin,
        name: NameId,
        request: &ReadRequest,
        seen_at: u64,
    ) -> Result<Read, Refusal> {
        let object = &self.objects[name.index()];
        let version = match request.version {
            None => object.at(seen_at),
            Some(generation) => object.version(generation),
        };
        let outcome = match version {
            Some(version) => {
                request.conditions.judge(version).and_then(|()| answer(version, request.part))
            }
            None if request.conditions.matches.is_some() => Err(self.profile.missing_match.into()),
            None => Err(Refusal::NotFound),
        };
        if let Some(observer) = &mut self.watch.0 {
            let (text, outcome) = (self.names.text(name), outcome.as_ref());
            let outcome = outcome.map(|read| &*read.version).map_err(|refusal| *refusal);
            observer.served(&Served { origin: by, name, text, outcome });
        }
        outcome
    }
}

fn answer(version: &Arc<Version>, part: Part) -> Result<Read, Refusal> {
    let size = version.size();
    Ok(Read {
        version: Arc::clone(version),
        range: match part {
            Part::Whole | Part::Head => 0..size,
            Part::Range(range) => range.of(size)?,
        },
        content: match part {
            Part::Head => Content::None,
            Part::Whole | Part::Range(_) => Content::Range,
        },
    })
}

impl Object {
    /// The version that was current at a time.
    pub(super) fn at(&self, time: u64) -> Option<&Arc<Version>> {
        let ended = self.past.partition_point(|(_, end)| *end <= time);
        match self.past.get(ended) {
            Some((version, _)) => version.as_ref(),
            None => self.current.as_ref(),
        }
    }

    /// The version with this generation, if it can still be read.
    fn version(&self, generation: Generation) -> Option<&Arc<Version>> {
        let past = self.past.iter().filter_map(|(version, _)| version.as_ref());
        past.chain(&self.current).find(|version| version.generation == generation)
    }
}
