//! Garbage collection, without a clock that others must share.
//!
//! A pass is three steps, and their order is the safety argument.
//!
//! 1. **Gate and floor.** One CAS of the head: from now on nothing can be published under a name
//!    with `hv` below the gate, and no snapshot older than the floor can be opened.
//! 2. **Look.** LIST pins, segments, checkpoints, after that CAS is in the chain. A reader writes
//!    its pin before it reads the floor; so either this LIST shows the pin, or the reader sees the
//!    new floor and does not go on.
//! 3. **Delete.** Retired names that neither the floor nor a live pin protects; and names with `hv`
//!    below the gate that the head neither names nor has retired, left behind by whoever lost a
//!    race or died.
//!
//! What was found deletable stays deletable for ever, because names are never used twice: a pass
//! that sleeps between its steps, for a year, does no harm. Any number of collectors may run.
//!
//! A retired name leaves the head only when its object is known to be gone. Before that it tells
//! every other collector that the object is not a mere orphan: a pinned reader may need it.
//!
//! A pin is dead when it did not change for longer than its own time to live, and a margin for
//! drifting clocks, on the collector's monotonic clock. Its reader has fenced itself by then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectMeta;
use object_store::path::Path;

use crate::commit;
use crate::edit::{Edit, Floor, Pass};
use crate::error::Error;
use crate::format::directory::RetiredKind;
use crate::format::head::Head;
use crate::format::pin::Pin;
use crate::format::{ObjectName, parse_name};
use crate::inner::{Inner, lock};
use crate::patience::{Patience, RefreshError};
use crate::pins::longest_life;
use crate::planted::{Bugs, PlantedBug};
use crate::requests::{Failure, Fetched};
use crate::steps::*;

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Collected {
    /// The version of the head that began the pass: the new gate.
    pub version: u64,
    /// Objects that were out of use and are deleted.
    pub retired: usize,
    /// Objects that nobody ever published and are deleted.
    pub orphans: usize,
    /// Retired names that somebody may still read.
    pub kept: usize,
    /// Pins of processes that are alive.
    pub live_pins: usize,
    /// Pins that were given up.
    pub dead_pins: usize,
    /// Deletions that had no clear answer. The next pass does them again.
    pub unclear: usize,
}

/// Deletes what nobody needs. It remembers what it saw of pins between its passes, so keep one
/// for as long as the process lives.
#[derive(Debug)]
pub struct Collector {
    inner: Arc<Inner>,
    seen: BTreeMap<Path, SeenPin>,
    /// Retired names whose objects are gone.
    gone: Vec<ObjectName>,
}

/// A pin, and since when it has been as it is.
#[derive(Debug, Clone)]
struct SeenPin {
    tag: Option<String>,
    /// `None` if it cannot be read: then it protects everything.
    pin: Option<Pin>,
    since: Duration,
}

/// What is to be deleted.
#[derive(Debug, Default)]
struct Doomed {
    retired: Vec<(Path, ObjectName)>,
    orphans: Vec<Path>,
    pins: Vec<Path>,
}

impl Collector {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::clone(inner), seen: BTreeMap::new(), gone: Vec::new() }
    }

    /// One pass: one conditional PUT of the head, three LISTs, one GET for each pin that is new or
    /// has changed, and the deletions.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nothing is lost, call again. [`Error::Corrupt`] and the other errors
    /// of `Manifest::read`.
    pub async fn pass(&mut self, floor: Floor) -> Result<Collected, Error> {
        let early = match self.inner.bugs.is(PlantedBug::GcPlanNoRevalidate) {
            true => Some((self.inner.requests.env.now(), self.list_pins().await?)),
            false => None,
        };
        let above = lock(&self.inner.state).head.header.version;
        let edit = Edit::Collect(Pass { above, floor, gone: self.gone.clone() });
        step!(COLLECT_GATE);
        let head = match commit::publish(&self.inner, edit).await? {
            Ok(head) => head,
            Err(refusal) => return Err(refusal.error()),
        };
        self.gone.retain(|name| head.directory.retired.iter().any(|it| it.name == *name));

        let requests = &self.inner.requests;
        // Before the question: what the answer shows was so at this moment or later.
        let asked_at = requests.env.now();
        let (asked_at, pins) = match early {
            Some(early) => early,
            None => (asked_at, self.list_pins().await?),
        };
        step!(COLLECT_LIST_SEGMENTS);
        let segments = requests.list(&requests.segments).await.map_err(unavailable)?;
        step!(COLLECT_LIST_CHECKPOINTS);
        let checkpoints = requests.list(&requests.checkpoints).await.map_err(unavailable)?;

        let mut report = Collected { version: head.header.version, ..Collected::default() };
        let mut doomed = Doomed::default();
        let oldest_pin = self.judge_pins(pins, asked_at, &mut doomed, &mut report).await?;
        self.judge_retired(&head, oldest_pin, &mut doomed, &mut report);
        let bugs = self.inner.bugs;
        find_orphans(&head, RetiredKind::Segment, &segments, &mut doomed, bugs);
        if !bugs.is(PlantedBug::LoserObjectLeak) {
            find_orphans(&head, RetiredKind::Checkpoint, &checkpoints, &mut doomed, bugs);
        }
        self.delete(doomed, &mut report).await;
        Ok(report)
    }

    async fn list_pins(&self) -> Result<Vec<ObjectMeta>, Error> {
        let requests = &self.inner.requests;
        step!(COLLECT_LIST_PINS);
        requests.list(&requests.pins).await.map_err(unavailable)
    }

    /// The oldest version that a live pin protects. A pin that had not changed for too long when it
    /// was asked for is dead, and doomed.
    async fn judge_pins(
        &mut self,
        listed: Vec<ObjectMeta>,
        asked_at: Duration,
        doomed: &mut Doomed,
        report: &mut Collected,
    ) -> Result<u64, Error> {
        let mut seen = BTreeMap::new();
        let mut oldest = u64::MAX;
        for meta in listed {
            let before = self.seen.remove(&meta.location);
            let Some(now) = self.look_at(&meta, before).await? else {
                continue;
            };
            let life = now.pin.map_or(self.inner.options.pin_ttl, |pin| pin.ttl);
            let age = self.age_of(&now, asked_at);
            let wedged = self.inner.bugs.is(PlantedBug::LeaseLeakWedges);
            if age > longest_life(life) && !wedged {
                step!(COLLECT_DEAD_PIN);
                report.dead_pins += 1;
                doomed.pins.push(meta.location.clone());
            } else {
                report.live_pins += 1;
                oldest = oldest.min(now.pin.map_or(0, |pin| pin.version));
            }
            seen.insert(meta.location, now);
        }
        self.seen = seen;
        Ok(oldest)
    }

    /// For how long a pin had been as it is when it was asked for.
    fn age_of(&self, seen: &SeenPin, asked_at: Duration) -> Duration {
        #[cfg(feature = "planted-bugs")]
        if let (true, Some(pin)) = (self.inner.bugs.is(PlantedBug::LeaseSkew), &seen.pin) {
            return pin.wall_age(&*self.inner.requests.env);
        }
        asked_at.saturating_sub(seen.since)
    }

    /// What a pin says now, and since when. `None` if it is not there any more.
    async fn look_at(
        &self,
        meta: &ObjectMeta,
        before: Option<SeenPin>,
    ) -> Result<Option<SeenPin>, Error> {
        if let Some(before) = before.as_ref().filter(|it| it.tag.is_some() && it.tag == meta.e_tag)
        {
            return Ok(Some(before.clone()));
        }
        let Some((pin, tag)) = self.read_pin(&meta.location).await? else {
            return Ok(None);
        };
        // After the answer: the pin was written before this moment. Of two that cannot be read
        // nobody knows that they are the same.
        let since = match before {
            Some(before) if pin.is_some() && before.pin == pin => before.since,
            _ => self.inner.requests.env.now(),
        };
        Ok(Some(SeenPin { tag, pin, since }))
    }

    /// What a pin says, or that it cannot be read: it is damaged at rest, not on the way.
    async fn read_pin(&self, path: &Path) -> Result<Option<(Option<Pin>, Option<String>)>, Error> {
        let requests = &self.inner.requests;
        let mut patience = Patience::until(requests.env.now() + self.inner.options.read_deadline);
        loop {
            step!(COLLECT_GET_PIN);
            let (error, tag) = match requests.get(path, None).await {
                Ok(Fetched::Body { bytes, tag }) => match Pin::decode(&bytes) {
                    Ok(pin) => {
                        let own = pin.incarnation == self.inner.incarnation;
                        return Ok(Some((Some(pin).filter(|_| own), tag.e_tag)));
                    }
                    Err(damage) => {
                        (RefreshError::damaged(Error::corrupt(path, damage), &bytes), tag.e_tag)
                    }
                },
                Ok(Fetched::NotFound | Fetched::NotModified) => return Ok(None),
                Err(failure) => (RefreshError::Failed(failure), None),
            };
            match patience.after(requests, error).await {
                Ok(()) => {}
                Err(RefreshError::Gone(_)) => return Ok(Some((None, tag))),
                Err(error) => return Err(error.report("collect")),
            }
        }
    }

    fn judge_retired(
        &self,
        head: &Head,
        oldest_pin: u64,
        doomed: &mut Doomed,
        report: &mut Collected,
    ) {
        let bugs = self.inner.bugs;
        let limit = if bugs.is(PlantedBug::GcIgnoresLease) {
            u64::MAX
        } else if bugs.is(PlantedBug::RetiredAboveFloor) {
            oldest_pin
        } else if bugs.is(PlantedBug::PinOffByOne) {
            head.header.floor.min(oldest_pin.saturating_add(1))
        } else {
            head.header.floor.min(oldest_pin)
        };
        for retired in &head.directory.retired {
            if retired.at_version > limit {
                report.kept += 1;
            } else if !self.gone.contains(&retired.name) {
                let path = self.inner.requests.object_path(retired.kind, retired.name);
                doomed.retired.push((path, retired.name));
            }
        }
    }

    async fn delete(&mut self, doomed: Doomed, report: &mut Collected) {
        let Doomed { retired, orphans, pins } = doomed;
        let paths: Vec<Path> =
            retired.iter().map(|(path, _)| path).chain(&orphans).chain(&pins).cloned().collect();
        if paths.is_empty() {
            return;
        }
        step!(COLLECT_DELETE);
        let gone = self.inner.requests.delete_all(paths.clone()).await;
        report.unclear = paths.len() - gone.len();
        for (path, name) in &retired {
            if gone.contains(path) {
                report.retired += 1;
                self.gone.push(*name);
            }
        }
        report.orphans = orphans.iter().filter(|path| gone.contains(path)).count();
    }
}

/// Names that a head neither has nor had, and that nobody can publish any more.
fn find_orphans(
    head: &Head,
    kind: RetiredKind,
    listed: &[ObjectMeta],
    doomed: &mut Doomed,
    bugs: Bugs,
) {
    let directory = &head.directory;
    for meta in listed {
        let Some(name) = meta.location.filename().and_then(parse_name) else {
            continue;
        };
        let named = match kind {
            RetiredKind::Segment => directory.segments.iter().any(|it| it.name == name),
            RetiredKind::Checkpoint => directory.checkpoint.is_some_and(|it| it.name == name),
        };
        let retired = directory.retired.iter().any(|it| it.name == name);
        let below = name.hv < head.header.gate || bugs.is(PlantedBug::GcInflightSegment);
        if !named && !retired && below {
            doomed.orphans.push(meta.location.clone());
        }
    }
}

fn unavailable(failure: Failure) -> Error {
    failure.unavailable("collect")
}
