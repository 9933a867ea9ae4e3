//! Examination: what a failure needs, what is free in it, and from when on it cannot be helped.
//!
//! A plan gives one run, and of one run one only knows that it failed. So a plan is run many times
//! with everything drawn afresh that it leaves open (`src/plan/vary.rs`): latencies of ordinary
//! requests, the system's own randomness, the order of ready tasks. Three questions are asked, all
//! of the same seeds, so that their answers can be compared:
//!
//! 1. **As it is**: how often does the plan fail if nothing is taken out of it? Latencies are drawn
//!    as widely as the failure bears: in the widest range in which it fails at least every second
//!    time. What is rare all the same is run ten times as often, so that there are failures enough
//!    to compare.
//! 2. **Without**: how often does it fail without one part of it: a fault, a blow, an operation, a
//!    pause, an order? A part without which it fails less than half as often is *needed*; one
//!    without which it fails at least nine tenths as often is *free*; the others *help*.
//! 3. **From there on**: how often does it fail if it is its own run up to an event, and everything
//!    later is drawn afresh, faults included? This rises from event to event; where it passes one
//!    half the failure *tipped*, where it reaches certainty it was *sealed*, and the event that the
//!    rule was broken at is where it was *seen*.
//!
//! Only the same failure counts (the same rule at the same place, as for reduction); what fails in
//! another way is counted apart, because a part may be needed only for the failure to be *seen*.
//! Everything is a pure function of the plan and the effort, and costs a bounded number of events.
//!
//! | file | what is in it |
//! |---|---|
//! | `parts` | what can be taken out of a plan, in words, and the plan without it |
//! | `races` | two requests at one object, in the other order |
//! | `future` | the point of no return |

mod future;
mod parts;
mod races;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use sim::trace::Keep;
use sim_storage::fault::FaultRates;

use crate::plan::{self, Failure, Plan, Variation, Width, run_varied};
use crate::system::SystemUnderTest;
use crate::world::{Arena, Patience, Recorded, Recording, WorldReport};

pub use future::Chance;

/// With fewer failures than this share of an examination's runs for each question, what is missing
/// without a part cannot be told from chance.
const TOO_FEW_PERCENT: u32 = 10;

/// What fails more rarely than that is run so many times as often: a failure that needs a race, or
/// an order that is drawn, is rare without being any less caused by its faults.
const MORE_RUNS: u32 = 10;

/// How much an examination may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Runs for each question.
    pub variations: u32,
    /// Events of all runs together.
    pub events: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { variations: 200, events: 5_000_000 }
    }
}

/// What an examination rests on besides the plan.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The system that fails.
    pub system: Arc<dyn SystemUnderTest>,
    /// How often which faults strike in a future that is drawn afresh: those of the seed that the
    /// plan comes from, if that is known, else none.
    pub rates: FaultRates,
}

/// What came of some runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub runs: u32,
    /// Those that failed in the same way.
    pub failed: u32,
    /// Those that failed in another way.
    pub otherwise: u32,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.failed += u32::from(outcome == Outcome::Same);
        self.otherwise += u32::from(outcome == Outcome::Other);
    }

    /// The share of runs that failed in the same way, in percent, rounded down; 0 without runs.
    #[must_use]
    pub fn percent(&self) -> u32 {
        (u64::from(self.failed) * 100).checked_div(u64::from(self.runs)).unwrap_or(0) as u32
    }
}

/// How a run ended, compared with the failure that is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    Other,
    Passed,
}

/// A part of a plan, and what becomes of the failure without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The event that shows it in the plan's own run, if there is one.
    pub event: Option<u64>,
    /// What it is.
    pub what: String,
    /// What was changed to find out: `without it`, `swapped`.
    pub change: String,
    /// What came of that.
    pub tally: Tally,
    /// How much depends on it.
    pub weight: Weight,
}

/// How much depends on a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Without it the failure is less than half as frequent.
    Needed,
    /// Without it the failure is less frequent.
    Helps,
    /// Without it the failure is as frequent.
    Free,
}

impl Weight {
    fn of(without: Tally, as_it_is: Tally) -> Weight {
        // The two need not have the same number of runs.
        let without_share = u64::from(without.failed) * u64::from(as_it_is.runs);
        let share = u64::from(as_it_is.failed) * u64::from(without.runs);
        match without_share {
            less if less * 2 < share => Weight::Needed,
            less if less * 10 < share * 9 => Weight::Helps,
            _ => Weight::Free,
        }
    }
}

/// What is known of a failure from many runs of its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Runs in which nothing is taken out.
    pub as_it_is: Tally,
    /// What was drawn in them, in words.
    pub drawn: String,
    /// The parts of the plan: needed ones first, otherwise in their order.
    pub parts: Vec<Part>,
    /// How likely the failure is from an event on, oldest first.
    pub chances: Vec<Chance>,
    /// Whether the failure hangs on so much that was drawn that nothing can be said of its parts.
    pub is_too_rare: bool,
    /// Whether the events that it may cost ran out, so that something was not asked.
    pub is_cut_short: bool,
}

/// Examines a plan that fails. `told` are the events of its own run that its story is about, oldest
/// first.
///
/// `None` if the plan does not fit the system, passes, or fails by never ending.
#[must_use]
pub fn examine(
    arena: &Arena,
    plan: &Plan,
    ground: &Ground,
    told: &[u64],
    effort: Effort,
) -> Option<Examination> {
    let patience = Patience::Usual { operations: (plan.operations() as u32).max(1000) };
    let keep = Keep::Ring { capacity: usize::MAX };
    let system = &ground.system;
    let own = plan::run(arena, plan, system, keep, Recorded::Kept, patience).ok()?;
    let failure = Failure::of(&own.report.verdict).filter(|it| *it != Failure::Endless)?;
    let own = Seen { report: own.report, recording: own.recording? };
    let mut examiner = Examiner::new(arena, plan, ground, failure, &own, effort);
    let (width, as_it_is) = examiner.as_it_is();
    let mut parts: Vec<Part> = Vec::new();
    let is_too_rare = examiner.are_too_few(as_it_is);
    if !is_too_rare {
        // The last question is asked in any case.
        examiner.reserve = examiner.events_left / 2;
        for element in parts::elements(plan, &own) {
            let Some(tally) = examiner.tally(&element.without, width) else { break };
            let weight = Weight::of(tally, as_it_is);
            let (event, what, change) = (element.event, element.what, element.change.to_owned());
            parts.push(Part { event, what, change, tally, weight });
        }
        parts.extend(examiner.races(&own, told, width, as_it_is));
        parts.sort_by_key(|part| part.weight);
    }
    examiner.reserve = 0;
    examiner.runs = effort.variations;
    let chances = examiner.chances(&own, told);
    Some(Examination {
        as_it_is,
        drawn: drawn(width).to_owned(),
        parts,
        chances,
        is_too_rare,
        is_cut_short: examiner.is_cut_short,
    })
}

fn drawn(width: Width) -> &'static str {
    match width {
        Width::Wide => "latencies from a quarter of the usual to four times as long, names, jitter",
        Width::Narrow => "latencies within a fifth of the usual, names, jitter",
        Width::None => "names and jitter, with latencies as they are",
    }
}

/// A run with its trace and with what was decided in it.
#[derive(Debug)]
struct Seen {
    report: WorldReport,
    recording: Recording,
}

/// Runs variations and counts what they cost.
struct Examiner<'a> {
    arena: &'a Arena,
    plan: &'a Plan,
    ground: &'a Ground,
    failure: Failure,
    /// Polls of a task that a variation may take.
    polls: u64,
    /// Runs for each question.
    runs: u32,
    /// With so many failures there are enough.
    enough: u32,
    events_left: u64,
    /// Events that are kept for later questions.
    reserve: u64,
    is_cut_short: bool,
}

/// Polls of a task that a variation may take for each event of the plan's own run, and besides.
const POLLS: (u64, u64) = (20, 100_000);

impl<'a> Examiner<'a> {
    fn new(
        arena: &'a Arena,
        plan: &'a Plan,
        ground: &'a Ground,
        failure: Failure,
        own: &Seen,
        effort: Effort,
    ) -> Self {
        Examiner {
            arena,
            plan,
            ground,
            failure,
            polls: own.report.events * POLLS.0 + POLLS.1,
            runs: effort.variations,
            enough: effort.variations * TOO_FEW_PERCENT / 100,
            events_left: effort.events,
            reserve: 0,
            is_cut_short: false,
        }
    }

    /// The widest range of latencies in which the plan fails at least every second time, or the one
    /// in which it fails most often; and how often. From then on every question is asked of as many
    /// runs as it takes.
    fn as_it_is(&mut self) -> (Width, Tally) {
        let mut best: Option<(Width, Tally)> = None;
        for width in Width::ALL {
            let Some(tally) = self.tally(self.plan, width) else { break };
            if best.is_none_or(|(_, other)| tally.failed > other.failed) {
                best = Some((width, tally));
            }
            if tally.failed * 2 >= tally.runs {
                break;
            }
        }
        let (width, tally) = best.unwrap_or((Width::None, Tally::default()));
        if !self.are_too_few(tally) {
            return (width, tally);
        }
        self.runs = self.runs.saturating_mul(MORE_RUNS);
        (width, self.tally(self.plan, width).unwrap_or(tally))
    }

    /// Whether there are too few failures to compare anything with.
    fn are_too_few(&self, as_it_is: Tally) -> bool {
        as_it_is.failed < self.enough.max(1)
    }

    /// Runs `plan` under all seeds. `None` if too much was spent already.
    fn tally(&mut self, plan: &Plan, width: Width) -> Option<Tally> {
        let mut tally = Tally::default();
        for seed in self.seeds()? {
            let variation = Variation::latencies(plan, width, seed);
            tally.add(self.outcome(plan, &variation));
        }
        Some(tally)
    }

    /// The seeds of one question; `None` if too much was spent already.
    fn seeds(&mut self) -> Option<std::ops::RangeInclusive<u64>> {
        let is_spent = self.events_left <= self.reserve;
        self.is_cut_short |= is_spent;
        (!is_spent).then_some(1..=u64::from(self.runs))
    }

    fn outcome(&mut self, plan: &Plan, variation: &Variation) -> Outcome {
        let trial = self.run(plan, variation, Keep::Hash, Recorded::Dropped);
        trial.map_or(Outcome::Passed, |trial| self.compare(&trial.report))
    }

    fn run(
        &mut self,
        plan: &Plan,
        variation: &Variation,
        keep: Keep,
        recorded: Recorded,
    ) -> Option<plan::Trial> {
        let patience = Patience::Polls(self.polls);
        let system = &self.ground.system;
        let trial = run_varied(self.arena, (plan, variation), system, keep, recorded, patience);
        let trial = trial.ok()?;
        self.events_left = self.events_left.saturating_sub(trial.report.events);
        Some(trial)
    }

    fn compare(&self, report: &WorldReport) -> Outcome {
        match Failure::of(&report.verdict) {
            None | Some(Failure::Endless) => Outcome::Passed,
            Some(failure) if failure == self.failure => Outcome::Same,
            Some(_) => Outcome::Other,
        }
    }
}
