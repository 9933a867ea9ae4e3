//! The text of counterexamples, and how small they are.

use expect_test::{Expect, expect};
use sim::check::explain::{lanes, prove, reduce};
use sim::check::generate::{Damage, Dice, Recipe, Workload, damage};
use sim::check::linear::{self, Assumptions};
use sim::check::{Budget, Verdict};
use sim::history::{History, Key, Numbered, OpId, Outcome, Value};

fn reduced(history: &History) -> Vec<OpId> {
    let assume = Assumptions::default();
    match linear::check(history, assume, Budget::default()) {
        Verdict::Violated(bad) => reduce(history, &bad, assume),
        other => panic!("expected a violation, got {other:?}"),
    }
}

fn check(history: &History, expected: Expect) {
    let ops = reduced(history);
    let mut text = prove(history, &ops, Value::ABSENT, &Numbered).join("\n");
    text += "\n\n";
    text += &lanes(history, &ops, &Numbered);
    expected.assert_eq(&text);
}

#[test]
fn a_stale_read_in_a_long_history() {
    let recipe = Recipe {
        workload: Workload::Register,
        ops: 2_000,
        clients: 8,
        keys: 3,
        unknown_permille: 50,
        seed: 1,
    };
    let made = recipe.make();
    let broken = damage(&made.history, Damage::StaleRead, &mut Dice::new(3)).expect("has reads");
    check(
        &broken,
        expect![[r#"
        T184 ended at 353, before T194 began at 374
        T194 ended at 376, before T221 began at 422
        T221 still saw k1=82 of T184 after T194, which also wrote the key: so T194 comes before T184

        T184 p14  |---|                     write k1=82
        T194 p11          |---|             write k1=87
        T221 p14                  |---|     read k1 -> 82
    "#]],
    );
}

#[test]
fn a_torn_read_of_two_keys() {
    let mut history = History::new();
    let (x, y) = (Key(0), Key(1));
    let write = history.invoke(0, 0);
    history.write(write, x, Value(1));
    history.write(write, y, Value(2));
    let torn = history.invoke(1, 0);
    history.read(torn, x, Value(1), None);
    history.read(torn, y, Value::ABSENT, None);
    history.complete(write, Outcome::Ok, 0);
    history.complete(torn, Outcome::Ok, 0);
    let other = history.invoke(2, 0);
    history.read(other, y, Value(2), None);
    history.complete(other, Outcome::Ok, 0);
    check(
        &history,
        expect![[r#"
            T1 saw k0=1, which T0 wrote
            T1 still saw k1=nil, the initial state, after T0, which wrote the key

            T0 p0  |-------|         write k0=1, write k1=2
            T1 p1      |-------|     read k0 -> 1, read k1 -> nil
        "#]],
    );
}

#[test]
fn a_value_from_nowhere() {
    let mut history = History::new();
    let read = history.invoke(0, 0);
    history.read(read, Key(0), Value(9), None);
    history.complete(read, Outcome::Ok, 0);
    check(
        &history,
        expect![[r#"
        T0 saw k0=9, which nobody wrote

        T0 p0  |---|     read k0 -> 9
    "#]],
    );
}

#[test]
fn two_updates_of_one_value() {
    let mut history = History::new();
    for (process, value) in [(0, 1), (1, 2)] {
        let op = history.invoke(process, 0);
        history.update(op, Key(0), Value::ABSENT, None, Value(value));
        history.complete(op, Outcome::Ok, 0);
    }
    check(
        &history,
        expect![[r#"
            T0 ended at 1, before T1 began at 2
            T1 still saw k0=nil, the initial state, after T0, which wrote the key

            T0 p0  |---|             update k0 nil -> 1
            T1 p1          |---|     update k0 nil -> 2
        "#]],
    );
}

#[test]
fn an_unknown_write_that_comes_and_goes() {
    let mut history = History::new();
    let unknown = history.invoke(0, 0);
    history.write(unknown, Key(0), Value(5));
    for seen in [5, 0] {
        let op = history.invoke(1, 0);
        history.read(op, Key(0), Value(seen), None);
        history.complete(op, Outcome::Ok, 0);
    }
    check(
        &history,
        expect![[r#"
        T1 saw k0=5, which T0 wrote
        T1 ended at 2, before T2 began at 3
        T2 saw k0=nil, which T0 replaced (it comes after the initial state): so T2 comes before T0

        T0 p0  |···················· write k0=5 (outcome unknown)
        T1 p1      |---|             read k0 -> 5
        T2 p1              |---|     read k0 -> nil
    "#]],
    );
}

#[test]
fn counterexamples_of_damaged_histories_are_short() {
    let mut sizes = Vec::new();
    for seed in 0..60 {
        let workload = [Workload::Register, Workload::Transactions][seed as usize % 2];
        let recipe = Recipe { workload, ops: 300, clients: 8, keys: 4, unknown_permille: 30, seed };
        let made = recipe.make();
        if let Some(broken) = damage(&made.history, Damage::StaleRead, &mut Dice::new(seed)) {
            sizes.push(reduced(&broken).len());
        }
    }
    sizes.sort_unstable();
    assert!(sizes.len() > 50);
    let median = sizes[sizes.len() / 2];
    assert!(median < 10, "median of {median} operations: {sizes:?}");
}
