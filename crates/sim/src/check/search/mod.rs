//! Linearizability against any sequential model, by search.
//!
//! A [`Model`] says what one call may do to a state. A set of [`Call`]s is linearizable if every
//! call that certainly happened can be given one moment between its invoke and its deadline, and
//! every other call such a moment or none, so that the model accepts them in that order
//! (Herlihy and Wing, 1990). Deciding that is NP-complete (Gibbons and Korach, 1997); two searches
//! live here:
//!
//! * [`reference()`]: the classic one (Wing and Gong 1993, with Lowe's cache of 2017) for at most 64
//!   calls. Short enough to be believed; every other checker is compared with it in tests.
//! * [`just_in_time`]: the one to use. It takes a call early only when a return forces a decision,
//!   treats equal calls of unknown outcome as one, and drops a configuration if another one got
//!   there with fewer of them spent.

mod just_in_time;
mod models;
mod reference;

use std::fmt::Debug;

pub use just_in_time::just_in_time;
pub use models::{Cell, Shape, Store};
pub use reference::reference;

use super::Budget;
use crate::history::OpId;

/// A sequential specification.
pub trait Model {
    /// What the object holds.
    type State: Clone + Ord + Debug;
    /// One call together with what its client saw.
    type Call: Clone + Ord + Debug;

    /// The state before the first call.
    fn initial(&self) -> Self::State;

    /// The state after the call, or `None` if a client could not have seen that in this state.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;

    /// Whether the effect of `cause` may be needed for `later` to be accepted. Saying `true` is
    /// always safe; saying `false` lets the search forget calls of unknown outcome.
    fn may_enable(&self, cause: &Self::Call, later: &Self::Call) -> bool {
        let _ = (cause, later);
        true
    }
}

/// One call with its place in time.
#[derive(Clone, Debug)]
pub struct Call<C> {
    /// The operation of the history that it stands for.
    pub op: OpId,
    /// Total index of its invoke.
    pub invoke: u32,
    /// Total index until which it must have taken effect; `u32::MAX` for a call of unknown
    /// outcome, which may also never take effect.
    pub deadline: u32,
    /// What it did.
    pub call: C,
}

impl<C> Call<C> {
    /// Whether the call certainly happened.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.deadline != u32::MAX
    }
}

/// No order explains the calls that ended up to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The call that no order could serve before it returned.
    pub op: OpId,
    /// Total index of its return: the history up to here is already wrong.
    pub event: u32,
}

/// Counts the steps of a search down.
#[derive(Debug)]
pub(crate) struct Steps {
    left: u64,
    pub(crate) all: u64,
}

impl Steps {
    pub(crate) fn new(budget: Budget) -> Self {
        Steps { left: budget.steps, all: budget.steps }
    }

    /// Takes `steps`; false once they are used up.
    #[inline]
    pub(crate) fn take(&mut self, steps: u64) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                false
            }
        }
    }
}
