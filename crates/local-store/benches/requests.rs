//! What a request costs: create, update and read of 4 KiB, with each durability, in one process and
//! in four processes on one key; beside `LocalFileSystem`, and beside the bare system calls.
//!
//! `cargo bench -p local-store --bench requests [-- DIRECTORY]`
//!
//! The store is made in DIRECTORY (the temporary directory if none is given) and removed again; in a
//! directory that is in memory (`/dev/shm`) what is left is the work without the disk. What waits for
//! the disk depends on the disk above all: read it in ratios to the bare system calls. All requests
//! take turns, so that what disturbs one disturbs all, and each shows its best turn.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use local_store::{Durability, LocalStore, Options};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};

const SIZE: usize = 4 << 10;
/// One turn of one request.
const TIME: Duration = Duration::from_millis(300);
const TURNS: usize = 6;
const PROCESSES: usize = 4;
/// Directory, durability and request of a child.
const CHILD: &str = "LOCAL_STORE_BENCH_CHILD";

type Store = Arc<dyn ObjectStore>;

/// Outside of a runtime all of these stores work in place.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("done in one poll")
}

fn open(root: &FilePath, durability: Durability) -> Store {
    let options = Options { durability, ..Options::default() };
    Arc::new(LocalStore::open(root, options).expect("the store opens"))
}

fn body() -> Vec<u8> {
    vec![7; SIZE]
}

fn create(store: &Store, name: &str) {
    let (to, body) = (Path::from(name), body().into());
    now(store.put_opts(&to, body, PutMode::Create.into())).expect("it is new");
}

/// Replaces the version that was read last; on a lost race, reads again. Whether it won.
fn update(store: &Store, version: &mut UpdateVersion) -> bool {
    let to = Path::from("d/one");
    let mode = PutMode::Update(version.clone());
    match now(store.put_opts(&to, body().into(), mode.into())) {
        Ok(put) => *version = put.into(),
        Err(Error::Precondition { .. }) => {
            *version = current(store);
            return false;
        }
        Err(error) => panic!("{error}"),
    }
    true
}

fn current(store: &Store) -> UpdateVersion {
    let e_tag = now(store.head(&Path::from("d/one"))).expect("it is there").e_tag;
    UpdateVersion { e_tag, version: None }
}

fn get(store: &Store) {
    let body = now(async { store.get(&Path::from("d/one")).await?.bytes().await });
    assert_eq!(body.expect("it is there").len(), SIZE);
}

/// Something to be done over and over; it is given a number that never recurs.
struct Measure {
    what: &'static str,
    once: Box<dyn FnMut(usize)>,
    done: usize,
    /// Median and 99th percentile of the best turn.
    best: Option<(Duration, Duration)>,
}

impl Measure {
    fn new(what: &'static str, once: impl FnMut(usize) + 'static) -> Self {
        Self { what, once: Box::new(once), done: 0, best: None }
    }

    fn turn(&mut self) {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < TIME {
            let begin = Instant::now();
            (self.once)(self.done);
            times.push(begin.elapsed());
            self.done += 1;
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        let turn = (at(50), at(99));
        self.best = Some(self.best.map_or(turn, |best| best.min(turn)));
    }
}

/// The least that a replacement costs: write and flush a file, rename it, flush the directory.
fn bare(root: &FilePath, durability: Durability) -> [Measure; 2] {
    let directory = root.join("bare");
    fs::create_dir(&directory).expect("a directory");
    let handle = File::open(&directory).expect("it is there");
    let (staged, name) = (directory.join("staged"), directory.join("name"));
    let read = name.clone();
    let write = move |_| {
        let mut file = File::create(&staged).expect("a file");
        file.write_all(&body()).expect("there is room");
        if durability == Durability::PowerLoss {
            file.sync_all().expect("it can be flushed");
        }
        fs::rename(&staged, &name).expect("it can be renamed");
        if durability == Durability::PowerLoss {
            handle.sync_all().expect("it can be flushed");
        }
    };
    let read = move |_| assert_eq!(fs::read(&read).expect("it is there").len(), SIZE);
    [
        Measure::new("bare system calls: write, rename", write),
        Measure::new("bare system calls: open, read", read),
    ]
}

fn local_store(root: &FilePath, durability: Durability) -> [Measure; 3] {
    let store = open(&root.join("local"), durability);
    create(&store, "d/one");
    let mut version = current(&store);
    let (creating, updating) = (Arc::clone(&store), Arc::clone(&store));
    [
        Measure::new("create", move |n| create(&creating, &format!("d/{n}"))),
        Measure::new("update", move |_| assert!(update(&updating, &mut version), "no race")),
        Measure::new("get", move |_| get(&store)),
    ]
}

fn file_system(root: &FilePath, durability: Durability) -> [Measure; 3] {
    fs::create_dir(root.join("file-system")).expect("a directory");
    let store = LocalFileSystem::new_with_prefix(root.join("file-system")).expect("a store");
    let store: Store = Arc::new(store.with_fsync(durability == Durability::PowerLoss));
    create(&store, "d/one");
    let (creating, writing) = (Arc::clone(&store), Arc::clone(&store));
    let overwrite = move |_| {
        let (to, body) = (Path::from("d/one"), body().into());
        now(writing.put(&to, body)).expect("it is written");
    };
    [
        Measure::new("LocalFileSystem: create", move |n| create(&creating, &format!("d/{n}"))),
        Measure::new("LocalFileSystem: overwrite", overwrite),
        Measure::new("LocalFileSystem: get", move |_| get(&store)),
    ]
}

fn one_process(root: &FilePath, durability: Durability) {
    let mut all = Vec::from(bare(root, durability));
    all.extend(local_store(root, durability));
    all.extend(file_system(root, durability));
    for _ in 0..TURNS {
        all.iter_mut().for_each(Measure::turn);
    }
    println!("\n{durability:?}, one process{:>24}median{:>13}p99", "", "");
    for measure in all {
        let (median, tail) = measure.best.expect("there were turns");
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        let (median, tail) = (microseconds(median), microseconds(tail));
        println!("  {:<34}{median:>10.1} us{tail:>10.1} us", measure.what);
    }
}

fn several_processes(root: &FilePath, durability: Durability) {
    println!("\n{durability:?}, {PROCESSES} processes at once");
    let root = root.join("shared");
    let store = open(&root, durability);
    create(&store, "d/one");
    let requests = ["create", "update", "get"];
    let mut best = [(0, 0); 3];
    for _ in 0..TURNS {
        for (request, best) in requests.iter().zip(&mut best) {
            *best = together(&root, durability, request).max(*best);
        }
    }
    for (request, (won, lost)) in requests.iter().zip(best) {
        let what = match *request {
            "create" => "create, keys of one prefix".into(),
            request => format!("{request}, one key"),
        };
        let rate = |count: u64| count as f64 / TIME.as_secs_f64();
        println!("  {what:<34}{:>10.0}/s done{:>9.0}/s refused", rate(won), rate(lost));
    }
}

/// Lets several processes make one kind of request; how many were done, and how many refused.
fn together(root: &FilePath, durability: Durability, request: &str) -> (u64, u64) {
    let child = |_| {
        Command::new(std::env::current_exe().expect("this binary"))
            .env(CHILD, format!("{}|{durability:?}|{request}", root.display()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child")
    };
    let children: Vec<_> = (0..PROCESSES).map(child).collect();
    let (mut won, mut lost) = (0, 0);
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "a child failed");
        let text = String::from_utf8(output.stdout).expect("text");
        let (its_won, its_lost) = text.trim().split_once(' ').expect("two numbers");
        won += its_won.parse::<u64>().expect("a number");
        lost += its_lost.parse::<u64>().expect("a number");
    }
    (won, lost)
}

fn child(task: &str) {
    let mut parts = task.split('|');
    let mut next = || parts.next().expect("three parts");
    let (root, durability, request) = (PathBuf::from(next()), next(), next());
    let durability = match durability {
        "PowerLoss" => Durability::PowerLoss,
        _ => Durability::ProcessCrash,
    };
    let store = open(&root, durability);
    let mut version = current(&store);
    let (mut won, mut lost) = (0_u64, 0_u64);
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        let did = match request {
            "create" => {
                create(&store, &format!("d/{}-{won}", std::process::id()));
                true
            }
            "update" => update(&store, &mut version),
            _ => {
                get(&store);
                true
            }
        };
        won += u64::from(did);
        lost += u64::from(!did);
    }
    println!("{won} {lost}");
}

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        return child(&task);
    }
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let directory = match given {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a directory");
    for durability in [Durability::ProcessCrash, Durability::PowerLoss] {
        let root = directory.path().join(format!("{durability:?}"));
        fs::create_dir(&root).expect("a directory");
        one_process(&root, durability);
        several_processes(&root, durability);
    }
}
