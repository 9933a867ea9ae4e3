//! Two requests at one object, in the other order.
//!
//! Two requests of different processes at one object race if one of them changes it and nobody
//! changes it between them. Each such pair of the story is swapped: the request
//! that came first is held up on its way until the other one is through. In every variation the two
//! come at other times, so each is run twice: once to see when they come, and once with the delay.
//! A pair that cannot be swapped without its client giving up, or of which one request is not made,
//! does not count.

use std::collections::BTreeMap;

use sim::trace::{Keep, Kind, Row};
use sim_storage::fault::{Made, RequestKey};

use super::{Examiner, Outcome, Part, Seen, Tally, Weight};
use crate::plan::{MomentEntry, Plan, RequestEntry, Span, Variation, Width};
use crate::world::Recorded;

/// Pairs that are swapped, at most: those nearest to the failure.
const PAIRS_MAX: usize = 6;

/// Of the runs, so many percent must have come to the other order for it to be told.
const SWAPPED_PERCENT: u32 = 10;

/// A request in a run.
#[derive(Clone, Copy, Debug)]
struct Told {
    key: RequestKey,
    event: u64,
}

/// Two requests, in the order of the plan's own run.
#[derive(Clone, Copy, Debug)]
struct Pair {
    first: Told,
    second: Told,
}

/// When a request was sent, and when it took effect, in virtual nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    sent_ns: Option<u64>,
    applied_ns: Option<u64>,
}

impl Examiner<'_> {
    /// The races of the story, each with how often the plan fails in the other order.
    pub(super) fn races(
        &mut self,
        own: &Seen,
        told: &[u64],
        width: Width,
        as_it_is: Tally,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        for pair in pairs(own, told).into_iter().rev().take(PAIRS_MAX) {
            let Some(tally) = self.swapped(pair, width) else { break };
            if tally.runs * 100 < self.runs * SWAPPED_PERCENT {
                continue;
            }
            parts.push(Part {
                event: Some(pair.first.event),
                what: format!("before {}", pair.second.event),
                change: String::from("swapped"),
                tally,
                weight: Weight::of(tally, as_it_is),
            });
        }
        parts.reverse();
        parts
    }

    fn swapped(&mut self, pair: Pair, width: Width) -> Option<Tally> {
        let mut tally = Tally::default();
        for seed in self.seeds()? {
            if let Some(outcome) = self.swap(pair, width, seed) {
                tally.add(outcome);
            }
        }
        Some(tally)
    }

    /// One variation with the pair in the other order.
    fn swap(&mut self, pair: Pair, width: Width, seed: u64) -> Option<Outcome> {
        let plan = self.plan;
        let seen = self.see(plan, width, seed)?;
        let [first, second] = times(&seen, pair);
        let (sent_ns, second_ns) = (first.sent_ns?, second.applied_ns?);
        if first.applied_ns.is_some_and(|first_ns| second_ns < first_ns) {
            return Some(self.compare(&seen.report));
        }
        let there = Span((second_ns - sent_ns).saturating_add(plan.world.usual.there.0 / 4 + 1));
        if there.0.saturating_add(plan.world.usual.back.0) >= plan.world.transport_timeout.0 {
            return None;
        }
        let held_up = held_up(plan, &seen, pair.first.key, there);
        let seen = self.see(&held_up, width, seed)?;
        let [first, second] = times(&seen, pair);
        (second.applied_ns? < first.applied_ns?).then(|| self.compare(&seen.report))
    }

    fn see(&mut self, plan: &Plan, width: Width, seed: u64) -> Option<Seen> {
        let keep = Keep::Ring { capacity: usize::MAX };
        let variation = Variation::latencies(plan, width, seed);
        let trial = self.run(plan, &variation, keep, Recorded::Kept)?;
        Some(Seen { report: trial.report, recording: trial.recording? })
    }
}

/// The races of a run among the events that are told, oldest first.
fn pairs(own: &Seen, told: &[u64]) -> Vec<Pair> {
    let made: BTreeMap<u64, &Made> =
        own.recording.requests.iter().map(|made| (made.request, made)).collect();
    let request = |row: &Row| Some(Told { key: made.get(&row.a)?.key, event: row.event });
    let is_told = |row: &Row| told.binary_search(&row.event).is_ok();
    // By object: its last change, and who has read it since.
    let mut since: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for row in own.report.trace.iter().filter(|row| row.kind == Kind::Apply && row.object > 0) {
        let earlier = since.entry(row.object).or_default();
        let rivals = earlier.iter().filter(|other| {
            other.process != row.process && (changes(other) || changes(row)) && is_told(other)
        });
        for rival in rivals.filter(|_| is_told(row)) {
            if let (Some(first), Some(second)) = (request(rival), request(row)) {
                pairs.push(Pair { first, second });
            }
        }
        if changes(row) {
            earlier.clear();
        }
        earlier.push(row);
    }
    pairs
}

/// Whether it changed its object.
fn changes(row: &Row) -> bool {
    let verb = row.detail.split(' ').next().unwrap_or_default();
    (200..300).contains(&row.b) && !matches!(verb, "get" | "head" | "list")
}

fn times(seen: &Seen, pair: Pair) -> [Times; 2] {
    [pair.first.key, pair.second.key].map(|key| {
        let made = seen.recording.requests.iter().find(|made| made.key == key);
        let Some(made) = made else { return Times::default() };
        let at = |kind: Kind| {
            let mut rows = seen.report.trace.iter();
            rows.find(|row| row.kind == kind && row.a == made.request).map(|row| row.at_ns)
        };
        Times { sent_ns: at(Kind::Request), applied_ns: at(Kind::Apply) }
    })
}

/// The plan with a request that takes so long to the store.
fn held_up(plan: &Plan, seen: &Seen, key: RequestKey, there: Span) -> Plan {
    let names = &seen.recording.names;
    let process = names.get(usize::from(key.process.0)).map(ToString::to_string);
    let process = process.unwrap_or_default();
    let at = MomentEntry(key.moment);
    let mut plan = plan.clone();
    let is_it = |entry: &&mut RequestEntry| {
        entry.process == process && entry.at == at && entry.nth == key.nth
    };
    match plan.requests.iter_mut().find(is_it) {
        Some(entry) => entry.there = Some(there),
        None => plan.requests.push(RequestEntry {
            process,
            at,
            nth: key.nth,
            fault: None,
            there: Some(there),
            back: None,
            luck_ppm: 0,
        }),
    }
    plan
}
