//! Listings: prefixes, offsets, delimiters, order, pages, and changes while a listing is read.

use std::collections::BTreeSet;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, Result};

use super::{Case, Entry, Outcome, always, ensure, said};
use crate::profile::ListOrder;

pub(super) const CASES: &[Entry] = &[
    Entry {
        rule: "a listing shows what is there, at once after every write",
        claimed: always,
        run: |case| Box::pin(after_writes(case)),
    },
    Entry {
        rule: "a prefix is whole segments, an offset is exclusive, a delimiter rolls up",
        claimed: always,
        run: |case| Box::pin(shapes(case)),
    },
    Entry {
        rule: "a listing of several pages shows each name once, in the order that is claimed",
        claimed: always,
        run: |case| Box::pin(pages(case)),
    },
    Entry {
        rule: "names that stay are listed once, whatever changes beside them",
        claimed: always,
        run: |case| Box::pin(under_change(case)),
    },
];

async fn names(listing: BoxStream<'static, Result<ObjectMeta>>) -> Result<Vec<Path>, String> {
    let all = listing.map_ok(|meta| meta.location).try_collect().await;
    all.map_err(said("list"))
}

fn directory(case: &Case) -> Result<Path, String> {
    Path::parse(&case.directory).map_err(said("path"))
}

async fn after_writes(case: &Case) -> Outcome {
    let directory = directory(case)?;
    let mut alive = BTreeSet::new();
    for n in 0..30 {
        let path = case.path(&format!("{}", n % 7))?;
        if n % 3 == 2 && alive.contains(&path) {
            case.store.delete(&path).await.map_err(said("delete"))?;
            alive.remove(&path);
        } else {
            case.put(&path, vec![0; n]).await?;
            alive.insert(path.clone());
            let listing = case.store.list(Some(&directory));
            let metas: Vec<ObjectMeta> = listing.try_collect().await.map_err(said("list"))?;
            let size = metas.iter().find(|meta| meta.location == path).map(|meta| meta.size);
            ensure(size == Some(n as u64), || format!("a new object of {n} bytes is {size:?}"))?;
        }
        let listed: BTreeSet<_> =
            names(case.store.list(Some(&directory))).await?.into_iter().collect();
        ensure(listed == alive, || format!("{listed:?} instead of {alive:?}"))?;
    }
    Ok(())
}

async fn shapes(case: &Case) -> Outcome {
    for name in ["a", "ab/c", "ab/d", "abc", "b/c/d", "b/e"] {
        case.put(&case.path(name)?, "x").await?;
    }
    let sorted = |mut paths: Vec<Path>| {
        paths.sort();
        paths
    };
    let wanted = |names: &[&str]| -> Result<Vec<Path>, String> {
        names.iter().map(|name| case.path(name)).collect()
    };
    let under = case.path("ab")?;
    let listed = sorted(names(case.store.list(Some(&under))).await?);
    ensure(listed == wanted(&["ab/c", "ab/d"])?, || format!("under ab: {listed:?}"))?;
    let (directory, after) = (directory(case)?, case.path("ab/d")?);
    let listed = sorted(names(case.store.list_with_offset(Some(&directory), &after)).await?);
    ensure(listed == wanted(&["abc", "b/c/d", "b/e"])?, || format!("after ab/d: {listed:?}"))?;
    let level = case.store.list_with_delimiter(Some(&directory)).await;
    let level = level.map_err(said("list with delimiter"))?;
    let objects = sorted(level.objects.into_iter().map(|meta| meta.location).collect());
    ensure(objects == wanted(&["a", "abc"])?, || format!("objects {objects:?}"))?;
    let prefixes = sorted(level.common_prefixes);
    ensure(prefixes == wanted(&["ab", "b"])?, || format!("prefixes {prefixes:?}"))?;
    let nothing = names(case.store.list(Some(&case.path("none")?))).await?;
    ensure(nothing.is_empty(), || format!("under nothing: {nothing:?}"))
}

/// Puts many small objects, some at a time.
async fn fill(case: &Case) -> Result<Vec<Path>, String> {
    let paths: Result<Vec<_>, _> =
        (0..case.options.listed).map(|n| case.path(&format!("{:05}", n * 2))).collect();
    let paths = paths?;
    let puts = stream::iter(paths.clone()).map(|path| async move { case.put(&path, "x").await });
    puts.buffer_unordered(32).try_collect::<Vec<_>>().await?;
    Ok(paths)
}

async fn pages(case: &Case) -> Outcome {
    let paths = fill(case).await?;
    let mut listed = names(case.store.list(Some(&directory(case)?))).await?;
    if case.claims.list_order == ListOrder::Sorted {
        ensure(listed.is_sorted(), || "the listing is not sorted".into())?;
    }
    listed.sort();
    ensure(listed == paths, || format!("{} names of {}", listed.len(), paths.len()))
}

async fn under_change(case: &Case) -> Outcome {
    let stay = fill(case).await?;
    let mut listing = case.store.list(Some(&directory(case)?));
    let mut listed = Vec::new();
    let mut taken = 0_u32;
    while let Some(meta) = listing.next().await {
        listed.push(meta.map_err(said("list"))?.location);
        taken += 1;
        if taken % 100 == 50 {
            // Odd numbers come and go, ahead of the cursor and behind it.
            for n in [1, taken, taken * 2 + 101] {
                let path = case.path(&format!("{:05}", n | 1))?;
                case.put(&path, "x").await?;
                if n == taken {
                    case.store.delete(&path).await.map_err(said("delete"))?;
                }
            }
        }
    }
    let total = listed.len();
    let listed: BTreeSet<_> = listed.into_iter().collect();
    ensure(listed.len() == total, || "a name is listed twice".into())?;
    let missing = stay.iter().find(|path| !listed.contains(path));
    ensure(missing.is_none(), || format!("{missing:?} was there all the time and is not listed"))
}
