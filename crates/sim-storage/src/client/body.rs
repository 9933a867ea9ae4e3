//! The body of an answer, as its reader gets it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use object_store::Result;

use super::error::{Asked, error};
use crate::model::Read;
use crate::store::{BodyFate, Failure};

/// The bytes of an answer after what happened to them on their way.
pub(super) fn stream(read: &Read, fate: BodyFate) -> BoxStream<'static, Result<Bytes>> {
    let mut body = read.body();
    let mut end = None;
    match fate {
        BodyFate::Whole => {}
        BodyFate::Short(kept) => body.truncate(kept),
        BodyFate::Broken(kept) => {
            body.truncate(kept);
            end = Some(Failure::Reset);
        }
        BodyFate::Flipped(bit) => {
            let mut bytes = Vec::from(body);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            body = bytes.into();
        }
    }
    Box::pin(Body { bytes: Some(body), end })
}

/// A body in one piece, and small: one is allocated for each GET.
struct Body {
    bytes: Option<Bytes>,
    /// What comes in the place of the rest.
    end: Option<Failure>,
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        Poll::Ready(self.end.take().map(|failure| Err(error(failure, "", Asked::Read))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.bytes.is_some()) + usize::from(self.end.is_some());
        (left, Some(left))
    }
}
