//! The simulated store as its clients see it: every method, every fault, and determinism.

mod behaviour;
mod damage;
mod faults;
mod latency;
mod lifecycle;
mod methods;
mod weather;
mod whole;
mod world;
