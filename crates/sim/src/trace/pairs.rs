//! Pairs of an own step and a foreign event: what a search that is guided wants to see new ones of.
//!
//! A commit protocol breaks where something happens at the store while somebody stands between two
//! of its steps. So that is what is noted: whenever a request takes effect, or is refused, then for
//! every *other* process
//!
//! > the step at which that process stands, the step from which the request was sent, its status.
//!
//! Steps are the protocol's own names, so the pairs speak of the protocol without anybody having to
//! explain it to the engine. A pair is a hash of the three, the same in every process and build.
//! Which process stood there does not count, nor how often it happened in the world: only the first
//! event at which it did is kept, because a world that is to go on from there must begin there.
//!
//! This is coverage in the sense of grey-box fuzzing (Böhme et al., "Coverage-based Greybox Fuzzing
//! as Markov Chain", CCS 2016), with pairs for branches; of concurrent code, pairs of accesses have
//! served the same purpose (Jeong et al., "Razzer", S&P 2019).

use std::collections::BTreeMap;

use super::{Event, Kind, fold};

/// The pairs of one world.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// By process: the hash of the step at which it stands; 0 before its first.
    stands: Vec<u64>,
    /// By request: the step from which it was sent. Requests that were never answered stay.
    sent: BTreeMap<u64, u64>,
    /// By pair: the first event that showed it.
    seen: BTreeMap<u64, u64>,
}

impl Pairs {
    pub(super) fn clear(&mut self) {
        self.stands.clear();
        self.sent.clear();
        self.seen.clear();
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.seen.iter().map(|(&pair, &event)| (pair, event))
    }

    pub(super) fn note(&mut self, event: &Event) {
        let process = usize::from(event.process.0);
        match event.kind {
            Kind::Step => {
                if self.stands.len() <= process {
                    self.stands.resize(process + 1, 0);
                }
                self.stands[process] = event.a;
            }
            // It stands nowhere any more.
            Kind::Crash => {
                if let Some(stands) = self.stands.get_mut(process) {
                    *stands = 0;
                }
            }
            Kind::Request => {
                let step = self.stands.get(process).copied().unwrap_or(0);
                self.sent.insert(event.a, step);
            }
            Kind::Apply => {
                let sent = self.sent.get(&event.a).copied().unwrap_or(0);
                let foreign = fold(sent, event.b);
                for (other, &stands) in self.stands.iter().enumerate() {
                    if other != process && stands != 0 {
                        self.seen.entry(fold(stands, foreign)).or_insert(event.index);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessId;

    /// The pairs of these events: process, kind and the two numbers of each.
    fn pairs(events: &[(u16, Kind, u64, u64)]) -> Vec<(u64, u64)> {
        let mut pairs = Pairs::default();
        for (index, &(process, kind, a, b)) in events.iter().enumerate() {
            let process = ProcessId(process);
            pairs.note(&Event {
                index: index as u64,
                at_ns: 0,
                process,
                task: 0,
                kind,
                object: 0,
                a,
                b,
            });
        }
        pairs.seen().collect()
    }

    const PUT: u64 = 0xaaaa;
    const READ: u64 = 0xbbbb;

    #[test]
    fn a_pair_is_where_one_stands_and_what_another_did() {
        let story = [
            (1, Kind::Step, PUT, 0),
            (1, Kind::Request, 7, 0),
            (2, Kind::Step, READ, 0),
            (1, Kind::Apply, 7, 200),
        ];
        assert_eq!(pairs(&story), [(fold(READ, fold(PUT, 200)), 3)]);
        let refused = [story[0], story[1], story[2], (1, Kind::Apply, 7, 412)];
        assert_ne!(pairs(&refused), pairs(&story));
    }

    #[test]
    fn the_step_counts_from_which_a_request_was_sent_however_late_it_lands() {
        let late = [
            (1, Kind::Step, PUT, 0),
            (1, Kind::Request, 7, 0),
            (1, Kind::Step, READ, 0),
            (2, Kind::Step, READ, 0),
            (1, Kind::Apply, 7, 200),
            (1, Kind::Apply, 7, 200),
        ];
        assert_eq!(pairs(&late), [(fold(READ, fold(PUT, 200)), 4)]);
    }

    #[test]
    fn nobody_is_foreign_to_himself_and_the_dead_stand_nowhere() {
        let alone = [(1, Kind::Step, PUT, 0), (1, Kind::Request, 7, 0), (1, Kind::Apply, 7, 200)];
        assert!(pairs(&alone).is_empty());
        let dead = [(2, Kind::Step, READ, 0), (2, Kind::Crash, 0, 0), alone[0], alone[1], alone[2]];
        assert!(pairs(&dead).is_empty());
    }
}
