//! Sketches: small worlds that are drawn from the parts of a large one.
//!
//! Taking away is a path: each step must fail, so a failure that needs a race is stuck where every
//! single part that goes shifts the race. A sketch leaves the path. It is a handful of operations
//! of a few slots, with at most some of the blows and faults, with other pauses and latencies, and
//! it either fails in the same way or it does not. Most do not, but a world of four operations ends
//! after a few hundred events, so that hundreds of sketches cost less than a few tries of the whole;
//! and what fails among the smallest ones is nearly small already.
//!
//! Sketches are tried the smallest first. They are drawn from their number and nothing else.

use std::collections::BTreeMap;

use super::Reducer;
use super::dice::Dice;
use super::removal::{drop_ordinary, faults, keep_blows, keep_faults, keep_operations, keep_slots};
use super::shrink::rename;
use super::smooth::ordinary_ways;
use crate::plan::{
    BlowEntry, BlowKind, Does, InterestEntry, MomentEntry, OrderEntry, OutageEntry, Place, Plan,
    RequestEntry, Span, UpkeepEntry, Whom,
};
use crate::workload::{Freshness, KeyId};
use sim_storage::fault::Moment;

/// Operations of the sketches of the first round, the fewest first, and how many there are of each
/// size.
const SIZES: [usize; 10] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 14];
const TRIES_OF_A_SIZE: usize = 60;

/// Sketches of any other round, and the operations of one of them, at most.
const TRIES: usize = 400;
const SIZE_MAX: usize = 14;

/// A sketch that runs for much longer is not small.
const EVENTS: u64 = 500;

/// Sketches that there are of one size.
pub(super) const NUMBERS: u64 = 1 << 48;

/// A plan with more requests that are not ordinary is sketched with nothing but their faults.
const WAYS_MAX: usize = 40;

/// How long a stall or a long pause lasts, in typical requests.
const STALLS: [u64; 6] = [3, 10, 30, 100, 300, 1000];

/// At which step of an operation it begins, and which of its requests is struck, at most.
const STEPS_MAX: u64 = 24;
const NTH_MAX: u64 = 6;

/// The share of requests that an outage strikes, in parts per million.
const EVERY_REQUEST: u32 = 1_000_000;

/// How many requests a process may make before it is cut off, at most.
const REQUESTS_BEFORE: u64 = 6;

/// Among so many objects is the one that an order is about.
const OBJECTS: u64 = 16;

/// How many ordering constraints `pct` looks for in another order.
const DEPTH: u32 = 3;

/// Sizes of values, in bytes, beside the one that there is.
const LARGE: u16 = 4000;

/// In which order the events of sketches come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By time.
    ByTime,
    /// By time, or as it is drawn in the whole.
    Either,
}

impl Reducer<'_> {
    /// Takes the first sketch of `whole` that fails: the smallest ones first in the first round,
    /// afterwards some of all sizes up to `most`. No two rounds try the same.
    pub(super) fn sketch(
        &mut self,
        whole: &Plan,
        (round, order): (u64, Order),
        most: usize,
    ) -> bool {
        let mut whole = whole.clone();
        if order == Order::ByTime {
            whole.world.schedule = None;
        }
        if whole.requests.len() > WAYS_MAX {
            whole.requests.iter_mut().for_each(|request| request.luck_ppm = 0);
            ordinary_ways(&mut whole);
        }
        let dice = &mut Dice(round);
        let sizes: Vec<usize> = match round {
            0 => SIZES.into_iter().flat_map(|size| [size; TRIES_OF_A_SIZE]).collect(),
            _ => (0..TRIES).map(|_| 1 + dice.below(most.min(SIZE_MAX) as u64) as usize).collect(),
        };
        let culprit = self.culprit_of(&whole);
        self.patience = EVENTS;
        let fails = sizes.into_iter().filter(|size| *size <= most).any(|size| {
            let number = dice.below(NUMBERS);
            let drawn = sketch(&whole, size, culprit.as_deref(), number);
            !self.out && self.try_sketch(&drawn, number)
        });
        self.patience = u64::MAX;
        fails
    }

    /// Who broke the rule, if the plan has it.
    pub(super) fn culprit_of(&self, plan: &Plan) -> Option<String> {
        let culprit = self.oracle.culprit();
        let slot = plan.slots.iter().find(|slot| Some(slot.process) == culprit);
        slot.map(|slot| slot.name.clone())
    }

    /// With latencies as usual, with others, or in the order that is drawn.
    pub(super) fn try_sketch(&mut self, sketch: &Plan, number: u64) -> bool {
        let is_drawn = sketch.world.schedule.is_some();
        match number % 3 {
            0 if is_drawn => self.try_once(sketch.clone()),
            1 => {
                let mut sketch = sketch.clone();
                sketch.world.schedule = None;
                self.try_once(sketch)
            }
            _ => self.try_calmer(sketch, number),
        }
    }

    /// Takes a run of the plan by time and with other latencies if it fails.
    pub(super) fn try_calmer(&mut self, plan: &Plan, number: u64) -> bool {
        if !self.spend() {
            return false;
        }
        let calmer = self.oracle.calmer(plan, number, self.longest());
        calmer.is_some_and(|calmer| self.try_once(calmer))
    }
}

/// So many operations of `whole`, with some of what surrounds them. Whoever broke the rule there
/// mostly has some of them.
pub(super) fn sketch(whole: &Plan, operations: usize, culprit: Option<&str>, number: u64) -> Plan {
    let dice = &mut Dice(number);
    let culprit = culprit.filter(|_| dice.below(4) > 0);
    let mut plan = keep_operations(whole, &some_operations(whole, operations, culprit, dice));
    let idle = if operations == 0 { 2 } else { 6 };
    let is_kept = |slot: &usize, dice: &mut Dice| {
        let slot = &plan.slots[*slot];
        !slot.operations.is_empty() || !slot.rounds.is_empty() || dice.below(idle) == 0
    };
    let kept: Vec<usize> = (0..plan.slots.len()).filter(|slot| is_kept(slot, dice)).collect();
    plan = keep_slots(&plan, &kept);
    plan = keep_blows(&plan, &some(plan.blows.len(), dice));
    plan = keep_faults(&plan, &some(faults(&plan), dice));
    match dice.below(4) {
        0 => another_fault(whole, &mut plan, culprit, dice),
        1 | 2 if plan.blows.is_empty() => another_blow(&mut plan, culprit, dice),
        _ => {}
    }
    if dice.below(2) == 0 {
        ordinary_ways(&mut plan);
    }
    drop_ordinary(&mut plan);
    other_pauses(&mut plan, dice);
    match dice.below(3) {
        0 => a_long_pause(&mut plan, dice),
        1 => a_late_start(&mut plan, culprit, dice),
        _ => {}
    }
    if dice.below(4) == 0 {
        only_writes(whole, &mut plan, dice);
    }
    other_operations(&mut plan, dice);
    if dice.below(2) == 0 {
        plan.world.clients = 1;
    }
    match dice.below(3) {
        0 => plan.world.tuning.iter_mut().for_each(|word| *word = dice.below(1 << 32) as u32),
        1 => plan.world.filling = LARGE,
        _ => {}
    }
    plan.seed = number.into();
    plan
}

/// A fault of the whole, at any request.
fn another_fault(whole: &Plan, plan: &mut Plan, culprit: Option<&str>, dice: &mut Dice) {
    // A kind that struck once is as likely as one that struck a hundred times.
    let faults = whole.requests.iter().filter_map(|request| Some((request.fault?.kind(), request)));
    let faults: Vec<&RequestEntry> = faults.collect::<BTreeMap<_, _>>().into_values().collect();
    let culprit = culprit.filter(|_| dice.below(2) == 0);
    let Some((slot, at)) = moment(plan, culprit, dice) else { return };
    let Some(request) = dice.one(&faults) else { return };
    let (process, nth) = (plan.slots[slot].name.clone(), dice.below(NTH_MAX) as u32);
    plan.requests.retain(|it| (&it.process, it.at, it.nth) != (&process, at, nth));
    plan.requests.push(RequestEntry {
        process,
        at,
        nth,
        there: None,
        back: None,
        ..(*request).clone()
    });
}

/// A process stops for a while or crashes at any of its steps, or it cannot reach the store, or
/// nobody can. What reaches the rare failures is less often many faults than one such blow of the
/// right length.
pub(super) fn another_blow(plan: &mut Plan, culprit: Option<&str>, dice: &mut Dice) {
    let culprit = culprit.filter(|_| dice.below(2) == 0);
    let Some((slot, MomentEntry(Moment::Operation(operation)))) = moment(plan, culprit, dice)
    else {
        return;
    };
    let typical = plan.world.typical_request.0;
    let lasts = some_time(typical, dice);
    let (at, whom, after) = (Place::AnyStep, Whom::Slot, dice.below(STEPS_MAX) as u32);
    let (blow, delay) = match dice.below(6) {
        0..=2 => (BlowKind::StallAtStep { at, whom, after, lasts }, 0),
        3 => (BlowKind::CrashAtStep { at, whom, after }, 0),
        4 => (BlowKind::Partition { lasts }, dice.below(REQUESTS_BEFORE)),
        _ => {
            let kinds = [OutageEntry::Unreachable, OutageEntry::Throttling, OutageEntry::Failing];
            let kind = kinds[dice.below(kinds.len() as u64) as usize];
            let share_ppm = EVERY_REQUEST;
            (BlowKind::Outage { kind, share_ppm, lasts }, dice.below(REQUESTS_BEFORE))
        }
    };
    let (slot, delay) = (plan.slots[slot].name.clone(), Span(typical.saturating_mul(delay)));
    plan.blows.push(BlowEntry { slot, operation, delay, blow });
}

/// Long or short, as timers are: in multiples of a request.
fn some_time(typical: u64, dice: &mut Dice) -> Span {
    Span(typical.saturating_mul(dice.one(&STALLS).copied().unwrap_or(1)))
}

/// One pause is long: what waits for time to pass needs nobody to do something meanwhile.
fn a_long_pause(plan: &mut Plan, dice: &mut Dice) {
    let lasts = some_time(plan.world.typical_request.0, dice);
    let Some((slot, MomentEntry(Moment::Operation(number)))) = moment(plan, None, dice) else {
        return;
    };
    let slot = &mut plan.slots[slot];
    let place = slot.numbers().position(|other| other == number);
    if let Some(pause) = place.and_then(|place| slot.pauses_mut().nth(place)) {
        *pause = lasts;
    }
}

/// A slot, or the one of this name, and one of its operations or its opening.
fn moment(plan: &Plan, name: Option<&str>, dice: &mut Dice) -> Option<(usize, MomentEntry)> {
    let any = dice.below(plan.slots.len() as u64) as usize;
    let named = plan.slots.iter().position(|slot| Some(&slot.name[..]) == name);
    let slot = named.unwrap_or(any);
    let entry = plan.slots.get(slot)?;
    let numbers: Vec<u32> = entry.numbers().collect();
    let moment = dice.one(&numbers).map_or(Moment::Opening(0), |number| Moment::Operation(*number));
    Some((slot, MomentEntry(moment)))
}

/// Which operations are kept: a run of them in each of a few slots, that of this name among them.
fn some_operations(whole: &Plan, count: usize, name: Option<&str>, dice: &mut Dice) -> Vec<usize> {
    let mut from = 0;
    let mut busy: Vec<(usize, usize, usize)> = Vec::new();
    let mut named = None;
    for slot in &whole.slots {
        let length = slot.numbers().count();
        if length > 0 {
            if Some(&slot.name[..]) == name {
                named = Some(from);
            }
            busy.push((from, length, 0));
        }
        from += length;
    }
    dice.shuffle(&mut busy);
    if let Some(place) = busy.iter().position(|(from, _, _)| Some(*from) == named) {
        busy.swap(0, place);
    }
    busy.truncate(1 + dice.below(count.min(busy.len()).max(1) as u64) as usize);
    for place in 0..count {
        let slot = if place < busy.len() { place } else { dice.below(busy.len() as u64) as usize };
        if let Some((_, length, taken)) = busy.get_mut(slot) {
            *taken = (*taken + 1).min(*length);
        }
    }
    let mut kept = Vec::new();
    for (from, length, taken) in busy {
        let skipped = dice.below((length - taken + 1) as u64) as usize;
        kept.extend(from + skipped..from + skipped + taken);
    }
    kept.sort_unstable();
    kept
}

/// None, one or all of so many, in this order of frequency.
pub(super) fn some(count: usize, dice: &mut Dice) -> Vec<usize> {
    match dice.below(5) {
        3 | 4 if count > 0 => vec![dice.below(count as u64) as usize],
        2 => (0..count).collect(),
        _ => Vec::new(),
    }
}

/// No pauses, those that there are, or each of them longer or shorter.
fn other_pauses(plan: &mut Plan, dice: &mut Dice) {
    let how = dice.below(3);
    let mut other = |span: &mut Span| match (how, dice.below(4)) {
        (0, _) | (2, 0) => *span = Span(0),
        (2, 1) => span.0 /= 4,
        (2, 2) => span.0 *= 2,
        _ => {}
    };
    for slot in &mut plan.slots {
        other(&mut slot.start_after);
        slot.pauses_mut().for_each(&mut other);
    }
}

/// Somebody comes late: a duty that sets to work at once finds nothing to do yet.
fn a_late_start(plan: &mut Plan, culprit: Option<&str>, dice: &mut Dice) {
    let lasts = some_time(plan.world.typical_request.0, dice);
    if let Some((slot, _)) = moment(plan, culprit, dice) {
        plan.slots[slot].start_after = lasts;
    }
}

/// Whoever writes does nothing else: what has to fill up first takes fewer operations so.
fn only_writes(whole: &Plan, plan: &mut Plan, dice: &mut Dice) {
    let all = whole.slots.iter().flat_map(|slot| &slot.operations);
    let writes: Vec<&Does> =
        all.map(|operation| &operation.does).filter(|does| !does.kind.is_read_only()).collect();
    let is_writer = |name: &str| {
        let mut slots = whole.slots.iter().filter(|slot| slot.name == name);
        slots.any(|slot| slot.operations.iter().any(|it| !it.does.kind.is_read_only()))
    };
    for slot in plan.slots.iter_mut().filter(|slot| is_writer(&slot.name)) {
        for operation in slot.operations.iter_mut().filter(|it| it.does.kind.is_read_only()) {
            if let Some(does) = dice.one(&writes) {
                operation.does = (*does).clone();
                // Only reads are from a snapshot that is held.
                operation.freshness = Freshness::Strong;
            }
        }
    }
}

/// Another order of the kind that is drawn, or of another one.
pub(super) fn another_order(plan: &mut Plan, dice: &mut Dice) {
    let Some(schedule) = &mut plan.world.schedule else { return };
    match dice.below(4) {
        0 => schedule.window.0 /= 4,
        1 => schedule.window.0 = schedule.window.0.saturating_mul(4),
        _ => {}
    }
    if let OrderEntry::Surw { interest } = &mut schedule.order {
        *interest = match dice.below(4) {
            0 => InterestEntry::Objects,
            1 => InterestEntry::Writes,
            _ => InterestEntry::Object(1 + dice.below(OBJECTS) as u32),
        };
    } else if dice.below(2) == 0 {
        let orders = [OrderEntry::Walk, OrderEntry::Pos, OrderEntry::Pct { depth: DEPTH }];
        schedule.order = orders[dice.below(orders.len() as u64) as usize];
    }
}

/// Fewer keys; patience and upkeep for all or for none.
fn other_operations(plan: &mut Plan, dice: &mut Dice) {
    let (keys, upkeep, is_patient) = (1 + dice.below(3) as u16, dice.below(3), dice.below(2) == 0);
    if keys < 3 {
        rename(plan, |key| KeyId(key.0 % keys));
    }
    for operation in plan.slots.iter_mut().flat_map(|slot| &mut slot.operations) {
        if is_patient {
            operation.patience = None;
        }
        operation.upkeep = match upkeep {
            0 => UpkeepEntry::None,
            1 if !operation.does.kind.is_read_only() => UpkeepEntry::Done,
            _ => operation.upkeep,
        };
    }
}
