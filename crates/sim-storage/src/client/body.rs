//! The body of an answer, as its reader gets it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use object_store::Result;

use crate::model::Read;
use crate::store::BodyFate;

/// The bytes of an answer after what happened to them on their way.
pub(super) fn stream(read: &Read, fate: BodyFate) -> BoxStream<'static, Result<Bytes>> {
    let mut body = read.body();
    match fate {
        BodyFate::Whole => {}
        BodyFate::Short(kept) => body.truncate(kept),
    }
    Box::pin(Body { whole: Some(body) })
}

/// A body in one piece, and small: one is allocated for each GET.
struct Body {
    whole: Option<Bytes>,
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.whole.take().map(Ok))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.whole.is_some());
        (left, Some(left))
    }
}
