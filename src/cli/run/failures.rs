//! The failures of a campaign, each group told as one story: of its smallest seed, made small.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sim::trace::Keep;

use super::super::args::{Chosen, RunArgs};
use super::super::failure::UsageError;
use super::super::reduce::{noted, reduced_line};
use crate::campaign::{Campaign, Group, GroupKey, Summary, run_one};
use crate::checkers::Class;
use crate::diagnosis::diagnose;
use crate::hunt::DIAGNOSIS_RING;
use crate::plan::{plan_of_seed, replay};
use crate::reduce::{Budget, Shortened, Suspect, shorten};
use crate::report::{FailureGroup, Story};
use crate::world::{Arena, WorldReport};

/// Events of all candidates of a group together: a few seconds.
const EVENTS_MAX: u64 = 5_000_000;

/// Everything that the stories of a campaign need.
struct Teller<'a> {
    args: &'a RunArgs,
    campaign: &'a Campaign,
    chosen: &'a Chosen,
}

/// Tells all groups of failures, in the order of their keys, with so many threads.
///
/// # Errors
/// If a plan cannot be saved.
pub(super) fn tell_all(
    args: &RunArgs,
    campaign: &Campaign,
    chosen: &Chosen,
    summary: &Summary,
    workers: usize,
) -> Result<Vec<FailureGroup>, UsageError> {
    if let Some(dir) = &args.save_dir {
        std::fs::create_dir_all(dir).map_err(|source| UsageError::Plan {
            path: dir.display().to_string(),
            source: source.into(),
        })?;
    }
    let teller = Teller { args, campaign, chosen };
    let groups: Vec<_> = summary.failures.iter().collect();
    let next = AtomicUsize::new(0);
    let told: Mutex<Vec<Option<Result<FailureGroup, UsageError>>>> =
        Mutex::new(groups.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..workers.min(groups.len()) {
            scope.spawn(|| {
                let arena = Arena::new();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some((key, group)) = groups.get(place) else { return };
                    let story = teller.tell(&arena, key, group);
                    told.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(story);
                }
            });
        }
    });
    told.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

impl Teller<'_> {
    fn tell(
        &self,
        arena: &Arena,
        key: &GroupKey,
        group: &Group,
    ) -> Result<FailureGroup, UsageError> {
        let args = self.args;
        let seed = group.seeds.first().copied().unwrap_or(self.campaign.first_seed);
        let reduces = !args.no_reduce && *key != GroupKey::NotDeterministic;
        let whole = run_one(self.campaign, arena, seed, self.keep());
        let shortened = if reduces { self.shorten(arena, seed) } else { None };
        let small = shortened.and_then(|shortened| {
            let plan = &shortened.reduced.plan;
            let ran = replay(arena, plan, &self.campaign.system, self.keep()).ok()?;
            // A small run that shows the failure as something else would tell another story.
            (class(&ran.report) == class(&whole)).then_some((shortened, ran.report))
        });
        let (shortened, report) = match small {
            Some((shortened, report)) => (Some(shortened), report),
            None => (None, whole),
        };
        let diagnosis = (!args.no_failure_diagnosis).then(|| diagnose(&report)).flatten();
        let mut story = Story::of(&report, diagnosis);
        // What a reduced plan leaves open may be drawn from another seed.
        story.seed = seed;
        if *key == GroupKey::NotDeterministic {
            story.not_deterministic();
        }
        let saved = match (&args.save_dir, &shortened) {
            (Some(dir), Some(shortened)) => Some(save(dir, shortened, seed)?),
            _ => None,
        };
        let replay = match &saved {
            Some(path) => format!("vopr replay {path}"),
            None => format!("vopr replay {seed}{}", args.world.to_flags()),
        };
        Ok(FailureGroup {
            count: group.count,
            seeds: group.seeds.iter().copied().collect(),
            story,
            reduced: shortened.as_ref().map(reduced_line),
            saved,
            replay,
        })
    }

    /// The failing seed as a small plan; `None` if it cannot be had.
    fn shorten(&self, arena: &Arena, seed: u64) -> Option<Shortened> {
        let bug = self.args.world.bug.as_deref();
        let Chosen { system, sound, swarm, .. } = self.chosen;
        let (_, plan) = plan_of_seed(arena, seed, system, bug, swarm, Keep::Hash);
        let suspect = Suspect { system: system.clone(), sound: sound.clone() };
        let budget = Budget { tries: self.args.reduce_tries, events: EVENTS_MAX, cpu: None };
        shorten(arena, plan?, &suspect, budget, &mut |_, _| {}).ok()
    }

    fn keep(&self) -> Keep {
        match self.args.no_trace_on_failure {
            true => Keep::Hash,
            false => Keep::Ring { capacity: DIAGNOSIS_RING },
        }
    }
}

fn class(report: &WorldReport) -> Option<Class> {
    diagnose(report).map(|diagnosis| diagnosis.class)
}

/// Keeps the small plan and returns where.
fn save(dir: &Path, shortened: &Shortened, seed: u64) -> Result<String, UsageError> {
    let path = dir.join(format!("{}-{seed}.json", shortened.before.failure.class()));
    let plan = noted(shortened, &format!("seed {seed}"));
    let name = path.display().to_string();
    plan.write(&path).map_err(|source| UsageError::Plan { path: name.clone(), source })?;
    Ok(name)
}
