//! What happens to a request in the store.

use std::task::Waker;

use sim::trace::Kind;

use super::State;
use super::flight::{Flight, Waiting};
use super::request::{Again, Failure, How, Reply};
use super::weather::OutageKind;
use crate::fault::{Fault, FaultKind};
use crate::model::Refusal;
use crate::profile::RacingWrite;

impl State {
    /// The request reaches the store.
    pub(super) fn arrive(&mut self, slot: u32) -> Option<Waker> {
        self.note_overtaking(slot);
        let fault = self.flights[slot as usize].decision.fault;
        let outcome = match self.refusal_without_apply(slot, fault) {
            Some(refusal) => {
                self.note_refused(slot, refusal.status());
                Err(refusal)
            }
            None => self.apply(slot, fault),
        };
        let flight = &mut self.flights[slot as usize];
        flight.landed = outcome.is_ok();
        if matches!(fault, Some(Fault::LateApply { .. })) {
            if flight.landed {
                flight.fault_took_effect(FaultKind::LateApply.label());
            }
            return None;
        }
        flight.answer = Some(outcome.map_err(Failure::Refused));
        self.answer_after(slot, fault);
        None
    }

    /// The second copy of a request reaches the store, if its client lived to send it.
    pub(super) fn arrive_again(&mut self, slot: u32) -> Option<Waker> {
        let now_ns = sim::now_ns();
        let flight = &self.flights[slot as usize];
        let left_ns = now_ns.saturating_sub(flight.decision.request_ns);
        if matches!(flight.client, Waiting::GoneSince(gone_ns) if gone_ns < left_ns) {
            return None;
        }
        if flight.landed {
            flight.fault_took_effect(FaultKind::Duplicate.label());
        }
        let reply_ns = flight.decision.reply_ns;
        let outcome = self.apply(slot, None);
        self.flights[slot as usize].answer = Some(outcome.map_err(Failure::Refused));
        self.schedule_reply(slot, now_ns + reply_ns);
        None
    }

    /// The refusals that are no business of the model.
    fn refusal_without_apply(&self, slot: u32, fault: Option<Fault>) -> Option<Refusal> {
        let flight = &self.flights[slot as usize];
        let weather = self.outage_for(sim::now_ns(), flight.luck_ppm);
        let (label, refusal) = match (weather, fault) {
            (Some(kind @ OutageKind::Throttling), _) => (kind.label(), Refusal::SlowDown),
            (Some(kind @ OutageKind::Failing), _) => (kind.label(), Refusal::Internal),
            (_, Some(Fault::Conflict)) => (FaultKind::Conflict.label(), Refusal::Conflict),
            (_, Some(Fault::TooManyRequests)) => {
                (FaultKind::TooManyRequests.label(), Refusal::TooManyRequests)
            }
            (_, Some(Fault::SlowDown)) => (FaultKind::SlowDown.label(), Refusal::SlowDown),
            (_, Some(Fault::ErrorBefore)) => (FaultKind::ErrorBefore.label(), Refusal::Internal),
            (_, Some(Fault::ErrorInside)) => (FaultKind::ErrorInside.label(), Refusal::ErrorInside),
            (_, Some(Fault::RateLimited)) => {
                (FaultKind::RateLimited.label(), Refusal::TooManyRequests)
            }
            _ if self.is_too_soon(&flight.request) => {
                (FaultKind::RateLimited.label(), Refusal::TooManyRequests)
            }
            _ => return None,
        };
        flight.fault_took_effect(label);
        // In the store nothing happened, whatever the status on the wire.
        let status = if refusal == Refusal::ErrorInside { 500 } else { refusal.status() };
        self.emit_apply(flight, status);
        Some(refusal)
    }

    /// The request takes effect.
    fn apply(&mut self, slot: u32, fault: Option<Fault>) -> Result<Reply, Refusal> {
        let how = self.how(slot, fault);
        let damaged = fault.and_then(|fault| self.apply_damaged(slot, fault, how.by));
        let outcome = damaged.unwrap_or_else(|| {
            let request = &mut self.flights[slot as usize].request;
            let outcome = request.apply(&mut self.model, &mut self.page, &how);
            outcome.map_err(|refusal| self.as_raced(slot, refusal))
        });
        if fault.is_some() {
            self.note_damage(slot, &how, &outcome);
        }
        if let (Some(Fault::StaleList { .. }), Ok(Reply::Page(page))) = (fault, &outcome) {
            self.note_stale_page(slot, page);
        }
        if let Ok(Reply::Written(_)) = outcome {
            self.take_token(slot);
        }
        self.note_applied(slot, &outcome);
        let flight = &self.flights[slot as usize];
        let status = outcome.as_ref().map_or_else(|refusal| refusal.status(), |_| 200);
        self.emit_apply(flight, status);
        outcome
    }

    fn how(&self, slot: u32, fault: Option<Fault>) -> How {
        let by = self.origin(slot, fault);
        let again = match fault {
            Some(Fault::Duplicate { .. }) => Again::Possible,
            _ => Again::Never,
        };
        let seen_at = match fault {
            Some(Fault::StaleRead { age_ns } | Fault::StaleList { age_ns }) => {
                by.at.saturating_sub(age_ns)
            }
            _ => by.at,
        };
        How { by, again, seen_at }
    }

    /// Some stores tell a writer that lost against one that was in flight at the same time that
    /// there was a conflict, not that its precondition failed.
    fn as_raced(&self, slot: u32, refusal: Refusal) -> Refusal {
        let flight = &self.flights[slot as usize];
        let lost = matches!(refusal, Refusal::PreconditionFailed | Refusal::Exists);
        if !lost
            || flight.decision.fault != Some(Fault::RacedConflict)
            || self.setup.profile.racing_write == RacingWrite::PreconditionFailed
        {
            return refusal;
        }
        let current = flight.request.name().and_then(|name| self.model.current(name));
        if current.is_some_and(|version| version.applied_at > flight.sent_at_ns) {
            flight.fault_took_effect(FaultKind::RacedConflict.label());
            return Refusal::Conflict;
        }
        refusal
    }

    pub(super) fn emit_apply(&self, flight: &Flight, status: u16) {
        let (request, model) = (&flight.request, &self.model);
        sim::emit_with(
            flight.process,
            Kind::Apply,
            flight.object(),
            flight.id(),
            u64::from(status),
            || format!("{} -> {status}", request.describe(model)),
        );
    }

    /// Looks whether a request that was sent later took effect earlier.
    fn note_overtaking(&mut self, slot: u32) {
        let flight = &self.flights[slot as usize];
        let (sent, process) = (flight.sent, flight.process);
        let mut overtaken = false;
        if let Some(name) = flight.request.name() {
            if self.newest_applied.len() <= name.index() {
                self.newest_applied.resize(name.index() + 1, 0);
            }
            let newest = &mut self.newest_applied[name.index()];
            overtaken |= *newest > sent;
            *newest = sent.max(*newest);
        }
        let newest = &mut self.link(process).newest_applied;
        overtaken |= *newest > sent;
        *newest = sent.max(*newest);
        if overtaken {
            sim::count("store.reordered");
            let flight = &self.flights[slot as usize];
            if matches!(flight.decision.fault, Some(Fault::Reordering { .. })) {
                flight.fault_took_effect(FaultKind::Reordering.label());
            }
        }
    }
}
