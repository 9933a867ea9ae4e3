//! A slot and its supervisor.
//!
//! A slot is a role to be filled: "writer 2". Its supervisor keeps a process in it: starts it,
//! starts it again after a crash, and, when the world says so, starts a second process in the same
//! slot while the first one lives on: a twin, which is what a take-over by mistake looks like.
//! The operations of a slot are shared by all processes that ever fill it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sim::{Crashed, JoinHandle, ProcessId, ProcessName, Site};
use sim_storage::fault::Moment;

use super::{client, duty};
use crate::swarm::WorldOptions;
use crate::system::OpenError;
use crate::workload::{Mix, OpId, generate};
use crate::world::{Agenda, Opened, Recorded, Round, SlotPlan, Task, Upkeep, Work, World};

/// How many rounds a duty is expected to do; the true number follows from how long clients take.
const ROUNDS_OF_A_DUTY: u32 = 12;

/// Requests of an operation, or of a round of a duty, on average.
const REQUESTS_OF_A_ROUND: u32 = 3;

/// State of one slot.
pub(crate) struct Slot {
    pub(crate) name: ProcessName,
    pub(crate) process: ProcessId,
    pub(crate) work: Work,
    start_after: Duration,
    agenda: Agenda,
    /// How many operations it has ahead at the beginning.
    operations: u32,
    begun: Cell<u32>,
    /// What was begun, if that is recorded.
    pub(crate) recorded: Option<RefCell<(Vec<Task>, Vec<Round>)>>,
    /// The processes that fill the slot now, with their sessions while they have one.
    pub(crate) processes: RefCell<Vec<(ProcessId, Option<Opened>)>>,
    /// How long the next restart waits.
    pub(crate) restart_after: Cell<Duration>,
    /// Twins that were started and not yet waited for.
    pub(crate) twins: RefCell<Vec<JoinHandle<()>>>,
}

impl Slot {
    pub(crate) fn new(plan: SlotPlan, operations: u32, recording: Recorded) -> Self {
        Slot {
            name: plan.name,
            process: plan.process,
            work: plan.work,
            start_after: plan.start_after,
            agenda: plan.agenda,
            operations,
            begun: Cell::new(0),
            recorded: (recording == Recorded::Kept).then(RefCell::default),
            processes: RefCell::default(),
            restart_after: Cell::new(Duration::ZERO),
            twins: RefCell::default(),
        }
    }

    /// The next operation of this slot, if any is left.
    pub(super) fn begin_operation(
        &self,
        options: &WorldOptions,
        process: ProcessId,
    ) -> Option<Task> {
        let number = self.begun.get();
        let task = match &self.agenda {
            Agenda::Drawn { mix } => {
                (number < self.operations).then(|| drawn_task(number, mix, options, process))
            }
            Agenda::Tasks(tasks) => tasks.get(number as usize).cloned(),
            Agenda::Rounds(_) => None,
        }?;
        self.begun.set(number + 1);
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().0.push(task.clone());
        }
        Some(task)
    }

    /// The next round of a duty, if there is one.
    pub(super) fn begin_round(&self, world: &World, process: ProcessId) -> Option<Round> {
        let number = self.begun.get();
        let round = match &self.agenda {
            Agenda::Drawn { .. } if world.clients_are_done() => None,
            Agenda::Drawn { .. } => {
                // In thousandths of the whole.
                let pause = sim::draw(process, Site::THINK).below(0, 1000);
                Some(Round { number, pause: world.options.duty_pause * pause / 1000 })
            }
            Agenda::Rounds(rounds) => rounds.get(number as usize).copied(),
            Agenda::Tasks(_) => None,
        }?;
        self.begun.set(number + 1);
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().1.push(round);
        }
        Some(round)
    }

    /// About how many requests this slot still has to make.
    fn requests_ahead(&self) -> u32 {
        let rounds = match self.work {
            Work::Writing | Work::Reading => self.operations.saturating_sub(self.begun.get()),
            Work::Duty(_) => ROUNDS_OF_A_DUTY,
        };
        rounds.saturating_mul(REQUESTS_OF_A_ROUND)
    }

    /// Whether all operations of its clients are begun; duties have none.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.work, Work::Duty(_)) || self.begun.get() >= self.operations
    }

    fn set_session(&self, process: ProcessId, opened: Option<Opened>) {
        let mut processes = self.processes.borrow_mut();
        if let Some(entry) = processes.iter_mut().find(|(id, _)| *id == process) {
            entry.1 = opened;
        }
    }
}

/// Operation `number` of a slot, drawn by the process that begins it.
fn drawn_task(number: u32, mix: &Mix, options: &WorldOptions, process: ProcessId) -> Task {
    let habits = sim::draw(process, Site::THINK);
    let think_us = (options.think_max.as_millis() as u32).saturating_mul(1000);
    let operation = generate(mix, OpId(0), &sim::draw(process, Site::OPERATION));
    let gives_up = habits.chance_ppm(1, options.give_up_ppm);
    let request = options.tuning.typical_request;
    let maintains = !operation.writes.is_empty() && habits.chance_ppm(3, options.maintain_ppm);
    Task {
        number,
        think: Duration::from_micros(u64::from(habits.below(0, think_us))),
        operation,
        patience: gives_up.then(|| request * habits.between(2, 5, 400) / 100),
        upkeep: if maintains { Upkeep::Done } else { Upkeep::None },
    }
}

/// Keeps slot `index` filled until its operations are done.
pub(crate) async fn supervise(world: Rc<World>, index: usize) {
    let slot = &world.slots[index];
    if !slot.start_after.is_zero() {
        sim::sleep(slot.start_after).await;
    }
    keep_alive(Rc::clone(&world), index, slot.process).await;
    // A twin may have started another one meanwhile.
    loop {
        let Some(twin) = slot.twins.borrow_mut().pop() else {
            return;
        };
        // It runs in process 0, which nothing crashes.
        let _ = twin.await;
    }
}

/// One process of a slot, through all its crashes. A process that crashed when nothing was left to
/// do starts again all the same: somebody would find it down, and start it.
pub(crate) async fn keep_alive(world: Rc<World>, index: usize, process: ProcessId) {
    let slot = &world.slots[index];
    sim::expect_events(process, slot.requests_ahead());
    slot.processes.borrow_mut().push((process, None));
    for life in 0.. {
        world.store.reach(process, Moment::Opening(life));
        let life = sim::spawn_on(process, live(Rc::clone(&world), index, process));
        match life.await {
            Ok(()) => return,
            Err(Crashed) => {
                slot.set_session(process, None);
                sim::sleep(slot.restart_after.take()).await;
                sim::restart(process);
            }
        }
    }
}

/// From start to end (or crash) of a process: open the system, then run the clients.
async fn live(world: Rc<World>, index: usize, process: ProcessId) {
    let slot = &world.slots[index];
    let opened = loop {
        match world.open(process).await {
            Ok(opened) => break opened,
            Err(OpenError::Unavailable(_)) => {
                sim::sleep(world.options.tuning.typical_request * 4).await
            }
            Err(OpenError::Broken(what)) => {
                return world
                    .stuck(process, format!("{} cannot open the system: {what}", slot.name));
            }
        }
    };
    slot.set_session(process, Some(opened.clone()));
    if let Work::Duty(duty) = slot.work {
        return duty::run(Rc::clone(&world), index, process, opened, duty).await;
    }
    let clients: Vec<_> = (1..world.options.clients)
        .map(|_| sim::spawn(client::run(Rc::clone(&world), index, process, opened.clone())))
        .collect();
    client::run(Rc::clone(&world), index, process, opened).await;
    for client in clients {
        // If the process crashes, this future is dropped with the clients.
        let _ = client.await;
    }
}
