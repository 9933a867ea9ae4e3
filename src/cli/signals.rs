//! Who wants a run to end: SIGINT, SIGTERM, or a budget of wall time.
//!
//! The first signal asks: worlds in flight are finished, what was done is saved and told. A SIGINT
//! after that does not ask. Another SIGTERM changes nothing: timeout(1) sends it to the program and
//! then to its group, so whoever is asked once hears it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::failure::UsageError;

/// Becomes true when somebody asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Listens to signals from now on.
    pub(super) fn listen() -> Result<Asked, UsageError> {
        let asked = Asked::default();
        let raised = || Arc::clone(&asked.0);
        // In this order: the first signal finds the flag down and raises it.
        flag::register_conditional_shutdown(SIGINT, 128 + SIGINT, raised())
            .and_then(|_| flag::register(SIGINT, raised()))
            .and_then(|_| flag::register(SIGTERM, raised()))
            .map_err(UsageError::Signals)?;
        Ok(asked)
    }

    /// Whether somebody has asked.
    pub(super) fn is_true(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time as people write it: `90s`, `20m`, `8h`, `2d`, and these one after another (`1h30m`).
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let form = || format!("'{text}' is no time; write 90s, 20m, 8h or 1h30m");
    let (mut seconds, mut number) = (0u64, None::<u64>);
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                let digit = u64::from(letter as u8 - b'0');
                let longer = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
                number = Some(longer.ok_or_else(form)?);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(form()),
        };
        let more = number.take().and_then(|number| number.checked_mul(unit)).ok_or_else(form)?;
        seconds = seconds.checked_add(more).ok_or_else(form)?;
    }
    match (number, seconds) {
        (None, 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("20m"), Ok(1200));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("2d"), Ok(172_800));
        for text in ["", "20", "m", "0s", "-1m", "1.5h", "20 m", "99999999999999999999s", "1h2"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
