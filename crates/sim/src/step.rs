//! Named protocol steps: where a fault can be aimed.
//!
//! A protocol says by name what it is about to do (`commit.put_head`). In production such a name
//! is a `tracing` event that nobody listens to; here [`StepSubscriber`] listens and turns it into
//! a step of the current process. A step is counted (so that a summary says which were reached),
//! put into the trace, and compared with the aims of the world: "stall writer-2 at
//! `commit.put_head`, second time, for 80 ms".

use std::time::Duration;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, LevelFilter, Metadata, Subscriber};

use crate::engine::{self, Engine};
use crate::process::ProcessId;
use crate::trace::Kind;

/// What happens to a process that reaches an aimed step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It stops running for so long, before the step's request leaves it.
    Stall(Duration),
    /// It crashes, before the step's request leaves it.
    Crash,
}

/// Where an aim points.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AimAt {
    /// The step of this name.
    Step(String),
    /// A step of this operation: `commit` stands for `commit.put_head` and all its like.
    Operation(String),
    /// Whatever step the process reaches.
    AnyStep,
}

impl AimAt {
    fn meets(&self, step: &str) -> bool {
        match self {
            AimAt::Step(name) => name == step,
            AimAt::Operation(name) => operation_of(step) == name,
            AimAt::AnyStep => true,
        }
    }
}

/// The part of a step's name before its first dot.
#[must_use]
pub fn operation_of(step: &str) -> &str {
    step.split_once('.').map_or(step, |(operation, _)| operation)
}

/// Whom an aim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// This process.
    Process(ProcessId),
    /// Whichever process comes by, but not the world itself.
    Whoever,
}

impl Victim {
    fn is(self, process: ProcessId) -> bool {
        match self {
            Victim::Process(victim) => victim == process,
            Victim::Whoever => process != ProcessId::WORLD,
        }
    }
}

/// A fault aimed at one process, one step and one occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Whom it strikes.
    pub victim: Victim,
    /// Where it strikes.
    pub at: AimAt,
    /// How many such steps are passed unharmed before.
    pub after: u32,
    /// What happens then.
    pub strike: Strike,
}

/// Adds an aim to the running world.
pub fn aim(aim: Aim) {
    engine::with(|engine| engine.aims.push(aim));
}

/// The current process reaches a step. Systems that do not use `tracing` may call this themselves.
pub fn step(name: &'static str) {
    engine::with(|engine| {
        if !engine.running {
            return;
        }
        let (hash, before) = engine.labels.count(name);
        let process = engine.current;
        engine.emit(process, Kind::Step, (0, hash, u64::from(before)), || name.to_owned());
        if !engine.aims.is_empty() {
            strike(engine, process, name);
        }
    });
}

fn strike(engine: &mut Engine, process: ProcessId, name: &str) {
    let mut due = None;
    engine.aims.retain_mut(|aim| {
        if !aim.victim.is(process) || !aim.at.meets(name) {
            return true;
        }
        if aim.after > 0 || due.is_some() {
            aim.after = aim.after.saturating_sub(1);
            return true;
        }
        due = Some(aim.strike);
        false
    });
    match due {
        None => {}
        Some(Strike::Stall(duration)) => {
            let for_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            count_fault(engine, process, "fault.stall_at_step", name);
            engine.stall(process, for_ns);
        }
        Some(Strike::Crash) => {
            count_fault(engine, process, "fault.crash_at_step", name);
            engine.processes[usize::from(process.0)].crash_pending = true;
        }
    }
}

fn count_fault(engine: &mut Engine, process: ProcessId, fault: &'static str, step: &str) {
    let (hash, _) = engine.labels.count(fault);
    engine.emit(process, Kind::Fault, (0, u64::from(process.0), hash), || {
        format!("{fault} at {step}")
    });
}

/// Turns the `tracing` events and spans of chosen targets into steps, and everything else that is
/// logged on this thread into trace events while details are kept.
#[derive(Debug)]
pub struct StepSubscriber {
    targets: &'static [&'static str],
}

impl StepSubscriber {
    /// Listens to events whose target is one of `targets` or a module below one of them.
    #[must_use]
    pub fn new(targets: &'static [&'static str]) -> Self {
        StepSubscriber { targets }
    }

    /// Events without fields and all spans of the chosen targets are steps.
    fn is_step(&self, metadata: &Metadata<'_>) -> bool {
        let chosen = self.targets.iter().any(|target| {
            metadata
                .target()
                .strip_prefix(target)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        chosen && (metadata.is_span() || metadata.fields().is_empty())
    }
}

impl Subscriber for StepSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_step(metadata) {
            Interest::always()
        } else if metadata.is_event() {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.is_step(metadata)
            || engine::with(|engine| engine.running && engine.trace.keeps_details())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        step(span.metadata().name());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if self.is_step(metadata) {
            step(metadata.name());
            return;
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        engine::with(|engine| {
            if engine.running && engine.trace.keeps_details() {
                let process = engine.current;
                let now_ns = engine.now_ns;
                engine.trace.note(now_ns, process, line.0);
            }
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The fields of a log event as one line.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, "{name}={value:?}"),
        };
    }
}
