//! Verification: is what lies under a prefix a whole manifest, what of it is garbage, and what
//! would it cost to open?
//!
//! It reads and changes nothing, and it believes nothing: not the head, whose digest is computed
//! again; not the segments and the checkpoint, of which every byte is verified against the head,
//! and the chain through all of them; not the listing, which is held against what can be read. It
//! goes on after the first damage: without a head it still verifies each object by itself.
//!
//! It needs no process that has the manifest open, and disturbs none that has. The order makes it
//! right beside writers and collectors: **head, then listing, then bodies**. Whatever the head names
//! was written before it, so the listing must show it; and if an object is missing the head is read
//! again, because a collector may have taken what a newer head does not name any more. Then the
//! whole look begins again, up to `LOOKS` times.
//!
//! One LIST, one GET for the head, and for each pin, and with [`Depth::Bodies`] for each segment and
//! the checkpoint.
//!
//! - `head.rs`: what a head must be, beyond its shape.
//! - `listing.rs`: what is in use, and of which kind the garbage is.
//! - `look.rs`: one object, with patience.
//! - `loose.rs`: objects without a head.
//! - `report.rs`: what was found.

mod head;
mod listing;
mod look;
mod loose;
mod report;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::env::Env;
use crate::error::Error;
use crate::format::CommitId;
use crate::format::checkpoint::Checkpoint;
use crate::format::directory::{CheckpointRef, RetiredKind, SegmentRef};
use crate::format::head::Head;
use crate::format::pin::Pin;
use crate::format::segment::{Segment, SegmentBodyView};
use crate::requests::Requests;
use head::Ids;
use listing::{Listing, Place};
use look::{Absence, Eyes};

pub use report::{
    Broken, Garbage, GarbageKind, OpenCost, PinSeen, Report, Standing, Summary, Unread, Verdict,
};

/// How often a look begins again because the head moved on under it.
const LOOKS: u32 = 5;
/// Objects that are read at the same time, and are in memory at the same time.
const PARALLEL: usize = 4;

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Every byte of the head, the segments, the checkpoint and the pins.
    #[default]
    Bodies,
    /// The head, the pins, and of segments and checkpoint that they are there and how long they are.
    Sizes,
}

/// How to verify.
#[derive(Debug, Clone)]
pub struct Options {
    /// How thoroughly to look. Default [`Depth::Bodies`].
    pub depth: Depth,
    /// How long one request may take, its body included. Default 60 s.
    pub attempt_timeout: Duration,
    /// How long to try again what fails, for each object. Default 30 s.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            depth: Depth::Bodies,
            attempt_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(30),
        }
    }
}

/// Looks at everything under a prefix and says what is broken, what is garbage, and what it would
/// cost to open. Changes nothing.
///
/// Damage is no error: it is in the report.
///
/// # Errors
/// [`Error::NotFound`]: there is nothing of a manifest under the prefix. [`Error::Unavailable`]: the
/// store says neither what the head is nor what there is. What else it does not say is in
/// [`Report::unread`].
pub async fn verify(
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    env: Arc<dyn Env>,
    options: Options,
) -> Result<Report, Error> {
    let Options { depth, attempt_timeout, deadline } = options;
    let limits = crate::Options { attempt_timeout, ..crate::Options::default() };
    let requests = Requests::new(store, prefix.clone(), env, &limits);
    let eyes = Eyes { requests, deadline };
    let verifier = Verifier { eyes, prefix, depth };
    let mut looks = 1;
    loop {
        let again = if looks < LOOKS { Again::Allowed } else { Again::No };
        if let Look::Done(report) = verifier.look(again).await? {
            return Ok(*report);
        }
        looks += 1;
    }
}

struct Verifier {
    eyes: Eyes,
    prefix: Path,
    depth: Depth,
}

/// Whether a look may end with nothing but the news that the head moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Allowed,
    No,
}

/// What a look came to.
enum Look {
    Done(Box<Report>),
    /// The head moved on, and what it named before is gone.
    Moved,
}

/// What is left of a segment that was verified, or why it was not.
type Verified<T> = (Path, Result<Option<T>, Error>);

impl Verifier {
    async fn look(&self, again: Again) -> Result<Look, Error> {
        let mut report = Report { prefix: self.prefix.to_string(), ..Report::default() };
        let read = self.read_head(Absence::Suspect).await;
        let listed = self.eyes.list(&self.prefix).await;
        let was_missing = matches!(read, Ok(None));
        let head = match read {
            // Neither the one nor the other: the store is not there.
            Err(error @ Error::Unavailable { .. }) if listed.is_err() => return Err(error),
            Err(error) => {
                report.file(&self.eyes.requests.head, error);
                None
            }
            Ok(head) => head,
        };
        let listed = match listed {
            Ok(listed) => Some(listed),
            Err(error) if was_missing => return Err(error),
            Err(error) => {
                report.file(&self.prefix, error);
                None
            }
        };
        let listing = listed.as_deref().map(|listed| Listing::new(listed, &self.prefix));
        if was_missing {
            if !listing.as_ref().is_some_and(Listing::has_any) {
                return Err(Error::NotFound { head: self.eyes.requests.head.to_string() });
            }
            report.breach(&self.eyes.requests.head, "a head", "no object");
        }
        if let (Some(listing), Some(listed)) = (&listing, &listed) {
            listing::judge_names(listing, &mut report);
            self.look_at_pins(listing, listed, head.as_ref(), &mut report).await;
        }
        match (&head, &listing) {
            (Some(head), listing) => self.follow(head, listing.as_ref(), again, report).await,
            (None, Some(listing)) => {
                self.look_at_loose_objects(listing, &mut report).await;
                Ok(Look::Done(Box::new(report)))
            }
            (None, None) => Ok(Look::Done(Box::new(report))),
        }
    }

    async fn read_head(&self, absence: Absence) -> Result<Option<Head>, Error> {
        let decode = |bytes: Bytes| Head::decode(bytes, None);
        self.eyes.object(&self.eyes.requests.head, absence, decode).await
    }

    /// Everything that hangs on a head.
    async fn follow(
        &self,
        head: &Head,
        listing: Option<&Listing<'_>>,
        again: Again,
        mut report: Report,
    ) -> Result<Look, Error> {
        let path = &self.eyes.requests.head;
        report.summary = Some(head::summary(head));
        if !head::is_plausible(head) {
            let found = format!("version {}, {}", head.header.version, head.header.next_seq);
            report.breach(path, "versions and seqs that somebody could have counted to", found);
            return Ok(Look::Done(Box::new(report)));
        }
        let tail = head::check(head, path, &mut report);
        let missing = match self.depth {
            Depth::Bodies => self.read_bodies(head, listing, &tail, &mut report).await,
            Depth::Sizes => self.compare_sizes(head, listing, &mut report),
        };
        if let Some(listing) = listing {
            let path_of = |kind, name| self.eyes.requests.object_path(kind, name);
            listing::judge_bodies(listing, head, path_of, &mut report);
        }
        if missing.is_empty() {
            return Ok(Look::Done(Box::new(report)));
        }
        let has_moved = match self.read_head(Absence::Allowed).await {
            Ok(Some(now)) => now.digest != head.digest,
            Ok(None) | Err(_) => false,
        };
        if has_moved && again == Again::Allowed {
            return Ok(Look::Moved);
        }
        for path in missing {
            if has_moved {
                report.file(&path, look::unanswered());
            } else {
                report.breach(&path, "an object that the head names", "no object");
            }
        }
        Ok(Look::Done(Box::new(report)))
    }

    /// Reads and verifies what the head names, and the commit ids through all of it. Returns what
    /// is not there.
    async fn read_bodies(
        &self,
        head: &Head,
        listing: Option<&Listing<'_>>,
        tail: &[CommitId],
        report: &mut Report,
    ) -> Vec<Path> {
        let mut missing = Vec::new();
        let mut ids = Ids::default();
        if let Some(reference) = head.directory.checkpoint {
            let (path, read) = self.read_checkpoint(reference, head.header.incarnation).await;
            if let Some(checkpoint) = settle(path, read, listing, &mut missing, report) {
                for last in &checkpoint.front.writers {
                    ids.note(last.writer, last.wseq);
                }
            }
        }
        let mut chain = head.directory.segments_start(head.header.incarnation).chain;
        let reads = head.directory.segments.iter().map(|reference| {
            let before = std::mem::replace(&mut chain, reference.chain_end);
            self.read_segment(*reference, head.header.incarnation, before)
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = futures_util::stream::iter(reads).buffered(PARALLEL);
        while let Some((path, read)) = reads.next().await {
            if let Some(found) = settle(path.clone(), read, listing, &mut missing, report) {
                ids.check(&found, &path, report);
            }
        }
        ids.check(tail, &self.eyes.requests.head, report);
        missing
    }

    async fn read_checkpoint(
        &self,
        reference: CheckpointRef,
        incarnation: u128,
    ) -> Verified<Checkpoint> {
        let path = self.eyes.requests.object_path(RetiredKind::Checkpoint, reference.name);
        let decode = |bytes| Checkpoint::decode(bytes, reference, incarnation);
        let read = self.eyes.object(&path, Absence::Suspect, decode).await;
        (path, read)
    }

    async fn read_segment(
        &self,
        reference: SegmentRef,
        incarnation: u128,
        chain: u128,
    ) -> Verified<Vec<CommitId>> {
        let path = self.eyes.requests.object_path(RetiredKind::Segment, reference.name);
        let decode =
            |bytes| Segment::decode(bytes, reference, incarnation, chain).map(|it| commit_ids(&it));
        let read = self.eyes.object(&path, Absence::Suspect, decode).await;
        (path, read)
    }

    /// Holds the lengths that the head says against those that the listing says.
    fn compare_sizes(
        &self,
        head: &Head,
        listing: Option<&Listing<'_>>,
        report: &mut Report,
    ) -> Vec<Path> {
        let Some(listing) = listing else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        let segments = head.directory.segments.iter();
        let segments = segments.map(|it| (RetiredKind::Segment, it.name, u64::from(it.len)));
        let checkpoint = head.directory.checkpoint.iter();
        let checkpoint = checkpoint.map(|it| (RetiredKind::Checkpoint, it.name, it.len));
        for (kind, name, len) in segments.chain(checkpoint) {
            let path = self.eyes.requests.object_path(kind, name);
            match listing.get(&path) {
                None => missing.push(path),
                Some(meta) if meta.size != len => {
                    let found = format!("{} bytes instead of {len}", meta.size);
                    report.breach(&path, "an object of the referenced length", found);
                }
                Some(_) => {}
            }
        }
        missing
    }

    /// Reads all pins. How old they are is told by the store's own clock, from the listing.
    async fn look_at_pins(
        &self,
        listing: &Listing<'_>,
        listed: &[ObjectMeta],
        head: Option<&Head>,
        report: &mut Report,
    ) {
        let newest = listed.iter().map(|meta| meta.last_modified).max();
        let pins = listing.all().filter_map(|(place, meta)| match place {
            Place::Pin(process) => Some((process, meta)),
            _ => None,
        });
        let reads = pins.map(|(process, meta)| async move {
            let decode = |bytes: Bytes| Pin::decode(&bytes);
            let read = self.eyes.object(&meta.location, Absence::Allowed, decode).await;
            (process, meta, read)
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = futures_util::stream::iter(reads).buffered(PARALLEL);
        while let Some((process, meta, read)) = reads.next().await {
            let pin = match read {
                Ok(Some(pin)) => pin,
                // Released meanwhile.
                Ok(None) => continue,
                Err(error) => {
                    report.file(&meta.location, error);
                    continue;
                }
            };
            let unchanged = newest.map(|newest| (newest - meta.last_modified).to_std());
            let unchanged = unchanged.and_then(Result::ok).unwrap_or_default();
            judge_pin(pin, process, meta, unchanged, head, report);
        }
    }

    /// There is no head: what each segment and checkpoint says of itself is all that can be held
    /// against it.
    async fn look_at_loose_objects(&self, listing: &Listing<'_>, report: &mut Report) {
        let bodies = listing.all().filter_map(|(place, meta)| match place {
            Place::Body(kind, name) => Some((kind, name, meta)),
            _ => None,
        });
        let bodies: Vec<_> = bodies.collect();
        report.unjudged = bodies.len();
        if self.depth == Depth::Sizes {
            return;
        }
        let reads = bodies.into_iter().map(|(kind, name, meta)| async move {
            let decode = |bytes: Bytes| loose::check(kind, bytes, name);
            (meta, self.eyes.object(&meta.location, Absence::Allowed, decode).await)
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = futures_util::stream::iter(reads).buffered(PARALLEL);
        while let Some((meta, read)) = reads.next().await {
            if let Err(error) = read {
                report.file(&meta.location, error);
            }
        }
    }
}

/// Files what reading a body came to. What was read is held against the listing: it was there
/// before, so the listing must show it.
fn settle<T>(
    path: Path,
    read: Result<Option<T>, Error>,
    listing: Option<&Listing<'_>>,
    missing: &mut Vec<Path>,
    report: &mut Report,
) -> Option<T> {
    match read {
        Ok(Some(found)) => {
            if listing.is_some_and(|listing| listing.get(&path).is_none()) {
                report.breach(&path, "a listing that shows what can be read", "no such name");
            }
            Some(found)
        }
        Ok(None) => {
            missing.push(path);
            None
        }
        Err(error) => {
            report.file(&path, error);
            None
        }
    }
}

fn commit_ids(segment: &Segment) -> Vec<CommitId> {
    match segment.body() {
        SegmentBodyView::Records(run) => head::ids(run),
        SegmentBodyView::Merged(delta) => delta.commits.iter().map(|(id, _)| *id).collect(),
    }
}

/// Files a pin: kept, stale, another manifest's, or wrong.
fn judge_pin(
    pin: Pin,
    process: u128,
    meta: &ObjectMeta,
    unchanged: Duration,
    head: Option<&Head>,
    report: &mut Report,
) {
    let path = &meta.location;
    if head.is_some_and(|head| head.header.incarnation != pin.incarnation) {
        return report.throw(meta, GarbageKind::ForeignPin);
    }
    if pin.process != process {
        let found = format!("{:032x}", pin.process);
        return report.breach(path, "a pin of the process in its name", found);
    }
    // A pin is written after its process has seen that version, and this head was read before the
    // listing: the head may be behind, if the pin was written in between.
    let longest = pin.ttl.saturating_add(pin.ttl / 10);
    let standing = if unchanged > longest { Standing::Stale } else { Standing::Fresh };
    if standing == Standing::Stale {
        report.throw(meta, GarbageKind::StalePin);
    }
    let Pin { version, counter, ttl, .. } = pin;
    report.pins.push(PinSeen {
        object: path.to_string(),
        version,
        counter,
        ttl,
        unchanged,
        standing,
    });
}
