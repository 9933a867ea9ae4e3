//! Which model a history is judged by: named by the user, or told from its operations.

use std::collections::BTreeSet;
use std::str::FromStr;

use sim::check::isolation::Isolation;
use thiserror::Error;

use super::FormatError;
use super::event::{Event, Source};
use super::term::Term;

/// A model, with what it takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Model {
    /// Registers with read, write and compare-and-set: linearizable.
    Register {
        /// The value before the first write.
        initial: Initial,
        /// What a read of nil means.
        nil: NilRead,
        /// What a compare-and-set that failed means.
        failed: FailedCompare,
    },
    /// Key/value with get, put, append on texts: linearizable.
    Text,
    /// A lock with acquire and release: linearizable.
    Mutex,
    /// Transactions on registers: strictly serializable, by values.
    Transactions,
    /// Transactions that append to lists.
    ListAppend(Isolation),
    /// Transactions on registers, judged by their dependency graph.
    RwRegister(Isolation),
    /// Transfers between accounts.
    Bank,
    /// A number that is added to.
    Counter,
    /// A set that only grows.
    Set,
    /// Keys written once, read together.
    LongFork,
}

/// The value of a register before its first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// No value.
    Nil,
    /// A number.
    Number(i64),
}

/// What a read of nil means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NilRead {
    /// The register held no value.
    Absent,
    /// The client does not know what it saw.
    Free,
}

/// What a compare-and-set that failed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedCompare {
    /// The register held another value.
    Differs,
    /// Nothing: it did not happen.
    Nothing,
}

/// A name that is no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "no model is called {0:?}; there are register, cas-register (with \"(initial 0)\" or \
     \"(initial nil, nil reads free)\"), kv, mutex, transactions, list-append, rw-register \
     (each with \"/ LEVEL\"), bank, counter, set, set-full, long-fork"
)]
pub struct ModelError(String);

impl Model {
    /// Registers as the log of an etcd test means them.
    pub(super) const ETCD: Model = Model::Register {
        initial: Initial::Nil,
        nil: NilRead::Absent,
        failed: FailedCompare::Differs,
    };
    /// Registers as histories of Jepsen mean them.
    pub(super) const JEPSEN: Model = Model::Register {
        initial: Initial::Number(0),
        nil: NilRead::Free,
        failed: FailedCompare::Nothing,
    };

    /// The name in print.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Model::Register { initial, nil, .. } => {
                let initial = match initial {
                    Initial::Nil => "nil".to_owned(),
                    Initial::Number(number) => number.to_string(),
                };
                let nil = if *nil == NilRead::Free { ", nil reads free" } else { "" };
                format!("cas-register (initial {initial}{nil})")
            }
            Model::Text => "kv (get, put, append)".to_owned(),
            Model::Mutex => "mutex".to_owned(),
            Model::Transactions => "transactions / strict-serializable".to_owned(),
            Model::ListAppend(level) => format!("list-append / {}", level.name()),
            Model::RwRegister(level) => format!("rw-register / {}", level.name()),
            Model::Bank => "bank".to_owned(),
            Model::Counter => "counter".to_owned(),
            Model::Set => "set".to_owned(),
            Model::LongFork => "long-fork".to_owned(),
        }
    }
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let lower = text.to_ascii_lowercase();
        let wrong = || ModelError(text.to_owned());
        let name = lower.split([' ', ',', '/', '(']).next().unwrap_or_default();
        let graph = matches!(name, "list-append" | "rw-register");
        let level = match lower.split_once('/').filter(|_| graph) {
            Some((_, level)) => Some(level_named(level.trim()).ok_or_else(wrong)?),
            None => None,
        };
        Ok(match name {
            "register" | "cas-register" => Model::Register {
                initial: initial(&lower).ok_or_else(wrong)?,
                nil: if lower.contains("free") { NilRead::Free } else { NilRead::Absent },
                failed: FailedCompare::Nothing,
            },
            "kv" => Model::Text,
            "mutex" => Model::Mutex,
            "transactions" | "txn" => Model::Transactions,
            "list-append" => Model::ListAppend(level.unwrap_or(Isolation::StrictSerializable)),
            "rw-register" => Model::RwRegister(level.unwrap_or(Isolation::StrictSerializable)),
            "bank" => Model::Bank,
            "counter" => Model::Counter,
            "set" | "set-full" => Model::Set,
            "long-fork" => Model::LongFork,
            _ => return Err(wrong()),
        })
    }
}

fn level_named(text: &str) -> Option<Isolation> {
    let name = text.split_whitespace().next()?;
    Isolation::ALL.into_iter().find(|level| level.name() == name)
}

fn initial(text: &str) -> Option<Initial> {
    let Some((_, rest)) = text.split_once("initial") else {
        return Some(Initial::Nil);
    };
    let word = rest.split([' ', '=', ')', ',']).find(|word| !word.is_empty())?;
    match word {
        "nil" => Some(Initial::Nil),
        number => number.parse().ok().map(Initial::Number),
    }
}

/// Tells the model from the first events.
pub(super) fn guess(events: &[Event], source: Source) -> Result<Model, FormatError> {
    if events.is_empty() {
        return Ok(Model::JEPSEN);
    }
    let fs: BTreeSet<&str> = events.iter().map(|event| event.f.as_str()).collect();
    let has = |f: &str| fs.contains(f);
    let keyed = events.iter().any(|event| event.key.is_some());
    let micro: BTreeSet<&str> = events.iter().flat_map(|event| micro_ops(&event.value)).collect();
    let model = if has("transfer") || (only_maps(events) && has("read")) {
        Model::Bank
    } else if has("acquire") || has("release") {
        Model::Mutex
    } else if micro.contains("append") {
        Model::ListAppend(Isolation::StrictSerializable)
    } else if !micro.is_empty() && (has("read") || has("write")) {
        Model::LongFork
    } else if micro.iter().any(|f| !matches!(*f, "r" | "w")) || has_versions(events) {
        Model::Transactions
    } else if !micro.is_empty() {
        Model::RwRegister(Isolation::StrictSerializable)
    } else if has("get") || has("put") || (keyed && has("append")) {
        Model::Text
    } else if has("add") {
        let lists = events.iter().any(|event| event.f == "read" && event.value.list().is_some());
        if lists { Model::Set } else { Model::Counter }
    } else if has("read") || has("write") || has("cas") {
        match source {
            Source::EtcdLog => Model::ETCD,
            Source::Maps => Model::JEPSEN,
        }
    } else {
        let found: Vec<&str> = fs.into_iter().take(8).collect();
        return Err(FormatError::NoModel { found: found.join(", ") });
    };
    Ok(model)
}

/// The names of the micro-operations of a transaction: `[[:r x 1] [:append y 2]]`.
fn micro_ops(value: &Term) -> impl Iterator<Item = &str> {
    let list = value.list().unwrap_or(&[]);
    list.iter().filter_map(|item| item.list()?.first()?.text())
}

fn has_versions(events: &[Event]) -> bool {
    let lists = events.iter().filter_map(|event| event.value.list()).flatten();
    lists.filter_map(Term::list).any(|micro| micro.len() > 3)
}

fn only_maps(events: &[Event]) -> bool {
    let mut reads = events.iter().filter(|event| event.value != Term::Nil).peekable();
    reads.peek().is_some() && reads.all(|event| matches!(event.value, Term::Map(_)))
}
