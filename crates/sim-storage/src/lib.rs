//! A simulated object store with the behaviour, the latencies and the faults of the real ones.
pub mod latency;
pub mod model;
pub mod profile;
