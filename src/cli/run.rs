//! `vopr run`: a campaign, its progress and its report.

mod failures;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sim::Seed;
use sim::trace::{Keep, to_ndjson};

use super::args::{Chosen, RunArgs};
use super::failure::{Exit, UsageError};
use super::marks::mark_lines;
use super::progress::Progress;
use super::say;
use crate::campaign::{self, Campaign, Determinism, Seeding, Summary, Watch};
use crate::files::write_whole;
use crate::guided::{self, Corpus};
use crate::report::{
    Checks, Largest, Marks, Report, Search, Searched, Share, Work, to_json, to_text,
};
use crate::system::SystemUnderTest;
use crate::world::{Verdict, WorldReport};

/// Runs the campaign that the flags describe.
pub(super) fn run(
    args: &RunArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let determinism = match args.check_determinism {
        true => Determinism::Checked,
        false => Determinism::Assumed,
    };
    let (chosen, campaign) = args.campaign.choose(systems, determinism)?;
    let workers = args.campaign.workers();
    if args.enable_trace {
        let path = &args.trace_dir;
        std::fs::create_dir_all(path)
            .map_err(|source| UsageError::Output { path: path.display().to_string(), source })?;
    }
    let watch = Watcher {
        progress: Progress::new(campaign.iterations),
        trace_dir: args.enable_trace.then(|| args.trace_dir.clone()),
        lines: args.verbose.then(Mutex::default),
        failed_write: Mutex::default(),
    };
    let (summary, corpus) = search(args, &campaign, workers, &watch)?;
    watch.progress.finish(workers, &summary);
    watch.print_lines();
    if let Some((path, source)) = watch.failed_write.into_inner().unwrap_or_default() {
        return Err(UsageError::Output { path: path.display().to_string(), source });
    }
    let report = report(args, &campaign, &chosen, &summary, workers)?;
    let text = if args.json { to_json(&report) } else { to_text(&report) };
    say(&text);
    if let (Some(path), Some(corpus)) = (&args.corpus, corpus) {
        let name = campaign.system.name();
        corpus.write(path, name).map_err(|source| UsageError::corpus(path, source))?;
    }
    let exit = Exit::of_all(summary.failures.keys());
    let unreached = args.require_marks && !report.marks.never.is_empty();
    Ok(if exit == Exit::Pass && unreached { Exit::MarkNotReached } else { exit })
}

/// Shows progress, writes traces, and collects a line for each seed if that was asked for.
struct Watcher {
    progress: Progress,
    trace_dir: Option<PathBuf>,
    lines: Option<Mutex<Vec<(Seed, String)>>>,
    failed_write: Mutex<Option<(PathBuf, std::io::Error)>>,
}

impl Watcher {
    /// The lines in the order of the seeds, whichever worker finished first.
    fn print_lines(&self) {
        let Some(lines) = &self.lines else { return };
        let mut lines =
            lines.lock().map(|mut lines| std::mem::take(&mut *lines)).unwrap_or_default();
        lines.sort_unstable();
        let mut out = std::io::stdout().lock();
        for (_, line) in lines {
            let _ = writeln!(out, "{line}");
        }
    }
}

impl Watch for Watcher {
    fn keep(&self) -> Keep {
        match (&self.trace_dir, &self.lines) {
            (Some(_), _) => Keep::Ring { capacity: usize::MAX },
            // The description of a world is made with its details.
            (None, Some(_)) => Keep::Ring { capacity: 1 },
            (None, None) => Keep::Hash,
        }
    }

    fn progress(&self, done: u64) {
        self.progress.progress(done);
    }

    fn finished(&self, report: &WorldReport) {
        if let Some(lines) = &self.lines
            && let Ok(mut lines) = lines.lock()
        {
            lines.push((report.seed.clone(), verbose_line(report)));
        }
        if let Some(dir) = &self.trace_dir {
            let path = dir.join(format!("{}.ndjson", report.seed.file_name()));
            if let Err(error) = write_whole(&path, |file| to_ndjson(&report.trace, file))
                && let Ok(mut slot) = self.failed_write.lock()
            {
                slot.get_or_insert((path, error));
            }
        }
    }
}

fn verbose_line(report: &WorldReport) -> String {
    let verdict = match &report.verdict {
        Verdict::Pass => String::from("pass"),
        Verdict::Broken(finding) | Verdict::Stuck(finding) => {
            format!("FAIL {}: {}", finding.rule.class(), finding.what)
        }
        Verdict::Panicked { message, .. } => format!("FAIL panic: {message}"),
    };
    format!(
        "seed {}   {verdict}\n  {} requests, {} commits, {} events, {} virtual ms, fingerprint {:016x}\n  {}",
        report.seed,
        report.requests,
        report.commits,
        report.events,
        report.virtual_ns / 1_000_000,
        report.fingerprint,
        report.description.replace('\n', "\n  "),
    )
}

/// Runs the worlds, from the corpus if there is one; then what is known in the end comes as well.
fn search(
    args: &RunArgs,
    campaign: &Campaign,
    workers: usize,
    watch: &Watcher,
) -> Result<(Summary, Option<Corpus>), UsageError> {
    match (&args.corpus, campaign.seeding) {
        (None, _) => Ok((campaign::run(campaign, workers, watch), None)),
        (Some(_), Seeding::InTurn) => Err(UsageError::CorpusUnused),
        (Some(path), Seeding::Guided) => {
            let corpus = Corpus::read(path, campaign.system.name())
                .map_err(|source| UsageError::corpus(path, source))?;
            let (summary, corpus) = guided::run(campaign, workers, watch, corpus);
            Ok((summary, Some(corpus)))
        }
    }
}

fn report(
    args: &RunArgs,
    campaign: &Campaign,
    chosen: &Chosen,
    summary: &Summary,
    workers: usize,
) -> Result<Report, UsageError> {
    let count = |name: &str| summary.reached.get(name).map_or(0, |reached| reached.times);
    let failed: u64 = summary.failures.values().map(|group| group.count).sum();
    let whole = summary.seeds.saturating_sub(failed);
    let mut failures = failures::tell_all(args, campaign, chosen, summary, workers)?;
    failures.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.story.seed.cmp(&b.story.seed)));
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        system: chosen.system.name().to_owned(),
        bug: args.campaign.world.bug.clone(),
        profile: chosen.profile.to_owned(),
        store: chosen.store.clone(),
        first_seed: campaign.first_seed,
        last_seed: match campaign.seeding {
            Seeding::InTurn => Some(campaign.first_seed + (campaign.iterations - 1)),
            Seeding::Guided => None,
        },
        work: Work {
            seeds: summary.seeds,
            requests: summary.requests,
            operations: summary.operations,
            commits: summary.commits,
            conflicts: count("outcome.conflict"),
            unknown: count("outcome.unknown"),
            events: summary.events,
            virtual_seconds: (summary.virtual_ns / 1_000_000_000) as u64,
        },
        search: searched(summary),
        faults: faults(summary),
        marks: marks(&*chosen.system, summary),
        checks: Checks {
            chain: summary.checks.chain,
            history: summary.checks.history,
            model_reads: summary.checks.model_reads,
            real_time: summary.checks.real_time,
            budget: summary.checks.budget,
            serializable: summary.checks.serializable,
            progress: whole,
        },
        largest: summary.largest.clone().map(|(seed, requests)| Largest { seed, requests }),
        failures,
        fingerprint: format!("{:016x}", summary.fingerprint),
    })
}

fn searched(summary: &Summary) -> Search {
    let mut strategies: Vec<Searched> = summary
        .searched
        .iter()
        .map(|(strategy, searched)| Searched {
            name: strategy.name().to_owned(),
            seeds: searched.seeds,
            // An estimate may be a little too high, but no seed has two behaviours.
            behaviours: searched.behaviours.count().min(searched.seeds),
        })
        .collect();
    strategies.sort_by_key(|searched| std::cmp::Reverse(searched.seeds));
    Search { behaviours: summary.behaviours().count().min(summary.seeds), strategies }
}

fn faults(summary: &Summary) -> Vec<Share> {
    let mut faults: Vec<Share> = summary
        .reached
        .iter()
        .filter_map(|(name, reached)| {
            let name = name.strip_prefix("fault.")?.replace('_', "-");
            Some(Share { name, seeds: reached.seeds, times: reached.times })
        })
        .collect();
    faults.sort_by(|a, b| b.seeds.cmp(&a.seeds).then_with(|| a.name.cmp(&b.name)));
    faults
}

fn marks(system: &dyn SystemUnderTest, summary: &Summary) -> Marks {
    let mut marks = Marks::default();
    for mark in mark_lines(system, summary) {
        marks.total += 1;
        match (mark.seeds > 0, mark.rare) {
            (true, _) => marks.reached += 1,
            (false, true) => marks.never_rare.push(mark.name),
            (false, false) => marks.never.push(mark.name),
        }
    }
    marks
}
