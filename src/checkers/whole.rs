//! The whole history once more, at the end of a world, by checkers that share no code with the
//! judge.
//!
//! While the world runs, the judge keeps a second record of everything: a [`History`] of the
//! engine's generic kind. When the world ends without a finding, that record is given to the
//! generic white-box check (strict serializability against the log, one pass, every seed) and, in
//! a share of the seeds, to the black-box check, which sees values only and no commit number. If
//! one of them objects where the judge did not, one of the judges is wrong, or a rule is missing.

use sim::check::whitebox::{Level, Log, LogEntry, WhiteBox};
use sim::check::{Budget, Verdict, linear};
use sim::history::{History, Key, OpId as RecordId, Outcome, Recency, Value};

use super::{Ending, Judge, Rule};
use crate::workload::{Freshness, KeyId, OpId, ValueId};

/// One seed in so many is judged by values alone as well.
const BLACK_BOX_SHARE: u64 = 16;

/// Steps that the black-box check may take for one world.
const BLACK_BOX_STEPS: u64 = 200_000;

/// The second record.
#[derive(Debug, Default)]
pub(super) struct Record {
    history: History,
    log: Vec<LogEntry>,
    checker: WhiteBox,
}

fn id(op: OpId) -> RecordId {
    RecordId(op.0)
}

fn value_of(value: Option<ValueId>) -> Value {
    // 0 is the absent value.
    value.map_or(Value::ABSENT, |value| Value(value.0 + 1))
}

impl Record {
    pub(super) fn reset(&mut self) {
        self.history.clear();
        self.log.clear();
    }

    pub(super) fn invoke(&mut self, client: u32, freshness: Freshness, reads_only: bool) {
        let op = self.history.invoke(client, sim::event_count());
        if freshness != Freshness::Strong && reads_only {
            self.history.set_recency(op, Recency::Snapshot);
        }
    }

    pub(super) fn snapshot(&mut self, op: OpId, seq: u64) {
        self.history.set_snapshot(id(op), seq);
    }

    pub(super) fn read(&mut self, op: OpId, key: KeyId, found: Option<(Option<u64>, ValueId)>) {
        let version = found.and_then(|(version, _)| version);
        let value = value_of(found.map(|(_, value)| value));
        self.history.read(id(op), Key(u32::from(key.0)), value, version);
    }

    pub(super) fn commit(
        &mut self,
        op: OpId,
        number: u64,
        effect: impl Iterator<Item = (KeyId, Option<ValueId>)>,
    ) {
        self.log.push(LogEntry { number, op: id(op) });
        for (key, value) in effect {
            self.history.write(id(op), Key(u32::from(key.0)), value_of(value));
        }
    }

    pub(super) fn respond(&mut self, op: OpId, ending: Ending) {
        let outcome = match ending {
            Ending::Ok { commit } => {
                if let Some(number) = commit {
                    self.history.set_commit(id(op), number);
                }
                Outcome::Ok
            }
            Ending::Failed(_) => Outcome::Failed,
            Ending::Unknown => Outcome::Unknown,
        };
        self.history.complete(id(op), outcome, sim::event_count());
    }
}

impl Judge {
    /// The world of `seed` is over and no rule was broken: checks the whole history once more.
    pub fn check_whole(&mut self, seed: u64) {
        if self.is_off() {
            return;
        }
        self.counts.serializable += 1;
        let record = &mut self.record;
        let log = Log::Complete(&record.log);
        let verdict = record.checker.check(&record.history, log, Level::StrictSerializable);
        match verdict {
            Verdict::Ok => {}
            Verdict::Violated(fault) => {
                let numbers = sim::history::Numbered;
                let what = fault.sentence(&record.history, &numbers);
                return self.broken(Rule::HistorySerializable, sim::ProcessId::WORLD, what, &[]);
            }
            Verdict::Undecided(undecided) => {
                let what = format!("the white-box check gave no verdict: {undecided:?}");
                return self.broken(Rule::HistorySerializable, sim::ProcessId::WORLD, what, &[]);
            }
        }
        if seed.is_multiple_of(BLACK_BOX_SHARE) {
            self.check_values();
        }
    }

    /// By values alone. A budget that ends is no verdict, and no finding either.
    fn check_values(&mut self) {
        let budget = Budget { steps: BLACK_BOX_STEPS };
        let verdict = linear::check(&self.record.history, linear::Assumptions::default(), budget);
        match verdict {
            Verdict::Ok => sim::count("check.values"),
            Verdict::Undecided(_) => sim::count("check.values_undecided"),
            Verdict::Violated(why) => {
                let what = format!(
                    "no order of the operations explains the values that clients saw: {why:?}"
                );
                self.broken(Rule::JudgesAgree, sim::ProcessId::WORLD, what, &[]);
            }
        }
    }
}
