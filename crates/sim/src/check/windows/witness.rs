//! What stands behind an answer: the order that explains a history, or who is to blame.

use super::build::Saw;
use super::{Conflict, NONE, Solver, Txn};
use crate::history::{History, OpId};

impl Solver<'_> {
    /// Replays the order found against the values seen.
    pub(super) fn order_holds(&self) -> bool {
        let txns: Vec<Txn> =
            self.problem.txns().filter(|&txn| self.happened[txn as usize]).collect();
        let mut all = vec![super::INITIAL];
        all.extend(&txns);
        let Some(order) = self.graph.order(&all) else {
            return false;
        };
        let mut state = self.problem.initial.clone();
        for txn in order {
            if txn == super::INITIAL {
                continue;
            }
            for read in self.problem.reads_of(txn) {
                let read = self.problem.reads[read as usize];
                let holds = state[read.key as usize];
                let right = match read.saw {
                    Saw::Value(value) => holds == value,
                    Saw::Not(value) => holds != value,
                };
                if !right {
                    return false;
                }
            }
            for write in self.problem.writes_of(txn) {
                let write = self.problem.writes[write as usize];
                state[write.key as usize] = write.value;
            }
        }
        true
    }

    /// The operations behind a conflict: those that contradict each other, and those whose
    /// begin or end gave them their windows.
    pub(super) fn blame(&self, history: &History, conflict: &Conflict) -> Vec<OpId> {
        let mut ops: Vec<OpId> = Vec::new();
        let events: Vec<OpId> = history.events().map(|event| event.op).collect();
        let add_event = |moment: u32, ops: &mut Vec<OpId>| {
            if let Some(&op) = moment.checked_sub(1).and_then(|index| events.get(index as usize)) {
                ops.push(op);
            }
        };
        for &txn in &conflict.txns {
            if let Some(&op) = self.problem.ops.get(txn as usize).filter(|op| op.0 != NONE) {
                ops.push(op);
                add_event(self.graph.e(txn), &mut ops);
                add_event(self.graph.l(txn), &mut ops);
            }
        }
        ops.sort_unstable();
        ops.dedup();
        ops
    }
}
