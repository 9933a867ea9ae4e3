//! Selectively uniform random walk.
//!
//! A walk that picks each process with the same probability reaches the interleavings of a long
//! and a short process very unevenly. If the next one is picked in proportion to the events that
//! each still has ahead, every interleaving is equally likely. That takes knowing how many there
//! are, which is estimated; and it is worth doing for the **events of interest** only, those at an
//! object that is fought for, say. So whose turn it is at these is drawn by weight; others wait
//! with theirs; and everything that is not of interest happens at random.
//!
//! In the paper a turn lasts until its process arrives. Here it ends when nothing else within the
//! window can happen, because the process may be asleep or dead; the turn then goes to one of
//! those that wait.

use super::{Chooser, Pending};
use crate::process::ProcessId;
use crate::schedule::{Access, EVERY_OBJECT, Footprint};

/// Which events are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// All that touch an object outside their process.
    Objects,
    /// All that may change an object.
    Writes,
    /// All that touch this object.
    Object(u32),
}

impl Interest {
    fn meets(self, footprint: &Footprint) -> bool {
        match (self, footprint.access) {
            (_, Access::Local) => false,
            (Interest::Objects, _) => true,
            (Interest::Writes, access) => access == Access::Write,
            (Interest::Object(object), _) => {
                footprint.object == object || footprint.object == EVERY_OBJECT
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Surw {
    interest: Interest,
    /// Whose turn it is with an event of interest.
    turn: Option<ProcessId>,
    /// Places that may be chosen; kept for its memory.
    allowed: Vec<u32>,
}

impl Surw {
    pub(super) fn new(interest: Interest) -> Self {
        Surw { interest, turn: None, allowed: Vec::new() }
    }

    pub(super) fn choose(
        &mut self,
        pool: &[Pending],
        candidates: &[u32],
        expected: &mut [u32],
        chooser: &mut Chooser<'_>,
    ) -> u32 {
        if self.turn.is_none() {
            self.turn = by_weight(expected, chooser, |_, weight| weight);
        }
        if !self.allow(pool, candidates) {
            let waits = |process| {
                let of = |place: &u32| pool[*place as usize].footprint.process == process;
                candidates.iter().any(of)
            };
            // Who is there has at least one event ahead, whatever was expected.
            let weigh = |process, weight: u32| if waits(process) { weight.max(1) } else { 0 };
            self.turn = by_weight(expected, chooser, weigh);
            if !self.allow(pool, candidates) {
                // Nothing was ever said about those who wait.
                self.allowed.extend_from_slice(candidates);
            }
        }
        let chosen = self.allowed[chooser.one_of(self.allowed.len())];
        let footprint = &pool[chosen as usize].footprint;
        if self.interest.meets(footprint) {
            self.turn = None;
            if let Some(left) = expected.get_mut(usize::from(footprint.process.0)) {
                *left = left.saturating_sub(1);
            }
        }
        chosen
    }

    /// Finds the candidates that need not wait for somebody's turn. False if there are none.
    fn allow(&mut self, pool: &[Pending], candidates: &[u32]) -> bool {
        self.allowed.clear();
        for &place in candidates {
            let footprint = &pool[place as usize].footprint;
            if !self.interest.meets(footprint) || self.turn == Some(footprint.process) {
                self.allowed.push(place);
            }
        }
        !self.allowed.is_empty()
    }
}

/// A process by weight: `weigh` is given each process with what is expected of it. `None` if all
/// weights are 0.
fn by_weight(
    expected: &[u32],
    chooser: &mut Chooser<'_>,
    weigh: impl Fn(ProcessId, u32) -> u32,
) -> Option<ProcessId> {
    let weights = || {
        let processes = (0..).map(ProcessId).zip(expected);
        processes.map(|(process, &events)| (process, weigh(process, events) as usize))
    };
    let total: usize = weights().map(|(_, weight)| weight).sum();
    if total == 0 {
        return None;
    }
    let mut place = chooser.below(total);
    for (process, weight) in weights() {
        match place.checked_sub(weight) {
            Some(rest) => place = rest,
            None => return Some(process),
        }
    }
    None
}
