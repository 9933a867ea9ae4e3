//! Recorded histories, as files.
//!
//! | format | looks like |
//! |---|---|
//! | own NDJSON | `{"type":"invoke","process":0,"f":"txn","value":[["w","x",1]]}` one event a line |
//! | Jepsen EDN | `{:type :invoke, :process 0, :f :read, :value nil}`, in a vector or one a line |
//! | Jepsen JSON | the same with strings |
//! | etcd log of old Jepsen runs | `INFO  jepsen.util - 0 :invoke :read nil` |
//! | Porcupine key/value text | `{:process 9, :type :invoke, :f :append, :key "0", :value "x"}` |
//!
//! All but the log are maps with the same few fields, so there is one reader for terms
//! ([`term`]), one for events, and one that makes a [`sim::history::History`] of them
//! according to a [`Model`]. A file is read as a stream; what is kept is the compact history.
//! docs/checkers.md describes our own format in full.

mod assemble;
mod event;
pub mod judge;
mod model;
pub mod term;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use sim::history::{History, NameTable};
use thiserror::Error;

pub use model::{Model, ModelError};

/// Why a file could not be read as a history.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file could not be read.
    #[error("cannot read: {0}")]
    Read(#[source] std::io::Error),
    /// It is none of the formats.
    #[error("line {line}: {what}")]
    Syntax {
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        what: String,
    },
    /// An event does not fit.
    #[error("line {line}: {what}")]
    Event {
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        what: String,
    },
    /// The model cannot be told from the operations.
    #[error("cannot tell the model from the operations ({found}); name it with --model")]
    NoModel {
        /// The operations found.
        found: String,
    },
}

/// A file, read.
#[derive(Debug)]
pub struct Recorded {
    /// The operations.
    pub history: History,
    /// What keys, values and processes are called.
    pub names: NameTable,
    /// The model that it was read for.
    pub model: Model,
}

/// Reads a history. Without a model, the operations tell which it is.
///
/// # Errors
/// If the input cannot be read, is in none of the formats, holds an event that does not fit its
/// operation, or does not tell its model.
pub fn read(input: impl BufRead, model: Option<Model>) -> Result<Recorded, FormatError> {
    let mut events = event::Events::open(input)?;
    let mut first = Vec::new();
    while first.len() < LOOK_AHEAD {
        match events.next_event()? {
            Some(event) => first.push(event),
            None => break,
        }
    }
    let model = match model {
        Some(model) => model,
        None => model::guess(&first, events.source())?,
    };
    let mut assembler =
        assemble::Assembler::new(model, model::keys(&first, model), events.source());
    for event in first {
        assembler.add(event)?;
    }
    while let Some(event) = events.next_event()? {
        assembler.add(event)?;
    }
    Ok(assembler.finish())
}

/// How many events are looked at to tell the model.
const LOOK_AHEAD: usize = 4_096;
