//! A normal build holds no planted bug: neither their names, nor what is said of them, nor their
//! options, nor the code that only they run is in a program that uses the library.
//!
//! The program that is looked at is this test itself, with the file names in its debug information.
//! The list of bugs is read from the sources while it runs, so that it does not get in by being
//! looked for; for the same reason other words are taken apart here.
#![cfg(not(feature = "planted-bugs"))]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{TestStore, create, put, truth};
use manifest_core::{Floor, steps::STEPS};

/// The texts between quotation marks in the table of bugs.
fn table() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/planted.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let (_, table) = source.split_once("\nbugs! {\n").expect("the table");
    let (table, _) = table.split_once("\n}\n").expect("its end");
    let texts: Vec<String> = table.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(texts.len() % 3, 0, "a name, a sentence and an origin of each");
    texts
}

/// Uses what the bugs would act in, so that it is part of this program.
async fn use_everything() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    let mut compactor = manifest.compactor().await.unwrap();
    while manifest.head_info().segments < 2 {
        put(&manifest, "k", &"x".repeat(60)).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
    let mut session = manifest.session().await.unwrap();
    compactor.merge().await.unwrap();
    compactor.checkpoint().await.unwrap();
    manifest.collector().pass(Floor::ThisPass).await.unwrap();
    assert!(session.get("k").await.unwrap().is_some());
    assert_eq!(truth(&store).await.len(), 1);
}

/// Those of the texts that stand somewhere in the program.
fn found<'a>(program: &[u8], texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut by_start: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    let mut is_start = vec![false; 1 << 16];
    let number = |two: &[u8]| usize::from(two[0]) << 8 | usize::from(two[1]);
    for text in texts {
        let start = &text.as_bytes()[..2];
        by_start.entry(start).or_default().push(text);
        is_start[number(start)] = true;
    }
    let mut found = BTreeSet::new();
    for (at, two) in program.windows(2).enumerate().filter(|(_, two)| is_start[number(two)]) {
        let here = by_start[two].iter().filter(|text| program[at..].starts_with(text.as_bytes()));
        found.extend(here);
    }
    found
}

/// Words that stand in a program with planted bugs: the options, and the files with their code.
fn marks() -> Vec<String> {
    let option = |rest: &str| format!("planted{}{rest}", '_');
    let file = |folder: &str, file: &str| format!("src/{folder}/{file}.rs");
    vec![option("cache_age"), option("page"), file("commit", "planted"), file("planted", "adopt")]
}

#[tokio::test(start_paused = true)]
async fn no_planted_bug_is_in_the_program() {
    use_everything().await;
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let there: Vec<&str> =
        STEPS.iter().map(|step| step.name).chain(["src/commit/drive.rs"]).collect();
    assert_eq!(found(&program, there.iter().copied()).len(), there.len(), "what is there is found");
    let texts = table();
    assert!(texts.len() >= 3 * 40, "{}", texts.len());
    let texts: Vec<String> = texts.into_iter().chain(marks()).collect();
    let found = found(&program, texts.iter().map(String::as_str));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn options_say_nothing_of_bugs() {
    let options = format!("{:?}", manifest_core::Options::default());
    assert!(options.contains("tail_limit_bytes") && !options.contains("planted"), "{options}");
}
