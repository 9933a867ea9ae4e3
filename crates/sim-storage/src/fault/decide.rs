//! The one place where the fate of a request is decided.
//!
//! Sizes of faults are log-uniform: a landing that is a few milliseconds late and one that is a
//! minute late find different bugs, and nobody knows beforehand which.

use sim::{Draw, ProcessId};

use super::{Fault, FaultKind, FaultPlan, FaultRates, Report, Shape};

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

/// What a decision rests on besides the draw.
#[derive(Debug)]
pub(crate) struct Grounds<'a> {
    pub(crate) rates: &'a FaultRates,
    pub(crate) plan: &'a FaultPlan,
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
}

/// Decides about one request.
pub(crate) fn decide(
    grounds: &Grounds<'_>,
    key: (ProcessId, u32),
    shape: &Shape,
    draw: &Draw,
) -> Decision {
    // The store is reached after a quarter to three quarters of the whole time.
    let way = u64::from(draw.between(word::WAY, 256, 768));
    let request_ns = grounds.latency_ns * way / 1024;
    let reply_ns = grounds.latency_ns - request_ns;
    let planned = if grounds.plan.0.is_empty() { None } else { grounds.plan.0.get(&key) };
    let fault = match planned {
        Some(fault) => fault.filter(|fault| fault.kind().applies_to(shape)),
        None => grounds
            .rates
            .kind_at(draw.below(word::KIND, 1_000_000))
            .filter(|kind| kind.applies_to(shape))
            .map(|kind| fault_of(kind, grounds, draw)),
    };
    Decision { fault, request_ns, reply_ns }
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
    }
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
