//! Plans without some of their parts.
//!
//! What hangs on a part that goes is hung elsewhere if it can be: a blow that followed an operation
//! follows the one before it, a blow that concerns nobody in particular follows somebody else's.

use crate::plan::{BlowEntry, BlowKind, Plan, SlotEntry, Whom};

/// The plan with only these slots.
pub(crate) fn keep_slots(plan: &Plan, kept: &[usize]) -> Plan {
    let mut candidate = plan.clone();
    candidate.slots = kept.iter().map(|&index| plan.slots[index].clone()).collect();
    rehang(&mut candidate, plan);
    candidate
}

/// The plan with only these blows.
pub(crate) fn keep_blows(plan: &Plan, kept: &[usize]) -> Plan {
    let mut candidate = plan.clone();
    candidate.blows = kept.iter().map(|&index| plan.blows[index].clone()).collect();
    drop_strangers(&mut candidate);
    candidate
}

/// How many requests of the plan have a fault.
pub(super) fn faults(plan: &Plan) -> usize {
    plan.requests.iter().filter(|request| request.fault.is_some()).count()
}

/// The plan with only these faults of requests, counted among those that have one.
pub(crate) fn keep_faults(plan: &Plan, kept: &[usize]) -> Plan {
    let mut candidate = plan.clone();
    let mut kept = kept.iter().copied().peekable();
    let faulty = candidate.requests.iter_mut().filter(|request| request.fault.is_some());
    for (place, request) in faulty.enumerate() {
        if kept.next_if_eq(&place).is_none() {
            request.fault = None;
        }
    }
    drop_ordinary(&mut candidate);
    candidate
}

/// The plan with only these operations and rounds, counted slot by slot.
pub(crate) fn keep_operations(plan: &Plan, kept: &[usize]) -> Plan {
    let mut candidate = plan.clone();
    let mut kept = kept.iter().copied().peekable();
    let mut place = 0;
    let mut is_kept = || {
        place += 1;
        kept.next_if_eq(&(place - 1)).is_some()
    };
    for slot in &mut candidate.slots {
        slot.operations.retain(|_| is_kept());
        slot.rounds.retain(|_| is_kept());
    }
    rehang(&mut candidate, plan);
    candidate
}

/// Entries of requests that say nothing any more.
pub(super) fn drop_ordinary(plan: &mut Plan) {
    plan.requests.retain(|request| {
        request.fault.is_some()
            || request.there.is_some()
            || request.back.is_some()
            || request.luck_ppm > 0
    });
}

/// Hangs every blow on an operation that is still there, or drops it.
fn rehang(candidate: &mut Plan, whole: &Plan) {
    let slots = &candidate.slots;
    let blows = std::mem::take(&mut candidate.blows);
    candidate.blows = blows.into_iter().filter_map(|blow| rehung(blow, slots)).collect();
    debug_assert!(candidate.blows.len() <= whole.blows.len());
    drop_strangers(candidate);
}

fn rehung(blow: BlowEntry, slots: &[SlotEntry]) -> Option<BlowEntry> {
    let home = slots.iter().find(|slot| slot.name == blow.slot);
    let found = home.and_then(|slot| Some((slot, nearest(slot, blow.operation)?)));
    let (slot, operation) = match found {
        Some(found) => found,
        None if concerns_nobody(&blow.blow) => {
            slots.iter().find_map(|slot| Some((slot, nearest(slot, 0)?)))?
        }
        None => return None,
    };
    Some(BlowEntry { slot: slot.name.clone(), operation, ..blow })
}

/// Of the operations that a slot has, the last one up to `number`, or the first one after it.
fn nearest(slot: &SlotEntry, number: u32) -> Option<u32> {
    let numbers: Vec<u32> = slot.numbers().collect();
    let before = numbers.iter().rev().find(|&&other| other <= number);
    before.or_else(|| numbers.first()).copied()
}

fn concerns_nobody(blow: &BlowKind) -> bool {
    match blow {
        BlowKind::Outage { .. } => true,
        BlowKind::StallAtStep { whom, .. } | BlowKind::CrashAtStep { whom, .. } => {
            *whom == Whom::Whoever
        }
        _ => false,
    }
}

/// Drops the requests of processes that do not exist.
fn drop_strangers(plan: &mut Plan) {
    let Plan { slots, blows, requests, .. } = plan;
    let is_twin = |name: &str| {
        let twin = |entry: &BlowEntry| matches!(&entry.blow, BlowKind::Twin { name: twin, .. } if twin == name);
        blows.iter().any(twin)
    };
    requests.retain(|request| {
        let name = request.process.as_str();
        name == "newcomer" || slots.iter().any(|slot| slot.name == name) || is_twin(name)
    });
}
