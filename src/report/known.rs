//! What many runs of one plan have told, in words: shared by lanes and page.

use super::ReducedLine;
use super::grouped;
use super::run::{Run, RunReport};
use crate::examine::{Chance, Examination, Part, Tally, Weight};

/// Share of runs that must fail for what was drawn in them to be called free, in percent.
const FREE_PERCENT: u32 = 95;

/// Parts that are told by name where they are free.
const FREE_PARTS_MAX: usize = 12;

/// What is said where an examination was too long.
pub(super) const CUT_SHORT: &str = "the events that this may cost ran out: not every part was tried (--examine-events N allows more)";

/// How often the failure is there with everything in place.
pub(super) fn as_it_is(examined: &Examination) -> String {
    let Tally { runs, failed, .. } = examined.as_it_is;
    let rare = match examined.is_too_rare {
        true => ": too few to say what the failure needs",
        false => "",
    };
    format!("{failed} of {runs} fail with other {}{rare}", examined.drawn)
}

/// A part with its event before it, and what becomes of the failure without it.
pub(super) struct PartLine {
    pub(super) event: Option<u64>,
    pub(super) what: String,
    pub(super) said: String,
}

/// The parts of this weight.
pub(super) fn parts(examined: &Examination, weight: Weight) -> Vec<PartLine> {
    let parts = examined.parts.iter().filter(|part| part.weight == weight);
    parts.map(part_line).collect()
}

fn part_line(part: &Part) -> PartLine {
    let Tally { runs, failed, otherwise } = part.tally;
    let otherwise = match otherwise {
        0 => String::new(),
        some => format!(", {some} in another way"),
    };
    let said = format!("{}: {failed} of {runs} fail{otherwise}", part.change);
    PartLine { event: part.event, what: part.what.clone(), said }
}

/// What may be anything: the failure happens all the same.
pub(super) fn free(run: &Run, reduction: Option<&ReducedLine>) -> Vec<String> {
    let Some(examined) = &run.examined else { return Vec::new() };
    let mut free = Vec::new();
    if examined.as_it_is.percent() >= FREE_PERCENT {
        free.push(examined.drawn.clone());
    }
    if let Some(reduction) = reduction {
        let more = |before: u64, after: u64, name: &str| {
            let more = before.saturating_sub(after);
            (more > 0).then(|| {
                format!("{} other {name}{}", grouped(more), if more == 1 { "" } else { "s" })
            })
        };
        free.extend(more(reduction.faults_before, reduction.faults, "fault"));
        free.extend(more(reduction.operations_before, reduction.operations, "operation"));
    }
    let parts = examined.parts.iter().filter(|part| part.weight == Weight::Free);
    let parts: Vec<String> = parts
        .map(|part| match (part.event, part.what.strip_prefix("before ")) {
            (Some(event), Some(other)) => format!("whether {event} or {other} comes first"),
            _ => part.what.clone(),
        })
        .collect();
    free.extend(parts.iter().take(FREE_PARTS_MAX).cloned());
    if let Some(more) = parts.len().checked_sub(FREE_PARTS_MAX).filter(|more| *more > 0) {
        free.push(format!("and {more} more"));
    }
    free
}

/// Where a failure turned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    /// From this event on it is more likely than not.
    pub(super) tipped: Option<u64>,
    /// From this event on it is certain, as far as so many runs show.
    pub(super) sealed: Option<u64>,
    /// The rule is broken here.
    pub(super) seen: Option<u64>,
}

/// Where the failure of a run turned.
pub(super) fn turns(run: &Run) -> Turns {
    let chances = chances(run);
    let from_on = |holds: &dyn Fn(&Tally) -> bool| {
        let last = chances.iter().rev().take_while(|chance| holds(&chance.tally)).last();
        last.map(|chance| chance.event)
    };
    Turns {
        tipped: from_on(&|tally| tally.failed * 2 >= tally.runs),
        sealed: from_on(&|tally| tally.failed == tally.runs),
        seen: run.first_error,
    }
}

impl std::fmt::Display for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let turns = [("tipped", self.tipped), ("sealed", self.sealed), ("seen", self.seen)];
        let turns = turns.iter().filter_map(|(name, event)| match event {
            Some(0) => Some(format!("{name} from the beginning")),
            Some(event) => Some(format!("{name} at {event}")),
            None => None,
        });
        f.write_str(&turns.collect::<Vec<_>>().join(", "))
    }
}

/// How likely the failure is from an event on; empty if nobody has found out.
pub(super) fn chances(run: &Run) -> &[Chance] {
    run.examined.as_ref().map_or(&[], |examined| &examined.chances)
}

/// A change of the chances that is told, in points of a hundred: twice what chance alone makes of
/// 200 runs.
const STEP_PERCENT: u32 = 8;

/// The chances where they change, as text.
pub(super) fn chances_text(run: &Run) -> String {
    let mut last: Option<u32> = None;
    let mut shares = Vec::new();
    for chance in chances(run) {
        let percent = chance.tally.percent();
        let differs = |last: u32| {
            last.abs_diff(percent) >= STEP_PERCENT || (last != percent && percent == 100)
        };
        if last.is_none_or(differs) {
            last = Some(percent);
            shares.push(format!("{} {percent}%", chance.event));
        }
    }
    shares.join("   ")
}

impl RunReport {
    /// What was run, for people: `seed 42`, `plan small.json`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.plan {
            Some(file) => format!("plan {file}"),
            None => format!("seed {}", self.seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_failure_tips_seals_and_is_seen() {
        let mut run = example::examined().full;
        assert_eq!(turns(&run).to_string(), "tipped at 8, sealed at 16, seen at 20");
        let examined = run.examined.as_mut().expect("it was examined");
        // A dip after the first half does not count as the turn.
        examined.chances[0].tally.failed = 150;
        examined.chances[1].tally.failed = 20;
        assert_eq!(turns(&run).to_string(), "tipped at 16, sealed at 16, seen at 20");
        run.examined = None;
        assert_eq!(turns(&run).to_string(), "seen at 20");
    }

    #[test]
    fn only_what_still_fails_is_free() {
        let mut run = example::examined().full;
        assert_eq!(free(&run, None)[0], run.examined.as_ref().expect("examined").drawn);
        run.examined.as_mut().expect("it was examined").as_it_is.failed = 150;
        assert!(!free(&run, None).iter().any(|it| it.contains("latencies")));
    }
}
