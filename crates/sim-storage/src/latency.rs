//! How long a request takes, as a function of one random word: integers and tables only.
//!
//! Measured latencies of object stores are log-normal in their bulk, never below a floor, and have
//! rare spikes far outside (STORES: p50 65 ms, p99 112 ms, maximum 1.5 s). The three are
//! [`LogNormal`] with its floor, and [`Spikes`].
//!
//! No floating point: `exp` and the normal quantile differ in the last bit between libraries, one
//! bit of a latency can swap two events, and then a seed is another run on another machine. Here
//! the quantile of a word comes from a table with eight steps in each power of two of the tail
//! probability, linearly interpolated (relative error of a latency below 0.2 %), and `exp` from a
//! table of `2^(j/64)`.

mod tables;

use tables::{EXP2, UPPER_TAIL};

/// Kinds of requests that differ in how long they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// GET and HEAD.
    Get,
    /// PUT without a condition, and one part of a multipart upload.
    Put,
    /// PUT with a condition, and the completion of a multipart upload.
    ConditionalPut,
    /// One page of a listing.
    List,
    /// DELETE, of one name or of a batch.
    Delete,
    /// Copy or rename on the server.
    Copy,
}

/// A log-normal latency that is cut at a floor and grows with the size of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogNormal {
    /// Median in microseconds, for an empty body.
    pub median_us: u32,
    /// Standard deviation of the logarithm, in thousandths.
    pub sigma_milli: u32,
    /// No request is faster than this many microseconds.
    pub floor_us: u32,
    /// Microseconds for each MiB of body.
    pub per_mib_us: u32,
}

impl LogNormal {
    /// The latency in nanoseconds at the quantile `word / 2^32` for a body of `size` bytes.
    pub fn at(&self, word: u32, size: u64) -> u64 {
        let log = i64::from(quantile(word)) * i64::from(self.sigma_milli) / 1000;
        let bulk = multiply_by_exp(u64::from(self.median_us) * 1000, log);
        let transfer = (u128::from(size) * u128::from(self.per_mib_us) * 1000) >> 20;
        let transfer = u64::try_from(transfer).unwrap_or(u64::MAX / 4);
        bulk.max(u64::from(self.floor_us) * 1000).saturating_add(transfer)
    }
}

/// Requests that take far longer than the bulk, for no reason that a client can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spikes {
    /// How many of a million requests.
    pub per_million: u32,
    /// Shortest spike in microseconds.
    pub min_us: u32,
    /// Longest spike in microseconds; uniform between the two.
    pub max_us: u32,
}

/// The latencies of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// [`Operation::Get`].
    pub get: LogNormal,
    /// [`Operation::Put`].
    pub put: LogNormal,
    /// [`Operation::ConditionalPut`], not contended.
    pub conditional_put: LogNormal,
    /// [`Operation::List`].
    pub list: LogNormal,
    /// [`Operation::Delete`].
    pub delete: LogNormal,
    /// [`Operation::Copy`].
    pub copy: LogNormal,
    /// Spikes of any operation.
    pub spikes: Spikes,
}

impl Latencies {
    /// The distribution of one operation.
    pub fn of(&self, operation: Operation) -> &LogNormal {
        match operation {
            Operation::Get => &self.get,
            Operation::Put => &self.put,
            Operation::ConditionalPut => &self.conditional_put,
            Operation::List => &self.list,
            Operation::Delete => &self.delete,
            Operation::Copy => &self.copy,
        }
    }

    /// The latency in nanoseconds of a request that drew `word` and moves `size` bytes. The highest
    /// words are spikes, so it never falls when the word grows.
    pub fn sample(&self, operation: Operation, size: u64, word: u32) -> u64 {
        let spiking = (u64::from(self.spikes.per_million.min(1_000_000)) << 32) / 1_000_000;
        let from_top = u64::from(!word);
        let bulk = self.of(operation).at(word, size);
        if from_top >= spiking {
            return bulk;
        }
        let (min, max) = (u64::from(self.spikes.min_us), u64::from(self.spikes.max_us));
        let above_min = max.saturating_sub(min) * (spiking - from_top) / spiking;
        bulk.max((min + above_min) * 1000)
    }
}

/// The standard normal quantile at `(word + 1/2) / 2^32`, in units of `2^-16`.
fn quantile(word: u32) -> i32 {
    let upper = word >> 31 == 1;
    // Twice the distance to the nearer end, plus one: odd, below 2^32, the tail times 2^33.
    let tail = if upper { !word } else { word } << 1 | 1;
    let octave = tail.ilog2();
    let normalised = tail << (31 - octave);
    let step = (octave * 8 + ((normalised >> 28) & 7)) as usize;
    let rest = i64::from(normalised & ((1 << 28) - 1));
    let (here, next) = (i64::from(UPPER_TAIL[step]), i64::from(UPPER_TAIL[step + 1]));
    let z = (here + (((next - here) * rest) >> 28)) as i32;
    if upper { z } else { -z }
}

/// `value * e^log`, `log` in units of `2^-16`; saturating.
fn multiply_by_exp(value: u64, log: i64) -> u64 {
    const LOG2_E: i64 = 94_548; // in units of 2^-16
    let exponent = (log * LOG2_E) >> 16;
    let whole = (exponent >> 16).clamp(-60, 30);
    let fraction = (exponent & 0xffff) as u64;
    let (step, rest) = ((fraction >> 10) as usize, fraction & 1023);
    let (here, next) = (u64::from(EXP2[step]), u64::from(EXP2[step + 1]));
    let mantissa = here + (((next - here) * rest) >> 10);
    let product = u128::from(value) * u128::from(mantissa);
    u64::try_from(product >> (30 - whole)).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    /// The upper tail of the normal distribution by its continued fraction (Laplace) or, near the
    /// middle, by its Taylor series.
    fn upper_tail(x: f64) -> f64 {
        let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x > 2.0 {
            let fraction = (1..200).rev().fold(x, |below, k| x + f64::from(k) / below);
            return density / fraction;
        }
        let (mut term, mut sum) = (x, x);
        for k in 1..60 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 - density * sum
    }

    #[test]
    fn the_tables_are_what_they_claim_to_be() {
        for (index, &entry) in UPPER_TAIL.iter().enumerate() {
            let (octave, step) = (index / 8, index % 8);
            let q = 2_f64.powi(octave as i32) * (1.0 + step as f64 / 8.0) / 2_f64.powi(33);
            let back = upper_tail(f64::from(entry) / 65536.0);
            assert!((back / q - 1.0).abs() < 1e-3, "{index}: {back} for {q}");
        }
        for (j, &entry) in EXP2.iter().enumerate() {
            let exact = (j as f64 / 64.0).exp2() * 2_f64.powi(30);
            assert!((f64::from(entry) - exact).abs() <= 1.0, "{j}");
        }
    }

    #[test]
    fn quantiles_of_every_preset_match_the_log_normal() {
        for profile in Profile::all() {
            for operation in [
                Operation::Get,
                Operation::Put,
                Operation::ConditionalPut,
                Operation::List,
                Operation::Delete,
                Operation::Copy,
            ] {
                let table = profile.latencies.of(operation);
                for (share, z) in [(0.05, -1.644854), (0.5, 0.0), (0.9, 1.281552), (0.99, 2.326348)]
                {
                    let word = (share * 2_f64.powi(32)) as u32;
                    let exact = (f64::from(table.median_us) * 1000.0)
                        * (z * f64::from(table.sigma_milli) / 1000.0).exp();
                    let exact = exact.max(f64::from(table.floor_us) * 1000.0);
                    let got = profile.latencies.sample(operation, 0, word) as f64;
                    assert!(
                        (got / exact - 1.0).abs() < 0.005,
                        "{operation:?} {share}: {got} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_higher_word_is_never_faster_and_spikes_come_last() {
        let latencies = Profile::s3().latencies;
        let mut last = 0;
        for word in (0..=u32::MAX).step_by(65_537) {
            let now = latencies.sample(Operation::ConditionalPut, 0, word);
            assert!(now >= last, "{word}");
            last = now;
        }
        assert_eq!(last, u64::from(latencies.spikes.max_us) * 1000);
    }

    #[test]
    fn size_costs_what_the_table_says() {
        let put = Profile::s3().latencies.put;
        assert_eq!(put.at(7, 3 << 20) - put.at(7, 0), u64::from(put.per_mib_us) * 3000);
        assert!(put.at(u32::MAX, u64::MAX) > put.at(u32::MAX, 0));
    }
}
