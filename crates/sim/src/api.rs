//! What code inside a world may ask of its engine.
//!
//! All functions act on the world that runs on this thread. They may be called from futures of the
//! world and from devices; those that only read can also be called after the world has ended.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::choice::{Draw, Site, Source};
use crate::engine::{Device, DeviceId, Target, with};
use crate::process::{Admission, Clock, Process, ProcessId, ProcessName};
use crate::schedule::{Footprint, Schedule};
use crate::task::{JoinHandle, joined};
use crate::trace::{Kind, Trace};

/// Virtual time in nanoseconds since the world began.
#[must_use]
pub fn now_ns() -> u64 {
    with(|engine| engine.now_ns)
}

/// The process whose task is being polled; [`ProcessId::WORLD`] inside a device.
#[must_use]
pub fn current_process() -> ProcessId {
    with(|engine| engine.current)
}

/// Number of polls so far.
#[must_use]
pub fn steps() -> u64 {
    with(|engine| engine.steps)
}

/// Ends the world as soon as the running poll or device call returns.
pub fn halt() {
    with(|engine| engine.halted = true);
}

/// Adds a process. It is alive from the start and has no tasks.
pub fn add_process(name: ProcessName) -> ProcessId {
    with(|engine| {
        engine.processes.push(Process::new(name));
        ProcessId((engine.processes.len() - 1) as u16)
    })
}

/// The names of all processes of the world, by number.
#[must_use]
pub fn process_names() -> Vec<ProcessName> {
    with(|engine| engine.processes.iter().map(|process| process.name).collect())
}

/// Runs `future` as a task of `process`.
pub fn spawn_on<T: 'static>(
    process: ProcessId,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    let (task, handle) = joined(future);
    with(|engine| engine.add_task(process, task));
    handle
}

/// Runs `future` as a task of the current process.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    spawn_on(current_process(), future)
}

/// Crashes `process`: its futures are dropped at once, its requests in flight live on. A process
/// that crashes itself goes when the running poll returns.
pub fn crash(process: ProcessId) {
    let futures = with(|engine| {
        if engine.current == process {
            engine.processes[usize::from(process.0)].crash_pending = true;
            Vec::new()
        } else {
            engine.crash(process)
        }
    });
    drop(futures);
}

/// Makes a crashed process alive again; the caller then spawns its tasks.
pub fn restart(process: ProcessId) {
    with(|engine| {
        let state = &mut engine.processes[usize::from(process.0)];
        state.alive = true;
        state.crash_pending = false;
        state.parked.clear();
        state.incarnation += 1;
        let incarnation = u64::from(state.incarnation);
        engine.emit(process, Kind::Restart, (0, incarnation, 0), String::new);
    });
}

/// Whether the process has not crashed, or was restarted since.
#[must_use]
pub fn is_alive(process: ProcessId) -> bool {
    with(|engine| engine.processes[usize::from(process.0)].alive)
}

/// Stops a process for a while. A stall that ends before a running one changes nothing.
pub fn stall(process: ProcessId, duration: Duration) {
    with(|engine| engine.stall(process, u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)));
}

/// Ends everything that is still to befall processes: aims that have not struck are taken away.
/// Returns the virtual time in nanoseconds at which the last running stall ends (now, if none
/// runs).
pub fn end_process_faults() -> u64 {
    with(|engine| {
        engine.aims.clear();
        let stalls = engine.processes.iter().map(|process| process.stalled_until_ns);
        stalls.fold(engine.now_ns, u64::max)
    })
}

/// Whether `process` may act on the outside world just now. Devices ask this before a request
/// leaves its process.
#[must_use]
pub fn admission(process: ProcessId) -> Admission {
    with(|engine| engine.admission(process))
}

/// The clocks of `process`.
#[must_use]
pub fn clock(process: ProcessId) -> Clock {
    with(|engine| engine.processes[usize::from(process.0)].clock)
}

/// Sets the clocks of `process`: the offset of its wall clock, and how fast both go on. What its
/// monotonic clock shows does not jump, and timers that run already keep their time.
pub fn set_clock(process: ProcessId, clock: Clock) {
    with(|engine| {
        let now_ns = engine.now_ns;
        engine.processes[usize::from(process.0)].set_clock(now_ns, clock);
        let numbers = (0, clock.wall_offset_ns as u64, clock.drift_ppm as u64);
        engine.emit(process, Kind::ClockStep, numbers, String::new);
    });
}

/// What the monotonic clock of the current process shows.
#[must_use]
pub fn monotonic() -> Duration {
    with(|engine| {
        let process = &engine.processes[usize::from(engine.current.0)];
        Duration::from_nanos(process.monotonic_ns(engine.now_ns))
    })
}

/// Adds a device; it lives until the world ends.
pub fn add_device(device: Rc<dyn Device>) -> DeviceId {
    with(|engine| engine.add_device(device))
}

/// Has `device` called with `token` at virtual time `at_ns` (now, if that is past).
pub fn schedule(at_ns: u64, device: DeviceId, token: u32) {
    schedule_touching(at_ns, device, token, || Footprint::local(ProcessId::WORLD));
}

/// The same, and says what the event touches, for orders that depend on it. `footprint` must not
/// call the engine.
pub fn schedule_touching(
    at_ns: u64,
    device: DeviceId,
    token: u32,
    footprint: impl FnOnce() -> Footprint,
) {
    with(|engine| engine.schedule(at_ns, Target::Device { device, token }, footprint));
}

/// Chooses what happens next by another rule from now on. A world begins with
/// [`Schedule::TIMED`].
pub fn set_schedule(schedule: Schedule) {
    with(|engine| engine.set_schedule(schedule));
}

/// About so many events of interest `process` has ahead: what [`Order::Surw`](crate::Order::Surw)
/// weighs. A guess will do, since only proportions count.
pub fn expect_events(process: ProcessId, events: u32) {
    with(|engine| engine.scheduler.expect_events(process, events));
}

/// The next decision of `process` at `site`.
#[must_use]
pub fn draw(process: ProcessId, site: Site) -> Draw {
    with(|engine| {
        let event = engine.trace.count();
        engine.source.draw(process, site, event)
    })
}

/// Changes the source of decisions: overrides, recording.
pub fn with_source<R>(f: impl FnOnce(&mut Source) -> R) -> R {
    with(|engine| f(&mut engine.source))
}

/// Puts an event of the current process into the trace and returns its index.
#[inline]
pub fn emit(kind: Kind, object: u32, a: u64, b: u64) -> u64 {
    with(|engine| engine.emit(engine.current, kind, (object, a, b), String::new))
}

/// Puts an event of `process` into the trace, with a detail that is made only if it is kept, and
/// returns its index. `detail` must not call the engine.
#[inline]
pub fn emit_with(
    process: ProcessId,
    kind: Kind,
    object: u32,
    a: u64,
    b: u64,
    detail: impl FnOnce() -> String,
) -> u64 {
    with(|engine| engine.emit(process, kind, (object, a, b), detail))
}

/// Reaches a mark: a point that a campaign should reach at least sometimes.
pub fn mark(name: &'static str) {
    with(|engine| {
        let (hash, before) = engine.labels.count(name);
        let process = engine.current;
        engine.emit(process, Kind::Mark, (0, hash, u64::from(before)), || name.to_owned());
    });
}

/// Counts a fault that took effect on `process` and puts it into the trace. `object` and `request`
/// say on what; the name should begin with `fault.`.
pub fn fault(process: ProcessId, name: &'static str, object: u32, request: u64) -> u64 {
    with(|engine| {
        let (hash, _) = engine.labels.count(name);
        engine.emit(process, Kind::Fault, (object, request, hash), || name.to_owned())
    })
}

/// Counts `name` without an event.
pub fn count(name: &'static str) {
    with(|engine| {
        engine.labels.count(name);
    });
}

/// Calls `f` with every step, mark and fault that this world reached, and how often, in the order
/// in which they were first reached.
pub fn each_count(mut f: impl FnMut(&'static str, u32)) {
    with(|engine| engine.labels.counts().for_each(|(name, count)| f(name, count)));
}

/// The label with this hash, if this thread has met it. For telling steps, marks and faults of a
/// trace by name.
#[must_use]
pub fn label_name(hash: u64) -> Option<&'static str> {
    with(|engine| engine.labels.name_of_hash(hash))
}

/// The hash over all events so far.
#[must_use]
pub fn fingerprint() -> u64 {
    with(|engine| engine.trace.fingerprint())
}

/// Index of the next event, which is also the number of events so far.
#[must_use]
pub fn event_count() -> u64 {
    with(|engine| engine.trace.count())
}

/// Whether details are kept, so that making text is worth the time.
#[must_use]
pub fn keeps_details() -> bool {
    with(|engine| engine.trace.keeps_details())
}

/// Reads the trace.
pub fn with_trace<R>(f: impl FnOnce(&Trace) -> R) -> R {
    with(|engine| f(&engine.trace))
}
