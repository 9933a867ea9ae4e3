//! Search strategies: how the worlds of a campaign look for trouble.
//!
//! Two things make a world dangerous: what befalls it, and in which order things happen. Strategies
//! differ in which of the two they stress, and no single one is good at everything: each is far
//! slower than the best on some bug (`docs/strategies.md` has the measurements). So the default is a
//! **portfolio**: every seed draws its strategy.
//!
//! | strategy | faults | order of events |
//! |---|---|---|
//! | `timed` | the whole swarm | by time |
//! | `walk`, `pct`, `pos`, `surw` | the whole swarm | by chance, each in its own way, see [`sim::Order`] |
//! | `stall` | almost none, but one or two stalls at named steps | by time |
//!
//! The parameters of a strategy (window, depth, object of interest) are drawn for each world as
//! well, at a site of their own: the same seed has the same clients, operations and faults under all
//! strategies but `stall`. What differs beside the order is how often others do upkeep (see
//! `swarm/upkeep.rs`): an unusual order hurts where something is folded and collected meanwhile.

use std::time::Duration;

use sim::{Interest, Order, Schedule, Tasks};

use crate::swarm::Words;

/// How a world looks for trouble.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The earliest event first, with the whole swarm of faults.
    Timed,
    /// Any pending event within a window, each with the same probability.
    Walk,
    /// Probabilistic concurrency testing: processes have priorities, which change a few times.
    Pct,
    /// Partial order sampling: events have priorities, drawn anew where they race.
    Pos,
    /// Selectively uniform random walk: every interleaving of the events of interest alike.
    Surw,
    /// A calm world with one or two stalls at named steps, as long as the timers of the system.
    Stall,
}

/// How many requests of usual length the narrowest and the widest window hold. Narrower ones hardly
/// differ from the order of time, wider ones make everybody late.
const WINDOW_REQUESTS: (u32, u32) = (4, 200);

/// How many choices of a schedule an operation takes, generously: a request is two events, and what
/// waits for it a timer and a few polls. After as many as that the order is by time again.
const STEPS_OF_AN_OPERATION: u64 = 30;

impl Strategy {
    /// All of them.
    pub const ALL: [Strategy; 6] = [
        Strategy::Timed,
        Strategy::Walk,
        Strategy::Pct,
        Strategy::Pos,
        Strategy::Surw,
        Strategy::Stall,
    ];

    /// The name, as it stands after `--strategy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Timed => "timed",
            Strategy::Walk => "walk",
            Strategy::Pct => "pct",
            Strategy::Pos => "pos",
            Strategy::Surw => "surw",
            Strategy::Stall => "stall",
        }
    }

    /// Its share of the portfolio, in percent: so that the bug that is found last is found soonest,
    /// and no strategy is left out. `docs/strategies.md` has the measurements behind it.
    #[must_use]
    pub fn share_percent(self) -> u32 {
        match self {
            Strategy::Timed | Strategy::Pos => 30,
            Strategy::Walk => 15,
            Strategy::Surw | Strategy::Stall => 10,
            Strategy::Pct => 5,
        }
    }

    /// The strategy of a world that draws from the portfolio.
    pub(crate) fn of_portfolio(words: &mut Words) -> Strategy {
        let mut place = words.below(100);
        for strategy in Strategy::ALL {
            match place.checked_sub(strategy.share_percent()) {
                Some(rest) => place = rest,
                None => return strategy,
            }
        }
        Strategy::Timed
    }

    /// The order of events in a world of so many operations.
    pub(crate) fn schedule(
        self,
        words: &mut Words,
        typical_request: Duration,
        operations: u32,
    ) -> Schedule {
        let window = typical_request * words.spread(WINDOW_REQUESTS.0, WINDOW_REQUESTS.1);
        let tasks = *words.pick(&[Tasks::First, Tasks::Mixed]);
        let order = match self {
            Strategy::Timed | Strategy::Stall => return Schedule::TIMED,
            Strategy::Walk => Order::Walk,
            Strategy::Pct => Order::Pct { depth: words.between(1, 5) },
            Strategy::Pos => Order::Pos,
            Strategy::Surw => Order::Surw { interest: interest(words) },
        };
        let steps = u64::from(operations) * STEPS_OF_AN_OPERATION;
        Schedule { order, window, tasks, steps }
    }
}

/// Objects are numbered as they are first named, so the ones that matter have low numbers.
fn interest(words: &mut Words) -> Interest {
    match words.below(4) {
        0 => Interest::Objects,
        1 => Interest::Writes,
        _ => Interest::Object(words.spread(1, 16)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_portfolio_make_a_whole() {
        let shares = Strategy::ALL.iter().map(|strategy| strategy.share_percent());
        assert_eq!(shares.sum::<u32>(), 100);
        assert!(Strategy::ALL.iter().all(|strategy| strategy.share_percent() > 0));
    }

    #[test]
    fn names_are_those_of_the_serialized_form() {
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_value(strategy).expect("it serializes"), strategy.name());
        }
    }
}
