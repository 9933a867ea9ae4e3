//! Running a world: the loop, its limits and its verdict.
//!
//! ```
//! use std::time::Duration;
//!
//! let outcome = sim::run(&sim::Config::new(42), || async {
//!     let writer = sim::add_process(sim::ProcessName { role: "writer", number: 1 });
//!     let task = sim::spawn_on(writer, async {
//!         sim::sleep(Duration::from_secs(3600)).await;
//!         sim::now_ns()
//!     });
//!     task.await
//! });
//! assert_eq!(outcome, sim::Outcome::Done(Ok(3_600_000_000_000)));
//! ```

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::engine::{Action, with};
use crate::process::ProcessId;
use crate::seed::Seed;
use crate::task::LocalFuture;
use crate::trace::{Keep, Kind};

/// What a world may use up before it is stopped. Reaching a limit is a verdict of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Virtual time.
    pub virtual_time: Duration,
    /// Polls of tasks.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { virtual_time: Duration::from_secs(24 * 3600), steps: 10_000_000 }
    }
}

/// How a world is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Decides everything.
    pub seed: Seed,
    /// How much of the trace is kept.
    pub keep: Keep,
    /// When to give up.
    pub limits: Limits,
}

impl Config {
    /// The usual limits, and only the fingerprint kept.
    #[must_use]
    pub fn new(seed: impl Into<Seed>) -> Self {
        Config { seed: seed.into(), keep: Keep::Hash, limits: Limits::default() }
    }
}

/// How a world ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The director's future completed.
    Done(T),
    /// Somebody called [`halt`](crate::halt): a rule was broken, say.
    Halted,
    /// Nothing is ready and no event is due: whatever still waits would wait for ever.
    Deadlock,
    /// The limit of virtual time was reached.
    TimeLimit,
    /// The limit of steps was reached: something spins without letting time pass.
    StepLimit,
    /// Code inside the world panicked.
    Panicked {
        /// The process whose task panicked.
        process: ProcessId,
        /// What the panic said.
        message: String,
    },
}

/// Runs one world on this thread's engine: `director` makes the future of process 0, and the world
/// ends when it completes or a limit is reached. The trace, the counts and the clock of the world
/// can be read until the next world begins.
///
/// # Panics
/// If a world is running on this thread already.
pub fn run<T, F>(config: &Config, director: impl FnOnce() -> F) -> Outcome<T>
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    with(|engine| {
        assert!(!engine.running, "a world is running on this thread already");
        engine.begin_world(config);
    });
    let result = Rc::new(Cell::new(None));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let future = director();
        let slot = Rc::clone(&result);
        let root: LocalFuture = Box::pin(async move { slot.set(Some(future.await)) });
        with(|engine| engine.add_task(ProcessId::WORLD, root));
        until_done(&result)
    }));
    let outcome = outcome.unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        let process = with(|engine| {
            let process = engine.current;
            engine.emit(process, Kind::Panic, (0, 0, 0), || message.clone());
            process
        });
        Outcome::Panicked { process, message }
    });
    let leftovers = with(|engine| engine.end_world());
    // Destructors of a system that has just panicked may panic again; the first panic is the
    // verdict, and the remains of the world are dropped either way.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(leftovers)));
    outcome
}

fn until_done<T>(result: &Cell<Option<T>>) -> Outcome<T> {
    loop {
        match with(|engine| engine.next()) {
            Action::Poll { slot, future, waker } => {
                poll(slot, future, waker);
                if let Some(value) = result.take() {
                    return Outcome::Done(value);
                }
            }
            Action::Device { device, token } => device.on_event(token),
            Action::Wake(waker) => waker.wake(),
            Action::Nothing => {}
            Action::Halted => return Outcome::Halted,
            Action::Deadlock => return Outcome::Deadlock,
            Action::TimeLimit => return Outcome::TimeLimit,
            Action::StepLimit => return Outcome::StepLimit,
        }
    }
}

fn poll(slot: u32, mut future: LocalFuture, waker: Waker) {
    let pending = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending();
    let kept = pending.then_some(future);
    let (finished, crashed) = with(|engine| {
        let finished = engine.after_poll(slot, kept, waker);
        let current = engine.current;
        let struck = engine.processes[usize::from(current.0)].crash_pending;
        (finished, if struck { engine.crash(current) } else { Vec::new() })
    });
    drop(finished);
    drop(crashed);
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        String::from("a panic without a message")
    }
}
