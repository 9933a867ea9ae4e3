//! One part less, and the rest at another time.
//!
//! What a reduction by single parts ends at is a plan that passes without any one of them. Often
//! that says no more than that the race is lost: the part took some time, and without it the others
//! meet elsewhere. So each part is taken away once more, with latencies drawn anew a few times.

use super::Reducer;
use super::removal::{faults, keep_blows, keep_faults, keep_operations, keep_slots};
use crate::plan::Plan;

/// Other latencies for each part.
const TRIES: u64 = 10;

/// A plan with more parts is too large for this.
const PARTS_MAX: usize = 40;

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
            match (1..=TRIES).any(|number| self.try_calmer(&without[part], number)) {
                true => went = true,
                false => part += 1,
            }
        }
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
