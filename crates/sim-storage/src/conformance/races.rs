//! Races: conditions that hold one after another must hold at the same time too.
//!
//! Who loses a race may be told different things (that the object exists, that its precondition
//! failed, that there was a conflict); what counts is that exactly one is told that it won, and that
//! its bytes are the ones that stay.

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use object_store::{Error, ObjectStoreExt, UpdateVersion};

use super::{Case, Entry, Outcome, always, ensure, said};

pub(super) const CASES: &[Entry] = &[
    Entry {
        rule: "of many creates at once one wins, and its bytes stay",
        claimed: always,
        run: |case| Box::pin(creates(case)),
    },
    Entry {
        rule: "of many updates of one version at once one wins, and its bytes stay",
        claimed: |claims| claims.update,
        run: |case| Box::pin(updates(case)),
    },
    Entry {
        rule: "a counter under compare-and-set counts every success once",
        claimed: |claims| claims.update,
        run: |case| Box::pin(counter(case)),
    },
    Entry {
        rule: "of many copies if absent at once one wins, and its bytes stay",
        claimed: |claims| claims.copy_if_absent,
        run: |case| Box::pin(copies(case)),
    },
    Entry {
        rule: "uploads that are completed at once leave one of them whole",
        claimed: always,
        run: |case| Box::pin(uploads(case)),
    },
    Entry {
        rule: "a read beside overwrites brings one version whole, and a later one never an older",
        claimed: always,
        run: |case| Box::pin(reads(case)),
    },
];

/// The only winner of a race.
fn winner<T>(round: u32, results: &[object_store::Result<T>]) -> Result<usize, String> {
    let won: Vec<usize> = (0..results.len()).filter(|&n| results[n].is_ok()).collect();
    let strange = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .find(|error| !matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. }));
    if let Some(error) = strange {
        return Err(format!("round {round}: a loser was told {error}"));
    }
    match won.as_slice() {
        [one] => Ok(*one),
        all => Err(format!("round {round}: {} of {} won", all.len(), results.len())),
    }
}

async fn creates(case: &Case) -> Outcome {
    for round in 0..case.options.rounds {
        let path = &case.path(&format!("{round}"))?;
        let all = (0..case.options.width)
            .map(|n| async move { case.create(path, format!("writer {n}")).await });
        let won = winner(round, &join_all(all).await)?;
        case.expect_body(path, format!("writer {won}").as_bytes()).await?;
    }
    Ok(())
}

async fn updates(case: &Case) -> Outcome {
    let path = &case.path("k")?;
    let mut version: UpdateVersion = case.put(path, "begin").await?.into();
    for round in 0..case.options.rounds {
        let body = |n| format!("round {round} writer {n}");
        let version_now = &version;
        let all = (0..case.options.width)
            .map(|n| async move { case.update(path, body(n as usize), version_now.clone()).await });
        let mut results = join_all(all).await;
        let won = winner(round, &results)?;
        case.expect_body(path, body(won).as_bytes()).await?;
        version = results.swap_remove(won).map_err(said("update"))?.into();
    }
    Ok(())
}

async fn counter(case: &Case) -> Outcome {
    let path = &case.path("k")?;
    case.put(path, "0").await?;
    let attempts = case.options.rounds / 4 + 1;
    let counting = (0..case.options.width / 4 + 1).map(|_| async move {
        let mut won = 0_u64;
        for _ in 0..attempts {
            let got = case.store.get(path).await.map_err(said("get"))?;
            let version =
                UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            let next = number(&got.bytes().await.map_err(said("body"))?)? + 1;
            won += u64::from(case.update(path, next.to_string(), version).await.is_ok());
        }
        Ok::<u64, String>(won)
    });
    let mut won = 0;
    for counted in join_all(counting).await {
        won += counted?;
    }
    let last = number(&case.body(path).await?)?;
    ensure(last == won, || format!("{won} successes, and the counter is {last}"))
}

fn number(body: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(body).map_err(said("number"))?;
    text.parse().map_err(said("number"))
}

async fn copies(case: &Case) -> Outcome {
    let width = case.options.width;
    let mut sources = Vec::new();
    for n in 0..width {
        let path = case.path(&format!("from/{n}"))?;
        case.put(&path, format!("writer {n}")).await?;
        sources.push(path);
    }
    for round in 0..case.options.rounds {
        let to = &case.path(&format!("to/{round}"))?;
        let all = sources.iter().map(|from| case.store.copy_if_not_exists(from, to));
        let won = winner(round, &join_all(all).await)?;
        case.expect_body(to, format!("writer {won}").as_bytes()).await?;
    }
    Ok(())
}

async fn uploads(case: &Case) -> Outcome {
    for round in 0..case.options.rounds / 5 + 1 {
        let path = &case.path(&format!("{round}"))?;
        let all = (0..case.options.width / 4 + 1).map(|n| async move {
            let mut upload = case.store.put_multipart(path).await?;
            upload.put_part(format!("writer {n}").into()).await?;
            upload.complete().await
        });
        // A store may refuse all but one, or let the last one win.
        let results = join_all(all).await;
        let won = (0..results.len()).filter(|&n| results[n].is_ok());
        let bodies: Vec<_> = won.map(|n| format!("writer {n}")).collect();
        let body = case.body(path).await.map_err(|why| format!("round {round}: {why}"))?;
        ensure(bodies.iter().any(|won| won.as_bytes() == body), || {
            format!("round {round}: {body:?} is of none that was told that it won")
        })?;
    }
    Ok(())
}

async fn reads(case: &Case) -> Outcome {
    const SIZE: usize = 1000;
    let path = &case.path("k")?;
    case.put(path, vec![0; SIZE]).await?;
    let rounds = case.options.rounds.min(200) as u8;
    let write = async move {
        for n in 1..=rounds {
            case.put(path, vec![n; SIZE]).await?;
            let now = case.body(path).await?;
            ensure(now.first() == Some(&n), || format!("wrote {n}, read {:?}", now.first()))?;
        }
        Ok(())
    };
    let read = stream::iter(0..case.options.width / 8 + 1).map(|_| async move {
        let mut newest = 0;
        while newest < rounds {
            let body = case.body(path).await?;
            let first = body.first().copied().unwrap_or(0);
            let whole = body.len() == SIZE && body.iter().all(|byte| *byte == first);
            ensure(whole, || "a read brought a mixture of two versions".into())?;
            ensure(first >= newest, || format!("read {first} after {newest}"))?;
            newest = first;
        }
        Ok(())
    });
    let read = read.buffer_unordered(64).collect::<Vec<Outcome>>();
    let (wrote, read): (Outcome, _) = futures_util::join!(write, read);
    wrote.and(read.into_iter().collect())
}
