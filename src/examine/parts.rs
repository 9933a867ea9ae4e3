//! What can be taken out of a plan: each part in words, with the event that shows it and the plan
//! without it.

use sim::trace::{Kind, Row};
use sim_storage::fault::{Made, Moment, RequestKey};

use super::Seen;
use crate::plan::{BlowKind, Does, OrderEntry, Place, Plan, RequestEntry, Span, UpkeepEntry};
use crate::reduce::removal::{keep_blows, keep_operations, keep_slots};

/// A part of a plan.
pub(super) struct Element {
    pub(super) event: Option<u64>,
    pub(super) what: String,
    pub(super) change: &'static str,
    pub(super) without: Plan,
}

const WITHOUT: &str = "without it";

/// All parts of a plan; `own` is its own run.
pub(super) fn elements(plan: &Plan, own: &Seen) -> Vec<Element> {
    let mut found = Found { plan, own, elements: Vec::new() };
    found.faults();
    found.blows();
    found.order();
    found.operations();
    found.bystanders();
    found.ways();
    found.pauses();
    found.elements
}

struct Found<'a> {
    plan: &'a Plan,
    own: &'a Seen,
    elements: Vec<Element>,
}

impl Found<'_> {
    fn add(&mut self, event: Option<u64>, what: String, change: &'static str, without: Plan) {
        self.elements.push(Element { event, what, change, without });
    }

    /// The part that this edit takes away.
    fn edit(
        &mut self,
        (event, what, change): (Option<u64>, String, &'static str),
        edit: impl FnOnce(&mut Plan),
    ) {
        let mut without = self.plan.clone();
        edit(&mut without);
        self.add(event, what, change, without);
    }

    fn faults(&mut self) {
        for (place, request) in self.plan.requests.iter().enumerate() {
            let Some(fault) = request.fault else { continue };
            let number = self.own.request(request);
            let struck = number.and_then(|number| self.own.row(Kind::Fault, number));
            let event = struck.or_else(|| number.and_then(|it| self.own.row(Kind::Request, it)));
            let name = fault.kind().label().trim_start_matches("fault.").replace('_', " ");
            let what = format!("{name} ({})", request.process);
            let event = event.map(|row| row.event);
            self.edit((event, what, WITHOUT), |plan| plan.requests[place].fault = None);
        }
    }

    fn blows(&mut self) {
        for (place, blow) in self.plan.blows.iter().enumerate() {
            let kept: Vec<usize> = (0..self.plan.blows.len()).filter(|it| *it != place).collect();
            let event = self.own.strike_of(self.plan, place);
            let what = format!("{} ({})", blow_text(&blow.blow), blow.slot);
            self.add(event, what, WITHOUT, keep_blows(self.plan, &kept));
        }
    }

    fn order(&mut self) {
        let Some(schedule) = self.plan.world.schedule else { return };
        let name = match schedule.order {
            OrderEntry::Walk => "walk",
            OrderEntry::Pct { .. } => "pct",
            OrderEntry::Pos => "pos",
            OrderEntry::Surw { .. } => "surw",
        };
        let what = format!("the order of events, drawn by {name}");
        self.edit((None, what, "by time"), |plan| plan.world.schedule = None);
    }

    fn operations(&mut self) {
        let count = self.plan.operations();
        let mut place = 0;
        for (index, slot) in self.plan.slots.iter().enumerate() {
            let operations = slot.operations.iter().map(|operation| {
                (
                    self.own.invocation(self.plan, index, operation.number),
                    operation.does.to_string(),
                )
            });
            let rounds = slot.rounds.iter().map(|round| {
                (self.own.round(slot.process, round.number), format!("round {}", round.number))
            });
            for (event, does) in operations.chain(rounds).collect::<Vec<_>>() {
                let kept: Vec<usize> = (0..count).filter(|it| *it != place).collect();
                let without = keep_operations(self.plan, &kept);
                self.add(event, format!("{}: {does}", slot.name), WITHOUT, without);
                place += 1;
            }
        }
    }

    /// Processes that do nothing but open the system, and have the last word.
    fn bystanders(&mut self) {
        for (place, slot) in self.plan.slots.iter().enumerate() {
            if slot.operations.is_empty() && slot.rounds.is_empty() {
                let kept: Vec<usize> =
                    (0..self.plan.slots.len()).filter(|it| *it != place).collect();
                let what = format!("{}, who opens the system", slot.name);
                self.add(None, what, WITHOUT, keep_slots(self.plan, &kept));
            }
        }
    }

    fn ways(&mut self) {
        for (place, request) in self.plan.requests.iter().enumerate() {
            if request.there.is_none() && request.back.is_none() {
                continue;
            }
            let sent = self.own.request(request);
            let sent = sent.and_then(|number| self.own.row(Kind::Request, number));
            let long =
                |way: Option<Span>| way.map_or(String::from("as usual"), |it| it.to_string());
            let (there, back) = (long(request.there), long(request.back));
            let what = format!("a request of {}: {there} there, {back} back", request.process);
            let event = sent.map(|row| row.event);
            self.edit((event, what, "as usual"), |plan| {
                (plan.requests[place].there, plan.requests[place].back) = (None, None);
            });
        }
    }

    fn pauses(&mut self) {
        for (index, slot) in self.plan.slots.iter().enumerate() {
            let name = &slot.name;
            if slot.start_after > Span(0) {
                let what = format!("{name} starts after {}", slot.start_after);
                self.edit((None, what, "at once"), |plan| plan.slots[index].start_after = Span(0));
            }
            for (place, operation) in slot.operations.iter().enumerate() {
                let event = self.own.invocation(self.plan, index, operation.number);
                if operation.think > Span(0) {
                    let what = format!("{name} pauses for {} before", operation.think);
                    self.edit((event, what, WITHOUT), |plan| {
                        plan.slots[index].operations[place].think = Span(0);
                    });
                }
                if let Some(patience) = operation.patience {
                    let what = format!("the client of {name} gives up after {patience}");
                    self.edit((event, what, WITHOUT), |plan| {
                        plan.slots[index].operations[place].patience = None;
                    });
                }
                if operation.upkeep == UpkeepEntry::Done {
                    let what = format!("{name} does upkeep after {}", operation.does);
                    self.edit((event, what, WITHOUT), |plan| {
                        plan.slots[index].operations[place].upkeep = UpkeepEntry::None;
                    });
                }
            }
            for (place, round) in slot.rounds.iter().enumerate() {
                if round.pause > Span(0) {
                    let what =
                        format!("{name} pauses for {} after round {}", round.pause, round.number);
                    let event = self.own.round(slot.process, round.number);
                    self.edit((event, what, WITHOUT), |plan| {
                        plan.slots[index].rounds[place].pause = Span(0);
                    });
                }
            }
        }
    }
}

fn blow_text(blow: &BlowKind) -> String {
    let place = |at: &Place| match at {
        Place::Step(name) => name.clone(),
        Place::Operation(name) => format!("a step of {name}"),
        Place::AnyStep => String::from("a step"),
    };
    match blow {
        BlowKind::Crash { .. } => String::from("crash"),
        BlowKind::Stall { lasts } => format!("stall of {lasts}"),
        BlowKind::StallAtStep { at, lasts, .. } => format!("stall of {lasts} at {}", place(at)),
        BlowKind::CrashAtStep { at, .. } => format!("crash at {}", place(at)),
        BlowKind::Twin { .. } => String::from("take-over by a twin"),
        BlowKind::Clock { wall_offset_ns, .. } if *wall_offset_ns != 0 => {
            let by = Span(wall_offset_ns.unsigned_abs());
            format!("clock {by} {}", if *wall_offset_ns > 0 { "ahead" } else { "behind" })
        }
        BlowKind::Clock { drift_ppm, .. } => format!("clock drifting by {drift_ppm} ppm"),
        BlowKind::Partition { lasts } => format!("partition of {lasts}"),
        BlowKind::Outage { lasts, .. } => format!("outage of {lasts}"),
    }
}

impl Seen {
    /// The number of the request that an entry of the plan is about, if it was made.
    fn request(&self, entry: &RequestEntry) -> Option<u64> {
        let names = &self.recording.names;
        let process = names.iter().position(|name| name.to_string() == entry.process)?;
        let key = RequestKey {
            process: sim::ProcessId(process as u16),
            moment: entry.at.0,
            nth: entry.nth,
        };
        self.recording.requests.iter().find(|made| made.key == key).map(|made| made.request)
    }

    /// The first event of this kind about a request.
    fn row(&self, kind: Kind, request: u64) -> Option<&Row> {
        self.report.trace.iter().find(|row| row.kind == kind && row.a == request)
    }

    /// The event at which a process of a slot began an operation. Several clients of one process
    /// begin in an order that the plan does not say: those that do the same are told apart by
    /// their order only.
    fn invocation(&self, plan: &Plan, slot: usize, number: u32) -> Option<u64> {
        let entry = &plan.slots[slot];
        let operation = entry.operations.iter().find(|other| other.number == number)?;
        let is_alike = |does: &Does| *does == operation.does;
        let earlier = entry.operations.iter().take_while(|other| other.number < number);
        let earlier = earlier.filter(|other| is_alike(&other.does)).count();
        let text = operation.does.to_string();
        let rows = self.report.trace.iter().filter(|row| {
            row.kind == Kind::Invoke && row.process == entry.name && row.detail == text
        });
        rows.map(|row| row.event).nth(earlier)
    }

    /// The first request of a round of a duty.
    fn round(&self, process: u16, number: u32) -> Option<u64> {
        let is_its = |made: &&Made| {
            made.key.process.0 == process && made.key.moment == Moment::Operation(number)
        };
        let made = self.recording.requests.iter().find(is_its)?;
        self.row(Kind::Request, made.request).map(|row| row.event)
    }

    /// The event at which a blow struck: the fault at the step, for one that is aimed at a step.
    pub(super) fn strike_of(&self, plan: &Plan, place: usize) -> Option<u64> {
        let moment = (*self.recording.struck.get(place)?)?;
        let fault = match &plan.blows[place].blow {
            BlowKind::StallAtStep { .. } => "fault.stall_at_step",
            BlowKind::CrashAtStep { .. } => "fault.crash_at_step",
            _ => return Some(moment),
        };
        let strikes = self.report.trace.iter().filter(|row| row.kind == Kind::Fault);
        strikes
            .filter(|row| row.event >= moment && row.detail.starts_with(fault))
            .map(|row| row.event)
            .next()
    }
}
