//! The classic search, kept as simple as it can be.
//!
//! Depth first over "which call takes effect next": a call may go next if no other call that must
//! go before it (ended before it began) is still open. The set of calls taken and the state
//! reached determine all that can follow, so a pair that was tried is never tried again.

use std::collections::BTreeSet;

use super::{Call, Model};

/// Whether `calls` are linearizable. Exponential in the overlap; for tests and small witnesses.
///
/// # Panics
/// If there are more than 64 calls.
pub fn reference<M: Model>(model: &M, calls: &[Call<M::Call>]) -> bool {
    assert!(calls.len() <= 64, "the reference search takes at most 64 calls");
    let mut seen = BTreeSet::new();
    let mut open = vec![(0u64, model.initial())];
    while let Some((taken, state)) = open.pop() {
        let left = |index: &usize| taken >> index & 1 == 0;
        let first_end = (0..calls.len()).filter(left).map(|index| calls[index].deadline).min();
        // Only calls of unknown outcome are left, and they may all have had no effect.
        let Some(first_end) = first_end.filter(|&end| end != u32::MAX) else {
            return true;
        };
        for index in (0..calls.len()).filter(left) {
            if calls[index].invoke < first_end
                && let Some(next) = model.step(&state, &calls[index].call)
            {
                let node = (taken | 1 << index, next);
                if seen.insert(node.clone()) {
                    open.push(node);
                }
            }
        }
    }
    false
}
