//! Swarm: every seed draws its own kind of world.
//!
//! No single setting finds every bug; worlds that do everything at once hide many (Groce et al.,
//! "Swarm Testing", ISSTA 2012). So each seed decides which faults exist at all and how often they
//! strike, how many processes there are and what they do, and how long timers are compared with
//! requests. About one world in six has no request faults, so that a stall aimed at one step of a
//! calm run has the stage for itself.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | the options of a world and how they are drawn |
//! | `faults` | faults of single requests |
//! | `blows` | what befalls processes and the store as a whole |
//! | `stalls` | the calm worlds of the strategy `stall` |
//! | `upkeep` | worlds in which upkeep is frequent |
//! | `words` | the random words behind all that |

mod blows;
mod faults;
mod stalls;
mod upkeep;
mod words;

use std::sync::Arc;
use std::time::Duration;

use sim::{Schedule, Seed, Site};
use sim_storage::fault::{FaultKind, FaultRates};
use sim_storage::profile::Profile;
use sim_storage::{Severity, latency};

use crate::strategy::Strategy;
use crate::system::{Snapshots, SystemUnderTest, Tuning};
use crate::workload::{Mix, OpKind};

pub use blows::{Blow, PlannedBlow, Struck};
pub use faults::{REQUEST_FAULTS, out_of_reach};
pub(crate) use words::Words;

use blows::draw_blows;
use faults::draw_rates;

/// Whether worlds have faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// Each world draws its own.
    #[default]
    Drawn,
    /// None at all.
    Off,
}

/// Which operations worlds do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workloads {
    /// Everything that the system supports.
    #[default]
    All,
    /// Without read-modify-write and scan.
    Basic,
}

/// Who must have the last word when all is quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastWords {
    /// Every process and the newcomer.
    #[default]
    Everybody,
    /// Every process and the newcomer, and nobody writes any more. This proves less, and so does
    /// the next: no seed draws them, but a reduced plan may say them.
    Reading,
    /// Only the newcomer.
    Newcomer,
}

/// Whether runs are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judging {
    /// Every rule at every event.
    #[default]
    On,
    /// Not at all: only for measuring what judging costs.
    Off,
}

/// What the command line decides for all worlds of a campaign.
#[derive(Clone, Debug, Default)]
pub struct SwarmOptions {
    /// Whether there are faults.
    pub faults: Faults,
    /// Which operations there are.
    pub workloads: Workloads,
    /// The store to imitate; `None`: each world draws one.
    pub store: Option<Arc<Profile>>,
    /// Operations in a world; `None`: each world draws its own number.
    pub operations: Option<u32>,
    /// Whether runs are judged.
    pub judging: Judging,
    /// A kind of request fault that no world has; all else stays what it is in each world.
    pub without: Option<FaultKind>,
    /// How worlds look for trouble; `None`: each draws its strategy from the portfolio.
    pub strategy: Option<Strategy>,
}

/// Everything that makes up one world.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The seed that all this came from.
    pub seed: Seed,
    /// The store that is imitated.
    pub profile: Arc<Profile>,
    /// Processes that write and read.
    pub writers: u16,
    /// Processes that only read.
    pub readers: u16,
    /// Processes that serve the others: for each the number of its duty.
    pub duties: Vec<usize>,
    /// Longest pause between two rounds of a duty.
    pub duty_pause: Duration,
    /// Clients in each process, all on one session.
    pub clients: u16,
    /// Operations of each slot.
    pub operations: u32,
    /// What clients do.
    pub mix: Mix,
    /// Bytes of filling in each value.
    pub filling: u16,
    /// Processes start within this time after the first one.
    pub start_within: Duration,
    /// Longest pause between two operations of a client.
    pub think_max: Duration,
    /// In so many of a million operations the client stops waiting before the end.
    pub give_up_ppm: u32,
    /// After so many of a million writes the client does upkeep.
    pub maintain_ppm: u32,
    /// Faults of single requests.
    pub rates: FaultRates,
    /// After how long the client's transport gives up.
    pub transport_timeout: Duration,
    /// How hard the store is on its clients beyond that.
    pub severity: Severity,
    /// How long after it was sent a request may still land that nobody waits for.
    pub late_landing_max: Duration,
    /// Who must have the last word.
    pub last_words: LastWords,
    /// Faults of processes and of the store as a whole.
    pub blows: Vec<PlannedBlow>,
    /// Scale of the system's own options.
    pub tuning: Tuning,
    /// How this world looks for trouble.
    pub strategy: Strategy,
    /// The order of events until the quiet phase.
    pub schedule: Schedule,
}

impl WorldOptions {
    /// Number of slots: writers, readers, then duties.
    #[must_use]
    pub fn slots(&self) -> u16 {
        self.client_slots() + self.duties.len() as u16
    }

    /// Number of slots that clients fill: writers, then readers.
    #[must_use]
    pub fn client_slots(&self) -> u16 {
        self.writers + self.readers
    }

    /// One line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let rates: Vec<String> = REQUEST_FAULTS
            .into_iter()
            .filter(|kind| self.rates.rate(*kind) > 0 && self.rates.is_on(*kind))
            .map(|kind| {
                let name = kind.label().trim_start_matches("fault.");
                format!("{name} {:.2}%", f64::from(self.rates.rate(kind)) / 10_000.0)
            })
            .collect();
        format!(
            "strategy {}, store {}, {} writers, {} readers, {} on duty, {} clients each, {} operations each, {} keys, {} blows, request faults: {}",
            describe_search(self),
            self.profile.name,
            self.writers,
            self.readers,
            self.duties.len(),
            self.clients,
            self.operations,
            self.mix.keys,
            self.blows.len(),
            if rates.is_empty() { String::from("none") } else { rates.join(", ") },
        )
    }
}

/// The strategy with what was drawn for it.
fn describe_search(world: &WorldOptions) -> String {
    let Schedule { order, window, tasks, .. } = world.schedule;
    match order {
        sim::Order::Timed => world.strategy.name().to_owned(),
        order => {
            format!("{} ({order:?}, window {window:?}, tasks {tasks:?})", world.strategy.name())
        }
    }
}

/// Draws the world of `seed`. Must be called at the beginning of the world's own run.
#[must_use]
pub fn draw_world(seed: &Seed, system: &dyn SystemUnderTest, swarm: &SwarmOptions) -> WorldOptions {
    let mut search = Words::at(Site::STRATEGY);
    let strategy = match (swarm.strategy, Strategy::of_portfolio(&mut search)) {
        (Some(strategy), _) | (None, strategy) => strategy,
    };
    let mut options = Words::at(Site::OPTIONS);
    let profile = match &swarm.store {
        Some(profile) => Arc::clone(profile),
        None => Arc::clone(options.pick(sound_profiles())),
    };
    let typical = Duration::from_nanos(profile.latencies.sample(
        latency::Operation::ConditionalPut,
        1024,
        u32::MAX / 2,
    ));
    let tuning = Tuning { draw: words::draw_at(Site::OPTIONS), typical_request: typical };
    let writers = *options.pick(&[1, 2, 2, 2, 3, 3, 4, 5]);
    let readers = *options.pick(&[0, 1, 1, 2, 2, 3, 4]);
    let slots = u32::from(writers + readers);
    let total = swarm.operations.unwrap_or_else(|| options.spread(28, 380));
    let operations = total.div_ceil(slots);
    let mix = draw_mix(&mut options, system, swarm);
    let duties = draw_duties(&mut options, system);
    let mut world = WorldOptions {
        seed: seed.clone(),
        profile,
        writers,
        readers,
        duties,
        duty_pause: typical * options.spread(8, 256),
        clients: *options.pick(&[1, 1, 1, 2, 2, 3, 3, 8]),
        operations,
        mix,
        filling: *options.pick(&[0, 0, 6, 30, 100]),
        last_words: LastWords::Everybody,
        start_within: typical * *options.pick(&[0, 12, 30, 30, 60]),
        think_max: typical * *options.pick(&[0, 1, 1, 2, 6]),
        give_up_ppm: 0,
        maintain_ppm: *options.pick(&[100_000, 300_000, 1_000_000]),
        rates: FaultRates::none(),
        transport_timeout: typical * options.spread(2, 60),
        severity: Severity::default(),
        late_landing_max: typical * options.spread(8, 256),
        blows: Vec::new(),
        tuning,
        strategy,
        schedule: strategy.schedule(&mut search, typical, total),
    };
    // Before the blows, which are dealt out to all processes.
    if strategy != Strategy::Timed && strategy != Strategy::Stall && search.chance(75) {
        upkeep::frequent_upkeep(&mut search, &mut world, system);
    }
    if swarm.faults == Faults::Drawn {
        if options.chance(84) {
            world.rates = draw_rates(&mut options);
            let body_damage = system.guarantees().body_damage;
            world.severity = Severity { body_damage, ..Severity::FULL };
        }
        if options.chance(30) {
            world.give_up_ppm = options.spread(5_000, 80_000);
        }
        world.blows = draw_blows(&mut options, &world, &system.marks());
        if strategy == Strategy::Stall {
            stalls::calm_with_stalls(&mut search, &mut world, system);
        }
    }
    if let Some(kind) = swarm.without {
        world.rates.switch_off(kind);
    }
    world
}

/// Which duties are served, and by how many processes each.
fn draw_duties(options: &mut Words, system: &dyn SystemUnderTest) -> Vec<usize> {
    let mut duties = Vec::new();
    for duty in 0..system.duties().len() {
        let count = *options.pick(&[0, 1, 1, 1, 2]);
        duties.extend(std::iter::repeat_n(duty, count));
    }
    duties
}

/// The profiles whose stores a commit protocol can be built on.
fn sound_profiles() -> &'static [Arc<Profile>] {
    static PROFILES: std::sync::OnceLock<Vec<Arc<Profile>>> = std::sync::OnceLock::new();
    PROFILES.get_or_init(|| {
        ["s3", "s3-express", "gcs", "azure", "r2", "minio", "local"]
            .into_iter()
            .filter_map(Profile::by_name)
            .map(Arc::new)
            .collect()
    })
}

fn draw_mix(options: &mut Words, system: &dyn SystemUnderTest, swarm: &SwarmOptions) -> Mix {
    let usual = [18, 7, 3, 7, 32, 12, 16, 9];
    let mut weights = [0; OpKind::ALL.len()];
    for kind in OpKind::ALL {
        let enhanced = matches!(kind, OpKind::ReadModifyWrite | OpKind::Scan);
        let wanted = system.operations().contains(&kind)
            && !(enhanced && swarm.workloads == Workloads::Basic);
        let share = *options.pick(&[0, 1, 1, 2, 4]);
        weights[kind as usize] = if wanted { usual[kind as usize] * share } else { 0 };
    }
    if OpKind::ALL.iter().all(|kind| kind.is_read_only() || weights[*kind as usize] == 0) {
        let writing = system.operations().iter().find(|kind| !kind.is_read_only());
        if let Some(kind) = writing {
            weights[*kind as usize] = 20;
        }
    }
    Mix {
        weights,
        keys: options.spread(2, 48) as u16,
        hot_percent: *options.pick(&[0, 0, 20, 60]),
        session_percent: *options.pick(&[0, 0, 10, 40]),
        held_percent: match system.guarantees().snapshots {
            Snapshots::Momentary => 0,
            Snapshots::Held => *options.pick(&[0, 0, 15, 45]),
        },
        width: options.between(1, 4),
    }
}
