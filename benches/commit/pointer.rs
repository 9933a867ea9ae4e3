//! The design that most systems have, as a baseline: immutable segments, and a small HEAD that points
//! to them.
//!
//! A commit is two requests, one after the other: PUT a new segment with the records, then
//! compare-and-set HEAD to name it. Who loses the race reads HEAD again, validates, writes a new
//! segment (its place in the history has changed, and with it its bytes) and tries again. Everything
//! that is not this difference is as in manifest-core or in the baseline's favour: batches are formed
//! the same way, back-off is the same, blind writes are validated without reading the segments of
//! others, and old names fall out of HEAD without anybody folding them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use sim_storage::Client;

use crate::{random, record};

/// Segments that HEAD names.
const SEGMENTS: usize = 16;
/// Bytes of a segment's name in HEAD.
const NAME: usize = 32;

/// One process.
#[derive(Clone)]
pub(crate) struct Pointer {
    inner: Rc<Inner>,
}

struct Inner {
    client: Client,
    max_batch: usize,
    queue: RefCell<Queue>,
    head: RefCell<Head>,
}

/// Who waits, in order; and whether somebody commits for all.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Rc<RefCell<Slot>>>,
    lead: Lead,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Lead {
    #[default]
    Free,
    Taken,
}

/// A record that waits.
#[derive(Default)]
struct Slot {
    turn: Option<Turn>,
    waker: Option<Waker>,
}

/// What somebody who waited is woken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// His record is committed.
    Done,
    /// He is to commit for all.
    Lead,
}

/// What the process knows of HEAD.
#[derive(Clone)]
struct Head {
    names: Vec<String>,
    tag: UpdateVersion,
}

impl Slot {
    fn give(slot: &RefCell<Self>, turn: Turn) {
        let mut slot = slot.borrow_mut();
        slot.turn = Some(turn);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }
}

impl Pointer {
    /// Opens: one GET of HEAD, then all segments in parallel. Creates HEAD if there is none.
    pub(crate) async fn open(client: Client, max_batch: usize) -> Self {
        let head = match get_head(&client, None).await {
            Some(head) => head,
            None => {
                // Somebody else may be faster.
                let _ = put(&client, &head_path(), encode(&[]), PutMode::Create).await;
                get_head(&client, None).await.expect("a HEAD")
            }
        };
        let segments = head.names.iter().map(|name| get_segment(&client, name));
        join_all(segments).await;
        let (queue, head) = (RefCell::default(), RefCell::new(head));
        Self { inner: Rc::new(Inner { client, max_batch, queue, head }) }
    }

    /// Commits one record, with those that wait at the same time.
    pub(crate) async fn commit(&self) {
        let slot = Rc::new(RefCell::new(Slot::default()));
        let lead = {
            let mut queue = self.inner.queue.borrow_mut();
            queue.waiting.push_back(Rc::clone(&slot));
            std::mem::replace(&mut queue.lead, Lead::Taken)
        };
        if lead == Lead::Free || self.turn(&slot).await == Turn::Lead {
            self.lead().await;
        }
    }

    async fn turn(&self, slot: &RefCell<Slot>) -> Turn {
        let poll = poll_fn(|cx| {
            let mut slot = slot.borrow_mut();
            match slot.turn {
                Some(turn) => Poll::Ready(turn),
                None => {
                    slot.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        poll.await
    }

    /// Commits one batch, whose first record is the leader's own, and hands the lead on.
    async fn lead(&self) {
        let batch: Vec<_> = {
            let waiting = &mut self.inner.queue.borrow_mut().waiting;
            let count = waiting.len().min(self.inner.max_batch);
            waiting.drain(..count).collect()
        };
        self.commit_batch(batch.len()).await;
        batch[1..].iter().for_each(|slot| Slot::give(slot, Turn::Done));
        let mut queue = self.inner.queue.borrow_mut();
        match queue.waiting.front() {
            Some(next) => Slot::give(next, Turn::Lead),
            None => queue.lead = Lead::Free,
        }
    }

    async fn commit_batch(&self, records: usize) {
        let client = &self.inner.client;
        let mut head = self.inner.head.borrow().clone();
        for tries in 0.. {
            let name = format!("{:032x}", u128::from(random()) << 64 | u128::from(random()));
            let path = segment_path(&name);
            put(client, &path, record(records), PutMode::Create).await.expect("a new name");
            let mut names = head.names.clone();
            names.push(name);
            names.drain(..names.len().saturating_sub(SEGMENTS));
            let mode = PutMode::Update(head.tag.clone());
            match put(client, &head_path(), encode(&names), mode).await {
                Ok(tag) => {
                    *self.inner.head.borrow_mut() = Head { names, tag };
                    return;
                }
                Err(_) => {
                    if tries > 0 {
                        back_off(tries).await;
                    }
                    head = get_head(client, None).await.expect("a HEAD");
                }
            }
        }
    }

    /// A strong read: HEAD if it has changed, and then the segments that are new.
    pub(crate) async fn read(&self) {
        let head = self.inner.head.borrow().clone();
        let Some(newer) = get_head(&self.inner.client, head.tag.e_tag.clone()).await else {
            return;
        };
        let new = newer.names.iter().filter(|name| !head.names.contains(name));
        join_all(new.map(|name| get_segment(&self.inner.client, name))).await;
        *self.inner.head.borrow_mut() = newer;
    }
}

fn head_path() -> Path {
    Path::from("pointer/HEAD")
}

fn segment_path(name: &str) -> Path {
    Path::from(format!("pointer/seg/{name}"))
}

/// A nonce, so that no tag recurs, and the names.
fn encode(names: &[String]) -> Bytes {
    format!("{:032x}{}", random(), names.concat()).into()
}

async fn put(
    client: &Client,
    path: &Path,
    body: Bytes,
    mode: PutMode,
) -> Result<UpdateVersion, Error> {
    let options = PutOptions { mode, ..PutOptions::default() };
    client.put_opts(path, PutPayload::from(body), options).await.map(UpdateVersion::from)
}

/// HEAD, unless it is still the one with this tag.
async fn get_head(client: &Client, if_none_match: Option<String>) -> Option<Head> {
    let options = GetOptions { if_none_match, ..GetOptions::default() };
    let answer = client.get_opts(&head_path(), options).await.ok()?;
    let tag = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: None };
    let body = answer.bytes().await.expect("a body");
    let text = String::from_utf8_lossy(&body[NAME..]).into_owned();
    let names = (0..text.len() / NAME).map(|n| text[n * NAME..][..NAME].to_owned());
    Some(Head { names: names.collect(), tag })
}

async fn get_segment(client: &Client, name: &str) {
    let answer = client.get(&segment_path(name)).await.expect("a segment");
    answer.bytes().await.expect("its body");
}

/// Full jitter, as manifest-core does it.
async fn back_off(tries: u32) {
    let bound = Duration::from_millis(50).saturating_mul(1 << (tries - 1).min(30));
    let bound = bound.min(Duration::from_secs(5)).as_nanos();
    let wait = (u128::from(random()) * bound) >> 64;
    sim::sleep(Duration::from_nanos(wait as u64)).await;
}
