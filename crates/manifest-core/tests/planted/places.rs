//! The list of bugs is complete: each acts somewhere in the sources, and has a test here.

use std::path::Path;

use manifest_core::PlantedBug;

/// All text of the Rust files in a folder of this crate, `planted.rs` of the list itself left out.
fn sources(folder: &str) -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("src/planted.rs") {
                text += &std::fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

/// Whether the text has this name, not as the beginning of a longer one.
fn has(text: &str, name: &str) -> bool {
    let longer = |c: char| c.is_alphanumeric();
    text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with(longer))
}

#[test]
fn every_bug_acts_somewhere() {
    let text = sources("src");
    for bug in PlantedBug::ALL {
        let asked = format!("(PlantedBug::{bug:?}");
        assert!(has(&text, &asked), "{bug} is asked for nowhere");
    }
}

#[test]
fn every_bug_has_a_directed_test() {
    let text = sources("tests/planted");
    for bug in PlantedBug::ALL {
        assert!(has(&text, &format!("Some(PlantedBug::{bug:?}")), "{bug}");
    }
}

#[test]
fn names_lead_back_to_the_bugs() {
    for bug in PlantedBug::ALL {
        assert_eq!(bug.name().parse(), Ok(*bug));
        let origin = bug.origin();
        assert!(origin.contains('#') || origin.starts_with("own: "), "{origin}");
        assert!(bug.sentence().ends_with('.'));
    }
    assert!("no-such-bug".parse::<PlantedBug>().is_err());
}

#[test]
fn names_and_sentences_are_given_once() {
    for text in [PlantedBug::name, PlantedBug::sentence] {
        let mut all: Vec<_> = PlantedBug::ALL.iter().map(|bug| text(*bug)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), PlantedBug::ALL.len());
    }
}
