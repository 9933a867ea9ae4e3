//! Probabilistic concurrency testing.
//!
//! Processes have priorities; what happens next is of the candidate process with the highest one,
//! its earliest event first. A process is given a random high priority when it is first seen. At
//! `depth - 1` steps of the run, drawn uniformly from its expected `steps`, the process that has
//! just run falls to one of the low priorities `1..depth`, each used once.
//!
//! The change points are not drawn ahead: step by step, each is one with the probability that is
//! left (selection sampling: Fan, Muller, Rezucha, JASA 1962; Knuth's algorithm S). That is the
//! same distribution, and a run that is drawn afresh from some event on has fresh points after it.
//!
//! One difference from the paper: there a process of low priority waits until all others block.
//! Here it waits for at most the window, because time passes meanwhile.

use std::cmp::Reverse;

use super::{Chooser, Pending};
use crate::process::ProcessId;

/// Every priority that is drawn is at least this; those of change points are below.
const HIGH: u32 = 1 << 31;

#[derive(Debug)]
pub(super) struct Pct {
    /// By process; 0 stands for "not drawn yet".
    priorities: Vec<u32>,
    /// The low priorities that no change point has used.
    lows: Vec<u32>,
    steps_left: u64,
}

impl Pct {
    pub(super) fn new(depth: u32, steps: u64) -> Self {
        Pct { priorities: Vec::new(), lows: (1..depth.max(1)).collect(), steps_left: steps }
    }

    pub(super) fn choose(
        &mut self,
        pool: &[Pending],
        candidates: &[u32],
        chooser: &mut Chooser<'_>,
    ) -> u32 {
        let mut best = (0, Reverse(u64::MAX));
        let mut chosen = candidates[0];
        for &place in candidates {
            let pending = &pool[place as usize];
            let rank = (self.priority(pending.footprint.process, chooser), Reverse(pending.at_ns));
            if rank > best {
                (best, chosen) = (rank, place);
            }
        }
        self.step(pool[chosen as usize].footprint.process, chooser);
        chosen
    }

    fn priority(&mut self, process: ProcessId, chooser: &mut Chooser<'_>) -> u32 {
        let index = usize::from(process.0);
        if self.priorities.len() <= index {
            self.priorities.resize(index + 1, 0);
        }
        let priority = &mut self.priorities[index];
        if *priority == 0 {
            *priority = HIGH | chooser.word() >> 1;
        }
        *priority
    }

    /// `process` has run; perhaps it falls.
    fn step(&mut self, process: ProcessId, chooser: &mut Chooser<'_>) {
        if self.lows.is_empty() {
            return;
        }
        let left = usize::try_from(self.steps_left.max(1)).unwrap_or(usize::MAX);
        if chooser.below(left) < self.lows.len() {
            let low = self.lows.swap_remove(chooser.one_of(self.lows.len()));
            self.priorities[usize::from(process.0)] = low;
        }
        self.steps_left = self.steps_left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Source;

    /// Lets process 1 alone make `steps` steps; returns after which of them its priority changed.
    fn changes(depth: u32, steps: u64, seed: u64) -> Vec<u64> {
        let mut source = Source::new(seed);
        let mut chooser = Chooser { source: &mut source, event: 0 };
        let mut pct = Pct::new(depth, steps);
        let mut before = pct.priority(ProcessId(1), &mut chooser);
        let mut changes = Vec::new();
        for step in 0..steps {
            pct.step(ProcessId(1), &mut chooser);
            let now = pct.priority(ProcessId(1), &mut chooser);
            if now != before {
                changes.push(step);
            }
            before = now;
        }
        changes
    }

    #[test]
    fn depth_one_never_changes_a_priority() {
        for seed in 0..100 {
            assert!(changes(1, 1000, seed).is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn depth_d_changes_priorities_at_d_less_one_steps_spread_over_the_run() {
        let mut by_quarter = [0; 4];
        for seed in 0..500 {
            let changes = changes(4, 100, seed);
            assert_eq!(changes.len(), 3, "seed {seed}: {changes:?}");
            for step in changes {
                by_quarter[(step / 25) as usize] += 1;
            }
        }
        // 1,500 points, 375 in each quarter on average; the standard deviation is below 17.
        assert!(by_quarter.iter().all(|&count| (300..450).contains(&count)), "{by_quarter:?}");
    }
}
