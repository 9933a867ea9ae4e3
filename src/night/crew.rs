//! The crew of a run: workers that take stretches from the ledger and put back what they came to.
//!
//! A worker is a thread. It runs the worlds itself, or it has a process of its own run them (see
//! [`processes`](super::processes)). When somebody says stop, every worker finishes the world that
//! it is at and puts back what it has: a stretch may come back in two parts, in two sessions. Of a
//! guided search all worlds of the generation are finished: there is no going on from half of one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sim::Seed;
use sim::trace::Keep;

use super::ledger::{Ledger, Next, Task};
use super::processes::Workshop;
use crate::campaign::{self, Campaign, Seeding, Summary, Watch};
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
        let shift =
            Shift { done: AtomicU64::new(self.ledger().summary().seeds), ..Shift::default() };
        let look_after = || {
            self.watch.progress(shift.done.load(Ordering::Relaxed));
            if let Hands::Processes(workshop) = self.hands {
                workshop.look_around(self.cut(&shift).load(Ordering::Relaxed));
            }
            if self.ledger().has_failed() {
                self.stop.store(true, Ordering::Relaxed);
            }
        };
        workers::watched(workers, || self.work(&shift), look_after);
    }

    /// What becomes true when a task may be put back half done.
    fn cut<'b>(&'b self, shift: &'b Shift) -> &'b AtomicBool {
        match self.campaign.seeding {
            Seeding::InTurn => self.stop,
            Seeding::Guided => &shift.never,
        }
    }

    fn work(&self, shift: &Shift) {
        let _alarm = Alarm { crew: self, shift };
        let (cut, done) = (self.cut(shift), &shift.done);
        match self.hands {
            Hands::Threads => {
                let arena = Arena::new();
                let work = (self.campaign, self.canary);
                self.take_tasks(shift, |task| {
                    let mut summary = Summary::default();
                    let worlds = (task.place..).zip(&task.seeds);
                    for world in worlds.take_while(|_| !cut.load(Ordering::Relaxed)) {
                        run_world(work, &arena, world, &mut summary, self.watch);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    let from = task.positions.start;
                    self.ledger().put(from..from + summary.seeds, summary);
                });
            }
            Hands::Processes(workshop) => {
                let mut bench = workshop.bench();
                self.take_tasks(shift, |task| match bench.run(&task, cut, done) {
                    Ok(pieces) => pieces.into_iter().for_each(|(piece, summary)| {
                        let from = task.positions.start + (piece.start - task.place);
                        self.ledger().put(from..from + (piece.end - piece.start), summary);
                    }),
                    Err(error) => {
                        self.stop.store(true, Ordering::Relaxed);
                        self.ledger().fail(error);
                    }
                });
            }
        }
    }

    /// Task after task, until there are none.
    fn take_tasks(&self, shift: &Shift, mut run: impl FnMut(Task)) {
        let mut ledger = self.ledger();
        while !shift.is_lost.load(Ordering::Relaxed) {
            if self.stop.load(Ordering::Relaxed) {
                ledger.end();
            }
            match ledger.take() {
                Next::Nothing => return,
                Next::Wait => {
                    ledger = shift.back.wait(ledger).unwrap_or_else(PoisonError::into_inner);
                }
                Next::Run(task) => {
                    drop(ledger);
                    run(task);
                    ledger = self.ledger();
                    shift.back.notify_all();
                }
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the workers of one run share.
#[derive(Default)]
struct Shift {
    /// Worlds that are done.
    done: AtomicU64,
    /// Somebody has put something back.
    back: Condvar,
    /// A worker died and puts nothing back any more.
    is_lost: AtomicBool,
    /// False.
    never: AtomicBool,
}

/// Wakes those who wait for a worker when it dies.
struct Alarm<'a> {
    crew: &'a Crew<'a>,
    shift: &'a Shift,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Under the lock: nobody is between looking and waiting.
            let _ledger = self.crew.ledger();
            self.shift.is_lost.store(true, Ordering::Relaxed);
            self.shift.back.notify_all();
        }
    }
}

/// Runs a world, which has a place in the campaign, with its canary if it has one, and adds them to
/// the summary.
pub fn run_world(
    (campaign, canary): (&Campaign, Option<&Canary>),
    arena: &Arena,
    (place, seed): (u64, &Seed),
    summary: &mut Summary,
    watch: &dyn Watch,
) {
    campaign::run_one(campaign, arena, seed, summary, watch);
    if let Some(canary) = canary.filter(|canary| place.is_multiple_of(canary.every)) {
        let Campaign { system, swarm, .. } = &canary.campaign;
        let report = run_seed(arena, seed, system, swarm, Keep::Hash);
        summary.canaries.planted += 1;
        summary.canaries.caught += u64::from(report.verdict != Verdict::Pass);
    }
}
