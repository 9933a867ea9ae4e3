//! What a campaign found, as the value that is told: see [`crate::report`].

use super::super::args::RunArgs;
use super::super::failure::UsageError;
use super::super::marks::mark_lines;
use super::failures;
use super::night::Work;
use crate::campaign::{Group, GroupKey, Seeding, Summary};
use crate::night::{Block, Checkpoint};
use crate::report::{
    CanaryLine, Checks, Coverage, FailureGroup, Largest, Marks, Report, Search, Searched, Share,
    Story, Work as WorkDone,
};
use crate::system::SystemUnderTest;

/// What is told of a run, or of several as one. `scope` is the block that was to be run.
///
/// # Errors
/// If the plan of a failure cannot be saved.
pub(in crate::cli) fn report(
    args: &RunArgs,
    work: &Work,
    ran: &Checkpoint,
    scope: Block,
    workers: usize,
) -> Result<Report, UsageError> {
    let Work { campaign, chosen, .. } = work;
    let summary = &ran.summary();
    let count = |name: &str| summary.reached.get(name).map_or(0, |reached| reached.times);
    let whole = summary.seeds.saturating_sub(summary.failed());
    let mut failures = failures::tell_all(args, campaign, chosen, summary, workers)?;
    failures.extend(summary.failures.iter().filter_map(|(key, group)| lost(args, key, group)));
    failures.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.story.seed.cmp(&b.story.seed)));
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        system: chosen.system.name().to_owned(),
        bug: args.campaign.world.bug.clone(),
        profile: chosen.profile.to_owned(),
        store: chosen.store.clone(),
        first_seed: campaign.first_seed,
        last_seed: (campaign.seeding == Seeding::InTurn).then(|| last_seed(ran)),
        coverage: Coverage::of(
            Some(scope).filter(|scope| !scope.is_whole()).map(|scope| scope.to_string()),
            &ran.missing(scope),
        ),
        work: WorkDone {
            seeds: summary.seeds,
            requests: summary.requests,
            operations: summary.operations,
            commits: summary.commits,
            conflicts: count("outcome.conflict"),
            unknown: count("outcome.unknown"),
            events: summary.events,
            virtual_seconds: (summary.virtual_ns / 1_000_000_000) as u64,
        },
        search: search(summary),
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
        other_failures: summary.other_failures,
        canary: ran.job.canary.as_ref().map(|canary| CanaryLine {
            bug: canary.bug.clone(),
            planted: summary.canaries.planted,
            caught: summary.canaries.caught,
        }),
        fingerprint: format!("{:016x}", summary.fingerprint),
    })
}

fn search(summary: &Summary) -> Search {
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

fn last_seed(ran: &Checkpoint) -> u64 {
    let seeds = ran.job.seeds.unwrap_or_else(|| ran.places().end());
    ran.job.first_seed + seeds.saturating_sub(1)
}

/// The story of worlds that took their process along: there is nothing to tell but that.
fn lost(args: &RunArgs, key: &GroupKey, group: &Group) -> Option<FailureGroup> {
    let seed = group.seeds.first()?.clone();
    let (class, what) = match key {
        GroupKey::Hung => ("Hang", String::from("it did not end in the wall time of a world")),
        GroupKey::Died(how) => ("Crash", format!("its process ended: {how}")),
        _ => return None,
    };
    let story = Story {
        class: class.to_owned(),
        meaning: String::from("the world took its process with it: run it again with care"),
        also: Vec::new(),
        what,
        rule: String::from("a world ends, and its process lives on"),
        place: String::from("src/night/processes.rs"),
        lines: Vec::new(),
        events: 0,
        causes: Vec::new(),
        seed,
    };
    Some(FailureGroup {
        count: group.count,
        seeds: group.seeds.iter().cloned().collect(),
        reduced: None,
        saved: None,
        save: None,
        replay: format!("vopr replay {}{}", story.seed, args.campaign.world.to_flags()),
        story,
    })
}
