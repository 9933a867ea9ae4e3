//! What a simulated request costs, of CPU time, on one core.
//!
//! `cargo bench -p sim-storage --bench requests`. Each line runs worlds until about half a second
//! has passed and prints the best of five rounds, in nanoseconds of CPU time for each request (on
//! Linux; elsewhere of wall time, which other work on the machine makes longer).

// The only place that looks at a wall clock: it measures, it decides nothing.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use sim::{Config, ProcessName};
use sim_storage::fault::{FaultKind, FaultRates};
use sim_storage::model::{Attributes, Model, Origin, ReadRequest, WriteCondition};
use sim_storage::profile::Profile;
use sim_storage::{Client, Setup, SimStore};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REQUESTS: u32 = 300;

fn main() {
    let body = Bytes::from(vec![7; 1024]);
    report("model: conditional put, 1 KiB, content tag", model_puts(Profile::s3(), &body));
    report("model: conditional put, 1 KiB, unique tag", model_puts(Profile::azure(), &body));
    report("model: get", model_gets(&body));
    for (name, profile) in [("s3", Profile::s3()), ("azure", Profile::azure())] {
        let profile = Arc::new(profile);
        let calm = Setup::calm(Arc::clone(&profile));
        let rates = FaultRates::none()
            .with(FaultKind::ReplyLost, 20_000)
            .with(FaultKind::RequestLost, 20_000)
            .with(FaultKind::SlowDown, 20_000)
            .with(FaultKind::LateApply, 10_000);
        let faulty = Setup { rates, ..calm.clone() };
        report(&format!("{name}: get"), world(&calm, 1, Work::Gets));
        report(&format!("{name}: get if-none-match, 304"), world(&calm, 1, Work::NotModified));
        report(&format!("{name}: put 1 KiB"), world(&calm, 1, Work::Puts));
        report(&format!("{name}: put if-match 1 KiB"), world(&calm, 1, Work::Updates));
        report(&format!("{name}: 5 processes, get and put if-match"), world(&calm, 5, Work::Mixed));
        report(&format!("{name}: the same with faults"), world(&faulty, 5, Work::Mixed));
        report(&format!("{name}: list of 20 names"), world(&calm, 1, Work::Lists));
    }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Gets,
    NotModified,
    Puts,
    Updates,
    Mixed,
    Lists,
}

fn report(what: &str, mut round: impl FnMut() -> u64) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let (start, start_ns, mut requests) = (Instant::now(), cpu_ns(), 0);
        while start.elapsed().as_millis() < 100 {
            requests += round();
        }
        let used_ns = match (start_ns, cpu_ns()) {
            (Some(before), Some(after)) => (after - before) as f64,
            _ => start.elapsed().as_nanos() as f64,
        };
        best = best.min(used_ns / requests as f64);
    }
    println!("{what:<48} {best:>7.1} ns");
}

/// CPU time of this process so far.
fn cpu_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn origin(at: u64) -> Origin {
    Origin { request: at, process: 1, at, clock: at }
}

fn model_puts(profile: Profile, body: &Bytes) -> impl FnMut() -> u64 {
    let mut model = Model::new(Arc::new(profile));
    let body = body.clone();
    let mut condition = WriteCondition::None;
    move || {
        for at in 0..10_000 {
            let name = model.name("prefix/head");
            let put = model.put(origin(at), name, body.clone(), Attributes::default(), &condition);
            condition = WriteCondition::Tag(put.expect("the condition holds").tag);
        }
        10_000
    }
}

fn model_gets(body: &Bytes) -> impl FnMut() -> u64 {
    let mut model = Model::new(Arc::new(Profile::s3()));
    let name = model.name("prefix/head");
    let put =
        model.put(origin(0), name, body.clone(), Attributes::default(), &WriteCondition::None);
    put.expect("no condition");
    move || {
        for at in 0..10_000 {
            let name = model.name("prefix/head");
            model.read(origin(at), name, &ReadRequest::default()).expect("it is there");
        }
        10_000
    }
}

fn world(setup: &Setup, processes: u16, work: Work) -> impl FnMut() -> u64 {
    let store = SimStore::new(Arc::clone(&setup.profile));
    let (setup, mut seed) = (setup.clone(), 0);
    move || {
        seed += 1;
        let (store, setup) = (store.clone(), setup.clone());
        sim::run(&Config::new(seed), || async move {
            store.begin(setup);
            let mut tasks = Vec::new();
            for number in 1..=processes {
                let process = sim::add_process(ProcessName { role: "client", number });
                let client = store.client(process);
                let share = REQUESTS / u32::from(processes);
                tasks.push(sim::spawn_on(process, run(client, work, share)));
            }
            for task in tasks {
                task.await.expect("nobody crashes");
            }
        });
        u64::from(REQUESTS)
    }
}

fn run(client: Client, work: Work, requests: u32) -> Pin<Box<dyn Future<Output = ()>>> {
    let head = Path::from("prefix/head");
    let body = PutPayload::from(vec![7; 1024]);
    Box::pin(async move {
        let mut put = client.put(&head, body.clone()).await;
        if matches!(work, Work::Lists) {
            for n in 0..20 {
                let _ = client.put(&Path::from(format!("prefix/{n}")), body.clone()).await;
            }
        }
        for n in 0..requests {
            match work {
                Work::Gets => drop(client.get(&head).await),
                Work::NotModified => {
                    let tag = put.as_ref().ok().and_then(|put| put.e_tag.clone());
                    let options = GetOptions::new().with_if_none_match(tag);
                    drop(client.get_opts(&head, options).await);
                }
                Work::Puts => drop(client.put(&head, body.clone()).await),
                Work::Mixed if n % 2 == 0 => drop(client.get(&head).await),
                Work::Updates | Work::Mixed => {
                    let Ok(last) = &put else { continue };
                    let version: UpdateVersion = last.clone().into();
                    let options = PutOptions::from(PutMode::Update(version));
                    let again = client.put_opts(&head, body.clone(), options).await;
                    if again.is_ok() {
                        put = again;
                    }
                }
                Work::Lists => {
                    use futures_util::TryStreamExt;
                    let listed: Result<Vec<_>, _> =
                        client.list(Some(&Path::from("prefix"))).try_collect().await;
                    drop(listed);
                }
            }
        }
    })
}
