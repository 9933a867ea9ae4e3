//! A hunt: how many seeds it takes until a planted bug is found, and what is then said of it.
//!
//! The worth of a search is what it finds, so it is measured on bugs that are known to be there. A
//! hunt begins at one seed and runs seed after seed until one fails. Many hunts from different
//! starts give the distribution that a user meets, who has no reason to begin at seed 1.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use sim::Seed;
use sim::trace::Keep;

use crate::campaign::Seeding;
use crate::checkers::{Class, Rule};
use crate::diagnosis::diagnose;
use crate::guided::{Corpus, Guide};
use crate::panics;
use crate::strategy::Strategy;
use crate::swarm::SwarmOptions;
use crate::system::SystemUnderTest;
use crate::workers;
use crate::world::{Arena, Verdict, WorldReport, run_seed};

/// Events of a failing run that its diagnosis may look at.
pub const DIAGNOSIS_RING: usize = 1 << 20;

/// One hunt.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The system with the bug.
    pub system: Arc<dyn SystemUnderTest>,
    /// What worlds are like.
    pub swarm: SwarmOptions,
    /// Which seeds are run.
    pub seeding: Seeding,
    /// First seed.
    pub first_seed: u64,
    /// Seeds after which it is given up.
    pub limit: u64,
}

/// How a hunt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was found; `None` if the limit was reached.
    pub catch: Option<Catch>,
    /// CPU time of the search, without the diagnosis.
    pub cpu: Duration,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// The failing seed.
    pub seed: Seed,
    /// Seeds that were run, the failing one included.
    pub seeds: u64,
    /// The strategy of its world.
    pub strategy: Strategy,
    /// The rule that was broken; `None` for a panic.
    pub rule: Option<Rule>,
    /// The class that the diagnosis names.
    pub class: Option<Class>,
    /// The classes that it names besides.
    pub also: Vec<Class>,
}

impl Hunt {
    fn run(&self, arena: &Arena) -> Outcome {
        let run = |seed: &Seed, keep| run_seed(arena, seed, &self.system, &self.swarm, keep);
        let began = ThreadTime::now();
        let found = match self.seeding {
            Seeding::InTurn => self.in_turn(run),
            Seeding::Guided => self.guided(run),
        };
        let cpu = began.elapsed();
        let catch = found.map(|(seeds, seed)| {
            let report = run(&seed, Keep::Ring { capacity: DIAGNOSIS_RING });
            let diagnosis = diagnose(&report);
            let rule = match &report.verdict {
                Verdict::Broken(finding) | Verdict::Stuck(finding) => Some(finding.rule),
                _ => None,
            };
            Catch {
                seed,
                seeds,
                strategy: report.strategy,
                rule,
                class: diagnosis.as_ref().map(|found| found.class),
                also: diagnosis.map(|found| found.also).unwrap_or_default(),
            }
        });
        Outcome { catch, cpu }
    }

    /// Runs seeds until one fails; says how many there were, and which one it is.
    fn in_turn(&self, run: impl Fn(&Seed, Keep) -> WorldReport) -> Option<(u64, Seed)> {
        let seeds = (0..self.limit).map(|place| Seed::from(self.first_seed + place));
        let fails = |seed: &Seed| run(seed, Keep::Hash).verdict != Verdict::Pass;
        (1..).zip(seeds).find(|(_, seed)| fails(seed))
    }

    fn guided(&self, run: impl Fn(&Seed, Keep) -> WorldReport) -> Option<(u64, Seed)> {
        let (mut guide, mut corpus) = (Guide::new(self.first_seed), Corpus::default());
        let mut seeds = 0;
        while seeds < self.limit {
            let mut reports = Vec::new();
            for seed in guide.generation(&corpus, self.limit - seeds) {
                seeds += 1;
                let report = run(&seed, Keep::Pairs);
                if report.verdict != Verdict::Pass {
                    return Some((seeds, seed));
                }
                reports.push(report);
            }
            let learn = |it: &WorldReport| corpus.learn(&it.seed, it.events, &it.pairs);
            reports.iter().for_each(learn);
        }
        None
    }
}

/// Runs hunts with so many workers (at least one) and returns their outcomes in the same order.
/// `done` is told after each how many are over.
///
/// # Panics
/// If a worker thread dies; panics of the system under test are caught and are findings.
pub fn run(hunts: &[Hunt], workers: usize, done: &(dyn Fn(usize) + Sync)) -> Vec<Outcome> {
    panics::install();
    workers::map(hunts, workers, |arena, hunt| hunt.run(arena), done)
}
