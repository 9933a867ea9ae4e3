//! `orphan-adoption`: a process that opens takes the newest segment that no head names for a commit
//! that was interrupted, and finishes it.
//!
//! Segments of a seal hold nothing that is not committed already. Those of a commit outside the head
//! are written before the head that names them, and stay behind when that head loses its race; then
//! the commit may have been refused since. Whatever goes wrong here means that nothing is adopted.

use std::sync::Arc;

use bytes::Bytes;

use crate::commit::commit_for;
use crate::format::directory::RetiredKind;
use crate::format::record::{self, Op, OpView};
use crate::format::segment::Segment;
use crate::format::{CommitId, parse_name};
use crate::history::Found;
use crate::inner::{Inner, lock};
use crate::requests::Fetched;

/// Commits what the newest segment holds that no head names, but for what is in the history.
pub(crate) async fn adopt(inner: &Arc<Inner>) {
    let requests = &inner.requests;
    let Ok(listed) = requests.list(&requests.segments).await else {
        return;
    };
    let head = Arc::clone(&lock(&inner.state).head);
    let is_orphan = |name| {
        head.directory.segments.iter().all(|it| it.name != name)
            && head.directory.retired.iter().all(|it| it.name != name)
    };
    let names = listed.iter().filter_map(|meta| parse_name(meta.location.filename()?));
    let Some(name) = names.filter(|name| is_orphan(*name)).max() else {
        return;
    };
    let path = requests.object_path(RetiredKind::Segment, name);
    let Ok(Fetched::Body { bytes, .. }) = requests.get(&path, None).await else {
        return;
    };
    let Some(run) = Segment::whole_records(&bytes) else {
        return;
    };
    for (id, ops, metadata) in commits(&run) {
        let found = lock(&inner.state).history.find(id, 1);
        if !matches!(found, Found::At(_)) {
            let _ = commit_for(inner, id, ops, metadata).await;
        }
    }
}

fn commits(run: &[u8]) -> Vec<(CommitId, Vec<Op>, Bytes)> {
    let copy = Bytes::copy_from_slice;
    let owned = |op: OpView<'_>| match op {
        OpView::Put { key, value } => Op::Put { key: copy(key), value: copy(value) },
        OpView::Delete { key } => Op::Delete { key: copy(key) },
        OpView::DeleteRange { start, end } => {
            Op::DeleteRange { start: copy(start), end: end.map(copy) }
        }
    };
    let commits = record::verified(run);
    commits.map(|it| (it.id, it.ops().map(owned).collect(), copy(it.metadata))).collect()
}
