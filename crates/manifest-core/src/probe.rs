//! Asks the store, before a manifest is created on it, whether it keeps the promises that the
//! protocol rests on.
//!
//! On a scratch object: a create-if-absent of what exists must fail, an update with an outdated
//! tag must fail, two versions must have two tags, a read must see the last write, and a
//! conditional read of the newest version must say "not modified". A store that breaks one of
//! these would lose commits silently; it is refused instead.
//!
//! Only a clear answer condemns. Whatever a fault on the way can produce on a sound store proves
//! nothing, and the probe starts again under a new name:
//!
//! | answer | why it is no evidence |
//! |---|---|
//! | any failure of a request that had to succeed | the network; "already exists" or "precondition failed" may be the hidden retry of an own success |
//! | any failure but those two of a request that had to fail | the network |
//! | a body that is short, or is none that the probe wrote | damage on the way |
//! | a late duplicate of an earlier request | every PUT is conditional: it finds its condition gone, on a sound store |
//!
//! What condemns is a success that must not be, a tag that does not fit, a whole body of a version
//! that is not the newest, and "not found" or a whole body where the newest version is there and
//! known. No fault makes these out of a sound store's answers.

use std::time::Duration;

use bytes::Bytes;
use object_store::{PutMode, UpdateVersion};

use crate::env::random_u128;
use crate::error::Error;
use crate::format::xxh3;
use crate::requests::{Failure, Fetched, Requests};
use crate::steps::*;

/// Why a probe ended early.
enum Stop {
    /// The store is not suitable.
    Missing(&'static str),
    /// A request had no clear answer.
    Unclear(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        if let Failure::Store(error) = &failure
            && matches!(
                **error,
                object_store::Error::NotSupported { .. }
                    | object_store::Error::NotImplemented { .. }
            )
        {
            return Stop::Missing("conditional requests");
        }
        Stop::Unclear(failure)
    }
}

/// Probes until there is a verdict or the deadline passes. `pause` is the least time between two
/// writes of one object that the store allows.
pub(crate) async fn probe(
    requests: &Requests,
    deadline: Duration,
    pause: Duration,
) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        step!(CREATE_PROBE);
        match probe_once(requests, pause).await {
            Ok(()) => return Ok(()),
            Err(Stop::Missing(missing)) => return Err(Error::UnsupportedStore { missing }),
            Err(Stop::Unclear(failure)) if requests.env.now() >= deadline => {
                return Err(failure.unavailable("probe"));
            }
            Err(Stop::Unclear(_)) => {
                requests.back_off(tries).await;
                tries += 1;
                step!(CREATE_PROBE_AGAIN);
            }
        }
    }
}

/// Four PUTs, two GETs and a DELETE of a scratch object.
async fn probe_once(requests: &Requests, pause: Duration) -> Result<(), Stop> {
    let pause = async || {
        if !pause.is_zero() {
            requests.env.sleep(pause).await;
        }
    };
    let uuid = random_u128(&*requests.env);
    let path = requests.probe_path(uuid);
    let seen = |fetched: &Fetched| Seen::of(fetched, uuid);

    let first = requests.put(&path, body(uuid, 1), PutMode::Create).await?;
    if first.e_tag.is_none() {
        return Err(Stop::Missing("an entity tag in the answer to a PUT"));
    }
    pause().await;
    let again = requests.put(&path, body(uuid, 2), PutMode::Create).await;
    must_fail(again, "If-None-Match: an object that exists was created again")?;
    pause().await;
    let second = requests.put(&path, body(uuid, 3), PutMode::Update(first.clone())).await?;
    if second.e_tag == first.e_tag {
        return Err(Stop::Missing("a new entity tag for every version"));
    }
    pause().await;
    let outdated = requests.put(&path, body(uuid, 4), PutMode::Update(first)).await;
    must_fail(outdated, "If-Match: an update with an outdated tag was accepted")?;
    let fetched = requests.get(&path, None).await?;
    match (seen(&fetched), fetched) {
        (Seen::Version(3), Fetched::Body { tag, .. }) if tag.e_tag == second.e_tag => {}
        (Seen::Version(3), _) => {
            return Err(Stop::Missing("the same entity tag from GET as from PUT"));
        }
        (other, _) => return Err(other.not_newest()),
    }
    match seen(&requests.get(&path, second.e_tag).await?) {
        Seen::NotModified => {}
        Seen::Version(3) => {
            return Err(Stop::Missing("304 for a conditional read of the newest version"));
        }
        other => return Err(other.not_newest()),
    }
    // Left behind if this fails: harmless.
    let _ = requests.delete(&path).await;
    Ok(())
}

/// The store must have refused, because of the condition.
fn must_fail(answer: Result<UpdateVersion, Failure>, missing: &'static str) -> Result<(), Stop> {
    match answer {
        Ok(_) => Err(Stop::Missing(missing)),
        Err(failure) => {
            if let Failure::Store(error) = &failure
                && matches!(
                    **error,
                    object_store::Error::AlreadyExists { .. }
                        | object_store::Error::Precondition { .. }
                )
            {
                return Ok(());
            }
            Err(failure.into())
        }
    }
}

/// The scratch object with this number. Never the same bytes twice: a store whose tags are content
/// hashes would repeat a tag. And hashed, so that damage on the way does not make one out of
/// another.
fn body(uuid: u128, number: u8) -> Bytes {
    let mut bytes = uuid.to_le_bytes().to_vec();
    bytes.push(number);
    let hash = xxh3(&bytes);
    bytes.extend_from_slice(&hash.to_le_bytes());
    Bytes::from(bytes)
}

/// What a read of the scratch object brought.
enum Seen {
    /// The body that was written with this number.
    Version(u8),
    NotModified,
    NotFound,
    /// A body that nobody wrote.
    Damaged,
}

impl Seen {
    fn of(fetched: &Fetched, uuid: u128) -> Self {
        match fetched {
            Fetched::Body { bytes, .. } => (1..=4)
                .find(|number| body(uuid, *number) == *bytes)
                .map_or(Seen::Damaged, Seen::Version),
            Fetched::NotModified => Seen::NotModified,
            Fetched::NotFound => Seen::NotFound,
        }
    }

    /// Why the probe ends when this is seen in place of the newest version.
    fn not_newest(self) -> Stop {
        match self {
            Seen::Damaged => Stop::Unclear(Failure::unfit("a probe was read damaged")),
            Seen::Version(2 | 4) => Stop::Missing("refused writes that are not applied"),
            Seen::Version(_) | Seen::NotModified | Seen::NotFound => {
                Stop::Missing("reads that see the last write")
            }
        }
    }
}
