//! Sessions: long readers of one snapshot, that fetch only what they look at.
//!
//! A `Snapshot` is free because this process holds everything in memory, for as long as the
//! snapshot lives. A [`Session`] is the other kind: it keeps nothing but the head that it began
//! with, and reads segments and checkpoint blocks from the store when they are asked for. A pin
//! keeps these objects from being collected meanwhile; whoever opens sessions has to renew it
//! (`Manifest::renew_pin`).
//!
//! A session can also be opened on an **earlier** snapshot, from a [`SavedSnapshot`], by any process
//! that got one: as long as no collection pass has moved the floor past it, or this process has had
//! a pin on something as old all along.
//!
//! When the pin lapses a session is over: [`Error::SnapshotExpired`]. It never shows wrong data,
//! because what it reads is verified against the hashes in its head.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use crate::delta::{DeltaBuilder, Said, say};
use crate::error::Error;
use crate::format::checkpoint::{Block, Front};
use crate::format::directory::{CheckpointRef, RetiredKind};
use crate::format::head::Head;
use crate::format::merged::Delta;
use crate::format::record::{OpView, verify_run};
use crate::format::segment::Segment;
use crate::format::{Damage, expect, expect_hash, xxh3};
use crate::index::Entry;
use crate::inner::{Inner, lock, missing_object};
use crate::patience::{Finding, Patience, RefreshError};
use crate::pins::{self, Hold};
use crate::planted::PlantedBug;
use crate::range::KeyRange;
use crate::requests::Fetched;
use crate::state::delta_ops;
use crate::steps::*;

/// The root of one snapshot, to be kept or sent somewhere and opened again: bytes that mean the
/// same to every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSnapshot(Bytes);

impl SavedSnapshot {
    /// The bytes, at most as many as a head may have.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// From what [`SavedSnapshot::as_bytes`] gave. Nothing is verified before it is opened.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

/// A reader of one snapshot.
#[derive(Debug)]
pub struct Session {
    hold: Hold,
    head: Arc<Head>,
    tail: Delta,
    /// The head's segments, as far as they were read.
    segments: Vec<Option<Delta>>,
    front: Option<Front>,
    blocks: BTreeMap<usize, Block>,
}

impl Session {
    /// On the newest snapshot.
    pub(crate) async fn newest(inner: &Arc<Inner>) -> Result<Self, Error> {
        let (hold, head) = pins::pin_newest(inner).await?;
        Ok(Self::on(hold, head))
    }

    /// On a saved one.
    pub(crate) async fn reopen(inner: &Arc<Inner>, saved: &SavedSnapshot) -> Result<Self, Error> {
        let corrupt = |damage| Error::corrupt("a saved snapshot", damage);
        let head = Head::decode(saved.0.clone(), None).map_err(corrupt)?;
        check_tail(&head).map_err(corrupt)?;
        if head.header.incarnation != inner.incarnation {
            return Err(Error::IncarnationChanged);
        }
        let version = head.header.version;
        match pins::pin_earlier(inner, version).await? {
            Some(hold) => Ok(Self::on(hold, Arc::new(head))),
            None => {
                step!(SESSION_TOO_LATE);
                Err(Error::SnapshotExpired { version })
            }
        }
    }

    fn on(hold: Hold, head: Arc<Head>) -> Self {
        step!(SESSION_OPEN);
        let mut tail = DeltaBuilder::default();
        tail.add_run(head.tail());
        let segments = head.directory.segments.iter().map(|_| None).collect();
        Self { hold, tail: tail.finish(), segments, front: None, blocks: BTreeMap::new(), head }
    }

    /// The seq of the newest commit that is visible; 0 if there was none.
    pub fn seq(&self) -> u64 {
        self.head.header.next_seq - 1
    }

    /// The version of the head that it reads from.
    pub fn version(&self) -> u64 {
        self.head.header.version
    }

    /// What another session can be opened from later, here or elsewhere.
    pub fn save(&self) -> SavedSnapshot {
        SavedSnapshot(self.head.bytes().clone())
    }

    /// The key's value. Reads the segments from the newest on until one knows the key, and then one
    /// block of the checkpoint; each object once.
    ///
    /// # Errors
    /// [`Error::SnapshotExpired`]: the pin was not renewed in time. [`Error::Unavailable`],
    /// [`Error::Corrupt`].
    pub async fn get(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Entry>, Error> {
        let key = key.as_ref();
        self.hold.check()?;
        let mut said = say(&self.tail, key);
        for place in (0..self.segments.len()).rev() {
            if said != Said::Nothing {
                break;
            }
            said = say(self.segment(place).await?, key);
        }
        match said {
            Said::Value(seq, value) => Ok(Some(Entry { value, seq })),
            Said::Deleted => Ok(None),
            Said::Nothing => self.get_from_checkpoint(key).await,
        }
    }

    /// The keys and values of a range, in order of keys. Reads all segments, and the blocks of the
    /// checkpoint that the range touches; each object once.
    ///
    /// # Errors
    /// As [`Session::get`].
    pub async fn scan(&mut self, range: impl Into<KeyRange>) -> Result<Vec<(Bytes, Entry)>, Error> {
        let range = range.into();
        self.hold.check()?;
        let mut view = self.scan_checkpoint(&range).await?;
        for place in 0..self.segments.len() {
            overlay(&mut view, self.segment(place).await?, &range);
        }
        overlay(&mut view, &self.tail, &range);
        Ok(view.into_iter().collect())
    }

    /// A segment of the head, from memory or from the store.
    async fn segment(&mut self, place: usize) -> Result<&Delta, Error> {
        if self.segments[place].is_none() {
            let (reference, chain) = self.reference(place);
            let incarnation = self.head.header.incarnation;
            step!(SESSION_GET_SEGMENT);
            let path = self.requests().object_path(RetiredKind::Segment, reference.name);
            let decode = |bytes| {
                #[cfg(feature = "planted-bugs")]
                if self.inner().bugs.is(PlantedBug::TornSegmentAccepted) {
                    return Segment::decode_torn(bytes, reference, incarnation, chain);
                }
                Segment::decode(bytes, reference, incarnation, chain)
            };
            let read = self.object(&path, None, decode).await;
            let mut delta = DeltaBuilder::default();
            match read {
                Ok(segment) => delta.add_segment(&segment),
                Err(Error::SnapshotExpired { .. } | Error::Corrupt { .. })
                    if self.inner().bugs.is(PlantedBug::SkipMissingSegment) => {}
                Err(error) => return Err(error),
            }
            self.segments[place] = Some(delta.finish());
        }
        Ok(self.segments[place].get_or_insert_default())
    }

    fn reference(&self, place: usize) -> (crate::format::directory::SegmentRef, u128) {
        let directory = &self.head.directory;
        let chain = match place.checked_sub(1) {
            Some(before) => directory.segments[before].chain_end,
            None => directory.segments_start(self.head.header.incarnation).chain,
        };
        (directory.segments[place], chain)
    }

    async fn get_from_checkpoint(&mut self, key: &[u8]) -> Result<Option<Entry>, Error> {
        let Some(reference) = self.head.directory.checkpoint else {
            return Ok(None);
        };
        let Some(place) = self.front(&reference).await?.block_of(key) else {
            return Ok(None);
        };
        let block = self.block(&reference, place).await?;
        let found = block.get(key);
        Ok(found.map(|it| Entry { value: Bytes::copy_from_slice(it.value), seq: it.seq }))
    }

    async fn scan_checkpoint(&mut self, range: &KeyRange) -> Result<BTreeMap<Bytes, Entry>, Error> {
        let mut view = BTreeMap::new();
        let Some(reference) = self.head.directory.checkpoint else {
            return Ok(view);
        };
        for place in self.front(&reference).await?.blocks_of(range) {
            let block = self.block(&reference, place).await?;
            let copy = Bytes::copy_from_slice;
            let entries = block.entries().filter(|entry| range.contains(entry.key));
            view.extend(entries.map(|entry| {
                (copy(entry.key), Entry { value: copy(entry.value), seq: entry.seq })
            }));
        }
        Ok(view)
    }

    async fn front(&mut self, reference: &CheckpointRef) -> Result<&Front, Error> {
        if self.front.is_none() {
            step!(SESSION_GET_FRONT);
            let path = self.requests().object_path(RetiredKind::Checkpoint, reference.name);
            let incarnation = self.head.header.incarnation;
            let range = 0..u64::from(reference.front_len);
            let decode = |bytes: Bytes| Front::decode(&bytes, reference, incarnation);
            self.front = Some(self.object(&path, Some(range), decode).await?);
        }
        match &self.front {
            Some(front) => Ok(front),
            None => Err(missing_object(&self.requests().head)),
        }
    }

    async fn block(&mut self, reference: &CheckpointRef, place: usize) -> Result<&Block, Error> {
        if !self.blocks.contains_key(&place) {
            let Some(block) = self.front(reference).await?.blocks.get(place).cloned() else {
                return Err(missing_object(&self.requests().head));
            };
            step!(SESSION_GET_BLOCK);
            let path = self.requests().object_path(RetiredKind::Checkpoint, reference.name);
            let range = block.offset..block.offset + u64::from(block.len);
            let decode = |bytes| Block::decode(bytes, &block, reference.upto_seq);
            let block = self.object(&path, Some(range), decode).await?;
            self.blocks.insert(place, block);
        }
        Ok(&self.blocks[&place])
    }

    /// An object that the head names, or a part of it, verified. What is missing although the pin
    /// is alive is corrupt, what is missing later is expired.
    async fn object<T>(
        &self,
        path: &Path,
        range: Option<std::ops::Range<u64>>,
        decode: impl Fn(Bytes) -> Result<T, Damage>,
    ) -> Result<T, Error> {
        let requests = self.requests();
        let deadline = requests.env.now() + self.inner().options.read_deadline;
        let mut patience = Patience::until(deadline);
        loop {
            let fetched = requests.get_part(path, range.clone()).await;
            let error = match fetched {
                Ok(Fetched::Body { bytes, .. }) => match decode(bytes.clone()) {
                    Ok(object) => return Ok(object),
                    Err(damage) => RefreshError::damaged(Error::corrupt(path, damage), &bytes),
                },
                Ok(Fetched::NotFound | Fetched::NotModified) => {
                    step!(SESSION_MISSING);
                    self.hold.check()?;
                    let finding = Finding { error: missing_object(path), print: xxh3(b"missing") };
                    RefreshError::Missing(Box::new(finding))
                }
                Err(failure) => RefreshError::Failed(failure),
            };
            let again = patience.after(requests, error).await;
            again.map_err(|error| error.report("session"))?;
            self.hold.check()?;
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        self.hold.inner()
    }

    fn requests(&self) -> &crate::requests::Requests {
        &self.hold.inner().requests
    }
}

/// The tail of a saved head is whole.
fn check_tail(head: &Head) -> Result<(), Damage> {
    let end = verify_run(head.tail(), head.tail_start())?;
    expect_hash(head.header.chain, end.chain, "a tail that ends at the head's chain hash")?;
    expect(end.next_seq == head.header.next_seq, "as many records as it counts", end.next_seq)
}

/// Puts a newer layer over what older ones say of a range.
fn overlay(view: &mut BTreeMap<Bytes, Entry>, layer: &Delta, range: &KeyRange) {
    for (op, seq) in delta_ops(layer) {
        match op {
            OpView::Put { key, value } if range.contains(key) => {
                let entry = Entry { value: Bytes::copy_from_slice(value), seq };
                view.insert(Bytes::copy_from_slice(key), entry);
            }
            OpView::Delete { key } => {
                view.remove(key);
            }
            OpView::DeleteRange { start, end } => {
                view.retain(|key, _| **key < *start || end.is_some_and(|end| **key >= *end));
            }
            OpView::Put { .. } => {}
        }
    }
}

/// The newest head that this process knows, as a saved snapshot.
pub(crate) fn save_newest(inner: &Inner) -> SavedSnapshot {
    SavedSnapshot(lock(&inner.state).head.bytes().clone())
}
