//! The quiet phase: no faults, and everybody must have the last word.
//!
//! Every process reads everything, every writer writes once more, and a newcomer opens the system
//! and reads it whole. All of this must succeed, in bounded virtual time, and must show the model.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sim::{ProcessId, ProcessName};
use sim_storage::fault::Moment;

use super::client::{perform, within};
use crate::checkers::{Ending, Failure};
use crate::swarm::LastWords;
use crate::workload::{Freshness, KeyId, KeyRange, OpId, OpKind, Operation, ReadTarget, Write};
use crate::world::{Opened, Work, World};

/// How long one process may take without faults, in requests.
const PATIENCE_REQUESTS: u32 = 2_000;

/// How many of these may be spikes, which no store is ever without.
const PATIENCE_SPIKES: u32 = 10;

/// How often one operation may be tried.
const TRIES: u32 = 20;

/// How often somebody waits once more for what is on its way: a system that never stops asking is
/// not waited for.
const LATE_WAITS: u32 = 16;

/// The longest time that a request may take for no reason that its client can see.
fn longest_spike(world: &World) -> Duration {
    Duration::from_micros(world.options.profile.latencies.spikes.max_us.into())
}

/// Lets every process speak once more. Returns when all have, or when a rule is broken.
pub(crate) async fn last_words(world: &Rc<World>) {
    let typical = world.options.tuning.typical_request;
    let patience = typical * PATIENCE_REQUESTS + longest_spike(world) * PATIENCE_SPIKES;
    let mut speakers = Vec::new();
    let asked = match world.options.last_words {
        LastWords::Everybody | LastWords::Reading => &world.slots[..],
        LastWords::Newcomer => &[],
    };
    for slot in asked {
        let writes = slot.work == Work::Writing && world.options.last_words == LastWords::Everybody;
        for (process, opened) in slot.processes.borrow().iter() {
            if sim::is_alive(*process) {
                speakers.push((*process, opened.clone(), writes));
            }
        }
    }
    let newcomer = sim::add_process(ProcessName { role: "newcomer", number: 0 });
    speakers.push((newcomer, None, false));
    for process in 1..=newcomer.0 {
        world.store.reach(ProcessId(process), Moment::Quiet);
    }
    let last = newcomer;
    for (process, opened, writes) in speakers {
        let task = sim::spawn_on(process, speak(Rc::clone(world), process, opened, writes));
        if within(patience, task).await.is_none() {
            let name = sim::process_names()[usize::from(process.0)];
            world.stuck(
                process,
                format!("{name} did not finish within {patience:?} without faults"),
            );
        }
    }
    tidy_up(world, last).await;
}

/// Everybody lets go of what it holds; then one process removes what nobody needs.
async fn tidy_up(world: &Rc<World>, newcomer: ProcessId) {
    if world.system.duties().is_empty() {
        return;
    }
    let mut sessions = Vec::new();
    for slot in &world.slots {
        for (process, opened) in slot.processes.borrow().iter() {
            if let (true, Some(opened)) = (sim::is_alive(*process), opened) {
                sessions.push((*process, opened.clone()));
            }
        }
    }
    for (process, opened) in sessions {
        let task = sim::spawn_on(process, async move { opened.session.let_go().await });
        let _ = task.await;
    }
    all_landed(world).await;
    let task = sim::spawn_on(newcomer, {
        let world = Rc::clone(world);
        async move {
            if let Ok(opened) = world.open(newcomer).await {
                opened.account.tidies();
                opened.session.tidy().await;
            }
        }
    });
    let _ = task.await;
    world.end_audit();
}

/// Waits until what was given up has landed: it is garbage then. A request may be held up by more
/// than one thing (a spike, and others that overtake it), so it is asked for, not reckoned.
async fn all_landed(world: &World) {
    let longest = world.options.late_landing_max + longest_spike(world);
    sim::sleep(longest).await;
    for _ in 0..LATE_WAITS {
        if world.store.in_flight() == 0 {
            return;
        }
        sim::sleep(longest).await;
    }
}

async fn speak(world: Rc<World>, process: ProcessId, opened: Option<Opened>, writes: bool) {
    let opened = match opened {
        Some(opened) => opened,
        None => match world.open(process).await {
            Ok(opened) => opened,
            Err(error) => {
                let name = sim::process_names()[usize::from(process.0)];
                return world.stuck(process, format!("{name} cannot open the system: {error}"));
            }
        },
    };
    if writes && world.system.operations().contains(&OpKind::Put) {
        insist(&world, &opened, process, OpKind::Put).await;
    }
    let read = match world.system.operations().contains(&OpKind::Scan) {
        true => OpKind::Scan,
        false => OpKind::Get,
    };
    insist(&world, &opened, process, read).await;
}

/// Does an operation that must succeed. Without faults a request can still take longer than a
/// tight timer allows, so it may be tried again.
async fn insist(world: &World, opened: &Opened, process: ProcessId, kind: OpKind) {
    let mut ending = Ending::Unknown;
    for _ in 0..TRIES {
        let id = world.judge.lock().next_op();
        let operation = Arc::new(last_operation(id, kind));
        ending = perform(world, opened, operation, None).await;
        // To be full is a limit that a system may state; it is no reason to hang.
        if matches!(ending, Ending::Ok { .. } | Ending::Failed(Failure::TooLarge)) {
            return;
        }
    }
    let name = sim::process_names()[usize::from(process.0)];
    let what =
        format!("{name}'s {} ended as {ending:?} without faults, {TRIES} times", kind.name());
    world.stuck(process, what);
}

fn last_operation(id: OpId, kind: OpKind) -> Operation {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    match kind {
        OpKind::Put => writes.push(Write::Put(KeyId(0))),
        OpKind::Get => reads.push(ReadTarget::Key(KeyId(0))),
        _ => reads.push(ReadTarget::Range(KeyRange::ALL)),
    }
    Operation { id, kind, freshness: Freshness::Strong, reads, writes, variant: 0 }
}
