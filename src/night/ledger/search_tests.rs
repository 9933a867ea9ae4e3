//! A guided search that is killed between any two steps goes on with the same worlds, and in the end
//! knows the same. Dropping a ledger is being killed: nothing is written.

use std::collections::BTreeMap;
use std::fs;

use super::super::job::GuidedJob;
use super::super::job::tests::job;
use super::*;
use crate::guided::GENERATION;

/// Worlds of the search: four generations and a bit.
const WORLDS: u64 = 4 * GENERATION + 10;

/// What a search did: its worlds in the order of their places, and what it knew in the end.
type Story = (Vec<Seed>, Summary);

struct Night {
    folder: tempfile::TempDir,
    known: Corpus,
}

impl Night {
    fn new() -> Night {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Night { folder, known: Corpus::default() }
    }

    fn open(&self) -> Result<Ledger, NightError> {
        let file = |name| self.folder.path().join(name);
        let results = Some(file("results"));
        let place = Place { checkpoint: file("checkpoint"), journal: file("journal"), results };
        let guided = Some(GuidedJob::with(&self.known));
        let job = Job { guided, ..job(WORLDS) };
        Ledger::open(job, Block::WHOLE, place, self.known.clone())
    }

    fn files(&self) -> [Vec<u8>; 3] {
        let read = |name| fs::read(self.folder.path().join(name)).expect("it is there");
        ["checkpoint", "journal", "results"].map(read)
    }

    fn put_back(&self, files: [Vec<u8>; 3]) {
        for (name, bytes) in ["checkpoint", "journal", "results"].iter().zip(files) {
            fs::write(self.folder.path().join(name), bytes).expect("writable");
        }
    }
}

/// A world shows three pairs that follow from its name, some of them seldom.
fn run(seed: &Seed) -> Summary {
    let mut summary = Summary { seeds: 1, events: 1, ..Summary::default() };
    let hash = sim::trace::fold(seed.folded(), 7);
    let pairs = [hash % 3, 10 + hash % 50, 100 + hash % 1000].map(|pair| (pair, hash % 20));
    summary.corpus.learn(seed, 20 + hash % 9, &pairs);
    summary
}

/// Runs tasks until there are none or so many are done; the later one of two comes back first.
fn work(ledger: &mut Ledger, tasks: usize, seen: &mut BTreeMap<u64, Seed>) {
    let mut at_once = Vec::new();
    for _ in 0..tasks {
        match ledger.take() {
            Next::Run(task) => at_once.push(task),
            Next::Wait => {}
            Next::Nothing => break,
        }
        if at_once.len() < 2 && at_once.last().is_some_and(|task| task.positions.end < WORLDS) {
            continue;
        }
        while let Some(task) = at_once.pop() {
            seen.extend((task.place..).zip(task.seeds.iter().cloned()));
            let worlds = task.seeds.iter().map(run);
            ledger.put(task.positions, worlds.fold(Summary::default(), Summary::merge));
        }
    }
}

/// The search from where it is to its end; `seen` has what was run before.
fn finish(night: &Night, mut seen: BTreeMap<u64, Seed>) -> Story {
    let mut ledger = night.open().expect("it goes on");
    work(&mut ledger, usize::MAX, &mut seen);
    ledger.save(Duration::ZERO).expect("there is space");
    assert!(ledger.is_complete());
    drop(ledger);
    let summary = night.open().expect("it is over").into_summary();
    assert_eq!(summary.seeds, WORLDS);
    (seen.into_values().collect(), summary)
}

fn undisturbed() -> Story {
    finish(&Night::new(), BTreeMap::new())
}

#[test]
fn half_of_the_worlds_come_from_what_was_learned() {
    let (worlds, summary) = undisturbed();
    assert_eq!(worlds.iter().filter(|seed| !seed.turns().is_empty()).count(), 3 * 32 + 5);
    assert!(summary.corpus.len() > 200, "{} pairs", summary.corpus.len());
}

/// Killed after any number of tasks, with and without a checkpoint at that moment.
#[test]
fn a_search_that_is_killed_at_any_moment_runs_the_same_worlds() {
    let calm = undisturbed();
    for tasks in (0..WORLDS as usize / 2).step_by(5) {
        for saves in [0, 1] {
            let night = Night::new();
            let mut seen = BTreeMap::new();
            let mut ledger = night.open().expect("a new one");
            work(&mut ledger, tasks, &mut seen);
            (0..saves).for_each(|_| ledger.save(Duration::ZERO).expect("there is space"));
            drop(ledger);
            assert!(finish(&night, seen) == calm, "after {tasks} tasks, {saves} checkpoints");
        }
    }
}

/// Killed again and again: each session does less than a generation more than it could keep.
#[test]
fn a_search_goes_on_however_often_it_is_killed() {
    let night = Night::new();
    let mut seen = BTreeMap::new();
    for _ in 0..12 {
        work(&mut night.open().expect("it goes on"), 50, &mut seen);
    }
    assert!(finish(&night, seen) == undisturbed());
}

/// Killed after the results or the checkpoint were written and before the next file was.
#[test]
fn a_generation_in_checkpoint_and_journal_is_learned_from_once() {
    for newer in [[false, false, true], [true, false, true]] {
        let night = Night::new();
        let mut seen = BTreeMap::new();
        let mut ledger = night.open().expect("a new one");
        work(&mut ledger, 40, &mut seen);
        ledger.save(Duration::ZERO).expect("there is space");
        work(&mut ledger, 80, &mut seen);
        let before = night.files();
        ledger.save(Duration::ZERO).expect("there is space");
        drop(ledger);
        let mut files = night.files();
        assert!(before[0] != files[0] && before[1] != files[1] && before[2] != files[2]);
        for (place, before) in before.into_iter().enumerate().filter(|(place, _)| !newer[*place]) {
            files[place] = before;
        }
        night.put_back(files);
        assert!(finish(&night, seen) == undisturbed(), "{newer:?}");
    }
}

/// Lines are whole and of this run, but what came before them is not there.
#[test]
fn a_generation_is_not_learned_from_before_those_that_it_was_chosen_from() {
    let night = Night::new();
    let mut seen = BTreeMap::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 80, &mut seen);
    drop(ledger);
    let [checkpoint, journal, results] = night.files();
    let second = journal.iter().position(|&byte| byte == b'\n').expect("two lines") + 1;
    assert!(second < journal.len());
    night.put_back([checkpoint, journal[second..].to_vec(), results]);
    assert_eq!(night.open().expect("it goes on").summary().seeds, 0);
    assert!(finish(&night, seen) == undisturbed());
}

#[test]
fn who_says_stop_gets_whole_generations() {
    let night = Night::new();
    let mut seen = BTreeMap::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 40, &mut seen);
    ledger.end();
    work(&mut ledger, usize::MAX, &mut seen);
    assert_eq!((ledger.summary().seeds, seen.len()), (128, 128));
    drop(ledger);
    assert!(finish(&night, seen) == undisturbed());
}

#[test]
fn a_search_that_begins_with_another_corpus_is_another_run() {
    let mut night = Night::new();
    work(&mut night.open().expect("a new one"), 40, &mut BTreeMap::new());
    night.known = run(&Seed::from(99)).corpus;
    let error = night.open().expect_err("it began with nothing").to_string();
    assert!(error.contains("corpus is none there and "), "{error}");
    // And with that corpus from the beginning it is told apart from none, and goes on.
    let other = Night { known: night.known.clone(), ..Night::new() };
    let mut seen = BTreeMap::new();
    work(&mut other.open().expect("a new one"), 40, &mut seen);
    assert!(!seen[&1].turns().is_empty(), "it knows something from the beginning");
    assert!(finish(&other, seen) != undisturbed());
}

/// Checkpoints with a sound hash that say what cannot be.
#[test]
fn a_checkpoint_of_no_search_is_refused() {
    let night = Night::new();
    let mut ledger = night.open().expect("a new one");
    work(&mut ledger, 40, &mut BTreeMap::new());
    ledger.save(Duration::ZERO).expect("there is space");
    let sound = ledger.checkpoint();
    drop(ledger);
    let part = || sound.parts[&Block::WHOLE].clone();
    let with = |part: Part| Checkpoint { parts: [(Block::WHOLE, part)].into(), ..sound.clone() };
    let half = || {
        let mut done = Spans::default();
        done.insert(0..20);
        Part { done, summary: Summary { seeds: 20, ..part().summary }, ..part() }
    };
    let in_turn = || Checkpoint { job: Job { guided: None, ..sound.job.clone() }, ..with(part()) };
    for (wrong, words) in [
        (with(half()), "a generation was done in part"),
        (with(Part { next_seed: None, ..part() }), "with which seed it goes on"),
        (with(Part { next_seed: Some(7), ..part() }), "with which seed it goes on"),
        (in_turn(), "of no guided search, and of one"),
    ] {
        wrong.write(&night.folder.path().join("checkpoint")).expect("writable");
        let error = night.open().expect_err(words).to_string();
        assert!(error.contains(words), "no {words:?} in {error}");
    }
}
