//! Partial order sampling.
//!
//! Every pending event has a random priority, drawn when it becomes pending. The highest happens,
//! and every pending event that races with it is given a new one. Without the new ones, an event
//! that lost once would be known to be low, and orders in which it goes on to lose would be too
//! likely; with them, racing events meet as equals each time. Events that race with nothing keep
//! their priority: where they stand is of no consequence, so no chance is spent on it.

use std::cmp::Reverse;

use super::{Chooser, Pending};

#[derive(Debug)]
pub(super) struct Pos;

impl Pos {
    /// The priority of an event that becomes pending.
    pub(super) fn priority(&self, chooser: &mut Chooser<'_>) -> u32 {
        chooser.word()
    }

    pub(super) fn choose(
        &mut self,
        pool: &mut [Pending],
        candidates: &[u32],
        chooser: &mut Chooser<'_>,
    ) -> u32 {
        let rank = |place: &u32| (pool[*place as usize].priority, Reverse(*place));
        let chosen = candidates.iter().copied().max_by_key(rank).unwrap_or(candidates[0]);
        let footprint = pool[chosen as usize].footprint;
        for (place, pending) in (0..).zip(pool.iter_mut()) {
            if place != chosen && pending.footprint.races_with(&footprint) {
                pending.priority = chooser.word();
            }
        }
        chosen
    }
}
