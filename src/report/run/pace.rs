//! How fast things went: latency and rate over virtual time.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::trace::Row;

use super::exchanges::{Exchange, Exchanges};

/// Slices of a run.
const SLICES: u64 = 60;

/// Latency and rate of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Virtual time of the first event that is told, in microseconds.
    pub from_us: u64,
    /// Virtual time of the last one.
    pub to_us: u64,
    /// Parts of equal length.
    pub slices: Vec<Slice>,
    /// Latency by the verb of requests.
    pub latencies: Vec<Latency>,
}

/// One part of a run: the requests that were sent in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Requests sent.
    pub requests: u32,
    /// Those whose client got a refusal, an error or nothing.
    pub failed: u32,
    /// Time to the answer in microseconds, for half of those answered.
    pub median_us: u64,
    /// Longest time to an answer.
    pub slowest_us: u64,
}

/// How long requests of one kind took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The verb.
    pub verb: String,
    /// Requests that were answered.
    pub answered: u64,
    /// Microseconds for half of them.
    pub median_us: u64,
    /// Microseconds for 95 % of them.
    pub most_us: u64,
    /// Microseconds for the slowest.
    pub slowest_us: u64,
}

impl Pace {
    pub(super) fn of(trace: &[Row], exchanges: &Exchanges) -> Pace {
        let (Some(first), Some(last)) = (trace.first(), trace.last()) else {
            return Pace::default();
        };
        // Rows of the log share event numbers, but not times that differ.
        let at_ns: BTreeMap<u64, u64> = trace.iter().map(|row| (row.event, row.at_ns)).collect();
        let span_ns = (last.at_ns - first.at_ns).max(1);
        let mut parts: Vec<(Slice, Vec<u64>)> = vec![Default::default(); SLICES as usize];
        let mut verbs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for exchange in exchanges.iter() {
            let Some(sent_ns) = exchange.sent.and_then(|event| at_ns.get(&event)) else { continue };
            let place =
                u128::from(sent_ns - first.at_ns) * u128::from(SLICES) / u128::from(span_ns);
            let (slice, times) = &mut parts[place.min(u128::from(SLICES) - 1) as usize];
            slice.requests += 1;
            slice.failed += u32::from(has_failed(exchange));
            let answer = exchange.answered.filter(super::Answer::came);
            if let Some(told_ns) = answer.and_then(|answer| at_ns.get(&answer.event)) {
                let us = (told_ns - sent_ns) / 1000;
                times.push(us);
                let verb = exchange.text.split(' ').next().unwrap_or_default();
                verbs.entry(verb).or_default().push(us);
            }
        }
        let slices = parts.into_iter().map(|(mut slice, mut times)| {
            times.sort_unstable();
            slice.median_us = quantile(&times, 50);
            slice.slowest_us = times.last().copied().unwrap_or(0);
            slice
        });
        Pace {
            from_us: first.at_ns / 1000,
            to_us: last.at_ns / 1000,
            slices: slices.collect(),
            latencies: verbs.into_iter().map(|(verb, times)| latency(verb, times)).collect(),
        }
    }
}

/// Whether the client got no good answer. A precondition that does not hold, or an object that did
/// not change, is an answer.
fn has_failed(exchange: &Exchange) -> bool {
    let status = exchange.answered.map(|answer| answer.status);
    !matches!(status, Some(200..400 | 404 | 412))
}

fn latency(verb: &str, mut times: Vec<u64>) -> Latency {
    times.sort_unstable();
    Latency {
        verb: verb.to_owned(),
        answered: times.len() as u64,
        median_us: quantile(&times, 50),
        most_us: quantile(&times, 95),
        slowest_us: times.last().copied().unwrap_or(0),
    }
}

/// The smallest of the sorted times that so many percent do not exceed; 0 without any.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let times: Vec<u64> = (1..=20).collect();
        assert_eq!([50, 95, 100].map(|percent| quantile(&times, percent)), [10, 19, 20]);
        assert_eq!(quantile(&[], 50), 0);
        assert_eq!(quantile(&[7], 50), 7);
    }
}
