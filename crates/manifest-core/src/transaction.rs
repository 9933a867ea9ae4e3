//! A transaction: reads from one snapshot, remembers what it read, collects its writes, and
//! commits them all or none.
//!
//! Everything happens in memory until [`Transaction::commit`]. A commit succeeds if nothing that
//! the transaction read, point or range, present or absent, has been changed by a commit after
//! its base; then it takes effect as if it had run alone at its place in the history. Writes that
//! read nothing ("blind") never conflict.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::commit::{Commit, Pending};
use crate::edit::Claim;
use crate::error::{Error, Limit};
use crate::format::record::{self, Op};
use crate::index::Entry;
use crate::options::Options;
use crate::planted::PlantedBug;
use crate::range::KeyRange;
use crate::role::Role;
use crate::snapshot::Snapshot;

/// Bytes of a record that any segment can hold.
const TRANSACTION_LIMIT: usize = 60 << 20;

/// What a transaction read and wants to write.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) base: Snapshot,
    pub(crate) reads: Vec<Bytes>,
    pub(crate) ranges: Vec<KeyRange>,
    pub(crate) ops: Vec<Op>,
    pub(crate) metadata: Bytes,
    pub(crate) claim: Option<Claim>,
}

/// What a transaction's own writes say about a key.
enum Own<'a> {
    Untouched,
    Absent,
    Value(&'a Bytes),
}

impl Transaction {
    pub(crate) fn new(base: Snapshot) -> Self {
        Self {
            base,
            reads: Vec::new(),
            ranges: Vec::new(),
            ops: Vec::new(),
            metadata: Bytes::new(),
            claim: None,
        }
    }

    /// The snapshot that it reads from.
    pub fn base(&self) -> &Snapshot {
        &self.base
    }

    /// The key's value: the transaction's own last write, or else that of the base, which then
    /// counts as read.
    ///
    /// Own writes are looked through one by one, newest first: meant for the few hundred that
    /// fit into a head.
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Option<Entry> {
        let key = key.as_ref();
        match self.own(key) {
            Own::Value(value) => Some(Entry { value: value.clone(), seq: 0 }),
            Own::Absent => None,
            Own::Untouched => {
                self.reads.push(Bytes::copy_from_slice(key));
                self.base.get(key)
            }
        }
    }

    /// The keys and values of a range, own writes included, in order of keys. The whole range
    /// counts as read: a key that appears in it later is a conflict too.
    pub fn scan(&mut self, range: impl Into<KeyRange>) -> Vec<(Bytes, Entry)> {
        let range = range.into();
        let found = self.base.scan(range.clone());
        let result = if self.ops.is_empty() { found } else { self.overlay(&range, found) };
        let forgets = self.base.inner().bugs.is(PlantedBug::RangeReadsForgotten);
        if !range.is_empty() && !forgets {
            self.ranges.push(range);
        }
        result
    }

    /// Sets the key's value.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> &mut Self {
        self.ops.push(Op::Put { key: key.into(), value: value.into() });
        self
    }

    /// Makes the key absent. Deleting an absent key changes nothing and conflicts with nobody.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> &mut Self {
        self.ops.push(Op::Delete { key: key.into() });
        self
    }

    /// Makes all keys of the range absent, those included that other transactions put before this
    /// one's place in the history. It reads nothing; an empty range is no operation.
    pub fn delete_range(&mut self, range: impl Into<KeyRange>) -> &mut Self {
        let range = range.into();
        if !range.is_empty() {
            self.ops.push(Op::DeleteRange { start: range.start, end: range.end });
        }
        self
    }

    /// Bytes of the application that are stored in the commit record.
    pub fn set_metadata(&mut self, metadata: impl Into<Bytes>) -> &mut Self {
        self.metadata = metadata.into();
        self
    }

    /// Commits only if the role is still this process's, in the epoch that it was taken in, at the
    /// place in the history that the transaction gets. Otherwise it is refused with
    /// [`Error::Fenced`].
    pub fn under(&mut self, role: &Role) -> &mut Self {
        self.claim = Some(role.claim.clone());
        self
    }

    /// Commits, all or nothing.
    ///
    /// A transaction without writes and metadata makes no request and no record: it is a read at
    /// its base, and its seq is the base's. To make such reads strictly serializable take the
    /// base from `Manifest::read`.
    ///
    /// If the returned future is dropped before it is done, the transaction is withdrawn unless
    /// its request may be under way; use [`Transaction::submit`] to know its id.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] if it may or may not be committed; any other error means that
    /// it is not and never will be: [`Error::Conflict`], [`Error::Fenced`], [`Error::TooLarge`],
    /// [`Error::Unavailable`].
    pub async fn commit(self) -> Result<Commit, Error> {
        self.submit()?.await
    }

    /// Gives the transaction its commit id and its place in the queue, without any request: the
    /// id can be stored before the first request goes out, for `Manifest::status` after a crash.
    /// The work is done by awaiting the result.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: a key, a value or the metadata is.
    pub fn submit(self) -> Result<Pending, Error> {
        let options = &self.base.inner().options;
        check_sizes(&self.ops, &self.metadata, options)?;
        Ok(Pending::enqueue(self))
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_read_only(&self) -> bool {
        self.ops.is_empty() && self.metadata.is_empty()
    }

    fn own(&self, key: &[u8]) -> Own<'_> {
        let forgets_ranges = self.base.inner().bugs.is(PlantedBug::OwnRangeForgotten);
        for op in self.ops.iter().rev() {
            match op {
                Op::Put { key: written, value } if written == key => return Own::Value(value),
                Op::Delete { key: deleted } if deleted == key => return Own::Absent,
                Op::DeleteRange { .. } if forgets_ranges => {}
                Op::DeleteRange { start, end }
                    if *start <= key && end.as_ref().is_none_or(|end| key < &end[..]) =>
                {
                    return Own::Absent;
                }
                _ => {}
            }
        }
        Own::Untouched
    }

    /// What the base showed of a range, with the own writes applied to it.
    fn overlay(&self, range: &KeyRange, found: Vec<(Bytes, Entry)>) -> Vec<(Bytes, Entry)> {
        let mut view: BTreeMap<Bytes, Entry> = found.into_iter().collect();
        for op in &self.ops {
            match op {
                Op::Put { key, value } => {
                    if range.contains(key) {
                        view.insert(key.clone(), Entry { value: value.clone(), seq: 0 });
                    }
                }
                Op::Delete { key } => {
                    view.remove(key);
                }
                Op::DeleteRange { start, end } => {
                    let gone = KeyRange { start: start.clone(), end: end.clone() };
                    view.retain(|key, _| !gone.contains(key));
                }
            }
        }
        view.into_iter().collect()
    }
}

fn check_sizes(ops: &[Op], metadata: &Bytes, options: &Options) -> Result<(), Error> {
    let check = |limit, size: usize, max: usize| {
        if size > max { Err(Error::TooLarge { limit, size, max }) } else { Ok(()) }
    };
    for op in ops {
        let (key, other) = match op {
            Op::Put { key, value } => {
                check(Limit::Value, value.len(), options.value_limit_bytes)?;
                (key, None)
            }
            Op::Delete { key } => (key, None),
            Op::DeleteRange { start, end } => (start, end.as_ref()),
        };
        check(Limit::Key, key.len(), options.key_limit_bytes)?;
        check(Limit::Key, other.map_or(0, Bytes::len), options.key_limit_bytes)?;
    }
    check(Limit::Metadata, metadata.len(), options.value_limit_bytes)?;
    check(Limit::Transaction, record::encoded_len(ops, metadata), TRANSACTION_LIMIT)
}
