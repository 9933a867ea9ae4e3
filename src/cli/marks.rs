//! `vopr marks`: what a campaign reached, what it never reached, and in how many seeds.
//!
//! Green means little while nobody knows what was run. A mark is a point of the system that a
//! search should reach; one that is not rare and that a long run never reached is a hole in it.

use std::io::Write as _;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use clap::Args;

use super::args::WorldArgs;
use super::failure::{Exit, UsageError};
use super::progress::Progress;
use crate::campaign::{self, Campaign, Determinism};
use crate::report::{MarkLine, MarkReport};
use crate::system::{Rarity, SystemUnderTest};

/// Flags of `vopr marks`.
#[derive(Clone, Debug, Args)]
pub struct MarksArgs {
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of seeds.
    #[arg(short = 'n', long, value_name = "N", default_value = "1000")]
    pub iterations: NonZeroU64,
    /// Threads that run worlds; by default one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// What worlds are like.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Fail (exit 14) if a mark that is not rare was never reached.
    #[arg(long)]
    pub require_marks: bool,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the campaign and says what it reached.
pub(super) fn run(
    args: &MarksArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let chosen = args.world.choose(systems)?;
    let iterations = args.iterations.get();
    if args.seed.checked_add(iterations - 1).is_none() {
        return Err(UsageError::SeedOutOfRange { seed: args.seed, iterations });
    }
    let campaign = Campaign {
        first_seed: args.seed,
        iterations,
        system: Arc::clone(&chosen.system),
        swarm: chosen.swarm,
        determinism: Determinism::Assumed,
    };
    let workers = args.workers.or_else(|| std::thread::available_parallelism().ok());
    let workers = workers.map_or(1, NonZeroUsize::get);
    let progress = Progress::new(iterations);
    let summary = campaign::run(&campaign, workers, &progress);
    progress.finish(workers, &summary);
    let mut marks: Vec<MarkLine> = chosen
        .system
        .marks()
        .into_iter()
        .filter(|mark| mark.rarity != Rarity::PlantedOnly)
        .map(|mark| {
            let reached = summary.reached.get(mark.name).copied().unwrap_or_default();
            MarkLine {
                name: mark.name.to_owned(),
                sentence: mark.sentence.to_owned(),
                rare: mark.rarity == Rarity::Rare,
                seeds: reached.seeds,
                times: reached.times,
            }
        })
        .collect();
    marks.sort_by(|a, b| a.seeds.cmp(&b.seeds).then_with(|| a.name.cmp(&b.name)));
    let report = MarkReport { seeds: summary.seeds, first_seed: args.seed, marks };
    let text = match args.json {
        true => crate::report::json_of(&report),
        false => report.to_text(),
    };
    // Who closes the pipe early has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if !summary.passed() {
        eprintln!("some of these seeds fail; `vopr run` with the same flags tells how");
        return Ok(Exit::of_all(summary.failures.keys()));
    }
    let unreached = report.never().count() > 0;
    Ok(if args.require_marks && unreached { Exit::MarkNotReached } else { Exit::Pass })
}
