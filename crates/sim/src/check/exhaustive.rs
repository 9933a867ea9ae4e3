//! Every algorithm against brute force, over *all* small histories of a few vocabularies.
//!
//! Drawn histories find what is common; an enumeration finds what is not. A [`Vocabulary`] is the
//! list of things an operation may do. All histories of up to so many operations over it are
//! built event by event: each operation may begin at any point, is certain and ends at any later
//! point, or is of unknown outcome and never ends.
//!
//! With [`Symmetry::Reduced`], histories that differ only in names are visited once: swapping two
//! neighbouring invokes, or two neighbouring returns, changes neither who precedes whom nor what
//! anybody saw; an operation of unknown outcome that writes nothing, or begins after the last
//! return, cannot matter. [`Symmetry::All`] visits those as well.
//!
//! Three judges must agree about each: the classic search, the black box, and the white box asked
//! about every log there could be: the history can be explained exactly if there is one order of
//! its commits that the white box accepts. Where values are unique, the dependency graph must find
//! nothing in a history that can be explained. In all, 905,945 histories are enumerated.

use super::isolation::{self, Isolation};
use super::linear::{self, Assumptions};
use super::search::{Store, just_in_time, reference};
use super::whitebox::{Level, Log, LogEntry, WhiteBox};
use super::{Budget, Verdict, windows, zones};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// One access of an operation.
#[derive(Clone, Copy, Debug)]
enum Act {
    Read(u32, u64),
    Not(u32, u64),
    Write(u32, u64),
    Update(u32, u64, u64),
    Append(u32, u64),
    List(u32, &'static [u64]),
}
use Act::{Append, List, Not, Read, Update, Write};

/// What an operation may do: each entry is one operation in full.
type Vocabulary = &'static [&'static [Act]];

/// Three values on one register, unique or not as it falls.
const REGISTER: Vocabulary = &[
    &[Read(0, 0)],
    &[Read(0, 1)],
    &[Read(0, 2)],
    &[Write(0, 1)],
    &[Write(0, 2)],
    &[Update(0, 1, 2)],
];

/// The same with deletes, every compare-and-set and failed compares.
const COMPARES: Vocabulary = &[
    &[Read(0, 0)],
    &[Read(0, 1)],
    &[Read(0, 2)],
    &[Write(0, 0)],
    &[Write(0, 1)],
    &[Write(0, 2)],
    &[Update(0, 0, 1)],
    &[Update(0, 1, 2)],
    &[Update(0, 2, 1)],
    &[Update(0, 1, 0)],
    &[Not(0, 0)],
    &[Not(0, 1)],
];

/// Transactions over two keys.
const TRANSACTIONS: Vocabulary = &[
    &[Read(0, 0), Read(1, 0)],
    &[Read(0, 0), Read(1, 1)],
    &[Read(0, 1), Read(1, 0)],
    &[Read(0, 1), Read(1, 1)],
    &[Write(0, 1)],
    &[Write(1, 1)],
    &[Write(0, 1), Write(1, 1)],
    &[Read(0, 0), Write(1, 1)],
    &[Write(0, 1), Read(1, 0)],
    &[Update(0, 0, 1), Write(1, 2)],
    &[Update(1, 1, 2), Write(0, 2)],
    &[Read(0, 2), Not(1, 1)],
    &[Write(0, 0), Read(1, 2)],
    &[Write(1, 0)],
];

/// Two transactions' worth of keys in few words: for four operations at once.
const SKEW: Vocabulary = &[
    &[Read(0, 0), Read(1, 1)],
    &[Read(0, 1), Read(1, 0)],
    &[Read(0, 0), Write(1, 1)],
    &[Write(0, 1), Read(1, 0)],
    &[Write(0, 1), Write(1, 1)],
    &[Update(0, 1, 2)],
];

/// Appends and whole reads of one list, and a write that clears it.
const LISTS: Vocabulary = &[
    &[Append(0, 1)],
    &[Append(0, 2)],
    &[List(0, &[])],
    &[List(0, &[1])],
    &[List(0, &[2, 1])],
    &[List(0, &[1, 2])],
    &[Write(0, 0)],
];

/// Which histories are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symmetry {
    /// Every sequence of events.
    All,
    /// One for each class of those that differ only in names.
    Reduced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Begin { what: usize, outcome: Outcome },
    End { op: usize },
}

/// Builds all histories of exactly `count` operations.
struct Enumeration<'v> {
    vocabulary: Vocabulary,
    count: usize,
    symmetry: Symmetry,
    steps: Vec<Step>,
    /// Certain operations that have not ended.
    open: Vec<usize>,
    begun: usize,
    visit: &'v mut dyn FnMut(&History, &[OpId]),
}

impl Enumeration<'_> {
    fn extend(&mut self) {
        let last = self.steps.last().copied();
        if self.begun == self.count && self.open.is_empty() {
            let pointless = !matches!(last, Some(Step::End { .. }));
            if !(pointless && self.symmetry == Symmetry::Reduced) {
                let (history, ops) = self.build();
                (self.visit)(&history, &ops);
            }
            return;
        }
        for at in 0..self.open.len() {
            let step = Step::End { op: self.open[at] };
            if self.in_order(last, step) {
                let op = self.open.remove(at);
                self.then(step);
                self.open.insert(at, op);
            }
        }
        if self.begun == self.count {
            return;
        }
        for outcome in [Outcome::Ok, Outcome::Unknown] {
            for what in 0..self.vocabulary.len() {
                let step = Step::Begin { what, outcome };
                if self.in_order(last, step) && self.matters(what, outcome) {
                    let certain = outcome == Outcome::Ok;
                    self.open.extend(certain.then_some(self.begun));
                    self.begun += 1;
                    self.then(step);
                    self.begun -= 1;
                    self.open.truncate(self.open.len() - usize::from(certain));
                }
            }
        }
    }

    fn then(&mut self, step: Step) {
        self.steps.push(step);
        self.extend();
        self.steps.pop();
    }

    /// Neighbours of one kind in ascending order only.
    fn in_order(&self, last: Option<Step>, next: Step) -> bool {
        match (self.symmetry, last, next) {
            (Symmetry::Reduced, Some(last @ Step::Begin { .. }), Step::Begin { .. })
            | (Symmetry::Reduced, Some(last @ Step::End { .. }), Step::End { .. }) => last <= next,
            _ => true,
        }
    }

    fn matters(&self, what: usize, outcome: Outcome) -> bool {
        let reads_only =
            self.vocabulary[what].iter().all(|act| matches!(act, Read(..) | Not(..) | List(..)));
        self.symmetry == Symmetry::All || outcome == Outcome::Ok || !reads_only
    }

    fn build(&self) -> (History, Vec<OpId>) {
        let mut history = History::new();
        let mut ops = Vec::new();
        for &step in &self.steps {
            match step {
                Step::Begin { what, .. } => {
                    let op = history.invoke(ops.len() as u32, 0);
                    self.vocabulary[what].iter().for_each(|&act| perform(&mut history, op, act));
                    ops.push(op);
                }
                Step::End { op } => history.complete(ops[op], Outcome::Ok, 0),
            }
        }
        (history, ops)
    }
}

fn perform(history: &mut History, op: OpId, act: Act) {
    match act {
        Read(key, value) => history.read(op, Key(key), Value(value), None),
        Not(key, value) => history.read_not(op, Key(key), Value(value), None),
        Write(key, value) => history.write(op, Key(key), Value(value)),
        Update(key, seen, value) => {
            history.update(op, Key(key), Value(seen), None, Value(value));
        }
        Append(key, value) => history.append(op, Key(key), Value(value)),
        List(key, values) => {
            let values: Vec<Value> = values.iter().copied().map(Value).collect();
            history.read_list(op, Key(key), &values);
        }
    }
}

fn absent(_: Key) -> Value {
    Value::ABSENT
}

fn decided<V: std::fmt::Debug>(verdict: &Verdict<V>) -> bool {
    match verdict {
        Verdict::Ok => true,
        Verdict::Violated(_) => false,
        Verdict::Undecided(reason) => panic!("undecided on a small history: {reason:?}"),
    }
}

/// Whether the white box accepts any log: every order of the certain writers and of every subset
/// of those of unknown outcome. Where a log leaves one version for each value that was seen, the
/// same history with those versions must get the same answer.
fn some_log_is_accepted(checker: &mut WhiteBox, history: &History, ops: &[OpId]) -> bool {
    let writers: Vec<OpId> = ops.iter().copied().filter(|&op| history.writes(op)).collect();
    let certain = |op: &OpId| history.op(*op).outcome == Outcome::Ok;
    let must = writers.iter().filter(|op| certain(op)).count();
    let mut log: Vec<LogEntry> = Vec::new();
    continue_log(&writers, &mut log, &mut |log| {
        if log.iter().filter(|entry| certain(&entry.op)).count() < must {
            return false;
        }
        let mut accepts = |history: &History| {
            checker.check(history, Log::Complete(log), Level::StrictSerializable).is_ok()
        };
        let accepted = accepts(history);
        if let Some(versioned) = with_versions(history, log) {
            let tell = || format!("{log:?}\n{}", super::brute::tell(&versioned));
            assert_eq!(accepts(&versioned), accepted, "versions change the answer: {}", tell());
        }
        accepted
    })
}

/// The same history whose reads carry the commit number of what they saw, if the log leaves
/// exactly one for each.
fn with_versions(history: &History, log: &[LogEntry]) -> Option<History> {
    let version = |key: Key, value: Value| {
        let wrote = |entry: &&LogEntry| {
            history.accesses(entry.op).any(|(_, at, access)| {
                let (Access::Write { value: to } | Access::Update { value: to, .. }) = access
                else {
                    return false;
                };
                (at, to) == (key, value)
            })
        };
        let first = (value == Value::ABSENT).then_some(0);
        let mut found = first.into_iter().chain(log.iter().filter(wrote).map(|entry| entry.number));
        let version = found.next()?;
        found.next().is_none().then_some(Some(version))
    };
    let mut copy = History::new();
    for event in history.events() {
        if event.kind == EventKind::Return {
            copy.complete(event.op, history.op(event.op).outcome, 0);
            continue;
        }
        let op = copy.invoke(history.op(event.op).process, 0);
        for (_, key, access) in history.accesses(event.op) {
            let access = match access {
                Access::Read { value, .. } => Access::Read { value, version: version(key, value)? },
                Access::ReadNot { value, .. } => {
                    Access::ReadNot { value, version: version(key, value)? }
                }
                Access::Update { seen, value, .. } => {
                    Access::Update { seen, version: version(key, seen)?, value }
                }
                other => other,
            };
            copy.access(op, key, access);
        }
    }
    Some(copy)
}

/// Whether no value is written twice to a key and nothing is deleted: what the dependency graph
/// takes for granted.
fn is_unique(history: &History, ops: &[OpId]) -> bool {
    let mut written: Vec<(Key, Value)> = Vec::new();
    for (_, key, access) in ops.iter().flat_map(|&op| history.accesses(op)) {
        if let Access::Write { value } | Access::Update { value, .. } | Access::Append { value } =
            access
        {
            if value == Value::ABSENT || written.contains(&(key, value)) {
                return false;
            }
            written.push((key, value));
        }
    }
    true
}

fn continue_log(
    writers: &[OpId],
    log: &mut Vec<LogEntry>,
    accepts: &mut dyn FnMut(&[LogEntry]) -> bool,
) -> bool {
    if accepts(log) {
        return true;
    }
    for &op in writers {
        if log.iter().all(|entry| entry.op != op) {
            log.push(LogEntry { number: log.len() as u64 + 1, op });
            if continue_log(writers, log, accepts) {
                return true;
            }
            log.pop();
        }
    }
    false
}

/// What was found on the way: how many histories, and how many of them can be explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    histories: u64,
    explained: u64,
    /// Histories that the zones alone could decide.
    by_zones: u64,
    /// Explained ones in which the dependency graph had to find nothing.
    by_graph: u64,
}

/// Which judges are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judges {
    /// The black box and its parts.
    Black,
    /// The white box as well.
    BlackAndWhite,
}

fn agree(vocabulary: Vocabulary, most: usize, symmetry: Symmetry, judges: Judges) -> Tally {
    let mut tally = Tally::default();
    let mut checker = WhiteBox::new();
    let mut visit = |history: &History, ops: &[OpId]| {
        let store = Store::new(history, ops, &absent);
        let calls = store.calls(ops);
        let truth = reference(&store, &calls);
        let tell = || format!("{:?}\n{}", truth, super::brute::tell(history));
        let assume = Assumptions::default();
        let whole = decided(&linear::check(history, assume, Budget::default()));
        assert_eq!(whole, truth, "black box: {}", tell());
        let search = decided(&just_in_time(&store, &calls, Budget::default()));
        assert_eq!(search, truth, "search: {}", tell());
        if truth && is_unique(history, ops) {
            let findings = isolation::find(history);
            let anomaly = findings.against(Isolation::StrictSerializable).next();
            assert!(anomaly.is_none(), "{anomaly:?} is not real: {}", tell());
            tally.by_graph += 1;
        }
        if judges == Judges::BlackAndWhite {
            let windows = decided(&windows::check(history, ops, &absent, Budget::default()));
            assert_eq!(windows, truth, "windows: {}", tell());
            let logs = some_log_is_accepted(&mut checker, history, ops);
            assert_eq!(logs, truth, "white box over all logs: {}", tell());
            let swept = zones::sweep(history, &absent);
            if swept.rest.is_empty() {
                assert_eq!(swept.violations.is_empty(), truth, "zones: {}", tell());
                tally.by_zones += 1;
            }
        }
        tally.histories += 1;
        tally.explained += u64::from(truth);
    };
    for count in 1..=most {
        let steps = Vec::new();
        let (open, visit) = (Vec::new(), &mut visit as &mut dyn FnMut(&History, &[OpId]));
        let mut all = Enumeration { vocabulary, count, symmetry, steps, open, begun: 0, visit };
        all.extend();
    }
    tally
}

/// Asserts how many histories there were, so that nobody narrows the enumeration unawares.
fn expect(found: Tally, histories: u64, explained: u64) {
    assert_eq!(
        (found.histories, found.explained),
        (histories, explained),
        "enumerated {} histories, {} of them with an explanation ({found:?})",
        found.histories,
        found.explained
    );
}

#[test]
fn all_352_992_histories_of_a_register_up_to_four_operations() {
    let found = agree(REGISTER, 4, Symmetry::All, Judges::BlackAndWhite);
    expect(found, 352_992, 131_070);
    assert!(found.by_zones > 100_000, "zones must have decided most of those with unique values");
}

#[test]
fn all_64_968_histories_with_deletes_and_compares_up_to_three_operations() {
    expect(agree(COMPARES, 3, Symmetry::All, Judges::BlackAndWhite), 64_968, 26_773);
}

#[test]
fn all_298_826_classes_of_histories_with_compares_up_to_four_operations() {
    let fewer = &COMPARES[..COMPARES.len() - 1];
    expect(agree(fewer, 4, Symmetry::Reduced, Judges::BlackAndWhite), 298_826, 75_790);
}

#[test]
fn all_102_928_histories_of_transactions_up_to_three_operations() {
    expect(agree(TRANSACTIONS, 3, Symmetry::All, Judges::BlackAndWhite), 102_928, 39_860);
}

#[test]
fn all_30_154_classes_of_histories_of_transactions_up_to_four_operations() {
    expect(agree(SKEW, 4, Symmetry::Reduced, Judges::BlackAndWhite), 30_154, 5_473);
}

#[test]
fn all_histories_of_a_list_up_to_three_operations_and_all_classes_up_to_four() {
    expect(agree(LISTS, 3, Symmetry::All, Judges::Black), 13_048, 4_958);
    expect(agree(LISTS, 4, Symmetry::Reduced, Judges::Black), 43_029, 9_129);
}
