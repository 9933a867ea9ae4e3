//! What is left, made ordinary: round lengths, usual latencies, default options.

use sim::Seed;
use sim_storage::fault::{Fault, Report};

use super::Reducer;
use super::removal::drop_ordinary;
use crate::plan::{BlowKind, Plan, RequestEntry, Span, WaysEntry, WriteLimitEntry};

/// A random word in the middle: no chance that is small comes true.
const MIDDLE: u32 = 1 << 31;

/// So many requests are looked at one by one.
const REQUESTS_MAX: usize = 60;

/// Every request takes as long as usual.
pub(super) fn ordinary_ways(plan: &mut Plan) {
    for request in &mut plan.requests {
        (request.there, request.back) = (None, None);
    }
    drop_ordinary(plan);
}

impl Reducer<'_> {
    pub(super) fn smooth(&mut self) {
        self.smooth_options();
        self.smooth_starts();
        self.smooth_blows();
        self.smooth_requests();
    }

    fn smooth_options(&mut self) {
        self.try_edit(|plan| plan.world.clients = 1);
        self.try_as_short(|plan| plan.world.filling = 0);
        self.try_edit(|plan| plan.world.write_limit = WriteLimitEntry::Ignored);
        self.try_edit(|plan| plan.world.store = String::from("s3"));
        self.try_edit(|plan| plan.seed = Seed::from(1));
        if !self.try_as_short(|plan| plan.world.tuning = [MIDDLE; sim::DRAW_WORDS]) {
            for word in 0..sim::DRAW_WORDS {
                self.try_as_short(|plan| plan.world.tuning[word] = MIDDLE);
            }
        }
        self.round(|plan| Some(&mut plan.world.transport_timeout));
        self.round(|plan| Some(&mut plan.world.late_landing_max));
        self.round(|plan| Some(&mut plan.world.usual.there));
        self.round(|plan| Some(&mut plan.world.usual.back));
    }

    fn smooth_starts(&mut self) {
        self.try_on_most(self.plan.slots.len(), |plan, slot| {
            plan.slots[slot].start_after = Span(0);
        });
        for slot in 0..self.plan.slots.len() {
            self.round(|plan| Some(&mut plan.slots[slot].start_after));
            for place in 0..self.plan.slots[slot].operations.len() {
                self.round(|plan| Some(&mut plan.slots[slot].operations[place].think));
                self.round(|plan| plan.slots[slot].operations[place].patience.as_mut());
            }
            for place in 0..self.plan.slots[slot].rounds.len() {
                let has_pause = self.plan.slots[slot].rounds[place].pause > Span(0);
                let at_once = |plan: &mut Plan| plan.slots[slot].rounds[place].pause = Span(0);
                if has_pause && !self.try_edit(at_once) {
                    self.round(|plan| Some(&mut plan.slots[slot].rounds[place].pause));
                }
            }
        }
    }

    fn smooth_blows(&mut self) {
        for place in 0..self.plan.blows.len() {
            self.try_edit(|plan| plan.blows[place].delay = Span(0));
            self.round(|plan| Some(&mut plan.blows[place].delay));
            self.round(|plan| plan.blows[place].blow.spans());
            self.lower_after(place);
            self.try_edit(|plan| {
                if let BlowKind::Clock { drift_ppm, .. } = &mut plan.blows[place].blow {
                    *drift_ppm = 0;
                }
            });
        }
    }

    /// An aim that strikes as early as it can, and at a place that is as narrow as it can be.
    fn lower_after(&mut self, place: usize) {
        loop {
            let after = match &self.plan.blows[place].blow {
                BlowKind::StallAtStep { after, .. } | BlowKind::CrashAtStep { after, .. } => *after,
                _ => return,
            };
            let lower = [0, after / 2, after.saturating_sub(1)];
            let lowered = lower.into_iter().any(|lower| {
                self.try_edit(|plan| match &mut plan.blows[place].blow {
                    BlowKind::StallAtStep { after, .. } | BlowKind::CrashAtStep { after, .. } => {
                        *after = lower;
                    }
                    _ => {}
                })
            });
            if after == 0 || !lowered {
                return;
            }
        }
    }

    fn smooth_requests(&mut self) {
        self.try_edit(|plan| {
            plan.requests.iter_mut().for_each(|request| request.luck_ppm = 0);
            drop_ordinary(plan);
        });
        let count = self.plan.requests.len();
        self.try_without(count, |plan, kept| {
            let mut candidate = plan.clone();
            let mut kept = kept.iter().copied().peekable();
            for (place, request) in candidate.requests.iter_mut().enumerate() {
                if kept.next_if_eq(&place).is_none() {
                    (request.there, request.back) = (None, None);
                }
            }
            drop_ordinary(&mut candidate);
            candidate
        });
        // What is still that many has other things to lose first.
        if self.plan.requests.len() > REQUESTS_MAX {
            return;
        }
        let usual = self.plan.world.usual;
        for place in 0..self.plan.requests.len() {
            for lost in [Lost::Answer, Lost::Request] {
                self.try_request(place, |request| name_the_fault(request, usual, lost));
            }
            self.try_request(place, |request| request.there = None);
            self.try_request(place, |request| request.back = None);
            self.try_request(place, |request| request.luck_ppm = 0);
            self.round(|plan| plan.requests[place].there.as_mut());
            self.round(|plan| plan.requests[place].back.as_mut());
            self.try_request(place, |request| request.fault = request.fault.map(rounded_fault));
        }
        self.try_edit(drop_ordinary);
    }

    /// Takes the plan with this edit of one request, if that is one.
    fn try_request(&mut self, place: usize, edit: impl FnOnce(&mut RequestEntry)) {
        let mut request = self.plan.requests[place].clone();
        edit(&mut request);
        if request != self.plan.requests[place] {
            self.try_edit(|plan| plan.requests[place] = request);
        }
    }

    /// A rounder length: one digit, or two.
    fn round(&mut self, length: impl Fn(&mut Plan) -> Option<&mut Span>) {
        for digits in [1, 2] {
            let Some(Span(exact)) = length(&mut self.plan).map(|span| *span) else { return };
            let round = rounded(exact, digits);
            let edit = |plan: &mut Plan| {
                if let Some(span) = length(plan) {
                    *span = Span(round);
                }
            };
            if round == exact || self.try_edit(edit) {
                return;
            }
        }
    }
}

/// What takes so much longer than usual that its client may have given up is a fault, and is called
/// by its name. `lost` says which: the answer, or the request for a while.
fn name_the_fault(request: &mut RequestEntry, usual: WaysEntry, lost: Lost) {
    let is_slow = |way: Option<Span>, usual: Span| way.is_some_and(|way| way.0 > usual.0 * SLOW);
    let fault = match lost {
        _ if request.fault.is_some() => return,
        Lost::Answer
            if is_slow(request.back, usual.back) || is_slow(request.there, usual.there) =>
        {
            Fault::ReplyLost { report: Report::Silence }
        }
        Lost::Request if is_slow(request.there, usual.there) => {
            let after_ns = request.there.map_or(0, |there| there.0);
            Fault::LateApply { report: Report::Silence, after_ns }
        }
        _ => return,
    };
    (request.fault, request.there, request.back) = (Some(fault), None, None);
}

/// What of a slow request its client did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Answer,
    Request,
}

/// So many times the usual is slow.
const SLOW: u64 = 3;

/// The number with so many digits that are not 0, rounded up.
fn rounded(number: u64, digits: u32) -> u64 {
    let length = number.checked_ilog10().map_or(1, |log| log + 1);
    match length.checked_sub(digits) {
        None | Some(0) => number,
        Some(zeros) => {
            let unit = 10_u64.pow(zeros);
            number.div_ceil(unit).saturating_mul(unit)
        }
    }
}

fn rounded_fault(fault: Fault) -> Fault {
    let round = |ns: u64| rounded(ns, 1);
    match fault {
        Fault::LateApply { report, after_ns } => {
            Fault::LateApply { report, after_ns: round(after_ns) }
        }
        Fault::Duplicate { after_ns } => Fault::Duplicate { after_ns: round(after_ns) },
        Fault::Timeout { after_ns } => Fault::Timeout { after_ns: round(after_ns) },
        Fault::TailLatency { extra_ns } => Fault::TailLatency { extra_ns: round(extra_ns) },
        Fault::Reordering { extra_ns } => Fault::Reordering { extra_ns: round(extra_ns) },
        Fault::ShortBody { .. } => Fault::ShortBody { keep_ppm: 500_000 },
        Fault::BrokenBody { .. } => Fault::BrokenBody { keep_ppm: 500_000 },
        Fault::TornPut { report, .. } => Fault::TornPut { keep_ppm: 500_000, report },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_up_to_their_first_digits() {
        assert_eq!(rounded(0, 1), 0);
        assert_eq!(rounded(7, 1), 7);
        assert_eq!(rounded(1_234_567, 1), 2_000_000);
        assert_eq!(rounded(1_234_567, 2), 1_300_000);
        assert_eq!(rounded(u64::MAX, 1), u64::MAX);
    }
}
