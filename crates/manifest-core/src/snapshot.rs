//! A view of the manifest at one commit. It never changes and costs no request.

use std::sync::Arc;

use crate::format::checkpoint::StateDigest;
use crate::index::Entry;
use crate::inner::{Inner, lock};
use crate::range::KeyRange;
use crate::transaction::Transaction;

/// All keys and values up to one commit.
///
/// While it lives, the versions that it sees stay in memory; drop it when it is no longer needed.
#[derive(Debug)]
pub struct Snapshot {
    inner: Arc<Inner>,
    seq: u64,
    hold: Hold,
}

/// Whether a snapshot is registered as a reader in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Registered,
    /// Somebody else took the registration over.
    HandedOver,
}

impl Snapshot {
    /// A snapshot of the newest state that this process knows.
    pub(crate) fn newest(inner: &Arc<Inner>) -> Self {
        let mut state = lock(&inner.state);
        let seq = state.seq();
        state.index.acquire(seq);
        Self { inner: Arc::clone(inner), seq, hold: Hold::Registered }
    }

    /// The seq of the newest commit that is visible; 0 if there was none.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The key's value.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Entry> {
        lock(&self.inner.state).index.get(key.as_ref(), self.seq)
    }

    /// The keys and values of a range, in order of keys: `scan("a".."b")`,
    /// `scan(KeyRange::prefix("a/"))`, `scan(..)`.
    pub fn scan(&self, range: impl Into<KeyRange>) -> Vec<(bytes::Bytes, Entry)> {
        let range = range.into();
        let state = lock(&self.inner.state);
        state.index.scan(&range, self.seq).map(|(key, entry)| (key.clone(), entry)).collect()
    }

    /// A hash of all keys and values with the seqs that wrote them, O(all of them): two processes
    /// that hold the same commit get the same number.
    pub fn digest(&self) -> u128 {
        let state = lock(&self.inner.state);
        let mut digest = StateDigest::new();
        for (key, entry) in state.index.scan(&KeyRange::from(..), self.seq) {
            digest.add(key, entry.seq, &entry.value);
        }
        digest.finish()
    }

    /// A transaction that reads from this snapshot.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// Its seq, which stays registered as a reader: whoever gets it releases it.
    pub(crate) fn into_registered_seq(mut self) -> u64 {
        self.hold = Hold::HandedOver;
        self.seq
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        lock(&self.inner.state).index.acquire(self.seq);
        Self { inner: Arc::clone(&self.inner), seq: self.seq, hold: Hold::Registered }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.hold == Hold::Registered {
            lock(&self.inner.state).index.release(self.seq);
        }
    }
}
