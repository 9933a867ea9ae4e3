//! Names of processes, keys and values, for people.
//!
//! Checkers work on numbers. A report asks a [`Names`] how to call them; [`Numbered`] answers
//! with the numbers themselves, [`NameTable`] with the texts that a parser met.

use super::{Key, Value};

/// How to call the things of a history in a text.
pub trait Names {
    /// Name of a process.
    fn process(&self, process: u32) -> String {
        format!("p{process}")
    }
    /// Name of a key.
    fn key(&self, key: Key) -> String {
        format!("k{}", key.0)
    }
    /// Text of a value.
    fn value(&self, value: Value) -> String {
        if value == Value::ABSENT { "nil".to_owned() } else { value.0.to_string() }
    }
    /// How to print the place of an event: its index in the history unless the source has better.
    fn place(&self, index: u32, at: u64) -> String {
        let _ = at;
        index.to_string()
    }
}

/// Calls everything by its number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbered;

impl Names for Numbered {}

/// Names met in a file: each key and value is the position of its text.
#[derive(Clone, Debug, Default)]
pub struct NameTable {
    /// Names of processes, by process number; a process beyond the end is called by its number.
    pub processes: Vec<String>,
    /// Names of keys, by key number.
    pub keys: Vec<String>,
    /// Texts of values, by value number; the first is [`Value::ABSENT`].
    pub values: Vec<String>,
}

impl Names for NameTable {
    fn process(&self, process: u32) -> String {
        match self.processes.get(process as usize) {
            Some(name) => name.clone(),
            None => Numbered.process(process),
        }
    }

    fn key(&self, key: Key) -> String {
        match self.keys.get(key.0 as usize) {
            Some(name) => name.clone(),
            None => Numbered.key(key),
        }
    }

    fn value(&self, value: Value) -> String {
        match self.values.get(value.0 as usize) {
            Some(text) => text.clone(),
            None => Numbered.value(value),
        }
    }

    fn place(&self, index: u32, at: u64) -> String {
        if at == 0 { index.to_string() } else { at.to_string() }
    }
}
