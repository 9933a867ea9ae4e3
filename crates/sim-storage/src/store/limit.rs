//! The limit on writes to one object name (GCS, R2): a token bucket for each name.
//!
//! Kept in the form of the generic cell rate algorithm (ITU-T I.371): one number for each name, the
//! time at which its bucket would be full again. A write that succeeds moves it on by one interval;
//! a write that finds it more than `burst - 1` intervals ahead is refused with 429. Refused writes
//! take nothing.

use super::request::Request;
use super::{State, WriteLimit};
use crate::fault::FaultKind;
use crate::model::NameId;
use crate::profile::WriteRate;

/// By name: when its bucket is full again, in virtual nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    full_at_ns: Vec<u64>,
}

impl Buckets {
    pub(super) fn clear(&mut self) {
        self.full_at_ns.clear();
    }

    fn is_empty(&self, name: NameId, rate: WriteRate, now_ns: u64) -> bool {
        let ahead_ns = rate.interval_ns * u64::from(rate.burst.max(1) - 1);
        let full_at_ns = self.full_at_ns.get(name.index());
        full_at_ns.is_some_and(|&full_at_ns| full_at_ns > now_ns.saturating_add(ahead_ns))
    }

    fn take(&mut self, name: NameId, rate: WriteRate, now_ns: u64) {
        if self.full_at_ns.len() <= name.index() {
            self.full_at_ns.resize(name.index() + 1, 0);
        }
        let full_at_ns = &mut self.full_at_ns[name.index()];
        *full_at_ns = (*full_at_ns).max(now_ns) + rate.interval_ns;
    }
}

impl State {
    /// The limit on the name that this request writes, if there is one.
    fn limit_on(&self, request: &Request) -> Option<(NameId, WriteRate)> {
        let rate = self.setup.profile.write_rate?;
        let counts = request.kind().makes_a_version()
            && self.severity.write_limit == WriteLimit::Kept
            && self.setup.rates.is_on(FaultKind::RateLimited);
        Some((request.name().filter(|_| counts)?, rate))
    }

    /// Whether the request comes too soon after earlier writes to its name.
    pub(super) fn is_too_soon(&self, request: &Request) -> bool {
        match self.limit_on(request) {
            Some((name, rate)) => self.buckets.is_empty(name, rate, sim::now_ns()),
            None => false,
        }
    }

    /// A write succeeded.
    pub(super) fn take_token(&mut self, slot: u32) {
        let limit = self.limit_on(&self.flights[slot as usize].request);
        if let Some((name, rate)) = limit {
            self.buckets.take(name, rate, sim::now_ns());
        }
    }
}
