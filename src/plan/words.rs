//! Operations and moments as text, in the words of the trace.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sim_storage::fault::Moment;

use crate::workload::{Freshness, KeyId, KeyRange, OpId, OpKind, Operation, ReadTarget, Write};

/// Keys have four digits.
const KEYS: u16 = 10_000;

/// What an operation does: `transaction r:k0001 r:k0003..k0007 w:k0002 d:k0009..`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Does {
    /// Its kind.
    pub kind: OpKind,
    /// What it reads.
    pub reads: Vec<ReadTarget>,
    /// What it writes.
    pub writes: Vec<Write>,
}

impl Does {
    /// The operation that does this.
    #[must_use]
    pub fn operation(&self, freshness: Freshness, variant: u16) -> Operation {
        let (reads, writes) = (self.reads.clone(), self.writes.clone());
        Operation { id: OpId(0), kind: self.kind, freshness, reads, writes, variant }
    }
}

impl From<&Operation> for Does {
    fn from(operation: &Operation) -> Does {
        let (reads, writes) = (operation.reads.clone(), operation.writes.clone());
        Does { kind: operation.kind, reads, writes }
    }
}

impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation(Freshness::Strong, 0).fmt(f)
    }
}

impl From<Does> for String {
    fn from(does: Does) -> String {
        does.to_string()
    }
}

impl TryFrom<String> for Does {
    type Error = String;

    fn try_from(text: String) -> Result<Does, String> {
        text.parse()
    }
}

impl FromStr for Does {
    type Err = String;

    fn from_str(text: &str) -> Result<Does, String> {
        let named = |kind: &OpKind| {
            text.strip_prefix(kind.name()).filter(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let kind = OpKind::ALL.into_iter().find(|kind| named(kind).is_some());
        let kind = kind.ok_or_else(|| format!("'{text}' begins with no operation"))?;
        let mut does = Does { kind, reads: Vec::new(), writes: Vec::new() };
        for word in named(&kind).unwrap_or_default().split_whitespace() {
            let wrong = || format!("'{word}' in '{text}' is no r:, w: or d: with a key");
            match word.split_once(':').ok_or_else(wrong)? {
                ("r", target) => does.reads.push(match target.contains("..") {
                    true => ReadTarget::Range(range(target).ok_or_else(wrong)?),
                    false => ReadTarget::Key(key(target).ok_or_else(wrong)?),
                }),
                ("w", target) => does.writes.push(Write::Put(key(target).ok_or_else(wrong)?)),
                ("d", target) => does.writes.push(match target.contains("..") {
                    true => Write::DeleteRange(range(target).ok_or_else(wrong)?),
                    false => Write::Delete(key(target).ok_or_else(wrong)?),
                }),
                _ => return Err(wrong()),
            }
        }
        if kind.is_read_only() == does.reads.is_empty() && does.writes.is_empty() {
            return Err(format!("'{text}' neither reads nor writes"));
        }
        if kind.is_read_only() != does.writes.is_empty() {
            return Err(format!("'{text}': a {} does not write like this", kind.name()));
        }
        Ok(does)
    }
}

fn key(text: &str) -> Option<KeyId> {
    KeyId::decode(text.as_bytes())
}

fn range(text: &str) -> Option<KeyRange> {
    let (start, end) = text.split_once("..")?;
    let end = if end.is_empty() { None } else { Some(key(end)?) };
    let start = key(start)?;
    (start.0 < KEYS).then_some(KeyRange { start, end })
}

/// What a process had begun last: `opening` (its first life), `opening 2` (its third), the number
/// of an operation, or `quiet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MomentEntry(pub Moment);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u32),
    Word(String),
}

impl Serialize for MomentEntry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = match self.0 {
            Moment::Operation(number) => NumberOrWord::Number(number),
            Moment::Opening(0) => NumberOrWord::Word(String::from("opening")),
            Moment::Opening(life) => NumberOrWord::Word(format!("opening {life}")),
            Moment::Quiet => NumberOrWord::Word(String::from("quiet")),
        };
        entry.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MomentEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = "a moment is the number of an operation, 'opening', 'opening N' or 'quiet'";
        let entry =
            NumberOrWord::deserialize(deserializer).map_err(|_| serde::de::Error::custom(wrong))?;
        let moment = match entry {
            NumberOrWord::Number(number) => Some(Moment::Operation(number)),
            NumberOrWord::Word(word) => match word.as_str() {
                "quiet" => Some(Moment::Quiet),
                "opening" => Some(Moment::Opening(0)),
                other => other
                    .strip_prefix("opening ")
                    .and_then(|life| life.parse().ok())
                    .map(Moment::Opening),
            },
        };
        moment.map(MomentEntry).ok_or_else(|| serde::de::Error::custom(wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Mix, generate};
    use sim::{ProcessId, Site, Source};

    #[test]
    fn every_generated_operation_survives_the_way_through_text() {
        let mix = Mix {
            weights: [1; 8],
            keys: 9,
            hot_percent: 10,
            session_percent: 20,
            held_percent: 20,
            width: 4,
        };
        let mut source = Source::new(5);
        for number in 0..2000 {
            let draw = source.draw(ProcessId(1), Site::OPERATION, 0);
            let does = Does::from(&generate(&mix, OpId(number), &draw));
            assert_eq!(does.to_string().parse(), Ok(does));
        }
    }

    #[test]
    fn what_is_no_operation_is_refused_with_the_word_that_is_wrong() {
        for (text, part) in [
            ("fly w:k0001", "begins with no operation"),
            ("put w:1", "'w:1'"),
            ("put x:k0001", "'x:k0001'"),
            ("get", "neither reads nor writes"),
            ("get w:k0001", "does not write"),
            ("putt w:k0001", "begins with no operation"),
        ] {
            let error = text.parse::<Does>().expect_err(text);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn moments_are_numbers_or_words() {
        for (moment, text) in [
            (Moment::Operation(7), "7"),
            (Moment::Opening(0), "\"opening\""),
            (Moment::Opening(2), "\"opening 2\""),
            (Moment::Quiet, "\"quiet\""),
        ] {
            let entry = MomentEntry(moment);
            assert_eq!(serde_json::to_string(&entry).expect("it serializes"), text);
            assert_eq!(serde_json::from_str::<MomentEntry>(text).expect("it parses"), entry);
        }
        assert!(serde_json::from_str::<MomentEntry>("-1").is_err());
    }
}
