//! Blows and orders of events, as they stand in a plan.

use serde::{Deserialize, Serialize};
use sim::{AimAt, Clock, Interest, Order, Schedule, Strike, Tasks};
use sim_storage::OutageKind;

use super::Span;
use crate::swarm::{Blow, Struck};

/// Something that befalls a process or the store as a whole, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlowEntry {
    /// The slot whose operation it follows.
    pub slot: String,
    /// The operation (or round), by its number.
    pub operation: u32,
    /// How long after that began.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub delay: Span,
    /// What happens.
    pub blow: BlowKind,
}

/// What happens. Where a process is concerned, it is the one that began the operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BlowKind {
    /// It crashes and starts again.
    Crash {
        /// After so long.
        restart_after: Span,
    },
    /// It stops running.
    Stall {
        /// For so long.
        lasts: Span,
    },
    /// It stops running at a step.
    StallAtStep {
        /// At which.
        at: Place,
        /// Whom it strikes.
        whom: Whom,
        /// How many such steps pass unharmed before.
        after: u32,
        /// For how long.
        lasts: Span,
    },
    /// It crashes at a step and starts again at once.
    CrashAtStep {
        /// At which.
        at: Place,
        /// Whom it strikes.
        whom: Whom,
        /// How many such steps pass unharmed before.
        after: u32,
    },
    /// A second process fills the same slot while the first one lives on.
    Twin {
        /// The name of the second one.
        name: String,
        /// Its number.
        process: u16,
    },
    /// Its clocks are set.
    Clock {
        /// How far the wall clock is ahead, in nanoseconds.
        wall_offset_ns: i64,
        /// How fast the monotonic clock runs, in parts per million.
        drift_ppm: i32,
    },
    /// It cannot reach the store.
    Partition {
        /// For so long.
        lasts: Span,
    },
    /// The store as a whole is not well.
    Outage {
        /// How.
        kind: OutageEntry,
        /// For which share of the requests, in parts per million.
        share_ppm: u32,
        /// For how long.
        lasts: Span,
    },
}

/// Where an aim points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The step of this name.
    Step(String),
    /// Any step whose name begins like this, up to its first dot.
    Operation(String),
    /// Any step.
    AnyStep,
}

/// Whom an aim strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// The process that began the operation.
    Slot,
    /// Whichever process comes by.
    Whoever,
}

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageEntry {
    /// Requests are lost.
    Unreachable,
    /// Requests are answered with 503.
    Throttling,
    /// Requests are answered with 500.
    Failing,
}

impl BlowKind {
    /// A blow as a plan says it. `twin` is who it starts, should it start somebody.
    pub(super) fn of(blow: &Blow, twin: Option<(String, u16)>) -> Option<BlowKind> {
        Some(match blow {
            Blow::Nothing => return None,
            Blow::Crash { restart_after } => {
                BlowKind::Crash { restart_after: (*restart_after).into() }
            }
            Blow::Stall(lasts) => BlowKind::Stall { lasts: (*lasts).into() },
            Blow::AtStep { struck, at, after, strike } => {
                let at = match at {
                    AimAt::Step(name) => Place::Step(name.clone()),
                    AimAt::Operation(name) => Place::Operation(name.clone()),
                    AimAt::AnyStep => Place::AnyStep,
                };
                let whom = match struck {
                    Struck::Slot => Whom::Slot,
                    Struck::Whoever => Whom::Whoever,
                };
                let after = *after;
                match strike {
                    Strike::Stall(lasts) => {
                        BlowKind::StallAtStep { at, whom, after, lasts: (*lasts).into() }
                    }
                    Strike::Crash => BlowKind::CrashAtStep { at, whom, after },
                }
            }
            Blow::Twin => {
                let (name, process) = twin?;
                BlowKind::Twin { name, process }
            }
            Blow::Clock(Clock { wall_offset_ns, drift_ppm }) => {
                BlowKind::Clock { wall_offset_ns: *wall_offset_ns, drift_ppm: *drift_ppm }
            }
            Blow::Partition(lasts) => BlowKind::Partition { lasts: (*lasts).into() },
            Blow::Outage { kind, share_ppm, duration } => {
                let kind = match kind {
                    OutageKind::Unreachable => OutageEntry::Unreachable,
                    OutageKind::Throttling => OutageEntry::Throttling,
                    OutageKind::Failing => OutageEntry::Failing,
                };
                BlowKind::Outage { kind, share_ppm: *share_ppm, lasts: (*duration).into() }
            }
        })
    }

    /// The same as worlds know it.
    pub(super) fn to_blow(&self) -> Blow {
        let aimed = |at: &Place, whom: &Whom, after: u32, strike: Strike| Blow::AtStep {
            struck: match whom {
                Whom::Slot => Struck::Slot,
                Whom::Whoever => Struck::Whoever,
            },
            at: match at {
                Place::Step(name) => AimAt::Step(name.clone()),
                Place::Operation(name) => AimAt::Operation(name.clone()),
                Place::AnyStep => AimAt::AnyStep,
            },
            after,
            strike,
        };
        match self {
            BlowKind::Crash { restart_after } => {
                Blow::Crash { restart_after: (*restart_after).into() }
            }
            BlowKind::Stall { lasts } => Blow::Stall((*lasts).into()),
            BlowKind::StallAtStep { at, whom, after, lasts } => {
                aimed(at, whom, *after, Strike::Stall((*lasts).into()))
            }
            BlowKind::CrashAtStep { at, whom, after } => aimed(at, whom, *after, Strike::Crash),
            BlowKind::Twin { .. } => Blow::Twin,
            BlowKind::Clock { wall_offset_ns, drift_ppm } => {
                Blow::Clock(Clock { wall_offset_ns: *wall_offset_ns, drift_ppm: *drift_ppm })
            }
            BlowKind::Partition { lasts } => Blow::Partition((*lasts).into()),
            BlowKind::Outage { kind, share_ppm, lasts } => Blow::Outage {
                kind: match kind {
                    OutageEntry::Unreachable => OutageKind::Unreachable,
                    OutageEntry::Throttling => OutageKind::Throttling,
                    OutageEntry::Failing => OutageKind::Failing,
                },
                share_ppm: *share_ppm,
                duration: (*lasts).into(),
            },
        }
    }

    /// Whether it waits for a process to come to a step.
    pub(crate) fn is_aimed(&self) -> bool {
        matches!(self, BlowKind::StallAtStep { .. } | BlowKind::CrashAtStep { .. })
    }

    /// The durations in it, to be looked at or changed.
    pub(crate) fn spans(&mut self) -> Option<&mut Span> {
        match self {
            BlowKind::Crash { restart_after } => Some(restart_after),
            BlowKind::Stall { lasts }
            | BlowKind::StallAtStep { lasts, .. }
            | BlowKind::Partition { lasts }
            | BlowKind::Outage { lasts, .. } => Some(lasts),
            BlowKind::CrashAtStep { .. } | BlowKind::Twin { .. } | BlowKind::Clock { .. } => None,
        }
    }
}

/// An order of events that is not by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleEntry {
    /// By what rule.
    pub order: OrderEntry,
    /// How much later than the earliest pending event another may be and still happen before it.
    pub window: Span,
    /// Where tasks that are ready to run stand.
    pub tasks: TasksEntry,
    /// For how many choices.
    pub choices: u64,
    /// How many operations each slot has ahead at the beginning, for `surw`.
    pub operations_ahead: u32,
}

/// By what rule the next event is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OrderEntry {
    /// Any, each with the same probability.
    Walk,
    /// Probabilistic concurrency testing.
    Pct {
        /// How many ordering constraints are looked for.
        depth: u32,
    },
    /// Partial order sampling.
    Pos,
    /// Selectively uniform random walk.
    Surw {
        /// Which events are of interest.
        interest: InterestEntry,
    },
}

/// Which events are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterestEntry {
    /// All that touch an object.
    Objects,
    /// All that may change one.
    Writes,
    /// All that touch this one, by its number in the order of first mention.
    Object(u32),
}

/// Where tasks that are ready to run stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TasksEntry {
    /// Before all events.
    First,
    /// Among the events.
    Mixed,
}

impl ScheduleEntry {
    /// A schedule as a plan says it; `None` if it is by time.
    pub(super) fn of(schedule: &Schedule, operations_ahead: u32) -> Option<ScheduleEntry> {
        let order = match schedule.order {
            Order::Timed => return None,
            Order::Walk => OrderEntry::Walk,
            Order::Pct { depth } => OrderEntry::Pct { depth },
            Order::Pos => OrderEntry::Pos,
            Order::Surw { interest } => OrderEntry::Surw {
                interest: match interest {
                    Interest::Objects => InterestEntry::Objects,
                    Interest::Writes => InterestEntry::Writes,
                    Interest::Object(number) => InterestEntry::Object(number),
                },
            },
        };
        let tasks = match schedule.tasks {
            Tasks::First => TasksEntry::First,
            Tasks::Mixed => TasksEntry::Mixed,
        };
        let (window, choices) = (schedule.window.into(), schedule.steps);
        Some(ScheduleEntry { order, window, tasks, choices, operations_ahead })
    }

    /// The same as the engine knows it.
    pub(super) fn to_schedule(self) -> Schedule {
        let order = match self.order {
            OrderEntry::Walk => Order::Walk,
            OrderEntry::Pct { depth } => Order::Pct { depth },
            OrderEntry::Pos => Order::Pos,
            OrderEntry::Surw { interest } => Order::Surw {
                interest: match interest {
                    InterestEntry::Objects => Interest::Objects,
                    InterestEntry::Writes => Interest::Writes,
                    InterestEntry::Object(number) => Interest::Object(number),
                },
            },
        };
        let tasks = match self.tasks {
            TasksEntry::First => Tasks::First,
            TasksEntry::Mixed => Tasks::Mixed,
        };
        Schedule { order, window: self.window.into(), tasks, steps: self.choices }
    }
}
