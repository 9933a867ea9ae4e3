//! The clock of the machine. What looks at it is outside of worlds: progress, budgets, worlds that
//! hang. Nothing that a world does or that a report says may depend on it.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this file is about the clock of the machine"
)]

use std::time::Duration;

/// A moment from which time is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
