//! Durations as text: `35ms`, `1.25s`, `800us`, `17ns`, exact to the nanosecond.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration in virtual nanoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

const UNITS: [(&str, u64); 4] = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, unit): &&(&str, u64)| self.0 >= *unit;
        let (name, unit) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[3]);
        let (whole, rest) = (self.0 / unit, self.0 % unit);
        if rest == 0 {
            return write!(f, "{whole}{name}");
        }
        let digits = unit.ilog10() as usize;
        let rest = format!("{rest:0digits$}");
        write!(f, "{whole}.{}{name}", rest.trim_end_matches('0'))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("'{text}' is no duration such as 35ms, 1.25s, 800us or 17ns");
        let end = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, name) = text.split_at(end);
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or_else(wrong)?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let finest = unit.ilog10() as usize;
        if !is_number(whole) || !is_number(rest) || (number != whole && rest.len() > finest) {
            return Err(wrong());
        }
        let too_long = |_| format!("'{text}' is too long");
        let whole: u64 = whole.parse().map_err(too_long)?;
        let rest: u64 = rest.parse::<u64>().map_err(too_long)?
            * (unit / 10_u64.pow(rest.len() as u32).min(*unit));
        let ns = whole.checked_mul(*unit).and_then(|ns| ns.checked_add(rest));
        ns.map(Span).ok_or_else(|| format!("'{text}' is too long"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Span, String> {
        text.parse()
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration::from_nanos(span.0)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, ns) in [
            ("0s", 0),
            ("17ns", 17),
            ("1.5us", 1500),
            ("35ms", 35_000_000),
            ("1.25s", 1_250_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(ns)));
            assert_eq!(Span(ns).to_string(), text);
        }
        for text in ["", "s", "1", "1 s", "-1s", "1.5ns", "1.0000000001s", "1m", "1e3s", ".5s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("99999999999999999999s".parse::<Span>().is_err());
    }

    proptest! {
        #[test]
        fn every_duration_survives_the_way_through_text(ns: u64) {
            prop_assert_eq!(Span(ns).to_string().parse(), Ok(Span(ns)));
        }
    }
}
