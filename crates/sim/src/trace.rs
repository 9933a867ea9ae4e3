//! The trace: what happened, as typed events of fixed size.
//!
//! Every event is folded into a running hash, the **fingerprint** of the run: two runs of one seed
//! are the same run if and only if their fingerprints are equal. A normal run keeps the hash and
//! the number of events, nothing else. A failing seed is run again with a ring buffer and with
//! details (text that is made only then), which costs nothing until something fails.

mod event;
mod export;
mod pairs;

use std::collections::VecDeque;

pub use event::{Event, Kind};
pub use export::{Filter, Row, to_json, to_ndjson};

use pairs::Pairs;

use crate::process::ProcessId;

/// Number of events that the ring buffer keeps unless told otherwise.
pub const DEFAULT_RING_CAPACITY: usize = 10_000;

/// How much of a trace is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The running hash and the number of events.
    #[default]
    Hash,
    /// The pairs of an own step and a foreign event as well, see [`Trace::pairs`].
    Pairs,
    /// The pairs as well, and the last events with their details.
    Ring {
        /// At most so many events; older ones are dropped.
        capacity: usize,
    },
}

/// One kept event with the text that explains it to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The event.
    pub event: Event,
    /// What a person needs beyond the numbers; empty when the kind says it all.
    pub detail: String,
}

/// The trace of one world.
#[derive(Debug, Default)]
pub struct Trace {
    keep: Keep,
    hash: u64,
    count: u64,
    shown: u64,
    ring: VecDeque<Kept>,
    pairs: Pairs,
}

impl Trace {
    pub(crate) fn reset(&mut self, keep: Keep) {
        self.keep = keep;
        self.hash = 0;
        self.count = 0;
        self.shown = 0;
        self.ring.clear();
        self.pairs.clear();
    }

    /// The hash over all events so far.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.hash
    }

    /// Number of events so far; also the index of the next event.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of events so far that [`Filter::Minimal`] shows: what a person has to read.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// Whether events are kept, so that making details is worth the time.
    #[must_use]
    pub fn keeps_details(&self) -> bool {
        matches!(self.keep, Keep::Ring { .. })
    }

    /// The pairs of a step at which a process stood and what another did to the store meanwhile, by
    /// their hashes, each with the first event that showed it; empty under [`Keep::Hash`].
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pairs.seen()
    }

    /// The kept events, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.ring.iter()
    }

    #[inline]
    pub(crate) fn push(
        &mut self,
        at_ns: u64,
        (process, task): (ProcessId, u64),
        kind: Kind,
        (object, a, b): (u32, u64, u64),
        detail: impl FnOnce() -> String,
    ) -> u64 {
        let index = self.count;
        self.count += 1;
        self.shown += u64::from(Filter::Minimal.passes(kind));
        let who = u64::from(process.0) << 48 | (kind as u64) << 32 | u64::from(object);
        self.hash = fold(fold(self.hash ^ who, at_ns), a ^ b.rotate_left(32));
        if self.keep != Keep::Hash {
            self.keep(Event { index, at_ns, process, task, kind, object, a, b }, detail);
        }
        index
    }

    fn keep(&mut self, event: Event, detail: impl FnOnce() -> String) {
        self.pairs.note(&event);
        if let Keep::Ring { capacity } = self.keep {
            if self.ring.len() >= capacity {
                self.ring.pop_front();
            }
            self.ring.push_back(Kept { event, detail: detail() });
        }
    }

    /// Keeps a line of the system's own log beside the events. It is no event: it has the index of
    /// the event that follows it and does not count in the fingerprint, because it is made only
    /// while details are kept.
    pub(crate) fn note(&mut self, at_ns: u64, process: ProcessId, line: String) {
        if let Keep::Ring { capacity } = self.keep {
            if self.ring.len() >= capacity {
                self.ring.pop_front();
            }
            let event = Event {
                index: self.count,
                at_ns,
                process,
                task: 0,
                kind: Kind::Log,
                object: 0,
                a: 0,
                b: 0,
            };
            self.ring.push_back(Kept { event, detail: line });
        }
    }
}

/// Folds one word into a hash: multiply to 128 bits and xor the halves (the step of wyhash, Wang
/// Yi 2019). Not cryptographic; the same on every platform.
#[must_use]
pub fn fold(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(trace: &mut Trace, at_ns: u64, a: u64) {
        trace.push(at_ns, (ProcessId(1), 0), Kind::Request, (0, a, 0), || format!("request {a}"));
    }

    #[test]
    fn order_time_and_content_all_change_the_fingerprint() {
        let fingerprint = |events: &[(u64, u64)]| {
            let mut trace = Trace::default();
            for &(at_ns, a) in events {
                push(&mut trace, at_ns, a);
            }
            trace.fingerprint()
        };
        let base = fingerprint(&[(1, 1), (2, 2)]);
        assert_eq!(base, fingerprint(&[(1, 1), (2, 2)]));
        assert_ne!(base, fingerprint(&[(2, 2), (1, 1)]));
        assert_ne!(base, fingerprint(&[(1, 1), (3, 2)]));
        assert_ne!(base, fingerprint(&[(1, 1), (2, 3)]));
    }

    #[test]
    fn keeping_events_does_not_change_the_fingerprint() {
        let mut quiet = Trace::default();
        let mut full = Trace::default();
        full.reset(Keep::Ring { capacity: 3 });
        for n in 0..10 {
            push(&mut quiet, n, n);
            push(&mut full, n, n);
        }
        assert_eq!(quiet.fingerprint(), full.fingerprint());
        assert_eq!(quiet.kept().count(), 0);
        let kept: Vec<_> = full.kept().map(|kept| kept.detail.as_str()).collect();
        assert_eq!(kept, ["request 7", "request 8", "request 9"]);
    }
}
