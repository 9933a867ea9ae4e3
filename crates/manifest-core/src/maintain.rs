//! Upkeep of a process that commits, off the commit path.
//!
//! Somebody calls `Manifest::maintain` now and then: a background loop, or a writer after its
//! acknowledgement. It seals the tail when that has grown; and when the head has no place for
//! another segment it folds them, so that a manifest whose compactor is dead goes on working.

use std::sync::Arc;

use crate::edit::{Draft, Edit};
use crate::error::Error;
use crate::fold;
use crate::format::directory::{MAX_SEGMENTS, SegmentRef};
use crate::inner::{Inner, lock};
use crate::seal::seal;
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
    /// What was written before still waits for a commit to publish it.
    Waiting,
    /// The head names as many segments as it can. They were folded into a checkpoint, which the
    /// next commit publishes; then the tail can be sealed again.
    Folded,
    /// The head names as many segments as it can, and folding them did not work out this time.
    Full,
}

/// Seals the tail if it is over its limit.
pub(crate) async fn maintain(inner: &Inner) -> Result<Maintenance, Error> {
    let head = {
        let mut state = lock(&inner.state);
        forget_old_commits(&mut state, inner.options.dedup_window);
        if state.head.tail().len() <= inner.options.tail_limit_bytes {
            return Ok(Maintenance::Nothing);
        }
        let head = Arc::clone(&state.head);
        let mut draft = Draft::of(&head, inner.options.head_limit_bytes, inner.bugs);
        if state.ready.iter().any(|edit| edit.apply(&mut draft).is_ok()) {
            return Ok(Maintenance::Waiting);
        }
        head
    };
    if head.directory.segments.len() >= MAX_SEGMENTS {
        step!(SEAL_FULL);
        fold::make_room(inner).await;
        let folded = !lock(&inner.state).ready.is_empty();
        return Ok(if folded { Maintenance::Folded } else { Maintenance::Full });
    }
    let sealed = seal(inner, &head).await?;
    lock(&inner.state).ready.push(Edit::Seal(sealed));
    let SegmentRef { first, last, .. } = sealed.reference;
    Ok(Maintenance::Sealed { first, last })
}

/// Commit ids that a checkpoint would not tell either need not be remembered.
fn forget_old_commits(state: &mut crate::state::State, window: u64) {
    if let Some(checkpoint) = &state.head.directory.checkpoint {
        let from = (checkpoint.upto_seq + 1).saturating_sub(window);
        state.history.forget_before(from);
    }
}
