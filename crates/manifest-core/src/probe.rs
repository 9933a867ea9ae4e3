//! Asks the store, before a manifest is created on it, whether it keeps the promises that the
//! protocol rests on.
//!
//! On a scratch object: a create-if-absent of what exists must fail, an update with an outdated
//! tag must fail, two versions must have two tags, a read must see the last write, and a
//! conditional read of the newest version must say "not modified". A store that breaks one of
//! these would lose commits silently; it is refused instead.
//!
//! Only a clear answer condemns. A failed request proves nothing (it may be the network, or the
//! hidden retry of an own success), so the probe starts again under a new name.

use bytes::Bytes;
use object_store::{PutMode, UpdateVersion};

use crate::env::random_u128;
use crate::error::Error;
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

/// Probes until there is a verdict or the deadline passes.
pub(crate) async fn probe(requests: &Requests, deadline: std::time::Duration) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        step!(CREATE_PROBE);
        match probe_once(requests).await {
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
async fn probe_once(requests: &Requests) -> Result<(), Stop> {
    let uuid = random_u128(&*requests.env);
    let path = requests.probe_path(uuid);
    // Never the same bytes twice: a store whose tags are content hashes would repeat a tag.
    let body = |number: u8| {
        let mut bytes = uuid.to_le_bytes().to_vec();
        bytes.push(number);
        Bytes::from(bytes)
    };

    let first = requests.put(&path, body(1), PutMode::Create).await?;
    if first.e_tag.is_none() {
        return Err(Stop::Missing("an entity tag in the answer to a PUT"));
    }
    let again = requests.put(&path, body(2), PutMode::Create).await;
    must_fail(
        again,
        "If-None-Match: an object that exists was created again",
    )?;
    let second = requests
        .put(&path, body(3), PutMode::Update(first.clone()))
        .await?;
    if second.e_tag == first.e_tag {
        return Err(Stop::Missing("a new entity tag for every version"));
    }
    let outdated = requests.put(&path, body(4), PutMode::Update(first)).await;
    must_fail(
        outdated,
        "If-Match: an update with an outdated tag was accepted",
    )?;
    must_read(requests.get(&path, None).await?, &body(3), &second)?;
    match requests.get(&path, second.e_tag).await? {
        Fetched::NotModified => {}
        _ => {
            return Err(Stop::Missing(
                "304 for a conditional read of the newest version",
            ));
        }
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

/// The read must have seen the last write, and its tag.
fn must_read(fetched: Fetched, body: &Bytes, tag: &UpdateVersion) -> Result<(), Stop> {
    match fetched {
        Fetched::Body { bytes, tag: read } if bytes == *body => {
            if read.e_tag == tag.e_tag {
                Ok(())
            } else {
                Err(Stop::Missing("the same entity tag from GET as from PUT"))
            }
        }
        _ => Err(Stop::Missing("reads that see the last write")),
    }
}
