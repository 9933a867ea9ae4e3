//! Operations of the workloads that are no store: queues, ids, comments, sequential inserts.
//!
//! What each access stands for is said where the rule is: `sim::check::queues` and
//! `sim::check::workloads`. Where a test ran many of these side by side, values come as tuples
//! `[key value]`.

use super::super::term::Term;
use super::{Assembler, Open};
use sim::history::Value;

impl Assembler {
    /// `enqueue v`, `dequeue` -> v (nothing if it was empty), `drain` -> list.
    pub(super) fn queue(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match (open.f.as_str(), seen) {
            ("enqueue", _) => {
                let value = self.value(&open.value);
                self.history.append(open.op, key, value);
            }
            ("dequeue" | "drain", None) => self.history.read_unknown(open.op, key),
            ("dequeue", Some(Term::Nil)) => self.history.read_list(open.op, key, &[]),
            ("dequeue", Some(value)) => {
                let value = self.value(value);
                self.history.read_list(open.op, key, &[value]);
            }
            // A drain that found nothing says nothing: it looks element by element.
            ("drain", Some(value)) => {
                let list = self.values(value)?;
                if !list.is_empty() {
                    self.history.read_list(open.op, key, &list);
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// `generate` -> id.
    pub(super) fn unique_ids(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match (open.f.as_str(), seen) {
            ("generate", Some(id)) => {
                let id = self.value(id);
                self.history.append(open.op, key, id);
            }
            ("generate", None) => self.history.read_unknown(open.op, key),
            _ => return None,
        }
        Some(())
    }

    /// `write id`, `read` -> set of ids; or `write [key id]`, `read` -> `[key set]`.
    pub(super) fn comments(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        match (open.f.as_str(), seen) {
            ("write", _) => {
                let (key, id) = tuple(&open.value).unzip();
                let key = self.key(key.or(open.key.as_ref()));
                let id = self.value(id.unwrap_or(&open.value));
                self.history.append(open.op, key, id);
            }
            ("read", Some(value)) => {
                let keyed = tuple(value).filter(|(_, ids)| ids.list().is_some());
                let (key, ids) = keyed.unzip();
                let key = self.key(key.or(open.key.as_ref()));
                let ids = self.values(ids.unwrap_or(value))?;
                self.history.read_list(open.op, key, &ids);
            }
            ("read", None) => {
                let key = tuple(&open.value).map(|(key, _)| key).or(open.key.as_ref());
                let key = self.key(key);
                self.history.read_unknown(open.op, key);
            }
            _ => return None,
        }
        Some(())
    }

    /// `write key` inserts the rows of a group in order, `read` -> `[key rows in reverse]`.
    pub(super) fn sequential(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        match (open.f.as_str(), seen) {
            ("write", _) => {
                let key = self.key(Some(&open.value));
                let value = self.value(&open.value);
                self.history.append(open.op, key, value);
            }
            ("read", Some(value)) => {
                let (key, rows) = tuple(value)?;
                let key = self.key(Some(key));
                let rows = self.values(rows)?;
                self.history.read_list(open.op, key, &rows);
            }
            ("read", None) => {
                let key = tuple(&open.value).map_or(&open.value, |(key, _)| key);
                let key = self.key(Some(key));
                self.history.read_unknown(open.op, key);
            }
            _ => return None,
        }
        Some(())
    }

    fn values(&mut self, list: &Term) -> Option<Vec<Value>> {
        if *list == Term::Nil {
            return Some(Vec::new());
        }
        Some(list.list()?.iter().map(|item| self.value(item)).collect())
    }
}

/// The two sides of `[key value]`.
pub(in crate::formats) fn tuple(term: &Term) -> Option<(&Term, &Term)> {
    match term.list()? {
        [key, value] => Some((key, value)),
        _ => None,
    }
}
