//! What is left after a process is killed, or the power fails, at any point of any operation.
//!
//! Each operation is done once, with everything it does to the disk written down. Then the disk is
//! built as it can be after each of its steps: with all that was done so far (the process was
//! killed), and with every possible part of what was not waited for (the power failed). The store is
//! opened on it, and must show the old or the new object, whole, and the new one if anybody was told
//! of it.

mod model;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use std::collections::BTreeMap;
use tempfile::TempDir;

use crate::disk::recorder::{self, Event};
use crate::{Durability, LocalStore, Options};
use model::Disk;

const POWER_LOSS: Options =
    Options { durability: Durability::PowerLoss, blocking: crate::Blocking::InPlace };
const PROCESS_CRASH: Options = Options { durability: Durability::ProcessCrash, ..POWER_LOSS };

/// The bodies of the objects that there are.
type State = BTreeMap<Path, String>;
type Operation = fn(&LocalStore) -> object_store::Result<()>;

/// Requests are done in place, within one poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a request in place is done in one poll")
}

/// In memory, where the system has a place for that: these tests need many directories and no disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

fn open(root: &TempDir, options: Options) -> LocalStore {
    LocalStore::open(root.path(), options).expect("the store opens")
}

/// Everything that the store shows.
fn state(store: &LocalStore) -> State {
    let listed: Vec<_> = now(store.list(None).try_collect()).expect("it can be listed");
    let read = |location: Path| {
        let body = now(async { store.get(&location).await?.bytes().await }).expect("it is whole");
        (location, String::from_utf8(body.into()).expect("text"))
    };
    listed.into_iter().map(|meta| read(meta.location)).collect()
}

/// Files that are staged and not published, in all sessions.
fn leftovers(root: &TempDir) -> usize {
    let sessions =
        std::fs::read_dir(root.path().join(".local-store/staging")).expect("it is there");
    let files = |session: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_dir(session.expect("an entry").path()).expect("a session").count()
    };
    sessions.map(files).sum()
}

fn put(
    store: &LocalStore,
    to: &str,
    body: &'static str,
    mode: PutMode,
) -> object_store::Result<()> {
    now(store.put_opts(&path(to), body.into(), mode.into())).map(drop)
}

fn update(store: &LocalStore, to: &str, body: &'static str) -> object_store::Result<()> {
    let e_tag = now(store.head(&path(to)))?.e_tag;
    put(store, to, body, PutMode::Update(UpdateVersion { e_tag, version: None }))
}

/// The operations, each on a store with the objects `a`, `d/b` and `source`.
const OPERATIONS: &[(&str, Operation)] = &[
    ("create", |store| put(store, "new", "created", PutMode::Create)),
    ("create in new directories", |store| put(store, "x/y/new", "created", PutMode::Create)),
    ("overwrite", |store| put(store, "a", "overwritten", PutMode::Overwrite)),
    ("update", |store| update(store, "d/b", "updated")),
    ("delete", |store| now(store.delete(&path("a")))),
    ("delete two", |store| {
        let both = futures_util::stream::iter([Ok(path("a")), Ok(path("d/b"))]).boxed();
        now(store.delete_stream(both).try_collect::<Vec<_>>()).map(drop)
    }),
    ("copy", |store| now(store.copy(&path("a"), &path("x/c")))),
    ("copy over another", |store| now(store.copy(&path("a"), &path("d/b")))),
    ("rename", |store| now(store.rename(&path("a"), &path("d/c")))),
    ("rename over another", |store| now(store.rename(&path("d/b"), &path("a")))),
    ("upload in parts", |store| {
        now(async {
            let mut upload = store.put_multipart(&path("d/b")).await?;
            let (first, second) = (upload.put_part("up".into()), upload.put_part("loaded".into()));
            second.await?;
            first.await?;
            upload.complete().await.map(drop)
        })
    }),
];

/// An operation, with what was there before and after it, and all that it did to the disk.
struct Recording {
    root: TempDir,
    /// The disk before the operation.
    disk: Disk,
    before: State,
    events: Vec<Event>,
    after: State,
}

fn recording(operation: Operation, options: Options) -> Recording {
    let root = scratch();
    let mut disk = Disk::new();
    let ((store, before), events) = recorder::record(|| {
        let store = open(&root, POWER_LOSS);
        put(&store, "a", "old a", PutMode::Create).expect("it is new");
        put(&store, "d/b", "old b", PutMode::Create).expect("it is new");
        put(&store, "source", "source", PutMode::Create).expect("it is new");
        drop(store);
        let store = open(&root, options);
        let before = state(&store);
        (store, before)
    });
    let real = root.path().canonicalize().expect("it is there");
    events.iter().for_each(|event| disk.apply(event, &real));
    let (done, events) = recorder::record(|| operation(&store));
    done.expect("nobody is in the way");
    let after = state(&store);
    Recording { root, disk, before, events, after }
}

impl Recording {
    /// The disk after so many events.
    fn disk_after(&self, events: usize) -> Disk {
        let real = self.root.path().canonicalize().expect("it is there");
        let mut disk = self.disk.clone();
        self.events[..events].iter().for_each(|event| disk.apply(event, &real));
        disk
    }

    /// Each object must be the one before or the one after; all of them those after, if the
    /// operation has been answered.
    fn judge(&self, found: &State, events: usize, context: &str) {
        let keys = self.before.keys().chain(self.after.keys()).chain(found.keys());
        for key in keys {
            let (is, was, will) = (found.get(key), self.before.get(key), self.after.get(key));
            let answered = events == self.events.len();
            assert!(
                is == will || (is == was && !answered),
                "{context}, {events} of {:#?}: {key} is {is:?}, was {was:?}, becomes {will:?}",
                self.events
            );
        }
        let lost = |body: &String| !found.values().any(|found| found == body);
        let moved = self.after.values().find(|body| self.before.values().any(|old| old == *body));
        assert!(!moved.is_some_and(lost), "{context}, {events}: what was to be kept is lost");
    }
}

#[test]
fn a_killed_process_leaves_the_old_object_or_the_new_one_and_nothing_else() {
    for (name, operation) in OPERATIONS {
        for options in [POWER_LOSS, PROCESS_CRASH] {
            let recording = recording(*operation, options);
            assert!(!recording.events.is_empty());
            for events in 0..=recording.events.len() {
                let root = scratch();
                recording.disk_after(events).build_running(root.path());
                let store = open(&root, PROCESS_CRASH);
                recording.judge(&state(&store), events, name);
                assert_eq!(leftovers(&root), 0, "{name}, {events}");
            }
        }
    }
}

#[test]
fn a_power_loss_leaves_the_old_object_or_the_new_one_and_what_was_answered_stays() {
    for (name, operation) in OPERATIONS {
        let recording = recording(*operation, POWER_LOSS);
        for events in 0..=recording.events.len() {
            let disk = recording.disk_after(events);
            for choice in disk.power_losses() {
                let root = scratch();
                disk.build_after_power_loss(root.path(), choice);
                recording.judge(&state(&open(&root, PROCESS_CRASH)), events, name);
            }
        }
    }
}

#[test]
fn the_disk_that_forgets_would_show_a_store_that_does_not_wait() {
    let recording = recording(|store| put(store, "a", "new", PutMode::Overwrite), PROCESS_CRASH);
    let disk = recording.disk_after(recording.events.len());
    let survives = |choice| {
        let root = scratch();
        disk.build_after_power_loss(root.path(), choice);
        let store = open(&root, PROCESS_CRASH);
        let body = now(async { store.get(&path("a")).await?.bytes().await });
        body.is_ok_and(|body| body == "new")
    };
    let survived = disk.power_losses().filter(|choice| survives(*choice)).count();
    assert!(survived > 0 && survived < disk.power_losses().count(), "{survived} survived");
}

/// Requests that tell their callers what is there, each with what they were told about `a`.
type Question = fn(&LocalStore) -> Option<String>;

const QUESTIONS: &[(&str, Question)] = &[
    ("get", |store| {
        now(async { Some(store.get(&path("a")).await.ok()?.bytes().await.expect("it is whole")) })
            .map(|body| String::from_utf8(body.into()).expect("text"))
    }),
    ("list", |store| state(store).remove(&path("a"))),
    ("list one level", |store| {
        let level = now(store.list_with_delimiter(None)).expect("it can be listed");
        let there = level.objects.iter().any(|meta| meta.location == path("a"));
        there.then(|| state(store).remove(&path("a")).expect("it was there"))
    }),
    ("get of ranges", |store| {
        let ranges = now(store.get_ranges(&path("a"), &[0..1, 1..100])).ok()?;
        Some(String::from_utf8(ranges.concat()).expect("text"))
    }),
    ("refused create", |store| match put(store, "a", "mine", PutMode::Create) {
        Ok(()) => Some("mine".into()),
        Err(_) => in_the_way(store),
    }),
    ("refused update", |store| {
        let e_tag = Some("\"another\"".into());
        let mode = PutMode::Update(UpdateVersion { e_tag, version: None });
        put(store, "a", "mine", mode).expect_err("nothing has that tag");
        in_the_way(store)
    }),
    // Is refused only when it has the lock.
    ("refused copy", |store| match now(store.copy_if_not_exists(&path("source"), &path("a"))) {
        Ok(()) => Some("source".into()),
        Err(_) => in_the_way(store),
    }),
];

/// What a request was refused for, without a wait for the disk.
fn in_the_way(store: &LocalStore) -> Option<String> {
    let store = LocalStore::open(store_root(store), PROCESS_CRASH).expect("the store opens");
    state(&store).remove(&path("a"))
}

fn store_root(store: &LocalStore) -> String {
    let name = store.to_string();
    name.trim_start_matches("LocalStore(").trim_end_matches(')').to_owned()
}

#[test]
fn no_power_loss_takes_back_what_a_reader_was_told() {
    let writers: &[Operation] = &[
        |store| put(store, "a", "overwritten", PutMode::Overwrite),
        |store| now(store.delete(&path("a"))),
        |store| now(store.rename(&path("d/b"), &path("a"))),
    ];
    for (writer, options) in [(0, POWER_LOSS), (1, POWER_LOSS), (2, POWER_LOSS), (0, PROCESS_CRASH)]
    {
        let recording = recording(writers[writer], options);
        for events in 0..=recording.events.len() {
            for (name, question) in QUESTIONS {
                let mut disk = recording.disk_after(events);
                let running = scratch();
                disk.build_running(running.path());
                let (told, more) = recorder::record(|| question(&open(&running, POWER_LOSS)));
                let real = running.path().canonicalize().expect("it is there");
                more.iter().for_each(|event| disk.apply(event, &real));
                for choice in disk.power_losses() {
                    let root = scratch();
                    disk.build_after_power_loss(root.path(), choice);
                    let found = state(&open(&root, PROCESS_CRASH)).remove(&path("a"));
                    assert_eq!(
                        found, told,
                        "writer {writer}, {events} of {:#?}, then {name}: {more:#?}",
                        recording.events
                    );
                }
            }
        }
    }
}
