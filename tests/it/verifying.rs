//! `vopr verify` on a manifest in a local directory, as an operator meets it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use local_store::{Durability, LocalStore};
use manifest_core::{Manifest, Options, TokioEnv};
use serde_json::Value;

use crate::{stderr, stdout, vopr};

/// A store with a manifest at `tables/orders` that names a segment.
fn example() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let options = local_store::Options {
        durability: Durability::ProcessCrash,
        ..local_store::Options::default()
    };
    let store = Arc::new(LocalStore::open(directory.path(), options).expect("a new store"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let options = Options { tail_limit_bytes: 100, ..Options::default() };
        let (prefix, env) = ("tables/orders".into(), Arc::new(TokioEnv::new()));
        let manifest = Manifest::create(store, prefix, env, options).await.expect("a manifest");
        for number in 0..5 {
            let mut add = manifest.transaction();
            add.put(format!("file/{number}"), "x".repeat(100));
            add.commit().await.expect("committed");
            manifest.maintain().await.expect("maintained");
        }
        assert!(manifest.head_info().segments > 0);
    });
    let manifest = directory.path().join("tables").join("orders");
    (directory, manifest)
}

fn url(manifest: &Path) -> String {
    format!("file://{}", manifest.display())
}

/// The file of the oldest segment. (The newest one is not published.)
fn segment(manifest: &Path) -> PathBuf {
    let segments = std::fs::read_dir(manifest.join("seg")).expect("there are segments");
    let segments = segments.map(|entry| entry.expect("readable").path());
    segments.min().expect("there is one")
}

fn json(arguments: &[&str]) -> Value {
    let output = vopr(&[arguments, &["--json"]].concat());
    serde_json::from_str(&stdout(&output)).expect("a report is JSON")
}

#[test]
fn a_sound_manifest_is_clean() {
    let (_directory, manifest) = example();
    let url = url(&manifest);
    let output = vopr(&["verify", &url]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.starts_with("CLEAN      tables/orders\n"), "{text}");
    let report = json(&["verify", &url]);
    assert_eq!(report["verdict"], "clean");
    assert_eq!(report["head"]["seq"], 5);
    assert_eq!(report["open"]["rounds"], 2);
    // The last seal of the example waits for a commit that never came.
    assert!(
        report["garbage"]
            .as_array()
            .is_some_and(|all| { all.iter().all(|found| found["kind"] == "unpublished") })
    );
    let plain = manifest.to_str().expect("a UTF-8 path");
    assert_eq!(vopr(&["verify", plain, "--depth", "sizes"]).status.code(), Some(0));
}

#[test]
fn a_segment_that_is_cut_is_broken_by_its_name() {
    let (_directory, manifest) = example();
    let path = segment(&manifest);
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a segment");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - 7).expect("cut");
    let output = vopr(&["verify", &url(&manifest)]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(10), "{text}{}", stderr(&output));
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let name = name.trim_end_matches('@');
    assert!(text.contains(&format!("broken   tables/orders/seg/{name}\n")), "{text}");
}

#[test]
fn a_bit_that_flips_in_a_segment_is_broken_by_its_name() {
    let (_directory, manifest) = example();
    let path = segment(&manifest);
    let mut bytes = std::fs::read(&path).expect("a segment");
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("writable");
    let report = json(&["verify", &url(&manifest)]);
    assert_eq!(report["verdict"], "broken", "{report}");
    let object = report["broken"][0]["object"].as_str().expect("a name");
    assert!(path.display().to_string().contains(object), "{report}");
    assert_eq!(report["broken"][0]["expected"], "a segment that matches its digest");
}

#[test]
fn a_segment_that_is_gone_is_broken_and_so_is_a_manifest_without_its_head() {
    let (_directory, manifest) = example();
    std::fs::remove_file(segment(&manifest)).expect("removed");
    let output = vopr(&["verify", &url(&manifest)]);
    assert_eq!(output.status.code(), Some(10), "{}", stdout(&output));
    assert!(stdout(&output).contains("found no object"), "{}", stdout(&output));
    std::fs::remove_file(manifest.join("head@")).expect("removed");
    let output = vopr(&["verify", &url(&manifest)]);
    assert_eq!(output.status.code(), Some(10), "{}", stdout(&output));
    assert!(stdout(&output).contains("expected a head\n"), "{}", stdout(&output));
}

#[test]
fn where_no_manifest_or_no_store_is_the_message_says_so() {
    let (directory, manifest) = example();
    let elsewhere = manifest.with_file_name("customers");
    let outside = tempfile::tempdir().expect("a temporary folder");
    let outside = outside.path().join("nothing");
    let root = url(directory.path());
    let cases = [
        (url(&elsewhere), "there is no manifest at tables/customers/head"),
        (root, "there is no manifest at head"),
        (url(&outside), "is in no local store"),
        (String::from("ftp://host/x"), "no store is known as 'ftp://'"),
        (String::from("file://host/x"), "names a host"),
    ];
    for (url, part) in &cases {
        let output = vopr(&["verify", url]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{url}: {message}");
        assert!(message.starts_with("error:") && message.contains(part), "{url}: {message}");
    }
    assert!(!outside.exists(), "nothing is made where there is nothing");
}

#[cfg(not(feature = "cloud"))]
#[test]
fn without_cloud_stores_the_message_says_how_to_get_them() {
    let output = vopr(&["verify", "s3://bucket/tables/orders"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--features cloud"), "{}", stderr(&output));
}

#[cfg(feature = "cloud")]
#[test]
fn a_store_that_cannot_be_reached_leaves_it_open_whether_something_is_broken() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args(["verify", "s3://bucket/tables/orders", "--timeout", "1"])
        // Nobody listens on the discard port.
        .env("AWS_ENDPOINT", "http://127.0.0.1:9")
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .output()
        .expect("the binary was built with the tests");
    assert_eq!(output.status.code(), Some(16), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: verify: the store is unavailable"));
}
