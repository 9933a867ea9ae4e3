//! Pins: a process's word that it reads from old snapshots, so that no collector deletes what they
//! need.
//!
//! A process has one pin, for the oldest of its sessions. To open a session it **writes the pin,
//! then reads the head**: if the floor there is not above the session's version, every collector
//! that moves the floor later will find the pin when it looks. If it is above, a collector may have
//! looked before the pin was there, and the session is not opened.
//!
//! A pin has to be renewed. The collector counts it dead when it has not changed for longer than
//! its time to live on the collector's clock, plus a margin for drift; the process **fences itself**
//! when its own clock says the same minus that margin, counted from the moment when it *sent* the
//! last renewal that succeeded. From then on its sessions are over, whatever arrives later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{PutMode, UpdateVersion};

use crate::env::random_u128;
use crate::error::Error;
use crate::format::head::Head;
use crate::format::pin::Pin;
use crate::inner::{Inner, Purpose, lock};
use crate::planted::PlantedBug;
use crate::requests::{Failure, Fetched};
use crate::steps::*;

/// By how many thousandths the clocks of two processes may differ in speed.
const DRIFT_PER_MILLE: u32 = 100;

/// How long a pin that is not renewed protects its reader, for the reader.
fn shortest_life(ttl: Duration) -> Duration {
    ttl / 1000 * (1000 - DRIFT_PER_MILLE)
}

/// The same for the collector.
pub(crate) fn longest_life(ttl: Duration) -> Duration {
    (ttl / 1000).saturating_mul(1000 + DRIFT_PER_MILLE)
}

/// The pin of a process.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// Held by the one who writes the pin, across its requests.
    object: tokio::sync::Mutex<Object>,
    /// Held briefly and never across an await.
    view: Mutex<View>,
}

/// The pin on the store.
#[derive(Debug, Default)]
struct Object {
    process: u128,
    /// Its tag; `None` if there is none yet.
    tag: Option<UpdateVersion>,
    counter: u64,
}

/// What sessions have to know.
#[derive(Debug, Default)]
struct View {
    /// The versions of the open sessions, and how many there are of each.
    sessions: BTreeMap<u64, usize>,
    /// Grows when the pin lapses: sessions of an earlier one are over.
    generation: u64,
    /// The oldest version that the pin surely protects.
    protects: Option<u64>,
    /// When that ends (`Env::now`).
    fence_at: Duration,
}

/// A session's share in the pin.
#[derive(Debug)]
pub(crate) struct Hold {
    inner: Arc<Inner>,
    version: u64,
    generation: u64,
}

impl Hold {
    /// Whether the pin still protects the session.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let now = self.inner.requests.env.now();
        let view = lock(&self.inner.pins.view);
        if view.generation == self.generation && now < view.fence_at {
            Ok(())
        } else {
            step!(SESSION_FENCED);
            Err(Error::SnapshotExpired { version: self.version })
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut view = lock(&self.inner.pins.view);
        if view.generation != self.generation {
            return;
        }
        if let Some(count) = view.sessions.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                view.sessions.remove(&self.version);
            }
        }
    }
}

impl View {
    fn covers(&self, version: u64, now: Duration) -> bool {
        now < self.fence_at && self.protects.is_some_and(|protects| protects <= version)
    }

    fn register(&mut self, inner: &Arc<Inner>, version: u64) -> Hold {
        *self.sessions.entry(version).or_default() += 1;
        Hold { inner: Arc::clone(inner), version, generation: self.generation }
    }

    fn oldest_session(&self) -> Option<u64> {
        self.sessions.keys().next().copied()
    }

    /// The pin is gone or as good as gone.
    fn lapse(&mut self) {
        self.sessions.clear();
        self.generation += 1;
        self.protects = None;
        self.fence_at = Duration::ZERO;
    }
}

/// Pins the newest head that this process knows, or a newer one. One PUT and one conditional GET;
/// none if the pin covers it already.
///
/// # Errors
/// [`Error::Unavailable`] and the other errors of `Manifest::read`.
pub(crate) async fn pin_newest(inner: &Arc<Inner>) -> Result<(Hold, Arc<Head>), Error> {
    let mut object = inner.pins.object.lock().await;
    let deadline = inner.requests.env.now() + inner.options.read_deadline;
    loop {
        let head = Arc::clone(&lock(&inner.state).head);
        if let Some(hold) = pin_version(inner, &mut object, head.header.version).await? {
            return Ok((hold, head));
        }
        if inner.requests.env.now() >= deadline {
            return Err(Failure::TimedOut.unavailable("pin"));
        }
        // A collector moved the floor meanwhile. The head that says so is the newest now.
        step!(PIN_AGAIN);
    }
}

/// Pins an earlier version. `None` if it cannot be pinned any more.
///
/// # Errors
/// As [`pin_newest`].
pub(crate) async fn pin_earlier(inner: &Arc<Inner>, version: u64) -> Result<Option<Hold>, Error> {
    let mut object = inner.pins.object.lock().await;
    let hold = pin_version(inner, &mut object, version).await?;
    if hold.is_none() && lock(&inner.pins.view).oldest_session().is_none() {
        release(inner, &mut object).await;
    }
    Ok(hold)
}

/// Gives the pin up, because no session needs it.
async fn release(inner: &Inner, object: &mut Object) {
    lock(&inner.pins.view).lapse();
    if object.tag.take().is_some() {
        step!(PIN_RELEASE);
        // If it fails a collector will find the pin dead, and remove it.
        let _ = inner.requests.delete(&inner.requests.pin_path(object.process)).await;
    }
}

async fn pin_version(
    inner: &Arc<Inner>,
    object: &mut Object,
    version: u64,
) -> Result<Option<Hold>, Error> {
    if lapse_if_due(inner, object) == Standing::Alive {
        let mut view = lock(&inner.pins.view);
        if view.covers(version, inner.requests.env.now()) {
            step!(PIN_COVERED);
            return Ok(Some(view.register(inner, version)));
        }
    }
    let oldest = lock(&inner.pins.view).oldest_session();
    let pinned = oldest.map_or(version, |oldest| oldest.min(version));
    write(inner, object, pinned).await?;
    if !inner.bugs.is(PlantedBug::PinAfterRead) {
        inner.bring_up_to_date(Purpose::Pin).await?;
        let floor = lock(&inner.state).head.header.floor;
        if floor > version {
            return Ok(None);
        }
    }
    let mut view = lock(&inner.pins.view);
    if inner.requests.env.now() >= view.fence_at {
        // It took too long.
        return Ok(None);
    }
    view.protects = Some(pinned);
    Ok(Some(view.register(inner, version)))
}

/// Renews the pin for the sessions that are open, or gives it up if there are none. One PUT or one
/// DELETE; nothing if there is no pin.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::SnapshotExpired`]: the sessions are over.
pub(crate) async fn renew(inner: &Arc<Inner>) -> Result<(), Error> {
    let mut object = inner.pins.object.lock().await;
    let oldest = lock(&inner.pins.view).oldest_session();
    if lapse_if_due(inner, &mut object) == Standing::Lapsed {
        return match oldest {
            Some(version) => Err(Error::SnapshotExpired { version }),
            None => Ok(()),
        };
    }
    match oldest {
        Some(version) => write(inner, &mut object, version).await,
        None => {
            release(inner, &mut object).await;
            Ok(())
        }
    }
}

/// Whether there is a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Alive,
    Lapsed,
}

/// Ends the sessions of a pin whose time is up. The next pin has another name: the store may still
/// hold, or get, writes to this one.
fn lapse_if_due(inner: &Inner, object: &mut Object) -> Standing {
    let now = inner.requests.env.now();
    let mut view = lock(&inner.pins.view);
    if object.tag.is_some() && now < view.fence_at {
        return Standing::Alive;
    }
    if object.tag.take().is_some() {
        step!(PIN_LAPSED);
        view.lapse();
    }
    Standing::Lapsed
}

/// Writes the pin and knows that it is written.
async fn write(inner: &Inner, object: &mut Object, version: u64) -> Result<(), Error> {
    let env = &inner.requests.env;
    if object.tag.is_none() {
        object.process = random_u128(&**env);
        object.counter = 0;
    }
    if object.tag.is_none() || !inner.bugs.is(PlantedBug::PinWithoutCounter) {
        object.counter += 1;
    }
    {
        // What it will not protect once this PUT lands, it does not protect from now on.
        let mut view = lock(&inner.pins.view);
        view.protects = view.protects.map(|protects| protects.max(version));
    }
    let ttl = inner.options.pin_ttl;
    let (incarnation, process, counter) = (inner.incarnation, object.process, object.counter);
    let pin = Pin {
        incarnation,
        process,
        version,
        counter,
        ttl,
        #[cfg(feature = "planted-bugs")]
        wall_ms: if inner.bugs.is(PlantedBug::LeaseSkew) { env.wall_ms() as u32 } else { 0 },
    };
    let sent_at = env.now();
    let tag = match put(inner, object, &pin).await {
        Ok(Some(tag)) => tag,
        Ok(None) => {
            // Somebody removed it: a collector that took this process for dead.
            object.tag = None;
            step!(PIN_LAPSED);
            lock(&inner.pins.view).lapse();
            return Err(Error::SnapshotExpired { version });
        }
        Err(failure) => return Err(failure.unavailable("pin")),
    };
    let is_first = object.tag.replace(tag).is_none();
    let mut view = lock(&inner.pins.view);
    if is_first || env.now() < view.fence_at {
        view.fence_at = sent_at.saturating_add(shortest_life(ttl));
        if inner.bugs.is(PlantedBug::FenceFromAnswer) {
            view.fence_at = env.now().saturating_add(shortest_life(ttl));
        }
        if inner.bugs.is(PlantedBug::ReaderNotFenced) {
            view.fence_at = Duration::MAX;
        }
    }
    Ok(())
}

/// Sends the pin until it is there. `None` if the one that it replaces is gone.
async fn put(inner: &Inner, object: &Object, pin: &Pin) -> Result<Option<UpdateVersion>, Failure> {
    let requests = &inner.requests;
    let path = requests.pin_path(pin.process);
    let body = pin.encode();
    let deadline = requests.env.now() + inner.options.read_deadline;
    let mut tries = 0;
    let mut base = object.tag.clone();
    loop {
        let mode = match inner.bugs.is(PlantedBug::PinPutUnconditional) {
            false => base.clone().map_or(PutMode::Create, PutMode::Update),
            true => PutMode::Overwrite,
        };
        step!(PIN_PUT);
        let mut failure = match requests.put(&path, body.clone(), mode).await {
            Ok(tag) if tag.e_tag.is_some() => return Ok(Some(tag)),
            Ok(_) => Failure::TimedOut,
            Err(failure) => failure,
        };
        step!(PIN_RESOLVE);
        match find_out(inner, &path, &body).await {
            Ok(There::Mine(tag)) => return Ok(Some(tag)),
            Ok(There::Nothing) if base.is_some() => return Ok(None),
            // It may land yet, and then the next PUT finds its condition gone and looks again.
            Ok(There::Nothing) => {}
            // An earlier write of this process, which was given up and landed after all.
            Ok(There::Older(tag)) => base = Some(tag),
            Err(newer) => failure = newer,
        }
        if requests.env.now() >= deadline {
            return Err(failure);
        }
        requests.back_off(tries).await;
        tries += 1;
    }
}

/// What is on the store under the name of the pin.
enum There {
    Mine(UpdateVersion),
    Older(UpdateVersion),
    Nothing,
}

async fn find_out(inner: &Inner, path: &Path, body: &Bytes) -> Result<There, Failure> {
    Ok(match inner.requests.get(path, None).await? {
        Fetched::Body { bytes, tag } if bytes == *body => There::Mine(tag),
        Fetched::Body { tag, .. } => There::Older(tag),
        Fetched::NotFound | Fetched::NotModified => There::Nothing,
    })
}
