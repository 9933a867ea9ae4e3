//! The engine in an order that is not by time.

use super::{Chooser, Schedule, What};
use crate::engine::{Action, Engine, Target};
use crate::schedule::Footprint;

impl Engine {
    /// Chooses by another rule from now on. What is pending stays pending.
    pub(crate) fn set_schedule(&mut self, schedule: Schedule) {
        let was_timed = self.scheduler.is_timed();
        self.scheduler.set(schedule);
        match (was_timed, self.scheduler.is_timed()) {
            (true, false) => self.events_to_pool(),
            (false, true) => self.pool_to_events(),
            _ => {}
        }
    }

    /// The footprints of events that were scheduled by time are not known any more; they count as
    /// the world's own.
    fn events_to_pool(&mut self) {
        while let Some((at_ns, target)) = self.pop_event() {
            self.schedule_in_pool(at_ns, target, Footprint::local(crate::ProcessId::WORLD));
        }
    }

    /// What is overdue happens now, in the order of its time.
    fn pool_to_events(&mut self) {
        let mut pool = std::mem::take(&mut self.scheduler.pool);
        pool.sort_by_key(|pending| pending.at_ns);
        for pending in pool.drain(..) {
            match pending.what {
                What::Task { slot, generation } => {
                    if self.tasks[slot as usize].generation == generation {
                        self.ready.push(slot);
                    }
                }
                What::Event(target) => self.schedule(pending.at_ns, target, || pending.footprint),
            }
        }
        self.scheduler.pool = pool;
    }

    pub(crate) fn schedule_in_pool(&mut self, at_ns: u64, target: Target, footprint: Footprint) {
        let mut chooser = Chooser { source: &mut self.source, event: self.trace.count() };
        self.scheduler.add(at_ns, What::Event(target), footprint, &mut chooser);
    }

    /// Tasks that have become ready take their place among the events.
    pub(crate) fn mix_in_ready_tasks(&mut self) {
        if !self.scheduler.mixes_tasks() {
            return;
        }
        let mut chooser = Chooser { source: &mut self.source, event: self.trace.count() };
        for slot in self.ready.drain(..) {
            let task = &self.tasks[slot as usize];
            let what = What::Task { slot, generation: task.generation };
            let footprint = Footprint::local(task.process);
            self.scheduler.add(self.now_ns, what, footprint, &mut chooser);
        }
    }

    /// The next thing to do, chosen by the rule of the schedule.
    pub(crate) fn next_pending(&mut self) -> Action {
        loop {
            if self.scheduler.steps_left == 0 {
                self.set_schedule(Schedule::TIMED);
                return Action::Nothing;
            }
            let mut chooser = Chooser { source: &mut self.source, event: self.trace.count() };
            let Some(pending) = self.scheduler.take(&mut chooser) else {
                return Action::Deadlock;
            };
            let at_ns = pending.at_ns.max(self.now_ns);
            if at_ns > self.time_limit_ns {
                return Action::TimeLimit;
            }
            self.now_ns = at_ns;
            match pending.what {
                What::Event(target) => return self.dispatch(target),
                What::Task { slot, .. } => {
                    if let Some(action) = self.poll_task(slot) {
                        return action;
                    }
                }
            }
        }
    }
}
