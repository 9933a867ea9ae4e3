//! `vopr report SEED`: one run as a page; and what it shares with `vopr explain`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use sim::trace::Keep;

use super::args::{ReportArgs, ShowArgs, WorldArgs};
use super::failure::{Exit, UsageError};
use crate::campaign::{Campaign, Determinism, GroupKey, run_one};
use crate::diagnosis::diagnose;
use crate::plan::{plan_of_seed, replay};
use crate::reduce::{Budget, Suspect, shorten};
use crate::report::{Run, RunReport, json_of, to_html};
use crate::system::SystemUnderTest;
use crate::world::{Arena, Verdict, WorldReport};

/// Runs the seed and writes its page. The exit code says whether the page could be written, not
/// what the run came to: the page says that.
pub(super) fn run(
    args: &ReportArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let (report, _) = told(&args.show, systems)?;
    let text = if args.json { json_of(&report) } else { to_html(&report) };
    match &args.output {
        None => {
            // Who closes the pipe early has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        Some(path) => write_beside(path, text.as_bytes())
            .map_err(|source| UsageError::Report { path: path.display().to_string(), source })?,
    }
    Ok(Exit::Pass)
}

/// What making a run small may cost: a second or two.
const REDUCE_TRIES: u32 = 2_000;
const REDUCE_EVENTS: u64 = 5_000_000;

/// Runs a seed and makes the value that pages and lanes are made of.
pub(super) fn told(
    args: &ShowArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<(RunReport, Exit), UsageError> {
    let chosen = args.world.choose(systems)?;
    crate::panics::install();
    let sound = chosen.sound;
    let campaign = Campaign {
        first_seed: args.seed,
        iterations: 1,
        system: Arc::clone(&chosen.system),
        swarm: chosen.swarm,
        determinism: Determinism::Assumed,
    };
    let keep = Keep::Ring { capacity: args.ring };
    let world = run_one(&campaign, &Arena::new(), args.seed, keep);
    if let Some(until) = args.until
        && until >= world.events
    {
        let what = format!("seed {}", args.seed);
        return Err(UsageError::NoSuchEvent { what, until, events: world.events });
    }
    // Of a part of a run there is no smaller form.
    let wanted = args.until.is_none() && !args.no_reduce;
    let small = wanted.then(|| small_run(&campaign, sound, args)).flatten();
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION"),
        system: chosen.system.name().to_owned(),
        bug: args.world.bug.clone(),
        seed: args.seed,
        group: group(&world),
        next: next(args.seed, &args.world),
        full: Run::of(&world, diagnose(&world), args.until),
        reduced: small.map(|small| Run::of(&small, diagnose(&small), None)),
    };
    Ok((report, exit_of(&world)))
}

/// The failing run made small, if it can be.
fn small_run(
    campaign: &Campaign,
    sound: Option<Arc<dyn SystemUnderTest>>,
    args: &ShowArgs,
) -> Option<WorldReport> {
    let (arena, system) = (Arena::new(), &campaign.system);
    let bug = args.world.bug.as_deref();
    let (_, plan) = plan_of_seed(&arena, args.seed, system, bug, &campaign.swarm, Keep::Hash);
    let suspect = Suspect { system: Arc::clone(system), sound };
    let budget = Budget { tries: REDUCE_TRIES, events: REDUCE_EVENTS, cpu: None };
    let small = shorten(&arena, plan?, &suspect, budget, &mut |_, _| {}).ok()?;
    let keep = Keep::Ring { capacity: args.ring };
    replay(&arena, &small.reduced.plan, system, keep).ok().map(|ran| ran.report)
}

/// What failures of this kind have in common.
fn group(world: &WorldReport) -> Option<String> {
    match &world.verdict {
        Verdict::Pass => None,
        Verdict::Broken(finding) | Verdict::Stuck(finding) => {
            Some(format!("{} in {}", finding.rule.name(), finding.rule.place()))
        }
        Verdict::Panicked { message, .. } => Some(format!("panic: {message}")),
    }
}

fn next(seed: u64, world: &WorldArgs) -> Vec<String> {
    let flags = world.to_flags();
    vec![
        format!("vopr explain {seed}{flags}"),
        format!("vopr replay {seed}{flags}"),
        format!("vopr report {seed}{flags} > {seed}.html"),
    ]
}

fn exit_of(world: &WorldReport) -> Exit {
    match &world.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Broken(finding) | Verdict::Stuck(finding) => {
            Exit::of(&GroupKey::Rule(finding.rule))
        }
        Verdict::Panicked { .. } => Exit::Panic,
    }
}

/// Writes beside, makes it durable and renames, so that no reader ever meets half a page.
fn write_beside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
