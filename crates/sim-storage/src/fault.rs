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
//! * rates lay the kinds that can strike a request out on the number line in a fixed order; switching
//!   a kind off with [`FaultRates::switch_off`] leaves a hole and moves no other kind;
//! * every aspect (which fault, how much, which latency) has a word of the draw for itself;
//! * a [`FaultPlan`] overrides single requests by (process, number) and touches no draw.
//!
//! Where nothing is to be drawn at all, a [`Script`] says what becomes of every request.

mod decide;
mod kind;
mod script;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim::ProcessId;

use crate::latency::Operation;
use crate::store::RequestKind;
pub(crate) use decide::{Decision, Grounds, decide, latency_within, word};
pub use kind::FaultKind;
pub(crate) use script::Said;
pub use script::{Chance, Fate, Made, Moment, RequestKey, Script, Spread, Ways};

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
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
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
    /// A GET whose connection breaks in the body: the reader gets the beginning, then an error.
    BrokenBody {
        /// Which share of the body arrives, rounded down.
        keep_ppm: u32,
    },
    /// A GET that brings one wrong bit.
    BitFlip {
        /// Which bit: as many of 2^32 parts of the body before it.
        place: u32,
    },
    /// The completion of a multipart upload that breaks off: the beginning of the parts' bytes
    /// becomes the object.
    TornUpload {
        /// Which share of the bytes stays, rounded down.
        keep_ppm: u32,
        /// What the client sees.
        report: Report,
    },
    /// A read that is answered by a replica that lags. Only where the profile is eventual.
    StaleRead {
        /// How old the state is that it shows.
        age_ns: u64,
    },
    /// A page of a listing by a replica that lags. Only where the profile is eventual.
    StaleList {
        /// How old the state is that it shows.
        age_ns: u64,
    },
    /// A page of a listing that ends early and says that it is the last one. Only where the profile
    /// is eventual.
    TruncatedList {
        /// Which share of the page arrives, rounded down.
        keep_ppm: u32,
    },
    /// A page of a listing in another order than the page before. Only where the profile promises
    /// no order.
    UnorderedList {
        /// Decides about the order.
        seed: u32,
    },
    /// A batch of deletions that is answered with success and with an error for some names, which
    /// stay.
    PartialDelete {
        /// Decides which names stay.
        seed: u32,
    },
    /// A deletion that is answered before it takes effect. Only where the profile is eventual.
    LateDelete {
        /// How long after its answer was sent.
        after_ns: u64,
    },
    /// The object was written too often lately, by others: 429, nothing lands. Only where the profile
    /// limits the writes to one name; writes of the world itself are limited there without any fault.
    RateLimited,
    /// A copy or a completion that is answered 200 with an error in the body; nothing lands.
    ErrorInside,
    /// The clock of the server that takes a write is wrong, and with it the date of the object.
    SkewedDate {
        /// How far it is ahead, in nanoseconds; less than zero if it is behind.
        skew_ns: i64,
    },
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
            Self::BrokenBody { .. } => FaultKind::BrokenBody,
            Self::BitFlip { .. } => FaultKind::BitFlip,
            Self::TornUpload { .. } => FaultKind::TornUpload,
            Self::StaleRead { .. } => FaultKind::StaleRead,
            Self::StaleList { .. } => FaultKind::StaleList,
            Self::TruncatedList { .. } => FaultKind::TruncatedList,
            Self::UnorderedList { .. } => FaultKind::UnorderedList,
            Self::PartialDelete { .. } => FaultKind::PartialDelete,
            Self::LateDelete { .. } => FaultKind::LateDelete,
            Self::RateLimited => FaultKind::RateLimited,
            Self::ErrorInside => FaultKind::ErrorInside,
            Self::SkewedDate { .. } => FaultKind::SkewedDate,
        }
    }
}

/// What about a request matters for its faults and its latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What it asks for.
    pub kind: RequestKind,
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
    /// It is a PUT with a body that does not replace a version conditionally.
    pub may_tear: bool,
    /// It is about several names at once.
    pub is_batch: bool,
}

impl Shape {
    /// It makes a new version of one object if it succeeds.
    pub fn makes_a_version(&self) -> bool {
        self.kind.makes_a_version()
    }
}

/// How often each kind strikes, in parts per million of the requests that it can strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRates {
    ppm: [u32; FaultKind::COUNT],
    /// One bit for each kind that is drawn and then left out.
    off: u32,
}

impl FaultRates {
    /// No faults but those that belong to a profile: an eventual store lags, and a store that limits
    /// the writes to one name limits them.
    pub const fn none() -> Self {
        Self { ppm: [0; FaultKind::COUNT], off: 0 }
    }

    /// Nothing at all: every kind is switched off, and what a profile's store does by itself too.
    pub const fn calm() -> Self {
        Self { off: (1 << FaultKind::COUNT) - 1, ..Self::none() }
    }

    /// Every kind at the same rate.
    pub fn all(ppm: u32) -> Self {
        Self { ppm: [ppm; FaultKind::COUNT], off: 0 }
    }

    /// The rate of one kind.
    pub fn rate(&self, kind: FaultKind) -> u32 {
        self.ppm[kind as usize]
    }

    /// The same rates with another rate for one kind. If the rates of all kinds that can strike a
    /// request sum up to more than a million, no room is left for those that come last in
    /// [`FaultKind::ALL`].
    #[must_use]
    pub fn with(mut self, kind: FaultKind, ppm: u32) -> Self {
        self.ppm[kind as usize] = ppm;
        self
    }

    /// Leaves a kind out from now on; all other faults stay where they are.
    pub fn switch_off(&mut self, kind: FaultKind) {
        self.off |= 1 << kind as u8;
    }

    /// Whether a kind is not left out.
    pub fn is_on(&self, kind: FaultKind) -> bool {
        self.off & (1 << kind as u8) == 0
    }

    /// Undoes [`FaultRates::switch_off`].
    pub fn switch_on(&mut self, kind: FaultKind) {
        self.off &= !(1 << kind as u8);
    }

    /// The kind at a place between 0 and a million, on a line that holds only the kinds that apply:
    /// those that can strike few requests take no room from the others.
    fn kind_at(&self, place: u32, applies: impl Fn(FaultKind) -> bool) -> Option<FaultKind> {
        let mut end = 0_u32;
        for kind in FaultKind::ALL {
            let ppm = self.ppm[kind as usize];
            if ppm == 0 || !applies(kind) {
                continue;
            }
            end = end.saturating_add(ppm);
            if place < end {
                return self.is_on(kind).then_some(kind);
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
            let (before, after) = (all.kind_at(place, |_| true), without.kind_at(place, |_| true));
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
        let places = (0..1_000_000).map(|place| rates.kind_at(place, |_| true));
        let timeouts = places.filter(|kind| *kind == Some(FaultKind::Timeout)).count();
        assert_eq!(timeouts, 200_000);
    }

    #[test]
    fn a_kind_that_cannot_strike_takes_no_room() {
        let rates =
            FaultRates::none().with(FaultKind::TornPut, 1_000_000).with(FaultKind::BitFlip, 1000);
        let read = |place| rates.kind_at(place, |kind| kind != FaultKind::TornPut);
        assert_eq!((read(0), read(999)), (Some(FaultKind::BitFlip), Some(FaultKind::BitFlip)));
        assert_eq!(read(1000), None);
    }
}
