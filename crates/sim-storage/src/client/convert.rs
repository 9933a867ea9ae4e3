//! Values of `object_store` to values of the model, and back.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectMeta, PutMode, PutResult, Result,
};

use super::error::{Asked, STORE, error};
use crate::model::Attributes as ModelAttributes;
use crate::model::{
    AttributeKey, ByteRange, Generation, Part, ReadConditions, ReadRequest, Refusal, Tag, TagMatch,
    Version, WriteCondition, Written,
};
use crate::profile::{Profile, UpdateCondition, VersionIds};
use crate::store::{Failure, Listed};

/// What wall clocks show when virtual time is 0: 2026-01-01T00:00:00Z, in nanoseconds since 1970.
const EPOCH_NS: i64 = 1_767_225_600_000_000_000;

fn date(virtual_ns: u64) -> DateTime<Utc> {
    let virtual_ns = i64::try_from(virtual_ns).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(EPOCH_NS.saturating_add(virtual_ns))
}

/// Dates that do not fit into 64 bits of nanoseconds are before or after everything.
fn virtual_time(date: DateTime<Utc>) -> i64 {
    match date.timestamp_nanos_opt() {
        Some(ns) => ns.saturating_sub(EPOCH_NS),
        None if date.timestamp() < 0 => i64::MIN,
        None => i64::MAX,
    }
}

/// The condition of a PUT, or the error that the crate's clients give before they send anything.
pub(super) fn write_condition(
    mode: &PutMode,
    profile: &Profile,
) -> Result<(WriteCondition, Asked)> {
    let generic = |text: &str| Error::Generic { store: STORE, source: text.into() };
    let version = match mode {
        PutMode::Overwrite => return Ok((WriteCondition::None, Asked::Put)),
        PutMode::Create => return Ok((WriteCondition::Absent, Asked::Create)),
        PutMode::Update(version) => version,
    };
    let condition = match profile.update {
        UpdateCondition::Tag => {
            let tag = version.e_tag.as_deref();
            let tag = tag.ok_or_else(|| generic("an update needs an entity tag"))?;
            WriteCondition::Tag(Tag::from_client(tag))
        }
        UpdateCondition::Generation => {
            let generation = version.version.as_deref().and_then(|text| text.parse().ok());
            let generation = generation.ok_or_else(|| generic("an update needs a version"))?;
            WriteCondition::Generation(Generation(generation))
        }
        UpdateCondition::Unsupported => {
            return Err(Error::NotImplemented {
                operation: "`put_opts` with mode `PutMode::Update`".to_owned(),
                implementer: format!("{STORE}({})", profile.name),
            });
        }
    };
    Ok((condition, Asked::Update))
}

/// A read as the model knows it.
///
/// # Errors
/// `NotFound` for a version that no store ever gave out; `Generic` for a range that is empty in
/// itself.
pub(super) fn read_request(options: &GetOptions, location: &Path) -> Result<ReadRequest> {
    let refuse = |refusal| error(Failure::Refused(refusal), location.as_ref(), Asked::Read);
    let version = match options.version.as_deref().map(str::parse) {
        None => None,
        Some(Ok(generation)) => Some(Generation(generation)),
        Some(Err(_)) => return Err(refuse(Refusal::NotFound)),
    };
    let part = match &options.range {
        _ if options.head => Part::Head,
        None => Part::Whole,
        Some(GetRange::Offset(start)) => Part::Range(ByteRange::From(*start)),
        Some(GetRange::Suffix(count)) => Part::Range(ByteRange::Last(*count)),
        Some(GetRange::Bounded(range)) if range.start < range.end => {
            Part::Range(ByteRange::Bounded(range.start, range.end))
        }
        Some(GetRange::Bounded(range)) => {
            return Err(refuse(Refusal::RangeNotSatisfiable {
                start: range.start,
                end: range.end,
                size: 0,
            }));
        }
    };
    let conditions = ReadConditions {
        matches: options.if_match.as_deref().map(TagMatch::parse),
        none_matches: options.if_none_match.as_deref().map(TagMatch::parse),
        modified_since: options.if_modified_since.map(virtual_time),
        unmodified_since: options.if_unmodified_since.map(virtual_time),
    };
    Ok(ReadRequest { part, version, conditions })
}

fn version(generation: Generation, ids: VersionIds) -> Option<String> {
    match ids {
        VersionIds::Hidden => None,
        VersionIds::Current | VersionIds::Kept => Some(generation.0.to_string()),
    }
}

pub(super) fn put_result(written: &Written, ids: VersionIds) -> PutResult {
    PutResult {
        e_tag: Some(written.tag.as_str().to_owned()),
        version: version(written.generation, ids),
        extensions: Default::default(),
    }
}

pub(super) fn meta(location: Path, of: &Version, ids: VersionIds) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: date(of.last_modified),
        size: of.size(),
        e_tag: Some(of.tag.as_str().to_owned()),
        version: version(of.generation, ids),
    }
}

/// # Errors
/// `InvalidPath`, which cannot be: the names in the store came from paths.
pub(super) fn listed(listed: Listed, ids: VersionIds) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: Path::parse(listed.name)?,
        last_modified: date(listed.last_modified),
        size: listed.size,
        e_tag: Some(listed.tag.as_str().to_owned()),
        version: version(listed.generation, ids),
    })
}

pub(super) fn attributes_to_model(attributes: &Attributes) -> ModelAttributes {
    if attributes.is_empty() {
        return ModelAttributes::default();
    }
    let known = attributes.iter().filter_map(|(key, value)| {
        let key = match key {
            Attribute::ContentDisposition => AttributeKey::ContentDisposition,
            Attribute::ContentEncoding => AttributeKey::ContentEncoding,
            Attribute::ContentLanguage => AttributeKey::ContentLanguage,
            Attribute::ContentType => AttributeKey::ContentType,
            Attribute::CacheControl => AttributeKey::CacheControl,
            Attribute::StorageClass => AttributeKey::StorageClass,
            Attribute::Metadata(name) => AttributeKey::Metadata(Arc::from(name.as_ref())),
            // The crate may grow attributes that no store knows yet.
            _ => return None,
        };
        Some((key, Arc::from(value.as_ref())))
    });
    known.collect()
}

pub(super) fn attributes_from_model(attributes: &ModelAttributes) -> Attributes {
    if attributes.is_empty() {
        return Attributes::default();
    }
    let pairs = attributes.iter().map(|(key, value)| {
        let key = match key {
            AttributeKey::ContentDisposition => Attribute::ContentDisposition,
            AttributeKey::ContentEncoding => Attribute::ContentEncoding,
            AttributeKey::ContentLanguage => Attribute::ContentLanguage,
            AttributeKey::ContentType => Attribute::ContentType,
            AttributeKey::CacheControl => Attribute::CacheControl,
            AttributeKey::StorageClass => Attribute::StorageClass,
            AttributeKey::Metadata(name) => Attribute::Metadata(name.to_string().into()),
        };
        (key, value.to_string())
    });
    pairs.collect()
}
