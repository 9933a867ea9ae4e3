//! Swarm: every seed draws its own kind of world.
//!
//! No single setting finds every bug; worlds that do everything at once hide many (Groce et al.,
//! "Swarm Testing", ISSTA 2012). So each seed decides which faults exist at all and how often they
//! strike, how many processes there are and what they do, and how long timers are compared with
//! requests. About one world in six has no request faults, so that a stall aimed at one step of a
//! calm run has the stage for itself.

use std::sync::Arc;
use std::time::Duration;

use sim::{AimAt, Clock, Draw, ProcessId, Site, Strike};
use sim_storage::fault::{FaultKind, FaultRates};
use sim_storage::profile::Profile;
use sim_storage::{OutageKind, Severity, latency};

use crate::system::{MarkInfo, Snapshots, SystemUnderTest, Tuning};
use crate::workload::{Mix, OpKind};

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
}

/// Something that happens to a process or to the whole store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The process crashes and starts again after a while.
    Crash {
        /// How long it is away.
        restart_after: Duration,
    },
    /// The process stops running for a while.
    Stall(Duration),
    /// The process reaches a step and is struck there.
    AtStep {
        /// Which step.
        at: AimAt,
        /// How many such steps it passes unharmed before.
        after: u32,
        /// What happens there.
        strike: Strike,
    },
    /// A second process takes over the same slot while the first one lives on.
    Twin,
    /// The clock is set anew.
    Clock(Clock),
    /// The process cannot reach the store.
    Partition(Duration),
    /// The store as a whole is not well.
    Outage {
        /// How.
        kind: OutageKind,
        /// Share of requests, in parts per million.
        share_ppm: u32,
        /// How long.
        duration: Duration,
    },
}

/// A blow, and when it falls: a while after a process of a slot began its n-th operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBlow {
    /// The slot, from 0: writers first, then readers.
    pub slot: u16,
    /// The operation of that slot, from 0.
    pub operation: u32,
    /// How long after its beginning.
    pub delay: Duration,
    /// What happens.
    pub blow: Blow,
}

/// Everything that makes up one world.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The seed that all this came from.
    pub seed: u64,
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
    /// Faults of processes and of the store as a whole.
    pub blows: Vec<PlannedBlow>,
    /// Scale of the system's own options.
    pub tuning: Tuning,
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
            "store {}, {} writers, {} readers, {} on duty, {} clients each, {} operations each, {} keys, {} blows, request faults: {}",
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

/// A small source of options: one draw after another, used word by word.
struct Options {
    draw: Draw,
    used: usize,
}

impl Options {
    fn new() -> Self {
        Options { draw: next_draw(), used: 0 }
    }

    fn word(&mut self) -> u32 {
        if self.used == sim::DRAW_WORDS {
            *self = Options::new();
        }
        self.used += 1;
        self.draw.word(self.used - 1)
    }

    fn below(&mut self, bound: u32) -> u32 {
        sim::scale(self.word(), bound)
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u32) as usize]
    }

    /// A number between `low` and `high` whose order of magnitude is uniform.
    fn spread(&mut self, low: u32, high: u32) -> u32 {
        let octaves = (high / low).max(1).ilog2() + 1;
        let octave = self.below(octaves);
        let start = low << octave;
        (start + self.below(start)).min(high)
    }
}

fn next_draw() -> Draw {
    sim::draw(ProcessId::WORLD, Site::OPTIONS)
}

/// Draws the world of `seed`. Must be called at the beginning of the world's own run.
#[must_use]
pub fn draw_world(seed: u64, system: &dyn SystemUnderTest, swarm: &SwarmOptions) -> WorldOptions {
    let mut options = Options::new();
    let profile = match &swarm.store {
        Some(profile) => Arc::clone(profile),
        None => Arc::clone(options.pick(sound_profiles())),
    };
    let typical = Duration::from_nanos(profile.latencies.sample(
        latency::Operation::ConditionalPut,
        1024,
        u32::MAX / 2,
    ));
    let tuning = Tuning { draw: next_draw(), typical_request: typical };
    let writers = *options.pick(&[1, 2, 2, 2, 3, 3, 4, 5]);
    let readers = *options.pick(&[0, 1, 1, 2, 2, 3, 4]);
    let slots = u32::from(writers + readers);
    let total = swarm.operations.unwrap_or_else(|| options.spread(28, 380));
    let operations = total.div_ceil(slots);
    let mix = draw_mix(&mut options, system, swarm);
    let duties = draw_duties(&mut options, system);
    let mut world = WorldOptions {
        seed,
        profile,
        writers,
        readers,
        duties,
        duty_pause: typical * options.spread(8, 256),
        clients: *options.pick(&[1, 1, 2, 3]),
        operations,
        mix,
        filling: *options.pick(&[0, 0, 6, 30, 100]),
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
    };
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
    }
    if let Some(kind) = swarm.without {
        world.rates.switch_off(kind);
    }
    world
}

/// Which duties are served, and by how many processes each.
fn draw_duties(options: &mut Options, system: &dyn SystemUnderTest) -> Vec<usize> {
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

fn draw_mix(options: &mut Options, system: &dyn SystemUnderTest, swarm: &SwarmOptions) -> Mix {
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

/// The request faults that worlds draw: all that a sound store may show. The others need a store
/// that is only eventually consistent, on which no commit protocol is sound.
pub const REQUEST_FAULTS: [FaultKind; 23] = [
    FaultKind::RequestLost,
    FaultKind::ReplyLost,
    FaultKind::LateApply,
    FaultKind::Duplicate,
    FaultKind::Conflict,
    FaultKind::TooManyRequests,
    FaultKind::SlowDown,
    FaultKind::ErrorBefore,
    FaultKind::ErrorAfter,
    FaultKind::Timeout,
    FaultKind::TailLatency,
    FaultKind::Reordering,
    FaultKind::ShortBody,
    FaultKind::TornPut,
    FaultKind::RacedConflict,
    FaultKind::BrokenBody,
    FaultKind::BitFlip,
    FaultKind::TornUpload,
    FaultKind::UnorderedList,
    FaultKind::PartialDelete,
    FaultKind::RateLimited,
    FaultKind::ErrorInside,
    FaultKind::SkewedDate,
];

/// Why a kind takes effect in few default worlds or in none; `None` if it takes effect in at least
/// a tenth of them.
#[must_use]
pub fn out_of_reach(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::StaleRead | FaultKind::StaleList | FaultKind::TruncatedList => {
            Some("only a store without strong consistency (--store eventual) shows it")
        }
        FaultKind::LateDelete => {
            Some("it takes a deletion, and a store without strong consistency (--store eventual)")
        }
        FaultKind::UnorderedList => Some("it takes a listing, on a store that promises no order"),
        FaultKind::PartialDelete => Some("it takes a deletion of several objects at once"),
        FaultKind::TornUpload => Some("it takes a multipart upload"),
        FaultKind::ErrorInside => Some("it takes a copy or a multipart upload"),
        _ => None,
    }
}

/// Which kinds of request faults exist, and how often each strikes. Kinds that can hit few
/// requests only (a torn PUT needs a segment) strike these more often.
fn draw_rates(options: &mut Options) -> FaultRates {
    let mut rates = FaultRates::none();
    for kind in REQUEST_FAULTS {
        let (share, low, high) = match kind {
            FaultKind::TornPut => (60, 60_000, 300_000),
            FaultKind::TornUpload => (40, 60_000, 300_000),
            FaultKind::RacedConflict => (90, 100_000, 800_000),
            FaultKind::ShortBody => (40, 3_000, 60_000),
            FaultKind::BrokenBody => (30, 3_000, 60_000),
            FaultKind::BitFlip => (45, 2_000, 20_000),
            FaultKind::Conflict | FaultKind::Duplicate | FaultKind::LateApply => {
                (45, 2_000, 60_000)
            }
            FaultKind::Timeout => (60, 4_000, 60_000),
            FaultKind::UnorderedList | FaultKind::PartialDelete | FaultKind::ErrorInside => {
                (40, 50_000, 300_000)
            }
            FaultKind::SkewedDate => (40, 10_000, 300_000),
            _ => (40, 1_000, 40_000),
        };
        if options.chance(share) {
            rates = rates.with(kind, options.spread(low, high));
        }
    }
    rates
}

fn draw_blows(options: &mut Options, world: &WorldOptions, marks: &[MarkInfo]) -> Vec<PlannedBlow> {
    let request = world.tuning.typical_request;
    let mut blows = Vec::new();
    let times = |options: &mut Options, percent: u32, most: u32| {
        if options.chance(percent) { options.between(1, most) } else { 0 }
    };
    let count = [
        times(options, 40, 4),
        times(options, 40, 4),
        times(options, 60, 3),
        times(options, 16, 2),
        times(options, 30, 3),
        times(options, 30, 2),
        times(options, 38, 3),
    ];
    for (kind, &count) in count.iter().enumerate() {
        for _ in 0..count {
            let span = request * options.spread(2, 256);
            let blow = match kind {
                0 => Blow::Crash { restart_after: span / 4 },
                1 => Blow::Stall(span),
                2 => {
                    // Half of the aims take steps as often as they are reached, the other half
                    // gives the rare ones the same chance.
                    let at = match options.chance(50) || marks.is_empty() {
                        true => AimAt::AnyStep,
                        false => AimAt::Step(options.pick(marks).name.to_owned()),
                    };
                    let strike = match options.chance(65) {
                        true => Strike::Stall(span),
                        false => Strike::Crash,
                    };
                    Blow::AtStep { at, after: options.spread(1, 8) - 1, strike }
                }
                3 => Blow::Twin,
                4 => Blow::Clock(Clock {
                    wall_offset_ns: i64::from(options.between(0, 2000)) * 1_000_000 - 1_000_000_000,
                    drift_ppm: options.between(0, 100_000) as i32 - 50_000,
                }),
                5 => Blow::Partition(span / 2),
                _ => Blow::Outage {
                    kind: *options.pick(&[
                        OutageKind::Unreachable,
                        OutageKind::Throttling,
                        OutageKind::Failing,
                    ]),
                    share_ppm: *options.pick(&[100_000, 500_000, 1_000_000]),
                    duration: span / 2,
                },
            };
            let slot = options.below(u32::from(world.slots())) as u16;
            let rounds = if slot < world.client_slots() { world.operations } else { 12 };
            let operation = options.below(rounds);
            let delay = request * options.below(300) / 100;
            blows.push(PlannedBlow { slot, operation, delay, blow });
        }
    }
    blows
}
