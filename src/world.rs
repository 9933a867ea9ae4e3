//! One world: processes, store and faults of one seed, judged while it runs.
//!
//! ```text
//!  safety phase                                     quiet phase
//!  ├─ processes start, crash, stall, take over ──┤├─ no faults: every process reads, writers write,
//!  │  clients do their operations, faults strike  ││  a newcomer opens; everything must complete
//! ```
//! The director (process 0) starts one supervisor for each slot, waits for all of them, calms the
//! store, and asks for the last word of every process. Rules are checked at the event by the
//! [`Judge`]; a broken rule ends the world on the spot.

mod blueprint;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sim::trace::{Keep, Kind, Row, Trace};
use sim::{Limits, Outcome, ProcessId, Schedule, Seed};
use sim_storage::fault::FaultPlan;
use sim_storage::model::{Applied, Observer};
use sim_storage::{Bounds, Setup, SimStore};

use crate::checkers::{CheckCounts, Finding, Judge, Rule};
use crate::meter::{Account, DamagedBodies, Metered};
use crate::panics;
use crate::processes::{Slot, last_words, supervise};
use crate::strategy::Strategy;
use crate::swarm::{Judging, SwarmOptions, WorldOptions, draw_world};
pub(crate) use blueprint::{
    Agenda, Blueprint, Recording, Round, SlotPlan, Task, TwinPlan, Upkeep, Work,
};

use crate::system::{
    Auditor, OpenContext, OpenError, Session, SharedJudge, Shelf, SystemUnderTest,
};

/// Phases of a world, as they stand in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Faults strike.
    Safety = 1,
    /// No faults: everything must finish.
    Quiet = 2,
}

/// How a world ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No rule was broken.
    Pass,
    /// A rule was broken.
    Broken(Finding),
    /// Something did not finish within the limits of the world.
    Stuck(Finding),
    /// The system under test panicked.
    Panicked {
        /// The process whose code panicked.
        process: ProcessId,
        /// What the panic said, and where it was.
        message: String,
        /// Where it was: file and line.
        place: String,
    },
}

/// Where a world came to its end without finishing, and without a broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Nothing will ever happen again.
    Deadlock,
    /// Virtual time.
    Time,
    /// Polls of tasks.
    Polls,
}

impl Limit {
    const ALL: [Limit; 3] = [Limit::Deadlock, Limit::Time, Limit::Polls];

    fn sentence(self) -> &'static str {
        match self {
            Limit::Deadlock => "every task waits and nothing will ever wake one",
            Limit::Time => "the world did not end within its virtual time",
            Limit::Polls => "tasks run on and on without letting time pass",
        }
    }

    /// The limit that this finding is about, if it is about one.
    pub(crate) fn of(finding: &Finding) -> Option<Limit> {
        let is_meant = |limit: &Limit| limit.sentence() == finding.what;
        Limit::ALL.into_iter().find(is_meant).filter(|_| finding.process == ProcessId::WORLD)
    }
}

/// What is known of a finished world.
#[derive(Clone, Debug)]
pub struct WorldReport {
    /// Its seed.
    pub seed: Seed,
    /// How it looked for trouble.
    pub strategy: Strategy,
    /// How it ended.
    pub verdict: Verdict,
    /// Requests that left a process.
    pub requests: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Commits in the log.
    pub commits: u64,
    /// How often each check was made.
    pub checks: CheckCounts,
    /// Steps, marks and faults that were reached, and how often.
    pub counts: Vec<(&'static str, u32)>,
    /// Virtual time at the end, in nanoseconds.
    pub virtual_ns: u64,
    /// Events of the trace.
    pub events: u64,
    /// Those of them that the minimal view of the trace shows.
    pub shown: u64,
    /// Hash over all events.
    pub fingerprint: u64,
    /// Every rule that was broken, all at the moment at which the world was halted.
    pub findings: Vec<Finding>,
    /// Objects that a root has named, with the event at which one first did, if the trace was
    /// asked for.
    pub publications: BTreeMap<String, u64>,
    /// Hash of what was done to the objects of the store, in its order at each of them; see
    /// [`SimStore::behaviour`].
    pub behaviour: u64,
    /// The pairs of an own step and a foreign event, each with the first event that showed it, if
    /// they were asked for; see [`sim::trace::Trace::pairs`].
    pub pairs: Vec<(u64, u64)>,
    /// The kept trace, if it was asked for.
    pub trace: Vec<Row>,
    /// What the world was like, if the trace was asked for.
    pub description: String,
}

/// The things that worlds of one thread use one after another.
#[derive(Debug)]
pub struct Arena {
    store: SimStore,
    judge: SharedJudge,
}

impl Arena {
    /// An arena for worlds of this thread.
    #[must_use]
    pub fn new() -> Self {
        let profile = Arc::new(sim_storage::profile::Profile::s3());
        Arena { store: SimStore::new(profile), judge: SharedJudge::default() }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Arena::new()
    }
}

/// What the parts of a running world share.
pub(crate) struct World {
    pub(crate) options: WorldOptions,
    pub(crate) system: Arc<dyn SystemUnderTest>,
    pub(crate) store: SimStore,
    pub(crate) judge: SharedJudge,
    pub(crate) slots: Vec<Slot>,
    twins: Vec<TwinPlan>,
    /// By place among the blows: after how many events its moment came.
    struck: RefCell<Vec<Option<u64>>>,
    damaged_bodies: DamagedBodies,
    auditor: SharedAuditor,
    shelf: Shelf,
    judging: Judging,
    accounts: RefCell<Vec<Arc<Account>>>,
    phase: Cell<Phase>,
    operations: Cell<u64>,
    is_scripted: bool,
}

/// An opened system with the account that its requests are counted on.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) session: Rc<dyn Session>,
    pub(crate) account: Arc<Account>,
    pub(crate) id: crate::checkers::SessionId,
}

impl World {
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase.get() == Phase::Quiet
    }

    pub(crate) fn count_operation(&self) {
        self.operations.set(self.operations.get() + 1);
    }

    /// Whether all operations of all clients are begun.
    pub(crate) fn clients_are_done(&self) -> bool {
        self.slots.iter().all(Slot::is_done)
    }

    /// The moment of this blow has come.
    pub(crate) fn note_blow(&self, place: usize) {
        self.struck.borrow_mut()[place] = Some(sim::event_count());
    }

    /// The process that this blow starts.
    pub(crate) fn twin_of(&self, blow: usize) -> Option<ProcessId> {
        self.twins.iter().find(|twin| twin.blow == blow).map(|twin| twin.process)
    }

    /// The world is over and tidied up: the auditor has the last word.
    pub(crate) fn end_audit(&self) {
        lock(&self.auditor).ended(&mut self.judge.lock());
    }

    /// One line for people, of a world that is written down.
    fn describe_script(&self) -> String {
        let options = &self.options;
        format!(
            "a plan: store {}, {} writers, {} readers, {} on duty, {} clients each, {} blows",
            options.profile.name,
            options.writers,
            options.readers,
            options.duties.len(),
            options.clients,
            options.blows.len(),
        )
    }

    /// What the world did, for a script.
    fn recording(&self, blueprint: Blueprint) -> Recording {
        let begun = |slot: &Slot| slot.recorded.as_ref().map(RefCell::take).unwrap_or_default();
        let (tasks, rounds) = self.slots.iter().map(begun).unzip();
        Recording {
            blueprint,
            tasks,
            rounds,
            struck: self.struck.take(),
            requests: self.store.take_requests(),
            names: sim::process_names(),
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        sim::emit_with(ProcessId::WORLD, Kind::Phase, 0, phase as u64, 0, || {
            format!("{phase:?} phase")
        });
    }

    /// Opens the system in a process, once.
    pub(crate) async fn open(&self, process: ProcessId) -> Result<Opened, OpenError> {
        let claims = self.system.budget(&self.options.tuning);
        let claims = claims.filter(|_| self.judging == Judging::On);
        let account =
            Arc::new(Account::new(process, claims, self.damaged_bodies, self.judge.clone()));
        self.accounts.borrow_mut().push(Arc::clone(&account));
        account.begin_opening();
        let store = Arc::new(Metered::new(self.store.client(process), Arc::clone(&account)));
        let shelf = self.shelf.clone();
        let context = OpenContext { process, store, tuning: self.options.tuning, shelf };
        let session = self.system.open(context).await?;
        account.end();
        let id = self.judge.lock().open_session(process);
        Ok(Opened { session, account, id })
    }

    /// Breaks the rule that everything completes.
    pub(crate) fn stuck(&self, process: ProcessId, what: String) {
        self.judge.lock().broken(Rule::Progress, process, what, &[]);
    }
}

/// The auditor of a world, shared by the store's observer and the world.
type SharedAuditor = Arc<Mutex<Box<dyn Auditor>>>;

fn lock(auditor: &SharedAuditor) -> MutexGuard<'_, Box<dyn Auditor>> {
    auditor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows every applied request to the auditor of the world.
struct Watcher {
    auditor: SharedAuditor,
    judge: SharedJudge,
}

impl Observer for Watcher {
    fn applied(&mut self, change: &Applied<'_>) {
        lock(&self.auditor).applied(change, &mut self.judge.lock());
    }
}

/// An auditor that sees nothing, for runs that are not judged.
#[derive(Debug)]
struct Blind;

impl Auditor for Blind {
    fn applied(&mut self, _: &Applied<'_>, _: &mut Judge) {}
}

/// Whether a world keeps what a script would have to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// No.
    Dropped,
    /// Yes.
    Kept,
}

/// What a world may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// As much as worlds of so many operations usually may.
    Usual {
        /// Operations.
        operations: u32,
    },
    /// So many polls of tasks.
    Polls(u64),
}

/// Runs the world of `seed`.
#[must_use]
pub fn run_seed(
    arena: &Arena,
    seed: &Seed,
    system: &Arc<dyn SystemUnderTest>,
    swarm: &SwarmOptions,
    keep: Keep,
) -> WorldReport {
    let how = How::of_seed(swarm, keep, Recorded::Dropped);
    run_world(arena, seed, system, how, || drawn(seed, system, swarm)).0
}

/// Runs the world of `seed` and writes down what a script would have to say of it.
pub(crate) fn record_seed(
    arena: &Arena,
    seed: &Seed,
    system: &Arc<dyn SystemUnderTest>,
    swarm: &SwarmOptions,
    keep: Keep,
) -> (WorldReport, Option<Recording>) {
    let how = How::of_seed(swarm, keep, Recorded::Kept);
    run_world(arena, seed, system, how, || drawn(seed, system, swarm))
}

fn drawn(seed: &Seed, system: &Arc<dyn SystemUnderTest>, swarm: &SwarmOptions) -> Blueprint {
    Blueprint::drawn(draw_world(seed, &**system, swarm), system.duties())
}

/// How a world is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) keep: Keep,
    pub(crate) recorded: Recorded,
    pub(crate) judging: Judging,
    pub(crate) patience: Patience,
}

impl How {
    fn of_seed(swarm: &SwarmOptions, keep: Keep, recorded: Recorded) -> How {
        let patience = Patience::Usual { operations: swarm.operations.unwrap_or(1000) };
        How { keep, recorded, judging: swarm.judging, patience }
    }

    fn limits(&self) -> Limits {
        match self.patience {
            Patience::Usual { operations } => Limits {
                virtual_time: Duration::from_secs(3600 * (24 + u64::from(operations) / 50)),
                steps: 1_000_000 + u64::from(operations) * 2_000,
            },
            Patience::Polls(steps) => {
                Limits { virtual_time: Duration::from_secs(3600 * 44), steps }
            }
        }
    }
}

/// Runs the world of a blueprint, which is made at the beginning of the world's own run.
pub(crate) fn run_world(
    arena: &Arena,
    seed: &Seed,
    system: &Arc<dyn SystemUnderTest>,
    how: How,
    blueprint: impl FnOnce() -> Blueprint,
) -> (WorldReport, Option<Recording>) {
    let config = sim::Config { seed: seed.clone(), keep: how.keep, limits: how.limits() };
    let slot: Rc<RefCell<Option<Rc<World>>>> = Rc::default();
    let mut drawn_from = None;
    let begin = || {
        let blueprint = blueprint();
        drawn_from = (how.recorded == Recorded::Kept).then(|| blueprint.clone());
        let world = build(arena, blueprint, Arc::clone(system), how);
        *slot.borrow_mut() = Some(Rc::clone(&world));
        direct(world)
    };
    let outcome = panics::quietly(|| sim::run(&config, begin));
    let world = slot.borrow_mut().take();
    let recording = match (&world, drawn_from) {
        (Some(world), Some(blueprint)) => Some(world.recording(blueprint)),
        _ => None,
    };
    (report(arena, world.as_deref(), seed, outcome, how.keep), recording)
}

fn build(
    arena: &Arena,
    blueprint: Blueprint,
    system: Arc<dyn SystemUnderTest>,
    how: How,
) -> Rc<World> {
    let (store, judge) = (arena.store.clone(), arena.judge.clone());
    blueprint.add_processes();
    let damaged_bodies = blueprint.damaged_bodies();
    let Blueprint { options, slots, twins, script, .. } = blueprint;
    judge.lock().reset(how.judging);
    store.begin(Setup {
        profile: Arc::clone(&options.profile),
        rates: options.rates.clone(),
        plan: FaultPlan::default(),
        timeout_ns: options.transport_timeout.as_nanos() as u64,
    });
    store.bound(Bounds {
        tears: system.guarantees().survives_torn_put,
        late_landing_max_ns: Some(options.late_landing_max.as_nanos() as u64),
    });
    if let Some(script) = &script {
        store.follow(Arc::clone(script));
    }
    if how.recorded == Recorded::Kept {
        store.record_requests();
    }
    let auditor = match how.judging {
        Judging::On => system.auditor(),
        Judging::Off => Box::new(Blind),
    };
    store.set_severity(options.severity);
    sim::set_schedule(options.schedule);
    let auditor: SharedAuditor = Arc::new(Mutex::new(auditor));
    store.watch(Box::new(Watcher { auditor: Arc::clone(&auditor), judge: judge.clone() }));
    let slots = slots.into_iter().map(|plan| Slot::new(plan, options.operations, how.recorded));
    Rc::new(World {
        slots: slots.collect(),
        struck: RefCell::new(vec![None; options.blows.len()]),
        options,
        system,
        store,
        judge,
        twins,
        damaged_bodies,
        auditor,
        shelf: Shelf::default(),
        judging: how.judging,
        accounts: RefCell::default(),
        phase: Cell::new(Phase::Safety),
        operations: Cell::new(0),
        is_scripted: script.is_some(),
    })
}

async fn direct(world: Rc<World>) {
    world.enter(Phase::Safety);
    let supervisors: Vec<_> = (0..world.slots.len())
        .map(|index| sim::spawn(supervise(Rc::clone(&world), index)))
        .collect();
    for supervisor in supervisors {
        // A supervisor runs in process 0, which nothing crashes.
        let _ = supervisor.await;
    }
    world.store.calm();
    // What must finish in bounded time needs a fair order.
    sim::set_schedule(Schedule::TIMED);
    world.enter(Phase::Quiet);
    let calm_at_ns = sim::end_process_faults();
    sim::sleep(Duration::from_nanos(calm_at_ns - sim::now_ns())).await;
    last_words(&world).await;
    world.judge.lock().check_whole(world.options.seed.folded());
}

fn report(
    arena: &Arena,
    world: Option<&World>,
    seed: &Seed,
    outcome: Outcome<()>,
    keep: Keep,
) -> WorldReport {
    let judge = arena.judge.lock();
    // All findings but those about the budget halt the world, so they were made at one moment.
    let finding =
        judge.findings().iter().min_by_key(|finding| (finding.rule.class(), finding.event));
    let limit_reached = |limit: Limit| {
        Verdict::Stuck(Finding {
            rule: Rule::Progress,
            process: ProcessId::WORLD,
            at_ns: sim::now_ns(),
            event: sim::event_count(),
            evidence: Vec::new(),
            what: limit.sentence().to_owned(),
        })
    };
    let verdict = match (outcome, finding) {
        (Outcome::Panicked { process, message }, _) => {
            let place = panics::place().unwrap_or_default();
            Verdict::Panicked { process, message: format!("{message} ({place})"), place }
        }
        (_, Some(finding)) if finding.rule == Rule::Progress => Verdict::Stuck(finding.clone()),
        (_, Some(finding)) => Verdict::Broken(finding.clone()),
        (Outcome::Done(()) | Outcome::Halted, None) => Verdict::Pass,
        (Outcome::Deadlock, None) => limit_reached(Limit::Deadlock),
        (Outcome::TimeLimit, None) => limit_reached(Limit::Time),
        (Outcome::StepLimit, None) => limit_reached(Limit::Polls),
    };
    let mut counts = Vec::new();
    sim::each_count(|name, count| counts.push((name, count)));
    let mut checks = judge.counts();
    let requests = sim::process_names()
        .iter()
        .enumerate()
        .map(|(process, _)| u64::from(arena.store.requests_of(ProcessId(process as u16))))
        .sum();
    if let Some(world) = world {
        checks.budget = world.accounts.borrow().iter().map(|account| account.checked()).sum();
    }
    let (mut trace, mut description) = (Vec::new(), String::new());
    if matches!(keep, Keep::Ring { .. }) {
        let names = sim::process_names();
        trace = sim::with_trace(|trace| trace.kept().map(|kept| Row::new(kept, &names)).collect());
        if let Some(world) = world {
            let system = world.system.describe(&world.options.tuning);
            let drawn = world.options.describe();
            let world_is = if world.is_scripted { world.describe_script() } else { drawn };
            description = format!("{world_is}\n{}: {system}", world.system.name());
        }
    }
    let strategy = world.map_or(Strategy::Timed, |world| world.options.strategy);
    WorldReport {
        seed: seed.clone(),
        strategy,
        verdict,
        requests,
        operations: world.map_or(0, |world| world.operations.get()),
        commits: judge.commits(),
        checks,
        counts,
        virtual_ns: sim::now_ns(),
        events: sim::event_count(),
        shown: sim::with_trace(Trace::shown),
        fingerprint: sim::fingerprint(),
        findings: judge.findings().to_vec(),
        publications: judge.publications().clone(),
        behaviour: arena.store.behaviour(),
        pairs: sim::with_trace(|trace| trace.pairs().collect()),
        trace,
        description,
    }
}
