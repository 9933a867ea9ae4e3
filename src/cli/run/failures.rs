//! The failures of a campaign, each group told as one story: of its smallest seed, made small.

use std::path::Path;

use sim::Seed;
use sim::trace::Keep;

use super::super::args::{Chosen, RunArgs};
use super::super::failure::UsageError;
use super::super::reduce::{Counter, noted, reduced_line, tell_seed};
use crate::campaign::{Campaign, Group, GroupKey, Summary};
use crate::diagnosis::diagnose;
use crate::hunt::DIAGNOSIS_RING;
use crate::plan::Plan;
use crate::reduce::Shortened;
use crate::report::{FailureGroup, Story};
use crate::workers;
use crate::world::Arena;

/// Everything that the stories of a campaign need.
struct Teller<'a> {
    args: &'a RunArgs,
    campaign: &'a Campaign,
    chosen: &'a Chosen,
    counter: Counter,
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
    // Who would take this process along is told without being run again.
    let runs_again = |(key, _): &(&GroupKey, &Group)| !key.ends_its_process();
    let groups: Vec<_> = summary.failures.iter().filter(runs_again).collect();
    let teller = Teller { args, campaign, chosen, counter: Counter::of(groups.len()) };
    let tell = |arena: &Arena, (key, group): &(&GroupKey, &Group)| teller.tell(arena, key, group);
    let told = workers::map(&groups, workers, tell, |done| teller.counter.over(done));
    teller.counter.end();
    told.into_iter().collect()
}

impl Teller<'_> {
    fn tell(
        &self,
        arena: &Arena,
        key: &GroupKey,
        group: &Group,
    ) -> Result<FailureGroup, UsageError> {
        let args = self.args;
        let first = Seed::from(self.campaign.first_seed);
        let seed = group.seeds.first().unwrap_or(&first);
        let reduces = !args.no_reduce && *key != GroupKey::NotDeterministic;
        let chosen = (self.chosen, args.campaign.world.bug.as_deref());
        let tries = reduces.then_some(args.reduce_tries);
        let mut progress = |_: &Plan, _: u32| self.counter.smaller();
        let told = tell_seed(arena, seed, chosen, tries, self.keep(), &mut progress);
        let (shortened, report) = match told.small {
            Some((shortened, small)) => (Some(shortened), small),
            None => (None, told.whole),
        };
        let diagnosis = (!args.no_failure_diagnosis).then(|| diagnose(&report)).flatten();
        let mut story = Story::of(&report, diagnosis);
        // What a reduced plan leaves open may be drawn from another seed.
        story.seed = seed.clone();
        if *key == GroupKey::NotDeterministic {
            story.not_deterministic();
        }
        let saved = match (&args.save_dir, &shortened) {
            (Some(dir), Some(shortened)) => Some(save(dir, shortened, seed)?),
            _ => None,
        };
        let flags = args.campaign.world.to_flags();
        let replay = match &saved {
            Some(path) => format!("vopr replay {path}"),
            None => format!("vopr replay {seed}{flags}"),
        };
        let save = shortened.as_ref().filter(|_| saved.is_none()).map(|shortened| {
            let name = file_name(shortened, seed);
            format!("vopr reduce {seed}{flags} -o {name}")
        });
        Ok(FailureGroup {
            count: group.count,
            seeds: group.seeds.iter().cloned().collect(),
            story,
            reduced: shortened.as_ref().map(reduced_line),
            saved,
            save,
            replay,
        })
    }

    fn keep(&self) -> Keep {
        match self.args.no_trace_on_failure {
            true => Keep::Hash,
            false => Keep::Ring { capacity: DIAGNOSIS_RING },
        }
    }
}

fn file_name(shortened: &Shortened, seed: &Seed) -> String {
    format!("{}-{}.json", shortened.before.failure.class(), seed.file_name())
}

/// Keeps the small plan and returns where.
fn save(dir: &Path, shortened: &Shortened, seed: &Seed) -> Result<String, UsageError> {
    let path = dir.join(file_name(shortened, seed));
    let plan = noted(shortened, &format!("seed {seed}"));
    let name = path.display().to_string();
    plan.write(&path).map_err(|source| UsageError::Plan { path: name.clone(), source })?;
    Ok(name)
}
