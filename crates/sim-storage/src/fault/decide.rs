//! The one place where the fate of a request is decided.
//!
//! Sizes of faults are log-uniform: a landing that is a few milliseconds late and one that is a
//! minute late find different bugs, and nobody knows beforehand which.

use sim::{Draw, ProcessId};

use super::{Fault, FaultKind, FaultPlan, FaultRates, Report, Shape, Spread};
use crate::profile::{Consistency, Profile};
use crate::store::RequestKind;

/// What is fixed about one request when it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The fault, if there is one.
    pub(crate) fault: Option<Fault>,
    /// How long it takes to the store, in nanoseconds, without the fault.
    pub(crate) request_ns: u64,
    /// How long the answer takes back, likewise.
    pub(crate) reply_ns: u64,
}

impl Decision {
    /// A request that takes so long, to the store and back, and that nothing happens to.
    pub(crate) fn without_fault(latency_ns: u64, draw: &Draw) -> Decision {
        // The store is reached after a quarter to three quarters of the whole time.
        let way = u64::from(draw.between(word::WAY, 256, 768));
        let request_ns = latency_ns * way / 1024;
        Decision { fault: None, request_ns, reply_ns: latency_ns - request_ns }
    }
}

/// What a decision rests on besides the draw.
#[derive(Debug)]
pub(crate) struct Grounds<'a> {
    pub(crate) rates: &'a FaultRates,
    pub(crate) plan: &'a FaultPlan,
    pub(crate) profile: &'a Profile,
    pub(crate) latency_ns: u64,
    pub(crate) timeout_ns: u64,
    pub(crate) late_landing_max_ns: u64,
}

/// The words of a request's draw, each for one aspect.
pub(crate) mod word {
    pub(crate) const KIND: usize = 0;
    pub(crate) const AMOUNT: usize = 1;
    pub(crate) const LATENCY: usize = 2;
    pub(crate) const WAY: usize = 3;
    pub(crate) const REPORT: usize = 4;
    pub(crate) const WEATHER: usize = 5;
    pub(crate) const REPLICA: usize = 6;
    pub(crate) const LAG: usize = 7;
}

/// Decides about one request.
pub(crate) fn decide(
    grounds: &Grounds<'_>,
    key: (ProcessId, u32),
    shape: &Shape,
    draw: &Draw,
) -> Decision {
    let ways = Decision::without_fault(grounds.latency_ns, draw);
    let planned = if grounds.plan.0.is_empty() { None } else { grounds.plan.0.get(&key) };
    let fault = match planned {
        Some(fault) => fault.filter(|fault| fault.kind().applies_to(shape, grounds.profile)),
        None => grounds
            .rates
            .kind_at(draw.below(word::KIND, 1_000_000), |kind| {
                kind.applies_to(shape, grounds.profile)
            })
            .map(|kind| fault_of(kind, grounds, draw))
            .or_else(|| lag(grounds, shape, draw)),
    };
    Decision { fault, ..ways }
}

/// A latency within these bounds, every factor of two alike.
pub(crate) fn latency_within(spread: Spread, draw: &Draw) -> u64 {
    log_uniform(spread.least_ns, spread.most_ns, draw.word(word::LATENCY))
}

/// What an eventual store does without any fault: some of its answers come from replicas that lag.
fn lag(grounds: &Grounds<'_>, shape: &Shape, draw: &Draw) -> Option<Fault> {
    let Consistency::Eventual { stale_ppm, .. } = grounds.profile.consistency else {
        return None;
    };
    if draw.below(word::REPLICA, 1_000_000) >= stale_ppm {
        return None;
    }
    let age_ns = age(grounds, draw.word(word::LAG));
    let fault = match shape.kind {
        RequestKind::Get | RequestKind::Head => Fault::StaleRead { age_ns },
        RequestKind::List => Fault::StaleList { age_ns },
        _ => return None,
    };
    grounds.rates.is_on(fault.kind()).then_some(fault)
}

/// How far a replica lags.
fn age(grounds: &Grounds<'_>, amount: u32) -> u64 {
    match grounds.profile.consistency {
        Consistency::Strong => 0,
        Consistency::Eventual { stale_max_ns, .. } => {
            log_uniform(stale_max_ns / 1024, stale_max_ns, amount)
        }
    }
}

fn fault_of(kind: FaultKind, grounds: &Grounds<'_>, draw: &Draw) -> Fault {
    let amount = draw.word(word::AMOUNT);
    let latency_ns = grounds.latency_ns;
    let report = match draw.below(word::REPORT, 2) {
        0 => Report::Reset,
        _ => Report::Silence,
    };
    match kind {
        FaultKind::RequestLost => Fault::RequestLost { report },
        FaultKind::ReplyLost => Fault::ReplyLost { report },
        FaultKind::LateApply => Fault::LateApply {
            report,
            after_ns: log_uniform(latency_ns / 16, grounds.late_landing_max_ns, amount),
        },
        FaultKind::Duplicate => Fault::Duplicate {
            after_ns: log_uniform(latency_ns / 2, latency_ns.saturating_mul(16), amount),
        },
        FaultKind::Conflict => Fault::Conflict,
        FaultKind::TooManyRequests => Fault::TooManyRequests,
        FaultKind::SlowDown => Fault::SlowDown,
        FaultKind::ErrorBefore => Fault::ErrorBefore,
        FaultKind::ErrorAfter => Fault::ErrorAfter,
        FaultKind::Timeout => {
            Fault::Timeout { after_ns: log_uniform(latency_ns / 2, grounds.timeout_ns, amount) }
        }
        FaultKind::TailLatency => Fault::TailLatency {
            extra_ns: log_uniform(latency_ns * 4, latency_ns.saturating_mul(128), amount),
        },
        FaultKind::Reordering => Fault::Reordering {
            extra_ns: log_uniform(latency_ns / 4, latency_ns.saturating_mul(8), amount),
        },
        FaultKind::ShortBody => Fault::ShortBody { keep_ppm: sim::scale(amount, 1_000_000) },
        FaultKind::TornPut => Fault::TornPut { keep_ppm: sim::scale(amount, 1_000_000), report },
        FaultKind::RacedConflict => Fault::RacedConflict,
        FaultKind::BrokenBody => Fault::BrokenBody { keep_ppm: sim::scale(amount, 1_000_000) },
        FaultKind::BitFlip => Fault::BitFlip { place: amount },
        FaultKind::TornUpload => {
            Fault::TornUpload { keep_ppm: sim::scale(amount, 1_000_000), report }
        }
        FaultKind::StaleRead => Fault::StaleRead { age_ns: age(grounds, amount) },
        FaultKind::StaleList => Fault::StaleList { age_ns: age(grounds, amount) },
        FaultKind::TruncatedList => {
            Fault::TruncatedList { keep_ppm: sim::scale(amount, 1_000_000) }
        }
        FaultKind::UnorderedList => Fault::UnorderedList { seed: amount },
        FaultKind::PartialDelete => Fault::PartialDelete { seed: amount },
        FaultKind::LateDelete => Fault::LateDelete { after_ns: age(grounds, amount) },
        FaultKind::RateLimited => Fault::RateLimited,
        FaultKind::ErrorInside => Fault::ErrorInside,
        FaultKind::SkewedDate => Fault::SkewedDate { skew_ns: skew(amount) },
    }
}

/// How far a server's clock is off: between a millisecond and two seconds, ahead or behind. Fleets
/// are kept in step far better than this; two seconds are as many as a date of one second shows.
fn skew(amount: u32) -> i64 {
    let size = log_uniform(1_000_000, 2_000_000_000, amount << 1) as i64;
    if amount >> 31 == 1 { size } else { -size }
}

/// A number between `low` and `high` whose logarithm is uniform: every power of two between the two
/// is equally likely, and numbers within it are.
fn log_uniform(low: u64, high: u64, word: u32) -> u64 {
    let low = low.max(1);
    let octaves = (high / low).max(1).ilog2() + 1;
    let place = u64::from(word) * u64::from(octaves);
    let start = low.saturating_mul(1 << (place >> 32).min(40));
    let within = (u128::from(start) * u128::from(place as u32)) >> 32;
    start.saturating_add(within as u64).min(high.max(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_uniform_stays_within_its_bounds_and_fills_them() {
        for (low, high) in [(1, 1), (1000, 1_000_000), (5, 3), (0, 10)] {
            let all = (0..=u32::MAX).step_by(1 << 20);
            let numbers: Vec<_> = all.map(|word| log_uniform(low, high, word)).collect();
            assert!(numbers.is_sorted());
            assert!(numbers[0] >= low && *numbers.last().unwrap() <= high.max(low).max(1));
        }
        assert!(log_uniform(1000, 1_000_000, u32::MAX) > 900_000);
        assert!(log_uniform(1000, 1_000_000, u32::MAX / 2) < 100_000);
    }
}
