//! One run as a value: all that a report of it says, before anybody decides how it looks.
//!
//! [`Run::of`] reads a finished world and its diagnosis and nothing else, so the same seed gives
//! the same value. Lanes of text ([`to_lanes`](super::to_lanes)), JSON and the HTML page
//! ([`to_html`](super::to_html)) are pure functions of a [`RunReport`]; none of them looks at a
//! world.
//!
//! ```text
//!   WorldReport + Diagnosis ──▶ Run ──▶ RunReport ──▶ lanes, JSON, HTML
//!        trace rows ─┬─▶ exchanges   request ▷ in the store ▷ answer, by the request's number
//!                    ├─▶ bands       crashed, stalled, cut off, store not well
//!                    ├─▶ objects     who wrote which version when
//!                    ├─▶ operations  what clients did and were told
//!                    └─▶ pace        latency and rate over virtual time
//! ```
//! Everything refers to events by their numbers. A trace may be incomplete at both ends (a ring
//! buffer drops the oldest events, a reader may ask to stop early): [`Unseen`] says how much is
//! missing, and what refers to a missing event is an `Option`.
//!
//! What takes more runs than this one (a reduced run that fails alike, what the failure needs, how
//! likely it is from an event on) is `None` until somebody has found it out.

mod bands;
mod build;
mod excerpt;
mod exchanges;
mod objects;
mod operations;
mod pace;
#[cfg(test)]
mod tests;

use serde::Serialize;
use sim::Seed;
use sim::trace::{Kind, Row};

use super::{ReducedLine, Story};
use crate::examine::Examination;

pub use bands::{Band, BandKind};
pub use exchanges::{Answer, Exchange};
pub use objects::{Object, Version};
pub use operations::{Client, Outcome};
pub use pace::{Latency, Pace, Slice};

/// Everything that is told of one seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// Version of `vopr`.
    pub version: &'static str,
    /// Name of the system under test.
    pub system: String,
    /// The planted bug, if there is one.
    pub bug: Option<String>,
    /// The file of the plan, if it is one that was run.
    pub plan: Option<String>,
    /// The seed; of a plan: what decides that which it leaves open.
    pub seed: Seed,
    /// What failures of this kind have in common; `None` for a run that passed.
    pub group: Option<String>,
    /// Commands that show more.
    pub next: Vec<String>,
    /// The run as the seed gives it.
    pub full: Run,
    /// A smaller run that fails in the same way.
    pub reduced: Option<Run>,
    /// How much smaller it is.
    pub reduction: Option<ReducedLine>,
}

impl RunReport {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.full.story.is_none()
    }

    /// The run that shows the failure best: the reduced one, if there is one.
    #[must_use]
    pub fn best(&self) -> &Run {
        self.reduced.as_ref().unwrap_or(&self.full)
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// What the world was like, one property each.
    pub options: Vec<String>,
    /// Hash over all events, in hexadecimal.
    pub fingerprint: String,
    /// How much there was of everything.
    pub counts: Counts,
    /// Events that are not in `trace`.
    pub unseen: Unseen,
    /// Names of the processes, those of one role together, in the order of their appearance.
    pub processes: Vec<String>,
    /// Requests with what became of them, in the order of their first event.
    pub exchanges: Vec<Exchange>,
    /// What lasted.
    pub bands: Vec<Band>,
    /// Faults that took effect, in their order.
    pub faults: Vec<Struck>,
    /// Objects that were written, by name.
    pub objects: Vec<Object>,
    /// Operations of clients, in the order of their beginning.
    pub operations: Vec<Client>,
    /// Latency and rate.
    pub pace: Pace,
    /// The story of the failure; `None` for a run that passed.
    pub story: Option<Story>,
    /// Events that prove the class of the failure.
    pub proof: Vec<u64>,
    /// The first event at which a rule was broken or the system panicked.
    pub first_error: Option<u64>,
    /// What many runs of its plan came to: what the failure needs, and from when on it could not be
    /// helped.
    pub examined: Option<Examination>,
    /// The events, oldest first.
    pub trace: Vec<Row>,
}

/// How much there was of everything in a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Requests that left a process.
    pub requests: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits.
    pub commits: u64,
    /// Virtual microseconds.
    pub virtual_us: u64,
}

/// Events of the run that are not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// Older ones, which were not kept.
    pub before: u64,
    /// Younger ones, which were not asked for.
    pub after: u64,
}

/// A fault that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Struck {
    /// The event.
    pub event: u64,
    /// Virtual time in microseconds.
    pub at_us: u64,
    /// The process.
    pub process: String,
    /// Which fault.
    pub what: String,
    /// Number of the request that it struck; `None` if it struck the process.
    pub request: Option<u64>,
}

impl Run {
    /// Place of an event in `trace`. Lines of the system's log share their number with the event
    /// that follows them; the event itself is meant.
    #[must_use]
    pub fn place_of(&self, event: u64) -> Option<usize> {
        let from = self.trace.partition_point(|row| row.event < event);
        let same = self.trace[from..].iter().take_while(|row| row.event == event);
        let place = from + same.take_while(|row| row.kind == Kind::Log).count();
        self.trace.get(place).is_some_and(|row| row.event == event).then_some(place)
    }

    /// An event by its number.
    #[must_use]
    pub fn row(&self, event: u64) -> Option<&Row> {
        self.place_of(event).map(|place| &self.trace[place])
    }

    /// The request that an event belongs to: it left, took effect, was answered or was struck.
    #[must_use]
    pub fn exchange_of(&self, row: &Row) -> Option<&Exchange> {
        let belongs = matches!(row.kind, Kind::Request | Kind::Apply | Kind::Reply | Kind::Fault);
        belongs.then(|| self.exchanges.iter().find(|exchange| exchange.request == row.a)).flatten()
    }

    /// The events of the story, and of each request in it all others, so that every arrow has both
    /// ends; oldest first.
    #[must_use]
    pub fn story_events(&self) -> Vec<u64> {
        let Some(story) = &self.story else { return Vec::new() };
        let mut events: Vec<u64> = story.lines.iter().map(|line| line.event).collect();
        let told = events.clone();
        for row in told.iter().filter_map(|event| self.row(*event)) {
            if let Some(exchange) = self.exchange_of(row) {
                events.extend(exchange.events());
            }
        }
        events.extend(self.first_error);
        events.sort_unstable();
        events.dedup();
        events.retain(|event| self.place_of(*event).is_some());
        events
    }

    /// Whether an event proves the failure.
    #[must_use]
    pub fn is_evidence(&self, event: u64) -> bool {
        let told = self.story.as_ref().map_or(&[][..], |story| &story.lines);
        self.proof.contains(&event) || told.iter().any(|line| line.event == event && line.evidence)
    }
}
