//! Worlds in which the same failure comes sooner.
//!
//! Much of a long run is only there to get somewhere: twenty puts to fill a segment, ten rounds to
//! come to the one that matters. Taking away single operations does not help, because each of them
//! is needed for the sum. So the world is changed as a whole (larger values, other options of the
//! system, upkeep after every operation, no pauses, another seed), and a change stays if the run
//! fails in the same way after **less**. What did not happen any more is cut, and what the
//! change has made superfluous goes with the next round of taking away.

use sim::trace::fold;

use super::{Reducer, Size};
use crate::plan::{Plan, Span, UpkeepEntry};

/// Sizes of values, in bytes.
const FILLINGS: [u16; 5] = [0, 100, 400, 1500, 4000];

/// Places of a random word: the lowest, the highest, and some between them.
const WORDS: [u32; 6] = [0, u32::MAX, 1 << 31, 1 << 30, 3 << 30, 1 << 28];

/// More places, where a run is so short that trying them costs little: one word decides several
/// options, so what one place makes shorter another one may make shorter still.
const MORE_WORDS: u64 = 18;
const SHORT_EVENTS: u64 = 1000;

/// Seeds that are tried.
const SEEDS: u64 = 6;

/// A change counts if at most so many percent of the events are left.
const WORTH_PERCENT: u64 = 95;

/// A change of a world as a whole.
type Edit = Box<dyn Fn(&mut Plan)>;

impl Reducer<'_> {
    /// Changes the world as long as that makes its run shorter.
    pub(super) fn hasten(&mut self) {
        let more = if self.size.events <= SHORT_EVENTS { MORE_WORDS } else { 0 };
        for knob in knobs(more) {
            self.turn(&knob);
        }
        self.prune();
    }

    /// Takes the setting of a knob that makes the run shortest, if it is worth it.
    fn turn(&mut self, knob: &[Edit]) {
        let mut best: Option<(Size, Plan)> = None;
        let mut worth = self.size.weight() / 100 * WORTH_PERCENT;
        for edit in knob {
            let mut candidate = self.plan.clone();
            edit(&mut candidate);
            if candidate == self.plan {
                continue;
            }
            let size = self.ask(&candidate);
            if let Some(size) = size.filter(|size| size.weight() < worth) {
                worth = size.weight();
                best = Some((size, candidate));
            }
        }
        if let Some((size, plan)) = best {
            self.take(plan, size);
        }
    }
}

/// What can be changed, each with its settings; of random words so many more.
fn knobs(more: u64) -> Vec<Vec<Edit>> {
    let mut knobs: Vec<Vec<Edit>> = Vec::new();
    let fillings = FILLINGS.into_iter();
    knobs.push(
        fillings
            .map(|bytes| -> Edit { Box::new(move |plan| plan.world.filling = bytes) })
            .collect(),
    );
    for place in 0..sim::DRAW_WORDS {
        let words = WORDS.into_iter().chain((1..=more).map(|number| fold(number, u64::MAX) as u32));
        knobs.push(
            words
                .map(|word| -> Edit { Box::new(move |plan| plan.world.tuning[place] = word) })
                .collect(),
        );
    }
    knobs.push(vec![
        Box::new(|plan| upkeep(plan, UpkeepEntry::Done)),
        Box::new(|plan| upkeep(plan, UpkeepEntry::None)),
    ]);
    knobs.push(vec![Box::new(without_pauses)]);
    knobs.push(
        (1..=SEEDS).map(|seed| -> Edit { Box::new(move |plan| plan.seed = seed.into()) }).collect(),
    );
    knobs
}

fn upkeep(plan: &mut Plan, upkeep: UpkeepEntry) {
    for slot in &mut plan.slots {
        for operation in &mut slot.operations {
            operation.upkeep =
                if operation.does.kind.is_read_only() { UpkeepEntry::None } else { upkeep };
        }
    }
}

fn without_pauses(plan: &mut Plan) {
    for slot in &mut plan.slots {
        slot.start_after = Span(0);
        slot.pauses_mut().for_each(|pause| *pause = Span(0));
    }
}
