//! Reduction: from a failing plan to a small one that fails in the same way.
//!
//! It knows plans and verdicts, and nothing of the protocol. A candidate counts only if it fails
//! with the same fingerprint ([`crate::plan::Failure`]: rule and place); one that passes, fails otherwise or
//! runs into a limit never does. First of all small worlds are drawn from its parts (`sketch`): what
//! fails among them is nearly small, and the rest is quick. Where none of them fails, half of the
//! world is drawn, and half of what fails then (`descend`). What this leads to is made smaller along
//! several routes (`routes`), again and again until nothing helps:
//!
//! 1. **cut**: what did not happen before the failure;
//! 2. **hasten**: another world in which it fails sooner (`hasten`);
//! 3. **leap**: everything of a kind at once (all faults, all blows, all latencies, the order);
//! 4. **take away** slots, blows, faults, operations, by delta debugging (`delta`);
//! 5. **shrink** operations: reads and writes, keys, pauses, patience, upkeep;
//! 6. **smooth** what is left: round lengths, ordinary latencies, default options;
//! 7. **merge** processes (`merge`), and take parts away with other latencies (`redraw`).
//!
//! What a plan leaves open is drawn from its seed, and taking something away shifts that: a candidate
//! may pass by bad luck alone. So what would take much away from a large plan is tried under several
//! seeds, and so is everything where nothing helps any more and much is left. And what cannot be made
//! any smaller need not be small, because which parts can go depends on which went before: a plan
//! that is not small is reduced along several routes, and the smallest result stands.
//!
//! Every step is a pure function of the plan, so the result is the same every time. The number of
//! tries is bounded; a try costs what its world costs, and worlds get smaller quickly.
//!
//! | file | what is in it |
//! |---|---|
//! | `delta` | delta debugging of a list |
//! | `descend` | half of a world, and half of that again |
//! | `dice` | numbers that look drawn |
//! | `hasten` | worlds in which the same failure comes sooner |
//! | `merge` | two slots as one |
//! | `redraw` | one part less, with other latencies |
//! | `removal` | plans without some of their parts |
//! | `routes` | in which order all of this is done |
//! | `scout` | every slot with its first or last few operations |
//! | `shrink` | operations and keys made smaller |
//! | `sketch` | small worlds that are drawn from the parts |
//! | `smooth` | lengths, latencies and options made ordinary |
//! | `worlds` | the oracle that runs worlds |

mod delta;
mod descend;
mod dice;
mod hasten;
mod merge;
mod redraw;
pub(crate) mod removal;
mod routes;
mod scout;
mod shrink;
mod sketch;
mod smooth;
#[cfg(test)]
mod tests;
mod worlds;

use crate::plan::Plan;
use crate::swarm::LastWords;

use routes::Route;

pub use delta::minimize;
pub use worlds::{Budget, Failed, Irreducible, Shortened, Size, Suspect, Worlds, shorten};

/// A plan with so few operations is small.
const FEW_OPERATIONS: usize = 10;

/// Under how many other latencies a failure is looked for in the order of time.
const CALMER_WORLDS: u64 = 40;

/// A run of which a person reads so few events is small.
const SHOWN_SMALL: u64 = 8;

/// How many events weigh as much as a fault.
const COST_OF_A_FAULT: u64 = 60;

/// How many events weigh as much as an order that is drawn: nobody can read it, and what hangs on it
/// is gone when anything is drawn anew.
const COST_OF_AN_ORDER: u64 = 300;

/// Under how many seeds a candidate is tried that takes everything of a kind away from a large plan;
/// one that takes half of it, under half as many.
const SEEDS_OF_A_LEAP: u64 = 12;

/// Who says whether a candidate still fails.
pub trait Oracle {
    /// How large the run of the candidate is if it fails in the wanted way. A run that takes much
    /// longer than `than` events need not be awaited.
    fn fails(&mut self, candidate: &Plan, than: u64) -> Option<Size>;

    /// The same plan without what does not happen in its run; `None` if there is nothing to know.
    fn pruned(&mut self, plan: &Plan) -> Option<Plan> {
        let _ = plan;
        None
    }

    /// Another run of the plan, ordered by time and with other latencies, that fails in the wanted
    /// way, written down whole; `number` says which other latencies. `None` if it does not fail. A
    /// run that takes much longer than `than` events need not be awaited.
    fn calmer(&mut self, plan: &Plan, number: u64, than: u64) -> Option<Plan> {
        let _ = (plan, number, than);
        None
    }

    /// The same plan ordered by time, with requests that take as long as they did in its own order;
    /// `None` if it is by time already.
    fn by_time(&mut self, plan: &Plan) -> Option<Plan> {
        let _ = plan;
        None
    }

    /// The number of the process that broke the rule, if the plan that is to be reduced has it.
    fn culprit(&self) -> Option<u16> {
        None
    }

    /// How much may still be spent, in events.
    fn left(&mut self) -> u64 {
        u64::MAX
    }
}

/// Why a reduction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing that is tried makes it any smaller.
    FixedPoint,
    /// There was no budget left.
    Budget,
}

/// What a reduction came to.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// How many candidates were tried.
    pub tries: u32,
    /// Why it ended.
    pub end: End,
}

/// Reduces a plan that fails, with at most `tries` tries. `progress` is told of every smaller plan
/// and of the number of tries so far.
///
/// No route may spend more than half of what is left for all.
pub fn reduce(
    plan: Plan,
    tries: u32,
    oracle: &mut dyn Oracle,
    progress: &mut dyn FnMut(&Plan, u32),
) -> Reduced {
    let (size, limit) = (Size { events: u64::MAX, ..Size::default() }, (tries, 0));
    let mut reducer = Reducer {
        plan,
        size,
        oracle,
        progress,
        tries: 0,
        limit,
        reserve: 0,
        out: false,
        seeds: 1,
        patience: u64::MAX,
    };
    let whole = reducer.plan.clone();
    reducer.size = reducer.ask(&whole).unwrap_or(size);
    let whole = (whole, reducer.size);
    let mut best = whole.clone();
    for route in Route::ALL {
        if is_small(&best.0, best.1) || reducer.is_spent() {
            break;
        }
        if !route.is_worth(&best.0, best.1) {
            continue;
        }
        reducer.go(route, &whole, &best);
        if cost(&reducer.plan, reducer.size) < cost(&best.0, best.1) {
            best = (reducer.plan.clone(), reducer.size);
        }
    }
    let is_over = is_small(&best.0, best.1) || !reducer.is_spent();
    let end = if is_over { End::FixedPoint } else { End::Budget };
    Reduced { plan: best.0, tries: reducer.tries, end }
}

/// What a reader of the plan and of its story has to bear.
fn cost(plan: &Plan, size: Size) -> u64 {
    let order = if plan.world.schedule.is_some() { COST_OF_AN_ORDER } else { 0 };
    size.weight().saturating_add(COST_OF_A_FAULT * plan.faults() as u64 + order)
}

/// Nobody needs it any smaller.
fn is_small(plan: &Plan, size: Size) -> bool {
    size.shown <= SHOWN_SMALL && plan.faults() <= 1 && plan.world.schedule.is_none()
}

/// The smallest plan so far, and how to find out about a smaller one.
struct Reducer<'a> {
    plan: Plan,
    /// How large its run is.
    size: Size,
    oracle: &'a mut dyn Oracle,
    progress: &'a mut dyn FnMut(&Plan, u32),
    tries: u32,
    /// Tries that may be made at all, and those that are kept for other routes.
    limit: (u32, u32),
    /// What the oracle must have left for other routes.
    reserve: u64,
    /// The limit of the route was reached.
    out: bool,
    /// Under how many seeds a candidate is tried.
    seeds: u64,
    /// Events after which nobody waits for a candidate, beside those of the plan at hand.
    patience: u64,
}

impl Reducer<'_> {
    /// Whether no more can be tried, on any route.
    fn is_spent(&mut self) -> bool {
        self.tries >= self.limit.0 || self.oracle.left() == 0
    }

    /// Takes the candidate if it fails in the same way, under its own seed or one of the next.
    fn try_plan(&mut self, candidate: Plan) -> bool {
        if candidate == self.plan {
            return false;
        }
        let seed = candidate.seed.folded();
        (1..self.seeds).any(|more| {
            self.try_once(Plan { seed: seed.wrapping_add(more).into(), ..candidate.clone() })
        }) || self.try_once(candidate)
    }

    fn try_once(&mut self, candidate: Plan) -> bool {
        let size = self.ask(&candidate);
        size.inspect(|size| self.take(candidate, *size)).is_some()
    }

    /// How large the run of a candidate is that fails in the same way.
    fn ask(&mut self, candidate: &Plan) -> Option<Size> {
        if self.out || !self.spend() {
            return None;
        }
        // What cannot be written down and read back is no plan.
        candidate.check().ok().and_then(|()| self.oracle.fails(candidate, self.longest()))
    }

    /// What takes much longer than so many events is not awaited.
    fn longest(&self) -> u64 {
        self.size.events.min(self.patience)
    }

    /// Counts a try. False if none is left, on this route.
    fn spend(&mut self) -> bool {
        let (most, kept) = self.limit;
        self.out |= self.tries.saturating_add(kept) >= most || self.oracle.left() <= self.reserve;
        self.tries += u32::from(!self.out);
        !self.out
    }

    /// From now on this is the smallest plan.
    fn take(&mut self, plan: Plan, size: Size) {
        (self.plan, self.size) = (plan, size);
        (self.progress)(&self.plan, self.tries);
    }

    /// Takes the plan with this edit if it fails in the same way, and not later.
    fn try_as_short(&mut self, edit: impl FnOnce(&mut Plan)) -> bool {
        let mut candidate = self.plan.clone();
        edit(&mut candidate);
        if candidate == self.plan {
            return false;
        }
        let size = self.ask(&candidate).filter(|size| size.weight() <= self.size.weight());
        size.inspect(|size| self.take(candidate, *size)).is_some()
    }

    /// Takes the plan with this edit if it fails in the same way.
    fn try_edit(&mut self, edit: impl FnOnce(&mut Plan)) -> bool {
        let mut candidate = self.plan.clone();
        edit(&mut candidate);
        self.try_plan(candidate)
    }

    /// Leaves as many of the parts `0..count` out as possible. `keeping` makes the plan that keeps
    /// only these parts of the plan at hand.
    fn try_without(&mut self, count: usize, keeping: impl Fn(&Plan, &[usize]) -> Plan) {
        let whole = self.plan.clone();
        let (seeds, mut left) = (self.seeds, count);
        minimize((0..count).collect(), |kept| {
            let share = (left - kept.len()) as u64 * SEEDS_OF_A_LEAP / left.max(1) as u64;
            let is_large = whole.operations() > FEW_OPERATIONS;
            self.seeds = if is_large { seeds.max(share) } else { seeds };
            let fails = self.try_plan(keeping(&whole, kept));
            left = if fails { kept.len() } else { left };
            fails
        });
        self.seeds = seeds;
    }

    /// Applies an edit to as many of the parts `0..count` as possible: all at once, then by delta
    /// debugging over those that stay as they are.
    fn try_on_most(&mut self, count: usize, edit: impl Fn(&mut Plan, usize)) {
        self.try_without(count, |whole, kept| {
            let mut candidate = whole.clone();
            let mut kept = kept.iter().copied().peekable();
            for part in 0..count {
                if kept.next_if_eq(&part).is_none() {
                    edit(&mut candidate, part);
                }
            }
            candidate
        });
    }

    /// Cuts what does not happen.
    fn prune(&mut self) {
        if let Some(pruned) = self.oracle.pruned(&self.plan) {
            self.try_plan(pruned);
        }
    }

    fn leap(&mut self) {
        self.try_edit(|plan| {
            plan.requests.clear();
            plan.blows.clear();
            plan.world.schedule = None;
        });
        self.try_edit(|plan| plan.requests.clear());
        self.try_edit(|plan| plan.blows.clear());
        for fewer in [LastWords::Newcomer, LastWords::Reading] {
            if self.plan.world.last_words == LastWords::Everybody {
                self.try_edit(|plan| plan.world.last_words = fewer);
            }
        }
        self.try_edit(|plan| plan.requests.iter_mut().for_each(|request| request.fault = None));
        self.try_edit(smooth::ordinary_ways);
        if !self.try_edit(|plan| plan.world.schedule = None)
            && let Some(by_time) = self.oracle.by_time(&self.plan)
            && !self.try_plan(by_time)
        {
            self.calm();
        }
    }

    /// Looks for the same failure in the order of time, under other latencies.
    fn calm(&mut self) {
        let plan = self.plan.clone();
        let _ = (1..=CALMER_WORLDS).any(|number| self.out || self.try_calmer(&plan, number));
    }

    fn take_away(&mut self) {
        self.try_without(self.plan.slots.len(), removal::keep_slots);
        self.prune();
        self.try_without(self.plan.blows.len(), removal::keep_blows);
        self.try_without(removal::faults(&self.plan), removal::keep_faults);
        self.try_without(self.plan.operations(), removal::keep_operations);
        self.prune();
    }
}
