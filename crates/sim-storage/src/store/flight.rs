//! The life of a request between its client and the model.
//!
//! A request lives in a slot until nothing can happen to it any more: no event of it is scheduled
//! and no client waits. Its events, each a [`Phase`], are scheduled only as far as they are certain,
//! so that a request without faults costs two: it arrives, and its reply comes back.

use std::task::Waker;

use sim::trace::Kind;
use sim::{Admission, Device, ProcessId, Site};

use super::request::{Failure, Reply, Request};
use super::weather::OutageKind;
use super::{DecidedFault, Shared, State, lock};
use crate::fault::{Decision, Fault, FaultKind, Grounds, Report, decide, word};
use crate::model::{Origin, Refusal, WriteCondition};
use crate::profile::RacingWrite;

/// The store as the engine calls it.
pub(super) struct StoreDevice(pub(super) Shared);

impl Device for StoreDevice {
    fn on_event(&self, token: u32) {
        // Wakers run foreign code, so they run without the lock.
        let waker = lock(&self.0).on_event(token);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What happens next to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The stall of its process ends, and it leaves.
    Send = 0,
    /// It reaches the store.
    Arrive = 1,
    /// Its transport's second copy reaches the store.
    ArriveAgain = 2,
    /// The store's answer reaches the client.
    Reply = 3,
    /// The client learns that there will be no answer.
    Report = 4,
}

const PHASE_BITS: u32 = 3;

fn token(slot: u32, phase: Phase) -> u32 {
    slot << PHASE_BITS | phase as u32
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct Flight {
    request: Request,
    process: ProcessId,
    /// Number of the request within its process.
    number: u32,
    /// Number of the request among all that were sent; 0 until it is sent.
    sent: u32,
    sent_at_ns: u64,
    decision: Decision,
    weather_word: u32,
    race_word: u32,
    /// Events that are scheduled.
    pending: u8,
    client: Waiting,
    /// Set when the request has applied, or when the client is told something else.
    answer: Option<Result<Reply, Failure>>,
    /// The request changed something or was answered well when it first arrived.
    landed: bool,
}

/// What the client does.
#[derive(Debug)]
enum Waiting {
    Yes(Waker),
    /// The answer may be collected.
    Answered,
    /// It went away at that virtual time.
    GoneSince(u64),
}

impl Flight {
    fn id(&self) -> u64 {
        u64::from(self.process.0) << 32 | u64::from(self.number)
    }

    fn object(&self) -> u32 {
        // Events number objects from 1; 0 means none.
        self.request.name().map_or(0, |name| name.number() + 1)
    }

    fn is_awaited(&self) -> bool {
        matches!(self.client, Waiting::Yes(_))
    }

    fn fault_took_effect(&self, label: &'static str) {
        sim::fault(self.process, label, self.object(), self.id());
    }
}

impl State {
    /// Takes a request from a client: decides about it and sends it, now or when the stall of its
    /// process ends.
    pub(super) fn open(&mut self, process: ProcessId, request: Request, waker: Waker) -> u32 {
        let link = self.link(process);
        let number = link.requests;
        link.requests += 1;
        let draw = sim::draw(process, Site::REQUEST);
        let flight = Flight {
            decision: self.decide(process, number, &request, &draw),
            request,
            process,
            number,
            sent: 0,
            sent_at_ns: 0,
            weather_word: draw.word(word::WEATHER),
            race_word: draw.word(word::RACE),
            pending: 0,
            client: Waiting::Yes(waker),
            answer: None,
            landed: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.flights[slot as usize] = flight;
                slot
            }
            None => {
                self.flights.push(flight);
                (self.flights.len() - 1) as u32
            }
        };
        match sim::admission(process) {
            Admission::Now => self.send(slot),
            Admission::StalledUntil(end_ns) => self.schedule(slot, Phase::Send, end_ns),
            Admission::Never => {}
        }
        slot
    }

    fn decide(
        &mut self,
        process: ProcessId,
        number: u32,
        request: &Request,
        draw: &sim::Draw,
    ) -> Decision {
        let shape = request.shape();
        let profile = &self.setup.profile;
        let size = match request {
            Request::Read { name, .. } if shape.reads_body => self
                .model
                .current(*name)
                .map_or(0, |version| version.size()),
            _ => shape.size,
        };
        let grounds = Grounds {
            rates: &self.setup.rates,
            plan: &self.setup.plan,
            latency_ns: profile
                .latencies
                .sample(shape.operation, size, draw.word(word::LATENCY)),
            timeout_ns: self.setup.timeout_ns,
            late_landing_max_ns: profile.late_landing_max_ns,
        };
        let decision = decide(&grounds, (process, number), &shape, draw);
        if let (Some(decided), Some(fault)) = (&mut self.decided, decision.fault) {
            decided.push(DecidedFault {
                process,
                request: number,
                fault,
            });
        }
        decision
    }

    /// The answer, if it is there; else the waker is kept.
    pub(super) fn collect(&mut self, slot: u32, waker: &Waker) -> Option<Result<Reply, Failure>> {
        let flight = &mut self.flights[slot as usize];
        match &mut flight.client {
            Waiting::Answered => {
                let answer = flight.answer.take();
                self.abandon(slot);
                answer
            }
            Waiting::Yes(kept) => {
                if !kept.will_wake(waker) {
                    *kept = waker.clone();
                }
                None
            }
            Waiting::GoneSince(_) => None,
        }
    }

    /// The client does not wait any more.
    pub(super) fn abandon(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        flight.client = Waiting::GoneSince(sim::now_ns());
        self.release(slot);
    }

    /// Frees the slot if nothing can happen to the request any more.
    fn release(&mut self, slot: u32) {
        let flight = &self.flights[slot as usize];
        if flight.pending == 0 && matches!(flight.client, Waiting::GoneSince(_)) {
            self.free.push(slot);
        }
    }

    fn schedule(&mut self, slot: u32, phase: Phase, at_ns: u64) {
        if let Some(device) = self.device {
            self.flights[slot as usize].pending += 1;
            sim::schedule(at_ns, device, token(slot, phase));
        }
    }

    fn on_event(&mut self, token: u32) -> Option<Waker> {
        let slot = token >> PHASE_BITS;
        // A slot is kept while events of it are pending, so this event is of this request.
        self.flights[slot as usize].pending -= 1;
        let waker = match token & ((1 << PHASE_BITS) - 1) {
            0 => self.send_after_stall(slot),
            1 => self.arrive(slot),
            2 => self.arrive_again(slot),
            3 => self.reply(slot),
            _ => self.report(slot),
        };
        self.release(slot);
        waker
    }

    fn send_after_stall(&mut self, slot: u32) -> Option<Waker> {
        let flight = &self.flights[slot as usize];
        if flight.is_awaited() {
            match sim::admission(flight.process) {
                Admission::Now => self.send(slot),
                Admission::StalledUntil(end_ns) => self.schedule(slot, Phase::Send, end_ns),
                Admission::Never => {}
            }
        }
        None
    }

    /// The request leaves its process.
    fn send(&mut self, slot: u32) {
        let now_ns = sim::now_ns();
        self.sent += 1;
        let flight = &mut self.flights[slot as usize];
        flight.sent = self.sent;
        flight.sent_at_ns = now_ns;
        let (process, kind) = (flight.process, flight.request.kind());
        let request = &flight.request;
        let model = &self.model;
        sim::emit_with(
            process,
            Kind::Request,
            flight.object(),
            flight.id(),
            kind as u64,
            || request.describe(model),
        );
        let (decision, weather_word) = (flight.decision, flight.weather_word);
        if self.partitioned(process, now_ns) {
            self.lose(slot, "fault.partition", Report::Silence);
        } else if self.outage_for(now_ns, weather_word) == Some(OutageKind::Unreachable) {
            self.lose(slot, OutageKind::Unreachable.label(), Report::Silence);
        } else {
            self.depart(slot, now_ns, &decision);
        }
    }

    /// The request is on its way.
    fn depart(&mut self, slot: u32, now_ns: u64, decision: &Decision) {
        let arrives_ns = now_ns + decision.request_ns;
        match decision.fault {
            Some(Fault::RequestLost { report }) => {
                self.lose(slot, FaultKind::RequestLost.label(), report);
            }
            Some(Fault::LateApply { report, after_ns }) => {
                let told_ns = self.report_time(slot, report);
                self.prepare_report(slot, report);
                self.schedule(slot, Phase::Report, told_ns);
                self.schedule(slot, Phase::Arrive, told_ns.saturating_add(after_ns));
            }
            Some(Fault::Timeout { after_ns }) => {
                let after_ns = after_ns.min(self.setup.timeout_ns);
                self.schedule(slot, Phase::Arrive, now_ns.saturating_add(after_ns));
            }
            Some(Fault::Reordering { extra_ns }) => {
                self.schedule(slot, Phase::Arrive, arrives_ns.saturating_add(extra_ns));
            }
            _ => self.schedule(slot, Phase::Arrive, arrives_ns),
        }
    }

    fn lose(&mut self, slot: u32, label: &'static str, report: Report) {
        self.flights[slot as usize].fault_took_effect(label);
        self.prepare_report(slot, report);
        let told_ns = self.report_time(slot, report);
        self.schedule(slot, Phase::Report, told_ns);
    }

    fn prepare_report(&mut self, slot: u32, report: Report) {
        self.flights[slot as usize].answer = Some(Err(match report {
            Report::Reset => Failure::Reset,
            Report::Silence => Failure::TimedOut,
        }));
    }

    /// When the client learns that there will be no answer.
    fn report_time(&self, slot: u32, report: Report) -> u64 {
        let flight = &self.flights[slot as usize];
        let decision = &flight.decision;
        let wait_ns = match report {
            Report::Reset => decision.request_ns + decision.reply_ns,
            Report::Silence => self.setup.timeout_ns,
        };
        flight.sent_at_ns.saturating_add(wait_ns).max(sim::now_ns())
    }

    /// The request reaches the store.
    fn arrive(&mut self, slot: u32) -> Option<Waker> {
        self.note_overtaking(slot);
        let fault = self.flights[slot as usize].decision.fault;
        let outcome = match self.refusal_without_apply(slot, fault) {
            Some(refusal) => Err(refusal),
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

    /// Schedules what the client will be told.
    fn answer_after(&mut self, slot: u32, fault: Option<Fault>) {
        let now_ns = sim::now_ns();
        let decision = self.flights[slot as usize].decision;
        match fault {
            Some(Fault::Duplicate { after_ns }) => {
                self.schedule(slot, Phase::ArriveAgain, now_ns.saturating_add(after_ns));
            }
            Some(Fault::TornPut { .. }) if !self.flights[slot as usize].landed => {
                self.schedule_reply(slot, now_ns + decision.reply_ns);
            }
            Some(Fault::ReplyLost { report } | Fault::TornPut { report, .. }) => {
                self.prepare_report(slot, report);
                let told_ns = self.report_time(slot, report);
                self.schedule(slot, Phase::Report, told_ns);
            }
            Some(Fault::Timeout { .. }) => {
                self.prepare_report(slot, Report::Silence);
                let told_ns = self.report_time(slot, Report::Silence);
                self.schedule(slot, Phase::Report, told_ns);
            }
            Some(Fault::ErrorAfter) => {
                let flight = &mut self.flights[slot as usize];
                flight.answer = Some(Err(Failure::Refused(Refusal::Internal)));
                flight.fault_took_effect(FaultKind::ErrorAfter.label());
                self.schedule_reply(slot, now_ns + decision.reply_ns);
            }
            Some(Fault::TailLatency { extra_ns }) => {
                self.flights[slot as usize].fault_took_effect(FaultKind::TailLatency.label());
                let at_ns = (now_ns + decision.reply_ns).saturating_add(extra_ns);
                self.schedule_reply(slot, at_ns);
            }
            _ => self.schedule_reply(slot, now_ns + decision.reply_ns),
        }
    }

    /// The reply comes at `at_ns`, or never if the transport gives up before that.
    fn schedule_reply(&mut self, slot: u32, at_ns: u64) {
        let flight = &self.flights[slot as usize];
        if !flight.is_awaited() {
            return;
        }
        let gives_up_ns = flight.sent_at_ns.saturating_add(self.setup.timeout_ns);
        if at_ns <= gives_up_ns {
            self.schedule(slot, Phase::Reply, at_ns);
        } else {
            self.prepare_report(slot, Report::Silence);
            self.schedule(slot, Phase::Report, gives_up_ns);
        }
    }

    /// The refusals that are no business of the model.
    fn refusal_without_apply(&self, slot: u32, fault: Option<Fault>) -> Option<Refusal> {
        let flight = &self.flights[slot as usize];
        let weather = self.outage_for(sim::now_ns(), flight.weather_word);
        let (label, refusal) = match (weather, fault) {
            (Some(kind @ OutageKind::Throttling), _) => (kind.label(), Refusal::SlowDown),
            (Some(kind @ OutageKind::Failing), _) => (kind.label(), Refusal::Internal),
            (_, Some(Fault::Conflict)) => (FaultKind::Conflict.label(), Refusal::Conflict),
            (_, Some(Fault::TooManyRequests)) => {
                (FaultKind::TooManyRequests.label(), Refusal::TooManyRequests)
            }
            (_, Some(Fault::SlowDown)) => (FaultKind::SlowDown.label(), Refusal::SlowDown),
            (_, Some(Fault::ErrorBefore)) => (FaultKind::ErrorBefore.label(), Refusal::Internal),
            _ => return None,
        };
        flight.fault_took_effect(label);
        self.emit_apply(flight, refusal.status());
        Some(refusal)
    }

    /// The request takes effect.
    fn apply(&mut self, slot: u32, fault: Option<Fault>) -> Result<Reply, Refusal> {
        let flight = &self.flights[slot as usize];
        let by = Origin {
            request: flight.id(),
            process: flight.process.0,
            at: sim::now_ns(),
        };
        let outcome = match (fault, &flight.request) {
            (
                Some(Fault::TornPut { keep_ppm, .. }),
                Request::Put {
                    name,
                    body,
                    attributes,
                    condition: condition @ (WriteCondition::None | WriteCondition::Absent),
                },
            ) => {
                let kept = body.slice(..share(body.len(), keep_ppm));
                let torn = self
                    .model
                    .put_torn(by, *name, kept, attributes.clone(), condition)
                    .map(Reply::Written);
                if torn.is_ok() {
                    flight.fault_took_effect(FaultKind::TornPut.label());
                }
                torn
            }
            (_, request) => {
                let outcome = request.apply(&mut self.model, by, &mut self.page);
                outcome.map_err(|refusal| self.as_raced(slot, refusal))
            }
        };
        let flight = &self.flights[slot as usize];
        let status = outcome
            .as_ref()
            .map_or_else(|refusal| refusal.status(), |_| 200);
        self.emit_apply(flight, status);
        outcome
    }

    /// Some stores tell a writer that lost against one that was in flight at the same time that
    /// there was a conflict, not that its precondition failed.
    fn as_raced(&self, slot: u32, refusal: Refusal) -> Refusal {
        let flight = &self.flights[slot as usize];
        let lost = matches!(refusal, Refusal::PreconditionFailed | Refusal::Exists);
        if !lost
            || self.setup.profile.racing_write == RacingWrite::PreconditionFailed
            || !flight.request.shape().conditional
            || sim::scale(flight.race_word, 1_000_000) >= self.setup.rates.raced_conflict_ppm
        {
            return refusal;
        }
        let current = flight
            .request
            .name()
            .and_then(|name| self.model.current(name));
        if current.is_some_and(|version| version.applied_at > flight.sent_at_ns) {
            flight.fault_took_effect("fault.raced_conflict_409");
            return Refusal::Conflict;
        }
        refusal
    }

    fn emit_apply(&self, flight: &Flight, status: u16) {
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

    /// The second copy of a request reaches the store, if its client lived to send it.
    fn arrive_again(&mut self, slot: u32) -> Option<Waker> {
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

    /// The answer reaches the client.
    fn reply(&mut self, slot: u32) -> Option<Waker> {
        let flight = &self.flights[slot as usize];
        if !flight.is_awaited() {
            return None;
        }
        if self.partitioned(flight.process, sim::now_ns()) {
            self.lose(slot, "fault.partition", Report::Silence);
            return None;
        }
        let flight = &mut self.flights[slot as usize];
        if let (Some(Fault::ShortBody { keep_ppm }), Some(Ok(Reply::Read(read)))) =
            (flight.decision.fault, &mut flight.answer)
            && !read.body.is_empty()
        {
            read.body.truncate(share(read.body.len(), keep_ppm));
            flight.fault_took_effect(FaultKind::ShortBody.label());
        }
        self.deliver(slot)
    }

    /// The client learns that there will be no answer.
    fn report(&mut self, slot: u32) -> Option<Waker> {
        let flight = &self.flights[slot as usize];
        if !flight.is_awaited() {
            return None;
        }
        match flight.decision.fault {
            Some(Fault::ReplyLost { .. }) => {
                flight.fault_took_effect(FaultKind::ReplyLost.label());
            }
            Some(Fault::Timeout { .. }) => flight.fault_took_effect(FaultKind::Timeout.label()),
            _ => {}
        }
        self.deliver(slot)
    }

    fn deliver(&mut self, slot: u32) -> Option<Waker> {
        let flight = &mut self.flights[slot as usize];
        let status = match &flight.answer {
            Some(Err(failure)) => failure.status(),
            _ => 200,
        };
        let (process, object, id) = (flight.process, flight.object(), flight.id());
        let (request, model) = (&flight.request, &self.model);
        sim::emit_with(process, Kind::Reply, object, id, u64::from(status), || {
            format!("{} -> {status}", request.describe(model))
        });
        match std::mem::replace(&mut flight.client, Waiting::Answered) {
            Waiting::Yes(waker) => Some(waker),
            Waiting::Answered | Waiting::GoneSince(_) => None,
        }
    }
}

/// `ppm` parts per million of `len`, always less than all of it.
fn share(len: usize, ppm: u32) -> usize {
    let kept = (len as u128 * u128::from(ppm) / 1_000_000) as usize;
    kept.min(len.saturating_sub(1))
}
