//! `vopr bugs`: plant each known bug and see how soon it is found, and what is said of it.

use std::io::Write as _;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sim::trace::Keep;

use super::args::{self, Chosen, StrategyArg, WorldArgs};
use super::failure::{Exit, UsageError};
use super::reduce::{TRIES, reduced_line, tell_seed};
use super::say;
use crate::files::write_whole;
use crate::hunt::{self, Catch, DIAGNOSIS_RING, Hunt};
use crate::report::{Alone, BugRecord, ReducedLine, TrackRecord};
use crate::swarm::SwarmOptions;
use crate::system::{BugInfo, SystemUnderTest};
use crate::workers;
use crate::world::Arena;

/// Seeds between two starts.
const APART: u64 = 1_000_000;

/// Flags of `vopr bugs`.
#[derive(Clone, Debug, Args)]
pub struct BugsArgs {
    /// Only these bugs; by default all that the system has.
    #[arg(value_name = "BUG")]
    pub names: Vec<String>,
    /// First seed of the first start; the others follow a million seeds apart.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Hunts for each bug, each from a start of its own.
    #[arg(long, value_name = "N", default_value = "20")]
    pub starts: NonZeroUsize,
    /// Seeds after which a hunt is given up.
    #[arg(long, value_name = "N", default_value = "10000")]
    pub limit: NonZeroU64,
    /// Hunt with each strategy alone as well, at most so many seeds each.
    #[arg(long, value_name = "N")]
    pub alone: Option<NonZeroU64>,
    /// Threads that hunt; by default one for each processor. What is found does not depend on it.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// What worlds are like.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Report as JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Report as a Markdown page into this file.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Hunts every bug from every start.
pub(super) fn run(
    args: &BugsArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let chosen = args.world.choose(systems)?;
    let (starts, limit) = (args.starts.get(), args.limit.get());
    let reach = APART.checked_mul(starts as u64).and_then(|reach| reach.checked_add(limit));
    if reach.and_then(|reach| args.seed.checked_add(reach)).is_none() {
        return Err(UsageError::SeedOutOfRange { seed: args.seed, iterations: limit });
    }
    let bugs = wanted(args, &*chosen.system)?;
    let alone: Vec<StrategyArg> = match args.alone {
        Some(_) => StrategyArg::each_alone().collect(),
        None => Vec::new(),
    };
    let searches = || std::iter::once(args.world.strategy).chain(alone.iter().copied());
    let mut hunts = Vec::new();
    for bug in &bugs {
        let system = planted(&*chosen.system, bug.name)?;
        for (place, strategy) in searches().enumerate() {
            let limit = if place == 0 { limit } else { args.alone.map_or(limit, NonZeroU64::get) };
            hunts.extend((0..starts as u64).map(|start| Hunt {
                system: Arc::clone(&system),
                swarm: SwarmOptions { strategy: strategy.strategy(), ..chosen.swarm.clone() },
                seeding: strategy.seeding(),
                first_seed: args.seed + start * APART,
                limit,
            }));
        }
    }
    let bar = progress_bar(hunts.len() as u64);
    let outcomes = hunt::run(&hunts, args::workers(args.workers), &|done| {
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let of_a_bug: Vec<_> = outcomes.chunks(starts * (1 + alone.len())).collect();
    let first = of_a_bug.iter().map(|of| of[..starts].iter().find_map(|of| of.catch.as_ref()));
    let catches: Vec<_> = bugs.iter().zip(first).collect();
    let reduced = reduced(args, &chosen, &catches)?;
    let records = bugs.iter().zip(of_a_bug).zip(reduced).map(|((bug, outcomes), reduced)| {
        let (whole, each) = outcomes.split_at(starts);
        let each = alone.iter().zip(each.chunks(starts));
        let each = each.map(|(strategy, outcomes)| Alone::of(strategy.name(), outcomes)).collect();
        BugRecord { alone: each, reduced, ..BugRecord::of(bug, whole) }
    });
    let record = TrackRecord {
        version: env!("CARGO_PKG_VERSION"),
        system: chosen.system.name().to_owned(),
        search: format!(
            "profile {}, store {}, strategy {}",
            chosen.profile,
            chosen.store,
            args.world.strategy.name()
        ),
        starts,
        limit,
        bugs: records.collect(),
    };
    tell(args, &record)?;
    Ok(if record.is_complete() { Exit::Pass } else { Exit::Simulator })
}

/// What the first catch of each bug is when it is made small.
fn reduced(
    args: &BugsArgs,
    chosen: &Chosen,
    catches: &[(&BugInfo, Option<&Catch>)],
) -> Result<Vec<Option<ReducedLine>>, UsageError> {
    let mut suspects = Vec::new();
    for (bug, catch) in catches {
        let system = planted(&*chosen.system, bug.name)?;
        let sound = Some(Arc::clone(&chosen.system));
        suspects.push((bug.name, *catch, Chosen { system, sound, ..chosen.clone() }));
    }
    let bar = progress_bar(suspects.len() as u64);
    let shorten = |arena: &Arena, (bug, catch, chosen): &(&str, Option<&Catch>, Chosen)| {
        let keep = Keep::Ring { capacity: DIAGNOSIS_RING };
        let (seed, world) = (&(*catch)?.seed, (chosen, Some(*bug)));
        let told = tell_seed(arena, seed, world, Some(TRIES), keep, &mut |_, _| {});
        told.small.map(|(shortened, _)| reduced_line(&shortened))
    };
    let done = |done| bar.set_position(done as u64);
    let reduced = workers::map(&suspects, args::workers(args.workers), shorten, done);
    bar.finish_and_clear();
    Ok(reduced)
}

fn wanted(args: &BugsArgs, system: &dyn SystemUnderTest) -> Result<Vec<BugInfo>, UsageError> {
    let known = system.bugs();
    if args.names.is_empty() {
        return Ok(known);
    }
    args.names
        .iter()
        .map(|name| {
            let found = known.iter().copied().find(|bug| bug.name == name);
            found.ok_or_else(|| UsageError::unknown_bug(system, name))
        })
        .collect()
}

fn planted(
    system: &dyn SystemUnderTest,
    name: &str,
) -> Result<Arc<dyn SystemUnderTest>, UsageError> {
    system.with_bug(name).ok_or_else(|| UsageError::unknown_bug(system, name))
}

fn progress_bar(hunts: u64) -> ProgressBar {
    let bar = ProgressBar::new(hunts);
    if let Ok(style) = ProgressStyle::with_template("  {bar:30} {pos}/{len} hunts   {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn tell(args: &BugsArgs, record: &TrackRecord) -> Result<(), UsageError> {
    if let Some(path) = &args.markdown {
        let failed = |source| UsageError::Page { path: path.display().to_string(), source };
        write_whole(path, |file| file.write_all(record.to_markdown().as_bytes()))
            .map_err(failed)?;
    }
    let text = match args.json {
        true => crate::report::json_of(record),
        false => record.to_text(),
    };
    say(&text);
    Ok(())
}
