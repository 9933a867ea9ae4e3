//! Anomalies by name: one small history for each, as the literature draws them.

use expect_test::{Expect, expect};
use sim::check::generate::{Recipe, Workload};
use sim::check::isolation::{Isolation, find};
use sim::history::{History, Key, Numbered, Outcome, Value};

/// `r x1 w y2` reads x=1 and writes y=2; `a x1` appends; `l x12` saw the list 1 2. A `!` in front
/// makes the transaction fail, `?` leaves it unknown. Transactions run at the same time.
fn history(txns: &[&str]) -> History {
    let mut history = History::new();
    let mut opened = Vec::new();
    for (process, text) in txns.iter().enumerate() {
        let op = history.invoke(process as u32, 0);
        let outcome = match text.chars().next() {
            Some('!') => Outcome::Failed,
            Some('?') => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        let words: Vec<&str> = text.trim_start_matches(['!', '?']).split_whitespace().collect();
        for pair in words.chunks(2) {
            let (name, digits) = pair[1].split_at(1);
            let key = Key(u32::from(name == "y"));
            let numbers: Vec<Value> =
                digits.chars().filter_map(|c| c.to_digit(10)).map(|d| Value(d.into())).collect();
            let value = numbers.first().copied().unwrap_or(Value::ABSENT);
            match pair[0] {
                "r" => history.read(op, key, value, None),
                "w" => history.write(op, key, value),
                "a" => history.append(op, key, value),
                _ => history.read_list(op, key, &numbers),
            }
        }
        opened.push((op, outcome));
    }
    for (op, outcome) in opened {
        history.complete(op, outcome, 0);
    }
    history
}

fn check(txns: &[&str], expected: Expect) {
    let history = history(txns);
    let findings = find(&history);
    let mut text = String::new();
    for anomaly in &findings.anomalies {
        text += &format!("{}\n", anomaly.name.text());
        for sentence in anomaly.sentences(&history, &Numbered) {
            text += &format!("  {sentence}\n");
        }
    }
    text += &format!("leaves {}\n", findings.strongest().map_or("nothing", Isolation::name));
    expected.assert_eq(&text);
}

#[test]
fn g0_dirty_write() {
    check(
        &["a x1 a y1", "a x2 a y2", "l x12 l y21"],
        expect![[r#"
        G0
          T0 wrote k0=1, which T1 replaced by 2
          T1 wrote k1=2, which T0 replaced by 1
        leaves nothing
    "#]],
    );
}

#[test]
fn g1a_aborted_read_and_dirty_update() {
    check(
        &["!a x1", "a x2", "l x12"],
        expect![[r#"
        dirty-update
          T1 wrote k0 on top of 1, which T0 wrote and aborted
        G1a
          T2 read k0=1, which T0 wrote and aborted
        leaves read-uncommitted
    "#]],
    );
    check(
        &["!w x1", "r x1"],
        expect![[r#"
        G1a
          T1 read k0=1, which T0 wrote and aborted
        leaves read-uncommitted
    "#]],
    );
}

#[test]
fn g1b_intermediate_read() {
    check(
        &["a x1 a x2", "l x1", "l x12"],
        expect![[r#"
        G1b
          T1 read k0=1, which T0 had replaced itself before it ended
        G-single
          T1 read k0=1, before T0 wrote 2
          T1 read k0=1, which T0 wrote
        leaves read-uncommitted
    "#]],
    );
    check(
        &["w x1 w x2", "r x1"],
        expect![[r#"
        G1b
          T1 read k0=1, which T0 had replaced itself before it ended
        leaves read-uncommitted
    "#]],
    );
}

#[test]
fn g1c_circular_information_flow() {
    check(
        &["w x1 r y2", "w y2 r x1"],
        expect![[r#"
        G1c
          T1 read k0=1, which T0 wrote
          T0 read k1=2, which T1 wrote
        leaves read-uncommitted
    "#]],
    );
}

#[test]
fn g_single_read_skew() {
    check(
        &["a x1 a y1", "l x l y1", "l x1 l y1"],
        expect![[r#"
        G-single
          T1 read k0=nil, before T0 wrote 1
          T1 read k1=1, which T0 wrote
        leaves read-committed
    "#]],
    );
}

#[test]
fn g2_item_write_skew() {
    check(
        &["r x r y w x1", "r x r y w y2"],
        expect![[r#"
        G2-item
          T0 read k1=nil, before T1 wrote 2
          T1 read k0=nil, before T0 wrote 1
        leaves snapshot-isolation
    "#]],
    );
}

#[test]
fn lost_update() {
    check(
        &["w x1", "r x1 w x2", "r x1 w x3"],
        expect![[r#"
        lost-update
          T1, T2 all read k0=1 and all replaced it: only one of them can be next
        G2-item
          T1 read k0=1, before T2 wrote 3
          T2 read k0=1, before T1 wrote 2
        leaves read-committed
    "#]],
    );
}

#[test]
fn internal_inconsistency() {
    check(
        &["w x1 r x2", "w x2"],
        expect![[r#"
        internal
          T0 read k0=2 against its own earlier access
        leaves read-committed
    "#]],
    );
    check(
        &["a x1 l x2", "a x2"],
        expect![[r#"
        internal
          T0 read k0=1 against its own earlier access
        leaves read-committed
    "#]],
    );
}

#[test]
fn incompatible_orders_and_duplicates() {
    check(
        &["a x1", "a x2", "l x12", "l x21"],
        expect![[r#"
        incompatible-order
          T2 and T3 saw k0 in orders of which neither begins the other
        leaves nothing
    "#]],
    );
    check(
        &["a x1", "l x11"],
        expect![[r#"
        duplicate-elements
          T1 read k0 with 1 in it twice
        leaves nothing
    "#]],
    );
}

#[test]
fn an_unknown_append_happened_if_somebody_saw_it() {
    check(
        &["?a x1", "l x1", "l x"],
        expect![[r#"
        leaves strict-serializable
    "#]],
    );
}

#[test]
fn a_stale_read_breaks_only_real_time() {
    let mut history = History::new();
    let write = history.invoke(0, 0);
    history.append(write, Key(0), Value(1));
    history.complete(write, Outcome::Ok, 0);
    let read = history.invoke(1, 0);
    history.read_list(read, Key(0), &[]);
    history.complete(read, Outcome::Ok, 0);
    let findings = find(&history);
    assert_eq!(findings.strongest(), Some(Isolation::StrongSessionSerializable));
    assert_eq!(findings.anomalies[0].name.text(), "G-single-realtime");
}

#[test]
fn an_ideal_system_has_no_anomaly() {
    for seed in 0..100 {
        for workload in [Workload::ListAppend, Workload::Transactions] {
            let clients = 1 + (seed % 9) as u32;
            let recipe =
                Recipe { workload, ops: 200, clients, keys: 5, unknown_permille: 50, seed };
            let findings = find(&recipe.make().history);
            assert_eq!(findings.anomalies, [], "{workload:?} {seed}");
            assert_eq!(findings.unwritten, [], "{workload:?} {seed}");
        }
    }
}
