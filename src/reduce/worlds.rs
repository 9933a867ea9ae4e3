//! The oracle that runs worlds.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use sim::trace::Keep;

use super::{Oracle, Reduced, reduce};
use crate::plan::{self, Failure, Misfit, Plan, Trial, Variation, Width, run_varied};
use crate::system::SystemUnderTest;
use crate::world::{Arena, Patience, Recorded, Verdict, WorldReport};

/// How a plan failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The fingerprint of its failure.
    pub failure: Failure,
    /// How large its run was.
    pub size: Size,
}

/// How large a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Events of its trace.
    pub events: u64,
    /// Those of them that a person reads: the minimal view of the trace.
    pub shown: u64,
    /// Faults that took effect.
    pub faults: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits in the store.
    pub commits: u64,
}

impl Size {
    /// The size of this run.
    #[must_use]
    pub fn of(report: &WorldReport) -> Size {
        let faults = report.counts.iter().filter(|(name, _)| name.starts_with("fault."));
        Size {
            events: report.events,
            shown: report.shown,
            faults: faults.map(|(_, count)| u64::from(*count)).sum(),
            operations: report.operations,
            commits: report.commits,
        }
    }

    /// What a reader has to bear: what is shown of the run, and the events behind that.
    #[must_use]
    pub fn weight(self) -> u64 {
        self.events.saturating_add(EVENTS_OF_A_LINE.saturating_mul(self.shown))
    }
}

/// How many events weigh as much as one that is shown.
const EVENTS_OF_A_LINE: u64 = 30;

/// How much a reduction may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Candidates.
    pub tries: u32,
    /// Events of all their runs together: what time is on every machine.
    pub events: u64,
    /// Processor time of this thread. With a limit the result depends on the machine.
    pub cpu: Option<Duration>,
}

/// The systems that a candidate is run on.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// The one that fails.
    pub system: Arc<dyn SystemUnderTest>,
    /// If a bug is planted in it: the same system without. What fails there as well has become
    /// another story.
    pub sound: Option<Arc<dyn SystemUnderTest>>,
}

/// A failing plan made small.
#[derive(Clone, Debug)]
pub struct Shortened {
    /// The plan, its tries and its end.
    pub reduced: Reduced,
    /// How it failed, and how large it was.
    pub before: Failed,
    /// How large it is now.
    pub after: Size,
}

/// Why a plan cannot be reduced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Irreducible {
    /// It does not fit the system.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Its world panicked before it was built.
    #[error("it panics before there is a world")]
    NoWorld,
    /// It does not fail.
    #[error("it passes: there is nothing to reduce")]
    Passes,
    /// It fails by running into a limit, and whether a smaller one would is not decidable by
    /// limits.
    #[error("it fails by never ending, and that is not reduced")]
    Endless,
}

/// Reduces a plan to a small one that fails in the same way.
///
/// # Errors
/// If it does not fit the system, or does not fail.
pub fn shorten(
    arena: &Arena,
    plan: Plan,
    suspect: &Suspect,
    budget: Budget,
    progress: &mut dyn FnMut(&Plan, u32),
) -> Result<Shortened, Irreducible> {
    let began = ThreadTime::now();
    let ran = plan::replay(arena, &plan, &suspect.system, Keep::Hash)?;
    let failure = match ran.failure {
        None => return Err(Irreducible::Passes),
        Some(Failure::Endless) => return Err(Irreducible::Endless),
        Some(failure) => failure,
    };
    let polls = sim::steps();
    let before = Failed { failure, size: Size::of(&ran.report) };
    let mut worlds = Worlds::new(arena, suspect.clone(), before.clone());
    worlds.polls_of_an_event = polls.div_ceil(before.size.events.max(1));
    worlds.events_left = budget.events;
    worlds.culprit = match &ran.report.verdict {
        Verdict::Broken(finding) | Verdict::Stuck(finding) => Some(finding.process.0),
        _ => None,
    };
    worlds.ends = budget.cpu.map(|cpu| (began, cpu));
    let mut reduced = reduce(plan, budget.tries, &mut worlds, progress);
    let ran = plan::replay(arena, &reduced.plan, &suspect.system, Keep::Hash)?;
    reduced.plan.expect.failure = Some(before.failure.clone());
    Ok(Shortened { reduced, before, after: Size::of(&ran.report) })
}

/// Runs candidates one after another in one arena.
#[derive(Debug)]
pub struct Worlds<'a> {
    arena: &'a Arena,
    suspect: Suspect,
    wanted: Failed,
    /// Polls of a task that a run may take.
    polls: u64,
    /// Those that an event took in the first run, rounded up.
    polls_of_an_event: u64,
    /// Events that may still be spent.
    events_left: u64,
    /// Who broke the rule.
    culprit: Option<u16>,
    /// Since when, and how long it may take.
    ends: Option<(ThreadTime, Duration)>,
}

/// Polls of a task that a candidate may take for each event of the first run, and besides.
const POLLS: (u64, u64) = (20, 100_000);

/// Polls that a candidate may take in any case.
const SLACK_POLLS: u64 = 1_000;

impl<'a> Worlds<'a> {
    /// An oracle for failures like `wanted`.
    #[must_use]
    pub fn new(arena: &'a Arena, suspect: Suspect, wanted: Failed) -> Self {
        let polls = wanted.size.events * POLLS.0 + POLLS.1;
        let events_left = u64::MAX;
        let polls_of_an_event = POLLS.0;
        let (culprit, ends) = (None, None);
        Worlds { arena, suspect, wanted, polls, polls_of_an_event, events_left, culprit, ends }
    }

    fn run(
        &mut self,
        plan: &Plan,
        system: &Arc<dyn SystemUnderTest>,
        keep: Keep,
        recorded: Recorded,
    ) -> Option<Trial> {
        self.run_within(u64::MAX, plan, system, keep, recorded)
    }

    /// Runs a plan, with at most so many polls of tasks.
    fn run_within(
        &mut self,
        polls: u64,
        plan: &Plan,
        system: &Arc<dyn SystemUnderTest>,
        keep: Keep,
        recorded: Recorded,
    ) -> Option<Trial> {
        let patience = Patience::Polls(polls.min(self.polls));
        let trial = plan::run(self.arena, plan, system, keep, recorded, patience).ok()?;
        self.pay(plan, &trial);
        Some(trial)
    }

    /// A run costs its events, and what of its world is written down.
    fn pay(&mut self, plan: &Plan, trial: &Trial) {
        let cost = trial.report.events + plan.requests.len() as u64;
        self.events_left = self.events_left.saturating_sub(cost);
    }

    /// Polls that a run may take if it is to take about as many events.
    fn polls(&self, events: u64) -> u64 {
        events.saturating_mul(2 * self.polls_of_an_event).saturating_add(SLACK_POLLS)
    }

    fn fails_as_wanted(&self, trial: &Trial) -> bool {
        let failure = Failure::of(&trial.report.verdict);
        failure != Some(Failure::Endless) && failure.as_ref() == Some(&self.wanted.failure)
    }
}

impl Oracle for Worlds<'_> {
    fn fails(&mut self, candidate: &Plan, than: u64) -> Option<Size> {
        let system = Arc::clone(&self.suspect.system);
        let polls = self.polls(than);
        let trial = self.run_within(polls, candidate, &system, Keep::Hash, Recorded::Dropped);
        let size = Size::of(&trial.filter(|trial| self.fails_as_wanted(trial))?.report);
        let Some(sound) = self.suspect.sound.clone() else { return Some(size) };
        let trial = self.run(candidate, &sound, Keep::Hash, Recorded::Dropped)?;
        Failure::of(&trial.report.verdict).is_none().then_some(size)
    }

    fn calmer(&mut self, plan: &Plan, number: u64, than: u64) -> Option<Plan> {
        let mut plan = plan.clone();
        plan.world.schedule = None;
        plan.seed = number.into();
        let variation = Variation::latencies(&plan, Width::Wide, number);
        let patience = Patience::Polls(self.polls.min(self.polls(than)));
        let system = Arc::clone(&self.suspect.system);
        let varied = (&plan, &variation);
        let (keep, kept) = (Keep::Hash, Recorded::Kept);
        let trial = run_varied(self.arena, varied, &system, keep, kept, patience).ok()?;
        self.pay(&plan, &trial);
        let recording = trial.recording.as_ref().filter(|_| self.fails_as_wanted(&trial))?;
        Some(plan::written_ways(&plan, recording))
    }

    fn pruned(&mut self, plan: &Plan) -> Option<Plan> {
        let system = Arc::clone(&self.suspect.system);
        let trial = self.run(plan, &system, Keep::Hash, Recorded::Kept)?;
        Some(plan::pruned(plan, &trial.recording?))
    }

    fn culprit(&self) -> Option<u16> {
        self.culprit
    }

    fn left(&mut self) -> u64 {
        let is_over = self.ends.is_some_and(|(began, cpu)| began.elapsed() > cpu);
        if is_over { 0 } else { self.events_left }
    }

    fn by_time(&mut self, plan: &Plan) -> Option<Plan> {
        plan.world.schedule?;
        let keep = Keep::Ring { capacity: usize::MAX };
        let system = Arc::clone(&self.suspect.system);
        let trial = self.run(plan, &system, keep, Recorded::Kept)?;
        Some(plan::observed_ways(plan, &trial.recording?, &trial.report.trace))
    }
}
