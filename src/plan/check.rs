//! What a plan must keep to, whatever the system: limits, and names that fit together.
//!
//! A plan may come from anywhere. So everything that sizes memory or time is bounded here, before a
//! world is built of it: numbers of slots, processes, operations, requests and blows, lengths of
//! durations, shares. What a plan says of a *system* (steps, roles, bugs) is looked at when it
//! meets that system, see [`Misfit`](super::Misfit).

use std::collections::BTreeSet;

use sim_storage::fault::Fault;

use super::{BlowKind, FORMAT, OrderEntry, Plan, Span};

/// Slots, at most.
pub(crate) const SLOTS_MAX: usize = 256;
/// The highest number of a process.
pub(crate) const PROCESSES_MAX: u16 = 1_000;
/// Operations and rounds of all slots, at most.
pub(crate) const OPERATIONS_MAX: usize = 100_000;
/// Requests that are not ordinary, at most.
pub(crate) const REQUESTS_MAX: usize = 500_000;
/// Blows, at most.
pub(crate) const BLOWS_MAX: usize = 1_000;
/// Clients in each process, at most.
pub(crate) const CLIENTS_MAX: u16 = 64;
/// Bytes of filling in each value, at most.
pub(crate) const FILLING_MAX: u16 = 4_000;
/// The longest duration: a day.
pub(crate) const SPAN_MAX: Span = Span(86_400_000_000_000);
/// Choices of an order that is not by time, at most.
pub(crate) const CHOICES_MAX: u64 = 100_000_000;
/// The most ordering constraints that `pct` looks for.
pub(crate) const DEPTH_MAX: u32 = 100;
const MILLION: u32 = 1_000_000;
/// A clock may run twice as fast, or half as fast.
const DRIFT_PPM_MAX: u32 = 500_000;

/// Something about a plan that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Flaw {
    /// Where in the plan.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

fn flaw(place: impl Into<String>, what: impl Into<String>) -> Flaw {
    Flaw { place: place.into(), what: what.into() }
}

fn at_most<T: PartialOrd + std::fmt::Display>(place: &str, is: T, most: T) -> Result<(), Flaw> {
    match is <= most {
        true => Ok(()),
        false => Err(flaw(place, format!("{is} is too much; the limit is {most}"))),
    }
}

fn span(place: &str, is: Span) -> Result<(), Flaw> {
    at_most(place, is, SPAN_MAX)
}

impl Plan {
    /// Looks at everything that can be judged without the system.
    ///
    /// # Errors
    /// The first flaw.
    pub fn check(&self) -> Result<(), Flaw> {
        if self.format != FORMAT {
            let what = format!("{} is not known; this version reads format {FORMAT}", self.format);
            return Err(flaw("format", what));
        }
        self.check_world()?;
        let names = self.check_slots()?;
        let names = self.check_blows(names)?;
        self.check_requests(&names)
    }

    fn check_world(&self) -> Result<(), Flaw> {
        let world = &self.world;
        for (place, is) in [
            ("world.typical_request", world.typical_request),
            ("world.usual.there", world.usual.there),
            ("world.usual.back", world.usual.back),
            ("world.transport_timeout", world.transport_timeout),
            ("world.late_landing_max", world.late_landing_max),
        ] {
            span(place, is)?;
        }
        // Timers are multiples of it: too small and they vanish, too large and they add up to years.
        if !(1_000..=10_000_000_000).contains(&world.typical_request.0) {
            return Err(flaw("world.typical_request", "must be between 1us and 10s"));
        }
        if world.clients == 0 {
            return Err(flaw("world.clients", "there must be at least one"));
        }
        at_most("world.clients", world.clients, CLIENTS_MAX)?;
        at_most("world.filling", world.filling, FILLING_MAX)?;
        at_most("world.processes", world.processes, PROCESSES_MAX)?;
        if let Some(schedule) = &world.schedule {
            span("world.schedule.window", schedule.window)?;
            at_most("world.schedule.choices", schedule.choices, CHOICES_MAX)?;
            let most = OPERATIONS_MAX as u32;
            at_most("world.schedule.operations_ahead", schedule.operations_ahead, most)?;
            if let OrderEntry::Pct { depth } = schedule.order {
                at_most("world.schedule.order.pct.depth", depth, DEPTH_MAX)?;
            }
        }
        Ok(())
    }

    /// Returns the names of all slots.
    fn check_slots(&self) -> Result<Names<'_>, Flaw> {
        at_most("slots", self.slots.len(), SLOTS_MAX)?;
        at_most("slots", self.operations(), OPERATIONS_MAX)
            .map_err(|found| flaw("slots", format!("operations and rounds: {}", found.what)))?;
        let mut names = Names::new(self.world.processes);
        for (index, slot) in self.slots.iter().enumerate() {
            let place = |field: &str| format!("slots[{index}].{field}");
            names.add(&place("name"), &slot.name, slot.process)?;
            span(&place("start_after"), slot.start_after)?;
            if !slot.operations.is_empty() && !slot.rounds.is_empty() {
                return Err(flaw(place("rounds"), "a slot has operations or rounds, not both"));
            }
            let mut last = None;
            for (index, operation) in slot.operations.iter().enumerate() {
                let place = |field: &str| place(&format!("operations[{index}].{field}"));
                ascends(&place("number"), &mut last, operation.number)?;
                span(&place("think"), operation.think)?;
                span(&place("patience"), operation.patience.unwrap_or_default())?;
                let held = operation.freshness == crate::workload::Freshness::Held;
                if held && !operation.does.kind.is_read_only() {
                    return Err(flaw(place("freshness"), "only reads are from a held snapshot"));
                }
            }
            let mut last = None;
            for (index, round) in slot.rounds.iter().enumerate() {
                let place = |field: &str| place(&format!("rounds[{index}].{field}"));
                ascends(&place("number"), &mut last, round.number)?;
                span(&place("pause"), round.pause)?;
            }
        }
        Ok(names)
    }

    /// Adds the names of twins.
    fn check_blows<'a>(&'a self, mut names: Names<'a>) -> Result<Names<'a>, Flaw> {
        at_most("blows", self.blows.len(), BLOWS_MAX)?;
        for (index, entry) in self.blows.iter().enumerate() {
            let place = |field: &str| format!("blows[{index}].{field}");
            let slot = self.slots.iter().find(|slot| slot.name == entry.slot);
            let Some(slot) = slot else {
                return Err(flaw(place("slot"), format!("there is no slot '{}'", entry.slot)));
            };
            let number = entry.operation;
            let is_planned = slot.operations.binary_search_by_key(&number, |it| it.number).is_ok()
                || slot.rounds.binary_search_by_key(&number, |it| it.number).is_ok();
            if !is_planned {
                let what = format!("{} has no operation or round {number}", slot.name);
                return Err(flaw(place("operation"), what));
            }
            span(&place("delay"), entry.delay)?;
            if let Some(lasts) = entry.blow.clone().spans() {
                span(&place("blow"), *lasts)?;
            }
            match &entry.blow {
                BlowKind::Twin { name, process } => {
                    names.add(&place("blow.twin"), name, *process)?;
                }
                BlowKind::Clock { wall_offset_ns, drift_ppm } => {
                    span(&place("blow.clock.wall_offset_ns"), Span(wall_offset_ns.unsigned_abs()))?;
                    let drift_ppm = drift_ppm.unsigned_abs();
                    at_most(&place("blow.clock.drift_ppm"), drift_ppm, DRIFT_PPM_MAX)?;
                }
                BlowKind::Outage { share_ppm, .. } => {
                    at_most(&place("blow.outage.share_ppm"), *share_ppm, MILLION)?;
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn check_requests(&self, names: &Names<'_>) -> Result<(), Flaw> {
        at_most("requests", self.requests.len(), REQUESTS_MAX)?;
        let mut keys = BTreeSet::new();
        for (index, request) in self.requests.iter().enumerate() {
            let place = |field: &str| format!("requests[{index}].{field}");
            let process = request.process.as_str();
            if process != NEWCOMER && !names.names.contains(process) {
                return Err(flaw(place("process"), format!("there is no process '{process}'")));
            }
            if !keys.insert((process, request.at, request.nth)) {
                return Err(flaw(format!("requests[{index}]"), "the same request stands above"));
            }
            span(&place("there"), request.there.unwrap_or_default())?;
            span(&place("back"), request.back.unwrap_or_default())?;
            at_most(&place("luck_ppm"), request.luck_ppm, MILLION)?;
            if let Some(fault) = request.fault {
                check_fault(&place("fault"), fault)?;
            }
        }
        Ok(())
    }
}

/// The name of the process that comes when all is quiet.
pub(super) const NEWCOMER: &str = "newcomer";

fn ascends(place: &str, last: &mut Option<u32>, number: u32) -> Result<(), Flaw> {
    // The largest number is kept for the lengths of lists of numbers.
    if last.is_some_and(|last| number <= last) || number == u32::MAX {
        return Err(flaw(place, format!("{number} does not follow the number before it")));
    }
    *last = Some(number);
    Ok(())
}

fn check_fault(place: &str, fault: Fault) -> Result<(), Flaw> {
    match fault {
        Fault::LateApply { after_ns, .. }
        | Fault::Duplicate { after_ns }
        | Fault::Timeout { after_ns }
        | Fault::LateDelete { after_ns } => span(place, Span(after_ns)),
        Fault::TailLatency { extra_ns } | Fault::Reordering { extra_ns } => {
            span(place, Span(extra_ns))
        }
        Fault::StaleRead { age_ns } | Fault::StaleList { age_ns } => span(place, Span(age_ns)),
        Fault::SkewedDate { skew_ns } => span(place, Span(skew_ns.unsigned_abs())),
        Fault::ShortBody { keep_ppm }
        | Fault::BrokenBody { keep_ppm }
        | Fault::TruncatedList { keep_ppm }
        | Fault::TornPut { keep_ppm, .. }
        | Fault::TornUpload { keep_ppm, .. } => at_most(place, keep_ppm, MILLION),
        _ => Ok(()),
    }
}

/// Names and numbers of processes, each used once.
struct Names<'a> {
    names: BTreeSet<&'a str>,
    numbers: BTreeSet<u16>,
    most: u16,
}

impl<'a> Names<'a> {
    fn new(most: u16) -> Self {
        Names { names: BTreeSet::new(), numbers: BTreeSet::new(), most }
    }

    fn add(&mut self, place: &str, name: &'a str, process: u16) -> Result<(), Flaw> {
        if name == NEWCOMER || !self.names.insert(name) {
            return Err(flaw(place, format!("the name '{name}' is taken")));
        }
        if process == 0 || process > self.most || !self.numbers.insert(process) {
            let what = format!("process number {process} is taken, 0, or above world.processes");
            return Err(flaw(place, what));
        }
        Ok(())
    }
}
