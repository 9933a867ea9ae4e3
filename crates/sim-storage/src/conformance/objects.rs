//! Single objects: reads, ranges, conditional reads, deletion, attributes, odd names, big bodies.

use futures_util::StreamExt;
use futures_util::stream;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions,
};

use super::{
    Case, Entry, Outcome, Support, always, ensure, is_not_found, is_precondition, refused, said,
};
use crate::profile::MissingDelete;

pub(super) const CASES: &[Entry] = &[
    Entry {
        rule: "an object that was put is read back, whole and with its size",
        claimed: always,
        run: |case| Box::pin(read_back(case)),
    },
    Entry {
        rule: "a missing object is not found",
        claimed: always,
        run: |case| Box::pin(missing(case)),
    },
    Entry {
        rule: "ranges bring the bytes that they name",
        claimed: always,
        run: |case| Box::pin(ranges(case)),
    },
    Entry {
        rule: "conditional reads are judged by tag and date",
        claimed: always,
        run: |case| Box::pin(conditional_reads(case)),
    },
    Entry {
        rule: "a deleted object is gone, and deleting a missing one is answered as claimed",
        claimed: always,
        run: |case| Box::pin(deletion(case)),
    },
    Entry {
        rule: "attributes come back with the object",
        claimed: |claims| claims.attributes,
        run: |case| Box::pin(attributes(case)),
    },
    Entry {
        rule: "odd names are names like any other",
        claimed: always,
        run: |case| Box::pin(odd_names(case)),
    },
    Entry {
        rule: "a big object comes back as it was, and parts of it too",
        claimed: always,
        run: |case| Box::pin(big(case)),
    },
];

async fn read_back(case: &Case) -> Outcome {
    let path = case.path("k")?;
    for body in ["first", "", "the third one"] {
        let put = case.put(&path, body).await?;
        case.expect_body(&path, body.as_bytes()).await?;
        let head = case.store.head(&path).await.map_err(said("head"))?;
        ensure(head.size == body.len() as u64, || format!("head says {} bytes", head.size))?;
        ensure(head.location == path, || format!("head names {}", head.location))?;
        ensure(head.e_tag == put.e_tag, || {
            format!("the tag of the put is {:?}, that of the head {:?}", put.e_tag, head.e_tag)
        })?;
    }
    Ok(())
}

async fn missing(case: &Case) -> Outcome {
    let path = case.path("nothing")?;
    refused(case.store.get(&path).await, "get", is_not_found)?;
    refused(case.store.head(&path).await, "head", is_not_found)?;
    refused(case.store.get_range(&path, 0..1).await, "get of a range", is_not_found)
}

async fn ranges(case: &Case) -> Outcome {
    let path = case.path("k")?;
    case.put(&path, "0123456789").await?;
    let wanted = [
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Bounded(7..100), "789"),
        (GetRange::Offset(6), "6789"),
        (GetRange::Suffix(3), "789"),
    ];
    let claimed = match case.claims.suffix_ranges {
        Support::Claimed => wanted.len(),
        Support::Absent => wanted.len() - 1,
    };
    for (range, text) in wanted.into_iter().take(claimed) {
        let options = GetOptions { range: Some(range.clone()), ..GetOptions::default() };
        let got = case.store.get_opts(&path, options).await.map_err(said("get of a range"))?;
        ensure(got.meta.size == 10, || format!("{range:?} says {} bytes", got.meta.size))?;
        let body = got.bytes().await.map_err(said("body"))?;
        ensure(body == text, || format!("{range:?} brings {body:?}"))?;
    }
    let several = case.store.get_ranges(&path, &[0..2, 4..5, 8..10]).await;
    let several = several.map_err(said("get of several ranges"))?;
    ensure(several == ["01", "4", "89"], || format!("{several:?}"))?;
    let beyond = GetOptions { range: Some(GetRange::Offset(10)), ..GetOptions::default() };
    refused(case.store.get_opts(&path, beyond).await.map(drop), "get beyond the end", |_| true)
}

async fn conditional_reads(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let old = case.put(&path, "old").await?.e_tag;
    let new = case.put(&path, "new").await?.e_tag;
    let get = |options: GetOptions| case.store.get_opts(&path, options);
    let with =
        |if_match, if_none_match| GetOptions { if_match, if_none_match, ..GetOptions::default() };
    get(with(new.clone(), None)).await.map_err(said("if-match of the current tag"))?;
    get(with(None, old.clone())).await.map_err(said("if-none-match of an old tag"))?;
    refused(get(with(old, None)).await, "if-match of an old tag", is_precondition)?;
    let not_modified = |error: &Error| matches!(error, Error::NotModified { .. });
    refused(get(with(None, new)).await, "if-none-match of the current tag", not_modified)?;
    let date = case.store.head(&path).await.map_err(said("head"))?.last_modified;
    let dated = |since, before| GetOptions {
        if_modified_since: since,
        if_unmodified_since: before,
        ..GetOptions::default()
    };
    get(dated(None, Some(date))).await.map_err(said("if-unmodified-since its date"))?;
    refused(get(dated(Some(date), None)).await, "if-modified-since its date", not_modified)?;
    let earlier = date - chrono::TimeDelta::hours(10);
    get(dated(Some(earlier), None)).await.map_err(said("if-modified-since before"))?;
    let get = get(dated(None, Some(earlier))).await;
    refused(get, "if-unmodified-since before", is_precondition)
}

async fn deletion(case: &Case) -> Outcome {
    let path = case.path("k")?;
    case.put(&path, "x").await?;
    case.store.delete(&path).await.map_err(said("delete"))?;
    refused(case.store.get(&path).await, "get after delete", is_not_found)?;
    let again = case.store.delete(&path).await;
    match case.claims.missing_delete {
        MissingDelete::Ok => again.map_err(said("delete of a missing object"))?,
        MissingDelete::NotFound => refused(again, "delete of a missing object", is_not_found)?,
    }
    let mut paths = Vec::new();
    for n in 0..40 {
        let path = case.path(&format!("many/{n}"))?;
        case.put(&path, "x").await?;
        paths.push(path);
    }
    let gone = stream::iter(paths.clone().into_iter().map(Ok)).boxed();
    let results: Vec<_> = case.store.delete_stream(gone).collect().await;
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    ensure(failed.is_empty(), || format!("delete of many: {failed:?}"))?;
    for path in paths {
        refused(case.store.head(&path).await, "head after delete of many", is_not_found)?;
    }
    Ok(())
}

async fn attributes(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let mut given = Attributes::new();
    given.insert(Attribute::ContentType, "text/plain".into());
    given.insert(Attribute::CacheControl, "no-store".into());
    given.insert(Attribute::Metadata("owner".into()), "nobody".into());
    let options = PutOptions { attributes: given.clone(), ..PutOptions::default() };
    case.store.put_opts(&path, "x".into(), options).await.map_err(said("put"))?;
    let head = GetOptions { head: true, ..GetOptions::default() };
    for options in [GetOptions::default(), head] {
        let got = case.store.get_opts(&path, options).await.map_err(said("get"))?;
        ensure(got.attributes == given, || format!("{:?}", got.attributes))?;
    }
    Ok(())
}

async fn odd_names(case: &Case) -> Outcome {
    let odd = [
        "with space",
        "plus+sign",
        "per%cent",
        "%2F",
        "hash#",
        "question?",
        "amp&",
        "equals=",
        "quote'",
        "double\"quote",
        "semi;colon",
        "at@",
        "comma,",
        "dollar$",
        "paren(s)",
        "tilde~",
        "star*",
        "back\\slash",
        "brackets[]",
        "umlaut-\u{fc}",
        "kana-\u{30ab}",
        "face-\u{1f600}",
        "dots...",
        "-dash",
        "_",
        "UPPER",
        "upper",
        "<angle>",
        "caret^",
        "tick`",
        "pipe|",
        "colon:",
    ];
    let mut paths = Vec::new();
    for name in odd.map(str::to_owned).into_iter().chain(["n".repeat(200)]) {
        let claimed = match name.as_bytes() {
            [.., letter, b'|' | b':'] if letter.is_ascii_alphabetic() => case.claims.drive_letters,
            bytes if bytes.contains(&b'\\') => case.claims.backslash,
            _ => Support::Claimed,
        };
        if claimed == Support::Absent {
            continue;
        }
        let path = case.path(&name)?;
        case.put(&path, name.clone()).await.map_err(|why| format!("{name}: {why}"))?;
        paths.push((path, name));
    }
    for (path, name) in &paths {
        case.expect_body(path, name.as_bytes()).await.map_err(|why| format!("{name}: {why}"))?;
    }
    let directory = Path::parse(&case.directory).map_err(said("path"))?;
    let mut listed: Vec<Path> = Vec::new();
    let mut stream = case.store.list(Some(&directory));
    while let Some(meta) = stream.next().await {
        listed.push(meta.map_err(said("list"))?.location);
    }
    listed.sort();
    let mut wanted: Vec<Path> = paths.into_iter().map(|(path, _)| path).collect();
    wanted.sort();
    ensure(listed == wanted, || {
        let odd = wanted.iter().find(|path| !listed.contains(path));
        format!("the listing has {} of {} names; missing: {odd:?}", listed.len(), wanted.len())
    })
}

async fn big(case: &Case) -> Outcome {
    let path = case.path("k")?;
    let body: Vec<u8> = (0..case.options.big).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect();
    case.put(&path, body.clone()).await?;
    case.expect_body(&path, &body).await?;
    let middle = case.options.big / 2;
    let part = case.store.get_range(&path, middle as u64..middle as u64 + 100).await;
    let part = part.map_err(said("get of a range"))?;
    ensure(part == body[middle..middle + 100], || "a range in the middle is wrong".into())
}
