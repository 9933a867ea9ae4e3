//! How fast worlds run on one core, and where the time goes.
//!
//! ```text
//! cargo bench --bench worlds                     # about half a minute
//! cargo bench --bench worlds -- --quick
//! ```
//! Times are CPU time of this thread, all checks on, one worker. The share of each part is measured
//! by building it up: the same worlds with an operation that only waits (engine and driver), then
//! with one that makes one raw request (plus the store), then with the real protocol unjudged
//! (plus the protocol), then judged (plus the checks). That is in the order of time; what worlds of
//! the other search strategies cost is told after it. The first two systems make as many operations
//! but fewer requests than the protocol does, so they are scaled by requests. The last table grows
//! one world up to 100,000 operations: the cost of an operation must not grow with it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sim::trace::Keep;
use vopr::checkers::{Ending, Judge};
use vopr::strategy::Strategy;
use vopr::swarm::{Judging, SwarmOptions};
use vopr::system::{
    Auditor, Executing, Guarantees, OpenContext, Opening, Recorder, Session, SystemUnderTest,
};
use vopr::systems::ManifestSystem;
use vopr::workload::{OpKind, Operation};
use vopr::world::{Arena, run_seed};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A system without a protocol: what an operation costs below it.
#[derive(Clone, Copy, Debug)]
enum Bare {
    /// An operation waits as long as a request takes.
    Waits,
    /// An operation makes one request.
    Requests,
}

struct BareSession(Bare, Arc<dyn ObjectStore>, Duration);

impl Session for BareSession {
    fn execute<'a>(&'a self, operation: &'a Operation, _: &'a Recorder) -> Executing<'a> {
        Box::pin(async move {
            match self.0 {
                Bare::Waits => sim::sleep(self.2).await,
                Bare::Requests if operation.writes.is_empty() => {
                    let _ = self.1.get(&Path::from("m/head")).await;
                }
                Bare::Requests => {
                    let _ = self.1.put(&Path::from("m/head"), vec![7; 1024].into()).await;
                }
            }
            Ending::Ok { commit: None }
        })
    }
}

#[derive(Debug)]
struct NoAuditor;

impl Auditor for NoAuditor {
    fn applied(&mut self, _: &sim_storage::model::Applied<'_>, _: &mut Judge) {}
}

impl SystemUnderTest for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
    }
    fn operations(&self) -> &'static [OpKind] {
        &OpKind::ALL
    }
    fn open(&self, context: OpenContext) -> Opening {
        let session = BareSession(*self, context.store, context.tuning.typical_request);
        Box::pin(std::future::ready(Ok(Rc::new(session) as Rc<dyn Session>)))
    }
    fn auditor(&self) -> Box<dyn Auditor> {
        Box::new(NoAuditor)
    }
}

/// What a batch of seeds cost.
struct Cost {
    seeds: u64,
    seconds: f64,
    requests: u64,
    operations: u64,
    events: u64,
}

fn measure(system: &Arc<dyn SystemUnderTest>, swarm: &SwarmOptions, seeds: u64) -> Cost {
    let arena = Arena::new();
    let mut cost = Cost { seeds, seconds: 0.0, requests: 0, operations: 0, events: 0 };
    let began = ThreadTime::now();
    for seed in 1..=seeds {
        let report = run_seed(&arena, &seed.into(), system, swarm, Keep::Hash);
        cost.requests += report.requests;
        cost.operations += report.operations;
        cost.events += report.events;
    }
    cost.seconds = began.elapsed().as_secs_f64();
    cost
}

/// The cheapest of several rounds: other programs only ever add.
fn best(system: &Arc<dyn SystemUnderTest>, swarm: &SwarmOptions, seeds: u64, rounds: u32) -> Cost {
    let rounds = (0..rounds).map(|_| measure(system, swarm, seeds));
    rounds.min_by(|a, b| a.seconds.total_cmp(&b.seconds)).expect("at least one round")
}

fn main() {
    vopr::cli::listen_to_steps();
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (seeds, rounds) = if quick { (500, 2) } else { (3_000, 5) };
    let manifest: Arc<dyn SystemUnderTest> = Arc::new(ManifestSystem::sound());
    let waits: Arc<dyn SystemUnderTest> = Arc::new(Bare::Waits);
    let requests: Arc<dyn SystemUnderTest> = Arc::new(Bare::Requests);
    let judged = SwarmOptions { strategy: Some(Strategy::Timed), ..SwarmOptions::default() };
    let unjudged = SwarmOptions { judging: Judging::Off, ..judged.clone() };

    let whole = best(&manifest, &judged, seeds, rounds);
    let protocol = best(&manifest, &unjudged, seeds, rounds);
    let store = best(&requests, &unjudged, seeds, rounds);
    let engine = best(&waits, &unjudged, seeds, rounds);
    let per_seed = |cost: &Cost| cost.seconds * 1e6 / cost.seeds as f64;
    println!(
        "whole worlds   {:.0} seeds/s of CPU   {:.0} us a seed   {:.0} requests, {:.0} operations, {:.0} events a seed   {:.2} us a request",
        whole.seeds as f64 / whole.seconds,
        per_seed(&whole),
        whole.requests as f64 / whole.seeds as f64,
        whole.operations as f64 / whole.seeds as f64,
        whole.events as f64 / whole.seeds as f64,
        whole.seconds * 1e6 / whole.requests as f64,
    );
    // An operation of the bare store is one request; the protocol makes more for each operation.
    let store_share =
        (store.seconds - engine.seconds) / store.requests as f64 * whole.requests as f64;
    let parts = [
        ("engine and driver", engine.seconds),
        ("store", store_share),
        ("protocol", protocol.seconds - engine.seconds - store_share),
        ("checks", whole.seconds - protocol.seconds),
    ];
    for (name, seconds) in parts {
        println!("  {name:18} {:5.1} %", seconds * 100.0 / whole.seconds);
    }

    println!("whole worlds by strategy");
    for strategy in Strategy::ALL {
        let swarm = SwarmOptions { strategy: Some(strategy), ..SwarmOptions::default() };
        let cost = best(&manifest, &swarm, seeds, rounds);
        println!(
            "  {:6} {:.0} us a seed   {:.0} requests a seed   {:.2} us a request",
            strategy.name(),
            per_seed(&cost),
            cost.requests as f64 / cost.seeds as f64,
            cost.seconds * 1e6 / cost.requests as f64,
        );
    }

    println!("cost of one world by its operations (no faults)");
    let sizes: &[u32] = if quick { &[1_000, 10_000] } else { &[1_000, 10_000, 100_000] };
    for &operations in sizes {
        let swarm = SwarmOptions {
            operations: Some(operations),
            faults: vopr::swarm::Faults::Off,
            ..judged.clone()
        };
        let cost = best(&manifest, &swarm, 8, 2);
        println!(
            "  {operations:7} operations   {:.2} us an operation   {:.2} us a request",
            cost.seconds * 1e6 / cost.operations as f64,
            cost.seconds * 1e6 / cost.requests as f64
        );
    }
}
