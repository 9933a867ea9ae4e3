//! `vopr reduce SEED|FILE`: a failing world made small.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use sim::Seed;
use sim::trace::Keep;

use super::args::{Chosen, WorldArgs};
use super::failure::{Exit, UsageError};
use super::plans::{self, Source};
use super::say;
use crate::checkers::Class;
use crate::diagnosis::diagnose;
use crate::plan::{Failure, Origin, Plan, origin_of_seed, replay};
use crate::reduce::{Budget, End, Irreducible, Shortened, Suspect, shorten};
use crate::report::ReducedLine;
use crate::system::SystemUnderTest;
use crate::world::{Arena, WorldReport};

/// Flags of `vopr reduce`.
#[derive(Clone, Debug, Args)]
pub struct ReduceArgs {
    /// A failing seed, or the file of a failing plan.
    #[arg(value_name = "SEED|FILE")]
    pub what: Source,
    /// Where the small plan is written; by default it goes to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Candidates that are tried, at most.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub tries: u32,
    /// Events of all their runs together, in millions, at most: what time is on every machine.
    #[arg(long, value_name = "MILLIONS", default_value_t = 5)]
    pub events: u32,
    /// Seconds of processor time that it may take. The result depends on the machine then.
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// What worlds are like; give what the failing run was given. A plan says it by itself.
    #[command(flatten)]
    pub world: WorldArgs,
}

/// Reduces what is asked for and writes the result.
pub(super) fn run(
    args: &ReduceArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    crate::panics::install();
    let arena = Arena::new();
    let (what, plan, suspect) = match &args.what {
        Source::File(path) => {
            let (plan, suspect) = plans::read(path, systems)?;
            (path.display().to_string(), plan, suspect)
        }
        Source::Seed(seed) => {
            let chosen = args.world.choose(systems)?;
            let bug = args.world.bug.as_deref();
            let what = format!("seed {seed}");
            let (_, origin) =
                origin_of_seed(&arena, seed, &chosen.system, bug, &chosen.swarm, Keep::Hash);
            let Some(Origin { plan, .. }) = origin else {
                return Err(UsageError::Irreducible { what, source: Irreducible::NoWorld });
            };
            (what, plan, Suspect { system: chosen.system, sound: chosen.sound })
        }
    };
    let cpu = args.seconds.map(Duration::from_secs);
    let budget = Budget { tries: args.tries, events: u64::from(args.events) * 1_000_000, cpu };
    let shortened = shorten(&arena, plan, &suspect, budget, &mut tell_progress)
        .map_err(|source| UsageError::Irreducible { what: what.clone(), source })?;
    end_progress();
    let plan = noted(&shortened, &what);
    let line = reduced_line(&shortened);
    if shortened.reduced.end == End::Budget {
        eprintln!(
            "the budget ended: more tries may make it smaller (--tries, --events, --seconds)"
        );
    }
    match &args.output {
        Some(path) => {
            let place = path.display().to_string();
            plan.write(path).map_err(|source| UsageError::Plan { path: place.clone(), source })?;
            println!("{what}: {}\n  {line}\n  saved   {place}", shortened.before.failure);
        }
        None => {
            eprintln!("{what}: {}\n  {line}", shortened.before.failure);
            say(&plan.to_json());
        }
    }
    Ok(Exit::Pass)
}

/// Candidates for the small form of a run, unless somebody says how many.
pub(super) const TRIES: u32 = 20_000;

/// Events of all these candidates together: a few seconds.
const EVENTS_MAX: u64 = 5_000_000;

/// A run, where it comes from, and a smaller one that fails in the same way.
pub(super) struct Told {
    pub(super) whole: WorldReport,
    /// The plan of the whole run; `None` if its world panicked before it was built.
    pub(super) origin: Option<Origin>,
    pub(super) small: Option<(Shortened, WorldReport)>,
}

/// Runs a seed. If it fails and there are tries, it is made small. `keep` is how much of both traces
/// is kept.
pub(super) fn tell_seed(
    arena: &Arena,
    seed: &Seed,
    (chosen, bug): (&Chosen, Option<&str>),
    tries: Option<u32>,
    keep: Keep,
    progress: &mut dyn FnMut(&Plan, u32),
) -> Told {
    let Chosen { system, sound, swarm, .. } = chosen;
    let (whole, origin) = origin_of_seed(arena, seed, system, bug, swarm, keep);
    let suspect = Suspect { system: system.clone(), sound: sound.clone() };
    let mut told = Told { whole, origin, small: None };
    told.make_small(arena, &suspect, tries, keep, progress);
    told
}

impl Told {
    /// Looks for a smaller run, if it fails and there are tries.
    pub(super) fn make_small(
        &mut self,
        arena: &Arena,
        suspect: &Suspect,
        tries: Option<u32>,
        keep: Keep,
        progress: &mut dyn FnMut(&Plan, u32),
    ) {
        let (Some(tries), Some(origin)) = (tries, &self.origin) else { return };
        let budget = Budget { tries, events: EVENTS_MAX, cpu: None };
        let plan = origin.plan.clone();
        let Ok(shortened) = shorten(arena, plan, suspect, budget, progress) else { return };
        let Ok(ran) = replay(arena, &shortened.reduced.plan, &suspect.system, keep) else { return };
        // A small run that shows the failure as something else would tell another story.
        if class(&ran.report) == class(&self.whole) {
            self.small = Some((shortened, ran.report));
        }
    }
}

fn class(report: &WorldReport) -> Option<Class> {
    diagnose(report).map(|diagnosis| diagnosis.class)
}

/// The plan, saying where it comes from.
pub(super) fn noted(shortened: &Shortened, what: &str) -> Plan {
    let mut plan = shortened.reduced.plan.clone();
    let sentence = match &shortened.before.failure {
        Failure::Rule(rule) => format!("broken: {}", rule.sentence()),
        other => other.to_string(),
    };
    plan.expect.note = format!(
        "{sentence}. Reduced from {what} of vopr {}: {} events, {} faults.",
        env!("CARGO_PKG_VERSION"),
        shortened.before.size.events,
        shortened.before.size.faults
    );
    plan
}

/// What the reduction came to.
pub(super) fn reduced_line(shortened: &Shortened) -> ReducedLine {
    ReducedLine {
        events_before: shortened.before.size.events,
        faults_before: shortened.before.size.faults,
        events: shortened.after.events,
        shown: shortened.after.shown,
        faults: shortened.after.faults,
        operations_before: shortened.before.size.operations,
        operations: shortened.after.operations,
        tries: shortened.reduced.tries,
    }
}

/// One line that is written over and over, on a terminal only.
pub(super) fn tell_progress(plan: &Plan, tries: u32) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Progress that cannot be shown is not worth an error.
        let _ = write!(
            err,
            "\r  {tries} tries: {} operations, {} faults      ",
            plan.operations(),
            plan.faults()
        );
    }
}

pub(super) fn end_progress() {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = writeln!(err);
    }
}

/// The same for several reductions at once: how many failures there are, how many are done, and how
/// often one of them became smaller.
#[derive(Debug)]
pub(super) struct Counter {
    failures: usize,
    done: AtomicUsize,
    smaller: AtomicUsize,
}

impl Counter {
    pub(super) fn of(failures: usize) -> Counter {
        Counter { failures, done: AtomicUsize::new(0), smaller: AtomicUsize::new(0) }
    }

    /// One of them has become smaller.
    pub(super) fn smaller(&self) {
        self.smaller.fetch_add(1, Ordering::Relaxed);
        self.tell();
    }

    /// So many are done.
    pub(super) fn over(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.tell();
    }

    /// All are done: the line goes.
    pub(super) fn end(&self) {
        let mut err = std::io::stderr();
        if self.failures > 0 && err.is_terminal() {
            let _ = write!(err, "\r{:60}\r", "");
        }
    }

    fn tell(&self) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            let (done, smaller) =
                (self.done.load(Ordering::Relaxed), self.smaller.load(Ordering::Relaxed));
            let failures = self.failures;
            let _ =
                write!(err, "\r  making failures small: {done} of {failures}, {smaller} steps   ");
        }
    }
}
