//! The ways between client and store: leaving, being lost, coming back.

use std::task::Waker;

use sim::Admission;
use sim::trace::Kind;

use super::State;
use super::flight::{Phase, Waiting};
use super::request::Failure;
use super::weather::OutageKind;
use crate::fault::{Decision, Fault, FaultKind, Report};
use crate::model::Refusal;

impl State {
    pub(super) fn send_after_stall(&mut self, slot: u32) -> Option<Waker> {
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
    pub(super) fn send(&mut self, slot: u32) {
        let now_ns = sim::now_ns();
        self.sent += 1;
        let flight = &mut self.flights[slot as usize];
        flight.sent = self.sent;
        flight.sent_at_ns = now_ns;
        let (process, kind) = (flight.process, flight.request.kind());
        let request = &flight.request;
        let model = &self.model;
        sim::emit_with(process, Kind::Request, flight.object(), flight.id(), kind as u64, || {
            request.describe(model)
        });
        let (decision, luck_ppm) = (flight.decision, flight.luck_ppm);
        if self.partitioned(process, now_ns) {
            self.lose(slot, "fault.partition", Report::Silence);
        } else if self.outage_for(now_ns, luck_ppm) == Some(OutageKind::Unreachable) {
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

    /// Schedules what the client will be told.
    pub(super) fn answer_after(&mut self, slot: u32, fault: Option<Fault>) {
        let now_ns = sim::now_ns();
        let decision = self.flights[slot as usize].decision;
        match fault {
            Some(Fault::Duplicate { after_ns }) => {
                self.schedule(slot, Phase::ArriveAgain, now_ns.saturating_add(after_ns));
            }
            Some(Fault::TornPut { .. } | Fault::TornUpload { .. })
                if !self.flights[slot as usize].landed =>
            {
                self.schedule_reply(slot, now_ns + decision.reply_ns);
            }
            Some(
                Fault::ReplyLost { report }
                | Fault::TornPut { report, .. }
                | Fault::TornUpload { report, .. },
            ) => {
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
    pub(super) fn schedule_reply(&mut self, slot: u32, at_ns: u64) {
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

    /// The answer reaches the client.
    pub(super) fn reply(&mut self, slot: u32) -> Option<Waker> {
        let flight = &self.flights[slot as usize];
        if !flight.is_awaited() {
            return None;
        }
        if self.partitioned(flight.process, sim::now_ns()) {
            self.lose(slot, "fault.partition", Report::Silence);
            return None;
        }
        self.flights[slot as usize].damage_answer();
        self.deliver(slot)
    }

    /// The client learns that there will be no answer.
    pub(super) fn report(&mut self, slot: u32) -> Option<Waker> {
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
