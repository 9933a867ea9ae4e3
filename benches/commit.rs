//! What manifest-core costs in requests and in the time of a real store: a simulated S3 with the
//! latencies that were measured on the real one, no faults, virtual time.
//!
//! ```text
//! cargo bench --bench commit                     # some seconds
//! ```
//! Beside it, in the same worlds, stands the design that most systems have ([`pointer`]): a segment
//! and a small HEAD that points to it. All numbers are functions of the seed and the same on every
//! machine; nothing here depends on how fast this one is.
//!
//! *Rounds* are requests one after the other: the same operation in a world in which each request
//! takes exactly one second, and the seconds are counted.

#[path = "commit/pointer.rs"]
mod pointer;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use manifest_core::{BoxFuture, Compaction, Env, Floor, Manifest, Options};
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload, UpdateVersion};
use pointer::Pointer;
use sim::{Outcome, ProcessId, ProcessName, Site};
use sim_storage::latency::{LogNormal, Spikes};
use sim_storage::profile::Profile;
use sim_storage::{Client, Setup, SimStore};

const SEED: u64 = 42;
/// Bytes of a value.
const VALUE: usize = 100;
/// Commits of the measurement of one writer.
const COMMITS: usize = 3_000;
/// Virtual time of a measurement of throughput.
const THROUGHPUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct SimEnv(ProcessId);

impl Env for SimEnv {
    fn now(&self) -> Duration {
        sim::monotonic()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sim::sleep(duration))
    }
    fn random_u64(&self) -> u64 {
        sim::draw(self.0, Site::SYSTEM).word_u64(0)
    }
}

/// A number from the world.
pub(crate) fn random() -> u64 {
    sim::draw(sim::current_process(), Site::SYSTEM).word_u64(0)
}

/// What this many commits write, as the baseline stores it.
pub(crate) fn record(count: usize) -> Bytes {
    let mut bytes = vec![b'.'; count * (VALUE + 64)];
    bytes[..8].copy_from_slice(&random().to_be_bytes());
    bytes.into()
}

/// Runs `director` in a world of its own with a store of this profile.
fn world<T: 'static, F: Future<Output = T> + 'static>(
    profile: &Arc<Profile>,
    director: impl FnOnce(SimStore) -> F,
) -> T {
    let mut config = sim::Config::new(SEED);
    config.limits.steps = u64::MAX;
    let outcome = sim::run(&config, || {
        let store = SimStore::new(Arc::clone(profile));
        store.begin(Setup::calm(Arc::clone(profile)));
        director(store)
    });
    match outcome {
        Outcome::Done(result) => result,
        other => panic!("the world ended early: {}", ended(&other)),
    }
}

fn ended<T>(outcome: &Outcome<T>) -> String {
    match outcome {
        Outcome::Panicked { message, .. } => message.clone(),
        Outcome::Deadlock => "everybody waits".into(),
        _ => "a limit".into(),
    }
}

/// A process with its handle of the store.
#[derive(Clone)]
struct Host {
    process: ProcessId,
    store: SimStore,
    client: Client,
}

impl Host {
    fn new(store: &SimStore, number: u16) -> Self {
        let process = sim::add_process(ProcessName { role: "writer", number });
        Self { process, store: store.clone(), client: store.client(process) }
    }

    /// Runs a task of this process to its end.
    async fn run<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> T {
        sim::spawn_on(self.process, task).await.expect("nothing crashes here")
    }

    fn requests(&self) -> u32 {
        self.store.requests_of(self.process)
    }

    async fn manifest(&self, options: Options) -> Manifest {
        let (store, env) = (Arc::new(self.client.clone()), Arc::new(SimEnv(self.process)));
        Manifest::open_or_create(store, Path::from("m"), env, options).await.expect("a manifest")
    }
}

/// One of the two designs, opened.
#[derive(Clone)]
enum System {
    Ours(Manifest),
    Pointer(Pointer),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Design {
    Ours,
    Pointer,
}

impl Design {
    fn name(self) -> &'static str {
        match self {
            Design::Ours => "manifest-core",
            Design::Pointer => "pointer HEAD",
        }
    }

    async fn open(self, host: &Host, options: Options) -> System {
        match self {
            Design::Ours => System::Ours(host.manifest(options).await),
            Design::Pointer => {
                System::Pointer(Pointer::open(host.client.clone(), options.max_batch).await)
            }
        }
    }
}

impl System {
    /// One blind write of one key. Whether it is committed.
    async fn commit(&self, key: &str) -> bool {
        match self {
            System::Ours(manifest) => {
                let mut transaction = manifest.transaction();
                transaction.put(key.to_owned(), vec![b'.'; VALUE]);
                transaction.commit().await.is_ok()
            }
            System::Pointer(pointer) => {
                pointer.commit().await;
                true
            }
        }
    }

    async fn read(&self) {
        match self {
            System::Ours(manifest) => drop(manifest.read().await.expect("a snapshot")),
            System::Pointer(pointer) => pointer.read().await,
        }
    }
}

/// Seals, folds and collects beside the commits, as a service does.
fn keep_up(host: &Host, system: &System, who: Upkeep) {
    let System::Ours(manifest) = system else { return };
    let (own, other) = (manifest.clone(), manifest.clone());
    sim::spawn_on(host.process, async move {
        loop {
            sim::sleep(Duration::from_millis(200)).await;
            let _ = own.maintain().await;
        }
    });
    if who == Upkeep::SealsAndFolds {
        sim::spawn_on(host.process, async move {
            // It takes as many tries as races are lost.
            let mut compactor = loop {
                if let Ok(compactor) = other.compactor().await {
                    break compactor;
                }
            };
            let mut collector = other.collector();
            loop {
                sim::sleep(Duration::from_secs(10)).await;
                let _ = compactor.checkpoint().await;
                let _ = collector.pass(Floor::ThisPass).await;
            }
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    Seals,
    SealsAndFolds,
}

fn percentile(times: &mut [u64], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100] as f64 / 1e6
}

/// Conditional PUTs of one object, one after the other: the least that a durable commit can cost.
async fn raw_puts(client: Client, name: &'static str, size: usize) -> Vec<u64> {
    let path = Path::from(name);
    let mut mode = PutMode::Create;
    let mut times = Vec::new();
    for _ in 0..=COMMITS {
        let mut body = vec![b'.'; size];
        body[..8].copy_from_slice(&random().to_be_bytes());
        let options = PutOptions { mode, ..PutOptions::default() };
        let began = sim::now_ns();
        let put = client.put_opts(&path, PutPayload::from(body), options).await.expect("a PUT");
        times.push(sim::now_ns() - began);
        mode = PutMode::Update(UpdateVersion::from(put));
    }
    times.remove(0);
    times
}

fn one_writer(profile: &Arc<Profile>) {
    println!(
        "one writer, no races, {COMMITS} commits (ms)             p50      p99  requests a commit"
    );
    let (mut small, mut large, size, ours, pointer) = world(profile, |store| async move {
        let host = Host::new(&store, 1);
        let (ours, sizes) = host.run(commits(host.clone(), Design::Ours)).await;
        let size = sizes / COMMITS;
        let rival = Host::new(&store, 2);
        let (pointer, _) = rival.run(commits(rival.clone(), Design::Pointer)).await;
        let raw = Host::new(&store, 3);
        let small = raw.run(raw_puts(raw.client.clone(), "raw/small", 1024)).await;
        let large = raw.run(raw_puts(raw.client.clone(), "raw/large", size)).await;
        (small, large, size, ours, pointer)
    });
    let least = percentile(&mut small, 50);
    let line = |name: &str, times: &mut [u64], requests: f64| {
        let (p50, p99) = (percentile(times, 50), percentile(times, 99));
        println!(
            "  {name:46} {p50:8.2} {p99:8.2}  {requests:8.2}   {:+6.1} %",
            (p50 / least - 1.0) * 100.0
        );
    };
    line("a conditional PUT of 1 KiB", &mut small, 1.0);
    line(&format!("a conditional PUT of {size} bytes, the mean head"), &mut large, 1.0);
    for (design, (mut times, requests)) in [(Design::Ours, ours), (Design::Pointer, pointer)] {
        line(design.name(), &mut times, f64::from(requests) / COMMITS as f64);
    }
}

/// Times and requests of commits one after the other; and the sum of the sizes of the heads.
async fn commits(host: Host, design: Design) -> ((Vec<u64>, u32), usize) {
    let system = design.open(&host, Options::default()).await;
    keep_up(&host, &system, Upkeep::SealsAndFolds);
    let before = host.requests();
    let (mut times, mut sizes) = (Vec::new(), 0);
    for number in 0..COMMITS {
        let began = sim::now_ns();
        assert!(system.commit(&format!("key {:04}", number % 1000)).await);
        times.push(sim::now_ns() - began);
        if let System::Ours(manifest) = &system {
            sizes += manifest.head_info().head_bytes;
        }
    }
    ((times, host.requests() - before), sizes)
}

/// What many writers got done.
struct Throughput {
    per_second: f64,
    p50: f64,
    p99: f64,
    requests: f64,
    /// Commits that ended as unavailable, because their process lost races until the deadline.
    refused: u32,
    /// Commits of the process that got least, in a hundred of an equal share.
    least_share: f64,
}

/// Measures `processes` with `writers` tasks each.
fn throughput(
    profile: &Arc<Profile>,
    design: Design,
    (processes, writers): (u16, u16),
    max_batch: usize,
) -> Throughput {
    world(profile, move |store| async move {
        let times = Rc::new(RefCell::new(Vec::new()));
        let shares = Rc::new(RefCell::new(vec![0_u32; usize::from(processes)]));
        let refused = Rc::new(Cell::new(0_u32));
        let hosts: Vec<Host> = (0..processes).map(|number| Host::new(&store, number)).collect();
        for (number, host) in hosts.iter().enumerate() {
            let options = Options { max_batch, ..Options::default() };
            let open = host.clone();
            let system = host.run(async move { design.open(&open, options).await }).await;
            let who = if number == 0 { Upkeep::SealsAndFolds } else { Upkeep::Seals };
            keep_up(host, &system, who);
            for writer in 0..writers {
                let (system, times, refused) = (system.clone(), times.clone(), refused.clone());
                let shares = shares.clone();
                sim::spawn_on(host.process, async move {
                    for commit in 0.. {
                        let key = format!("{number:02}/{writer:02}/{}", commit % 50);
                        let began = sim::now_ns();
                        if system.commit(&key).await {
                            times.borrow_mut().push(sim::now_ns() - began);
                            shares.borrow_mut()[number] += 1;
                        } else {
                            refused.set(refused.get() + 1);
                        }
                    }
                });
            }
        }
        let count = || hosts.iter().map(Host::requests).sum::<u32>();
        let before = count();
        times.borrow_mut().clear();
        shares.borrow_mut().fill(0);
        sim::sleep(THROUGHPUT).await;
        let mut times = times.borrow_mut();
        let (commits, least) = (times.len() as f64, shares.borrow().iter().min().copied());
        Throughput {
            per_second: commits / THROUGHPUT.as_secs_f64(),
            p50: percentile(&mut times, 50),
            p99: percentile(&mut times, 99),
            requests: f64::from(count() - before) / commits,
            refused: refused.get(),
            least_share: f64::from(least.unwrap_or(0) * u32::from(processes)) * 100.0 / commits,
        }
    })
}

fn throughputs(profile: &Arc<Profile>) {
    println!(
        "\n{THROUGHPUT:?} of blind writes: p50 and p99 in ms, requests a commit, refused commits,"
    );
    println!("the commits of the process that got least in a hundred of an equal share");
    println!("  {:28} {:>46}   {:>46}", "", Design::Ours.name(), Design::Pointer.name());
    let columns = "commits/s    p50    p99   req. refused least";
    println!("  {:28} {columns:>46}   {columns:>46}", "");
    let line = |label: String, shape: (u16, u16), max_batch: usize| {
        print!("  {label:28}");
        for design in [Design::Ours, Design::Pointer] {
            let Throughput { per_second, p50, p99, requests, refused, least_share } =
                throughput(profile, design, shape, max_batch);
            print!(
                "  {per_second:11.1} {p50:6.0} {p99:6.0} {requests:6.2} {refused:7} {least_share:5.0}"
            );
        }
        println!();
    };
    let group = Options::default().max_batch;
    for writers in [1, 4, 16] {
        line(format!("1 process, {writers} writers"), (1, writers), group);
        line("   max_batch: 1".to_owned(), (1, writers), 1);
    }
    for processes in [4, 16] {
        line(format!("{processes} processes, 1 writer each"), (processes, 1), group);
        line(format!("{processes} processes, 16 writers each"), (processes, 16), group);
        line("   max_batch: 1".to_owned(), (processes, 16), 1);
    }
}

/// Everything takes one second, whatever its size.
fn second_by_second() -> Arc<Profile> {
    let mut profile = Profile::s3();
    let second =
        LogNormal { median_us: 1_000_000, sigma_milli: 0, floor_us: 1_000_000, per_mib_us: 0 };
    let times = &mut profile.latencies;
    for time in [&mut times.get, &mut times.put, &mut times.conditional_put, &mut times.list] {
        *time = second;
    }
    times.spikes = Spikes { per_million: 0, min_us: 0, max_us: 0 };
    Arc::new(profile)
}

/// How a manifest looks before somebody opens it.
#[derive(Clone, Copy)]
enum Shape {
    Fresh,
    Segments,
    CheckpointAndSegments,
}

/// Brings a system to a shape, and counts what its opening by another process takes: requests, and
/// the virtual times of a number of them.
fn cold_opens(profile: &Arc<Profile>, design: Design, shape: Shape, opens: u16) -> (u32, Vec<u64>) {
    world(profile, move |store| async move {
        let host = Host::new(&store, 0);
        let maker = host.clone();
        host.run(async move {
            // Segments need not be full for this.
            let options = Options { tail_limit_bytes: 2048, ..Options::default() };
            let system = design.open(&maker, options).await;
            match shape {
                Shape::Fresh => drop(system.commit("key").await),
                Shape::Segments => fill(&system).await,
                Shape::CheckpointAndSegments => {
                    fill(&system).await;
                    if let System::Ours(manifest) = &system {
                        let mut compactor = manifest.compactor().await.expect("the role");
                        let done = compactor.checkpoint().await.expect("a checkpoint");
                        assert!(matches!(done, Compaction::Checkpointed { .. }));
                        fill(&system).await;
                    }
                }
            }
        })
        .await;
        let (mut requests, mut times) = (0, Vec::new());
        for number in 1..=opens {
            let host = Host::new(&store, number);
            let opener = host.clone();
            let began = sim::now_ns();
            host.run(async move { drop(design.open(&opener, Options::default()).await) }).await;
            times.push(sim::now_ns() - began);
            requests = host.requests();
        }
        (requests, times)
    })
}

/// 16 segments.
async fn fill(system: &System) {
    for number in 0.. {
        assert!(system.commit(&format!("key {:04}", number % 100)).await);
        match system {
            System::Ours(manifest) => {
                if manifest.head_info().segments == 16 {
                    return;
                }
                manifest.maintain().await.expect("a seal");
            }
            System::Pointer(_) if number == 15 => return,
            System::Pointer(_) => {}
        }
    }
}

/// What a strong read by a second process costs, after a commit of the first one or after none:
/// requests, and times.
fn strong_reads(
    profile: &Arc<Profile>,
    design: Design,
    commits: usize,
    reads: usize,
) -> (u32, Vec<u64>) {
    world(profile, move |store| async move {
        let (writer, reader) = (Host::new(&store, 0), Host::new(&store, 1));
        let (one, two) = (writer.clone(), reader.clone());
        let options = Options::default;
        let source = writer.run(async move { design.open(&one, options()).await }).await;
        let sink = reader.run(async move { design.open(&two, options()).await }).await;
        let (mut requests, mut times) = (0, Vec::new());
        for _ in 0..reads {
            for _ in 0..commits {
                let source = source.clone();
                writer.run(async move { source.commit("key").await }).await;
            }
            let (before, began, sink) = (reader.requests(), sim::now_ns(), sink.clone());
            reader.run(async move { sink.read().await }).await;
            times.push(sim::now_ns() - began);
            requests = reader.requests() - before;
        }
        (requests, times)
    })
}

fn reads(profile: &Arc<Profile>) {
    println!(
        "\nopening and reading                 {:>30} {:>30}",
        "manifest-core", "pointer HEAD"
    );
    println!("  {:34}requests rounds p50 ms p99 ms  requests rounds p50 ms p99 ms", "");
    let seconds = second_by_second();
    type Measured = (u32, Vec<u64>);
    let line = |label: &str, measure: &dyn Fn(&Arc<Profile>, Design, u16) -> Measured| {
        print!("  {label:32}");
        for design in [Design::Ours, Design::Pointer] {
            let (requests, mut times) = measure(profile, design, 500);
            let rounds = measure(&seconds, design, 1).1[0] / 1_000_000_000;
            let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
            print!("  {requests:8} {rounds:6} {p50:6.0} {p99:6.0}");
        }
        println!();
    };
    line("open, one commit", &|p, d, n| cold_opens(p, d, Shape::Fresh, n));
    line("open, 16 segments", &|p, d, n| cold_opens(p, d, Shape::Segments, n));
    line("open, checkpoint + 16 segments", &|p, d, n| {
        cold_opens(p, d, Shape::CheckpointAndSegments, n)
    });
    line("strong read, unchanged", &|p, d, n| strong_reads(p, d, 0, n.into()));
    line("strong read, one commit behind", &|p, d, n| strong_reads(p, d, 1, n.into()));
}

fn main() {
    let s3 = Arc::new(Profile::s3());
    one_writer(&s3);
    throughputs(&s3);
    reads(&s3);
}
