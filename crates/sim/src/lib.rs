//! A deterministic simulation engine: ordinary async Rust in virtual time, one seed for everything.
//!
//! The engine knows no storage and no protocol. It runs futures on one thread, gives them a clock
//! that jumps from event to event, lets processes stall, crash and restart, takes every decision
//! from one keyed source, and folds everything that happens into one hash.
//!
//! # The contract
//! * **Same seed, same run.** Nothing here reads a wall clock, an operating-system random source,
//!   a thread or a hash-ordered map. Two runs of one seed have the same [`fingerprint`].
//! * **Decisions are independent.** A decision is addressed by process, site and count
//!   ([`ChoiceKey`]); taking one away does not shift the others.
//! * **An error for what a caller can meet, a panic for a broken structural rule.** How a world
//!   ends is an [`Outcome`]; using the engine wrongly (two worlds at once on one thread) panics.
//!
//! # The rooms
//! | module | what is in it |
//! |---|---|
//! | `choice` | the keyed source of decisions |
//! | `process` | processes and their clocks |
//! | `engine`, `task`, `timer`, `queue` | the executor |
//! | `run` | the loop, limits and outcomes |
//! | `schedule` | orders of events other than by time |
//! | `step` | named steps, aimed faults, the `tracing` subscriber |
//! | `label` | names counted in every world |
//! | [`trace`] | events, fingerprint, export |
//! | [`history`], `check` | what clients did, and whether that can be explained |

mod api;
mod choice;
mod engine;
mod label;
mod process;
mod queue;
mod run;
mod schedule;
mod seed;
mod step;
mod task;
mod timer;

pub mod check;
pub mod history;
pub mod trace;

pub use api::*;
pub use choice::{ChoiceKey, DRAW_WORDS, Draw, Fresh, Site, Source, scale};
pub use engine::{Device, DeviceId};
pub use process::{Admission, Clock, ProcessId, ProcessName};
pub use run::{Config, Limits, Outcome, run};
pub use schedule::{Access, EVERY_OBJECT, Footprint, Interest, Order, Schedule, Tasks};
pub use seed::{Seed, SeedError, TURNS_MAX};
pub use step::{Aim, AimAt, StepSubscriber, Strike, Victim, aim, operation_of, step};
pub use task::{Crashed, JoinHandle};
pub use timer::{Sleep, sleep};
