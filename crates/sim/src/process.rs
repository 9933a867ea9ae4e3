//! Processes: the things that stall, crash, restart and disagree about the time.
//!
//! A process is a name, a clock and a set of tasks. Process 0 is the world itself: the director
//! that starts and stops the others, never stalled and never crashed.
//!
//! * A **stalled** process runs nothing until its stall ends (a garbage-collection pause, a
//!   suspended virtual machine). Its timers and replies arrive and wait; its clock goes on.
//! * A **crashed** process loses its futures at once. Requests that it had sent live on in the
//!   store: nobody waits for their replies any more, but they still land.
//! * Two clocks are kept for each process. The monotonic clock runs `drift` parts per million
//!   fast or slow. The wall clock is the monotonic clock plus an offset that can be stepped.
//!   Setting the clocks changes how fast the monotonic clock goes on, never what it shows.

use std::fmt;
use std::time::Duration;

/// Index of a process within its world.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct ProcessId(pub u16);

impl ProcessId {
    /// The world itself.
    pub const WORLD: ProcessId = ProcessId(0);
}

/// A name such as `writer-2`, kept in parts so that no text is made until someone reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessName {
    /// What the process does.
    pub role: &'static str,
    /// Which of that role, from 1. 0 stands for "the only one" and is not shown.
    pub number: u16,
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(self.role),
            number => write!(f, "{}-{number}", self.role),
        }
    }
}

/// How the clocks of one process differ from virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// What the wall clock shows more (or less) than the monotonic clock, in nanoseconds.
    pub wall_offset_ns: i64,
    /// Parts per million that the monotonic clock runs fast (positive) or slow (negative).
    pub drift_ppm: i32,
}

impl Clock {
    /// What a monotonic clock that has always run like this shows at virtual time `now_ns`.
    #[must_use]
    pub fn monotonic_ns(&self, now_ns: u64) -> u64 {
        let drift = i128::from(now_ns) * i128::from(self.drift_ppm) / 1_000_000;
        (i128::from(now_ns) + drift).max(0) as u64
    }

    /// What a wall clock that has always run like this shows at virtual time `now_ns`, since the
    /// world began.
    #[must_use]
    pub fn wall_ns(&self, now_ns: u64) -> i64 {
        self.monotonic_ns(now_ns) as i64 + self.wall_offset_ns
    }

    /// How much virtual time passes while this process's monotonic clock advances by `local`.
    #[must_use]
    pub fn virtual_ns(&self, local: Duration) -> u64 {
        let local_ns = u64::try_from(local.as_nanos()).unwrap_or(u64::MAX / 4);
        if self.drift_ppm == 0 {
            return local_ns;
        }
        let rate = 1_000_000 + i128::from(self.drift_ppm);
        (i128::from(local_ns) * 1_000_000 / rate.max(1)) as u64
    }
}

/// What the engine knows of one process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: ProcessName,
    pub(crate) clock: Clock,
    /// When the clocks were set last, and what the monotonic clock showed then.
    clock_set: (u64, u64),
    pub(crate) alive: bool,
    /// Number of times this process was started.
    pub(crate) incarnation: u32,
    pub(crate) stalled_until_ns: u64,
    /// Set when a crash was aimed at a step: it strikes when the running poll returns.
    pub(crate) crash_pending: bool,
    /// Tasks that became ready while the process was stalled.
    pub(crate) parked: Vec<u32>,
}

impl Process {
    pub(crate) fn new(name: ProcessName) -> Self {
        Process {
            name,
            clock: Clock::default(),
            clock_set: (0, 0),
            alive: true,
            incarnation: 1,
            stalled_until_ns: 0,
            crash_pending: false,
            parked: Vec::new(),
        }
    }

    /// What the monotonic clock shows at virtual time `now_ns`, not before it was set last.
    pub(crate) fn monotonic_ns(&self, now_ns: u64) -> u64 {
        let (set_ns, shown_ns) = self.clock_set;
        shown_ns + self.clock.monotonic_ns(now_ns - set_ns)
    }

    pub(crate) fn set_clock(&mut self, now_ns: u64, clock: Clock) {
        self.clock_set = (now_ns, self.monotonic_ns(now_ns));
        self.clock = clock;
    }
}

/// Whether a process may act on the outside world just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Now,
    /// It is stalled until the given virtual time, in nanoseconds.
    StalledUntil(u64),
    /// It is about to crash: nothing that it still starts may leave the process.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_needs_less_virtual_time_for_the_same_local_time() {
        let fast = Clock { drift_ppm: 100_000, wall_offset_ns: 0 };
        assert_eq!(fast.monotonic_ns(1_000_000), 1_100_000);
        assert_eq!(fast.virtual_ns(Duration::from_nanos(1_100_000)), 1_000_000);
    }

    #[test]
    fn the_wall_clock_is_the_monotonic_clock_plus_its_offset() {
        let behind = Clock { drift_ppm: 0, wall_offset_ns: -5 };
        assert_eq!(behind.wall_ns(3), -2);
    }

    #[test]
    fn names_are_made_of_role_and_number() {
        assert_eq!(ProcessName { role: "writer", number: 2 }.to_string(), "writer-2");
        assert_eq!(ProcessName { role: "world", number: 0 }.to_string(), "world");
    }
}
