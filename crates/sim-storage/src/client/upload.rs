//! A multipart upload, as a process holds it.

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::error::Asked;
use super::{Client, convert, unexpected};
use crate::model::UploadId;
use crate::store::{Reply, Request};

/// Parts are numbered in the order in which they are handed over; each is a request of its own and
/// may be polled together with others.
#[derive(Debug)]
pub(super) struct Upload {
    client: Client,
    location: Path,
    id: UploadId,
    parts: u32,
}

impl Upload {
    pub(super) fn new(client: Client, location: Path, id: UploadId) -> Self {
        Self { client, location, id, parts: 0 }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (client, location, upload) = (self.client.clone(), self.location.clone(), self.id);
        let number = self.parts;
        self.parts += 1;
        Box::pin(async move {
            let answer = client
                .call(|model| Request::Part {
                    name: model.name(location.as_ref()),
                    upload,
                    number,
                    body: data.into(),
                })
                .await;
            match answer {
                Ok(_) => Ok(()),
                other => Err(unexpected(other, location.as_ref(), Asked::Put)),
            }
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (upload, parts) = (self.id, self.parts);
        let answer = self
            .client
            .call(|model| Request::Complete {
                name: model.name(self.location.as_ref()),
                upload,
                parts,
            })
            .await;
        match answer {
            Ok(Reply::Written(written)) => {
                Ok(convert::put_result(&written, self.client.profile.version_ids))
            }
            other => Err(unexpected(other, self.location.as_ref(), Asked::Put)),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = self.id;
        let answer = self
            .client
            .call(|model| Request::Abort { name: model.name(self.location.as_ref()), upload })
            .await;
        match answer {
            Ok(_) => Ok(()),
            other => Err(unexpected(other, self.location.as_ref(), Asked::Put)),
        }
    }
}
