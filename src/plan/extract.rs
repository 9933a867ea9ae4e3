//! From a run to its plan: everything that was drawn, as it was drawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim::Seed;
use sim::trace::Keep;
use sim_storage::WriteLimit;
use sim_storage::fault::{FaultKind, FaultRates, Made};

use super::{
    BlowEntry, BlowKind, Expect, FORMAT, Failure, MomentEntry, OperationEntry, Plan, RequestEntry,
    RoundEntry, ScheduleEntry, SlotEntry, Span, UpkeepEntry, WaysEntry, WorldEntry,
    WriteLimitEntry,
};
use crate::swarm::{Blow, SwarmOptions};
use crate::system::SystemUnderTest;
use crate::world::{Arena, Recording, Task, Upkeep, WorldReport, record_seed};

/// Where a plan comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) plan: Plan,
    /// How often which faults struck requests in its world.
    pub(crate) rates: FaultRates,
}

/// Runs `seed` and returns the plan of its world, and what the plan does not say of it, with the
/// report of the run. `bug` is the name of the bug that is planted in `system`.
///
/// `None` for the origin if the world panicked before it was built.
#[must_use]
pub(crate) fn origin_of_seed(
    arena: &Arena,
    seed: &Seed,
    system: &Arc<dyn SystemUnderTest>,
    bug: Option<&str>,
    swarm: &SwarmOptions,
    keep: Keep,
) -> (WorldReport, Option<Origin>) {
    let (report, recording) = record_seed(arena, seed, system, swarm, keep);
    let origin = recording.map(|recording| {
        let failure = Failure::of(&report.verdict);
        let note = format!("seed {seed} of vopr {}", env!("CARGO_PKG_VERSION"));
        let plan = Plan {
            format: FORMAT,
            vopr: env!("CARGO_PKG_VERSION").to_owned(),
            system: system.name().to_owned(),
            bug: bug.map(str::to_owned),
            seed: seed.clone(),
            expect: Expect { failure, note },
            world: world_entry(&recording),
            slots: slots(&recording),
            blows: blows(&recording),
            requests: requests(&recording),
        };
        Origin { plan, rates: recording.blueprint.options.rates }
    });
    (report, origin)
}

fn world_entry(recording: &Recording) -> WorldEntry {
    let options = &recording.blueprint.options;
    let half = Span::from(options.tuning.typical_request / 2);
    let kept = options.severity.write_limit == WriteLimit::Kept
        && options.rates.is_on(FaultKind::RateLimited);
    WorldEntry {
        store: options.profile.name.to_owned(),
        typical_request: options.tuning.typical_request.into(),
        tuning: std::array::from_fn(|index| options.tuning.draw.word(index)),
        usual: WaysEntry { there: half, back: half },
        transport_timeout: options.transport_timeout.into(),
        late_landing_max: options.late_landing_max.into(),
        write_limit: if kept { WriteLimitEntry::Kept } else { WriteLimitEntry::Ignored },
        clients: options.clients,
        filling: options.filling,
        last_words: options.last_words,
        strategy: options.strategy,
        schedule: ScheduleEntry::of(&options.schedule, options.operations),
        processes: recording.blueprint.processes,
    }
}

fn slots(recording: &Recording) -> Vec<SlotEntry> {
    let begun = recording.tasks.iter().zip(&recording.rounds);
    let slots = recording.blueprint.slots.iter().zip(begun);
    slots
        .map(|(slot, (tasks, rounds))| SlotEntry {
            name: slot.name.to_string(),
            process: slot.process.0,
            start_after: slot.start_after.into(),
            operations: tasks.iter().map(operation).collect(),
            rounds: rounds
                .iter()
                .map(|round| RoundEntry { number: round.number, pause: round.pause.into() })
                .collect(),
        })
        .collect()
}

fn operation(task: &Task) -> OperationEntry {
    OperationEntry {
        number: task.number,
        does: (&task.operation).into(),
        freshness: task.operation.freshness,
        think: task.think.into(),
        patience: task.patience.map(Span::from),
        upkeep: match task.upkeep {
            Upkeep::None => UpkeepEntry::None,
            Upkeep::Done => UpkeepEntry::Done,
        },
        variant: task.operation.variant,
    }
}

/// The blows that could strike: those whose operation was begun.
fn blows(recording: &Recording) -> Vec<BlowEntry> {
    let blueprint = &recording.blueprint;
    let entry = |(place, planned): (usize, &crate::swarm::PlannedBlow)| {
        let slot = usize::from(planned.slot);
        let begun = |number: u32| {
            recording.tasks[slot].iter().any(|task| task.number == number)
                || recording.rounds[slot].iter().any(|round| round.number == number)
        };
        let twin = blueprint.twins.iter().find(|twin| twin.blow == place);
        let twin = twin.map(|twin| (twin.name.to_string(), twin.process.0));
        Some(BlowEntry {
            slot: blueprint.slots[slot].name.to_string(),
            operation: planned.operation,
            delay: planned.delay.into(),
            blow: BlowKind::of(&planned.blow, twin)?,
        })
        .filter(|_| begun(planned.operation))
    };
    blueprint.options.blows.iter().enumerate().filter_map(entry).collect()
}

fn requests(recording: &Recording) -> Vec<RequestEntry> {
    let blows = &recording.blueprint.options.blows;
    let outages = blows.iter().any(|planned| matches!(planned.blow, Blow::Outage { .. }));
    let of_slots = recording.blueprint.processes;
    let entry = |made: &Made| RequestEntry {
        process: name_of(recording, made.key.process.0),
        at: MomentEntry(made.key.moment),
        nth: made.key.nth,
        fault: made.fate.fault,
        there: made.fate.ways.map(|ways| Span(ways.there_ns)),
        back: made.fate.ways.map(|ways| Span(ways.back_ns)),
        luck_ppm: if outages { made.fate.luck_ppm } else { 0 },
    };
    debug_assert!(recording.names.len() <= usize::from(of_slots) + 2);
    recording.requests.iter().map(entry).collect()
}

pub(super) fn name_of(recording: &Recording, process: u16) -> String {
    recording.names.get(usize::from(process)).map(ToString::to_string).unwrap_or_default()
}

/// The plan without what did not happen in its run: operations that were never begun, blows whose
/// moment never came, requests that were never made. The run stays what it is.
pub(crate) fn pruned(plan: &Plan, recording: &Recording) -> Plan {
    let mut plan = plan.clone();
    for (index, slot) in plan.slots.iter_mut().enumerate() {
        let (tasks, rounds) = (&recording.tasks[index], &recording.rounds[index]);
        slot.operations.truncate(tasks.len());
        slot.rounds.truncate(rounds.len());
    }
    let slots = &plan.slots;
    let mut struck = recording.struck.iter();
    plan.blows.retain(|blow| {
        let planned = slots.iter().any(|slot| {
            slot.name == blow.slot
                && (slot.operations.iter().any(|it| it.number == blow.operation)
                    || slot.rounds.iter().any(|it| it.number == blow.operation))
        });
        struck.next().is_some_and(Option::is_some) && planned
    });
    let made: BTreeMap<_, _> = recording
        .requests
        .iter()
        .map(|made| {
            let process = name_of(recording, made.key.process.0);
            ((process, MomentEntry(made.key.moment), made.key.nth), made.fate.fault)
        })
        .collect();
    plan.requests.retain_mut(|request| {
        let key = (request.process.clone(), request.at, request.nth);
        let Some(fault) = made.get(&key) else { return false };
        // A fault that means nothing for its request was not decided.
        request.fault = *fault;
        request.fault.is_some()
            || request.there.is_some()
            || request.back.is_some()
            || request.luck_ppm > 0
    });
    plan
}

/// The plan with the ways of all requests as they were drawn in a run of it.
pub(crate) fn written_ways(plan: &Plan, recording: &Recording) -> Plan {
    let mut plan = plan.clone();
    plan.requests.clear();
    for made in &recording.requests {
        plan.requests.push(RequestEntry {
            process: name_of(recording, made.key.process.0),
            at: MomentEntry(made.key.moment),
            nth: made.key.nth,
            fault: made.fate.fault,
            there: made.fate.ways.map(|ways| Span(ways.there_ns)),
            back: made.fate.ways.map(|ways| Span(ways.back_ns)),
            luck_ppm: made.fate.luck_ppm,
        });
    }
    plan
}
