//! `vopr merge DIR...`: what several machines ran, told as one run of the whole would have told it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::args::{CampaignArgs, RunArgs, workers};
use super::failure::{Exit, UsageError};
use super::reduce::TRIES;
use super::run::{Folder, NightArgs, Work, exit_of, report};
use super::say;
use crate::night::{Block, Checkpoint, build_of_this_program, checkpoint_in, join};
use crate::report::{to_json, to_text};
use crate::system::SystemUnderTest;

/// Flags of `vopr merge`.
#[derive(Clone, Debug, Args)]
pub struct MergeArgs {
    /// Directories of `vopr run --out`, or files of `--checkpoint`, in any order.
    #[arg(value_name = "DIR|FILE", required = true)]
    pub runs: Vec<PathBuf>,
    /// Keep what they are together in this directory, which can be merged again.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads that run failing seeds again; by default one for each processor.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Fail (exit 14) if a mark that is not rare was never reached.
    #[arg(long)]
    pub require_marks: bool,
    /// Tell the failing runs as they were, without making them small.
    #[arg(long)]
    pub no_reduce: bool,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Joins the runs and tells what they found.
pub(super) fn run(
    args: &MergeArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let read = |path: &PathBuf| Ok((path.clone(), Checkpoint::read(&checkpoint_in(path))?));
    let runs = args.runs.iter().map(read).collect::<Result<Vec<_>, UsageError>>()?;
    let whole = join(runs)?;
    let build = build_of_this_program().map_err(UsageError::Program)?;
    if whole.job.build != build {
        let path = args.runs[0].display().to_string();
        let what = format!("build {} made it, and this is build {build}", whole.job.build);
        return Err(UsageError::Foreign { path, what });
    }
    let work = Work::of(&whole.job, systems)?;
    let folder = args.out.as_deref().map(|out| open(out, &args.runs, &whole)).transpose()?;
    let run_args = args.as_run(&work, folder.as_ref());
    let told = report(&run_args, &work, &whole, Block::WHOLE, workers(args.workers))?;
    say(&if args.json { to_json(&told) } else { to_text(&told) });
    if let (Some(folder), Some(out)) = (&folder, &args.out) {
        whole.write(&out.join("checkpoint.json"))?;
        folder.tell(&told, &whole.summary().corpus)?;
        let elapsed_ms = whole.elapsed().as_millis() as u64;
        folder.tell_as_page(&told, elapsed_ms, &work.world, systems)?;
        folder.log(&format!("joined {} runs: {} seeds", args.runs.len(), told.work.seeds));
    }
    // A campaign without an end is over when those who run it say so.
    let is_over = whole.job.seeds.is_none() || told.coverage.is_complete();
    let failed = Exit::of_all(whole.summary().failures.keys());
    Ok(exit_of(failed, &told, args.require_marks, is_over))
}

/// What is joined must not be written over.
fn open(out: &Path, runs: &[PathBuf], whole: &Checkpoint) -> Result<Folder, UsageError> {
    let resolved = |path: &Path| path.canonicalize().ok();
    let place = out.join("checkpoint.json");
    if place.exists() {
        let is_joined = runs.iter().any(|run| resolved(&checkpoint_in(run)) == resolved(&place));
        let old = Checkpoint::read(&place)?;
        let differs = !whole.job.differences(&old.job).is_empty();
        if is_joined || differs || !whole.places().contains(&old.places()) {
            return Err(UsageError::Occupied { path: out.display().to_string() });
        }
    }
    Ok(Folder::open(out)?)
}

impl MergeArgs {
    /// The flags with which one run of the whole would have told its failures.
    fn as_run(&self, work: &Work, folder: Option<&Folder>) -> RunArgs {
        RunArgs {
            campaign: CampaignArgs {
                seed: work.campaign.first_seed,
                iterations: None,
                workers: self.workers,
                world: work.world.clone(),
            },
            check_determinism: false,
            require_marks: self.require_marks,
            corpus: None,
            verbose: false,
            enable_trace: false,
            trace_dir: PathBuf::new(),
            no_trace_on_failure: false,
            no_reduce: self.no_reduce,
            reduce_tries: TRIES,
            save_dir: folder.map(Folder::plans),
            no_failure_diagnosis: false,
            night: NightArgs::default(),
            json: self.json,
        }
    }
}
