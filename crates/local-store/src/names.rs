//! From the location of an object to the name of a file, and back.
//!
//! ```text
//! tables/orders/head      ->  tables/orders/head@
//! tables/orders           ->  tables/orders@          an object may also be a prefix
//! Straße 7                ->  %53tra%c3%9fe%207@
//! .local-store            ->  %2elocal-store@
//! ```
//! Each segment of a location but the last is a directory; the last one is a file whose name ends
//! in `@`, so that an object and a prefix of the same name live side by side. What is kept as it is:
//! `a`-`z`, `0`-`9`, and `-`, `_`, `=`, `+`, `,`, and a dot that is not first. All other bytes are
//! written `%xx`. So names differ also on file systems that take upper for lower case or one Unicode
//! form for another; no name begins with a dot, is `.` or `..`, or can be that of the store's own
//! directory. A segment whose encoding is longer than a file name may be is cut into chunks: a
//! directory whose name ends in `~` holds what goes on.
//!
//! The encoding is canonical: a file whose name decodes, but is not what the decoded segment would
//! be encoded to, is foreign and never shown.

use std::fmt::Write;

use object_store::path::Path;

use crate::error::{Error, Result};

/// The store's own directory, in which objects never are.
pub(crate) const INTERNAL: &str = ".local-store";

/// The longest chunk, in bytes. File names may have 255 on most file systems.
const CHUNK: usize = 200;

const OBJECT: char = '@';
const CONTINUED: char = '~';

/// Where an object is: a directory, relative to the root (empty for the root itself), and a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) directory: String,
    pub(crate) file: String,
}

/// What the name of a directory entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The last chunk of an object's last segment.
    Object,
    /// The last chunk of a segment with more segments beneath.
    Prefix,
    /// A chunk; the segment goes on beneath.
    Continued,
}

/// The place of an object.
///
/// # Errors
/// `NotSupported` for the empty location.
pub(crate) fn place(location: &Path) -> Result<Place> {
    let (parent, segment) = match location.as_ref().rsplit_once('/') {
        Some((parent, segment)) => (parent, segment),
        None => ("", location.as_ref()),
    };
    let mut chunks = encode(segment);
    let nameless = || Error::NotSupported("the empty path is not the name of an object");
    let mut file = chunks.pop().ok_or_else(nameless)?;
    file.push(OBJECT);
    let mut directory = directory_of(parent);
    chunks.into_iter().for_each(|chunk| push(&mut directory, &chunk));
    Ok(Place { directory, file })
}

/// The directory of what is beneath a prefix, relative to the root.
pub(crate) fn directory(prefix: &Path) -> String {
    directory_of(prefix.as_ref())
}

fn directory_of(prefix: &str) -> String {
    let mut directory = String::with_capacity(prefix.len() + 16);
    for segment in prefix.split('/') {
        encode(segment).iter().for_each(|chunk| push(&mut directory, chunk));
    }
    directory
}

/// Appends a component to a relative path.
pub(crate) fn push(directory: &mut String, component: &str) {
    if !directory.is_empty() {
        directory.push('/');
    }
    directory.push_str(component);
}

/// The chunks of a segment, all but the last with the mark that they go on. None for no segment.
pub(crate) fn encode(segment: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::with_capacity(1);
    let mut chunk = String::with_capacity(segment.len() + 1);
    for byte in segment.bytes() {
        let width = if is_plain(byte, &chunk) { 1 } else { 3 };
        if chunk.len() + width > CHUNK {
            chunk.push(CONTINUED);
            chunks.push(std::mem::take(&mut chunk));
        }
        if is_plain(byte, &chunk) {
            chunk.push(char::from(byte));
        } else {
            write!(chunk, "%{byte:02x}").expect("a string takes everything");
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

fn is_plain(byte: u8, chunk: &str) -> bool {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'=' | b'+' | b',' => true,
        b'.' => !chunk.is_empty(),
        _ => false,
    }
}

/// Reads the name of a directory entry: what it is, and the bytes of its chunk. None if no object
/// can have such a name. Whether it is the canonical one is for the caller to ask [`encode`], who
/// knows the chunks before it.
pub(crate) fn decode(name: &str) -> Option<(Kind, Vec<u8>)> {
    let (kind, chunk) = match name.strip_suffix(OBJECT) {
        Some(chunk) => (Kind::Object, chunk),
        None => match name.strip_suffix(CONTINUED) {
            Some(chunk) => (Kind::Continued, chunk),
            None => (Kind::Prefix, name),
        },
    };
    let mut bytes = Vec::with_capacity(chunk.len());
    let mut rest = chunk.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                after
            }
            (b'%', _) => return None,
            (plain, after) => {
                bytes.push(*plain);
                after
            }
        };
    }
    (!bytes.is_empty()).then_some((kind, bytes))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn placed(location: &str) -> String {
        let place = place(&Path::parse(location).expect("a location")).expect("a place");
        format!("{}/{}", place.directory, place.file)
    }

    /// Decodes a whole segment, as a listing does.
    fn decoded(chunks: &[String]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| decode(chunk).expect("it is one of ours").1).collect()
    }

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(placed("tables/orders/head"), "tables/orders/head@");
        assert_eq!(placed("tables"), "/tables@");
    }

    #[test]
    fn odd_names_are_encoded() {
        assert_eq!(placed("a@/b~"), "a%40/b%7e@");
        assert_eq!(placed("Stra\u{df}e 7"), "/%53tra%c3%9fe%207@");
        assert_eq!(placed(".local-store/x"), "%2elocal-store/x@");
        assert_eq!(placed("..."), "/%2e..@");
        assert_eq!(placed("a%2fb\\c"), "/a%252fb%5cc@");
    }

    #[test]
    fn a_long_segment_is_cut_into_chunks_of_which_none_is_a_dot() {
        let long = format!("{}..", "n".repeat(CHUNK));
        let chunks = encode(&long);
        assert_eq!(chunks, [format!("{}~", "n".repeat(CHUNK)), String::from("%2e.")]);
        assert_eq!(decoded(&chunks), long.as_bytes());
    }

    #[test]
    fn an_escape_is_never_cut() {
        for length in CHUNK - 3..CHUNK + 3 {
            let long = format!("{}\u{1f600}", "n".repeat(length));
            let chunks = encode(&long);
            assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK + 1));
            assert_eq!(decoded(&chunks), long.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn whatever_a_location_says_its_file_is_beneath_the_root(segments in vec("[^/]{1,90}", 1..4)) {
            let location = Path::from_iter(segments.iter().map(String::as_str));
            let place = place(&location).expect("it is not empty");
            let components = place.directory.split('/').filter(|part| !part.is_empty());
            for name in components.clone().chain([place.file.as_str()]) {
                assert!(!name.starts_with('.'), "{name}");
                assert!(name.len() <= CHUNK + 1 && name.is_ascii(), "{name}");
                assert!(!name.contains(|c: char| c.is_ascii_uppercase() || c == '\0'), "{name}");
            }
            let files = components.chain([place.file.as_str()]).map(|name| decode(name).unwrap());
            let mut back = String::new();
            for (kind, bytes) in files {
                back.push_str(str::from_utf8(&bytes).unwrap_or("cut"));
                back.push_str(if kind == Kind::Prefix { "/" } else { "" });
            }
            assert!(back == location.as_ref() || back.contains("cut"), "{back} of {location}");
        }
    }

    #[test]
    fn foreign_names_do_not_decode() {
        for name in ["@", "~", "", "%@", "%4@", "%4X@", "%A0@"] {
            assert_eq!(decode(name), None, "{name}");
        }
    }

    #[test]
    fn the_empty_location_names_nothing() {
        assert!(matches!(place(&Path::ROOT), Err(Error::NotSupported(_))));
        assert_eq!(directory(&Path::ROOT), "");
    }
}
