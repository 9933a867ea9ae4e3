//! The behaviour of a world at its store, as one number that does not depend on irrelevant order.
//!
//! Two runs in which the same requests meet each object in the same order are the same behaviour,
//! however long they took and however requests to different objects lay between each other
//! (Mazurkiewicz, "Trace Theory", 1987: words up to exchanges of independent letters). So:
//!
//! * each object has a **chain**, a hash over its writes in order: process, kind, status;
//! * a read is tied to the chain that it meets, so reads between two writes commute;
//! * a listing reads what it shows: the chains of all objects on its page;
//! * a request that changes nothing (a failed condition, a 404) is a read, and one that the store
//!   refuses before it looks at any object (503 and its like) is tied to nothing.
//!
//! The number is the sum over all chains and all reads, each mixed: a sum has no order. Names do
//! not count, since they are random; an object is what befell it.
//!
//! ```text
//!   a: W₁ R₂ W₂      a: W₁ R₂ W₂       a: W₁ W₂ R₂
//!   b:   W₃       =  b:        W₃   ≠  b:   W₃        (R₂ read another version)
//! ```

use sim::trace::fold;

use super::State;
use super::flight::Flight;
use super::request::{Reply, Request};
use crate::model::{NameId, Refusal};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    /// By name: the writes so far, in order.
    chains: Vec<u64>,
    /// The sum over all reads.
    reads: u64,
}

impl Behaviour {
    pub(super) fn clear(&mut self) {
        self.chains.clear();
        self.reads = 0;
    }

    /// The number for all that was seen so far.
    pub(super) fn print(&self) -> u64 {
        let written = self.chains.iter().filter(|&&chain| chain != 0);
        let chains = written.fold(0_u64, |sum, &chain| sum.wrapping_add(fold(chain, 1)));
        fold(chains.wrapping_add(self.reads), 0)
    }

    fn chain(&self, name: NameId) -> u64 {
        self.chains.get(name.index()).copied().unwrap_or(0)
    }

    fn write(&mut self, name: NameId, event: u64) {
        if self.chains.len() <= name.index() {
            self.chains.resize(name.index() + 1, 0);
        }
        let chain = &mut self.chains[name.index()];
        *chain = fold(*chain, event);
    }

    /// A read of whatever has the hash `seen`.
    fn read(&mut self, seen: u64, event: u64) {
        self.reads = self.reads.wrapping_add(fold(seen, event));
    }
}

/// Who did what, and how it went.
fn event(flight: &Flight, status: u16) -> u64 {
    let kind = flight.request.kind() as u64;
    u64::from(flight.process.0) << 32 | kind << 16 | u64::from(status)
}

impl State {
    /// A request was refused before it reached any object.
    pub(super) fn note_refused(&mut self, slot: u32, status: u16) {
        let event = event(&self.flights[slot as usize], status);
        self.behaviour.read(0, event);
    }

    /// A deletion that was answered long ago took effect.
    pub(super) fn note_landed(&mut self, slot: u32) {
        let flight = &self.flights[slot as usize];
        if let Some(name) = flight.request.name() {
            self.behaviour.write(name, event(flight, 200));
        }
    }

    /// A request met its objects.
    pub(super) fn note_applied(&mut self, slot: u32, outcome: &Result<Reply, Refusal>) {
        let flight = &self.flights[slot as usize];
        let status = outcome.as_ref().map_or_else(|refusal| refusal.status(), |_| 200);
        let event = event(flight, status);
        let behaviour = &mut self.behaviour;
        match (&flight.request, outcome) {
            (Request::List { .. }, _) => {
                let shown = self.page.objects.iter();
                let seen = shown
                    .fold(0_u64, |sum, &name| sum.wrapping_add(fold(behaviour.chain(name), 1)));
                behaviour.read(seen, event);
            }
            (Request::DeleteBatch { names }, Ok(Reply::Deleted(results))) => {
                for (&name, result) in names.iter().zip(results) {
                    match result {
                        Ok(()) => behaviour.write(name, event),
                        Err(_) => behaviour.read(behaviour.chain(name), event),
                    }
                }
            }
            (Request::Copy { from, to, .. }, Ok(_)) => {
                let seen = behaviour.chain(*from);
                behaviour.write(*to, fold(seen, event));
            }
            (Request::Rename { from, to, .. }, Ok(_)) => {
                let seen = behaviour.chain(*from);
                behaviour.write(*to, fold(seen, event));
                behaviour.write(*from, event);
            }
            (Request::Put { name, .. } | Request::Complete { name, .. }, Ok(Reply::Written(_)))
            | (Request::Delete { name }, Ok(_)) => behaviour.write(*name, event),
            // Parts of an upload are nobody else's business.
            (Request::Begin { .. } | Request::Part { .. } | Request::Abort { .. }, _) => {
                behaviour.read(0, event);
            }
            (request, _) => {
                let seen = request.name().map_or(0, |name| behaviour.chain(name));
                behaviour.read(seen, event);
            }
        }
    }
}
