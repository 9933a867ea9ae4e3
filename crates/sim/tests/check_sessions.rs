//! Session guarantees by values alone: each one kept and broken, and never against commit ids.

use sim::check::generate::{Damage, Dice, Made, Recipe, Workload, damage};
use sim::check::sessions::{self, Guarantee};
use sim::check::whitebox::{Level, Log, WhiteBox};
use sim::check::{Undecided, Verdict};
use sim::history::{History, Key, Outcome, Value};

const X: Key = Key(0);

/// Operations one after the other: process, `'r'` or `'w'`, value.
fn history(ops: &[(u32, char, u64)]) -> History {
    let mut history = History::new();
    for &(process, what, value) in ops {
        let op = history.invoke(process, 0);
        match what {
            'r' => history.read(op, X, Value(value), None),
            _ => history.write(op, X, Value(value)),
        }
        history.complete(op, Outcome::Ok, 0);
    }
    history
}

/// Which of the four guarantees, each on its own, the operations break.
fn broken(ops: &[(u32, char, u64)]) -> Vec<Guarantee> {
    let history = history(ops);
    let breaks = |guarantee: &Guarantee| !sessions::check(&history, &[*guarantee]).is_ok();
    Guarantee::ALL.into_iter().filter(breaks).collect()
}

#[test]
fn each_guarantee_is_broken_alone() {
    assert_eq!(broken(&[(0, 'w', 1), (0, 'r', 0)]), [Guarantee::ReadYourWrites]);
    let back = [(0, 'w', 1), (1, 'r', 1), (1, 'r', 0)];
    assert_eq!(broken(&back), [Guarantee::MonotonicReads]);
    assert_eq!(broken(&[(0, 'w', 1), (0, 'r', 1), (1, 'r', 0), (1, 'r', 1)]), []);
    // Another process's write may come before or after: an old value is no evidence.
    assert_eq!(
        broken(&[(0, 'w', 1), (1, 'w', 2), (0, 'r', 2), (1, 'r', 1)]),
        [Guarantee::ReadYourWrites]
    );
    assert_eq!(broken(&[(0, 'w', 1), (1, 'w', 2), (1, 'r', 1)]), []);
}

#[test]
fn two_guarantees_may_hold_alone_and_not_together() {
    // Two processes read two writes of one process, in the wrong order.
    let history = history(&[(0, 'w', 1), (0, 'w', 2), (1, 'r', 2), (1, 'r', 1)]);
    for guarantee in Guarantee::ALL {
        assert!(sessions::check(&history, &[guarantee]).is_ok(), "{guarantee:?}");
    }
    let both = [Guarantee::MonotonicReads, Guarantee::MonotonicWrites];
    let verdict = sessions::check(&history, &both);
    let fault = verdict.violation().expect("no order of the two values is left");
    assert_eq!((fault.key, &fault.values[..]), (X, &[Value(1), Value(2)][..]));
    assert_eq!(fault.ops.len(), 4);
}

#[test]
fn a_write_follows_what_its_process_had_read() {
    let ops = [(0, 'w', 1), (1, 'r', 1), (1, 'w', 2), (2, 'r', 2), (2, 'r', 1)];
    let both = [Guarantee::MonotonicReads, Guarantee::WritesFollowReads];
    assert!(!sessions::check(&history(&ops), &both).is_ok());
    assert!(sessions::check(&history(&ops[..4]), &both).is_ok());
}

#[test]
fn a_value_written_twice_is_undecided() {
    let verdict = sessions::check(&history(&[(0, 'w', 1), (1, 'w', 1)]), &Guarantee::ALL);
    let what = "value written twice";
    assert_eq!(verdict, Verdict::Undecided(Undecided::Unsupported { what }));
}

#[test]
fn what_the_commit_ids_prove_the_values_do_not_contradict() {
    let mut found = 0;
    let mut checker = WhiteBox::new();
    for seed in 0..300 {
        let (clients, keys) = (1 + (seed % 5) as u32, 1 + (seed % 3) as u32);
        let workload = Workload::Register;
        let recipe = Recipe { workload, ops: 100, clients, keys, unknown_permille: 50, seed };
        let Made { history, log } = recipe.make();
        assert!(sessions::check(&history, &Guarantee::ALL).is_ok(), "seed {seed}: ideal");
        let Some(stale) = damage(&history, Damage::StaleRead, &mut Dice::new(seed)) else {
            continue;
        };
        for (guarantee, level) in [
            (Guarantee::ReadYourWrites, Level::ReadYourWrites),
            (Guarantee::MonotonicReads, Level::MonotonicReads),
        ] {
            let broken = !sessions::check(&stale, &[guarantee]).is_ok();
            let proved = checker.check(&stale, Log::Complete(&log), level).is_ok();
            assert!(!(broken && proved), "seed {seed}: {guarantee:?}");
            found += u32::from(broken);
        }
    }
    assert!(found > 10, "only {found} found by values");
}
