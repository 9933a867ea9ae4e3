//! What a world is built from: drawn from a seed, or written down in a script.
//!
//! Both kinds of worlds are the same to everything that runs in them. A drawn world decides what
//! its clients do when they do it; a scripted one has it in lists. Who asks for a recording gets
//! the script of a drawn world, and a world that is built from that script is the same world, event
//! by event.
//!
//! Processes are numbered when the world is built, slots first, then the twins that may be started,
//! so that no number depends on who starts first. A script keeps the numbers of the world that it
//! comes from; numbers that nobody has any more are given to nobody.

use std::sync::Arc;
use std::time::Duration;

use sim::{ProcessId, ProcessName, Site};
use sim_storage::fault::{FaultKind, Made, Script};

use crate::meter::DamagedBodies;
use crate::swarm::{Blow, WorldOptions};
use crate::workload::{Mix, Operation};

/// What the processes of a slot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Operations of clients that write and read.
    Writing,
    /// Operations of clients that only read.
    Reading,
    /// A duty of the system, by its number.
    Duty(usize),
}

/// Whether a client does upkeep after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// No.
    None,
    /// Yes, once.
    Done,
}

/// One operation of a slot, with what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its number in the slot.
    pub(crate) number: u32,
    /// How long the client pauses before it.
    pub(crate) think: Duration,
    /// The operation; it gets its id when it is invoked.
    pub(crate) operation: Operation,
    /// How long the client waits for it; `None`: as long as it takes.
    pub(crate) patience: Option<Duration>,
    /// What the client does after it.
    pub(crate) upkeep: Upkeep,
}

/// One round of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// Its number in the slot.
    pub(crate) number: u32,
    /// How long the process pauses after it.
    pub(crate) pause: Duration,
}

/// What a slot has to do.
#[derive(Clone, Debug)]
pub(crate) enum Agenda {
    /// So many operations (or any number of rounds), drawn when they begin.
    Drawn { mix: Mix },
    /// These operations.
    Tasks(Vec<Task>),
    /// These rounds.
    Rounds(Vec<Round>),
}

/// A slot before the world begins.
#[derive(Clone, Debug)]
pub(crate) struct SlotPlan {
    pub(crate) name: ProcessName,
    pub(crate) process: ProcessId,
    pub(crate) work: Work,
    pub(crate) start_after: Duration,
    pub(crate) agenda: Agenda,
}

/// A process that a blow may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TwinPlan {
    /// The blow, by its place among the blows.
    pub(crate) blow: usize,
    pub(crate) name: ProcessName,
    pub(crate) process: ProcessId,
}

/// Everything that a world is built from.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) options: WorldOptions,
    pub(crate) slots: Vec<SlotPlan>,
    pub(crate) twins: Vec<TwinPlan>,
    /// The highest number of a process before the quiet phase.
    pub(crate) processes: u16,
    /// The fates of requests; `None`: they are drawn.
    pub(crate) script: Option<Arc<Script>>,
}

impl Blueprint {
    /// The world that `options` describe, drawn at the beginning of its own run.
    pub(crate) fn drawn(options: WorldOptions, duties: &[&'static str]) -> Blueprint {
        let slots: Vec<SlotPlan> =
            (0..options.slots()).map(|index| drawn_slot(index, &options, duties)).collect();
        let mut processes = options.slots();
        let mut twins = Vec::new();
        for (blow, planned) in options.blows.iter().enumerate() {
            if planned.blow == Blow::Twin {
                processes += 1;
                let number = twins.len() as u16 + 1;
                let name = ProcessName { role: "twin", number };
                twins.push(TwinPlan { blow, name, process: ProcessId(processes) });
            }
        }
        Blueprint { options, slots, twins, processes, script: None }
    }

    /// Adds the processes of all slots and twins to the running world.
    pub(crate) fn add_processes(&self) {
        let slots = self.slots.iter().map(|slot| (slot.process, slot.name));
        let twins = self.twins.iter().map(|twin| (twin.process, twin.name));
        let mut named: Vec<_> = slots.chain(twins).collect();
        named.sort_unstable();
        let mut named = named.into_iter().peekable();
        for number in 1..=self.processes {
            let name = named
                .next_if(|(process, _)| process.0 == number)
                .map_or(ProcessName { role: "nobody", number: 0 }, |(_, name)| name);
            sim::add_process(name);
        }
    }

    /// Whether a reader may meet a damaged body in this world.
    pub(crate) fn damaged_bodies(&self) -> DamagedBodies {
        let damaging = [FaultKind::ShortBody, FaultKind::BrokenBody, FaultKind::BitFlip];
        // A script that is followed to its end has none but its own.
        let drawn = damaging.iter().any(|kind| self.options.rates.rate(*kind) > 0);
        let fates = self.script.iter().flat_map(|script| script.fates.values());
        let mut written = fates.filter_map(|fate| fate.fault);
        let possible = drawn || written.any(|fault| damaging.contains(&fault.kind()));
        if possible { DamagedBodies::Possible } else { DamagedBodies::Never }
    }
}

fn drawn_slot(index: u16, options: &WorldOptions, duties: &[&'static str]) -> SlotPlan {
    let writing = index < options.writers;
    let work = match index.checked_sub(options.client_slots()) {
        Some(place) => Work::Duty(options.duties[usize::from(place)]),
        None if writing => Work::Writing,
        None => Work::Reading,
    };
    // The first one starts at once. In thousandths of the whole.
    let delay = match index {
        0 => 0,
        _ => sim::draw(ProcessId(index), Site::PROCESS_FAULT).below(0, 1000),
    };
    SlotPlan {
        name: slot_name(usize::from(index), options, duties),
        process: ProcessId(index + 1),
        work,
        start_after: options.start_within * delay / 1000,
        agenda: Agenda::Drawn {
            mix: if writing { options.mix.clone() } else { options.mix.read_only() },
        },
    }
}

/// The name of a slot's process.
fn slot_name(index: usize, options: &WorldOptions, duties: &[&'static str]) -> ProcessName {
    let writers = usize::from(options.writers);
    if index < writers {
        return ProcessName { role: "writer", number: index as u16 + 1 };
    }
    let Some(place) = index.checked_sub(usize::from(options.client_slots())) else {
        return ProcessName { role: "reader", number: (index - writers) as u16 + 1 };
    };
    let duty = options.duties[place];
    let earlier = options.duties[..place].iter().filter(|other| **other == duty).count();
    ProcessName { role: duties[duty], number: earlier as u16 + 1 }
}

/// What a world did, as far as a script has to say it.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// What it was built from.
    pub(crate) blueprint: Blueprint,
    /// By slot: the operations that were begun.
    pub(crate) tasks: Vec<Vec<Task>>,
    /// By slot: the rounds that were begun.
    pub(crate) rounds: Vec<Vec<Round>>,
    /// By place among the blows: after how many events its moment came; `None`: it did not.
    pub(crate) struck: Vec<Option<u64>>,
    /// The requests, in the order in which they were made.
    pub(crate) requests: Vec<Made>,
    /// The names of all processes, by number.
    pub(crate) names: Vec<ProcessName>,
}
