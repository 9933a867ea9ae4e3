//! From a plan to its world, and the run of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim::trace::Keep;
use sim::{Draw, ProcessId, ProcessName, Schedule};
use sim_storage::fault::{Fate, FaultRates, RequestKey, Script, Ways};
use sim_storage::profile::Profile;
use sim_storage::{Severity, WriteLimit};

use super::check::NEWCOMER;
use super::{BlowKind, Failure, Place, Plan, SlotEntry, UpkeepEntry, WriteLimitEntry};
use crate::swarm::{Judging, PlannedBlow, WorldOptions};
use crate::system::{SystemUnderTest, Tuning};
use crate::workload::{Mix, OpKind};
use crate::world::{
    Agenda, Arena, Blueprint, How, Patience, Recorded, Recording, Round, SlotPlan, Task, TwinPlan,
    Upkeep, Work, WorldReport, run_world,
};

/// Why a plan does not fit a system (any more).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It is for another system.
    #[error("the plan is for the system '{wanted}', this is '{found}'")]
    System {
        /// The system of the plan.
        wanted: String,
        /// The one at hand.
        found: String,
    },
    /// There is no such bug.
    #[error("{system} has no bug called '{bug}'")]
    Bug {
        /// The system.
        system: String,
        /// The bug.
        bug: String,
    },
    /// There is no such store.
    #[error("world.store: no store is called '{0}'")]
    Store(String),
    /// There is no such role.
    #[error(
        "slots[{index}].name: '{name}' is no writer, reader or duty of the system with a number"
    )]
    Role {
        /// Which slot.
        index: usize,
        /// Its name.
        name: String,
    },
    /// The slot has what its role does not do.
    #[error("slots[{index}]: {name} cannot do this: {what}")]
    Work {
        /// Which slot.
        index: usize,
        /// Its name.
        name: String,
        /// What it cannot do.
        what: &'static str,
    },
    /// A second process has a name of its own.
    #[error("blows[{index}].blow.twin.name: '{name}' is no twin with a number, such as twin-1")]
    Twin {
        /// Which blow.
        index: usize,
        /// The name.
        name: String,
    },
    /// There is no such step.
    #[error("blows[{index}].blow.at: the system has no step '{step}'")]
    Step {
        /// Which blow.
        index: usize,
        /// The step.
        step: String,
    },
    /// It plans faults, and none of them took effect.
    #[error("nothing that it plans took effect: {planned} faults, 0 struck")]
    NothingStruck {
        /// How many it plans.
        planned: usize,
    },
}

/// A plan that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it went.
    pub report: WorldReport,
    /// Its failure; `None` if it passed.
    pub failure: Option<Failure>,
    /// How many of its faults struck: those of requests that were made, and blows whose moment came.
    pub struck: usize,
}

/// A run with what a plan would have to say of it.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) report: WorldReport,
    pub(crate) recording: Option<Recording>,
}

/// Runs a plan on a system, which must be the plan's; whether with its bug is for the caller.
///
/// # Errors
/// If the plan does not fit the system.
pub fn replay(
    arena: &Arena,
    plan: &Plan,
    system: &Arc<dyn SystemUnderTest>,
    keep: Keep,
) -> Result<Ran, Misfit> {
    let operations = (plan.operations() as u32).max(1000);
    let patience = Patience::Usual { operations };
    let trial = run(arena, plan, system, keep, Recorded::Kept, patience)?;
    let moments = trial.recording.iter().flat_map(|it| it.struck.iter().zip(&plan.blows));
    // An aim strikes if somebody comes to its step.
    let direct = moments.filter(|(moment, blow)| moment.is_some() && !blow.blow.is_aimed()).count();
    let aims = plan.blows.iter().filter(|blow| blow.blow.is_aimed()).count();
    let strikes = trial.report.counts.iter().filter(|(name, _)| name.ends_with("_at_step"));
    let strikes: usize = strikes.map(|(_, count)| *count as usize).sum();
    let blows = direct + strikes.min(aims);
    let requests = trial.recording.iter().flat_map(|it| &it.requests);
    let faults = requests.filter(|made| made.fate.fault.is_some()).count();
    let failure = Failure::of(&trial.report.verdict);
    Ok(Ran { report: trial.report, failure, struck: blows + faults })
}

/// Runs a plan.
pub(crate) fn run(
    arena: &Arena,
    plan: &Plan,
    system: &Arc<dyn SystemUnderTest>,
    keep: Keep,
    recorded: Recorded,
    patience: Patience,
) -> Result<Trial, Misfit> {
    let blueprint = blueprint(plan, &**system)?;
    let how = How { keep, recorded, judging: Judging::On, patience };
    let (report, recording) = run_world(arena, &plan.seed, system, how, || blueprint);
    Ok(Trial { report, recording })
}

/// What the world of a plan is built from.
pub(super) fn blueprint(plan: &Plan, system: &dyn SystemUnderTest) -> Result<Blueprint, Misfit> {
    if plan.system != system.name() {
        let (wanted, found) = (plan.system.clone(), system.name().to_owned());
        return Err(Misfit::System { wanted, found });
    }
    let world = &plan.world;
    let profile = Profile::by_name(&world.store).map(Arc::new);
    let profile = profile.ok_or_else(|| Misfit::Store(world.store.clone()))?;
    let duties = system.duties();
    let slots = plan.slots.iter().enumerate();
    let slots: Vec<SlotPlan> =
        slots.map(|(index, slot)| slot_plan(index, slot, duties)).collect::<Result<_, _>>()?;
    let (blows, twins) = blows(plan, system)?;
    let count = |wanted: Work| slots.iter().filter(|slot| slot.work == wanted).count() as u16;
    let of_duty = |slot: &SlotPlan| match slot.work {
        Work::Duty(duty) => Some(duty),
        Work::Writing | Work::Reading => None,
    };
    let longest = plan.slots.iter().map(|slot| slot.operations.len() as u32).max();
    let ahead = world.schedule.map(|schedule| schedule.operations_ahead);
    let body_damage = system.guarantees().body_damage;
    let write_limit = match world.write_limit {
        WriteLimitEntry::Kept => WriteLimit::Kept,
        WriteLimitEntry::Ignored => WriteLimit::Ignored,
    };
    let options = WorldOptions {
        seed: plan.seed.clone(),
        profile,
        writers: count(Work::Writing),
        readers: count(Work::Reading),
        duties: slots.iter().filter_map(of_duty).collect(),
        // What would be drawn is written down.
        duty_pause: world.typical_request.into(),
        clients: world.clients,
        operations: ahead.or(longest).unwrap_or(0),
        mix: no_mix(),
        filling: world.filling,
        last_words: world.last_words,
        start_within: std::time::Duration::ZERO,
        think_max: std::time::Duration::ZERO,
        give_up_ppm: 0,
        maintain_ppm: 0,
        rates: FaultRates::none(),
        transport_timeout: world.transport_timeout.into(),
        severity: Severity { body_damage, write_limit },
        late_landing_max: world.late_landing_max.into(),
        blows,
        tuning: Tuning {
            draw: Draw::from_words(world.tuning),
            typical_request: world.typical_request.into(),
        },
        strategy: world.strategy,
        schedule: world.schedule.map_or(Schedule::TIMED, super::ScheduleEntry::to_schedule),
    };
    let script = Some(Arc::new(script(plan)));
    Ok(Blueprint { options, slots, twins, processes: world.processes, script })
}

/// A world that is written down draws no operations.
fn no_mix() -> Mix {
    Mix {
        weights: [0; OpKind::ALL.len()],
        keys: 1,
        hot_percent: 0,
        session_percent: 0,
        held_percent: 0,
        width: 1,
    }
}

fn slot_plan(
    index: usize,
    slot: &SlotEntry,
    duties: &'static [&'static str],
) -> Result<SlotPlan, Misfit> {
    let no_role = || Misfit::Role { index, name: slot.name.clone() };
    let (role, number) = slot.name.rsplit_once('-').ok_or_else(no_role)?;
    let number: u16 = number.parse().map_err(|_| no_role())?;
    let duty = duties.iter().position(|duty| *duty == role);
    let (role, work) = match (role, duty) {
        (_, Some(duty)) => (duties[duty], Work::Duty(duty)),
        ("writer", _) => ("writer", Work::Writing),
        ("reader", _) => ("reader", Work::Reading),
        _ => return Err(no_role()),
    };
    let name = ProcessName { role, number };
    // Two names that are written differently must not be the same: writer-1, writer-01.
    if name.to_string() != slot.name {
        return Err(no_role());
    }
    let cannot = |what| Misfit::Work { index, name: slot.name.clone(), what };
    let agenda = match work {
        Work::Duty(_) if !slot.operations.is_empty() => return Err(cannot("operations")),
        Work::Duty(_) => Agenda::Rounds(
            slot.rounds
                .iter()
                .map(|round| Round { number: round.number, pause: round.pause.into() })
                .collect(),
        ),
        _ if !slot.rounds.is_empty() => return Err(cannot("rounds of a duty")),
        Work::Writing | Work::Reading => Agenda::Tasks(slot.operations.iter().map(task).collect()),
    };
    let process = ProcessId(slot.process);
    Ok(SlotPlan { name, process, work, start_after: slot.start_after.into(), agenda })
}

fn task(entry: &super::OperationEntry) -> Task {
    Task {
        number: entry.number,
        think: entry.think.into(),
        operation: entry.does.operation(entry.freshness, entry.variant),
        patience: entry.patience.map(Into::into),
        upkeep: match entry.upkeep {
            UpkeepEntry::None => Upkeep::None,
            UpkeepEntry::Done => Upkeep::Done,
        },
    }
}

fn blows(
    plan: &Plan,
    system: &dyn SystemUnderTest,
) -> Result<(Vec<PlannedBlow>, Vec<TwinPlan>), Misfit> {
    let (mut blows, mut twins) = (Vec::new(), Vec::new());
    let marks = if plan.blows.is_empty() { Vec::new() } else { system.marks() };
    for (index, entry) in plan.blows.iter().enumerate() {
        // Checked with the plan: the slot is there.
        let slot = plan.slots.iter().position(|slot| slot.name == entry.slot).unwrap_or(0) as u16;
        if let BlowKind::StallAtStep { at, .. } | BlowKind::CrashAtStep { at, .. } = &entry.blow {
            let step = match at {
                Place::Step(name) => marks.iter().all(|mark| mark.name != name).then_some(name),
                Place::Operation(name) => {
                    marks.iter().all(|mark| sim::operation_of(mark.name) != name).then_some(name)
                }
                Place::AnyStep => None,
            };
            if let Some(step) = step {
                return Err(Misfit::Step { index, step: step.clone() });
            }
        }
        if let BlowKind::Twin { name, process } = &entry.blow {
            let number = name.strip_prefix("twin-").and_then(|number| number.parse().ok());
            let found = number.map(|number| ProcessName { role: "twin", number });
            let found = found.filter(|found| found.to_string() == *name);
            let name = found.ok_or_else(|| Misfit::Twin { index, name: name.clone() })?;
            twins.push(TwinPlan { blow: index, name, process: ProcessId(*process) });
        }
        let (operation, delay) = (entry.operation, entry.delay.into());
        blows.push(PlannedBlow { slot, operation, delay, blow: entry.blow.to_blow() });
    }
    Ok((blows, twins))
}

fn script(plan: &Plan) -> Script {
    let usual = Ways { there_ns: plan.world.usual.there.0, back_ns: plan.world.usual.back.0 };
    let mut processes: BTreeMap<&str, u16> =
        plan.slots.iter().map(|slot| (slot.name.as_str(), slot.process)).collect();
    for entry in &plan.blows {
        if let BlowKind::Twin { name, process } = &entry.blow {
            processes.insert(name, *process);
        }
    }
    processes.insert(NEWCOMER, plan.world.processes + 1);
    let mut script = Script { usual, ..Script::default() };
    for request in &plan.requests {
        let Some(&process) = processes.get(request.process.as_str()) else { continue };
        let key =
            RequestKey { process: ProcessId(process), moment: request.at.0, nth: request.nth };
        let ways = (request.there.is_some() || request.back.is_some()).then(|| Ways {
            there_ns: request.there.unwrap_or(plan.world.usual.there).0,
            back_ns: request.back.unwrap_or(plan.world.usual.back).0,
        });
        let fate = Fate { ways, fault: request.fault, luck_ppm: request.luck_ppm };
        script.fates.insert(key, fate);
    }
    script
}
