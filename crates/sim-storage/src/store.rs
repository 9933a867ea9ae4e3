//! The simulated store: the pristine model, reached over a network that fails.
//!
//! A [`SimStore`] is shared by all processes of a world; [`SimStore::client`] gives each process its
//! handle, which implements `object_store::ObjectStore`. What a request goes through:
//!
//! 1. At its first poll it takes a slot, and **one draw** decides its fault and its latencies. If
//!    the process is stalled at that moment, the request leaves when the stall ends; if it crashes,
//!    never.
//! 2. After the way to the store it **applies**: the model answers, in one step.
//! 3. After the way back the **reply** wakes the client, if it still waits.
//!
//! A client that stops waiting (a timeout of its own, a crash) has no say any more: its request goes
//! on and lands. That is what makes an unknown outcome unknown.
//!
//! Faults are counted by **effect**, at the moment they change what happens or what is seen, by
//! their [`FaultKind::label`]; a fault that was drawn for a request that nobody waited for, and
//! that changed nothing, is not counted.

mod arrival;
mod behaviour;
mod call;
mod damage;
mod flight;
mod journey;
mod limit;
mod request;
mod weather;

use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sim::{DeviceId, ProcessId};

use crate::client::Client;
use crate::fault::{Fault, FaultKind, FaultPlan, FaultRates, Made, Moment, Script};
use crate::model::{Model, Observer, Page};
use crate::profile::Profile;

pub(crate) use call::Call;
pub(crate) use request::{BodyFate, Listed, ListedPage, Reply, Request};
pub use request::{Failure, RequestKind};
pub use weather::{Outage, OutageKind};

/// What a store is like in one world.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which store it imitates.
    pub profile: Arc<Profile>,
    /// How often requests fail, and how.
    pub rates: FaultRates,
    /// Faults of single requests; where it says something, the rates do not count.
    pub plan: FaultPlan,
    /// After how many nanoseconds without an answer the client's transport gives up.
    pub timeout_ns: u64,
}

impl Setup {
    /// A store without faults whose clients give up after 30 s, the default of `object_store`.
    pub fn calm(profile: Arc<Profile>) -> Self {
        Self {
            profile,
            rates: FaultRates::calm(),
            plan: FaultPlan::default(),
            timeout_ns: 30_000_000_000,
        }
    }
}

/// How far faults may go in one world: what a system under test needs of any store. All profiles'
/// stores give more than this; a system states here what it does not count on.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Whether a PUT to this name may break off and leave the beginning of its body as the object
    /// ([`FaultKind::TornPut`], [`FaultKind::TornUpload`]). A system names here the objects that it
    /// needs written as a whole or not at all.
    pub tears: fn(&str) -> bool,
    /// How long after its client was told a request may still land, in nanoseconds; `None`: as long
    /// as [`Profile::late_landing_max_ns`]. Worlds that live for seconds want less than a minute.
    pub late_landing_max_ns: Option<u64>,
}

/// How hard a store is on its clients, beyond what every client must expect. Mild by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Severity {
    /// Which damage the bodies of answers may take.
    pub body_damage: BodyDamage,
    /// Whether the world's own writes are held to the profile's limit.
    pub write_limit: WriteLimit,
}

impl Severity {
    /// Everything: bodies are damaged in any way, and writes are limited.
    pub const FULL: Self = Self { body_damage: BodyDamage::Any, write_limit: WriteLimit::Kept };
}

impl Default for Severity {
    /// Bodies may end early, and writes are not limited.
    fn default() -> Self {
        Self { body_damage: BodyDamage::Length, write_limit: WriteLimit::Ignored }
    }
}

/// Which damage the bodies of answers may take on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyDamage {
    /// They may end early ([`FaultKind::ShortBody`]), and nothing else: as behind a client that
    /// resumes broken bodies and compares checksums.
    Length,
    /// They may break off as well ([`FaultKind::BrokenBody`]): as for any client. Whoever compares
    /// lengths and looks at errors notices all of it.
    Visible,
    /// They may have wrong bits as well ([`FaultKind::BitFlip`]), which only a checksum of one's own
    /// shows.
    Any,
}

/// Whether the world's own writes are held to [`Profile::write_rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteLimit {
    /// No.
    Ignored,
    /// Yes: a name that is written faster answers 429 ([`FaultKind::RateLimited`]).
    Kept,
}

impl Default for Bounds {
    /// Every name may tear, and requests land as late as the profile says.
    fn default() -> Self {
        Self { tears: |_| true, late_landing_max_ns: None }
    }
}

/// A fault that was decided, as a plan names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecidedFault {
    /// The process whose request it hit.
    pub process: ProcessId,
    /// The number of the request within its process, from 0.
    pub request: u32,
    /// The fault.
    pub fault: Fault,
}

/// Everything that clients, device and checkers share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) model: Model,
    setup: Setup,
    bounds: Bounds,
    severity: Severity,
    flights: Vec<flight::Flight>,
    free: Vec<u32>,
    links: Vec<weather::Link>,
    outage: Option<Outage>,
    /// How many requests were sent; each gets the next number.
    sent: u32,
    /// By name: the number of the request to this object that was sent last among those applied.
    newest_applied: Vec<u32>,
    buckets: limit::Buckets,
    behaviour: behaviour::Behaviour,
    device: Option<DeviceId>,
    /// Counts resets, so that a handle from an earlier world touches nothing.
    epoch: u32,
    decided: Option<Vec<DecidedFault>>,
    script: Option<Arc<Script>>,
    made: Option<Vec<Made>>,
    /// Faults are over.
    is_calm: bool,
    page: Page,
}

/// What clients hold.
pub(crate) type Shared = Arc<Mutex<State>>;

/// Locks the state. Only one thread ever runs a world, so nobody waits; a panic in a checker must
/// not hide behind a poisoned lock.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A simulated object store. Clones are handles to the same store.
#[derive(Clone)]
pub struct SimStore {
    shared: Shared,
}

impl SimStore {
    /// A store outside any world; [`SimStore::begin`] puts it into one.
    pub fn new(profile: Arc<Profile>) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                model: Model::new(Arc::clone(&profile)),
                setup: Setup::calm(profile),
                bounds: Bounds::default(),
                severity: Severity::default(),
                flights: Vec::new(),
                free: Vec::new(),
                links: Vec::new(),
                outage: None,
                sent: 0,
                newest_applied: Vec::new(),
                buckets: limit::Buckets::default(),
                behaviour: behaviour::Behaviour::default(),
                device: None,
                epoch: 0,
                decided: None,
                script: None,
                made: None,
                is_calm: false,
                page: Page::default(),
            })),
        }
    }

    /// Makes the store empty, as `setup` says, and a device of the world that runs on this thread.
    /// Memory is kept; handles from an earlier world become useless.
    pub fn begin(&self, setup: Setup) {
        let device = sim::add_device(Rc::new(flight::StoreDevice(Arc::clone(&self.shared))));
        let mut state = lock(&self.shared);
        state.model.reset(Arc::clone(&setup.profile));
        state.setup = setup;
        state.bounds = Bounds::default();
        state.severity = Severity::default();
        state.flights.clear();
        state.free.clear();
        state.links.clear();
        state.outage = None;
        state.sent = 0;
        state.newest_applied.clear();
        state.buckets.clear();
        state.behaviour.clear();
        state.device = Some(device);
        state.epoch = state.epoch.wrapping_add(1);
        state.decided = None;
        state.script = None;
        state.made = None;
        state.is_calm = false;
    }

    /// Sets how far faults may go from now on, until the next [`SimStore::begin`].
    pub fn bound(&self, bounds: Bounds) {
        lock(&self.shared).bounds = bounds;
    }

    /// Sets how hard the store is on its clients from now on, until the next [`SimStore::begin`].
    pub fn set_severity(&self, severity: Severity) {
        lock(&self.shared).severity = severity;
    }

    /// The handle of one process.
    pub fn client(&self, process: ProcessId) -> Client {
        let state = lock(&self.shared);
        let (profile, epoch) = (Arc::clone(&state.setup.profile), state.epoch);
        drop(state);
        Client::new(Arc::clone(&self.shared), process, profile, epoch)
    }

    /// Has every change and every read shown to `observer` while it happens.
    pub fn watch(&self, observer: Box<dyn Observer + Send>) {
        lock(&self.shared).model.watch(observer);
    }

    /// Reads the truth. `f` must not use the store.
    pub fn with_model<R>(&self, f: impl FnOnce(&Model) -> R) -> R {
        f(&lock(&self.shared).model)
    }

    /// Other rates from now on; requests that were sent before keep what was decided for them.
    pub fn set_rates(&self, rates: FaultRates) {
        lock(&self.shared).setup.rates = rates;
    }

    /// Ends all faults that have not been decided yet: rates, plan, partitions and outages. What is
    /// in flight still lands as it was decided. What a profile's store does by itself (replicas that
    /// lag, limits on writes) ends too: see [`FaultRates::calm`].
    pub fn calm(&self) {
        let mut state = lock(&self.shared);
        state.setup.rates = FaultRates::calm();
        state.setup.plan = FaultPlan::default();
        state.outage = None;
        state.is_calm = true;
        for link in &mut state.links {
            link.partitioned_until_ns = 0;
        }
    }

    /// Leaves a kind of fault out from now on; all other faults stay what they are.
    pub fn switch_off(&self, kind: FaultKind) {
        lock(&self.shared).setup.rates.switch_off(kind);
    }

    /// Keeps every fault that is decided from now on, for a plan.
    pub fn record(&self) {
        lock(&self.shared).decided = Some(Vec::new());
    }

    /// The faults since [`SimStore::record`], in the order of their decision.
    pub fn take_recorded(&self) -> Vec<DecidedFault> {
        lock(&self.shared).decided.take().unwrap_or_default()
    }

    /// A hash of what was done to the objects, in the order in which it was done to each of them:
    /// equal for runs that differ only in latencies and in the order of independent requests.
    pub fn behaviour(&self) -> u64 {
        lock(&self.shared).behaviour.print()
    }

    /// Has every request follow `script` from now on, until the next [`SimStore::begin`]; nothing is
    /// drawn for them.
    pub fn follow(&self, script: Arc<Script>) {
        lock(&self.shared).script = Some(script);
    }

    /// `process` has reached this moment, and its requests are counted from 0 again.
    pub fn reach(&self, process: ProcessId, moment: Moment) {
        let mut state = lock(&self.shared);
        let link = state.link(process);
        (link.moment, link.since) = (moment, 0);
    }

    /// Keeps every request from now on with its fate, for a script.
    pub fn record_requests(&self) {
        lock(&self.shared).made = Some(Vec::new());
    }

    /// The requests since [`SimStore::record_requests`], in the order in which they were made.
    pub fn take_requests(&self) -> Vec<Made> {
        lock(&self.shared).made.take().unwrap_or_default()
    }

    /// How many requests this process has sent, or would have sent had it not been cut off.
    pub fn requests_of(&self, process: ProcessId) -> u32 {
        let state = lock(&self.shared);
        let link = state.links.get(usize::from(process.0));
        link.map_or(0, |link| link.requests)
    }

    /// How many requests are on their way to the store, at any process's.
    pub fn in_flight(&self) -> usize {
        let state = lock(&self.shared);
        state.flights.len() - state.free.len()
    }
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared);
        f.debug_struct("SimStore")
            .field("profile", &state.setup.profile.name)
            .field("objects", &state.model.objects().count())
            .finish_non_exhaustive()
    }
}
