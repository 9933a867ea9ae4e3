//! Flags and verbs.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use sim::trace::Filter;
use sim_storage::profile::Profile;

use super::failure::UsageError;
use super::plans::Source;
use super::reduce::TRIES;
use super::run::NightArgs;
use crate::campaign::{Campaign, Determinism, Seeding};
use crate::strategy::Strategy;
use crate::swarm::{Faults, Judging, SwarmOptions, Workloads};
use crate::system::SystemUnderTest;

/// Deterministic simulation tester for commit protocols on object storage.
///
/// Each seed is a world of its own: processes run the real commit protocol over a simulated object
/// store that loses requests and replies, applies them late, and races them; processes crash,
/// stall and are taken over. Every event is checked. A seed that fails, fails again.
#[derive(Debug, Parser)]
#[command(
    name = "vopr",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        vopr --seed 42 -n 10000                  ten thousand worlds, some seconds\n  \
        vopr --bug blind-head-put -n 200         plant a known bug and see it found\n  \
        vopr bugs                                how soon each planted bug is found\n  \
        vopr replay 42 --filter minimal          what happened in one world\n  \
        vopr reduce 42 -o small.json             the same failure, small, as a file\n  \
        vopr regress regressions                 do kept plans still say the same\n  \
        vopr explain 5 --bug blind-head-put      how one world fails, in lanes\n  \
        vopr report 42 > 42.html                 one world as a page\n  \
        vopr run --budget 8h --out night         as many seeds as eight hours hold, kept\n  \
        vopr run -n 1000000 --block 3/8 --out b3 the third of eight machines\n  \
        vopr merge b1 b2 b3                      what they did, as one run\n  \
        vopr faults -n 1000                      what each fault of the store does\n  \
        vopr verify file:///data/tables          is the manifest there whole\n\n\
        Exit codes: 0 pass, 2 usage, 10 safety rule broken, 11 no progress, 12 panic in the system,\n\
        13 not deterministic, 14 a required mark was not reached, 15 fault of the simulator,\n\
        or a canary that nobody saw, 16 ended before every seed was run."
)]
pub struct Cli {
    /// What to do; without a verb: run.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Flags of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run many seeds and report what failed and what was reached (the default).
    Run(RunArgs),
    /// Run one seed or one plan again and print its trace.
    Replay(ReplayArgs),
    /// Make a failing seed or plan small: a few operations and faults that fail in the same way.
    Reduce(super::reduce::ReduceArgs),
    /// Run kept plans again: with its bug each must fail as it says, without it must pass.
    Regress(super::regress::RegressArgs),
    /// Tell in lanes how one seed or plan fails: who did what to the store, what went wrong, what
    /// that needs, and from when on it was certain.
    Explain(ExplainArgs),
    /// Make one HTML page of one seed or plan: `vopr report SEED > x.html`.
    Report(ReportArgs),
    /// Plant each known bug and say how soon it is found, and what is said of it.
    Bugs(super::bugs::BugsArgs),
    /// Judge a recorded history of any system.
    Check(super::check::CheckArgs),
    /// Say of each fault of the store what it does: how often it takes effect, and what differs
    /// without it.
    Faults(super::faults::FaultsArgs),
    /// Join what several machines ran, and report it as one run would have.
    Merge(super::merge::MergeArgs),
    /// Run stretches of seeds for another process.
    #[command(hide = true)]
    Worker(super::worker::WorkerArgs),
    /// Say what a campaign reaches, what it never reaches, and in how many seeds.
    Marks(super::marks::MarksArgs),
    /// Say what is broken in a manifest on a real store, what is garbage, and what it costs to open.
    Verify(super::verify::VerifyArgs),
}

/// Seeds of a campaign, unless somebody says how many.
const ITERATIONS: u64 = 1000;

/// What worlds are like.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct WorldArgs {
    /// The system under test.
    #[arg(long, value_name = "NAME", default_value = "manifest-core")]
    pub system: String,
    /// Plant a known bug in the system, to see it found.
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// The kind of worlds.
    #[arg(long, value_enum, default_value_t = ProfileArg::Swarm)]
    pub profile: ProfileArg,
    /// The object store to imitate; by default each seed draws one.
    #[arg(long, value_name = "NAME")]
    pub store: Option<String>,
    /// No faults at all (the same as --profile calm).
    #[arg(long)]
    pub no_faults: bool,
    /// Leave out read-modify-write and scan.
    #[arg(long)]
    pub no_enhanced_workloads: bool,
    /// How worlds look for trouble.
    #[arg(long, value_enum, default_value_t = StrategyArg::Portfolio)]
    pub strategy: StrategyArg,
    /// Operations in each world; by default each seed draws a number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub operations: Option<u32>,
}

/// The kind of worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileArg {
    /// Each seed draws its own faults, sizes and timers.
    #[default]
    Swarm,
    /// The same worlds without faults.
    Calm,
}

impl ProfileArg {
    fn name(self) -> &'static str {
        match self {
            ProfileArg::Swarm => "swarm",
            ProfileArg::Calm => "calm",
        }
    }
}

/// How worlds look for trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyArg {
    /// Each seed draws one of those below.
    #[default]
    Portfolio,
    /// The earliest event first, with the whole swarm of faults.
    Timed,
    /// Any pending event within a window, each with the same probability.
    Walk,
    /// Probabilistic concurrency testing: processes have priorities, which change a few times.
    Pct,
    /// Partial order sampling: events have priorities, drawn anew where they race.
    Pos,
    /// Selectively uniform random walk: every interleaving of the events of interest alike.
    Surw,
    /// A calm world with one or two stalls at named steps, as long as the timers of the system.
    Stall,
    /// Half of the worlds go on, afresh, from where an earlier one did something rare.
    Guided,
}

impl StrategyArg {
    /// The strategy; `None` if each seed draws its own.
    pub(super) fn strategy(self) -> Option<Strategy> {
        match self {
            StrategyArg::Portfolio | StrategyArg::Guided => None,
            StrategyArg::Timed => Some(Strategy::Timed),
            StrategyArg::Walk => Some(Strategy::Walk),
            StrategyArg::Pct => Some(Strategy::Pct),
            StrategyArg::Pos => Some(Strategy::Pos),
            StrategyArg::Surw => Some(Strategy::Surw),
            StrategyArg::Stall => Some(Strategy::Stall),
        }
    }

    /// All but the portfolio.
    pub(super) fn each_alone() -> impl Iterator<Item = StrategyArg> {
        StrategyArg::value_variants().iter().copied().filter(|it| *it != StrategyArg::Portfolio)
    }

    /// Which seeds are run.
    pub(super) fn seeding(self) -> Seeding {
        match self {
            StrategyArg::Guided => Seeding::Guided,
            _ => Seeding::InTurn,
        }
    }

    /// The name, as it stands after `--strategy`.
    pub(super) fn name(self) -> &'static str {
        match (self.strategy(), self) {
            (Some(strategy), _) => strategy.name(),
            (None, StrategyArg::Guided) => "guided",
            (None, _) => "portfolio",
        }
    }
}

/// Which seeds are run, and on what.
#[derive(Clone, Debug, Args)]
pub struct CampaignArgs {
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of seeds [default: 1000].
    #[arg(short = 'n', long, value_name = "N")]
    pub iterations: Option<NonZeroU64>,
    /// Threads that run worlds; by default one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// What worlds are like.
    #[command(flatten)]
    pub world: WorldArgs,
}

impl CampaignArgs {
    /// Looks up what was given by name, and makes the campaign.
    pub(super) fn choose(
        &self,
        systems: &[Arc<dyn SystemUnderTest>],
        determinism: Determinism,
    ) -> Result<(Chosen, Campaign), UsageError> {
        let chosen = self.world.choose(systems)?;
        let (seed, iterations) = (self.seed, self.iterations.map_or(ITERATIONS, NonZeroU64::get));
        if seed.checked_add(iterations - 1).is_none() {
            return Err(UsageError::SeedOutOfRange { seed, iterations });
        }
        let campaign = Campaign {
            first_seed: seed,
            iterations,
            system: Arc::clone(&chosen.system),
            swarm: chosen.swarm.clone(),
            determinism,
            seeding: self.world.strategy.seeding(),
        };
        Ok((chosen, campaign))
    }

    /// How many threads run worlds.
    pub(super) fn workers(&self) -> usize {
        workers(self.workers)
    }
}

/// So many workers, or as many as there are processors.
pub(super) fn workers(wanted: Option<NonZeroUsize>) -> usize {
    let workers = wanted.or_else(|| std::thread::available_parallelism().ok());
    workers.map_or(1, NonZeroUsize::get)
}

/// Flags of `vopr run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Which seeds are run, and on what.
    #[command(flatten)]
    pub campaign: CampaignArgs,
    /// Run each seed twice and compare.
    #[arg(long)]
    pub check_determinism: bool,
    /// With --strategy guided: begin with what this file remembers of earlier searches, if it
    /// exists, and write there what is known in the end. A kept run (--out, --checkpoint) only reads
    /// it; what that one knows in the end is in its own directory.
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// Fail (exit 14) if a mark that is not rare was never reached.
    #[arg(long)]
    pub require_marks: bool,
    /// Say for each seed what its world is like and how it ended.
    #[arg(short, long)]
    pub verbose: bool,
    /// Write the full trace of every run into --trace-dir.
    #[arg(long)]
    pub enable_trace: bool,
    /// Where --enable-trace writes, one NDJSON file for each seed.
    #[arg(long, value_name = "DIR", default_value = "vopr-traces")]
    pub trace_dir: PathBuf,
    /// Do not run failing seeds again to tell their story.
    #[arg(long)]
    pub no_trace_on_failure: bool,
    /// Tell the failing runs as they were, without making them small.
    #[arg(long)]
    pub no_reduce: bool,
    /// Candidates that are tried to make a failing run small, for each group of failures.
    #[arg(long, value_name = "N", default_value_t = TRIES)]
    pub reduce_tries: u32,
    /// Keep the small plan of each group in this directory, as CLASS-SEED.json. Without it nothing
    /// is written.
    #[arg(long, value_name = "DIR")]
    pub save_dir: Option<PathBuf>,
    /// Tell what broke, without looking for causes.
    #[arg(long)]
    pub no_failure_diagnosis: bool,
    /// How long, in which part, and where it is kept.
    #[command(flatten)]
    pub night: NightArgs,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `vopr replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// A seed, also one that is continued afresh (42@1130:7), or the file of a plan.
    #[arg(value_name = "SEED|FILE")]
    pub what: Source,
    /// Without the bug that the plan plants.
    #[arg(long)]
    pub without_bug: bool,
    /// What worlds are like; give what the failing run was given. A plan says it by itself.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Stop printing after this event.
    #[arg(long, value_name = "EVENT")]
    pub until: Option<u64>,
    /// Which events to print.
    #[arg(long, value_enum, default_value_t = FilterArg::Verbose)]
    pub filter: FilterArg,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = FormatArg::Text)]
    pub format: FormatArg,
    /// Keep at most so many events, the last ones.
    #[arg(long, value_name = "N", default_value_t = sim::trace::DEFAULT_RING_CAPACITY)]
    pub ring: usize,
}

/// Which run `vopr explain` and `vopr report` show.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// A seed, also one that is continued afresh (42@1130:7), or the file of a plan.
    #[arg(value_name = "SEED|FILE")]
    pub what: Source,
    /// What worlds are like; give what the failing run was given. A plan says it by itself.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Leave out what comes after this event.
    #[arg(long, value_name = "EVENT")]
    pub until: Option<u64>,
    /// Show the run as it is, without a smaller one that fails in the same way.
    #[arg(long)]
    pub no_reduce: bool,
    /// Runs for each question of what the failure needs and from when on it is certain; 0 asks
    /// none.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub variations: u32,
    /// Events of all these runs together, in millions, at most.
    #[arg(long, value_name = "MILLIONS", default_value_t = 5)]
    pub examine_events: u32,
    /// Keep at most so many events, the last ones.
    #[arg(long, value_name = "N", default_value_t = sim::trace::DEFAULT_RING_CAPACITY)]
    pub ring: usize,
}

/// Flags of `vopr explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Which run.
    #[command(flatten)]
    pub show: ShowArgs,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `vopr report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Which run.
    #[command(flatten)]
    pub show: ShowArgs,
    /// As JSON, with every event, instead of HTML.
    #[arg(long)]
    pub json: bool,
    /// Write into this file instead of to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Which events to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FilterArg {
    /// What went wrong and what was done to the world.
    FailuresOnly,
    /// What clients saw and what was committed, besides.
    Minimal,
    /// Everything.
    Verbose,
}

impl From<FilterArg> for Filter {
    fn from(filter: FilterArg) -> Filter {
        match filter {
            FilterArg::FailuresOnly => Filter::FailuresOnly,
            FilterArg::Minimal => Filter::Minimal,
            FilterArg::Verbose => Filter::Verbose,
        }
    }
}

/// How to print a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people.
    Text,
    /// One JSON array.
    Json,
    /// One JSON object on each line.
    Ndjson,
}

/// What the world flags mean.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) system: Arc<dyn SystemUnderTest>,
    /// If a bug is planted in the system: the same system without.
    pub(super) sound: Option<Arc<dyn SystemUnderTest>>,
    pub(super) swarm: SwarmOptions,
    pub(super) profile: &'static str,
    pub(super) store: String,
}

impl WorldArgs {
    /// Looks everything up that was given by name.
    pub(super) fn choose(
        &self,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<Chosen, UsageError> {
        let system = self.system(systems)?;
        let without = WorldArgs { bug: None, ..self.clone() };
        let sound = self.bug.as_ref().map(|_| without.system(systems)).transpose()?;
        let store = self.store.as_deref().map(store_of).transpose()?;
        let calm = self.no_faults || self.profile == ProfileArg::Calm;
        let swarm = SwarmOptions {
            faults: if calm { Faults::Off } else { Faults::Drawn },
            workloads: if self.no_enhanced_workloads { Workloads::Basic } else { Workloads::All },
            store,
            operations: self.operations,
            judging: Judging::On,
            without: None,
            strategy: self.strategy.strategy(),
        };
        let profile = if calm { ProfileArg::Calm } else { self.profile };
        let store = self.store.clone().unwrap_or_else(|| String::from("drawn"));
        Ok(Chosen { system, sound, swarm, profile: profile.name(), store })
    }

    fn system(
        &self,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<Arc<dyn SystemUnderTest>, UsageError> {
        let by_name = systems.iter().find(|system| system.name() == self.system);
        // A program with one system of its own need not be told its name.
        let default = (systems.len() == 1 && self.system == "manifest-core").then(|| &systems[0]);
        let Some(system) = by_name.or(default) else {
            let known: Vec<_> = systems.iter().map(|system| system.name()).collect();
            return Err(UsageError::UnknownSystem {
                name: self.system.clone(),
                known: known.join(", "),
            });
        };
        match &self.bug {
            None => Ok(Arc::clone(system)),
            Some(bug) => {
                system.with_bug(bug).ok_or_else(|| UsageError::unknown_bug(&**system, bug))
            }
        }
    }

    /// The flags again, as they must be given to `replay`.
    pub(super) fn to_flags(&self) -> String {
        let mut flags = String::new();
        let mut add = |flag: String| {
            flags.push(' ');
            flags.push_str(&flag);
        };
        if self.system != "manifest-core" {
            add(format!("--system {}", self.system));
        }
        if let Some(bug) = &self.bug {
            add(format!("--bug {bug}"));
        }
        if self.profile != ProfileArg::Swarm {
            add(format!("--profile {}", self.profile.name()));
        }
        if let Some(store) = &self.store {
            add(format!("--store {store}"));
        }
        if self.no_faults {
            add(String::from("--no-faults"));
        }
        if self.no_enhanced_workloads {
            add(String::from("--no-enhanced-workloads"));
        }
        if let Some(strategy) = self.strategy.strategy() {
            add(format!("--strategy {}", strategy.name()));
        }
        if let Some(operations) = self.operations {
            add(format!("--operations {operations}"));
        }
        flags
    }
}

fn store_of(name: &str) -> Result<Arc<Profile>, UsageError> {
    Profile::by_name(name).map(Arc::new).ok_or_else(|| UsageError::UnknownStore {
        name: name.to_owned(),
        known: Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", "),
    })
}
