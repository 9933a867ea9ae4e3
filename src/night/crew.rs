//! The crew of a run: workers that take stretches from the ledger and put back what they came to.
//!
//! A worker is a thread. It runs the worlds itself, or it has a process of its own run them (see
//! [`processes`](super::processes)). When somebody says stop, every worker finishes the world that
//! it is at and puts back what it has: a stretch may come back in two parts, in two sessions.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sim::Seed;
use sim::trace::Keep;

use super::ledger::Ledger;
use super::processes::Workshop;
use crate::campaign::{self, Campaign, Summary, Watch};
use crate::panics;
use crate::workers;
use crate::world::{Arena, Verdict, run_seed};

/// A known bug that is planted in some worlds, which are run beside the others.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The campaign with the bug in its system.
    pub campaign: Campaign,
    /// In one of so many seeds, the first one included. At least 1.
    pub every: u64,
}

/// Who runs worlds.
#[derive(Debug)]
pub enum Hands {
    /// The threads of this process.
    Threads,
    /// Processes of their own.
    Processes(Workshop),
}

/// Everything that workers share.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// What is run.
    pub campaign: &'a Campaign,
    /// A known bug to be found now and then.
    pub canary: Option<&'a Canary>,
    /// Who runs worlds.
    pub hands: &'a Hands,
    /// Where seeds come from and results go.
    pub ledger: &'a Mutex<Ledger>,
    /// Ends the run early when it becomes true.
    pub stop: &'a AtomicBool,
    /// Who is told about it. With [`Hands::Processes`] single worlds are not told.
    pub watch: &'a dyn Watch,
}

impl std::fmt::Debug for Crew<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("campaign", self.campaign).finish_non_exhaustive()
    }
}

impl Crew<'_> {
    /// Runs what the ledger has to give, with so many workers (at least one).
    ///
    /// # Panics
    /// If a worker thread dies; panics of the system under test are caught and are findings.
    pub fn run(&self, workers: usize) {
        panics::install();
        let done = AtomicU64::new(self.ledger().summary().seeds);
        let look_after = || {
            self.watch.progress(done.load(Ordering::Relaxed));
            if let Hands::Processes(workshop) = self.hands {
                workshop.look_around(self.stop.load(Ordering::Relaxed));
            }
            if self.ledger().has_failed() {
                self.stop.store(true, Ordering::Relaxed);
            }
        };
        workers::watched(workers, || self.work(&done), look_after);
    }

    fn work(&self, done: &AtomicU64) {
        match self.hands {
            Hands::Threads => {
                let arena = Arena::new();
                self.take_stretches(|positions, places| {
                    let work = (self.campaign, self.canary);
                    let mut summary = Summary::default();
                    for place in places.take_while(|_| !self.stop.load(Ordering::Relaxed)) {
                        run_place(work, &arena, place, &mut summary, self.watch);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    self.ledger().put(positions.start..positions.start + summary.seeds, summary);
                });
            }
            Hands::Processes(workshop) => {
                let mut bench = workshop.bench();
                self.take_stretches(|positions, places| {
                    let offset = positions.start;
                    let came = bench.run(places.clone(), self.stop, done);
                    match came {
                        Ok(pieces) => pieces.into_iter().for_each(|(piece, summary)| {
                            let from = offset + (piece.start - places.start);
                            self.ledger().put(from..from + (piece.end - piece.start), summary);
                        }),
                        Err(error) => {
                            self.stop.store(true, Ordering::Relaxed);
                            self.ledger().fail(error);
                        }
                    }
                });
            }
        }
    }

    /// Stretch after stretch: its positions in the block and its places in the campaign.
    fn take_stretches(&self, mut run: impl FnMut(Range<u64>, Range<u64>)) {
        while !self.stop.load(Ordering::Relaxed) {
            let mut ledger = self.ledger();
            let Some(positions) = ledger.take() else { return };
            let places = ledger.layout().stretch_places(&positions);
            drop(ledger);
            run(positions, places);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the seed at a place, with its canary if it has one, and adds them to the summary.
pub fn run_place(
    (campaign, canary): (&Campaign, Option<&Canary>),
    arena: &Arena,
    place: u64,
    summary: &mut Summary,
    watch: &dyn Watch,
) {
    campaign::run_one(campaign, arena, place, summary, watch);
    if let Some(canary) = canary.filter(|canary| place.is_multiple_of(canary.every)) {
        let Campaign { system, swarm, first_seed, .. } = &canary.campaign;
        let seed = Seed::from(first_seed + place);
        let report = run_seed(arena, &seed, system, swarm, Keep::Hash);
        summary.canaries.planted += 1;
        summary.canaries.caught += u64::from(report.verdict != Verdict::Pass);
    }
}
