//! A process may be killed between any two steps. Dropping a ledger is that: nothing is written.

use std::fs;

use super::super::job::tests::job;
use super::*;

struct Night {
    folder: tempfile::TempDir,
}

impl Night {
    fn new() -> Night {
        Night { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The ledger of a thousand seeds, which come in stretches of four.
    fn open(&self) -> Result<Ledger, NightError> {
        let results = Some(self.file("results"));
        let place =
            Place { checkpoint: self.file("checkpoint"), journal: self.file("journal"), results };
        Ledger::open(job(1000), Block::WHOLE, place, Corpus::default())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("it is there")
    }
}

/// The positions that are given out next.
fn taken(ledger: &mut Ledger) -> Option<Range<u64>> {
    match ledger.take() {
        Next::Run(task) => Some(task.positions),
        Next::Wait | Next::Nothing => None,
    }
}

/// Runs so many stretches: seeds that only count themselves.
fn work(ledger: &mut Ledger, stretches: usize) {
    for _ in 0..stretches {
        let positions = taken(ledger).expect("there is work");
        let summary = Summary { seeds: positions.end - positions.start, ..Summary::default() };
        ledger.put(positions, summary);
    }
}

fn seeds(night: &Night) -> u64 {
    let ledger = night.open().expect("it goes on");
    assert_eq!(ledger.summary().seeds, ledger.done.count());
    ledger.summary().seeds
}

#[test]
fn what_was_put_is_there_although_nobody_saved_it() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 3);
    drop(ledger);
    assert_eq!(seeds(&night), 12);
    assert_eq!(night.text("results").lines().count(), 3, "and the results have it");
}

#[test]
fn a_stretch_that_was_taken_and_never_put_is_given_out_again() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 2);
    assert_eq!(taken(&mut ledger), Some(8..12));
    work(&mut ledger, 1);
    drop(ledger);
    let mut ledger = night.open().expect("it goes on");
    assert_eq!(taken(&mut ledger), Some(8..12));
    assert_eq!(taken(&mut ledger), Some(16..20));
}

#[test]
fn half_a_stretch_is_kept_and_the_other_half_given_out() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    assert_eq!(taken(&mut ledger), Some(0..4));
    ledger.put(0..1, Summary { seeds: 1, ..Summary::default() });
    ledger.save(Duration::ZERO).expect("there is space");
    drop(ledger);
    let mut ledger = night.open().expect("it goes on");
    assert_eq!(taken(&mut ledger), Some(1..4));
}

/// Killed after the checkpoint was written and before the journal was emptied.
#[test]
fn a_stretch_in_checkpoint_and_journal_counts_once() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 3);
    let journal = fs::read(night.file("journal")).expect("it is there");
    ledger.save(Duration::ZERO).expect("there is space");
    drop(ledger);
    fs::write(night.file("journal"), journal).expect("writable");
    assert_eq!(seeds(&night), 12);
    assert_eq!(night.text("results").lines().count(), 3);
}

/// Killed after the results were written and before the checkpoint was.
#[test]
fn results_of_no_checkpoint_are_cut_and_written_again() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 2);
    ledger.save(Duration::ZERO).expect("there is space");
    work(&mut ledger, 1);
    let [checkpoint, journal] =
        ["checkpoint", "journal"].map(|name| fs::read(night.file(name)).expect("it is there"));
    ledger.save(Duration::ZERO).expect("there is space");
    drop(ledger);
    let whole = night.text("results");
    fs::write(night.file("checkpoint"), checkpoint).expect("writable");
    fs::write(night.file("journal"), journal).expect("writable");
    fs::write(night.file("results"), format!("{whole}{{\"kind\":\"str")).expect("writable");
    assert_eq!(seeds(&night), 12);
    assert_eq!(night.text("results"), whole);
}

#[test]
fn results_that_somebody_cut_are_refused() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 2);
    ledger.save(Duration::ZERO).expect("there is space");
    drop(ledger);
    fs::write(night.file("results"), "").expect("writable");
    let error = night.open().expect_err("they do not fit").to_string();
    assert!(error.contains("has 0 bytes, the checkpoint beside it counts on"), "{error}");
}

#[test]
fn every_position_is_given_out_once() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 250);
    assert_eq!((ledger.take(), ledger.is_complete()), (Next::Nothing, true));
    assert_eq!(ledger.summary().seeds, 1000);
}
