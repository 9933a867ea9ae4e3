//! Which model a history is judged by: named by the user, or told from its operations.

use std::collections::BTreeSet;
use std::str::FromStr;

use sim::check::isolation::Isolation;
use sim::check::queues::Order;
use thiserror::Error;

use super::FormatError;
use super::assemble::tuple;
use super::event::{Event, EventType, Source};
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
    /// A queue: linearizable.
    Queue(Order),
    /// A queue that is drained at the end.
    TotalQueue,
    /// Ids that are given out once.
    UniqueIds,
    /// Inserts that are read as a set: none is seen without those that had ended before it.
    Comments,
    /// Rows inserted in order by one client, looked up in reverse.
    Sequential,
}

/// Where an operation says which key it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// In a field of its own, or nowhere: there is one key.
    InField,
    /// In its value, as a tuple `[key value]`: a test of many registers side by side.
    InTuples,
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

/// Every name that [`Model`] is read from, for people.
const KNOWN: &str = "register, cas-register (with \"(initial 0)\" or \"(initial nil, nil reads \
    free)\"), kv, mutex, transactions, list-append (or append) and rw-register (or wr), each with \
    \"/ LEVEL\", bank, counter, set, set-full, long-fork, fifo-queue, unordered-queue (or queue), \
    total-queue, unique-ids, comments, sequential; a LEVEL is read-uncommitted, read-committed, \
    snapshot-isolation, serializable, strong-session-serializable or strict-serializable";

/// A name that is no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no model is called {0:?}; there are {KNOWN}")]
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
            Model::Queue(Order::Fifo) => "fifo-queue".to_owned(),
            Model::Queue(Order::Any) => "unordered-queue".to_owned(),
            Model::TotalQueue => "total-queue".to_owned(),
            Model::UniqueIds => "unique-ids".to_owned(),
            Model::Comments => "comments".to_owned(),
            Model::Sequential => "sequential".to_owned(),
        }
    }
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let lower = text.to_ascii_lowercase();
        let wrong = || ModelError(text.to_owned());
        let name = lower.split([' ', ',', '/', '(']).next().unwrap_or_default();
        let graph = matches!(name, "list-append" | "append" | "rw-register" | "wr");
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
            "list-append" | "append" => {
                Model::ListAppend(level.unwrap_or(Isolation::StrictSerializable))
            }
            "rw-register" | "wr" => {
                Model::RwRegister(level.unwrap_or(Isolation::StrictSerializable))
            }
            "bank" => Model::Bank,
            "counter" => Model::Counter,
            "set" | "set-full" => Model::Set,
            "long-fork" => Model::LongFork,
            "fifo-queue" => Model::Queue(Order::Fifo),
            "unordered-queue" | "queue" => Model::Queue(Order::Any),
            "total-queue" => Model::TotalQueue,
            "unique-ids" => Model::UniqueIds,
            "comments" => Model::Comments,
            "sequential" => Model::Sequential,
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
    } else if has("drain") {
        Model::TotalQueue
    } else if has("enqueue") || has("dequeue") {
        Model::Queue(Order::Any)
    } else if has("generate") {
        Model::UniqueIds
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
    } else if let Some(model) = inserts(events) {
        model
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
    let list = value.list().filter(|list| list.iter().all(|item| item.list().is_some()));
    list.unwrap_or(&[]).iter().filter_map(|item| item.list()?.first()?.text())
}

fn has_versions(events: &[Event]) -> bool {
    let lists = events.iter().filter_map(|event| event.value.list()).flatten();
    lists.filter_map(Term::list).any(|micro| micro.len() > 3)
}

fn only_maps(events: &[Event]) -> bool {
    let mut reads = events.iter().filter(|event| event.value != Term::Nil).peekable();
    reads.peek().is_some() && reads.all(|event| matches!(event.value, Term::Map(_)))
}

/// Writes of one value each, read as a list: comments, or the rows of one client in reverse.
fn inserts(events: &[Event]) -> Option<Model> {
    let is_list = |term: &Term| term.list().is_some();
    let keyed_list = |term: &Term| tuple(term).is_some_and(|(_, of)| is_list(of));
    let answers = |event: &&Event| event.kind == EventType::Ok && event.value != Term::Nil;
    let of = |f: &'static str| events.iter().filter(answers).filter(move |event| event.f == f);
    let writes_plain = !of("write").any(|event| is_list(&event.value));
    let writes_tuples = of("write").all(|event| tuple(&event.value).is_some());
    let reads_lists = of("read").all(|event| is_list(&event.value));
    let reads_keyed = of("read").all(|event| keyed_list(&event.value));
    if of("read").next().is_none() || of("write").next().is_none() || !reads_lists {
        None
    } else if reads_keyed {
        match (writes_plain, writes_tuples) {
            (true, _) => Some(Model::Sequential),
            (_, true) => Some(Model::Comments),
            _ => None,
        }
    } else {
        writes_plain.then_some(Model::Comments)
    }
}

/// Tells whether registers, locks and the like name their key in a tuple. A compare-and-set of
/// one register looks like a tuple too, `[from to]`, so every write and read must be one.
pub(super) fn keys(events: &[Event], model: Model) -> Keys {
    let fits = |event: &Event| match event.f.as_str() {
        "cas" => tuple(&event.value).is_some_and(|(_, pair)| tuple(pair).is_some()),
        _ => tuple(&event.value).is_some_and(|(_, value)| value.list().is_none()),
    };
    let register = matches!(model, Model::Register { .. });
    let said = || events.iter().filter(|event| event.value != Term::Nil && event.key.is_none());
    if register && said().next().is_some() && said().all(fits) {
        Keys::InTuples
    } else {
        Keys::InField
    }
}
