//! What a run is: everything on which its result depends, and by what program.
//!
//! Two runs may only be joined, and a run may only be continued, if they agree in all of this. How
//! many workers there are, whether they are processes, and when somebody ended it does not matter.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twox_hash::XxHash3_64;

use super::layout::{Block, Extent, Layout};
use crate::campaign::{Campaign, Determinism, Seeding};
use crate::guided::Corpus;

/// Everything that the result of a run depends on, but for which block of it is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Version of `vopr`.
    pub vopr: String,
    /// Hash of the program's file, in hexadecimal.
    pub build: String,
    /// First seed.
    pub first_seed: u64,
    /// Number of seeds of the whole campaign; `None`: it has no end.
    pub seeds: Option<u64>,
    /// Whether each seed is run twice.
    pub each_seed_twice: bool,
    /// A bug that is planted now and then, to see it found.
    pub canary: Option<CanaryJob>,
    /// How a guided search begins; of any other campaign nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided: Option<GuidedJob>,
    /// What worlds are like, as the command line says it.
    pub world: BTreeMap<String, Value>,
}

/// How a guided search begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidedJob {
    /// Hash of the corpus that it begins with, in hexadecimal; `None`: with nothing.
    pub corpus: Option<String>,
}

impl GuidedJob {
    /// A search that begins with what is known.
    #[must_use]
    pub fn with(known: &Corpus) -> GuidedJob {
        let hash = || format!("{:016x}", hash_of(known));
        GuidedJob { corpus: (!known.is_empty()).then(hash) }
    }
}

/// A bug that is planted now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryJob {
    /// The bug.
    pub bug: String,
    /// In one of so many seeds.
    pub every: u64,
}

impl Job {
    /// The job of a campaign that nobody keeps: by no program, and told by no flags.
    pub(crate) fn unkept(campaign: &Campaign) -> Job {
        let is_guided = campaign.seeding == Seeding::Guided;
        Job {
            vopr: String::new(),
            build: String::new(),
            first_seed: campaign.first_seed,
            seeds: Some(campaign.iterations),
            each_seed_twice: campaign.determinism == Determinism::Checked,
            canary: None,
            guided: is_guided.then_some(GuidedJob { corpus: None }),
            world: BTreeMap::new(),
        }
    }

    /// How many seeds there are.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.seeds.map_or(Extent::Endless, Extent::Seeds)
    }

    /// Where the seeds of a block are.
    #[must_use]
    pub fn layout(&self, block: Block) -> Layout {
        match &self.guided {
            None => Layout::new(self.first_seed, self.extent(), block),
            Some(_) => Layout::of_generations(self.first_seed, self.extent(), block),
        }
    }

    /// A number that differs for jobs that differ.
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash_of(self)
    }

    /// In what another job differs from this one.
    #[must_use]
    pub fn differences(&self, other: &Job) -> Differences {
        let (here, there) = (self.named(), other.named());
        let names = here.keys().chain(there.keys().filter(|name| !here.contains_key(*name)));
        let differing = names.filter(|name| here.get(*name) != there.get(*name));
        let told = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::from("none"),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let told = |name: &String| (name.clone(), told(here.get(name)), told(there.get(name)));
        Differences(differing.map(told).collect())
    }

    /// All fields by name.
    fn named(&self) -> BTreeMap<String, Value> {
        let Job { vopr, build, first_seed, seeds, each_seed_twice, canary, guided, world } = self;
        let mut named = world.clone();
        named.insert(String::from("vopr"), Value::from(vopr.as_str()));
        named.insert(String::from("build"), Value::from(build.as_str()));
        named.insert(String::from("first seed"), Value::from(*first_seed));
        named.insert(String::from("number of seeds"), Value::from(*seeds));
        named.insert(String::from("each seed twice"), Value::from(*each_seed_twice));
        let canary =
            canary.as_ref().map(|canary| format!("{} in 1 of {}", canary.bug, canary.every));
        named.insert(String::from("canary"), Value::from(canary));
        let corpus = guided.as_ref().and_then(|guided| guided.corpus.as_deref());
        named.insert(String::from("corpus"), Value::from(corpus));
        named
    }
}

/// In what two jobs differ: name, here, there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences(Vec<(String, String, String)>);

impl Differences {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, here, there)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "; " };
            write!(f, "{comma}{name} is {there} there and {here} here")?;
        }
        Ok(())
    }
}

/// The hash of a value's JSON.
pub(super) fn hash_of(value: &impl Serialize) -> u64 {
    // Values of this module hold only strings, numbers, lists and maps by strings.
    XxHash3_64::oneshot(&serde_json::to_vec(value).unwrap_or_default())
}

/// The hash of the file of this program, in hexadecimal: two builds that differ in one byte differ
/// in it, whatever their version says.
///
/// # Errors
/// If the file cannot be read.
pub fn build_of_this_program() -> io::Result<String> {
    let mut file = std::fs::File::open(std::env::current_exe()?)?;
    let (mut hash, mut chunk) = (XxHash3_64::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(format!("{:016x}", std::hash::Hasher::finish(&hash))),
            read => std::hash::Hasher::write(&mut hash, &chunk[..read]),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::night) fn job(seeds: u64) -> Job {
        Job {
            vopr: String::from("0.1.0"),
            build: String::from("00ff"),
            first_seed: 42,
            seeds: Some(seeds),
            each_seed_twice: false,
            canary: None,
            guided: None,
            world: BTreeMap::from([(String::from("profile"), Value::from("swarm"))]),
        }
    }

    #[test]
    fn what_differs_is_said_by_name() {
        let here = job(100);
        assert!(here.differences(&here).is_empty());
        let mut there = job(200);
        there.world.insert(String::from("profile"), Value::from("calm"));
        there.canary = Some(CanaryJob { bug: String::from("x"), every: 10 });
        assert_eq!(
            here.differences(&there).to_string(),
            "canary is x in 1 of 10 there and none here; number of seeds is 200 there and 100 \
             here; profile is calm there and swarm here"
        );
        assert_ne!(here.hash(), there.hash());
    }

    #[test]
    fn a_program_has_one_hash() {
        let build = build_of_this_program().expect("readable");
        assert_eq!(build.len(), 16);
        assert_eq!(build, build_of_this_program().expect("readable"));
    }
}
