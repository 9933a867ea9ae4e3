//! Things in the directory that the store did not put there: links, foreign files, damage.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use futures_util::{FutureExt, TryStreamExt};
use local_store::{Durability, LocalStore, Options};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};
use tempfile::TempDir;

/// Requests are done in place, within one poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a request in place is done in one poll")
}

fn open(root: &TempDir) -> Result<LocalStore, local_store::Error> {
    let options = Options { durability: Durability::ProcessCrash, ..Options::default() };
    LocalStore::open(root.path(), options)
}

fn store() -> (TempDir, LocalStore) {
    let root = TempDir::new().expect("a directory");
    let store = open(&root).expect("the store opens");
    (root, store)
}

fn names(store: &LocalStore) -> object_store::Result<Vec<String>> {
    now(store.list(None).map_ok(|meta| meta.location.to_string()).try_collect())
}

fn put(store: &LocalStore, to: &str) -> object_store::Result<()> {
    now(store.put(&to.into(), "body".into())).map(drop)
}

fn get(store: &LocalStore, from: &str) -> object_store::Result<String> {
    let body = now(async { store.get(&from.into()).await?.bytes().await })?;
    Ok(String::from_utf8(body.into()).expect("text"))
}

#[test]
fn links_to_directories_are_neither_followed_nor_shown() {
    let outside = TempDir::new().expect("a directory");
    // Another store: its files would be taken for objects.
    put(&open(&outside).expect("the store opens"), "secret").expect("it is new");
    let before: Vec<PathBuf> = entries(outside.path());
    let (root, store) = store();
    symlink(outside.path(), root.path().join("link")).expect("a link");
    fs::create_dir(root.path().join("d")).expect("a directory");
    symlink(outside.path(), root.path().join("d/link")).expect("a link");
    for prefix in ["link", "d/link"] {
        let key = format!("{prefix}/secret");
        get(&store, &key).expect_err("a link is on the way");
        put(&store, &key).expect_err("a link is on the way");
        put(&store, &format!("{prefix}/new/secret")).expect_err("a link is on the way");
        now(store.delete(&key.as_str().into())).expect_err("a link is on the way");
        now(store.copy(&key.as_str().into(), &"mine".into())).expect_err("a link is on the way");
        now(store.list(Some(&prefix.into())).try_collect::<Vec<_>>()).expect_err("it is a link");
    }
    assert_eq!(names(&store).expect("links are not shown"), [""; 0]);
    assert_eq!(entries(outside.path()), before);
}

fn entries(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(directory)
        .expect("it is there")
        .map(|entry| entry.expect("one").path())
        .collect();
    all.sort();
    all
}

#[test]
fn a_link_in_the_place_of_an_object_is_not_followed() {
    let outside = TempDir::new().expect("a directory");
    put(&open(&outside).expect("the store opens"), "secret").expect("it is new");
    let target = outside.path().join("secret@");
    let original = fs::read(&target).expect("it is there");
    let (root, store) = store();
    symlink(&target, root.path().join("link@")).expect("a link");
    get(&store, "link").expect_err("it is a link");
    assert_eq!(names(&store).expect("links are not shown"), [""; 0]);
    put(&store, "link").expect("the link is replaced, not its target");
    assert_eq!(get(&store, "link").expect("it is an object now"), "body");
    assert_eq!(fs::read(&target).expect("it is there"), original);
}

#[test]
fn a_pipe_in_the_place_of_an_object_keeps_nobody_waiting() {
    let (root, store) = store();
    let made = Command::new("mkfifo").arg(root.path().join("pipe@")).status();
    assert!(made.expect("mkfifo is there").success());
    get(&store, "pipe").expect_err("it is a pipe");
}

#[test]
fn foreign_names_are_not_shown() {
    let (root, store) = store();
    put(&store, "a").expect("it is new");
    let file = fs::read(root.path().join("a@")).expect("it is there");
    // Not ours, not in the one form that a name has, or not whole.
    for foreign in
        ["readme", "LICENSE", ".hidden@", "%61@", "a b@", "B@", "%4@", "%ff@", "@", "%2f@"]
    {
        fs::write(root.path().join(foreign), &file).expect("a file");
    }
    for foreign in [".git", "a b", "%2e", "d@", "e~"] {
        fs::create_dir(root.path().join(foreign)).expect("a directory");
        fs::write(root.path().join(foreign).join("x@"), &file).expect("a file");
    }
    assert_eq!(names(&store).expect("they are skipped"), ["a"]);
    let level = now(store.list_with_delimiter(None)).expect("they are skipped");
    assert_eq!((level.objects.len(), level.common_prefixes.len()), (1, 0));
    get(&store, "readme/b").expect_err("a file is in the way");
    put(&store, "readme/b").expect_err("a file is in the way");
    get(&store, "d").expect_err("a directory is in the place of an object");
}

#[test]
fn damage_is_told_and_can_be_overwritten_and_removed() {
    let (root, store) = store();
    put(&store, "a").expect("it is new");
    let path = root.path().join("a@");
    let whole = fs::read(&path).expect("it is there");
    let cut = whole[..whole.len() - 1].to_vec();
    let longer = [whole.as_slice(), b"!"].concat();
    for damaged in [cut, longer, b"text".to_vec(), b"text ".repeat(100), vec![0; whole.len()]] {
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, &damaged).expect("a file");
        let told = get(&store, "a").expect_err("it is damaged").to_string();
        assert!(told.contains("damaged"), "{told}");
        names(&store).expect_err("it is damaged");
        let to = "a".into();
        now(store.put_opts(&to, "new".into(), PutMode::Create.into())).expect_err("it is there");
        put(&store, "a").expect("an overwrite does not look");
        assert_eq!(get(&store, "a").expect("it is whole"), "body");
        fs::write(root.path().join("b@"), &damaged).expect("a file");
        now(store.delete(&"b".into())).expect("a removal does not look");
        assert_eq!(names(&store).expect("all is well"), ["a"]);
    }
}

#[test]
fn what_is_not_supported_is_refused() {
    let (_root, store) = store();
    let not_supported =
        |error: Error| assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    put(&store, "a").expect("it is new");
    let update = |e_tag, version| {
        let mode = PutMode::Update(UpdateVersion { e_tag, version });
        now(store.put_opts(&"a".into(), "new".into(), mode.into()))
    };
    not_supported(update(None, None).expect_err("no tag"));
    not_supported(update(Some("t".into()), Some("v".into())).expect_err("a version"));
    not_supported(now(store.put(&Path::ROOT, "body".into())).expect_err("no name"));
    let versioned = GetOptions::new().with_version(Some("1"));
    not_supported(now(store.get_opts(&"a".into(), versioned)).expect_err("a version"));
    let long = Attributes::from_iter([(Attribute::ContentType, "x".repeat(70_000))]);
    let options = PutOptions { attributes: long, ..PutOptions::default() };
    not_supported(now(store.put_opts(&"a".into(), "new".into(), options)).expect_err("too long"));
    assert_eq!(get(&store, "a").expect("nothing has changed"), "body");
}

#[test]
fn a_store_of_a_later_format_is_not_touched() {
    let (root, store) = store();
    drop(store);
    fs::write(root.path().join(".local-store/format"), "local-store 2\n").expect("a file");
    let refused = open(&root).expect_err("it is unknown");
    assert!(matches!(refused, local_store::Error::Format { .. }), "{refused}");
}

#[test]
fn a_directory_that_was_removed_by_hand_is_made_again() {
    let (root, store) = store();
    put(&store, "d/e/a").expect("it is new");
    fs::remove_dir_all(root.path().join("d")).expect("it is there");
    assert!(matches!(get(&store, "d/e/a"), Err(Error::NotFound { .. })));
    assert_eq!(names(&store).expect("there is nothing"), [""; 0]);
    put(&store, "d/e/a").expect("its directory is made");
    assert_eq!(names(&store).expect("there is something"), ["d/e/a"]);
}

#[test]
fn a_reader_keeps_its_version_while_it_is_replaced() {
    let (_root, store) = store();
    let old = vec![1_u8; 5 << 20];
    now(store.put(&"a".into(), old.clone().into())).expect("it is new");
    let got = now(store.get(&"a".into())).expect("it is there");
    put(&store, "a").expect("it is replaced");
    assert_eq!(now(got.bytes()).expect("it is whole"), old);
    assert_eq!(get(&store, "a").expect("it is there"), "body");
}
