//! `vopr report SEED`: one run as a page; and what it shares with `vopr explain`.

use std::io::Write as _;
use std::sync::Arc;

use sim::Seed;
use sim::trace::Keep;

use super::args::{ReportArgs, ShowArgs, WorldArgs};
use super::failure::{Exit, UsageError};
use super::reduce::{TRIES, whole_and_small};
use super::say;
use crate::diagnosis::diagnose;
use crate::files::write_whole;
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
        None => say(&text),
        Some(path) => write_whole(path, |file| file.write_all(text.as_bytes()))
            .map_err(|source| UsageError::Report { path: path.display().to_string(), source })?,
    }
    Ok(Exit::Pass)
}

/// Runs a seed and makes the value that pages and lanes are made of.
pub(super) fn told(
    args: &ShowArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<(RunReport, Exit), UsageError> {
    let chosen = args.world.choose(systems)?;
    crate::panics::install();
    // Of a part of a run there is no smaller form.
    let tries = (args.until.is_none() && !args.no_reduce).then_some(TRIES);
    let keep = Keep::Ring { capacity: args.ring };
    let bug = args.world.bug.as_deref();
    let (world, small) = whole_and_small(&Arena::new(), &args.seed, (&chosen, bug), tries, keep);
    if let Some(until) = args.until
        && until >= world.events
    {
        let what = format!("seed {}", args.seed);
        return Err(UsageError::NoSuchEvent { what, until, events: world.events });
    }
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION"),
        system: chosen.system.name().to_owned(),
        bug: args.world.bug.clone(),
        seed: args.seed.clone(),
        group: group(&world),
        next: next(&args.seed, &args.world),
        full: Run::of(&world, diagnose(&world), args.until),
        reduced: small.map(|(_, small)| Run::of(&small, diagnose(&small), None)),
    };
    Ok((report, Exit::of_verdict(&world.verdict)))
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

fn next(seed: &Seed, world: &WorldArgs) -> Vec<String> {
    let flags = world.to_flags();
    vec![
        format!("vopr explain {seed}{flags}"),
        format!("vopr replay {seed}{flags}"),
        format!("vopr report {seed}{flags} > {}.html", seed.file_name()),
    ]
}
