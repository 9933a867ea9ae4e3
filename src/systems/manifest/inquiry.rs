//! Questions that are asked later: what became of a commit?
//!
//! Whoever commits may leave the commit's id for others before any request goes out, as an
//! application would that writes it down in case it crashes. Anybody in the world may ask about it
//! at any time: while it is under way, after its client gave up or died, long after it was folded.
//! "Committed" and "never" must be true; "cannot tell" always is.

use bytes::Bytes;
use manifest_core::{CommitId, Error, Manifest, Status};

use super::held::habit;
use crate::checkers::Said;
use crate::system::{Recorder, Shelf};
use crate::workload::OpId;

/// Where the ids lie on the shelf.
const COMMITS: &str = "commits";

/// Of 256 operations so many leave their id, and so many ask about another one. Not the plain ones,
/// of variant 0: a plan that does not mention variants has nothing of this.
const LEAVE_OF_256: u32 = 90;
const ASK_OF_256: u32 = 16;

/// Leaves the id of an operation's commit, perhaps.
pub(super) fn maybe_leave(shelf: &Shelf, variant: u16, operation: OpId, id: CommitId) {
    if habit(variant, 5) < 256 - LEAVE_OF_256 {
        return;
    }
    let mut note = Vec::with_capacity(28);
    note.extend_from_slice(&operation.0.to_le_bytes());
    note.extend_from_slice(&id.writer.to_le_bytes());
    note.extend_from_slice(&id.wseq.to_le_bytes());
    shelf.leave(COMMITS, note.into());
}

/// Asks what became of one of the commits whose ids lie there, perhaps. One strong read.
///
/// # Errors
/// As [`Manifest::status`], but for a store that does not answer: then nobody was told anything.
pub(super) async fn maybe_ask(
    manifest: &Manifest,
    shelf: &Shelf,
    variant: u16,
    seen: &Recorder,
) -> Result<(), Error> {
    if habit(variant, 6) < 256 - ASK_OF_256 {
        return Ok(());
    }
    let note = shelf.find(COMMITS, habit(variant, 7) as usize);
    let Some((operation, id)) = note.as_ref().and_then(parse) else {
        return Ok(());
    };
    seen.asks_once_more();
    match manifest.status(id).await {
        Ok(Status::Committed { seq }) => {
            sim::mark("status.others_committed");
            seen.told(operation, Said::Committed(seq));
        }
        Ok(Status::NotCommitted) => {
            sim::mark("status.others_not_committed");
            seen.told(operation, Said::NeverCommitted);
        }
        Ok(Status::Unknown) | Err(Error::Unavailable { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn parse(note: &Bytes) -> Option<(OpId, CommitId)> {
    let (operation, rest) = note.split_first_chunk()?;
    let (writer, rest) = rest.split_first_chunk()?;
    let (wseq, _) = rest.split_first_chunk()?;
    let (writer, wseq) = (u128::from_le_bytes(*writer), u64::from_le_bytes(*wseq));
    Some((OpId(u32::from_le_bytes(*operation)), CommitId { writer, wseq }))
}
