//! Seeds: what decides a world, as people name it.
//!
//! A number is a whole world. A world can also be **continued afresh**: up to an event of its trace
//! it is what it was, and from there on every decision comes from another number. That is written
//! `42@1130:7`, "seed 42 up to event 1130, from there on drawn with 7", and may go on:
//! `42@1130:7@1900:12`. So a run that was found by going back to an interesting moment and trying
//! other futures has a name that anybody can run again, and so has each of the futures by which the
//! probability of a failure is measured.
//!
//! In JSON a plain seed is a number, a continued one a string.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::choice::Fresh;
use crate::trace::fold;

/// The most turns that a seed may have.
pub const TURNS_MAX: usize = 64;

/// What decides a world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    start: u64,
    /// By event, strictly ascending.
    turns: Vec<Fresh>,
}

impl Seed {
    /// The number that the world begins with.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The turns, in the order of their events.
    #[must_use]
    pub fn turns(&self) -> &[Fresh] {
        &self.turns
    }

    /// The seed of the world that is this one up to an event, and drawn afresh from there on. Turns
    /// at or after that event are forgotten: nothing of them is left. If there are [`TURNS_MAX`]
    /// before it, the last one gives way.
    #[must_use]
    pub fn turned(&self, turn: Fresh) -> Seed {
        let kept = self.turns.iter().filter(|earlier| earlier.from_event < turn.from_event);
        let turns = kept.take(TURNS_MAX - 1).copied().chain([turn]).collect();
        Seed { start: self.start, turns }
    }

    /// A number for everything in which seeds should differ: the seed itself if it is a plain one.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.turns
            .iter()
            .fold(self.start, |hash, turn| fold(fold(hash, turn.from_event), turn.seed))
    }

    /// The seed as part of the name of a file, which has no colons.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl From<u64> for Seed {
    fn from(start: u64) -> Seed {
        Seed { start, turns: Vec::new() }
    }
}

impl From<&Seed> for Seed {
    fn from(seed: &Seed) -> Seed {
        seed.clone()
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start)?;
        for turn in &self.turns {
            write!(f, "@{}:{}", turn.from_event, turn.seed)?;
        }
        Ok(())
    }
}

/// Why a text is no seed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedError {
    /// A number is missing, is none, or is too large.
    Number(ParseIntError),
    /// A turn without the number that it draws with.
    NoFreshSeed,
    /// The events of turns do not ascend.
    NotAscending,
    /// More than [`TURNS_MAX`] turns.
    TooManyTurns,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeedError::Number(error) => write!(f, "{error}"),
            SeedError::NoFreshSeed => f.write_str("a turn is written @EVENT:SEED"),
            SeedError::NotAscending => f.write_str("the events of turns must ascend"),
            SeedError::TooManyTurns => write!(f, "more than {TURNS_MAX} turns"),
        }
    }
}

impl std::error::Error for SeedError {}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Seed, SeedError> {
        let mut parts = text.split('@');
        // Splitting gives at least one part.
        let start = parts.next().unwrap_or_default().parse().map_err(SeedError::Number)?;
        let mut turns: Vec<Fresh> = Vec::new();
        for part in parts {
            let (event, seed) = part.split_once(':').ok_or(SeedError::NoFreshSeed)?;
            let from_event = event.parse().map_err(SeedError::Number)?;
            let seed = seed.parse().map_err(SeedError::Number)?;
            if turns.last().is_some_and(|last| last.from_event >= from_event) {
                return Err(SeedError::NotAscending);
            }
            if turns.len() == TURNS_MAX {
                return Err(SeedError::TooManyTurns);
            }
            turns.push(Fresh { from_event, seed });
        }
        Ok(Seed { start, turns })
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.turns.is_empty() {
            serializer.serialize_u64(self.start)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seed, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a seed: a number, or a string such as \"42@1130:7\"")]
        enum Form {
            Plain(u64),
            Turned(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Plain(start) => Ok(Seed::from(start)),
            Form::Turned(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(text: &str) -> Seed {
        text.parse().expect("it is a seed")
    }

    #[test]
    fn a_seed_reads_as_it_is_written() {
        for text in ["0", "42", "18446744073709551615", "42@0:7", "42@1130:7@1900:12"] {
            assert_eq!(seed(text).to_string(), text);
            let json = serde_json::to_string(&seed(text)).expect("it serializes");
            assert_eq!(serde_json::from_str::<Seed>(&json).expect("it parses"), seed(text));
        }
        assert_eq!(serde_json::to_string(&seed("42")).expect("it serializes"), "42");
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        for text in ["", "x", "-1", "42@", "42@7", "42@7:", "42@:7", "@1:2", "18446744073709551616"]
        {
            assert!(text.parse::<Seed>().is_err(), "{text}");
        }
        assert_eq!("1@5:1@5:2".parse::<Seed>(), Err(SeedError::NotAscending));
        let long: String = (0..=TURNS_MAX).map(|event| format!("@{event}:1")).collect();
        assert_eq!(format!("1{long}").parse::<Seed>(), Err(SeedError::TooManyTurns));
        assert!(serde_json::from_str::<Seed>("1.5").is_err());
    }

    #[test]
    fn a_turn_forgets_what_came_after_it() {
        let turned = seed("42@10:1@20:2@30:3").turned(Fresh { from_event: 20, seed: 9 });
        assert_eq!(turned, seed("42@10:1@20:9"));
        assert_eq!(seed("42").turned(Fresh { from_event: 5, seed: 1 }), seed("42@5:1"));
    }

    #[test]
    fn seeds_that_differ_are_folded_to_different_numbers() {
        assert_eq!(seed("42").folded(), 42);
        let folded = ["42", "42@1:1", "42@1:2", "42@2:1", "43@1:1", "42@1:1@2:2"]
            .map(|text| seed(text).folded());
        let distinct: std::collections::BTreeSet<_> = folded.into_iter().collect();
        assert_eq!(distinct.len(), folded.len());
    }
}
