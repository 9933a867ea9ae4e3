//! Scouting: the same failure in a much smaller world of the same kind.
//!
//! In a run whose order is drawn, or that needs a race, taking anything away draws everything after
//! it anew, and the failure is gone by bad luck. But such failures are rare among large worlds, not
//! among the runs of one world: the same processes with a handful of operations each fail often
//! enough to be found, and a hundred small worlds cost less than one large one. So before anything
//! is taken away piece by piece, every slot is cut to its first or last few operations, and that
//! shape is run under a number of seeds and latencies.

use super::Reducer;
use super::removal::keep_operations;
use crate::plan::Plan;

/// Operations that each slot keeps, the fewest first.
const SHAPES: [usize; 5] = [1, 3, 6, 12, 24];

/// Seeds for each shape.
const SEEDS: u64 = 24;

/// Which operations of a slot are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// Which faults are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    All,
    Blows,
    None,
}

impl Reducer<'_> {
    /// Takes the smallest shape in which the failure is found.
    pub(super) fn scout(&mut self) {
        let whole = self.plan.clone();
        let longest = whole.slots.iter().map(|slot| slot.numbers().count()).max();
        for count in SHAPES.into_iter().filter(|count| Some(*count) < longest) {
            for faults in [Faults::None, Faults::Blows, Faults::All] {
                for end in [End::Last, End::First] {
                    let shape = without(&shape(&whole, count, end), faults);
                    if shape.operations() < self.plan.operations() && self.try_shape(&shape) {
                        return;
                    }
                }
            }
        }
    }

    fn try_shape(&mut self, shape: &Plan) -> bool {
        (1..=SEEDS).any(|number| {
            if self.out {
                return false;
            }
            // Some with an order or latencies as they are, some by time with other latencies.
            if number % 2 == 1 {
                return self.try_once(Plan { seed: number.into(), ..shape.clone() });
            }
            self.try_calmer(shape, number)
        })
    }
}

/// The plan with so many operations of each slot.
fn shape(plan: &Plan, count: usize, end: End) -> Plan {
    let mut kept = Vec::new();
    let mut from = 0;
    for slot in &plan.slots {
        let all = slot.numbers().count();
        let few = count.min(all);
        kept.extend(match end {
            End::First => from..from + few,
            End::Last => from + all - few..from + all,
        });
        from += all;
    }
    keep_operations(plan, &kept)
}

fn without(plan: &Plan, faults: Faults) -> Plan {
    let mut plan = plan.clone();
    match faults {
        Faults::All => {}
        Faults::Blows => plan.requests.clear(),
        Faults::None => {
            plan.requests.clear();
            plan.blows.clear();
        }
    }
    plan
}
