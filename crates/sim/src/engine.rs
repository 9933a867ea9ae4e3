//! The engine: one single-threaded executor in virtual time for each thread.
//!
//! The engine of a thread lives in a thread-local, so that the handles which systems under test
//! hold (a store client, a clock) are plain numbers and therefore `Send` and `Sync`, as async
//! libraries demand, without a lock and without `unsafe`. One rule keeps that sound: **the engine
//! is never borrowed while foreign code runs**. Polling a future, dropping one, waking a waker and
//! calling a device all happen between two borrows; see [`crate::run`] for the loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use crate::choice::{Site, Source};
use crate::label::Labels;
use crate::process::{Admission, Process, ProcessId, ProcessName};
use crate::queue::Queue;
use crate::schedule::{Footprint, Scheduler, What};
use crate::step::Aim;
use crate::task::{LocalFuture, TaskSlot, TaskWaker};
use crate::timer::TimerSlot;
use crate::trace::{Kind, Trace};

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new(Engine::new());
}

/// Borrows the engine of this thread for a moment.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&mut Engine) -> R) -> R {
    ENGINE.with(|engine| f(&mut engine.borrow_mut()))
}

/// Wakes a task, if this thread's engine still has it. A waker may be used at any time, even while
/// the thread is being torn down.
pub(crate) fn wake(slot: u32, generation: u64) {
    let _ = ENGINE.try_with(|engine| engine.borrow_mut().wake(slot, generation));
}

/// Something outside the processes that acts at a given virtual time, such as a store.
pub trait Device {
    /// The event that was scheduled with `token` is due. The engine's clock shows its time, and
    /// the current process is [`ProcessId::WORLD`].
    fn on_event(&self, token: u32);
}

/// A device as this world numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(pub(crate) u8);

/// What an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Timer { slot: u32, generation: u32 },
    Device { device: DeviceId, token: u32 },
    Resume(ProcessId),
}

/// What the loop does next, outside any borrow of the engine.
pub(crate) enum Action {
    Poll {
        slot: u32,
        future: LocalFuture,
        waker: Waker,
    },
    Device {
        device: Rc<dyn Device>,
        token: u32,
    },
    Wake(Waker),
    /// Nothing to do outside: go on.
    Nothing,
    Halted,
    Deadlock,
    TimeLimit,
    StepLimit,
}

pub(crate) struct Engine {
    pub(crate) running: bool,
    pub(crate) halted: bool,
    pub(crate) now_ns: u64,
    pub(crate) time_limit_ns: u64,
    pub(crate) steps: u64,
    pub(crate) step_limit: u64,
    pub(crate) current: ProcessId,
    /// The task that is being polled, by its number from 1; 0 while none is.
    current_task: u64,
    sequence: u64,
    /// Events of devices and ends of stalls.
    events: Queue<Target>,
    /// Timers. Most are cancelled long before they are due (time-outs), so they have a queue of
    /// their own, which is swept when half of it is dead.
    timer_events: Queue<Target>,
    cancelled_timers: usize,
    /// Everything that is pending, while the order is not by time.
    pub(crate) scheduler: Scheduler,
    pub(crate) tasks: Vec<TaskSlot>,
    free_tasks: Vec<u32>,
    generation: u64,
    /// Tasks of earlier worlds.
    tasks_before: u64,
    pub(crate) ready: Vec<u32>,
    pub(crate) timers: Vec<TimerSlot>,
    pub(crate) free_timers: Vec<u32>,
    pub(crate) processes: Vec<Process>,
    devices: Vec<Rc<dyn Device>>,
    pub(crate) source: Source,
    pub(crate) trace: Trace,
    pub(crate) labels: Labels,
    pub(crate) aims: Vec<Aim>,
}

impl Engine {
    fn new() -> Self {
        Engine {
            running: false,
            halted: false,
            now_ns: 0,
            time_limit_ns: 0,
            steps: 0,
            step_limit: 0,
            current: ProcessId::WORLD,
            current_task: 0,
            sequence: 0,
            events: Queue::new(),
            timer_events: Queue::new(),
            cancelled_timers: 0,
            scheduler: Scheduler::new(),
            tasks: Vec::new(),
            free_tasks: Vec::new(),
            generation: 0,
            tasks_before: 0,
            ready: Vec::new(),
            timers: Vec::new(),
            free_timers: Vec::new(),
            processes: Vec::new(),
            devices: Vec::new(),
            source: Source::new(0),
            trace: Trace::default(),
            labels: Labels::new(),
            aims: Vec::new(),
        }
    }

    /// Makes the engine that of a new world; keeps the memory of the last one. All tasks must have
    /// been taken out before.
    pub(crate) fn begin_world(&mut self, config: &crate::run::Config) {
        self.running = true;
        self.halted = false;
        self.now_ns = 0;
        self.time_limit_ns =
            u64::try_from(config.limits.virtual_time.as_nanos()).unwrap_or(u64::MAX);
        self.steps = 0;
        self.step_limit = config.limits.steps;
        (self.current, self.current_task) = (ProcessId::WORLD, 0);
        self.tasks_before = self.generation;
        self.sequence = 0;
        self.events.clear();
        self.timer_events.clear();
        self.cancelled_timers = 0;
        self.scheduler.reset();
        self.ready.clear();
        self.timers.clear();
        self.free_timers.clear();
        self.processes.clear();
        self.processes.push(Process::new(ProcessName { role: "world", number: 0 }));
        self.aims.clear();
        self.source.reset(&config.seed);
        self.trace.reset(config.keep);
        self.labels.reset_counts();
    }

    /// Takes out everything whose destructor may run foreign code; the caller drops it after the
    /// borrow has ended.
    pub(crate) fn end_world(&mut self) -> (Vec<TaskSlot>, Vec<Rc<dyn Device>>, Vec<TimerSlot>) {
        self.running = false;
        self.free_tasks.clear();
        self.ready.clear();
        self.events.clear();
        self.timer_events.clear();
        self.cancelled_timers = 0;
        self.scheduler.reset();
        self.free_timers.clear();
        (
            std::mem::take(&mut self.tasks),
            std::mem::take(&mut self.devices),
            std::mem::take(&mut self.timers),
        )
    }

    pub(crate) fn add_device(&mut self, device: Rc<dyn Device>) -> DeviceId {
        self.devices.push(device);
        DeviceId(u8::try_from(self.devices.len() - 1).expect("a world has fewer than 256 devices"))
    }

    /// Has something happen at `at_ns`, or now if that is past. What it touches is asked only where
    /// the order depends on it.
    #[inline]
    pub(crate) fn schedule(
        &mut self,
        at_ns: u64,
        target: Target,
        footprint: impl FnOnce() -> Footprint,
    ) {
        if !self.scheduler.is_timed() {
            return self.schedule_in_pool(at_ns.max(self.now_ns), target, footprint());
        }
        self.sequence += 1;
        let queue = match target {
            Target::Timer { .. } => &mut self.timer_events,
            _ => &mut self.events,
        };
        queue.push(at_ns.max(self.now_ns), self.sequence, target);
    }

    /// A timer was cancelled before it fired.
    pub(crate) fn timer_cancelled(&mut self, slot: u32, generation: u32) {
        if !self.scheduler.is_timed() {
            return self.scheduler.forget_one(What::Event(Target::Timer { slot, generation }));
        }
        self.cancelled_timers += 1;
        if self.cancelled_timers * 2 > self.timer_events.len() + 32 {
            let timers = &self.timers;
            self.timer_events.retain(|target| match target {
                Target::Timer { slot, generation } => {
                    timers[*slot as usize].generation == *generation
                }
                _ => true,
            });
            self.cancelled_timers = 0;
        }
    }

    /// Takes the earliest event of both queues.
    pub(crate) fn pop_event(&mut self) -> Option<(u64, Target)> {
        match (self.events.peek(), self.timer_events.peek()) {
            (Some(event), Some(timer)) if timer < event => self.timer_events.pop(),
            (None, Some(_)) => self.timer_events.pop(),
            _ => self.events.pop(),
        }
    }

    /// Puts a task into a slot and makes it ready.
    pub(crate) fn add_task(&mut self, process: ProcessId, future: LocalFuture) -> u32 {
        self.generation += 1;
        let generation = self.generation;
        let slot = self.free_tasks.pop().unwrap_or_else(|| {
            self.tasks.push(TaskSlot {
                future: None,
                process,
                generation,
                waker: None,
                queued: false,
                occupied: false,
            });
            (self.tasks.len() - 1) as u32
        });
        self.tasks[slot as usize] = TaskSlot {
            future: Some(future),
            process,
            generation,
            waker: Some(Waker::from(Arc::new(TaskWaker { slot, generation }))),
            queued: true,
            occupied: true,
        };
        self.ready.push(slot);
        slot
    }

    fn wake(&mut self, slot: u32, generation: u64) {
        if let Some(task) = self.tasks.get_mut(slot as usize)
            && task.occupied
            && task.generation == generation
            && !task.queued
        {
            task.queued = true;
            self.ready.push(slot);
        }
    }

    /// The next thing to do: a ready task if there is one, else the earliest event; or whatever the
    /// rule of the schedule says.
    pub(crate) fn next(&mut self) -> Action {
        if self.halted {
            return Action::Halted;
        }
        self.mix_in_ready_tasks();
        while !self.ready.is_empty() {
            let slot = self.take_ready();
            if let Some(action) = self.poll_task(slot) {
                return action;
            }
        }
        (self.current, self.current_task) = (ProcessId::WORLD, 0);
        if !self.scheduler.is_timed() {
            return self.next_pending();
        }
        match self.pop_event() {
            None => Action::Deadlock,
            Some((at_ns, _)) if at_ns > self.time_limit_ns => Action::TimeLimit,
            Some((at_ns, target)) => {
                self.now_ns = at_ns;
                self.dispatch(target)
            }
        }
    }

    /// Has a ready task polled; `None` if it has to wait for the end of a stall.
    #[inline]
    pub(crate) fn poll_task(&mut self, slot: u32) -> Option<Action> {
        let task = &mut self.tasks[slot as usize];
        let process = &mut self.processes[usize::from(task.process.0)];
        if process.stalled_until_ns > self.now_ns {
            process.parked.push(slot);
            return None;
        }
        task.queued = false;
        // The waker is lent to the poll and comes back with the future: no reference counting.
        let (future, waker) = (task.future.take()?, task.waker.take()?);
        self.current = task.process;
        self.current_task = task.generation - self.tasks_before;
        self.steps += 1;
        if self.steps > self.step_limit {
            (task.future, task.waker) = (Some(future), Some(waker));
            return Some(Action::StepLimit);
        }
        Some(Action::Poll { slot, future, waker })
    }

    /// Which of several ready tasks runs next is a decision of the world.
    fn take_ready(&mut self) -> u32 {
        let waiting = self.ready.len() as u32;
        let index = match waiting {
            1 => 0,
            _ => self.source.pick(ProcessId::WORLD, Site::ORDER, waiting, self.trace.count()),
        };
        self.ready.swap_remove(index as usize)
    }

    pub(crate) fn dispatch(&mut self, target: Target) -> Action {
        match target {
            Target::Timer { slot, generation } => {
                let timer = &mut self.timers[slot as usize];
                if timer.generation != generation {
                    self.cancelled_timers = self.cancelled_timers.saturating_sub(1);
                    return Action::Nothing;
                }
                timer.fired = true;
                timer.waker.take().map_or(Action::Nothing, Action::Wake)
            }
            Target::Device { device, token } => {
                Action::Device { device: Rc::clone(&self.devices[usize::from(device.0)]), token }
            }
            Target::Resume(id) => {
                let process = &mut self.processes[usize::from(id.0)];
                if process.alive && process.stalled_until_ns <= self.now_ns {
                    self.ready.append(&mut process.parked);
                    self.emit(id, Kind::Resume, (0, 0, 0), String::new);
                }
                Action::Nothing
            }
        }
    }

    /// Puts a polled task back, or frees its slot if it is done. A finished future comes back to
    /// the caller, who drops it outside the borrow.
    pub(crate) fn after_poll(
        &mut self,
        slot: u32,
        future: Option<LocalFuture>,
        waker: Waker,
    ) -> (Option<LocalFuture>, Option<Waker>) {
        let task = &mut self.tasks[slot as usize];
        if !task.occupied {
            // The process crashed during this very poll.
            return (future, Some(waker));
        }
        match future {
            Some(future) => {
                (task.future, task.waker) = (Some(future), Some(waker));
                (None, None)
            }
            None => {
                self.free_task(slot);
                (None, Some(waker))
            }
        }
    }

    fn free_task(&mut self, slot: u32) {
        let task = &mut self.tasks[slot as usize];
        task.occupied = false;
        task.waker = None;
        if !task.queued {
            self.free_tasks.push(slot);
        } else {
            // It stands in the ready queue still: `next` finds it empty. The slot may be reused
            // only after that, so the queue entry is removed here.
            task.queued = false;
            self.ready.retain(|&ready| ready != slot);
            self.scheduler
                .forget(|what| matches!(what, What::Task { slot: of, .. } if *of == slot));
            let parked = &mut self.processes[usize::from(task.process.0)].parked;
            parked.retain(|&parked| parked != slot);
            self.free_tasks.push(slot);
        }
    }

    /// Takes all tasks of a process away. The caller drops the futures outside the borrow.
    pub(crate) fn crash(&mut self, id: ProcessId) -> Vec<LocalFuture> {
        let process = &mut self.processes[usize::from(id.0)];
        if !process.alive {
            return Vec::new();
        }
        process.alive = false;
        process.crash_pending = false;
        process.stalled_until_ns = 0;
        self.emit(id, Kind::Crash, (0, 0, 0), String::new);
        let mut futures = Vec::new();
        for slot in 0..self.tasks.len() as u32 {
            let task = &mut self.tasks[slot as usize];
            if task.occupied && task.process == id {
                futures.extend(task.future.take());
                self.free_task(slot);
            }
        }
        futures
    }

    pub(crate) fn stall(&mut self, id: ProcessId, for_ns: u64) {
        let until_ns = self.now_ns.saturating_add(for_ns);
        let process = &mut self.processes[usize::from(id.0)];
        if until_ns > process.stalled_until_ns {
            process.stalled_until_ns = until_ns;
            self.emit(id, Kind::Stall, (0, for_ns, 0), String::new);
            self.schedule(until_ns, Target::Resume(id), || Footprint::local(id));
        }
    }

    pub(crate) fn admission(&self, id: ProcessId) -> Admission {
        let process = &self.processes[usize::from(id.0)];
        if process.crash_pending || !process.alive {
            Admission::Never
        } else if process.stalled_until_ns > self.now_ns {
            Admission::StalledUntil(process.stalled_until_ns)
        } else {
            Admission::Now
        }
    }

    #[inline]
    pub(crate) fn emit(
        &mut self,
        process: ProcessId,
        kind: Kind,
        numbers: (u32, u64, u64),
        detail: impl FnOnce() -> String,
    ) -> u64 {
        self.trace.push(self.now_ns, (process, self.current_task), kind, numbers, detail)
    }
}
