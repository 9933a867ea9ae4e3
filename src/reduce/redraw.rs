//! One part less, and the rest at another time.
//!
//! What a reduction by single parts ends at is a plan that passes without any one of them. Often
//! that says no more than that the race is lost: the part took some time, and without it the others
//! meet elsewhere. So each part is taken away once more, with latencies drawn anew a few times; and
//! once more with somebody who just waits in its place.

use super::Reducer;
use super::removal::{faults, keep_blows, keep_faults, keep_operations, keep_slots};
use crate::plan::{Plan, SlotEntry, Span};

/// Other latencies for each part.
const TRIES: u64 = 10;

/// A plan with more parts is too large for this.
const PARTS_MAX: usize = 40;

/// How long somebody waits instead, in typical requests.
const WAITS: [u64; 4] = [10, 40, 160, 640];

/// A plan with more operations and rounds is too large for waiting.
const WAITERS_MAX: usize = 12;

impl Reducer<'_> {
    /// Takes single parts away, with other latencies. Says whether any could go.
    pub(super) fn redraw(&mut self) -> bool {
        let mut went = false;
        let mut part = 0;
        loop {
            let without = parts(&self.plan);
            if self.out || part >= without.len() || without.len() > PARTS_MAX {
                return went;
            }
            let fails = (1..=TRIES).any(|number| self.try_calmer(&without[part], number))
                || self.try_waiting(&without[part]);
            match fails {
                true => went = true,
                false => part += 1,
            }
        }
    }

    /// Takes the plan with one longer pause if it fails and is shorter.
    fn try_waiting(&mut self, plan: &Plan) -> bool {
        let count = plan.slots.iter().map(|slot| slot.numbers().count()).sum();
        if count > WAITERS_MAX {
            return false;
        }
        let mut tries = (0..count).flat_map(|place| WAITS.map(|requests| (place, requests)));
        tries.any(|(place, requests)| {
            let mut candidate = plan.clone();
            let longer = Span(plan.world.typical_request.0.saturating_mul(requests));
            let pause = candidate.slots.iter_mut().flat_map(SlotEntry::pauses_mut).nth(place);
            if let Some(pause) = pause {
                *pause = longer.max(*pause);
            }
            self.try_as_short(|plan| *plan = candidate)
        })
    }
}

/// The plan without each of its parts, those first that are told at most length.
fn parts(plan: &Plan) -> Vec<Plan> {
    let others = |count: usize, place: usize| -> Vec<usize> {
        (0..count).filter(|other| *other != place).collect()
    };
    let (slots, operations) = (plan.slots.len(), plan.operations());
    let (blows, faults) = (plan.blows.len(), faults(plan));
    let without_slots = (0..slots).map(|place| keep_slots(plan, &others(slots, place)));
    let without_blows = (0..blows).map(|place| keep_blows(plan, &others(blows, place)));
    let without_faults = (0..faults).map(|place| keep_faults(plan, &others(faults, place)));
    let operation = |place| keep_operations(plan, &others(operations, place));
    let without_operations = (0..operations).map(operation);
    without_slots.chain(without_blows).chain(without_faults).chain(without_operations).collect()
}
