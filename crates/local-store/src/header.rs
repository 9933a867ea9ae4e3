//! What stands in a file before the body of its object.
//!
//! ```text
//!  0   8  magic, the last byte is the number of the format
//!  8  16  tag
//! 24   8  length of the body, little-endian
//! 32   4  length of the attributes, little-endian
//! 36   .  attributes, then the body, then the end of the file
//! ```
//! An attribute is its kind (one byte), its name (two bytes of length; empty but for metadata) and
//! its value (four bytes of length), in the order of these bytes.
//!
//! **The tag is 128 random bits, written with the body.** It must never recur for one object, or a
//! writer that slept would replace what it has never seen. What the file system knows about a file
//! does recur: an inode is used again within the tick of the clock that makes its time, and clocks
//! are set back. A counter would need a place of its own and one more wait for the disk, and would
//! run a second time after a backup is put back, when the tags of the time after the backup are still
//! in somebody's memory. And a tag within the file is of these very bytes: whoever has the file open
//! has both, whatever happens to its name.

use bytes::Bytes;
use object_store::{Attribute, AttributeValue, Attributes};

use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"locstor\x01";
const FIXED: usize = 36;

/// The most bytes of all attributes together. The largest stores take 8 KiB.
const MAX_ATTRIBUTES: usize = 64 << 10;

/// Names one version of one object, among all that there ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag([u8; 16]);

impl Tag {
    /// A tag that no object has had.
    pub(crate) fn fresh() -> Result<Self> {
        Ok(Self(random()?))
    }

    /// As users see it: an HTTP entity tag, with its quotes.
    pub(crate) fn text(self) -> String {
        format!("\"{:032x}\"", u128::from_be_bytes(self.0))
    }
}

/// Bytes from the random source of the operating system. Also right after a fork, unlike anything
/// that a process keeps in its memory.
pub(crate) fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Io {
        doing: "draw from",
        path: "the random source of the system".into(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(bytes)
}

/// What stands before the body.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) tag: Tag,
    /// Bytes of the body.
    pub(crate) body: u64,
    /// Where the body begins in the file.
    pub(crate) begin: u64,
    pub(crate) attributes: Attributes,
}

/// Attributes as they stand in a file.
#[derive(Debug, Clone)]
pub(crate) struct EncodedAttributes(Vec<u8>);

impl EncodedAttributes {
    /// Where a body begins after these attributes.
    pub(crate) fn body_begin(&self) -> u64 {
        (FIXED + self.0.len()) as u64
    }

    /// # Errors
    /// `NotSupported` if they are too long, or of a kind that this version does not know.
    pub(crate) fn new(attributes: &Attributes) -> Result<Self> {
        let mut all = Vec::with_capacity(attributes.len());
        for (attribute, value) in attributes {
            all.push(encode_one(attribute, value)?);
        }
        // The map has no order of its own.
        all.sort_unstable();
        let bytes = all.concat();
        if bytes.len() > MAX_ATTRIBUTES {
            return Err(Error::NotSupported("attributes of more than 64 KiB"));
        }
        Ok(Self(bytes))
    }
}

/// The header of a body of so many bytes.
pub(crate) fn encode(tag: Tag, body: u64, attributes: &EncodedAttributes) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED + attributes.0.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&tag.0);
    bytes.extend_from_slice(&body.to_le_bytes());
    bytes.extend_from_slice(&(attributes.0.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&attributes.0);
    bytes
}

/// How many bytes of the file the header takes, from the first bytes of the file.
///
/// # Errors
/// A sentence on why this is no header.
pub(crate) fn length(first: &[u8]) -> Result<usize, &'static str> {
    let fixed = first.first_chunk::<FIXED>().ok_or("it is too short for its header")?;
    if fixed[..8] != MAGIC {
        return Err("it does not begin as objects do");
    }
    let attributes = u32::from_le_bytes(array(&fixed[32..36])) as usize;
    if attributes > MAX_ATTRIBUTES {
        return Err("its attributes are too long");
    }
    Ok(FIXED + attributes)
}

/// Reads a header that is there as a whole, of a file of so many bytes.
///
/// # Errors
/// A sentence on what is wrong with it.
pub(crate) fn decode(first: &Bytes, file: u64) -> Result<Header, &'static str> {
    let length = length(first)?;
    let header = first.get(..length).ok_or("it ends within its attributes")?;
    let body = u64::from_le_bytes(array(&header[24..32]));
    let begin = length as u64;
    if begin.checked_add(body) != Some(file) {
        return Err("its length is not the one that its header tells");
    }
    let attributes = decode_attributes(&header[FIXED..]).ok_or("its attributes are garbled")?;
    Ok(Header { tag: Tag(array(&header[8..24])), body, begin, attributes })
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn encode_one(attribute: &Attribute, value: &AttributeValue) -> Result<Vec<u8>> {
    let (kind, name) = match attribute {
        Attribute::ContentDisposition => (1, ""),
        Attribute::ContentEncoding => (2, ""),
        Attribute::ContentLanguage => (3, ""),
        Attribute::ContentType => (4, ""),
        Attribute::CacheControl => (5, ""),
        Attribute::StorageClass => (6, ""),
        Attribute::Metadata(name) => (7, name.as_ref()),
        _ => return Err(Error::NotSupported("an attribute of a kind that is not known here")),
    };
    let too_long = || Error::NotSupported("attributes of more than 64 KiB");
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&u16::try_from(name.len()).map_err(|_| too_long())?.to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&u32::try_from(value.len()).map_err(|_| too_long())?.to_le_bytes());
    bytes.extend_from_slice(value.as_bytes());
    Ok(bytes)
}

fn decode_attributes(mut rest: &[u8]) -> Option<Attributes> {
    let mut attributes = Attributes::new();
    while let [kind, after @ ..] = rest {
        let (length, after) = after.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let name = str::from_utf8(name).ok()?;
        let attribute = match kind {
            1 => Attribute::ContentDisposition,
            2 => Attribute::ContentEncoding,
            3 => Attribute::ContentLanguage,
            4 => Attribute::ContentType,
            5 => Attribute::CacheControl,
            6 => Attribute::StorageClass,
            7 => Attribute::Metadata(name.to_owned().into()),
            _ => return None,
        };
        attributes.insert(attribute, str::from_utf8(value).ok()?.to_owned().into());
        rest = after;
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(attributes: &Attributes, body: &[u8]) -> (Tag, Vec<u8>) {
        let tag = Tag::fresh().expect("there is a random source");
        let attributes = EncodedAttributes::new(attributes).expect("they are short");
        (tag, [encode(tag, body.len() as u64, &attributes), body.to_vec()].concat())
    }

    fn all_kinds() -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentDisposition, "inline"),
            (Attribute::ContentEncoding, "gzip"),
            (Attribute::ContentLanguage, "de"),
            (Attribute::ContentType, "text/plain"),
            (Attribute::CacheControl, ""),
            (Attribute::StorageClass, "cold"),
            (Attribute::Metadata("owner".into()), "nobody"),
            (Attribute::Metadata("".into()), "\u{1f600}"),
        ])
    }

    #[test]
    fn a_header_says_what_was_put_into_it() {
        for attributes in [Attributes::new(), all_kinds()] {
            let (tag, bytes) = file(&attributes, b"body");
            let read = decode(&bytes.clone().into(), bytes.len() as u64).expect("it is whole");
            assert_eq!((read.tag, read.body, &read.attributes), (tag, 4, &attributes));
            assert_eq!(&bytes[read.begin as usize..], b"body");
        }
    }

    #[test]
    fn a_header_that_is_cut_or_changed_is_never_taken_for_whole_nor_a_reason_to_panic() {
        let (_, bytes) = file(&all_kinds(), b"body");
        for end in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..end]);
            assert!(decode(&cut, end as u64).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = decode(&changed.into(), bytes.len() as u64);
        }
    }

    #[test]
    fn attributes_without_end_are_refused() {
        let long = "x".repeat(MAX_ATTRIBUTES);
        let attributes = Attributes::from_iter([(Attribute::ContentType, long)]);
        let refused = EncodedAttributes::new(&attributes);
        assert!(matches!(refused, Err(Error::NotSupported(_))), "{refused:?}");
    }

    #[test]
    fn the_text_of_a_tag_is_an_entity_tag() {
        let text = Tag([0xab; 16]).text();
        assert_eq!(text, format!("\"{}\"", "ab".repeat(16)));
    }
}
