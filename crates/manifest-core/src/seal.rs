//! Sealing: the head's inline records become a segment.
//!
//! The segment is written with one PUT under a fresh name and waits for the next commit of this
//! process to publish it: that head names the segment instead of the records in it, in the same
//! PUT that it would make anyway, if and only if those records are still the beginning of the tail
//! and the chain agrees. A segment that no longer fits is dropped unpublished.
//!
//! A segment's name is used for one PUT only. If that has no clear answer, the segment is sent
//! again under a new name; the old one is garbage, never a danger.

use object_store::PutMode;

use crate::env::random_u128;
use crate::error::Error;
use crate::format::ObjectName;
use crate::format::directory::{RetiredKind, SegmentRef};
use crate::format::head::Head;
use crate::format::record::peek;
use crate::format::segment::{self, SegmentHeader};
use crate::inner::Inner;
use crate::steps::*;

/// A segment of the first records of a tail, written and not yet published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    pub(crate) reference: SegmentRef,
    /// The chain hash before its first record.
    chain_start: u128,
    /// How many bytes of the tail it replaces.
    pub(crate) tail_len: usize,
}

impl Sealed {
    /// Whether the head's tail has at least as many bytes and records (`seal-unchecked`).
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn is_not_longer(&self, head: &Head) -> bool {
        let count = self.reference.last - self.reference.first + 1;
        head.tail().len() >= self.tail_len && u64::from(head.header.tail_count) >= count
    }

    /// Whether the head's tail begins with exactly these records.
    pub(crate) fn is_start_of_tail(&self, head: &Head) -> bool {
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
    }
}

/// Writes all inline records of a head into a segment.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) async fn seal(inner: &Inner, head: &Head) -> Result<Sealed, Error> {
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
    let name = put_new(inner, RetiredKind::Segment, header.hv, &bytes).await?;
    let reference = header.reference(name, &bytes, hash);
    Ok(Sealed { reference, chain_start: start.chain, tail_len: head.tail().len() })
}

/// Writes an immutable object under a fresh name, again and again until the deadline, each time
/// under another one. Returns the name that was surely written.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) async fn put_new(
    inner: &Inner,
    kind: RetiredKind,
    hv: u64,
    bytes: &bytes::Bytes,
) -> Result<ObjectName, Error> {
    let deadline = inner.requests.env.now() + inner.options.read_deadline;
    let mut tries = 0;
    loop {
        let name = ObjectName { hv, uuid: random_u128(&*inner.requests.env) };
        let path = inner.requests.object_path(kind, name);
        match kind {
            RetiredKind::Segment => step!(SEAL_PUT_SEGMENT),
            RetiredKind::Checkpoint => step!(CHECKPOINT_PUT),
        }
        let failure = match inner.requests.put(&path, bytes.clone(), PutMode::Create).await {
            Ok(_) => return Ok(name),
            Err(failure) => failure,
        };
        if inner.requests.env.now() >= deadline {
            return Err(failure.unavailable("maintenance"));
        }
        inner.requests.back_off(tries).await;
        tries += 1;
        step!(SEAL_RENAMED);
    }
}
