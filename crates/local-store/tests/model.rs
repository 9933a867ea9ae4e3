//! Any sequence of requests against a map in memory.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use local_store::{Durability, LocalStore, Options};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, RenameOptions,
    RenameTargetMode, UpdateVersion,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Names that are close to each other, or odd.
const NAMES: [&str; 14] = [
    "a",
    "a/b",
    "a/b/c",
    "a-/b",
    "a0",
    "A",
    "a@",
    "a%2fb",
    ".a",
    "b/.local-store",
    "b/\u{fc}",
    "b/LONG",
    "b/LONG/c",
    "b/LONGER",
];

fn name(number: usize) -> Path {
    let name = NAMES[number].replace("LONG", &"l".repeat(300));
    Path::parse(name).expect("a location")
}

/// Which tag an update names.
#[derive(Debug, Clone, Copy)]
enum Tag {
    Current,
    /// One of those that there have been.
    Earlier(prop::sample::Index),
}

#[derive(Debug, Clone)]
enum Request {
    Overwrite(usize, u8),
    Create(usize, u8),
    Update(usize, u8, Tag),
    Upload(usize, Vec<u8>),
    Get(usize),
    Delete(Vec<usize>),
    Copy(usize, usize, CopyMode),
    Rename(usize, usize, RenameTargetMode),
    List(Option<usize>, Option<usize>),
    ListLevel(Option<usize>),
    Reopen,
}

fn requests() -> impl Strategy<Value = Request> {
    use Request::*;
    let name = || 0..NAMES.len();
    let maybe = || proptest::option::of(0..NAMES.len());
    let copy = prop_oneof![Just(CopyMode::Overwrite), Just(CopyMode::Create)];
    let rename = prop_oneof![Just(RenameTargetMode::Overwrite), Just(RenameTargetMode::Create)];
    let tag = prop_oneof![Just(Tag::Current), any::<prop::sample::Index>().prop_map(Tag::Earlier)];
    prop_oneof![
        (name(), any::<u8>()).prop_map(|(at, size)| Overwrite(at, size)),
        (name(), any::<u8>()).prop_map(|(at, size)| Create(at, size)),
        (name(), any::<u8>(), tag).prop_map(|(at, size, tag)| Update(at, size, tag)),
        (name(), prop::collection::vec(any::<u8>(), 0..4))
            .prop_map(|(at, sizes)| Upload(at, sizes)),
        name().prop_map(Get),
        prop::collection::vec(name(), 1..4).prop_map(Delete),
        (name(), name(), copy).prop_map(|(from, to, mode)| Copy(from, to, mode)),
        (name(), name(), rename).prop_map(|(from, to, mode)| Rename(from, to, mode)),
        (maybe(), maybe()).prop_map(|(prefix, offset)| List(prefix, offset)),
        maybe().prop_map(ListLevel),
        Just(Reopen),
    ]
}

/// Requests are done in place, within one poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a request in place is done in one poll")
}

/// What a request was told, without the words.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Done,
    Exists,
    Missing,
    OtherTag,
}

fn told<T>(result: object_store::Result<T>) -> Told {
    match result.map(drop) {
        Ok(()) => Told::Done,
        Err(Error::AlreadyExists { .. }) => Told::Exists,
        Err(Error::NotFound { .. }) => Told::Missing,
        Err(Error::Precondition { .. }) => Told::OtherTag,
        Err(error) => panic!("{error}"),
    }
}

/// In memory, where the system has a place for that: these tests need many directories and no disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

struct World {
    directory: TempDir,
    store: LocalStore,
    model: BTreeMap<Path, Vec<u8>>,
    /// The tags of all versions that there have been.
    tags: BTreeSet<String>,
    /// Bodies are all different.
    bodies: u64,
}

fn open(directory: &TempDir) -> LocalStore {
    let options = Options { durability: Durability::ProcessCrash, ..Options::default() };
    LocalStore::open(directory.path(), options).expect("the store opens")
}

impl World {
    fn new() -> Self {
        let directory = scratch();
        let store = open(&directory);
        Self { directory, store, model: BTreeMap::new(), tags: BTreeSet::new(), bodies: 0 }
    }

    fn fresh_body(&mut self, size: u8) -> Vec<u8> {
        self.bodies += 1;
        let mut body = vec![size; usize::from(size) * 200];
        body.extend_from_slice(&self.bodies.to_le_bytes());
        body
    }

    fn tag(&self, at: &Path) -> Option<String> {
        now(self.store.head(at)).ok().and_then(|meta| meta.e_tag)
    }

    /// Takes note of a new version; its tag must be one that never was.
    fn wrote(&mut self, at: &Path, body: Vec<u8>) {
        self.model.insert(at.clone(), body);
        let tag = self.tag(at).expect("it was written");
        assert!(self.tags.insert(tag), "a tag has recurred");
    }

    fn put(&mut self, at: usize, size: u8, mode: PutMode, expected: Told) {
        let (at, body) = (name(at), self.fresh_body(size));
        let put = now(self.store.put_opts(&at, body.clone().into(), mode.into()));
        let tag = put.as_ref().ok().and_then(|put| put.e_tag.clone());
        assert_eq!(told(put), expected);
        if expected == Told::Done {
            assert_eq!(tag, self.tag(&at));
            self.wrote(&at, body);
        }
    }

    fn step(&mut self, request: Request) {
        match request {
            Request::Overwrite(at, size) => self.put(at, size, PutMode::Overwrite, Told::Done),
            Request::Create(at, size) => {
                let there = self.model.contains_key(&name(at));
                let expected = if there { Told::Exists } else { Told::Done };
                self.put(at, size, PutMode::Create, expected);
            }
            Request::Update(at, size, tag) => self.update(at, size, tag),
            Request::Upload(at, sizes) => self.upload(at, &sizes),
            Request::Get(at) => self.get(&name(at)),
            Request::Delete(all) => {
                let all: Vec<_> = all.into_iter().map(name).collect();
                let stream = stream::iter(all.clone().into_iter().map(Ok)).boxed();
                let gone: Vec<Path> =
                    now(self.store.delete_stream(stream).try_collect()).expect("they are deleted");
                assert_eq!(gone, all);
                self.model.retain(|path, _| !all.contains(path));
            }
            Request::Copy(from, to, mode) => {
                let (from, to) = (name(from), name(to));
                let options = CopyOptions::new().with_mode(mode);
                let copied = told(now(self.store.copy_opts(&from, &to, options)));
                assert_eq!(copied, self.transfer(&from, &to, mode == CopyMode::Create));
                if copied == Told::Done {
                    self.wrote(&to, self.model[&from].clone());
                }
            }
            Request::Rename(from, to, mode) => {
                let (from, to) = (name(from), name(to));
                let options = RenameOptions::new().with_target_mode(mode);
                let renamed = told(now(self.store.rename_opts(&from, &to, options)));
                assert_eq!(renamed, self.transfer(&from, &to, mode == RenameTargetMode::Create));
                if renamed == Told::Done && from != to {
                    let body = self.model.remove(&from).expect("it was there");
                    self.wrote(&to, body);
                }
            }
            Request::List(prefix, offset) => self.list(prefix.map(name), offset.map(name)),
            Request::ListLevel(prefix) => self.list_level(prefix.map(name).unwrap_or_default()),
            Request::Reopen => self.store = open(&self.directory),
        }
    }

    fn update(&mut self, at: usize, size: u8, tag: Tag) {
        let current = self.tag(&name(at));
        let named = match tag {
            Tag::Current => current.clone(),
            Tag::Earlier(index) if !self.tags.is_empty() => {
                Some(index.get(&self.tags.iter().cloned().collect::<Vec<_>>()).clone())
            }
            Tag::Earlier(_) => None,
        };
        let named = named.unwrap_or_else(|| "\"none\"".into());
        let expected = if current.as_ref() == Some(&named) { Told::Done } else { Told::OtherTag };
        let version = UpdateVersion { e_tag: Some(named), version: None };
        self.put(at, size, PutMode::Update(version), expected);
    }

    fn upload(&mut self, at: usize, sizes: &[u8]) {
        let at = name(at);
        let mut upload = now(self.store.put_multipart(&at)).expect("it begins");
        let parts: Vec<Vec<u8>> = sizes.iter().map(|size| self.fresh_body(*size)).collect();
        let sent: Vec<_> = parts.iter().map(|part| upload.put_part(part.clone().into())).collect();
        if let Some((last, first)) = sent.into_iter().rev().collect::<Vec<_>>().split_first_mut() {
            now(last).expect("it is written");
            if !first.is_empty() {
                now(upload.complete()).expect_err("some parts are missing");
            }
            first.iter_mut().for_each(|part| now(part).expect("it is written"));
        }
        now(upload.complete()).expect("all parts are there");
        self.wrote(&at, parts.concat());
        now(upload.complete()).expect_err("it has ended");
    }

    fn transfer(&self, from: &Path, to: &Path, only_if_absent: bool) -> Told {
        match (self.model.contains_key(from), self.model.contains_key(to)) {
            (false, _) => Told::Missing,
            (true, true) if only_if_absent => Told::Exists,
            (true, _) => Told::Done,
        }
    }

    fn get(&self, at: &Path) {
        let got = now(async { self.store.get(at).await?.bytes().await }).ok();
        assert_eq!(got.as_deref(), self.model.get(at).map(Vec::as_slice));
    }

    fn list(&self, prefix: Option<Path>, offset: Option<Path>) {
        let listing = match &offset {
            None => self.store.list(prefix.as_ref()),
            Some(offset) => self.store.list_with_offset(prefix.as_ref(), offset),
        };
        let listed: Vec<ObjectMeta> = now(listing.try_collect()).expect("it can be listed");
        let listed: Vec<_> = listed.into_iter().map(|meta| (meta.location, meta.size)).collect();
        let wanted: Vec<_> = self
            .model
            .iter()
            .filter(|(path, _)| beneath(path, prefix.as_ref().unwrap_or(&Path::ROOT)).is_some())
            .filter(|(path, _)| offset.as_ref().is_none_or(|offset| *path > offset))
            .map(|(path, body)| (path.clone(), body.len() as u64))
            .collect();
        assert_eq!(listed, wanted);
    }

    fn list_level(&self, prefix: Path) {
        let level = now(self.store.list_with_delimiter(Some(&prefix))).expect("it can be listed");
        let (mut objects, mut prefixes) = (Vec::new(), BTreeSet::new());
        for path in self.model.keys() {
            match beneath(path, &prefix).map(|rest| rest.split_once('/')) {
                None => {}
                Some(None) => objects.push(path.clone()),
                Some(Some((first, _))) => {
                    let text = format!("{prefix}/{first}");
                    prefixes.insert(Path::parse(text.trim_start_matches('/')).expect("a path"));
                }
            }
        }
        let listed: Vec<Path> = level.objects.into_iter().map(|meta| meta.location).collect();
        assert_eq!(listed, objects);
        assert_eq!(level.common_prefixes, prefixes.into_iter().collect::<Vec<_>>());
    }
}

/// What is left of a location after a prefix of whole segments.
fn beneath<'a>(path: &'a Path, prefix: &Path) -> Option<&'a str> {
    if prefix.is_root() {
        return Some(path.as_ref());
    }
    path.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_map(requests in prop::collection::vec(requests(), 1..40)) {
        let mut world = World::new();
        requests.into_iter().for_each(|request| world.step(request));
        (0..NAMES.len()).for_each(|at| world.get(&name(at)));
        world.list(None, None);
        world.list_level(Path::ROOT);
    }
}
