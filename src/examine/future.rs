//! The point of no return: how likely the failure is from an event on.
//!
//! Up to the event everything is as in the plan's own run; what comes later is drawn afresh, with
//! the faults of the seed that the plan comes from. Operations stay; blows that have not struck by
//! then do not strike.

use serde::Serialize;

use super::{Examiner, Seen, Tally};
use crate::plan::Variation;

/// Events at which it is asked, at most.
const POINTS_MAX: usize = 24;

/// How likely the failure is if everything after an event is drawn afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Chance {
    /// The event.
    pub event: u64,
    /// What came of the fresh runs.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Examiner<'_> {
    /// How likely the failure is from each event that is told on.
    pub(super) fn chances(&mut self, own: &Seen, told: &[u64]) -> Vec<Chance> {
        let mut chances = Vec::new();
        for event in points(told) {
            let Some(tally) = self.from(own, event) else { break };
            chances.push(Chance { event, tally });
        }
        chances
    }

    fn from(&mut self, own: &Seen, event: u64) -> Option<Tally> {
        let (plan, rates) = (self.plan, self.ground.rates.clone());
        let missed = (0..plan.blows.len())
            .filter(|place| own.strike_of(plan, *place).is_none_or(|strike| strike > event));
        let missed: Vec<usize> = missed.collect();
        let mut tally = Tally::default();
        for seed in self.seeds()? {
            let variation = Variation::future(plan, event, &rates, missed.clone(), seed);
            tally.add(self.outcome(plan, &variation));
        }
        Some(tally)
    }
}

/// The beginning and the events themselves, or as many of them as may be asked, evenly, with the
/// first and the last.
fn points(told: &[u64]) -> Vec<u64> {
    let beginning = (told.first() > Some(&0)).then_some(0);
    let told: Vec<u64> = beginning.into_iter().chain(told.iter().copied()).collect();
    let count = told.len().min(POINTS_MAX);
    let last = told.len().saturating_sub(1);
    (0..count).map(|place| told[place * last / count.saturating_sub(1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_few_and_hold_both_ends() {
        assert!(points(&[]).is_empty());
        assert_eq!(points(&[7]), [0, 7]);
        assert_eq!(points(&[0, 2, 9]), [0, 2, 9]);
        let many: Vec<u64> = (0..1000).collect();
        let points = points(&many);
        assert_eq!((points.len(), points[0], points[POINTS_MAX - 1]), (POINTS_MAX, 0, 999));
        assert!(points.is_sorted());
    }
}
