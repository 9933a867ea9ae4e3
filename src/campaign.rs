//! A campaign: many seeds, several workers, one summary.
//!
//! Every worker runs whole worlds and keeps a summary of its own; summaries are merged at the end.
//! Merging is commutative and associative and keeps the smallest seeds of each group of failures,
//! so the result is the same for any number of workers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::Seed;
use sim::trace::Keep;

use crate::checkers::{CheckCounts, Class, Rule};
use crate::distinct::Distinct;
use crate::guided::{self, Corpus};
use crate::panics;
use crate::strategy::Strategy;
use crate::swarm::SwarmOptions;
use crate::system::SystemUnderTest;
use crate::world::{Arena, Verdict, WorldReport, run_seed};

/// Seeds of a group of failures that are kept; the others are only counted.
pub const KEPT_SEEDS: usize = 16;

/// Seeds that a worker takes at once.
const CHUNK: u64 = 16;

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
    /// [`guided`].
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey {
    /// A rule was broken.
    Rule(Rule),
    /// A panic with this message.
    Panic(String),
    /// Two runs of one seed differed.
    NotDeterministic,
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
            Verdict::Panicked { message, .. } => Some(GroupKey::Panic(message.clone())),
        }
    }

    /// The class of failure; panics and differing runs are outside the classes of the protocol.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            GroupKey::Rule(rule) => Some(rule.class()),
            GroupKey::Panic(_) => None,
            GroupKey::NotDeterministic => Some(Class::SnapshotDivergence),
        }
    }
}

/// The failures of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many seeds failed like this.
    pub count: u64,
    /// The smallest of these seeds, at most [`KEPT_SEEDS`].
    pub seeds: BTreeSet<Seed>,
}

/// How often a step, mark or fault was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// In how many seeds.
    pub seeds: u64,
    /// How often in all.
    pub times: u64,
}

/// What the worlds of one strategy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// How many there were.
    pub seeds: u64,
    /// Their behaviours at the store.
    pub behaviours: Distinct,
}

/// What a campaign found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Failures by kind.
    pub failures: BTreeMap<GroupKey, Group>,
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
    pub reached: BTreeMap<&'static str, Reached>,
    /// What was done by each strategy.
    pub searched: BTreeMap<Strategy, Searched>,
    /// The seed with the most requests, and their number.
    pub largest: Option<(Seed, u64)>,
    /// All fingerprints, folded; equal for equal campaigns.
    pub fingerprint: u64,
}

impl Summary {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
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
            let reached = self.reached.entry(name).or_default();
            reached.seeds += 1;
            reached.times += u64::from(count);
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

    fn add_failure(&mut self, key: GroupKey, seed: &Seed) {
        let group = self.failures.entry(key).or_default();
        group.count += 1;
        group.seeds.insert(seed.clone());
        group.trim();
    }

    fn consider_largest(&mut self, seed: &Seed, requests: u64) {
        let candidate = (requests, Reverse(seed));
        let current = self.largest.as_ref().map(|(seed, requests)| (*requests, Reverse(seed)));
        if current.is_none_or(|current| candidate > current) {
            self.largest = Some((seed.clone(), requests));
        }
    }

    /// The summary of both.
    #[must_use]
    pub fn merge(mut self, other: Summary) -> Summary {
        self.seeds += other.seeds;
        self.requests += other.requests;
        self.operations += other.operations;
        self.commits += other.commits;
        self.events += other.events;
        self.virtual_ns += other.virtual_ns;
        self.checks.add(&other.checks);
        for (name, more) in other.reached {
            let reached = self.reached.entry(name).or_default();
            reached.seeds += more.seeds;
            reached.times += more.times;
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
        for (key, more) in other.failures {
            let group = self.failures.entry(key).or_default();
            group.count += more.count;
            group.seeds.extend(more.seeds);
            group.trim();
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

/// Runs a campaign with so many workers (at least one). A guided one begins without a corpus.
///
/// # Panics
/// If a worker thread dies; panics of the system under test are caught and are findings.
pub fn run(campaign: &Campaign, workers: usize, watch: &dyn Watch) -> Summary {
    if campaign.seeding == Seeding::Guided {
        return guided::run(campaign, workers, watch, Corpus::default()).0;
    }
    panics::install();
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.max(1))
            .map(|_| scope.spawn(|| work(campaign, &next, &done, watch)))
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            watch.progress(done.load(Ordering::Relaxed));
        }
        let summaries = workers.into_iter().map(|worker| match worker.join() {
            Ok(summary) => summary,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        summaries.fold(Summary::default(), Summary::merge)
    })
}

fn work(campaign: &Campaign, next: &AtomicU64, done: &AtomicU64, watch: &dyn Watch) -> Summary {
    let arena = Arena::new();
    let mut summary = Summary::default();
    loop {
        let from = next.fetch_add(CHUNK, Ordering::Relaxed);
        if from >= campaign.iterations {
            return summary;
        }
        for index in from..(from + CHUNK).min(campaign.iterations) {
            let seed = Seed::from(campaign.first_seed + index);
            let (report, repeat) = run_once(campaign, &arena, &seed, watch.keep());
            summary.add(&report, repeat);
            watch.finished(&report);
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
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
pub(crate) fn run_once(
    campaign: &Campaign,
    arena: &Arena,
    seed: &Seed,
    keep: Keep,
) -> (WorldReport, Repeat) {
    let run = |keep| run_seed(arena, seed, &campaign.system, &campaign.swarm, keep);
    let report = run(keep);
    let same = campaign.determinism == Determinism::Assumed
        || run(Keep::Hash).fingerprint == report.fingerprint;
    (report, if same { Repeat::Same } else { Repeat::Differs })
}
