//! Faults of requests: their kinds, their rates, and the one place where they are decided.
//!
//! A request has two sides that vary apart: **what happened** in the store (it landed, it did not,
//! it landed later, it landed twice, it landed torn) and **what was reported** to the client (the
//! truth, an error status, a broken connection, silence until the client's transport gives up).
//! Every [`Fault`] is a pair of the two, and the pairs are those that real stores, networks and
//! HTTP clients produce; `docs/fault-model.md` names the real event behind each.
//!
//! A fault is decided once, when its request is sent, from one draw that is keyed by the process and
//! the number of its request. Three rules make faults independent of each other:
//! * rates lay the kinds out on the number line in a fixed order; switching a kind off with
//!   [`FaultRates::switch_off`] leaves a hole and moves no other kind;
//! * every aspect (which fault, how much, which latency) has a word of the draw for itself;
//! * a [`FaultPlan`] overrides single requests by (process, number) and touches no draw.

mod decide;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim::ProcessId;

use crate::latency::Operation;
pub(crate) use decide::{Decision, Grounds, decide, word};

/// The kinds of faults that can hit a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FaultKind {
    /// See [`Fault::RequestLost`].
    RequestLost,
    /// See [`Fault::ReplyLost`].
    ReplyLost,
    /// See [`Fault::LateApply`].
    LateApply,
    /// See [`Fault::Duplicate`].
    Duplicate,
    /// See [`Fault::Conflict`].
    Conflict,
    /// See [`Fault::TooManyRequests`].
    TooManyRequests,
    /// See [`Fault::SlowDown`].
    SlowDown,
    /// See [`Fault::ErrorBefore`].
    ErrorBefore,
    /// See [`Fault::ErrorAfter`].
    ErrorAfter,
    /// See [`Fault::Timeout`].
    Timeout,
    /// See [`Fault::TailLatency`].
    TailLatency,
    /// See [`Fault::Reordering`].
    Reordering,
    /// See [`Fault::ShortBody`].
    ShortBody,
    /// See [`Fault::TornPut`].
    TornPut,
    /// See [`Fault::RacedConflict`].
    RacedConflict,
}

impl FaultKind {
    /// Number of kinds.
    pub const COUNT: usize = 15;

    /// All kinds, in the order in which rates lay them out.
    pub const ALL: [Self; Self::COUNT] = [
        Self::RequestLost,
        Self::ReplyLost,
        Self::LateApply,
        Self::Duplicate,
        Self::Conflict,
        Self::TooManyRequests,
        Self::SlowDown,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Timeout,
        Self::TailLatency,
        Self::Reordering,
        Self::ShortBody,
        Self::TornPut,
        Self::RacedConflict,
    ];

    /// The name under which its effects are counted.
    pub fn label(self) -> &'static str {
        match self {
            Self::RequestLost => "fault.request_lost",
            Self::ReplyLost => "fault.reply_lost",
            Self::LateApply => "fault.late_apply",
            Self::Duplicate => "fault.duplicate",
            Self::Conflict => "fault.conflict_409",
            Self::TooManyRequests => "fault.too_many_requests_429",
            Self::SlowDown => "fault.slow_down_503",
            Self::ErrorBefore => "fault.error_500_before",
            Self::ErrorAfter => "fault.error_500_after",
            Self::Timeout => "fault.timeout",
            Self::TailLatency => "fault.tail_latency",
            Self::Reordering => "fault.reordering",
            Self::ShortBody => "fault.short_body",
            Self::TornPut => "fault.torn_put",
            Self::RacedConflict => "fault.raced_conflict_409",
        }
    }

    /// Whether the kind means anything for such a request.
    pub fn applies_to(self, shape: &Shape) -> bool {
        match self {
            Self::Duplicate | Self::LateApply => shape.writes,
            Self::Conflict | Self::RacedConflict => shape.conditional,
            Self::ShortBody => shape.reads_body,
            Self::TornPut => shape.may_tear,
            _ => true,
        }
    }
}

/// How a client learns that it will get no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// The connection breaks, about when the answer would have come.
    Reset,
    /// Nothing comes, and its transport gives up after its timeout.
    Silence,
}

/// One fault of one request. Times are virtual nanoseconds, shares are parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Never reaches the store.
    RequestLost {
        /// What the client sees.
        report: Report,
    },
    /// Takes effect, and the answer is lost.
    ReplyLost {
        /// What the client sees.
        report: Report,
    },
    /// The client is told that the connection broke, or gives up; the request takes effect after
    /// that.
    LateApply {
        /// What the client sees.
        report: Report,
        /// How long after the client's report it lands.
        after_ns: u64,
    },
    /// Takes effect, the answer is lost, and the client's transport sends the same request again
    /// without telling anyone. The answer is that of the second one: a conditional write meets its
    /// own first copy and is told "already exists" or "precondition failed".
    Duplicate {
        /// How long after the first the second one takes effect.
        after_ns: u64,
    },
    /// 409; nothing lands.
    Conflict,
    /// 429; nothing lands.
    TooManyRequests,
    /// 503; nothing lands.
    SlowDown,
    /// 500; nothing lands.
    ErrorBefore,
    /// 500; it landed.
    ErrorAfter,
    /// The store is so slow that the client's transport gives up first; the request takes effect
    /// before that.
    Timeout {
        /// How long after it was sent it takes effect.
        after_ns: u64,
    },
    /// The answer is right and takes far longer than usual.
    TailLatency {
        /// How much longer.
        extra_ns: u64,
    },
    /// The way to the store takes longer than usual, so that requests sent later overtake it.
    Reordering {
        /// How much longer.
        extra_ns: u64,
    },
    /// A GET whose body ends early, with no error.
    ShortBody {
        /// Which share of the body arrives, rounded down.
        keep_ppm: u32,
    },
    /// A PUT that breaks off: the store keeps the beginning of the body as the object. Never a
    /// conditional replacement: every real store replaces atomically.
    TornPut {
        /// Which share of the body stays, rounded down.
        keep_ppm: u32,
        /// What the client sees.
        report: Report,
    },
    /// If the request loses against a write that was in flight at the same time, it is told 409
    /// instead of 412. Only where the profile has this.
    RacedConflict,
}

impl Fault {
    /// Its kind.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::RequestLost { .. } => FaultKind::RequestLost,
            Self::ReplyLost { .. } => FaultKind::ReplyLost,
            Self::LateApply { .. } => FaultKind::LateApply,
            Self::Duplicate { .. } => FaultKind::Duplicate,
            Self::Conflict => FaultKind::Conflict,
            Self::TooManyRequests => FaultKind::TooManyRequests,
            Self::SlowDown => FaultKind::SlowDown,
            Self::ErrorBefore => FaultKind::ErrorBefore,
            Self::ErrorAfter => FaultKind::ErrorAfter,
            Self::Timeout { .. } => FaultKind::Timeout,
            Self::TailLatency { .. } => FaultKind::TailLatency,
            Self::Reordering { .. } => FaultKind::Reordering,
            Self::ShortBody { .. } => FaultKind::ShortBody,
            Self::TornPut { .. } => FaultKind::TornPut,
            Self::RacedConflict => FaultKind::RacedConflict,
        }
    }
}

/// What about a request matters for its faults and its latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Which latency it has.
    pub operation: Operation,
    /// Bytes of body that it sends.
    pub size: u64,
    /// It can change something.
    pub writes: bool,
    /// It has a condition on what it changes.
    pub conditional: bool,
    /// It is answered with a body.
    pub reads_body: bool,
    /// It is a PUT that does not replace a version conditionally.
    pub may_tear: bool,
}

/// How often each kind strikes, in parts per million of the requests that it can strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRates {
    ppm: [u32; FaultKind::COUNT],
    /// One bit for each kind that is drawn and then left out.
    off: u32,
}

impl FaultRates {
    /// No faults.
    pub const fn none() -> Self {
        Self { ppm: [0; FaultKind::COUNT], off: 0 }
    }

    /// Every kind at the same rate.
    pub fn all(ppm: u32) -> Self {
        Self { ppm: [ppm; FaultKind::COUNT], off: 0 }
    }

    /// The rate of one kind.
    pub fn rate(&self, kind: FaultKind) -> u32 {
        self.ppm[kind as usize]
    }

    /// The same rates with another rate for one kind. Rates that sum up to more than a million
    /// leave no room for the kinds that come last in [`FaultKind::ALL`].
    #[must_use]
    pub fn with(mut self, kind: FaultKind, ppm: u32) -> Self {
        self.ppm[kind as usize] = ppm;
        self
    }

    /// Leaves a kind out from now on; all other faults stay where they are.
    pub fn switch_off(&mut self, kind: FaultKind) {
        self.off |= 1 << kind as u8;
    }

    /// Undoes [`FaultRates::switch_off`].
    pub fn switch_on(&mut self, kind: FaultKind) {
        self.off &= !(1 << kind as u8);
    }

    /// The kind at a place between 0 and a million.
    fn kind_at(&self, place: u32) -> Option<FaultKind> {
        let sum: u64 = self.ppm.iter().map(|&ppm| u64::from(ppm)).sum();
        if u64::from(place) >= sum {
            return None;
        }
        let mut end = 0_u32;
        for kind in FaultKind::ALL {
            end = end.saturating_add(self.ppm[kind as usize]);
            if place < end {
                return (self.off & (1 << kind as u8) == 0).then_some(kind);
            }
        }
        None
    }
}

/// Faults of single requests by (process, number of the request in its process, from 0). `None`
/// keeps a request free of faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan(pub BTreeMap<(ProcessId, u32), Option<Fault>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_as_they_are_laid_out() {
        for (place, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn a_kind_that_is_switched_off_leaves_a_hole_and_moves_nothing() {
        let all = FaultRates::all(1000);
        let mut without = all.clone();
        without.switch_off(FaultKind::ReplyLost);
        for place in 0..20_000 {
            let (before, after) = (all.kind_at(place), without.kind_at(place));
            match before {
                Some(FaultKind::ReplyLost) => assert_eq!(after, None),
                other => assert_eq!(after, other),
            }
        }
        without.switch_on(FaultKind::ReplyLost);
        assert_eq!(without, all);
    }

    #[test]
    fn rates_are_met() {
        let rates =
            FaultRates::none().with(FaultKind::Timeout, 200_000).with(FaultKind::SlowDown, 1);
        let places = (0..1_000_000).map(|place| rates.kind_at(place));
        let timeouts = places.filter(|kind| *kind == Some(FaultKind::Timeout)).count();
        assert_eq!(timeouts, 200_000);
    }
}
