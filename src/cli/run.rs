//! `vopr run`: a campaign, its progress and its report.
//!
//! | file | what is in it |
//! |---|---|
//! | `night` | flags of long runs: where they are kept, when they end, which part |
//! | `watcher` | progress, saving, ending |
//! | `folder` | the directory of a run |
//! | `index` | its pages |
//! | `build` | from a summary to what is told |
//! | `failures` | each group of failures as a story |

mod build;
mod failures;
mod folder;
mod index;
mod night;
mod watcher;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::args::RunArgs;
use super::failure::{Exit, UsageError};
use super::progress::Progress;
use super::say;
use super::signals::Asked;
use crate::campaign::Seeding;
use crate::guided::{Corpus, WORLDS_MAX};
use crate::night::{Crew, Job, Ledger, Place};
use crate::report::{Report, to_json, to_text};
use crate::system::SystemUnderTest;
use watcher::Watcher;

pub(super) use build::report;
pub(super) use folder::Folder;
pub use night::NightArgs;
pub(super) use night::Work;

/// Runs the campaign that the flags describe.
pub(super) fn run(
    args: &RunArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let known = known(args, systems)?;
    let job = night::job_of(args, &known, systems)?;
    let work = Work::of(&job, systems)?;
    if args.enable_trace {
        let path = &args.trace_dir;
        std::fs::create_dir_all(path)
            .map_err(|source| UsageError::Output { path: path.display().to_string(), source })?;
    }
    let folder = args.night.out.as_deref().map(Folder::open).transpose()?;
    let ledger = open_ledger(args, (job.clone(), known), folder.as_ref())?;
    Session { args, systems, job, work, folder }.run(ledger)
}

/// What a guided search begins with.
fn known(args: &RunArgs, systems: &[Arc<dyn SystemUnderTest>]) -> Result<Corpus, UsageError> {
    let world = &args.campaign.world;
    let worlds = args.campaign.iterations.map_or(0, NonZeroU64::get);
    match (world.strategy.seeding(), &args.corpus) {
        (Seeding::InTurn, Some(_)) => Err(UsageError::CorpusUnused),
        (Seeding::Guided, _) if !args.night.block.is_whole() => Err(UsageError::GuidedBlock),
        (Seeding::Guided, _) if worlds > WORLDS_MAX => Err(UsageError::GuidedTooLong),
        (_, None) => Ok(Corpus::default()),
        (_, Some(path)) => {
            let system = world.choose(systems)?.system;
            Corpus::read(path, system.name()).map_err(|source| UsageError::corpus(path, source))
        }
    }
}

fn open_ledger(
    args: &RunArgs,
    (job, known): (Job, Corpus),
    folder: Option<&Folder>,
) -> Result<Ledger, UsageError> {
    let block = args.night.block;
    let place = match (folder, &args.night.checkpoint) {
        (Some(folder), _) => folder.place(),
        (None, Some(path)) => {
            let mut journal = path.clone().into_os_string();
            journal.push(".journal");
            Place { checkpoint: path.clone(), journal: PathBuf::from(journal), results: None }
        }
        (None, None) => return Ok(Ledger::in_memory(job, block, known)),
    };
    Ok(Ledger::open(job, block, place, known)?)
}

/// From the begin, or from where another one ended, to the end, or to where somebody ends it.
struct Session<'a> {
    args: &'a RunArgs,
    systems: &'a [Arc<dyn SystemUnderTest>],
    job: Job,
    work: Work,
    folder: Option<Folder>,
}

/// How a session ended.
#[derive(Clone, Copy)]
struct Ending {
    /// Whether there is nothing left to do.
    is_over: bool,
    /// Whether what was done could be saved.
    is_saved: bool,
    /// Wall time of the session.
    elapsed: Duration,
}

impl Session<'_> {
    fn run(&self, ledger: Ledger) -> Result<Exit, UsageError> {
        let (args, workers) = (self.args, self.args.campaign.workers());
        let (before, elapsed_before) = (ledger.summary().seeds, ledger.elapsed_before());
        let seeds = self.job.seeds.map(|_| ledger.layout().seeds_of_block());
        let hands = args.night.hands(&self.job)?;
        self.log_start(before);
        let (ledger, stop) = (Mutex::new(ledger), AtomicBool::new(false));
        let watch = Watcher {
            progress: Progress::new(seeds, before),
            ledger: &ledger,
            stop: &stop,
            asked: Asked::listen()?,
            budget: args.night.budget,
            folder: self.folder.as_ref(),
            trace_dir: args.enable_trace.then(|| args.trace_dir.clone()),
            lines: args.verbose.then(Mutex::default),
            failed_write: Mutex::default(),
            last: Mutex::default(),
        };
        let crew = Crew {
            campaign: &self.work.campaign,
            canary: self.work.canary.as_ref(),
            hands: &hands,
            ledger: &ledger,
            stop: &stop,
            watch: &watch,
        };
        crew.run(workers);
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = ledger.save(watch.progress.elapsed());
        watch.progress.finish(workers, ledger.summary(), elapsed_before);
        watch.print_lines();
        if let Some((path, source)) = watch.failed_write.lock().ok().and_then(|mut it| it.take()) {
            return Err(UsageError::Output { path: path.display().to_string(), source });
        }
        // Without a last seed the budget is the whole.
        let is_over = ledger.is_complete() || (seeds.is_none() && watch.budget_is_spent());
        let ending = Ending { is_over, is_saved: saved.is_ok(), elapsed: watch.progress.elapsed() };
        let exit = self.tell(&ledger, workers, ending)?;
        saved?;
        // What a kept run began with is part of what it is, so that file stays as it is.
        if let Some(path) = args.corpus.as_deref().filter(|_| !args.night.is_kept()) {
            let (name, corpus) = (self.work.campaign.system.name(), &ledger.summary().corpus);
            corpus.write(path, name).map_err(|source| UsageError::corpus(path, source))?;
        }
        Ok(exit)
    }

    /// Prints the report, and writes it where it is kept.
    fn tell(
        &self,
        ledger: &Ledger,
        workers: usize,
        Ending { is_over, is_saved, elapsed }: Ending,
    ) -> Result<Exit, UsageError> {
        let mut args = self.args.clone();
        if let Some(folder) = &self.folder {
            args.save_dir.get_or_insert_with(|| folder.plans());
        }
        if !is_saved {
            args.save_dir = None;
        }
        let ran = ledger.checkpoint();
        let report = report(&args, &self.work, &ran, args.night.block, workers)?;
        say(&if args.json { to_json(&report) } else { to_text(&report) });
        let failed = Exit::of_all(ledger.summary().failures.keys());
        let exit = exit_of(failed, &report, args.require_marks, is_over);
        if let Some(folder) = self.folder.as_ref().filter(|_| is_saved) {
            folder.tell(&report, &ledger.summary().corpus)?;
            let elapsed_ms = (ledger.elapsed_before() + elapsed).as_millis() as u64;
            folder.tell_as_page(&report, elapsed_ms, &args.campaign.world, self.systems)?;
            let how = if is_over { "ended" } else { "was ended early" };
            folder.log(&format!("{how}: {} seeds, exit {}", report.work.seeds, exit as u8));
        }
        Ok(exit)
    }

    fn log_start(&self, before: u64) {
        let Some(folder) = &self.folder else { return };
        let verb = if before == 0 { "began" } else { "went on" };
        let seeds = self.job.seeds.map_or(String::from("endless"), |seeds| seeds.to_string());
        folder.log(&format!(
            "{verb} at {before} seeds: vopr {} (build {}), seed {}, {seeds} seeds, block {}, {} workers",
            self.job.vopr,
            self.job.build,
            self.job.first_seed,
            self.args.night.block,
            self.args.campaign.workers(),
        ));
    }
}

/// How a run ends: a tester that misses what was planted is in doubt before anything else is.
pub(super) fn exit_of(failed: Exit, report: &Report, marks_required: bool, is_over: bool) -> Exit {
    let is_missed = report.canary.as_ref().is_some_and(|canary| canary.is_missed());
    match failed {
        _ if is_over && is_missed => Exit::Simulator,
        Exit::Pass if !is_over => Exit::Undecided,
        Exit::Pass if marks_required && !report.marks.never.is_empty() => Exit::MarkNotReached,
        failed => failed,
    }
}
