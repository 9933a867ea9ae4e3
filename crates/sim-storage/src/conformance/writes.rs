//! Writes one after another: conditions, copies, renames, multipart uploads.

use object_store::{ObjectStoreExt, UpdateVersion};

use super::{
    Case, Entry, Outcome, always, ensure, is_exists, is_not_found, is_precondition, refused, said,
};
use crate::profile::ETags;

/// S3 takes no part but the last that is smaller than 5 MiB.
const PART: usize = 5 << 20;

pub(super) const CASES: &[Entry] = &[
    Entry {
        rule: "a create succeeds where nothing is, and only there",
        claimed: always,
        run: |case| Box::pin(create(case)),
    },
    Entry {
        rule: "an update replaces the version that it names, and no other",
        claimed: |claims| claims.update,
        run: |case| Box::pin(update(case)),
    },
    Entry {
        rule: "tags recur, or do not, as claimed",
        claimed: |claims| claims.update,
        run: |case| Box::pin(tags(case)),
    },
    Entry {
        rule: "a copy is a whole object of its own",
        claimed: always,
        run: |case| Box::pin(copy(case)),
    },
    Entry {
        rule: "copy and rename if absent replace nothing",
        claimed: |claims| claims.copy_if_absent,
        run: |case| Box::pin(copy_if_absent(case)),
    },
    Entry {
        rule: "a rename moves the object",
        claimed: always,
        run: |case| Box::pin(rename(case)),
    },
    Entry {
        rule: "a multipart upload is visible when it is completed, and not before",
        claimed: always,
        run: |case| Box::pin(multipart(case)),
    },
    Entry {
        rule: "an aborted upload leaves nothing",
        claimed: always,
        run: |case| Box::pin(aborted(case)),
    },
];

async fn create(case: &Case) -> Outcome {
    let path = case.path("k")?;
    case.create(&path, "first").await.map_err(said("create"))?;
    refused(case.create(&path, "second").await, "create of an existing object", is_exists)?;
    case.expect_body(&path, b"first").await?;
    case.store.delete(&path).await.map_err(said("delete"))?;
    case.create(&path, "third").await.map_err(said("create after delete"))?;
    case.expect_body(&path, b"third").await
}

async fn update(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let first: UpdateVersion = case.put(&path, "first").await?.into();
    let second: UpdateVersion =
        case.update(&path, "second", first.clone()).await.map_err(said("update"))?.into();
    let late = case.update(&path, "late", first).await;
    refused(late, "update of an old version", is_precondition)?;
    case.expect_body(&path, b"second").await?;
    case.update(&path, "third", second.clone()).await.map_err(said("second update"))?;
    case.store.delete(&path).await.map_err(said("delete"))?;
    let gone = case.update(&path, "ghost", second).await;
    refused(gone, "update of a missing object", |error| {
        is_precondition(error) || is_not_found(error)
    })?;
    refused(case.store.get(&path).await, "get after a refused update", is_not_found)
}

async fn tags(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let first: UpdateVersion = case.put(&path, "same").await?.into();
    case.put(&path, "else").await?;
    case.put(&path, "same").await?;
    let by_old_tag = case.update(&path, "new", first).await;
    match case.claims.etags {
        ETags::OfContent => by_old_tag.map(drop).map_err(said("update by a tag that recurred")),
        ETags::Unique | ETags::OfTime => {
            refused(by_old_tag, "update by the tag of an old version", is_precondition)
        }
    }
}

async fn copy(case: &Case) -> Outcome {
    let (from, to) = (case.path("from")?, case.path("to")?);
    refused(case.store.copy(&from, &to).await, "copy of a missing object", is_not_found)?;
    case.put(&from, "body").await?;
    case.put(&to, "what was there").await?;
    case.store.copy(&from, &to).await.map_err(said("copy"))?;
    case.put(&from, "changed").await?;
    case.expect_body(&to, b"body").await
}

async fn copy_if_absent(case: &Case) -> Outcome {
    let (from, to) = (case.path("from")?, case.path("to")?);
    case.put(&from, "body").await?;
    case.store.copy_if_not_exists(&from, &to).await.map_err(said("copy if absent"))?;
    case.put(&from, "changed").await?;
    let again = case.store.copy_if_not_exists(&from, &to).await;
    refused(again, "copy onto an existing object", is_exists)?;
    case.expect_body(&to, b"body").await?;
    let rename = case.store.rename_if_not_exists(&from, &to).await;
    refused(rename, "rename onto an existing object", is_exists)?;
    case.expect_body(&from, b"changed").await
}

async fn rename(case: &Case) -> Outcome {
    let (from, to) = (case.path("from")?, case.path("to")?);
    case.put(&from, "body").await?;
    case.store.rename(&from, &to).await.map_err(said("rename"))?;
    case.expect_body(&to, b"body").await?;
    refused(case.store.get(&from).await, "get of the old name", is_not_found)
}

async fn multipart(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let parts = [vec![1_u8; PART], vec![2; PART], vec![3; 10]];
    let mut upload = case.store.put_multipart(&path).await.map_err(said("begin"))?;
    let sent: Vec<_> = parts.iter().map(|part| upload.put_part(part.clone().into())).collect();
    // The last part arrives first.
    for part in sent.into_iter().rev() {
        part.await.map_err(said("part"))?;
    }
    refused(case.store.head(&path).await, "head before completion", is_not_found)?;
    upload.complete().await.map_err(said("complete"))?;
    case.expect_body(&path, &parts.concat()).await?;
    let across = case.store.get_range(&path, PART as u64 - 1..PART as u64 + 1).await;
    let across = across.map_err(said("get of a range"))?;
    ensure(across.as_ref() == [1, 2], || format!("a range across two parts is {across:?}"))
}

async fn aborted(case: &Case) -> Outcome {
    let path = case.path("k")?;
    case.put(&path, "before").await?;
    let mut upload = case.store.put_multipart(&path).await.map_err(said("begin"))?;
    upload.put_part("part".into()).await.map_err(said("part"))?;
    upload.abort().await.map_err(said("abort"))?;
    case.expect_body(&path, b"before").await
}
