//! What befalls processes: crashes, stalls, partitions, clocks, twins, and spells of bad weather.

use std::rc::Rc;

use sim::{Aim, ProcessId, Victim};
use sim_storage::Outage;

use super::slot::keep_alive;
use crate::swarm::{Blow, Struck};
use crate::world::World;

/// Process `process` of slot `index` begins operation `number`: the blows planned for that moment
/// get under way.
pub(super) fn strike_at(world: &Rc<World>, index: usize, number: u32, process: ProcessId) {
    for (place, planned) in world.options.blows.iter().enumerate() {
        if usize::from(planned.slot) == index && planned.operation == number {
            let world = Rc::clone(world);
            sim::spawn_on(ProcessId::WORLD, async move {
                let planned = &world.options.blows[place];
                sim::sleep(planned.delay).await;
                if !world.is_quiet() && sim::is_alive(process) {
                    world.note_blow(place);
                    strike(&world, index, place, process);
                }
            });
        }
    }
}

fn strike(world: &Rc<World>, index: usize, place: usize, process: ProcessId) {
    let slot = &world.slots[index];
    match &world.options.blows[place].blow {
        Blow::Crash { restart_after } => {
            slot.restart_after.set(*restart_after);
            sim::fault(process, "fault.crash", 0, 0);
            sim::crash(process);
        }
        Blow::Stall(duration) => {
            sim::fault(process, "fault.stall", 0, 0);
            sim::stall(process, *duration);
        }
        Blow::AtStep { struck, at, after, strike } => {
            let victim = match struck {
                Struck::Slot => Victim::Process(process),
                Struck::Whoever => Victim::Whoever,
            };
            sim::aim(Aim { victim, at: at.clone(), after: *after, strike: *strike });
        }
        Blow::Nothing => {}
        Blow::Twin => {
            sim::fault(process, "fault.twin", 0, 0);
            if let Some(twin) = world.twin_of(place) {
                let life = keep_alive(Rc::clone(world), index, twin);
                slot.twins.borrow_mut().push(sim::spawn_on(ProcessId::WORLD, life));
            }
        }
        Blow::Clock(clock) => {
            sim::fault(process, "fault.clock", 0, 0);
            sim::set_clock(process, *clock);
        }
        Blow::Partition(duration) => {
            let until_ns = sim::now_ns() + duration.as_nanos() as u64;
            world.store.partition(process, until_ns);
        }
        Blow::Outage { kind, share_ppm, duration } => {
            let until_ns = sim::now_ns() + duration.as_nanos() as u64;
            let outage = Outage { kind: *kind, share_ppm: *share_ppm, until_ns };
            world.store.set_outage(Some(outage));
        }
    }
}
