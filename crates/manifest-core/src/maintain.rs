//! Upkeep, off the commit path: sealing the head's inline records into a segment.
//!
//! A commit never does it and is never slower for it. Somebody calls `Manifest::maintain` now and
//! then (a background loop, or a writer after its acknowledgement); it writes the segment with
//! one PUT under a fresh name and remembers it. The next commit of this process publishes it: its
//! head names the segment instead of the records in it, in the same PUT that it would make
//! anyway, if and only if those records are still the beginning of the tail and the chain agrees.
//! A segment that no longer fits is dropped unpublished.
//!
//! A segment's name is used for one PUT only. If that has no clear answer, the segment is sent
//! again under a new name; the old one is garbage, never a danger.

use std::sync::Arc;

use object_store::PutMode;

use crate::env::random_u128;
use crate::error::Error;
use crate::format::ObjectName;
use crate::format::directory::{MAX_SEGMENTS, SegmentRef};
use crate::format::head::Head;
use crate::format::record::peek;
use crate::format::segment::{self, SegmentHeader};
use crate::inner::{Inner, lock};
use crate::requests::Failure;
use crate::steps::*;

/// What a call of `Manifest::maintain` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Maintenance {
    /// There is nothing to do.
    Nothing,
    /// Records were sealed; the next commit publishes the segment.
    Sealed {
        /// The first seq in the segment.
        first: u64,
        /// The last seq in the segment.
        last: u64,
    },
    /// A segment that was sealed before still waits for a commit to publish it.
    Waiting,
    /// The tail is over its limit, but the head names as many segments as it can. Commits go on
    /// until the head is full and then fail with `TooLarge`.
    Full,
}

/// A segment that is written and not yet published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) reference: SegmentRef,
    /// The chain hash before its first record.
    chain_start: u128,
    /// How many bytes of the tail it replaces.
    pub(crate) tail_len: usize,
}

impl Sealed {
    /// Whether the head's tail still begins with exactly these records, and the segment may be
    /// published.
    pub(crate) fn continues(&self, head: &Head) -> bool {
        let start = head.tail_start();
        let chain_at_end = match head.tail().get(self.tail_len..) {
            None => return false,
            Some([]) => head.header.chain,
            Some(rest) => match peek(rest) {
                Ok((_, chain, _)) => chain,
                Err(_) => return false,
            },
        };
        start.next_seq == self.reference.first
            && start.chain == self.chain_start
            && chain_at_end == self.reference.chain_end
            && self.reference.name.hv >= head.header.gate
            && head.directory.segments.len() < MAX_SEGMENTS
    }
}

/// Seals the tail if it is over its limit.
pub(crate) async fn maintain(inner: &Inner) -> Result<Maintenance, Error> {
    let head = {
        let state = lock(&inner.state);
        if state.head.tail().len() <= inner.options.tail_limit_bytes {
            return Ok(Maintenance::Nothing);
        }
        if state.sealed.is_some_and(|sealed| sealed.continues(&state.head)) {
            return Ok(Maintenance::Waiting);
        }
        Arc::clone(&state.head)
    };
    if head.directory.segments.len() >= MAX_SEGMENTS {
        step!(SEAL_FULL);
        return Ok(Maintenance::Full);
    }
    let sealed = seal(inner, &head).await?;
    lock(&inner.state).sealed = Some(sealed);
    let SegmentRef { first, last, .. } = sealed.reference;
    Ok(Maintenance::Sealed { first, last })
}

/// Writes all inline records of a head into a segment.
async fn seal(inner: &Inner, head: &Head) -> Result<Sealed, Error> {
    let start = head.tail_start();
    let header = SegmentHeader {
        incarnation: head.header.incarnation,
        first: start.next_seq,
        last: head.header.next_seq - 1,
        hv: head.header.version,
        chain_start: start.chain,
        chain_end: head.header.chain,
    };
    let (bytes, hash) = segment::encode(header, head.tail());
    let deadline = inner.requests.env.now() + inner.options.read_deadline;
    let mut tries = 0;
    let name = loop {
        let name = ObjectName { hv: header.hv, uuid: random_u128(&*inner.requests.env) };
        let path = inner.requests.segment_path(name);
        step!(SEAL_PUT_SEGMENT);
        let failure: Failure = match inner.requests.put(&path, bytes.clone(), PutMode::Create).await
        {
            Ok(_) => break name,
            Err(failure) => failure,
        };
        if inner.requests.env.now() >= deadline {
            return Err(failure.unavailable("seal"));
        }
        inner.requests.back_off(tries).await;
        tries += 1;
        step!(SEAL_RENAMED);
    };
    let reference = SegmentRef {
        name,
        first: header.first,
        last: header.last,
        len: bytes.len() as u32,
        hash,
        chain_end: header.chain_end,
    };
    Ok(Sealed { reference, chain_start: start.chain, tail_len: head.tail().len() })
}
