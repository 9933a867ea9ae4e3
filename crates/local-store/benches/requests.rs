//! What a request costs: create, update and read of 4 KiB, with each durability, in one process and
//! in four processes on one key; beside `LocalFileSystem`, and beside the bare system calls.
//!
//! `cargo bench -p local-store --bench requests [-- DIRECTORY]`
//!
//! The store is made in DIRECTORY (the temporary directory if none is given) and removed again. What
//! waits for the disk depends on the disk above all: read it in ratios to the bare system calls.
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
const TIME: Duration = Duration::from_millis(1500);
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

/// Does something over and over, and prints the median, the 99th percentile and the rate.
fn measure(what: &str, mut once: impl FnMut(usize)) {
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < TIME {
        let begin = Instant::now();
        once(times.len());
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    let rate = times.len() as f64 / TIME.as_secs_f64();
    println!("  {what:<44}{:>10.1} us{:>10.1} us{rate:>10.0}/s", at(50), at(99));
}

/// The least that a durable replacement costs: write and flush a file, rename it, flush the directory.
fn bare(root: &FilePath, durability: Durability) {
    let directory = root.join("bare");
    fs::create_dir(&directory).expect("a directory");
    let handle = File::open(&directory).expect("it is there");
    let (staged, name) = (directory.join("staged"), directory.join("name"));
    measure("bare system calls: write, rename", |_| {
        let mut file = File::create(&staged).expect("a file");
        file.write_all(&body()).expect("there is room");
        if durability == Durability::PowerLoss {
            file.sync_all().expect("it can be flushed");
        }
        fs::rename(&staged, &name).expect("it can be renamed");
        if durability == Durability::PowerLoss {
            handle.sync_all().expect("it can be flushed");
        }
    });
    measure("bare system calls: open, read", |_| {
        assert_eq!(fs::read(&name).expect("it is there").len(), SIZE);
    });
}

fn one_process(root: &FilePath, durability: Durability) {
    println!("\n{durability:?}, one process{:>35}median{:>13}p99", "", "");
    bare(root, durability);
    let store = open(&root.join("local"), durability);
    measure("create", |n| create(&store, &format!("d/{n}")));
    create(&store, "d/one");
    let mut version = current(&store);
    measure("update", |_| assert!(update(&store, &mut version), "nobody races"));
    measure("get", |_| get(&store));
    fs::create_dir(root.join("file-system")).expect("a directory");
    let store = LocalFileSystem::new_with_prefix(root.join("file-system")).expect("a store");
    let store: Store = Arc::new(store.with_fsync(durability == Durability::PowerLoss));
    measure("LocalFileSystem: create", |n| create(&store, &format!("d/{n}")));
    create(&store, "d/one");
    measure("LocalFileSystem: overwrite", |_| {
        drop(now(store.put(&Path::from("d/one"), body().into())).expect("it is written"));
    });
    measure("LocalFileSystem: get", |_| get(&store));
}

fn several_processes(root: &FilePath, durability: Durability) {
    println!("\n{durability:?}, {PROCESSES} processes at once");
    let root = root.join("shared");
    let store = open(&root, durability);
    create(&store, "d/one");
    for request in ["create", "update", "get"] {
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
        let where_ = if request == "create" { "keys of one prefix" } else { "one key" };
        let rate = |count: u64| count as f64 / TIME.as_secs_f64();
        let what = format!("{request}, {where_}");
        println!("  {what:<44}{:>10.0}/s won{:>10.0}/s refused", rate(won), rate(lost));
    }
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
