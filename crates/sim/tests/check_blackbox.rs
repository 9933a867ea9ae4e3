//! The check by values alone: correct histories pass, damaged ones are judged as brute force
//! judges them, and the two independent checkers never contradict each other.

use sim::check::generate::{Damage, Dice, Made, Recipe, Workload, damage};
use sim::check::linear::{self, Assumptions};
use sim::check::search::{Store, reference};
use sim::check::whitebox::{Level, Log, WhiteBox};
use sim::check::{Budget, Undecided, Verdict};
use sim::history::{History, Key, OpId, Outcome, Recency, Value};

const DAMAGES: [Damage; 3] = [Damage::StaleRead, Damage::DroppedWrite, Damage::SwappedResults];

fn recipe(workload: Workload, ops: u32, seed: u64) -> Recipe {
    let (clients, keys) = (1 + (seed % 11) as u32, 1 + (seed % 7) as u32);
    let unknown_permille = [0, 10, 50, 200][seed as usize % 4];
    Recipe { workload, ops, clients, keys, unknown_permille, seed }
}

fn explained(history: &History) -> bool {
    match linear::check(history, Assumptions::default(), Budget { steps: 1_000_000 }) {
        Verdict::Ok => true,
        Verdict::Violated(_) => false,
        Verdict::Undecided(reason) => panic!("undecided: {reason:?}"),
    }
}

#[test]
fn what_an_ideal_system_does_can_be_explained() {
    for seed in 0..200 {
        for workload in [Workload::Register, Workload::Transactions, Workload::ListAppend] {
            let made = recipe(workload, 300, seed).make();
            assert!(explained(&made.history), "{workload:?} {seed}");
        }
    }
}

#[test]
fn a_stale_read_has_no_explanation() {
    let mut tried = 0;
    for seed in 0..300 {
        for workload in [Workload::Register, Workload::Transactions] {
            let made = recipe(workload, 300, seed).make();
            let broken = damage(&made.history, Damage::StaleRead, &mut Dice::new(seed));
            if let Some(broken) = broken {
                assert!(!explained(&broken), "{workload:?} {seed}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "only {tried} histories offered a place for a stale read");
}

#[test]
fn damaged_histories_are_judged_as_brute_force_judges_them() {
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..1_500 {
        for workload in [Workload::Register, Workload::Transactions] {
            let made = Recipe { clients: 4, keys: 2, ..recipe(workload, 14, seed) }.make();
            let kind = DAMAGES[seed as usize % 3];
            let Some(broken) = damage(&made.history, kind, &mut Dice::new(seed)) else { continue };
            let ops: Vec<OpId> = broken.ops().map(|(op, _)| op).collect();
            let store = Store::new(&broken, &ops, &|_: Key| Value::ABSENT);
            let truth = reference(&store, &store.calls(&ops));
            assert_eq!(explained(&broken), truth, "{workload:?} {seed} {kind:?}");
            if truth { right += 1 } else { wrong += 1 }
        }
    }
    assert!(right > 20 && wrong > 500, "{right} still right, {wrong} wrong");
}

#[test]
fn the_two_checkers_never_contradict_each_other() {
    let mut checker = WhiteBox::new();
    let mut only_ids = 0;
    for seed in 0..300 {
        for kind in DAMAGES {
            let Made { history, log } = recipe(Workload::Transactions, 120, seed).make();
            let Some(broken) = damage(&history, kind, &mut Dice::new(seed)) else { continue };
            let by_ids = checker.check(&broken, Log::Complete(&log), Level::StrictSerializable);
            match (by_ids.is_ok(), explained(&broken)) {
                (true, false) => panic!("seed {seed} {kind:?}: the ids prove an order"),
                // Another order explains the clients: the ids are wrong, nobody can tell.
                (false, true) => only_ids += 1,
                _ => {}
            }
        }
    }
    assert!(only_ids < 100, "{only_ids} damages that only the ids show");
}

#[test]
fn the_end_of_the_budget_is_undecided_and_never_ok() {
    let made = recipe(Workload::Transactions, 300, 10).make();
    let verdict = linear::check(&made.history, Assumptions::default(), Budget { steps: 3 });
    assert_eq!(verdict, Verdict::Undecided(Undecided::Budget { steps: 3 }));
}

#[test]
fn additions_are_not_modelled_and_that_is_said() {
    let mut history = History::new();
    let op = history.invoke(0, 0);
    history.add(op, Key(0), 5);
    history.complete(op, Outcome::Ok, 0);
    let verdict = linear::check(&history, Assumptions::default(), Budget::default());
    assert_eq!(verdict, Verdict::Undecided(Undecided::Unsupported { what: "addition" }));
}

/// A value is written, deleted, strongly read as absent, and then read from an old snapshot.
fn late_snapshot_read(recency: Recency) -> History {
    let key = Key(0);
    let mut history = History::new();
    let call = |history: &mut History, process, recency| {
        let op = history.invoke(process, 0);
        history.set_recency(op, recency);
        op
    };
    let write = call(&mut history, 0, Recency::Strict);
    history.read(write, key, Value::ABSENT, None);
    history.write(write, key, Value(7));
    history.complete(write, Outcome::Ok, 0);
    let delete = call(&mut history, 0, Recency::Strict);
    history.write(delete, key, Value::ABSENT);
    history.complete(delete, Outcome::Ok, 0);
    let strong = call(&mut history, 1, Recency::Strict);
    history.read(strong, key, Value::ABSENT, None);
    history.complete(strong, Outcome::Ok, 0);
    let old = call(&mut history, 2, recency);
    history.read(old, key, Value(7), None);
    history.complete(old, Outcome::Ok, 0);
    history
}

#[test]
fn the_read_of_a_snapshot_may_be_old_and_a_strong_read_may_not() {
    assert!(explained(&late_snapshot_read(Recency::Snapshot)));
    assert!(!explained(&late_snapshot_read(Recency::Strict)));
}
