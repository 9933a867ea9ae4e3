//! Multipart uploads: parts are written side by side into one staged file, each where it belongs.
//!
//! Where a part belongs is known when it is given, for the parts before it have been given by then;
//! so they may be written in any order and at the same time. Completing the upload writes the header
//! and publishes the file as a PUT does. It is refused as long as a part has not been written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt;
use object_store::path::Path;
use object_store::{Attributes, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::error::Error;
use crate::header::{self, EncodedAttributes, Tag};
use crate::inner::Inner;
use crate::names::{self, Place};
use crate::publish::Condition;
use crate::session::Staged;

/// A multipart upload that is going on.
#[derive(Debug)]
pub(crate) struct Upload {
    inner: Arc<Inner>,
    location: Path,
    place: Place,
    attributes: EncodedAttributes,
    /// None when the upload has ended.
    parts: Option<Arc<Parts>>,
    /// Bytes of the parts that were given.
    given: u64,
}

#[derive(Debug)]
struct Parts {
    staged: Staged,
    /// Bytes of the parts that have been written.
    written: AtomicU64,
}

impl Upload {
    pub(crate) fn begin(
        inner: Arc<Inner>,
        location: Path,
        attributes: &Attributes,
    ) -> Result<Self, Error> {
        let place = names::place(&location)?;
        let attributes = EncodedAttributes::new(attributes)?;
        let staged = inner.session.create()?;
        let parts = Some(Arc::new(Parts { staged, written: AtomicU64::new(0) }));
        Ok(Self { inner, location, place, attributes, parts, given: 0 })
    }

    fn parts(&self) -> Result<Arc<Parts>> {
        let ended = || Error::Upload("has ended").of(&self.location);
        self.parts.clone().ok_or_else(ended)
    }
}

impl Parts {
    fn write(&self, data: &PutPayload, mut offset: u64) -> Result<(), Error> {
        for bytes in data {
            self.staged.write_at(bytes, offset)?;
            offset += bytes.len() as u64;
        }
        self.written.fetch_add(data.content_length() as u64, Ordering::AcqRel);
        Ok(())
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (blocking, location) = (self.inner.blocking, self.location.clone());
        let offset = self.attributes.body_begin() + self.given;
        let parts = self.parts();
        self.given += data.content_length() as u64;
        let write = async move {
            let parts = parts?;
            let work = move || parts.write(&data, offset).map_err(|error| error.of(&location));
            blocking.run(work).await
        };
        write.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = self.parts()?;
        if parts.written.load(Ordering::Acquire) != self.given {
            return Err(Error::Upload("has parts that were not written").of(&self.location));
        }
        self.parts = None;
        let (inner, place) = (Arc::clone(&self.inner), self.place.clone());
        let (attributes, body) = (self.attributes.clone(), self.given);
        let work = move || {
            let tag = Tag::fresh()?;
            inner.directories.prepare(&place.directory)?;
            parts.staged.write_at(&header::encode(tag, body, &attributes), 0)?;
            inner.sync(&parts.staged)?;
            inner.publish(&place, &parts.staged, &Condition::Anything)?;
            Ok(PutResult { e_tag: Some(tag.text()), version: None, extensions: Default::default() })
        };
        let location = self.location.clone();
        self.inner.blocking.run(move || work().map_err(|error: Error| error.of(&location))).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts()?.staged.discard();
        self.parts = None;
        Ok(())
    }
}
