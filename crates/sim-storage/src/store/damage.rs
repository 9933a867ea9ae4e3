//! Requests that take effect in another way than they should, and answers that are damaged.
//!
//! Each function here belongs to a [`Fault`] that changes *what* happens; faults that only change
//! when it happens or what is reported are handled where requests travel.

use std::task::Waker;

use super::State;
use super::flight::{Flight, Phase};
use super::request::{BodyFate, How, ListedPage, Reply, Request};
use crate::fault::{Fault, FaultKind};
use crate::model::{Origin, Page, Refusal, WriteCondition, share};

impl State {
    /// On whose behalf, when, and by which clock a request applies.
    pub(super) fn origin(&self, slot: u32, fault: Option<Fault>) -> Origin {
        let flight = &self.flights[slot as usize];
        let at = sim::now_ns();
        let clock = match fault {
            Some(Fault::SkewedDate { skew_ns }) => at.saturating_add_signed(skew_ns),
            _ => at,
        };
        Origin { request: flight.id(), process: flight.process.0, at, clock }
    }

    /// The request takes effect in the way of its fault; none if the fault leaves that alone.
    pub(super) fn apply_damaged(
        &mut self,
        slot: u32,
        fault: Fault,
        by: Origin,
    ) -> Option<Result<Reply, Refusal>> {
        let flight = &self.flights[slot as usize];
        let model = &mut self.model;
        let outcome = match (fault, &flight.request) {
            (
                Fault::TornPut { keep_ppm, .. },
                Request::Put {
                    name,
                    body,
                    attributes,
                    condition: condition @ (WriteCondition::None | WriteCondition::Absent),
                    ..
                },
            ) => {
                let kept = body.slice(..share(body.len(), keep_ppm));
                model.put_torn(by, *name, kept, attributes.clone(), condition).map(Reply::Written)
            }
            (Fault::TornUpload { keep_ppm, .. }, Request::Complete { upload, parts, .. }) => model
                .complete_torn(by, *upload, *parts, &WriteCondition::None, keep_ppm)
                .map(Reply::Written),
            (Fault::PartialDelete { seed }, Request::DeleteBatch { names }) => {
                let stays = |place: usize| {
                    place == seed as usize % names.len().max(1) || mixed(seed, place) & 1 == 1
                };
                let results = names.iter().enumerate().map(|(place, &name)| match stays(place) {
                    true => Err(Refusal::Internal),
                    false => model.delete(by, name),
                });
                Ok(Reply::Deleted(results.collect()))
            }
            (Fault::LateDelete { after_ns }, Request::Delete { name })
                if model.current(*name).is_some() =>
            {
                self.schedule(slot, Phase::Land, by.at.saturating_add(after_ns));
                return Some(Ok(Reply::Done));
            }
            _ => return None,
        };
        if outcome.is_ok() {
            flight.fault_took_effect(fault.kind().label());
        }
        Some(outcome)
    }

    /// A deletion that was answered long ago takes effect.
    pub(super) fn land(&mut self, slot: u32) -> Option<Waker> {
        let by = self.origin(slot, None);
        let flight = &self.flights[slot as usize];
        if let Request::Delete { name } = flight.request
            && self.model.current(name).is_some()
            && self.model.delete(by, name).is_ok()
        {
            flight.fault_took_effect(FaultKind::LateDelete.label());
            self.emit_apply(flight, 200);
            self.note_landed(slot);
        }
        None
    }

    /// Counts what a fault changed in the way a request applied.
    pub(super) fn note_damage(&self, slot: u32, how: &How, outcome: &Result<Reply, Refusal>) {
        let flight = &self.flights[slot as usize];
        let changed = match (flight.decision.fault, &flight.request, outcome) {
            (Some(Fault::SkewedDate { .. }), request, Ok(Reply::Written(_))) => {
                let written = request.name().and_then(|name| self.model.current(name));
                let right = self.setup.profile.date(how.by.at);
                let shown = self.setup.profile.date(how.by.clock);
                shown != right && written.is_some_and(|version| version.last_modified == shown)
            }
            (Some(Fault::StaleRead { .. }), Request::Read { name, .. }, _) => {
                let seen = self.model.at(*name, how.seen_at).map(|version| version.generation);
                seen != self.model.current(*name).map(|version| version.generation)
            }
            _ => false,
        };
        if let (true, Some(fault)) = (changed, flight.decision.fault) {
            flight.fault_took_effect(fault.kind().label());
        }
    }

    /// Counts a page that shows another state than the current one.
    pub(super) fn note_stale_page(&mut self, slot: u32, answer: &ListedPage) {
        let mut page = Page::default();
        let flight = &self.flights[slot as usize];
        let Some(request) = flight.request.list_request() else { return };
        self.model.list(&request, &mut page);
        if !answer.shows_the_same(&ListedPage::of(&self.model, &page, u64::MAX)) {
            flight.fault_took_effect(FaultKind::StaleList.label());
        }
    }
}

impl Flight {
    /// The answer is damaged on its way, in view of a client that waits for it.
    pub(super) fn damage_answer(&mut self) {
        let Some(fault) = self.decision.fault else { return };
        let changed = match (fault, &mut self.answer) {
            (Fault::UnorderedList { seed }, Some(Ok(Reply::Page(page)))) => shuffle(page, seed),
            (Fault::TruncatedList { keep_ppm }, Some(Ok(Reply::Page(page)))) => {
                truncate(page, keep_ppm)
            }
            (_, Some(Ok(Reply::Read(read, fate)))) if !read.is_empty() => {
                *fate = match fault {
                    Fault::ShortBody { keep_ppm } => BodyFate::Short(share(read.len(), keep_ppm)),
                    Fault::BrokenBody { keep_ppm } => BodyFate::Broken(share(read.len(), keep_ppm)),
                    Fault::BitFlip { place } => {
                        BodyFate::Flipped((read.len() as u64 * 8 * u64::from(place)) >> 32)
                    }
                    _ => BodyFate::Whole,
                };
                *fate != BodyFate::Whole
            }
            _ => false,
        };
        if changed {
            self.fault_took_effect(fault.kind().label());
        }
    }
}

/// Puts a page into another order; says whether it did.
fn shuffle(page: &mut ListedPage, seed: u32) -> bool {
    let sorted = page.objects.is_sorted_by(|a, b| a.name <= b.name);
    let before: Vec<u64> = page.objects.iter().map(|listed| listed.generation.0).collect();
    for place in (1..page.objects.len()).rev() {
        page.objects.swap(place, mixed(seed, place) as usize % (place + 1));
    }
    let same = page.objects.iter().map(|listed| listed.generation.0).eq(before);
    !same || (sorted && !page.objects.is_sorted_by(|a, b| a.name <= b.name))
}

/// Ends a page, and the listing, early; says whether anything is missing.
fn truncate(page: &mut ListedPage, keep_ppm: u32) -> bool {
    let kept = share(page.objects.len(), keep_ppm);
    let missing = page.objects.len() > kept || page.next.is_some();
    page.objects.truncate(kept);
    page.next = None;
    missing
}

/// A number from a seed and a place, well mixed: the finalizer of MurmurHash3 (Appleby, 2011).
fn mixed(seed: u32, place: usize) -> u32 {
    let mut h = seed ^ (place as u32).wrapping_mul(0x9e37_79b9);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}
