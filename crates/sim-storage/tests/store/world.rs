//! A small world for tests: one store, some processes, and what happened.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use object_store::path::Path;
use sim::trace::Keep;
use sim::{Config, Outcome, ProcessId, ProcessName};
use sim_storage::fault::{Fault, FaultPlan};
use sim_storage::model::{Applied, Change, Observer};
use sim_storage::profile::Profile;
use sim_storage::{Client, Setup, Severity, SimStore};

/// Milliseconds in virtual nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// A change of an object, as the observer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) process: u16,
    pub(crate) name: String,
    pub(crate) change: Change,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) at: u64,
}

struct Log(Arc<Mutex<Vec<Seen>>>);

impl Observer for Log {
    fn applied(&mut self, change: &Applied<'_>) {
        self.0.lock().unwrap().push(Seen {
            process: change.origin.process,
            name: change.text.to_owned(),
            change: change.change,
            body: change.after.map(|version| version.body.to_vec()),
            at: change.origin.at,
        });
    }
}

/// What a test body gets: the store, and a handle for each of three processes.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) store: SimStore,
    pub(crate) clients: Vec<Client>,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl World {
    pub(crate) fn client(&self, number: usize) -> Client {
        self.clients[number].clone()
    }

    pub(crate) fn process(&self, number: usize) -> ProcessId {
        self.clients[number].process()
    }

    /// All changes so far.
    pub(crate) fn log(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// Runs `future` as a task of process `number` and waits for it.
    pub(crate) async fn on<T: 'static>(
        &self,
        number: usize,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        sim::spawn_on(self.process(number), future).await.expect("the process lives")
    }
}

/// How often a fault, or anything else that is counted, took effect in the last world.
pub(crate) fn counted(label: &str) -> u32 {
    let mut found = 0;
    sim::each_count(|name, count| {
        if name == label {
            found = count;
        }
    });
    found
}

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

/// The setup of most tests: S3, no faults unless planned, transport timeout one second.
pub(crate) fn s3() -> Setup {
    Setup { timeout_ns: 1_000 * MS, ..Setup::calm(Arc::new(Profile::s3())) }
}

/// The same with faults for single requests of process 1 (index 0 of the clients).
pub(crate) fn s3_with(faults: &[(u32, Fault)]) -> Setup {
    let planned = faults.iter().map(|&(request, fault)| ((ProcessId(1), request), Some(fault)));
    Setup { plan: FaultPlan(planned.collect()), ..s3() }
}

/// Runs `body` in a world and returns what it returns and the fingerprint of the run.
pub(crate) fn run_seed<T, F>(
    seed: u64,
    setup: Setup,
    body: impl FnOnce(World) -> F + 'static,
) -> (T, u64)
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let config = Config { keep: Keep::Ring { capacity: 10_000 }, ..Config::new(seed) };
    let result = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&result);
    let outcome = sim::run(&config, || async move {
        let store = SimStore::new(Arc::clone(&setup.profile));
        store.begin(setup);
        store.set_severity(Severity::FULL);
        let log = Arc::default();
        store.watch(Box::new(Log(Arc::clone(&log))));
        let processes =
            (1..=3).map(|number| sim::add_process(ProcessName { role: "client", number }));
        let clients = processes.map(|process| store.client(process)).collect();
        let value = body(World { store, clients, log }).await;
        slot.borrow_mut().replace(value);
    });
    assert_eq!(outcome, Outcome::Done(()));
    let value = result.borrow_mut().take().expect("the world is done");
    (value, sim::fingerprint())
}

/// [`run_seed`] with some seed, for tests whose answer does not depend on it.
pub(crate) fn run<T, F>(setup: Setup, body: impl FnOnce(World) -> F + 'static) -> T
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    run_seed(7, setup, body).0
}
