//! Two slots as one.
//!
//! A process costs a reader more than its operations: it opens the system, it has the last word,
//! and it is a column of the story. Where it does not matter who does something, one process does
//! it all, first what it did itself and then what the other one did.

use sim_storage::fault::Moment;

use super::Reducer;
use super::removal::keep_slots;
use crate::plan::{MomentEntry, Plan};

/// Other latencies for each pair.
const TRIES: u64 = 3;

/// A plan with more slots is too large for this.
const SLOTS_MAX: usize = 8;

impl Reducer<'_> {
    /// Merges as many slots as possible.
    pub(super) fn merge_slots(&mut self) {
        let mut pair = 0;
        loop {
            let count = self.plan.slots.len();
            if self.out || pair >= count * count || count > SLOTS_MAX {
                return;
            }
            let merged = merged(&self.plan, pair / count, pair % count);
            let fails = merged.is_some_and(|merged| {
                self.try_plan(merged.clone())
                    || (1..=TRIES).any(|number| self.try_calmer(&merged, number))
            });
            pair = if fails { 0 } else { pair + 1 };
        }
    }
}

/// The plan in which `home` does what `guest` did as well; `None` if they do different work.
pub(super) fn merged(plan: &Plan, home: usize, guest: usize) -> Option<Plan> {
    let mut merged = plan.clone();
    let stranger = plan.slots[guest].clone();
    let entry = &mut merged.slots[home];
    let role = |name: &str| name.rsplit_once('-').map(|(role, _)| role.to_owned());
    let both_operate = !entry.operations.is_empty() && !stranger.operations.is_empty();
    let same_duty = !entry.rounds.is_empty() && role(&entry.name) == role(&stranger.name);
    if home == guest || !(both_operate || same_duty) {
        return None;
    }
    let shift = entry.numbers().max().map_or(0, |last| last + 1);
    entry.operations.extend(stranger.operations.into_iter().map(|mut operation| {
        operation.number += shift;
        operation
    }));
    entry.rounds.extend(stranger.rounds.into_iter().map(|mut round| {
        round.number += shift;
        round
    }));
    let name = entry.name.clone();
    for blow in merged.blows.iter_mut().filter(|blow| blow.slot == stranger.name) {
        blow.slot.clone_from(&name);
        blow.operation += shift;
    }
    for request in merged.requests.iter_mut().filter(|it| it.process == stranger.name) {
        if let MomentEntry(Moment::Operation(number)) = request.at {
            request.process.clone_from(&name);
            request.at = MomentEntry(Moment::Operation(number + shift));
        }
    }
    let kept: Vec<usize> = (0..plan.slots.len()).filter(|slot| *slot != guest).collect();
    Some(keep_slots(&merged, &kept))
}
