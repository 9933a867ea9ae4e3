//! Counterexamples that a person can read.
//!
//! A checker that says no names a part of the history. Here that part is made small
//! ([`reduce`]), its contradiction is spelt out edge by edge ([`prove`]), and it is drawn
//! ([`lanes`]).

mod lanes;
mod proof;
mod reduce;

use crate::history::{Access, History, Names, OpId, Outcome};

pub use lanes::lanes;
pub use proof::prove;
pub use reduce::reduce;

/// What the operation did, in a few words: `write x=1`, `read x -> 1`.
#[must_use]
pub fn describe(history: &History, op: OpId, names: &dyn Names) -> String {
    let mut parts = Vec::new();
    let mut appended: Option<(String, String)> = None;
    for (_, key, access) in history.accesses(op) {
        let key = names.key(key);
        let value = |value| names.value(value);
        let text = match access {
            Access::Read { value: seen, .. } => format!("read {key} -> {}", value(seen)),
            Access::ReadNot { value: other, .. } => format!("{key} is not {}", value(other)),
            Access::Write { value: wrote } => format!("write {key}={}", value(wrote)),
            Access::Update { seen, value: wrote, .. } => {
                format!("update {key} {} -> {}", value(seen), value(wrote))
            }
            Access::ReadList { list } => {
                let items: Vec<String> =
                    history.list(list).iter().map(|item| value(*item)).collect();
                format!("read {key} -> {}", list_text(&items))
            }
            Access::Append { value: wrote } => match &mut appended {
                Some((last, items)) if *last == key => {
                    items.push_str(&value(wrote));
                    parts.pop();
                    format!("append {key} {items}")
                }
                _ => {
                    appended = Some((key.clone(), value(wrote)));
                    format!("append {key} {}", value(wrote))
                }
            },
            Access::Add { amount } => format!("add {key} {amount:+}"),
            Access::ReadUnknown => format!("read {key}"),
        };
        parts.push(text);
    }
    let mut text = parts.join(", ");
    if text.chars().count() > TEXT_MAX {
        text = text.chars().take(TEXT_MAX - 3).chain("...".chars()).collect();
    }
    match history.op(op).outcome {
        Outcome::Ok => text,
        Outcome::Failed => format!("{text} (failed)"),
        Outcome::Unknown => format!("{text} (outcome unknown)"),
    }
}

/// Longest description of one operation, in characters.
const TEXT_MAX: usize = 60;

fn list_text(items: &[String]) -> String {
    const SHOWN: usize = 8;
    if items.len() <= SHOWN {
        return format!("[{}]", items.join(" "));
    }
    format!("[... {}] ({} elements)", items[items.len() - SHOWN..].join(" "), items.len())
}
