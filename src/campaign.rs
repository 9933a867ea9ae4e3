//! A campaign: many seeds, several workers, one summary.
//!
//! Every worker runs whole worlds, some at a time, and sums them up; summaries are merged. Merging
//! is commutative and associative and keeps the smallest seeds of each group of failures, so the
//! result is the same for any number of workers. Who gives out worlds, and keeps what they came to,
//! is [`night`](crate::night).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sim::Seed;
use sim::trace::Keep;

use crate::checkers::{CheckCounts, Class, Rule};
use crate::distinct::Distinct;
use crate::guided::Corpus;
use crate::night::{Block, Crew, Hands, Job, Ledger};
use crate::strategy::Strategy;
use crate::swarm::SwarmOptions;
use crate::system::SystemUnderTest;
use crate::world::{Arena, Verdict, WorldReport, run_seed};

/// Seeds of a group of failures that are kept; the others are only counted.
pub const KEPT_SEEDS: usize = 16;

/// Groups of failures that are kept; failures of other groups are only counted.
pub const KEPT_GROUPS: usize = 64;

/// Letters of a panic's message that tell its group from others.
const MESSAGE_LETTERS: usize = 400;

/// What a campaign runs.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// First seed.
    pub first_seed: u64,
    /// Number of seeds.
    pub iterations: u64,
    /// The system under test.
    pub system: Arc<dyn SystemUnderTest>,
    /// What worlds are like.
    pub swarm: SwarmOptions,
    /// Whether each seed is run twice.
    pub determinism: Determinism,
    /// Which seeds are run.
    pub seeding: Seeding,
}

/// Which seeds a campaign runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seeding {
    /// One after the other, from the first one on.
    #[default]
    InTurn,
    /// Half of them in turn, half continued from where something rare happened: see
    /// [`guided`](crate::guided).
    Guided,
}

/// Whether each seed is run twice and both runs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Determinism {
    /// Once.
    #[default]
    Assumed,
    /// Twice.
    Checked,
}

/// What failures have in common: they are told as one story.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKey {
    /// A rule was broken.
    Rule(Rule),
    /// Two runs of one seed differed.
    NotDeterministic,
    /// The world did not end within the wall time that a world may take.
    Hung,
    /// The process that ran the world ended like this.
    Died(String),
    /// A panic with this message.
    Panic(String),
}

impl GroupKey {
    /// The group of a run that ended like this; `None` if it passed.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Option<GroupKey> {
        match verdict {
            Verdict::Pass => None,
            Verdict::Broken(finding) | Verdict::Stuck(finding) => {
                Some(GroupKey::Rule(finding.rule))
            }
            Verdict::Panicked { message, .. } => {
                Some(GroupKey::Panic(message.chars().take(MESSAGE_LETTERS).collect()))
            }
        }
    }

    /// Whether running such a seed again would take its process with it.
    #[must_use]
    pub fn ends_its_process(&self) -> bool {
        matches!(self, GroupKey::Hung | GroupKey::Died(_))
    }

    /// The class of failure; panics and differing runs are outside the classes of the protocol.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            GroupKey::Rule(rule) => Some(rule.class()),
            GroupKey::Panic(_) | GroupKey::Hung | GroupKey::Died(_) => None,
            GroupKey::NotDeterministic => Some(Class::SnapshotDivergence),
        }
    }
}

/// The failures of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many seeds failed like this.
    pub count: u64,
    /// The smallest of these seeds, at most [`KEPT_SEEDS`].
    pub seeds: BTreeSet<Seed>,
}

/// How often a step, mark or fault was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// In how many seeds.
    pub seeds: u64,
    /// How often in all.
    pub times: u64,
}

/// What the worlds of one strategy did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    /// How many there were.
    pub seeds: u64,
    /// Their behaviours at the store.
    pub behaviours: Distinct,
}

/// What a campaign found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Failures by kind: the first [`KEPT_GROUPS`] kinds.
    #[serde(with = "pairs")]
    pub failures: BTreeMap<GroupKey, Group>,
    /// Failures of further kinds.
    pub other_failures: u64,
    /// Requests that left a process.
    pub requests: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits in the logs.
    pub commits: u64,
    /// Events of all traces.
    pub events: u64,
    /// Virtual time in nanoseconds.
    pub virtual_ns: u128,
    /// How often each check was made.
    pub checks: CheckCounts,
    /// Steps, marks and faults.
    pub reached: BTreeMap<String, Reached>,
    /// What was done by each strategy.
    pub searched: BTreeMap<Strategy, Searched>,
    /// The seed with the most requests, and their number.
    pub largest: Option<(Seed, u64)>,
    /// All fingerprints, folded; equal for equal campaigns.
    pub fingerprint: u64,
    /// The bug that was planted now and then, to see it found.
    pub canaries: Canaries,
    /// What a guided search learned; nothing of any other one.
    #[serde(default, skip_serializing_if = "Corpus::is_empty")]
    pub corpus: Corpus,
}

/// Worlds with a planted bug that were run beside the others. Nothing else counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canaries {
    /// How many there were.
    pub planted: u64,
    /// How many failed, as they should.
    pub caught: u64,
}

/// Failures as a list of pairs: keys of JSON objects are strings.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Group, GroupKey, KEPT_GROUPS, KEPT_SEEDS};

    pub(super) fn serialize<S: Serializer>(
        failures: &BTreeMap<GroupKey, Group>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(failures)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<GroupKey, Group>, D::Error> {
        let pairs = Vec::<(GroupKey, Group)>::deserialize(deserializer)?;
        let is_sound = pairs.len() <= KEPT_GROUPS
            && pairs.is_sorted_by(|(a, _), (b, _)| a < b)
            && pairs.iter().all(|(_, group)| {
                (1..=KEPT_SEEDS).contains(&group.seeds.len())
                    && group.count >= group.seeds.len() as u64
            });
        match is_sound {
            true => Ok(pairs.into_iter().collect()),
            false => Err(serde::de::Error::custom("groups of failures that cannot be")),
        }
    }
}

impl Summary {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// How many seeds failed, in whatever way.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let kept: u64 = self.failures.values().map(|group| group.count).sum();
        kept + self.other_failures
    }

    /// The behaviours of all worlds.
    #[must_use]
    pub fn behaviours(&self) -> Distinct {
        let mut all = Distinct::default();
        self.searched.values().for_each(|searched| all.merge(&searched.behaviours));
        all
    }

    pub(crate) fn add(&mut self, report: &WorldReport, repeat: Repeat) {
        self.seeds += 1;
        self.requests += report.requests;
        self.operations += report.operations;
        self.commits += report.commits;
        self.events += report.events;
        self.virtual_ns += u128::from(report.virtual_ns);
        self.checks.add(&report.checks);
        for &(name, count) in &report.counts {
            self.reach(name, Reached { seeds: 1, times: u64::from(count) });
        }
        let searched = self.searched.entry(report.strategy).or_default();
        searched.seeds += 1;
        searched.behaviours.see(report.behaviour);
        self.consider_largest(&report.seed, report.requests);
        // Addition of mixed words: the order of the seeds must not matter.
        let mixed = (report.fingerprint ^ report.seed.folded().rotate_left(32))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.fingerprint = self.fingerprint.wrapping_add(mixed ^ (mixed >> 29));
        if let Some(key) = GroupKey::of(&report.verdict) {
            self.add_failure(key, &report.seed);
        }
        if repeat == Repeat::Differs {
            self.add_failure(GroupKey::NotDeterministic, &report.seed);
        }
    }

    /// A world that took its process with it: nothing is known of it but its seed.
    pub(crate) fn add_lost(&mut self, key: GroupKey, seed: &Seed) {
        self.seeds += 1;
        self.add_failure(key, seed);
    }

    fn add_failure(&mut self, key: GroupKey, seed: &Seed) {
        self.join(key, Group { count: 1, seeds: BTreeSet::from([seed.clone()]) });
    }

    /// A name is copied only where it is met for the first time.
    fn reach(&mut self, name: &str, more: Reached) {
        if !self.reached.contains_key(name) {
            self.reached.insert(name.to_owned(), Reached::default());
        }
        if let Some(reached) = self.reached.get_mut(name) {
            reached.seeds += more.seeds;
            reached.times += more.times;
        }
    }

    /// Adds failures of a group. What is among the first kinds of the whole is among the first of
    /// every part, so what falls out of a part would fall out of the whole, in whatever order.
    fn join(&mut self, key: GroupKey, more: Group) {
        let group = self.failures.entry(key).or_default();
        group.count += more.count;
        group.seeds.extend(more.seeds);
        group.trim();
        while self.failures.len() > KEPT_GROUPS {
            let dropped = self.failures.pop_last();
            self.other_failures += dropped.map_or(0, |(_, group)| group.count);
        }
    }

    fn consider_largest(&mut self, seed: &Seed, requests: u64) {
        let candidate = (requests, Reverse(seed));
        let current = self.largest.as_ref().map(|(seed, requests)| (*requests, Reverse(seed)));
        if current.is_none_or(|current| candidate > current) {
            self.largest = Some((seed.clone(), requests));
        }
    }

    /// The summary of both. The order does not matter but to a corpus, whose parts follow each other
    /// in the order of their worlds.
    #[must_use]
    pub fn merge(mut self, other: Summary) -> Summary {
        self.seeds += other.seeds;
        self.requests += other.requests;
        self.operations += other.operations;
        self.commits += other.commits;
        self.events += other.events;
        self.virtual_ns += other.virtual_ns;
        self.checks.add(&other.checks);
        for (name, more) in &other.reached {
            self.reach(name, *more);
        }
        for (strategy, more) in other.searched {
            let searched = self.searched.entry(strategy).or_default();
            searched.seeds += more.seeds;
            searched.behaviours.merge(&more.behaviours);
        }
        if let Some((seed, requests)) = other.largest {
            self.consider_largest(&seed, requests);
        }
        self.fingerprint = self.fingerprint.wrapping_add(other.fingerprint);
        self.canaries.planted += other.canaries.planted;
        self.canaries.caught += other.canaries.caught;
        self.corpus.merge(other.corpus);
        self.other_failures += other.other_failures;
        for (key, more) in other.failures {
            self.join(key, more);
        }
        self
    }
}

impl Group {
    fn trim(&mut self) {
        while self.seeds.len() > KEPT_SEEDS {
            self.seeds.pop_last();
        }
    }
}

/// Somebody who wants to know how far a campaign is, and about every finished world.
pub trait Watch: Sync {
    /// A world has ended.
    fn finished(&self, report: &WorldReport) {
        let _ = report;
    }

    /// How much of each world's trace is kept for [`Watch::finished`].
    fn keep(&self) -> Keep {
        Keep::Hash
    }

    /// Called again and again on the thread that runs the campaign while workers work, until
    /// `done` equals the number of seeds. It should wait a little.
    fn progress(&self, done: u64) {
        let _ = done;
        std::thread::yield_now();
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Runs a campaign that nobody keeps, with so many workers (at least one).
///
/// # Panics
/// If a worker thread dies; panics of the system under test are caught and are findings.
pub fn run(campaign: &Campaign, workers: usize, watch: &dyn Watch) -> Summary {
    let job = Job::unkept(campaign);
    let ledger = Mutex::new(Ledger::in_memory(job, Block::WHOLE, Corpus::default()));
    let (hands, stop) = (Hands::Threads, AtomicBool::new(false));
    Crew { campaign, canary: None, hands: &hands, ledger: &ledger, stop: &stop, watch }
        .run(workers);
    let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    ledger.into_summary()
}

/// Runs a world of the campaign and adds it to the summary.
pub(crate) fn run_one(
    campaign: &Campaign,
    arena: &Arena,
    seed: &Seed,
    summary: &mut Summary,
    watch: &dyn Watch,
) {
    let keep = match (campaign.seeding, watch.keep()) {
        (Seeding::Guided, Keep::Hash) => Keep::Pairs,
        (_, keep) => keep,
    };
    let (report, repeat) = run_once(campaign, arena, seed, keep);
    summary.add(&report, repeat);
    if campaign.seeding == Seeding::Guided {
        summary.corpus.learn(&report.seed, report.events, &report.pairs);
    }
    watch.finished(&report);
}

/// Whether a second run of a seed was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It was, or there was none.
    Same,
    /// It was not.
    Differs,
}

/// Runs a seed of a campaign, and if the campaign says so a second time.
fn run_once(campaign: &Campaign, arena: &Arena, seed: &Seed, keep: Keep) -> (WorldReport, Repeat) {
    let run = |keep| run_seed(arena, seed, &campaign.system, &campaign.swarm, keep);
    let report = run(keep);
    let same = campaign.determinism == Determinism::Assumed
        || run(Keep::Hash).fingerprint == report.fingerprint;
    (report, if same { Repeat::Same } else { Repeat::Differs })
}
