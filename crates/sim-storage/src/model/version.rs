//! One version of one object: body, tag, generation, dates and attributes.
//!
//! A body is a [`Bytes`]: the model never copies it, and a reader holds a slice of what the writer
//! handed over.
//!
//! A [`Tag`] is what HTTP calls an entity tag. Stores make it in two ways, and the difference
//! matters to every protocol that compares tags: S3 hashes the content, so that writing the same
//! bytes again brings an *old tag back* (the ABA problem); Azure and S3 Express draw a fresh one for
//! each write. A model that compares tags must compare them as the wire does, as opaque strings, so
//! a tag here *is* its text, kept inline: comparing it is a comparison of bytes, handing it out costs
//! no formatting.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_128;

/// A number that identifies one write in the whole store. It grows with every write, so it also
/// orders the versions of an object: GCS calls it *generation*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// An entity tag with its quotes, at most [`Tag::CAPACITY`] bytes of ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    len: u8,
    text: [u8; Tag::CAPACITY],
}

impl Tag {
    /// The longest tag: a 128-bit hash in hex, a dash, five digits of part count, two quotes.
    pub const CAPACITY: usize = 40;

    const NOTHING: Self = Self { len: 0, text: [0; Self::CAPACITY] };

    /// The tag of a content: equal for equal bytes, as on S3, R2 and MinIO.
    ///
    /// Those stores use MD5; this is XXH3 with 128 bits, because all that a client may rely on is
    /// that the tag is a function of the content.
    pub fn of_content(body: &[u8]) -> Self {
        let mut tag = Self::quoted_hex(&XxHash3_128::oneshot(body).to_be_bytes());
        tag.push(b'"');
        tag
    }

    /// The tag of an object put together from parts: the hash of the parts' hashes, and their
    /// number, as on S3. It is not the tag that the same bytes get from a single PUT.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a Bytes>) -> Self {
        let mut hashes = Vec::new();
        let mut count = 0_u32;
        for part in parts {
            hashes.extend_from_slice(&XxHash3_128::oneshot(part).to_be_bytes());
            count += 1;
        }
        let mut tag = Self::quoted_hex(&XxHash3_128::oneshot(&hashes).to_be_bytes());
        tag.push(b'-');
        let mut divisor = 10_000;
        while divisor > 0 {
            if count >= divisor || divisor == 1 {
                tag.push(b'0' + u8::try_from(count / divisor % 10).unwrap_or_default());
            }
            divisor /= 10;
        }
        tag.push(b'"');
        tag
    }

    /// A tag that no other write of the store has: a bijective scrambling of the generation, so that
    /// nobody can mistake it for a counter.
    pub fn unique(generation: Generation) -> Self {
        // The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): a bijection on 64 bits.
        let mut z = generation.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut tag = Self::quoted_hex(&(z ^ (z >> 31)).to_be_bytes());
        tag.push(b'"');
        tag
    }

    /// The tag of a date and a size: equal for all versions of one size within one tick.
    pub fn of_time(date_ns: u64, size: u64) -> Self {
        let mut tag = Self::quoted_hex(&date_ns.to_be_bytes());
        tag.push(b'-');
        for byte in size.to_be_bytes().into_iter().skip_while(|byte| *byte == 0) {
            tag.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
            tag.push(b"0123456789abcdef"[usize::from(byte & 15)]);
        }
        tag.push(b'"');
        tag
    }

    /// The tag that a client sent. Text that is too long for any tag of this store becomes a tag
    /// that equals none of them.
    pub fn from_client(text: &str) -> Self {
        let mut tag = Self::NOTHING;
        if text.len() <= Self::CAPACITY {
            tag.text[..text.len()].copy_from_slice(text.as_bytes());
            tag.len = text.len() as u8;
        }
        tag
    }

    /// The text, with its quotes.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len as usize]).unwrap_or_default()
    }

    fn quoted_hex(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut tag = Self::NOTHING;
        tag.text[0] = b'"';
        for (pair, byte) in tag.text[1..].chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        tag.len = 1 + 2 * bytes.len() as u8;
        tag
    }

    fn push(&mut self, byte: u8) {
        self.text[usize::from(self.len)] = byte;
        self.len += 1;
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of one attribute of an object (HTTP headers that the store keeps and gives back).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeKey {
    /// `Content-Disposition`
    ContentDisposition,
    /// `Content-Encoding`
    ContentEncoding,
    /// `Content-Language`
    ContentLanguage,
    /// `Content-Type`
    ContentType,
    /// `Cache-Control`
    CacheControl,
    /// The storage class or access tier.
    StorageClass,
    /// Metadata that the user named.
    Metadata(Arc<str>),
}

/// One attribute with its value.
pub type Attribute = (AttributeKey, Arc<str>);

/// The attributes of one version, in the order of their keys; shared, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Option<Arc<[Attribute]>>);

impl Attributes {
    /// The attributes in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().flat_map(|list| list.iter())
    }

    /// The value of one attribute.
    pub fn get(&self, key: &AttributeKey) -> Option<&str> {
        self.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_ref())
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Self(None);
        }
        pairs.sort_unstable();
        Self(Some(pairs.into()))
    }
}

/// One version of one object, as it is and always was.
#[derive(Debug, Clone)]
pub struct Version {
    /// The content.
    pub body: Bytes,
    /// The entity tag.
    pub tag: Tag,
    /// The write that made it.
    pub generation: Generation,
    /// What the store says about the time of the write, in nanoseconds of virtual time: cut to the
    /// profile's granularity, and for a multipart upload the time at which it was *begun*.
    pub last_modified: u64,
    /// When it became visible, exact, in nanoseconds of virtual time. No client sees this.
    pub applied_at: u64,
    /// The request that made it. No client sees this.
    pub request: u64,
    /// Attributes given by the writer.
    pub attributes: Attributes,
}

impl Version {
    /// Length of the content in bytes.
    pub fn size(&self) -> u64 {
        self.body.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_tag_recurs_and_a_unique_one_does_not() {
        assert_eq!(Tag::of_content(b"same"), Tag::of_content(b"same"));
        assert_ne!(Tag::of_content(b"same"), Tag::of_content(b"else"));
        assert_ne!(Tag::unique(Generation(1)), Tag::unique(Generation(2)));
        assert_eq!(Tag::of_content(b"").as_str().len(), 34);
        assert_eq!(Tag::unique(Generation(1)).as_str().len(), 18);
    }

    #[test]
    fn the_tag_of_parts_ends_in_their_number() {
        let part = Bytes::from_static(b"part");
        for count in [1_usize, 9, 10, 105, 10_000] {
            let tag = Tag::of_parts(std::iter::repeat_n(&part, count));
            assert!(tag.as_str().ends_with(&format!("-{count}\"")), "{tag:?}");
        }
        assert_ne!(Tag::of_parts([&part]), Tag::of_content(&part));
    }

    #[test]
    fn text_from_a_client_matches_only_itself() {
        let tag = Tag::of_content(b"x");
        assert_eq!(Tag::from_client(tag.as_str()), tag);
        assert_ne!(Tag::from_client(tag.as_str().trim_matches('"')), tag);
        assert_ne!(Tag::from_client(&"\u{e9}".repeat(500)), tag);
        assert_eq!(Tag::from_client("\u{e9}").as_str(), "\u{e9}");
    }
}
