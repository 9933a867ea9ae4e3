//! From a run of any order to a plan that is ordered by time.
//!
//! In an order that is not by time everything may be late: a request on its way, an answer, a
//! process that does not get to run. All this can be said with durations, and then it belongs to
//! single requests and operations instead of to a source of randomness, and taking one away does
//! not shift the others. So the run is looked at: how long did each way take, how long until the
//! process went on, how long did clients and duties pause, when did blows strike.
//!
//! Where everybody is late, much happens at the same moment of the clock, in an order that durations
//! of the same length would not repeat. So every event is taken to be a nanosecond later for each
//! event before it, which keeps them all apart.

use std::collections::BTreeMap;

use sim::trace::{Kind, Row};

use super::extract::name_of;
use super::{MomentEntry, Plan, RequestEntry, Span, WorldEntry};
use crate::world::Recording;
use sim_storage::fault::Moment;

/// The plan with the order by time, and with requests, pauses and delays as long as they really
/// were in a run of another order. Where a process did not react to an answer at once, the answer
/// counts as late.
pub(crate) fn observed_ways(plan: &Plan, recording: &Recording, trace: &[Row]) -> Plan {
    let watch = Watch::over(trace);
    let mut plan =
        Plan { world: WorldEntry { schedule: None, ..plan.world.clone() }, ..plan.clone() };
    plan.requests.clear();
    for made in &recording.requests {
        let ways = made.fate.ways.unwrap_or_default();
        let times = watch.requests.get(&made.request).copied().unwrap_or_default();
        let way = |from: Option<u64>, to: Option<u64>, drawn: u64| {
            from.zip(to).map_or(drawn, |(from, to)| to.saturating_sub(from))
        };
        plan.requests.push(RequestEntry {
            process: name_of(recording, made.key.process.0),
            at: MomentEntry(made.key.moment),
            nth: made.key.nth,
            fault: made.fate.fault,
            there: Some(Span(way(times.left, times.applied, ways.there_ns))),
            back: Some(Span(way(times.applied, times.reacted, ways.back_ns))),
            luck_ppm: made.fate.luck_ppm,
        });
    }
    delay_blows(&mut plan, recording, trace);
    let one_client = plan.world.clients == 1;
    for slot in &mut plan.slots {
        let starts = watch.starts.get(slot.name.as_str());
        slot.start_after = starts.map_or(slot.start_after, |at_ns| Span(*at_ns));
        if one_client {
            let begun = watch.pauses.get(slot.name.as_str()).map_or(&[][..], Vec::as_slice);
            for (operation, pause_ns) in slot.operations.iter_mut().zip(begun) {
                operation.think = Span(*pause_ns);
            }
        }
        for place in 1..slot.rounds.len() {
            let next = Moment::Operation(slot.rounds[place].number);
            let mut made = recording.requests.iter();
            let first = made.find(|it| it.key.process.0 == slot.process && it.key.moment == next);
            let pause = first.and_then(|first| watch.before.get(&first.request));
            slot.rounds[place - 1].pause =
                pause.map_or(slot.rounds[place - 1].pause, |it| Span(*it));
        }
    }
    plan
}

/// A blow falls as long after its operation as it did.
fn delay_blows(plan: &mut Plan, recording: &Recording, trace: &[Row]) {
    let at_ns = |event: u64| {
        let place = trace.partition_point(|row| row.event < event);
        trace.get(place).map(|row| row.at_ns)
    };
    for (place, blow) in plan.blows.iter_mut().enumerate() {
        let struck = recording.struck.get(place).copied().flatten().and_then(at_ns);
        let moment = Moment::Operation(blow.operation);
        let made = recording.requests.iter().find(|made| {
            made.key.moment == moment && name_of(recording, made.key.process.0) == blow.slot
        });
        let began = made.and_then(|made| {
            let mut rows = trace.iter();
            rows.find(|row| row.kind == Kind::Request && row.a == made.request)
        });
        if let (Some(struck), Some(began)) = (struck, began) {
            blow.delay = Span(struck.saturating_sub(began.at_ns));
        }
    }
}

/// When something happened to a request, in virtual nanoseconds that keep events apart.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    left: Option<u64>,
    applied: Option<u64>,
    /// Its process went on after the answer.
    reacted: Option<u64>,
}

/// What a run shows of durations.
#[derive(Debug, Default)]
struct Watch<'a> {
    requests: BTreeMap<u64, Times>,
    /// By process: its first event.
    starts: BTreeMap<&'a str, u64>,
    /// By process: how long it did nothing before each operation of a client.
    pauses: BTreeMap<&'a str, Vec<u64>>,
    /// By request: how long its process did nothing before it.
    before: BTreeMap<u64, u64>,
    /// By process: when it did something last.
    now: BTreeMap<&'a str, u64>,
    /// By process: the answer that it has not reacted to.
    open: BTreeMap<&'a str, u64>,
}

impl<'a> Watch<'a> {
    fn over(trace: &'a [Row]) -> Self {
        let mut watch = Watch::default();
        let mut last_ns = BTreeMap::new();
        for row in trace.iter().filter(|row| row.kind != Kind::Log) {
            let at_ns = row.at_ns + row.event;
            match row.kind {
                Kind::Apply => {
                    let times = watch.requests.entry(row.a).or_default();
                    times.applied = times.applied.or(Some(at_ns));
                }
                Kind::Reply => {
                    let times = watch.requests.entry(row.a).or_default();
                    times.reacted = times.reacted.or(Some(at_ns));
                    watch.open.insert(&row.process, row.a);
                }
                Kind::Commit | Kind::Fault | Kind::RuleBroken => {}
                _ => watch.acts(row, at_ns, &mut last_ns),
            }
        }
        watch
    }

    /// A process does something. What it does without waiting, it does at one moment.
    fn acts(&mut self, row: &'a Row, at_ns: u64, last_ns: &mut BTreeMap<&'a str, u64>) {
        let process = row.process.as_str();
        let answered = self.open.remove(process);
        let has_waited = last_ns.insert(process, row.at_ns) != Some(row.at_ns);
        let before = self.now.get(process).copied();
        if answered.is_some() || has_waited {
            self.now.insert(process, at_ns);
        }
        let now_ns = self.now.get(process).copied().unwrap_or(at_ns);
        self.starts.entry(process).or_insert(row.at_ns);
        if let Some(request) = answered {
            self.requests.entry(request).or_default().reacted = Some(now_ns);
        }
        let idle_ns = match answered {
            Some(_) => 0,
            None => before.map_or(0, |before| now_ns.saturating_sub(before)),
        };
        match row.kind {
            Kind::Invoke => self.pauses.entry(process).or_default().push(idle_ns),
            Kind::Request => {
                let times = self.requests.entry(row.a).or_default();
                times.left = times.left.or(Some(now_ns));
                self.before.insert(row.a, idle_ns);
            }
            _ => {}
        }
    }
}
