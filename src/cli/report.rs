//! `vopr report SEED|FILE`: one run as a page; and what it shares with `vopr explain`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use sim::Seed;
use sim::trace::Keep;
use sim_storage::fault::FaultRates;

use super::args::{ReportArgs, ShowArgs, WorldArgs};
use super::failure::{Exit, UsageError};
use super::plans::{self, Source};
use super::reduce::{TRIES, Told, end_progress, reduced_line, tell_progress, tell_seed};
use super::say;
use crate::diagnosis::diagnose;
use crate::examine::{Effort, Ground, examine};
use crate::files::write_whole;
use crate::plan::{Origin, replay};
use crate::report::{Run, RunReport, json_of, to_html};
use crate::system::SystemUnderTest;
use crate::world::{Arena, Verdict, WorldReport};

/// Runs the seed or the plan and writes its page. The exit code says whether the page could be written, not
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

/// Runs a seed or a plan and makes the value that pages and lanes are made of.
pub(super) fn told(
    args: &ShowArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<(RunReport, Exit), UsageError> {
    crate::panics::install();
    let arena = Arena::new();
    // Of a part of a run there is no smaller form.
    let tries = (args.until.is_none() && !args.no_reduce).then_some(TRIES);
    let keep = Keep::Ring { capacity: args.ring };
    let subject = match &args.what {
        Source::Seed(seed) => Subject::of_seed(&arena, seed, args, tries, systems)?,
        Source::File(path) => Subject::of_plan(&arena, path, tries, keep, systems)?,
    };
    end_progress();
    let Subject { told, system, bug, plan, next } = subject;
    let world = &told.whole;
    if let Some(until) = args.until
        && until >= world.events
    {
        let what = args.what.to_string();
        return Err(UsageError::NoSuchEvent { what, until, events: world.events });
    }
    let small = told.small.as_ref();
    let mut report = RunReport {
        version: env!("CARGO_PKG_VERSION"),
        system: system.name().to_owned(),
        bug,
        plan,
        seed: world.seed.clone(),
        group: group(world),
        next,
        full: Run::of(world, diagnose(world), args.until),
        reduced: small.map(|(_, small)| Run::of(small, diagnose(small), None)),
        reduction: small.map(|(shortened, _)| reduced_line(shortened)),
    };
    if args.until.is_none() && args.variations > 0 {
        let shown = small.map(|(shortened, _)| &shortened.reduced.plan);
        let shown = shown.or(told.origin.as_ref().map(|origin| &origin.plan));
        let rates = told.origin.as_ref().map_or(FaultRates::none(), |it| it.rates.clone());
        let run = report.reduced.as_mut().unwrap_or(&mut report.full);
        let events = u64::from(args.examine_events) * 1_000_000;
        let effort = Effort { variations: args.variations, events };
        let ground = Ground { system, rates };
        run.examined =
            shown.and_then(|plan| examine(&arena, plan, &ground, &run.story_events(), effort));
    }
    Ok((report, Exit::of_verdict(&world.verdict)))
}

/// What is shown, and what is to be said of it.
struct Subject {
    told: Told,
    system: Arc<dyn SystemUnderTest>,
    bug: Option<String>,
    /// The file of the plan, if it is one.
    plan: Option<String>,
    /// Commands that show more.
    next: Vec<String>,
}

impl Subject {
    fn of_seed(
        arena: &Arena,
        seed: &Seed,
        args: &ShowArgs,
        tries: Option<u32>,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<Subject, UsageError> {
        let chosen = args.world.choose(systems)?;
        let bug = args.world.bug.clone();
        let keep = Keep::Ring { capacity: args.ring };
        let world = (&chosen, bug.as_deref());
        let told = tell_seed(arena, seed, world, tries, keep, &mut tell_progress);
        let next = next(seed, &args.world);
        Ok(Subject { told, system: chosen.system, bug, plan: None, next })
    }

    fn of_plan(
        arena: &Arena,
        path: &Path,
        tries: Option<u32>,
        keep: Keep,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<Subject, UsageError> {
        let file = path.display().to_string();
        let (plan, suspect) = plans::read(path, systems)?;
        let ran = replay(arena, &plan, &suspect.system, keep)
            .map_err(|source| UsageError::Misfit { path: file.clone(), source })?;
        let bug = plan.bug.clone();
        // Which faults its seed had, a plan does not say.
        let origin = Origin { plan, rates: FaultRates::none() };
        let mut told = Told { whole: ran.report, origin: Some(origin), small: None };
        told.make_small(arena, &suspect, tries, keep, &mut tell_progress);
        // What cannot be made smaller is shown as it is.
        told.small = told.small.filter(|(small, _)| small.after.events < small.before.size.events);
        let next = vec![
            format!("vopr explain {file}"),
            format!("vopr replay {file}"),
            format!("vopr report {file} > {}.html", path.with_extension("").display()),
        ];
        Ok(Subject { told, system: suspect.system, bug, plan: Some(file), next })
    }
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
        format!("vopr reduce {seed}{flags} -o {}.json", seed.file_name()),
    ]
}
