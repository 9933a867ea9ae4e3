//! Scripts: worlds in which the fate of every request is written down instead of drawn.
//!
//! A request is addressed by what its process was doing, not by how many requests went before it
//! in the whole run: the process, the [`Moment`] that it had reached last (the third operation,
//! say), and the number of the request since that moment. So an operation can be taken out of a
//! world, with its requests, and the requests of all other operations keep their fates.
//!
//! Requests that a script does not mention are **ordinary**: no fault, and the same time there and
//! back for all of them. To find out how much of a world matters, a script may leave some of it to
//! [`Chance`]: how long ordinary requests take, or everything about requests from an event on.

use std::collections::BTreeMap;

use sim::ProcessId;

use super::Fault;

/// What a process had begun last when it made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Its life with this number, from 0: it opens the system.
    Opening(u32),
    /// The operation (or the round of a duty) with this number.
    Operation(u32),
    /// The end, when faults are over.
    Quiet,
}

impl Default for Moment {
    fn default() -> Self {
        Moment::Opening(0)
    }
}

/// The address of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// Whose request it is.
    pub process: ProcessId,
    /// What the process had begun last.
    pub moment: Moment,
    /// How many requests the process made since then, before this one.
    pub nth: u32,
}

/// How long the two ways of a request take, in virtual nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ways {
    /// From the process to the store.
    pub there_ns: u64,
    /// From the store to the process.
    pub back_ns: u64,
}

/// What is decided about one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// How long its ways take; `None`: as usual.
    pub ways: Option<Ways>,
    /// What goes wrong. A fault that means nothing for such a request does nothing.
    pub fault: Option<Fault>,
    /// An outage that hits a larger share of the requests than this, in parts per million, hits
    /// this one.
    pub luck_ppm: u32,
}

/// The fates of all requests of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// How long the ways of a request usually take.
    pub usual: Ways,
    /// The requests that are not ordinary.
    pub fates: BTreeMap<RequestKey, Fate>,
    /// What is drawn all the same.
    pub chance: Chance,
}

/// What a script leaves to chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Chance {
    /// Nothing.
    #[default]
    Nothing,
    /// How long ordinary requests take.
    Latencies(Spread),
    /// The fate of every request that is sent after so many events of the trace, mentioned or not:
    /// its ways, and its fault at the rates of the world.
    Future {
        /// How many events are as they are written.
        events: u64,
        /// How long requests take then.
        spread: Spread,
    },
}

/// How long the two ways of a request take together, if that is drawn: between these bounds, in
/// virtual nanoseconds, every factor of two alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// At least.
    pub least_ns: u64,
    /// At most.
    pub most_ns: u64,
}

/// How the fate of one request is found.
pub(crate) enum Said {
    /// It is written down.
    Written(Ways, Fate),
    /// Its ways are drawn, it has no fault.
    Ordinary(Spread),
    /// All of it is drawn.
    Open(Spread),
}

impl Script {
    /// What it says about one request; `events` are those of the trace so far.
    pub(crate) fn says(&self, key: &RequestKey, events: u64) -> Said {
        if let Chance::Future { events: written, spread } = self.chance
            && events >= written
        {
            return Said::Open(spread);
        }
        match (self.fates.get(key), self.chance) {
            (Some(fate), _) => Said::Written(fate.ways.unwrap_or(self.usual), *fate),
            (None, Chance::Latencies(spread)) => Said::Ordinary(spread),
            (None, _) => Said::Written(self.usual, Fate::default()),
        }
    }
}

/// A request that was made, and what was decided about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its address.
    pub key: RequestKey,
    /// Its number, as it stands in the trace.
    pub request: u64,
    /// Its fate, with the ways that it was given.
    pub fate: Fate,
}
