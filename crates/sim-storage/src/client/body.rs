//! The body of an answer, as its reader gets it.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::Result;

use bytes::Bytes;

use crate::model::Read;
use crate::store::BodyFate;

/// The bytes of an answer after what happened to them on their way.
pub(super) fn stream(read: &Read, fate: BodyFate) -> BoxStream<'static, Result<Bytes>> {
    let mut body = read.body();
    match fate {
        BodyFate::Whole => {}
        BodyFate::Short(kept) => body.truncate(kept),
    }
    stream::once(std::future::ready(Ok(body))).boxed()
}
