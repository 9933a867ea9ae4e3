//! Flags of long runs, and what they mean.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::super::args::{Chosen, RunArgs, WorldArgs};
use super::super::failure::UsageError;
use super::super::signals::duration;
use crate::campaign::{Campaign, Determinism, Seeding};
use crate::guided::Corpus;
use crate::night::{
    Block, Canary, CanaryJob, Extent, GuidedJob, Hands, Job, Workshop, build_of_this_program,
};
use crate::system::SystemUnderTest;

/// How long, in which part, and where it is kept.
#[derive(Clone, Debug, Args)]
pub struct NightArgs {
    /// Keep everything about the run in this directory, and go on with what is there.
    #[arg(long, value_name = "DIR", conflicts_with = "checkpoint")]
    pub out: Option<PathBuf>,
    /// Keep only how far the run is, in this file, and go on from there.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// End the run after this wall time (90s, 20m, 8h). Without -n there are as many seeds as it
    /// holds.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub budget: Option<Duration>,
    /// Run only this part of the seeds: 3/8 is the third of eight.
    #[arg(long, value_name = "I/N", default_value_t = Block::WHOLE)]
    pub block: Block,
    /// Run worlds in processes of their own: one that hangs or crashes is a finding then.
    #[arg(long, conflicts_with_all = ["verbose", "enable_trace"])]
    pub isolate: bool,
    /// Wall time that a world may take with --isolate.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub world_limit: Duration,
    /// Plant a known bug in some worlds that are run beside the others, and fail (exit 15) if none
    /// of them fails. Without a name: the first bug of the system.
    #[arg(long, value_name = "BUG", num_args = 0..=1, default_missing_value = "", conflicts_with = "bug")]
    pub canary: Option<String>,
    /// One of so many seeds has a canary.
    #[arg(long, value_name = "N", default_value = "100", requires = "canary")]
    pub canary_every: NonZeroU64,
}

impl Default for NightArgs {
    /// A run of the whole that nobody keeps.
    fn default() -> Self {
        NightArgs {
            out: None,
            checkpoint: None,
            budget: None,
            block: Block::WHOLE,
            isolate: false,
            world_limit: Duration::from_secs(60),
            canary: None,
            canary_every: NonZeroU64::MIN,
        }
    }
}

impl NightArgs {
    /// Whether what is done may be continued or joined later.
    pub(super) fn is_kept(&self) -> bool {
        self.out.is_some() || self.checkpoint.is_some()
    }

    /// Who runs the worlds of this job.
    pub(super) fn hands(&self, job: &Job) -> Result<Hands, UsageError> {
        if !self.isolate {
            return Ok(Hands::Threads);
        }
        // The file of this very program, even if another one has its name by now.
        let this = PathBuf::from("/proc/self/exe");
        let program = match this.exists() {
            true => this,
            false => std::env::current_exe().map_err(UsageError::Program)?,
        };
        let job_text = serde_json::to_string(job).unwrap_or_default();
        let arguments = vec![String::from("worker"), job_text];
        Ok(Hands::Processes(Workshop::new(program, arguments, self.world_limit)))
    }
}

/// The job that these flags describe, with what a guided search begins with.
pub(super) fn job_of(
    args: &RunArgs,
    known: &Corpus,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Job, UsageError> {
    let determinism = match args.check_determinism {
        true => Determinism::Checked,
        false => Determinism::Assumed,
    };
    let (chosen, campaign) = args.campaign.choose(systems, determinism)?;
    let night = &args.night;
    let is_endless = args.campaign.iterations.is_none() && night.budget.is_some();
    let canary = night.canary.as_ref().map(|named| {
        let bugs = chosen.system.bugs();
        let first = bugs.first().map_or("", |bug| bug.name);
        let bug = if named.is_empty() { first } else { named }.to_owned();
        CanaryJob { bug, every: night.canary_every.get() }
    });
    let needs_build = night.is_kept() || night.isolate;
    let build = needs_build.then(build_of_this_program).transpose().map_err(UsageError::Program)?;
    let world = match serde_json::to_value(&args.campaign.world) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Ok(Job {
        vopr: env!("CARGO_PKG_VERSION").to_owned(),
        build: build.unwrap_or_default(),
        first_seed: campaign.first_seed,
        seeds: (!is_endless).then_some(campaign.iterations),
        each_seed_twice: args.check_determinism,
        canary,
        guided: (campaign.seeding == Seeding::Guided).then(|| GuidedJob::with(known)),
        world,
    })
}

/// A job with everything that it names.
pub(in crate::cli) struct Work {
    pub(in crate::cli) campaign: Campaign,
    pub(in crate::cli) canary: Option<Canary>,
    pub(in crate::cli) chosen: Chosen,
    pub(in crate::cli) world: WorldArgs,
}

impl Work {
    /// Looks up what a job names.
    pub(in crate::cli) fn of(
        job: &Job,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<Work, UsageError> {
        let fields = Value::Object(job.world.clone().into_iter().collect());
        let world: WorldArgs = serde_json::from_value(fields).map_err(|error| {
            UsageError::Foreign { path: String::from("a job"), what: error.to_string() }
        })?;
        let campaign_of = |chosen: &Chosen| Campaign {
            first_seed: job.first_seed,
            iterations: match job.extent() {
                Extent::Seeds(seeds) => seeds,
                Extent::Endless => u64::MAX - job.first_seed,
            },
            system: Arc::clone(&chosen.system),
            swarm: chosen.swarm.clone(),
            seeding: world.strategy.seeding(),
            determinism: match job.each_seed_twice {
                true => Determinism::Checked,
                false => Determinism::Assumed,
            },
        };
        let chosen = world.choose(systems)?;
        let canary = job.canary.as_ref().map(|canary| {
            let planted = WorldArgs { bug: Some(canary.bug.clone()), ..world.clone() };
            let chosen = planted.choose(systems)?;
            Ok::<_, UsageError>(Canary {
                campaign: campaign_of(&chosen),
                every: canary.every.max(1),
            })
        });
        let canary = canary.transpose()?;
        Ok(Work { campaign: campaign_of(&chosen), canary, chosen, world })
    }
}
