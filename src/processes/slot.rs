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

use super::{client, duty};
use crate::swarm::WorldOptions;
use crate::system::OpenError;
use crate::workload::Mix;
use crate::world::{Opened, World, slot_name};

/// What the processes of a slot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Operations of clients.
    Clients,
    /// A duty of the system, by its number.
    Duty(usize),
}

/// How many rounds a duty is expected to do; the true number follows from how long clients take.
const ROUNDS_OF_A_DUTY: u32 = 12;

/// Requests of an operation, or of a round of a duty, on average.
const REQUESTS_OF_A_ROUND: u32 = 3;

/// State of one slot.
pub(crate) struct Slot {
    pub(crate) name: ProcessName,
    pub(crate) work: Work,
    pub(crate) mix: Mix,
    operations: u32,
    begun: Cell<u32>,
    /// The processes that fill the slot now, with their sessions while they have one.
    pub(crate) processes: RefCell<Vec<(ProcessId, Option<Opened>)>>,
    /// How long the next restart waits.
    pub(crate) restart_after: Cell<Duration>,
    /// Twins that were started and not yet waited for.
    pub(crate) twins: RefCell<Vec<JoinHandle<()>>>,
}

impl Slot {
    pub(crate) fn new(index: u16, options: &WorldOptions, duties: &[&'static str]) -> Self {
        let mix = match index < options.writers {
            true => options.mix.clone(),
            false => options.mix.read_only(),
        };
        Slot {
            name: slot_name(usize::from(index), options, duties),
            work: match index.checked_sub(options.client_slots()) {
                None => Work::Clients,
                Some(place) => Work::Duty(options.duties[usize::from(place)]),
            },
            mix,
            operations: options.operations,
            begun: Cell::new(0),
            processes: RefCell::default(),
            restart_after: Cell::new(Duration::ZERO),
            twins: RefCell::default(),
        }
    }

    /// The number of the next operation of this slot, if any is left.
    pub(crate) fn begin_operation(&self) -> Option<u32> {
        let number = self.begun.get();
        (number < self.operations).then(|| {
            self.begun.set(number + 1);
            number
        })
    }

    /// The number of the next round of a duty.
    pub(super) fn begin_round(&self) -> u32 {
        let number = self.begun.get();
        self.begun.set(number + 1);
        number
    }

    /// About how many requests this slot still has to make.
    fn requests_ahead(&self) -> u32 {
        let rounds = match self.work {
            Work::Clients => self.operations.saturating_sub(self.begun.get()),
            Work::Duty(_) => ROUNDS_OF_A_DUTY,
        };
        rounds.saturating_mul(REQUESTS_OF_A_ROUND)
    }

    /// Whether all operations of its clients are begun.
    pub(crate) fn is_done(&self) -> bool {
        self.begun.get() >= self.operations
    }

    fn set_session(&self, process: ProcessId, opened: Option<Opened>) {
        let mut processes = self.processes.borrow_mut();
        if let Some(entry) = processes.iter_mut().find(|(id, _)| *id == process) {
            entry.1 = opened;
        }
    }
}

/// Keeps slot `index` filled until its operations are done.
pub(crate) async fn supervise(world: Rc<World>, index: usize) {
    let slot = &world.slots[index];
    if index > 0 {
        // In thousandths of the whole.
        let delay = sim::draw(ProcessId(index as u16), Site::PROCESS_FAULT).below(0, 1000);
        sim::sleep(world.options.start_within * delay / 1000).await;
    }
    keep_alive(Rc::clone(&world), index, slot.name).await;
    // A twin may have started another one meanwhile.
    loop {
        let Some(twin) = slot.twins.borrow_mut().pop() else {
            return;
        };
        // It runs in process 0, which nothing crashes.
        let _ = twin.await;
    }
}

/// One process of a slot, through all its crashes.
pub(crate) async fn keep_alive(world: Rc<World>, index: usize, name: ProcessName) {
    let slot = &world.slots[index];
    let process = sim::add_process(name);
    sim::expect_events(process, slot.requests_ahead());
    slot.processes.borrow_mut().push((process, None));
    loop {
        let life = sim::spawn_on(process, live(Rc::clone(&world), index, process));
        match life.await {
            Ok(()) => return,
            Err(Crashed) => {
                slot.set_session(process, None);
                sim::sleep(slot.restart_after.take()).await;
                sim::restart(process);
                let is_done = match slot.work {
                    Work::Clients => slot.is_done(),
                    Work::Duty(_) => world.clients_are_done(),
                };
                if is_done {
                    return;
                }
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
