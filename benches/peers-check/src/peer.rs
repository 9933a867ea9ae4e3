//! The same history for `porcupine-rs`.

use std::time::{Duration, Instant};

use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};
use sim::check::generate::Recipe;
use sim::history::{Access, History, Outcome};

/// A few keys, each with a number.
#[derive(Clone, Debug)]
struct Store;

/// For each key touched: what was seen, and what was written.
type Op = Vec<(u32, Option<u64>, Option<u64>)>;

impl Model for Store {
    type State = Vec<u64>;
    type Op = Op;
    type Metadata = ();

    fn init() -> Vec<u64> {
        Vec::new()
    }

    fn step(state: &Vec<u64>, op: &Op) -> (bool, Vec<u64>) {
        let holds = |key: u32| state.get(key as usize).copied().unwrap_or(0);
        if op.iter().any(|&(key, seen, _)| seen.is_some_and(|seen| seen != holds(key))) {
            return (false, state.clone());
        }
        let mut next = state.clone();
        for &(key, _, written) in op {
            if let Some(written) = written {
                if next.len() <= key as usize {
                    next.resize(key as usize + 1, 0);
                }
                next[key as usize] = written;
            }
        }
        (true, next)
    }
}

/// Time of the check, and "ok", "bad" or "unknown".
pub fn check(history: &History, _: Recipe, limit: Duration) -> (Duration, &'static str) {
    let operations: Vec<Operation<Store>> = history
        .ops()
        .filter(|(_, entry)| entry.outcome != Outcome::Failed)
        .map(|(op, entry)| Operation {
            client_id: Some(entry.process),
            call_time: i64::from(entry.invoke),
            return_time: match entry.outcome {
                Outcome::Ok => i64::from(entry.deadline()),
                _ => i64::MAX,
            },
            op: history
                .accesses(op)
                .filter_map(|(_, key, access)| match access {
                    Access::Read { value, .. } => Some((key.0, Some(value.0), None)),
                    Access::Write { value } => Some((key.0, None, Some(value.0))),
                    Access::Update { seen, value, .. } => {
                        Some((key.0, Some(seen.0), Some(value.0)))
                    }
                    _ => None,
                })
                .collect(),
            metadata: None,
        })
        .collect();
    let begin = Instant::now();
    let result = check_operations_timeout::<Store>(&operations, limit);
    let answer = match result {
        CheckResult::Ok => "ok",
        CheckResult::Illegal => "bad",
        CheckResult::Unknown => "unknown",
    };
    (begin.elapsed(), answer)
}
