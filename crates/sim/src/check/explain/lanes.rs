//! Operations as bars: time to the right, one line each, in the order of their begins.

use super::describe;
use crate::history::{History, Names, OpId, Outcome};

/// Draws the operations. Time is not to scale: every event that matters takes one step.
///
/// ```text
/// T0 p0  |--|          write x=1
/// T3 p1     |--------| read x -> 2
/// T4 p2        |······ write x=2 (outcome unknown)
/// ```
#[must_use]
pub fn lanes(history: &History, ops: &[OpId], names: &dyn Names) -> String {
    let mut ops = ops.to_vec();
    ops.sort_unstable();
    ops.dedup();
    let mut moments: Vec<u32> = Vec::new();
    for &op in &ops {
        let entry = history.op(op);
        moments.push(entry.invoke);
        if entry.outcome != Outcome::Unknown {
            moments.extend(entry.returned());
        }
    }
    moments.sort_unstable();
    let step = (60 / moments.len().max(1)).clamp(1, 4);
    let width = moments.len() * step + 1;
    let place = |index: u32| moments.partition_point(|&moment| moment < index) * step;
    let name = |op: OpId| format!("T{} {}", op.0, names.process(history.op(op).process));
    let names_width = ops.iter().map(|&op| name(op).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for &op in &ops {
        let entry = history.op(op);
        let begin = place(entry.invoke);
        let end = entry.returned().filter(|_| entry.outcome != Outcome::Unknown).map(place);
        let bar: String = (0..width)
            .map(|at| match end {
                _ if at < begin => ' ',
                _ if at == begin => '|',
                Some(end) if at < end => '-',
                Some(end) if at == end => '|',
                Some(_) => ' ',
                None => '·',
            })
            .collect();
        let what = describe(history, op, names);
        text += &format!("{:names_width$}  {bar} {what}\n", name(op));
    }
    text
}
