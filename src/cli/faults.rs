//! `vopr faults`: whether each fault of the store does anything.
//!
//! A simulator is full of knobs, and a knob that turns nothing gives false comfort. So each kind of
//! request fault is measured by its effect (in how many seeds it changed something) and by its
//! absence: every such seed runs once more without that one kind. Two things can differ then:
//! * the **trace**, which holds the fault itself: it must differ, or the fault was counted for
//!   nothing;
//! * the **course**: how long the world took, how many requests and commits it made, which steps were
//!   reached and how often. A fault whose absence changes the trace and never the course is one that
//!   the system under test does not notice.
//!
//! Decisions are keyed, so that taking one kind away shifts no other decision: what differs, differs
//! because of it.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use clap::Args;
use sim::Seed;
use sim::trace::Keep;
use sim_storage::fault::FaultKind;

use super::args::CampaignArgs;
use super::failure::{Exit, UsageError};
use crate::campaign::{Campaign, Determinism, Seeding};
use crate::swarm::{SwarmOptions, out_of_reach};
use crate::system::SystemUnderTest;
use crate::world::{Arena, WorldReport, run_seed};

/// Flags of `vopr faults`.
#[derive(Clone, Debug, Args)]
pub struct FaultsArgs {
    /// Which seeds are run, and on what.
    #[command(flatten)]
    pub campaign: CampaignArgs,
}

/// What was seen of one kind over all seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often it took effect.
    pub effects: u64,
    /// Seeds in which it did.
    pub seeds: u64,
    /// Of those, the seeds whose trace is another one without it.
    pub other_trace: u64,
    /// Of those, the seeds that take another course without it.
    pub other_course: u64,
}

/// What was seen of all kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Seeds that were run.
    pub seeds: u64,
    usages: [Usage; FaultKind::COUNT],
}

impl Survey {
    /// What was seen of one kind.
    #[must_use]
    pub fn of(&self, kind: FaultKind) -> Usage {
        self.usages[kind as usize]
    }

    fn merge(mut self, other: Survey) -> Survey {
        self.seeds += other.seeds;
        for (usage, more) in self.usages.iter_mut().zip(other.usages) {
            usage.effects += more.effects;
            usage.seeds += more.seeds;
            usage.other_trace += more.other_trace;
            usage.other_course += more.other_course;
        }
        self
    }

    fn add(&mut self, whole: &WorldReport, mut run_without: impl FnMut(FaultKind) -> WorldReport) {
        self.seeds += 1;
        for kind in FaultKind::ALL {
            let effects = effects(whole, kind);
            if effects > 0 {
                let without = run_without(kind);
                let usage = &mut self.usages[kind as usize];
                usage.effects += u64::from(effects);
                usage.seeds += 1;
                usage.other_trace += u64::from(without.fingerprint != whole.fingerprint);
                usage.other_course += u64::from(!same_course(whole, &without, kind));
            }
        }
    }
}

fn effects(report: &WorldReport, kind: FaultKind) -> u32 {
    let found = report.counts.iter().find(|(name, _)| *name == kind.label());
    found.map_or(0, |(_, count)| *count)
}

/// Whether two runs are alike in everything but the events of one kind of fault.
fn same_course(one: &WorldReport, other: &WorldReport, kind: FaultKind) -> bool {
    let counts = |report: &WorldReport| {
        let mut counts = report.counts.clone();
        counts.retain(|(name, _)| *name != kind.label());
        counts.sort_unstable();
        counts
    };
    let size = |report: &WorldReport| (report.virtual_ns, report.requests, report.commits);
    size(one) == size(other) && counts(one) == counts(other)
}

/// Runs every seed with all faults of its world, and once more without each kind that took effect.
///
/// # Panics
/// If a worker thread dies; panics of the system under test are caught.
#[must_use]
pub fn survey(campaign: &Campaign, workers: usize) -> Survey {
    crate::panics::install();
    let workers = workers.max(1) as u64;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || survey_part(campaign, worker, workers)))
            .collect();
        let parts = parts.into_iter().map(|part| match part.join() {
            Ok(survey) => survey,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        parts.fold(Survey::default(), Survey::merge)
    })
}

/// Every `workers`-th seed, from number `worker` on.
fn survey_part(campaign: &Campaign, worker: u64, workers: u64) -> Survey {
    let arena = Arena::new();
    let mut survey = Survey::default();
    for index in (worker..campaign.iterations).step_by(workers as usize) {
        let seed = Seed::from(campaign.first_seed + index);
        let run =
            |swarm: &SwarmOptions| run_seed(&arena, &seed, &campaign.system, swarm, Keep::Hash);
        let whole = run(&campaign.swarm);
        survey.add(&whole, |kind| {
            run(&SwarmOptions { without: Some(kind), ..campaign.swarm.clone() })
        });
    }
    survey
}

/// Runs the survey that the flags describe and prints it.
pub(super) fn run(
    args: &FaultsArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let (chosen, campaign) = args.campaign.choose(systems, Determinism::Assumed)?;
    if campaign.seeding == Seeding::Guided {
        return Err(UsageError::NotGuided);
    }
    let survey = survey(&campaign, args.campaign.workers());
    let mut out = std::io::stdout().lock();
    // Who closes the pipe early has seen enough.
    let _ = writeln!(
        out,
        "seeds {}..{}   profile {}   store {}   system {}\n",
        campaign.first_seed,
        campaign.first_seed + (campaign.iterations - 1),
        chosen.profile,
        chosen.store,
        chosen.system.name()
    )
    .and_then(|()| print(&survey, &mut out));
    Ok(Exit::Pass)
}

fn print(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:24}{:>10}{:>12}   without it", "fault", "effects", "seeds")?;
    for kind in FaultKind::ALL {
        let name = kind.label().trim_start_matches("fault.").replace('_', "-");
        let usage = survey.of(kind);
        let share = percent(usage.seeds, survey.seeds);
        let without = match (usage.seeds, out_of_reach(kind)) {
            (0, Some(why)) => format!("rare: {why}"),
            (0, None) => String::from("never took effect"),
            _ => format!(
                "another trace in {:.1} %, another course in {:.1} %",
                percent(usage.other_trace, usage.seeds),
                percent(usage.other_course, usage.seeds)
            ),
        };
        writeln!(out, "{name:24}{:>10}{share:>10.1} %   {without}", usage.effects)?;
    }
    Ok(())
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Verdict;

    fn report(virtual_ns: u64, fingerprint: u64, timeouts: u32) -> WorldReport {
        WorldReport {
            seed: Seed::from(1),
            strategy: crate::strategy::Strategy::Timed,
            verdict: Verdict::Pass,
            requests: 10,
            operations: 5,
            commits: 3,
            checks: Default::default(),
            counts: vec![("commit.put_head", 3), ("fault.timeout", timeouts)],
            virtual_ns,
            events: 100,
            shown: 20,
            fingerprint,
            findings: Vec::new(),
            publications: std::collections::BTreeMap::new(),
            behaviour: fingerprint,
            trace: Vec::new(),
            pairs: Vec::new(),
            description: String::new(),
        }
    }

    #[test]
    fn a_kind_is_measured_by_its_effect_and_by_its_absence() {
        let mut survey = Survey::default();
        // It matters, it is only seen in the trace, it changes nothing, it does not occur.
        survey.add(&report(1000, 1, 2), |_| report(900, 2, 0));
        survey.add(&report(1000, 1, 1), |_| report(1000, 2, 0));
        survey.add(&report(1000, 1, 1), |_| report(1000, 1, 0));
        survey.add(&report(1000, 1, 0), |_| unreachable!("it had no effect"));
        let wanted = Usage { effects: 4, seeds: 3, other_trace: 2, other_course: 1 };
        assert_eq!(survey.of(FaultKind::Timeout), wanted);

        let mut text = Vec::new();
        print(&survey, &mut text).expect("a vector takes all");
        let text = String::from_utf8(text).expect("UTF-8");
        let line = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).expect("each has a line");
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            line("timeout"),
            "timeout 4 75.0 % another trace in 66.7 %, another course in 33.3 %"
        );
        assert_eq!(line("conflict-409"), "conflict-409 0 0.0 % never took effect");
        assert!(line("stale-read").starts_with("stale-read 0 0.0 % rare: "), "{text}");
    }
}
