//! One clock for all processes of a run: the machine's monotonic clock, which they share.
//!
//! The protocol compares no clocks of different processes. The judge has to: an operation that ended
//! before another one began must come first. `CLOCK_MONOTONIC` counts from the machine's start for
//! every process on it, and nobody sets it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine started.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How long until a moment; nothing if it is past.
pub(crate) fn until(moment: u64) -> Duration {
    Duration::from_nanos(moment.saturating_sub(now()))
}

/// `250ms`, `10s`, `2m`.
///
/// # Errors
/// A sentence, if it is none of these.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text} does not begin with a number"))?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        unit => Err(format!("{unit} is not ms, s or m")),
    }
}
