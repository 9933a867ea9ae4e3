//! Conditions on writes and reads, evaluated as RFC 9110 section 13 orders them.
//!
//! Conditions are owned values without references, because a request is in flight long after the
//! client that sent it is gone. The common ones hold no allocation.

use super::refusal::Refusal;
use super::version::{Generation, Tag, Version};
use crate::profile::{MissingUpdate, Profile, UpdateCondition, WriteConditions};

/// What must hold of the object for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteCondition {
    /// Nothing: last writer wins.
    #[default]
    None,
    /// `If-None-Match: *`: there is no object.
    Absent,
    /// `If-Match: tag`: the current version has this tag.
    Tag(Tag),
    /// The current version has this generation (GCS).
    Generation(Generation),
}

impl WriteCondition {
    /// Judges the condition against the current version.
    ///
    /// # Errors
    /// [`Refusal::Exists`], [`Refusal::PreconditionFailed`], [`Refusal::NotFound`] (for an update of
    /// a missing object, by profile) or [`Refusal::Unsupported`] (by profile).
    pub fn judge(&self, profile: &Profile, current: Option<&Version>) -> Result<(), Refusal> {
        if profile.write_conditions == WriteConditions::Ignored {
            return Ok(());
        }
        let matches = match (self, profile.update) {
            (Self::None, _) => return Ok(()),
            (Self::Absent, _) if current.is_none() => return Ok(()),
            (Self::Absent, _) => return Err(Refusal::Exists),
            (Self::Tag(tag), UpdateCondition::Tag) => current.map(|v| v.tag == *tag),
            (Self::Generation(generation), UpdateCondition::Generation) => {
                current.map(|v| v.generation == *generation)
            }
            (Self::Tag(_) | Self::Generation(_), _) => return Err(Refusal::Unsupported),
        };
        match (matches, profile.missing_update) {
            (Some(true), _) => Ok(()),
            (None, MissingUpdate::NotFound) => Err(Refusal::NotFound),
            (Some(false), _) | (None, MissingUpdate::PreconditionFailed) => {
                Err(Refusal::PreconditionFailed)
            }
        }
    }

    /// True unless it is [`WriteCondition::None`].
    pub fn is_conditional(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// The value of `If-Match` or `If-None-Match` on a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagMatch {
    /// `*`
    Any,
    /// One tag, by far the most frequent case.
    One(Tag),
    /// A list of tags.
    OneOf(Box<[Tag]>),
}

impl TagMatch {
    /// Reads the header's value: `*`, or tags separated by commas.
    pub fn parse(value: &str) -> Self {
        if value == "*" {
            return Self::Any;
        }
        let mut tags = value.split(',').map(|tag| Tag::from_client(tag.trim()));
        match (tags.next(), value.contains(',')) {
            (Some(tag), false) => Self::One(tag),
            (first, _) => Self::OneOf(first.into_iter().chain(tags).collect()),
        }
    }

    fn holds(&self, tag: &Tag) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one == tag,
            Self::OneOf(tags) => tags.contains(tag),
        }
    }
}

/// The conditions of a read. All unset by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`; if it is set, `unmodified_since` is not looked at.
    pub matches: Option<TagMatch>,
    /// `If-None-Match`; if it is set, `modified_since` is not looked at.
    pub none_matches: Option<TagMatch>,
    /// `If-Modified-Since`, in nanoseconds of the same clock as [`Version::last_modified`].
    pub modified_since: Option<i64>,
    /// `If-Unmodified-Since`, likewise.
    pub unmodified_since: Option<i64>,
}

impl ReadConditions {
    /// Judges the conditions against the version that would be served.
    ///
    /// # Errors
    /// [`Refusal::PreconditionFailed`] or [`Refusal::NotModified`].
    pub fn judge(&self, version: &Version) -> Result<(), Refusal> {
        let modified = i64::try_from(version.last_modified).unwrap_or(i64::MAX);
        let precondition = match (&self.matches, self.unmodified_since) {
            (Some(tags), _) => tags.holds(&version.tag),
            (None, Some(date)) => modified <= date,
            (None, None) => true,
        };
        if !precondition {
            return Err(Refusal::PreconditionFailed);
        }
        let news = match (&self.none_matches, self.modified_since) {
            (Some(tags), _) => !tags.holds(&version.tag),
            (None, Some(date)) => modified > date,
            (None, None) => true,
        };
        if news { Ok(()) } else { Err(Refusal::NotModified) }
    }
}
