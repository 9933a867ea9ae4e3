//! The check with commit ids: what it proves, and what it finds.

use sim::check::Verdict;
use sim::check::generate::{Damage, Dice, Made, Recipe, Workload, damage};
use sim::check::whitebox::{Fault, Level, Log, LogEntry, WhiteBox, infer_log};
use sim::history::{History, Key, Numbered, OpId, Outcome, Recency, Value};

const X: Key = Key(0);
const Y: Key = Key(1);

fn log(ops: &[OpId]) -> Vec<LogEntry> {
    ops.iter().zip(1..).map(|(&op, number)| LogEntry { number, op }).collect()
}

fn check(history: &History, log: &[LogEntry], level: Level) -> Verdict<Fault> {
    WhiteBox::new().check(history, Log::Complete(log), level)
}

fn write(history: &mut History, process: u32, key: Key, value: u64) -> OpId {
    let op = history.invoke(process, 0);
    history.write(op, key, Value(value));
    history.complete(op, Outcome::Ok, 0);
    op
}

fn read(history: &mut History, process: u32, key: Key, value: u64, version: u64) -> OpId {
    let op = history.invoke(process, 0);
    history.read(op, key, Value(value), Some(version));
    history.complete(op, Outcome::Ok, 0);
    op
}

#[test]
fn a_read_of_a_replaced_version_is_stale_and_names_its_three_witnesses() {
    let mut history = History::new();
    let first = write(&mut history, 0, X, 10);
    let second = write(&mut history, 0, X, 20);
    let reader = read(&mut history, 1, X, 10, 1);
    let log = log(&[first, second]);

    let verdict = check(&history, &log, Level::StrictSerializable);
    let fault = verdict.violation().expect("stale");
    assert_eq!(fault.rule(), "stale-read");
    assert_eq!(fault.ops(), [second, reader]);
    assert_eq!(
        fault.sentence(&history, &Numbered),
        "T2 (p1 at 4) saw a version of k0 that T1 (p0 at 2), commit 2, had replaced; \
         T1 (p0 at 2) had ended before, at commit 2"
    );
    assert!(check(&history, &log, Level::Serializable).is_ok(), "real time aside, it is fine");
}

#[test]
fn a_snapshot_read_may_be_old_but_not_torn() {
    let mut history = History::new();
    let both = history.invoke(0, 0);
    history.write(both, X, Value(1));
    history.write(both, Y, Value(2));
    history.complete(both, Outcome::Ok, 0);
    let again = write(&mut history, 0, Y, 3);
    let log = log(&[both, again]);

    let old = read(&mut history, 1, Y, 2, 1);
    history.set_recency(old, Recency::Snapshot);
    assert!(check(&history, &log, Level::StrictSerializable).is_ok());

    let torn = history.invoke(1, 0);
    history.read(torn, X, Value::ABSENT, Some(0));
    history.read(torn, Y, Value(3), Some(2));
    history.complete(torn, Outcome::Ok, 0);
    let verdict = check(&history, &log, Level::Serializable);
    assert_eq!(verdict.violation().map(Fault::rule), Some("torn-snapshot"));
}

#[test]
fn write_skew_breaks_serializability_but_not_snapshot_isolation() {
    let mut history = History::new();
    let one = history.invoke(0, 0);
    let two = history.invoke(1, 0);
    history.read(one, X, Value::ABSENT, Some(0));
    history.write(one, Y, Value(1));
    history.read(two, Y, Value::ABSENT, Some(0));
    history.write(two, X, Value(2));
    history.complete(one, Outcome::Ok, 0);
    history.complete(two, Outcome::Ok, 0);
    let log = log(&[one, two]);

    let verdict = check(&history, &log, Level::Serializable);
    assert_eq!(verdict.violation().map(Fault::rule), Some("not-the-state-committed-on"));
    assert!(check(&history, &log, Level::StrongSnapshotIsolation).is_ok());
}

#[test]
fn a_lost_update_breaks_snapshot_isolation_too() {
    let mut history = History::new();
    let one = history.invoke(0, 0);
    let two = history.invoke(1, 0);
    history.update(one, X, Value::ABSENT, Some(0), Value(1));
    history.update(two, X, Value::ABSENT, Some(0), Value(2));
    history.complete(one, Outcome::Ok, 0);
    history.complete(two, Outcome::Ok, 0);
    let log = log(&[one, two]);
    let verdict = check(&history, &log, Level::SnapshotIsolation);
    assert_eq!(verdict.violation().map(Fault::rule), Some("lost-update"));
}

#[test]
fn the_log_must_agree_with_what_clients_were_told() {
    let mut history = History::new();
    let acknowledged = write(&mut history, 0, X, 1);
    history.set_commit(acknowledged, 1);
    let failed = history.invoke(1, 0);
    history.write(failed, X, Value(2));
    history.complete(failed, Outcome::Failed, 0);

    let level = Level::StrictSerializable;
    let rule = |entries: &[LogEntry]| {
        check(&history, entries, level).violation().map_or("ok", Fault::rule)
    };
    assert_eq!(rule(&log(&[acknowledged])), "ok");
    assert_eq!(rule(&log(&[])), "lost-commit");
    assert_eq!(rule(&log(&[acknowledged, failed])), "ghost-commit");
    assert_eq!(rule(&log(&[acknowledged, acknowledged])), "committed-twice");
    assert_eq!(rule(&[LogEntry { number: 2, op: acknowledged }]), "log-gap");
    let fork = [LogEntry { number: 1, op: acknowledged }, LogEntry { number: 1, op: failed }];
    assert_eq!(rule(&fork), "fork");
}

#[test]
fn an_unknown_write_counts_exactly_if_it_is_in_the_log() {
    let mut history = History::new();
    let unknown = history.invoke(0, 0);
    history.write(unknown, X, Value(7));
    read(&mut history, 1, X, 0, 0);
    read(&mut history, 1, X, 7, 1);
    assert!(check(&history, &log(&[unknown]), Level::StrictSerializable).is_ok());
    let verdict = check(&history, &[], Level::StrictSerializable);
    assert_eq!(verdict.violation().map(Fault::rule), Some("phantom-version"));
    assert_eq!(infer_log(&history), log(&[unknown]), "a read saw its version");
}

#[test]
fn a_failed_compare_moves_past_the_version_that_it_did_not_find() {
    let mut history = History::new();
    let first = write(&mut history, 0, X, 1);
    let compare = history.invoke(1, 0);
    history.read_not(compare, X, Value(1), Some(1));
    let second = write(&mut history, 0, X, 2);
    history.complete(compare, Outcome::Ok, 0);
    assert!(check(&history, &log(&[first, second]), Level::StrictSerializable).is_ok());

    // It must have seen the second write, so a later read of the first one is stale.
    read(&mut history, 0, X, 1, 1);
    assert!(!check(&history, &log(&[first, second]), Level::StrictSerializable).is_ok());
}

#[test]
fn absent_keys_need_no_version() {
    let mut history = History::new();
    let put = write(&mut history, 0, X, 1);
    let delete = write(&mut history, 0, X, 0);
    let put_again = history.invoke(0, 0);
    history.write(put_again, X, Value(2));
    let absent = history.invoke(1, 0);
    history.read(absent, X, Value::ABSENT, None);
    history.complete(absent, Outcome::Ok, 0);
    history.complete(put_again, Outcome::Ok, 0);
    let log = log(&[put, delete, put_again]);
    assert!(check(&history, &log, Level::StrictSerializable).is_ok());

    let too_late = history.invoke(1, 0);
    history.read(too_late, X, Value::ABSENT, None);
    history.complete(too_late, Outcome::Ok, 0);
    assert!(!check(&history, &log, Level::StrictSerializable).is_ok());
}

#[test]
fn session_guarantees_hold_each_process_to_its_own_past() {
    let mut history = History::new();
    let first = write(&mut history, 0, X, 1);
    let second = write(&mut history, 0, X, 2);
    read(&mut history, 1, X, 2, 2);
    read(&mut history, 1, X, 1, 1);
    let log = log(&[first, second]);
    let rule = |history: &History, level| {
        check(history, &log, level).violation().map_or("ok", Fault::rule)
    };
    assert_eq!(rule(&history, Level::MonotonicReads), "went-back");
    assert_eq!(rule(&history, Level::ReadYourWrites), "ok");
    read(&mut history, 0, X, 1, 1);
    assert_eq!(rule(&history, Level::ReadYourWrites), "went-back");
    assert_eq!(rule(&history, Level::MonotonicWrites), "ok");
}

fn recipe(workload: Workload, seed: u64) -> Recipe {
    let clients = 1 + (seed % 9) as u32;
    Recipe { workload, ops: 200, clients, keys: 1 + (seed % 5) as u32, unknown_permille: 100, seed }
}

#[test]
fn what_an_ideal_system_does_is_strictly_serializable() {
    let mut checker = WhiteBox::new();
    for seed in 0..300 {
        for workload in [Workload::Register, Workload::Transactions] {
            let Made { history, log } = recipe(workload, seed).make();
            let verdict = checker.check(&history, Log::Complete(&log), Level::StrictSerializable);
            assert_eq!(verdict, Verdict::Ok, "{workload:?} {seed}");
            let known = infer_log(&history);
            let verdict = checker.check(&history, Log::Partial(&known), Level::StrictSerializable);
            assert_eq!(verdict, Verdict::Ok, "{workload:?} {seed}, without the log");
        }
    }
}

#[test]
fn every_stale_read_is_found() {
    let mut checker = WhiteBox::new();
    let mut found = 0;
    for seed in 0..300 {
        let Made { history, log } = recipe(Workload::Transactions, seed).make();
        let Some(broken) = damage(&history, Damage::StaleRead, &mut Dice::new(seed)) else {
            continue;
        };
        let verdict = checker.check(&broken, Log::Complete(&log), Level::StrictSerializable);
        assert!(verdict.violation().is_some(), "seed {seed}");
        found += 1;
    }
    assert!(found > 200, "{found}");
}
