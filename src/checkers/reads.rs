//! Rules about reads: each shows a published state, the model's state, and a state that is new
//! enough.
//!
//! A system says at which commit an operation reads (its snapshot), and then what it saw there.
//! Both are judged at once, while the operation is still running, so that the finding stands at
//! the earliest event that proves it.

use super::history::describe;
use super::{Judge, Rule};
use crate::workload::{Freshness, KeyId, KeyRange, OpId, decode_value};

impl Judge {
    /// Operation `id` reads the state after commit `seq`.
    pub fn snapshot(&mut self, id: OpId, seq: u64) {
        if self.is_off() {
            return;
        }
        self.counts.real_time += 1;
        let commits = self.commits();
        let op = &mut self.ops[id.0 as usize];
        op.snapshot = Some(seq);
        self.record.snapshot(id, seq);
        let op = &self.ops[id.0 as usize];
        let (process, invoked) = (op.process, op.invoked_event);
        if seq > commits {
            let what = format!("{} reads commit {seq}, and the store has {commits}", describe(op));
            return self.broken(Rule::ReadPublished, process, what, &[invoked]);
        }
        if op.operation.freshness.is_past() {
            return;
        }
        if seq < op.session_floor {
            let what = format!(
                "{} reads commit {seq}, and its session had seen commit {}",
                describe(op),
                op.session_floor
            );
            return self.broken(Rule::SessionMonotonic, process, what, &[invoked]);
        }
        if op.operation.freshness == Freshness::Strong && seq < op.floor {
            let missed = self.log[seq as usize];
            let what = format!(
                "{} began when commit {} was acknowledged or seen, and reads commit {seq}",
                describe(op),
                op.floor
            );
            self.broken(Rule::ReadFresh, process, what, &[missed.event, invoked]);
        }
    }

    /// Operation `id` reads one key of its snapshot and sees `found`: the number of the commit
    /// that wrote it, where the system tells it, and the bytes.
    pub fn saw(&mut self, id: OpId, key: KeyId, found: Option<(Option<u64>, &[u8])>) {
        if self.is_off() {
            return;
        }
        self.counts.model_reads += 1;
        self.judge_lease(id);
        let op = &self.ops[id.0 as usize];
        let seq = op.snapshot.unwrap_or_else(|| self.commits());
        let truth = self.model.at(key, seq).and_then(|version| Some((version.seq, version.value?)));
        let seen = match found {
            None => None,
            Some((version, bytes)) => match decode_value(bytes) {
                Ok(value) => Some((version, value)),
                Err(damage) => {
                    let what =
                        format!("{} reads {key} at commit {seq} and gets {damage}", describe(op));
                    let (process, invoked) = (op.process, op.invoked_event);
                    return self.broken(Rule::ValueIntact, process, what, &[invoked]);
                }
            },
        };
        self.record.read(id, key, seen);
        let equal = match (seen, truth) {
            (None, None) => true,
            (Some((version, value)), Some((seq, expected))) => {
                value == expected && version.is_none_or(|version| version == seq)
            }
            _ => false,
        };
        if !equal {
            let show = |entry: Option<(Option<u64>, crate::workload::ValueId)>| match entry {
                None => String::from("nothing"),
                Some((None, value)) => value.to_string(),
                Some((Some(seq), value)) => format!("{value} of commit {seq}"),
            };
            let expected = truth.map(|(seq, value)| (Some(seq), value));
            let what = format!(
                "{} reads {key} at commit {seq} and sees {}, but that commit shows {}",
                describe(op),
                show(seen),
                show(expected)
            );
            let (process, invoked) = (op.process, op.invoked_event);
            self.broken(Rule::ReadEqualsModel, process, what, &[invoked]);
        }
    }

    /// Operation `id` reads a key that it has written itself and not committed yet.
    pub fn saw_own(&mut self, id: OpId, key: KeyId, found: Option<&[u8]>) {
        if self.is_off() {
            return;
        }
        let op = &self.ops[id.0 as usize];
        let Some(expected) = op.operation.own_value(id, key) else { return };
        let seen = found.map(decode_value).transpose();
        if seen == Ok(expected) {
            return;
        }
        let what = format!(
            "{} reads {key} after its own writes and sees {}, but it wrote {}",
            describe(op),
            found.map_or("nothing", |_| "something else"),
            expected.map_or_else(|| String::from("that it is gone"), |value| value.to_string()),
        );
        let (process, invoked) = (op.process, op.invoked_event);
        self.broken(Rule::OwnWritesSeen, process, what, &[invoked]);
    }

    /// Whoever reads from a snapshot must have it: to begin with one whose pin has ended is wrong
    /// even if nothing was collected yet. An answer that comes after the end is none the worse.
    fn judge_lease(&mut self, id: OpId) {
        let op = &self.ops[id.0 as usize];
        if op.operation.freshness != Freshness::Held {
            return;
        }
        let (process, invoked, began_ns) = (op.process, op.invoked_event, op.invoked_ns);
        if let Some(lease) = self.leases.get(&process).filter(|lease| **lease < began_ns) {
            let what = format!(
                "{} reads from a snapshot whose pin had ended {} us before it began",
                describe(op),
                (began_ns - lease) / 1000
            );
            self.broken(Rule::ReadUnderPin, process, what, &[invoked]);
        }
    }

    /// Operation `id` reads a range of its snapshot and sees exactly `found`, in key order.
    pub fn saw_range<'a>(
        &mut self,
        id: OpId,
        range: KeyRange,
        found: impl IntoIterator<Item = (KeyId, Option<u64>, &'a [u8])>,
    ) {
        if self.is_off() {
            return;
        }
        let seq = self.ops[id.0 as usize].snapshot.unwrap_or_else(|| self.commits());
        let mut expected = std::mem::take(&mut self.scratch_keys);
        expected.clear();
        expected.extend(self.model.scan(range, seq).map(|(key, _)| key));
        let mut missing = expected.iter().copied().peekable();
        for (key, version, bytes) in found {
            while let Some(absent) = missing.next_if(|&wanted| wanted < key) {
                self.saw(id, absent, None);
            }
            missing.next_if_eq(&key);
            self.saw(id, key, Some((version, bytes)));
        }
        missing.for_each(|absent| self.saw(id, absent, None));
        self.scratch_keys = expected;
    }
}
