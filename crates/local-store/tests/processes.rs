//! Several processes on one store, some of them killed at any moment.
//!
//! The children are this test binary, started again with one test alone.
// Real processes are killed in real time.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_util::{FutureExt, TryStreamExt};
use local_store::{Durability, LocalStore, Options};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};

const CHILDREN: usize = 4;
const KILLS: usize = 40;
const ROOT: &str = "LOCAL_STORE_TEST_ROOT";
const DURABILITY: &str = "LOCAL_STORE_TEST_DURABILITY";
const COUNTER: &str = "d/counter";

/// Requests are done in place, within one poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a request in place is done in one poll")
}

fn open(root: &FilePath, durability: Durability) -> LocalStore {
    let options = Options { durability, ..Options::default() };
    LocalStore::open(root.join("store"), options).expect("the store opens")
}

/// A body that shows if it is a mixture of two.
fn body(count: u64) -> String {
    count.to_string().repeat(100)
}

fn count_of(body: &str) -> u64 {
    let (count, rest) = body.split_at(body.len() / 100);
    assert_eq!(rest, count.repeat(99), "a mixture of two versions");
    count.parse().expect("a number")
}

fn read(store: &LocalStore) -> (u64, UpdateVersion) {
    let got = now(store.get(&COUNTER.into())).expect("it is always there");
    let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: None };
    let body = now(got.bytes()).expect("it is whole");
    (count_of(str::from_utf8(&body).expect("text")), version)
}

/// Adds one, unless somebody else is faster.
fn count_once(store: &LocalStore) -> Option<u64> {
    let (count, version) = read(store);
    let (to, next) = (COUNTER.into(), body(count + 1).into());
    match now(store.put_opts(&to, next, PutMode::Update(version).into())) {
        Ok(_) => Some(count + 1),
        Err(Error::Precondition { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn listed(store: &LocalStore, prefix: &str) -> Vec<Path> {
    let all = store.list(Some(&prefix.into())).map_ok(|meta| meta.location).try_collect();
    now(all).expect("it can be listed")
}

#[test]
#[ignore = "is started by the other tests, as a process of its own"]
fn child() {
    let root = PathBuf::from(std::env::var_os(ROOT).expect("a parent gives it"));
    let durability = match std::env::var(DURABILITY).as_deref() {
        Ok("power loss") => Durability::PowerLoss,
        _ => Durability::ProcessCrash,
    };
    let store = open(&root, durability);
    let name = std::process::id().to_string();
    let told = OpenOptions::new().append(true).create(true).open(root.join("told").join(&name));
    let mut told = told.expect("a file for the answers");
    let mine = Path::from(format!("d/of/{name}"));
    for round in 0_u64.. {
        if root.join("stop").exists() {
            break;
        }
        if count_once(&store).is_some() {
            told.write_all(b"+").expect("a byte");
        }
        // What is overwritten all the time is there all the time.
        assert!(listed(&store, "d").contains(&COUNTER.into()));
        match round % 3 {
            0 => now(store.delete(&mine)).expect("it is ours"),
            _ => drop(now(store.put(&mine, body(round).into())).expect("it is ours")),
        }
    }
}

/// A process that does not outlive its test.
struct Counting(Child);

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(root: &FilePath, durability: Durability) -> Counting {
    let durability = match durability {
        Durability::PowerLoss => "power loss",
        Durability::ProcessCrash => "process crash",
    };
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .envs([(ROOT, root.as_os_str()), (DURABILITY, durability.as_ref())])
        .stdout(Stdio::null())
        .spawn();
    Counting(child.expect("a child"))
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// Counts with several processes, kills them one after another, and looks at what they have left.
fn count_and_kill(durability: Durability) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::create_dir(root.join("told")).expect("a directory");
    let store = open(root, Durability::ProcessCrash);
    now(store.put(&COUNTER.into(), body(0).into())).expect("it is new");
    drop(store);

    let mut children: Vec<Counting> = (0..CHILDREN).map(|_| spawn(root, durability)).collect();
    let mut random = 1_u64;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        std::thread::sleep(Duration::from_micros(5_000 + (random >> 33) % 30_000));
        let fresh = spawn(root, durability);
        let mut old = std::mem::replace(&mut children[kill % CHILDREN], fresh);
        old.0.kill().expect("it can be killed");
        let status = old.0.wait().expect("it ends");
        assert!(was_killed(status), "a child failed: {status}");
    }
    fs::write(root.join("stop"), "").expect("a file");
    for mut child in children {
        let status = child.0.wait().expect("it ends");
        assert!(status.success(), "a child failed: {status}");
    }

    let told: u64 = fs::read_dir(root.join("told"))
        .expect("it is there")
        .map(|file| file.and_then(|file| file.metadata()).expect("it is there").len())
        .sum();
    let store = open(root, durability);
    let (count, _) = read(&store);
    assert!(told <= count && count <= told + KILLS as u64, "{told} answered, {count} counted");
    assert!(count > 0, "nobody came to anything");
    let strange = listed(&store, "")
        .into_iter()
        .find(|path| *path != Path::from(COUNTER) && !path.prefix_matches(&Path::from("d/of")));
    assert_eq!(strange, None);
    let sessions = fs::read_dir(root.join("store/.local-store/staging")).expect("it is there");
    let sessions: Vec<_> = sessions.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(sessions.len(), 1, "only our own is left: {sessions:?}");
    assert_eq!(fs::read_dir(&sessions[0]).expect("it is there").count(), 0);
}

#[test]
fn a_counter_loses_nothing_when_processes_are_killed() {
    count_and_kill(Durability::ProcessCrash);
}

#[test]
fn a_counter_loses_nothing_when_processes_are_killed_while_they_wait_for_the_disk() {
    count_and_kill(Durability::PowerLoss);
}

#[test]
fn threads_with_stores_of_their_own_exclude_each_other() {
    const EACH: u64 = 500;
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let shared = open(root, Durability::ProcessCrash);
    now(shared.put(&COUNTER.into(), body(0).into())).expect("it is new");
    let count = |store: &LocalStore| {
        let mut won = 0;
        while won < EACH {
            won += u64::from(count_once(store).is_some());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| count(&shared));
        scope.spawn(|| count(&shared.clone()));
        scope.spawn(|| count(&open(root, Durability::ProcessCrash)));
    });
    assert_eq!(read(&shared).0, 3 * EACH);
}

#[test]
fn the_living_are_not_swept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, second) = (
        open(directory.path(), Durability::ProcessCrash),
        open(directory.path(), Durability::ProcessCrash),
    );
    let mut upload = now(first.put_multipart(&"k".into())).expect("it begins");
    now(upload.put_part("part".into())).expect("it is written");
    let swept = second.sweep().expect("it sweeps");
    assert_eq!((swept.sessions, swept.files), (0, 0));
    now(upload.complete()).expect("its file is still there");
    let body = now(async { second.get(&"k".into()).await?.bytes().await });
    assert_eq!(body.expect("it is whole"), "part");
}
