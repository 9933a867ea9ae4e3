//! `vopr`: a deterministic simulation tester for commit protocols on object storage.
//!
//! One seed decides everything: the workload, the schedule, every latency, every fault. A world is
//! built from the seed, run in virtual time over a simulated object store, and judged at every
//! event. What fails once fails again, byte for byte, under the same seed.
//!
//! This package is the composition root: the only place that knows the engine ([`sim`]), the store
//! ([`sim_storage`]) and the protocol ([`manifest_core`]) together. To put a system of your own
//! under test, implement [`system::SystemUnderTest`] and call [`cli::main`]; `examples/numbered_log.rs`
//! does it in under two hundred lines.

pub mod campaign;
pub mod checkers;
pub mod cli;
pub mod diagnosis;
pub mod distinct;
pub mod examine;
mod files;
pub mod formats;
pub mod guided;
pub mod hunt;
mod meter;
pub mod night;
pub mod panics;
pub mod plan;
mod processes;
mod real_time;
pub mod reduce;
pub mod regress;
pub mod report;
pub mod strategy;
pub mod swarm;
pub mod system;
pub mod systems;
mod workers;
pub mod workload;
pub mod world;
