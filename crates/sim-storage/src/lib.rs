//! sim-storage
