//! What the store held: each object with its versions, as the requests that took effect tell it.
//!
//! Names are read from the text of requests (`create NAME if-absent (33 B) -> 200`), which is
//! written by the store in a few fixed forms. A name may hold anything, spaces included; only a
//! deletion of several names at once cannot be told apart then.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::trace::{Kind, Row};

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// What was done to it, oldest first.
    pub versions: Vec<Version>,
}

/// One version of an object, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The event at which it took effect.
    pub event: u64,
    /// Virtual time in microseconds.
    pub at_us: u64,
    /// Whose request it was.
    pub process: String,
    /// What was done: the verb of the request.
    pub verb: String,
    /// Bytes; `None` where the request does not tell, or for a deletion.
    pub bytes: Option<u64>,
    /// Commits that took effect with it, by number.
    pub commits: Vec<u64>,
}

impl Version {
    /// Whether the object is gone with it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.verb == "delete"
    }
}

/// A request in words, taken apart.
struct Told<'a> {
    verb: &'a str,
    names: Vec<&'a str>,
    bytes: Option<u64>,
}

/// The objects of a trace that were written or deleted, by name.
pub(super) fn objects(trace: &[Row]) -> Vec<Object> {
    let mut objects: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    let mut commits = Vec::new();
    for row in trace {
        match row.kind {
            // A commit is told just before the request that it took effect with.
            Kind::Commit => commits.push(row.b),
            Kind::Apply => {
                let commits = std::mem::take(&mut commits);
                let Some(told) = (row.b == 200).then(|| changes(&row.detail)).flatten() else {
                    continue;
                };
                for name in told.names {
                    objects.entry(name.to_owned()).or_default().push(Version {
                        event: row.event,
                        at_us: row.at_ns / 1000,
                        process: row.process.clone(),
                        verb: told.verb.to_owned(),
                        bytes: told.bytes,
                        commits: commits.clone(),
                    });
                }
            }
            _ => {}
        }
    }
    objects.into_iter().map(|(name, versions)| Object { name, versions }).collect()
}

/// What a request changes; `None` for one that only reads, or that is no more than a part.
fn changes(detail: &str) -> Option<Told<'_>> {
    let (request, _) = detail.rsplit_once(" -> ")?;
    let (verb, rest) = request.split_once(' ')?;
    let names = match verb {
        "delete" => rest.split(' ').collect(),
        "put" | "create" | "update" => {
            let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
            let end = [" if-match ", " if-generation ", " if-absent"];
            let end = end.iter().filter_map(|mark| name.rfind(mark)).min().unwrap_or(name.len());
            vec![&name[..end]]
        }
        "copy" | "rename" => {
            let (_, to) = rest.split_once(" to ")?;
            vec![to.strip_suffix(" if-absent").unwrap_or(to)]
        }
        "complete-upload" => vec![rest],
        _ => return None,
    };
    let bytes = rest.rsplit_once(" (").and_then(|(_, size)| size.strip_suffix(" B)"));
    Some(Told { verb, names, bytes: bytes.and_then(|bytes| bytes.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(detail: &str) -> Option<(&str, Vec<&str>, Option<u64>)> {
        changes(detail).map(|told| (told.verb, told.names, told.bytes))
    }

    #[test]
    fn names_are_read_from_every_form_of_a_write() {
        assert_eq!(
            told("create m/seg/1 if-absent (33 B) -> 200"),
            Some(("create", vec!["m/seg/1"], Some(33)))
        );
        assert_eq!(
            told("update m/head if-match \"ab\" (9 B) -> 200"),
            Some(("update", vec!["m/head"], Some(9)))
        );
        assert_eq!(told("put a b <i> (0 B) -> 200"), Some(("put", vec!["a b <i>"], Some(0))));
        assert_eq!(told("delete a b -> 200"), Some(("delete", vec!["a", "b"], None)));
        assert_eq!(told("copy a to b if-absent -> 200"), Some(("copy", vec!["b"], None)));
        assert_eq!(told("get m/head if-none-match -> 304"), None);
        assert_eq!(told("list m/seg/* -> 200"), None);
        assert_eq!(told(""), None);
    }
}
