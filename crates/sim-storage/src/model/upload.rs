//! Multipart uploads: parts that nobody sees until the upload is completed.
//!
//! Three things differ between stores and have bitten people: the date of the object (S3 gives it
//! the time at which the upload was *begun*), what a second completion answers, and whether uploads
//! to the same name know of each other.

use bytes::{Bytes, BytesMut};

use super::condition::WriteCondition;
use super::names::NameId;
use super::observer::{Change, Origin};
use super::refusal::Refusal;
use super::share;
use super::version::{Attributes, Generation, Tag};
use super::{Draft, Model, Written};
use crate::profile::{ETags, MultipartDate, SameNameUploads, SecondComplete};

/// A multipart upload, by number within its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(u32);

/// One upload, open or not.
#[derive(Debug)]
pub(super) struct Upload {
    name: NameId,
    begun_at: u64,
    attributes: Attributes,
    /// By part number, from 0.
    parts: Vec<Option<Bytes>>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Open,
    Completed(Written),
    Gone,
}

/// How much of the parts becomes the object.
#[derive(Debug, Clone, Copy)]
enum Extent {
    Whole,
    Torn { keep_ppm: u32 },
}

impl Model {
    /// Begins an upload.
    pub fn begin_upload(&mut self, by: Origin, name: NameId, attributes: Attributes) -> UploadId {
        let id = UploadId(u32::try_from(self.uploads.len()).expect("fewer than 2^32 uploads"));
        let parts = Vec::new();
        self.uploads.push(Upload {
            name,
            begun_at: by.clock,
            attributes,
            parts,
            state: State::Open,
        });
        id
    }

    /// Stores one part; a part that is already there is replaced. Numbers begin at 0.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUpload`] if the upload is not open; [`Refusal::MissingPart`] for a number
    /// above 9,999, the limit of S3.
    pub fn put_part(&mut self, id: UploadId, number: u32, body: Bytes) -> Result<(), Refusal> {
        const PARTS_MAX: u32 = 10_000;
        let upload = self.open_upload(id)?;
        if number >= PARTS_MAX {
            return Err(Refusal::MissingPart(number));
        }
        let number = number as usize;
        if upload.parts.len() <= number {
            upload.parts.resize(number + 1, None);
        }
        upload.parts[number] = Some(body);
        Ok(())
    }

    /// Makes one object of the first `parts` parts.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUpload`]; [`Refusal::MissingPart`]; what the condition says. The upload
    /// stays open after a condition that does not hold.
    pub fn complete_upload(
        &mut self,
        by: Origin,
        id: UploadId,
        parts: u32,
        condition: &WriteCondition,
    ) -> Result<Written, Refusal> {
        self.complete_as(by, id, parts, condition, Extent::Whole)
    }

    /// Makes an object of the beginning of the parts' bytes, as a store without atomic completions
    /// does when it breaks off. `keep_ppm` parts per million of the bytes stay, never all.
    ///
    /// # Errors
    /// As [`Model::complete_upload`].
    pub fn complete_torn(
        &mut self,
        by: Origin,
        id: UploadId,
        parts: u32,
        condition: &WriteCondition,
        keep_ppm: u32,
    ) -> Result<Written, Refusal> {
        self.complete_as(by, id, parts, condition, Extent::Torn { keep_ppm })
    }

    fn complete_as(
        &mut self,
        by: Origin,
        id: UploadId,
        parts: u32,
        condition: &WriteCondition,
        extent: Extent,
    ) -> Result<Written, Refusal> {
        let upload = self.uploads.get(id.0 as usize).ok_or(Refusal::NoSuchUpload)?;
        match (upload.state, self.profile.second_complete) {
            (State::Open, _) => {}
            (State::Completed(written), SecondComplete::Ok) => return Ok(written),
            (State::Completed(_) | State::Gone, _) => return Err(Refusal::NoSuchUpload),
        }
        let name = upload.name;
        condition.judge(&self.profile, self.current(name))?;
        let mut draft = self.assemble(by, id, parts)?;
        let change = match extent {
            Extent::Whole => Change::Complete,
            Extent::Torn { keep_ppm } => {
                draft.body.truncate(share(draft.body.len(), keep_ppm));
                Change::TornComplete
            }
        };
        let written = self.install(by, name, change, draft);
        self.close(id, State::Completed(written));
        if self.profile.same_name_uploads == SameNameUploads::FirstWins {
            self.discard_rivals(name);
        }
        Ok(written)
    }

    /// Gives an upload up and forgets its parts.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUpload`] if it is not open.
    pub fn abort_upload(&mut self, id: UploadId) -> Result<(), Refusal> {
        self.open_upload(id)?;
        self.close(id, State::Gone);
        Ok(())
    }

    /// Uploads that are neither completed nor aborted: they cost money on a real store, and no
    /// listing of objects shows them.
    pub fn open_uploads(&self) -> impl Iterator<Item = (UploadId, NameId)> {
        let ids = (0..).map(UploadId).zip(&self.uploads);
        ids.filter(|(_, u)| matches!(u.state, State::Open)).map(|(id, u)| (id, u.name))
    }

    fn open_upload(&mut self, id: UploadId) -> Result<&mut Upload, Refusal> {
        let upload = self.uploads.get_mut(id.0 as usize);
        upload.filter(|u| matches!(u.state, State::Open)).ok_or(Refusal::NoSuchUpload)
    }

    fn close(&mut self, id: UploadId, state: State) {
        let upload = &mut self.uploads[id.0 as usize];
        upload.state = state;
        upload.parts = Vec::new();
    }

    fn discard_rivals(&mut self, name: NameId) {
        for upload in &mut self.uploads {
            if upload.name == name && matches!(upload.state, State::Open) {
                upload.state = State::Gone;
                upload.parts = Vec::new();
            }
        }
    }

    fn assemble(&self, by: Origin, id: UploadId, count: u32) -> Result<Draft, Refusal> {
        let upload = &self.uploads[id.0 as usize];
        let mut parts = Vec::with_capacity(count.min(10_000) as usize);
        for number in 0..count {
            let part = upload.parts.get(number as usize).and_then(Option::as_ref);
            parts.push(part.ok_or(Refusal::MissingPart(number))?);
        }
        let body = match parts.as_slice() {
            [] => Bytes::new(),
            [one] => Bytes::clone(one),
            many => many
                .iter()
                .fold(BytesMut::new(), |mut all, part| {
                    all.extend_from_slice(part);
                    all
                })
                .freeze(),
        };
        let tag = match self.profile.etags {
            ETags::OfContent => Tag::of_parts(parts),
            ETags::Unique => Tag::unique(Generation(self.generations + 1)),
            ETags::OfTime => Tag::of_time(self.profile.date(by.clock), body.len() as u64),
        };
        let date = match self.profile.multipart_date {
            MultipartDate::Initiation => upload.begun_at,
            MultipartDate::Completion => by.clock,
        };
        Ok(Draft { body, tag, date, attributes: upload.attributes.clone() })
    }
}
