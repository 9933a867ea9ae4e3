//! The life of a request between its client and the model.
//!
//! A request lives in a slot until nothing can happen to it any more: no event of it is scheduled
//! and no client waits. Its events, each a [`Phase`], are scheduled only as far as they are certain,
//! so that a request without faults costs two: it arrives, and its reply comes back.

use std::task::Waker;

use sim::{Access, Admission, Device, EVERY_OBJECT, Footprint, ProcessId, Site};

use super::request::{Failure, Reply, Request};
use super::{BodyDamage, DecidedFault, Shared, State, lock};
use crate::fault::{
    Decision, Fate, Fault, Grounds, Made, RequestKey, Said, Ways, decide, latency_within, word,
};

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
pub(super) enum Phase {
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
    /// It takes effect although it was answered already.
    Land = 5,
}

const PHASE_BITS: u32 = 3;

fn token(slot: u32, phase: Phase) -> u32 {
    slot << PHASE_BITS | phase as u32
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) request: Request,
    pub(super) process: ProcessId,
    /// Number of the request within its process.
    pub(super) number: u32,
    /// Number of the request among all that were sent; 0 until it is sent.
    pub(super) sent: u32,
    pub(super) sent_at_ns: u64,
    pub(super) decision: Decision,
    pub(super) luck_ppm: u32,
    /// Events that are scheduled.
    pub(super) pending: u8,
    pub(super) client: Waiting,
    /// Set when the request has applied, or when the client is told something else.
    pub(super) answer: Option<Result<Reply, Failure>>,
    /// The request changed something or was answered well when it first arrived.
    pub(super) landed: bool,
}

/// What the client does.
#[derive(Debug)]
pub(super) enum Waiting {
    Yes(Waker),
    /// The answer may be collected.
    Answered,
    /// It went away at that virtual time.
    GoneSince(u64),
}

impl Flight {
    /// A slot that no request has had yet.
    fn unused() -> Self {
        Self {
            request: Request::DeleteBatch { names: Vec::new() },
            process: ProcessId::WORLD,
            number: 0,
            sent: 0,
            sent_at_ns: 0,
            decision: Decision::default(),
            luck_ppm: 0,
            pending: 0,
            client: Waiting::GoneSince(0),
            answer: None,
            landed: false,
        }
    }

    pub(super) fn id(&self) -> u64 {
        u64::from(self.process.0) << 32 | u64::from(self.number)
    }

    pub(super) fn object(&self) -> u32 {
        // Events number objects from 1; 0 means none.
        self.request.name().map_or(0, |name| name.number() + 1)
    }

    /// What the next phase touches: the store, when the request reaches it, or its process.
    fn footprint(&self, phase: Phase) -> Footprint {
        let at_store = matches!(phase, Phase::Arrive | Phase::ArriveAgain | Phase::Land);
        let access = match self.request {
            _ if !at_store => Access::Local,
            Request::Read { .. } | Request::List { .. } => Access::Read,
            _ => Access::Write,
        };
        let object = match &self.request {
            // A batch of several is an event at each of them.
            Request::DeleteBatch { names } if names.len() > 1 => EVERY_OBJECT,
            Request::List { .. } => EVERY_OBJECT,
            _ => self.object(),
        };
        Footprint { process: self.process, object, access }
    }

    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.client, Waiting::Yes(_))
    }

    pub(super) fn fault_took_effect(&self, label: &'static str) {
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
        let key = RequestKey { process, moment: link.moment, nth: link.since };
        link.since += 1;
        let said = self.script.as_ref().map(|script| script.says(&key, sim::event_count()));
        let (decision, luck_ppm) = match said {
            Some(Said::Written(ways, fate)) => (self.follow(ways, &fate, &request), fate.luck_ppm),
            Some(Said::Ordinary(spread)) => {
                let draw = sim::draw(process, Site::REQUEST);
                (Decision::without_fault(latency_within(spread, &draw), &draw), 0)
            }
            Some(Said::Open(spread)) => {
                let draw = sim::draw(process, Site::REQUEST);
                let latency_ns = latency_within(spread, &draw);
                let luck_ppm = draw.below(word::WEATHER, 1_000_000);
                (self.decide(process, number, &request, latency_ns, &draw), luck_ppm)
            }
            None => {
                let draw = sim::draw(process, Site::REQUEST);
                let luck_ppm = draw.below(word::WEATHER, 1_000_000);
                let latency_ns = self.latency_of(&request, &draw);
                (self.decide(process, number, &request, latency_ns, &draw), luck_ppm)
            }
        };
        if let Some(made) = &mut self.made {
            let Decision { fault, request_ns, reply_ns } = decision;
            let ways = Some(Ways { there_ns: request_ns, back_ns: reply_ns });
            let request = u64::from(process.0) << 32 | u64::from(number);
            made.push(Made { key, request, fate: Fate { ways, fault, luck_ppm } });
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flights.push(Flight::unused());
            (self.flights.len() - 1) as u32
        });
        // Field by field: a slot is too big to be put together elsewhere and moved here.
        let flight = &mut self.flights[slot as usize];
        flight.request = request;
        flight.process = process;
        flight.number = number;
        flight.sent = 0;
        flight.sent_at_ns = 0;
        flight.decision = decision;
        flight.luck_ppm = luck_ppm;
        flight.pending = 0;
        flight.client = Waiting::Yes(waker);
        flight.answer = None;
        flight.landed = false;
        match sim::admission(process) {
            Admission::Now => self.send(slot),
            Admission::StalledUntil(end_ns) => self.schedule(slot, Phase::Send, end_ns),
            Admission::Never => {}
        }
        slot
    }

    /// How long the profile of the store lets a request take.
    fn latency_of(&self, request: &Request, draw: &sim::Draw) -> u64 {
        let shape = request.shape();
        let size = match request {
            Request::Read { name, .. } if shape.reads_body => {
                self.model.current(*name).map_or(0, |version| version.size())
            }
            _ => shape.size,
        };
        let latencies = &self.setup.profile.latencies;
        latencies.sample(shape.operation, size, draw.word(word::LATENCY))
    }

    fn decide(
        &mut self,
        process: ProcessId,
        number: u32,
        request: &Request,
        latency_ns: u64,
        draw: &sim::Draw,
    ) -> Decision {
        let shape = request.shape();
        let profile = &self.setup.profile;
        let grounds = Grounds {
            rates: &self.setup.rates,
            plan: &self.setup.plan,
            profile,
            latency_ns,
            timeout_ns: self.setup.timeout_ns,
            late_landing_max_ns: self
                .bounds
                .late_landing_max_ns
                .unwrap_or(profile.late_landing_max_ns),
        };
        let mut decision = decide(&grounds, (process, number), &shape, draw);
        decision.fault = decision.fault.filter(|fault| self.is_within_bounds(*fault, request));
        if let (Some(decided), Some(fault)) = (&mut self.decided, decision.fault) {
            decided.push(DecidedFault { process, request: number, fault });
        }
        decision
    }

    /// What a script says about a request, as far as it means anything for it.
    fn follow(&self, ways: Ways, fate: &Fate, request: &Request) -> Decision {
        let means_something = |fault: &Fault| {
            !self.is_calm
                && fault.kind().applies_to(&request.shape(), &self.setup.profile)
                && self.is_within_bounds(*fault, request)
        };
        let fault = fate.fault.filter(means_something);
        Decision { fault, request_ns: ways.there_ns, reply_ns: ways.back_ns }
    }

    /// Whether the world lets this fault happen to this request.
    fn is_within_bounds(&self, fault: Fault, request: &Request) -> bool {
        match (fault, request.name()) {
            (Fault::TornPut { .. } | Fault::TornUpload { .. }, Some(name)) => {
                (self.bounds.tears)(self.model.text(name))
            }
            (Fault::BrokenBody { .. }, _) => self.severity.body_damage != BodyDamage::Length,
            (Fault::BitFlip { .. }, _) => self.severity.body_damage == BodyDamage::Any,
            _ => true,
        }
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

    pub(super) fn schedule(&mut self, slot: u32, phase: Phase, at_ns: u64) {
        if let Some(device) = self.device {
            let flight = &mut self.flights[slot as usize];
            flight.pending += 1;
            let flight = &*flight;
            sim::schedule_touching(at_ns, device, token(slot, phase), || flight.footprint(phase));
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
            4 => self.report(slot),
            _ => self.land(slot),
        };
        self.release(slot);
        waker
    }
}
