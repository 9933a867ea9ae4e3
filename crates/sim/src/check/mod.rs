//! Judges of histories: can what the clients saw be explained, and if not, why not?
//!
//! | module | question | cost |
//! |---|---|---|
//! | [`whitebox`] | do the commit ids that the system tells explain everything? | linear |
//! | [`linear`] | is there any order that explains what the clients saw? | near linear, with a budget |
//! | [`search`] | the same, for any sequential model | exponential in the overlap, with a budget |
//! | [`isolation`] | which anomalies does the dependency graph show? | linear |
//! | [`queues`] | do elements leave once, and in order? | a search, or linear for drained queues |
//! | [`sessions`] | do the session guarantees hold, by unique values? | linear |
//! | [`workloads`] | is the one rule kept that a well-known workload is about? | near linear |

pub mod explain;
pub mod generate;
mod index;
pub mod isolation;
pub mod linear;
mod lists;
pub mod queues;
pub mod search;
pub mod sessions;
pub mod whitebox;
mod windows;
pub mod workloads;
mod zones;

#[cfg(test)]
mod brute;
#[cfg(test)]
mod exhaustive;

/// What a checker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<V> {
    /// An explanation exists.
    Ok,
    /// None exists, and this is why.
    Violated(V),
    /// The budget ended, or the history holds something that this checker does not model.
    /// Never to be read as `Ok`.
    Undecided(Undecided),
}

/// How much work a checker may do before it says [`Undecided`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps, as each checker counts them: some hundred nanoseconds each.
    pub steps: u64,
}

impl Default for Budget {
    /// Twenty million steps: a few seconds.
    fn default() -> Self {
        Budget { steps: 20_000_000 }
    }
}

/// Why a checker gave no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// The step budget was used up.
    Budget {
        /// The budget, in steps of the checker.
        steps: u64,
    },
    /// The history has an access that this checker does not model.
    Unsupported {
        /// What it is.
        what: &'static str,
    },
}

impl<V> Verdict<V> {
    /// Whether an explanation exists.
    pub const fn is_ok(&self) -> bool {
        matches!(self, Verdict::Ok)
    }

    /// The violation, if there is one.
    pub fn violation(&self) -> Option<&V> {
        match self {
            Verdict::Violated(violation) => Some(violation),
            Verdict::Ok | Verdict::Undecided(_) => None,
        }
    }
}
