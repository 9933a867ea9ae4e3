//! What transactions promise: all or nothing, and nothing that was read has changed.
//!
//! `cargo run -p manifest-core --features tokio --example transactions`

use std::sync::Arc;

use manifest_core::{Error, KeyRange, Manifest, Options, Status, TokioEnv};
use object_store::memory::InMemory;
use object_store::path::Path;

/// Moves money, and tries again when somebody else was faster.
///
/// An error that is not `OutcomeUnknown` means "not committed, now and forever", so running the
/// transaction again is always safe.
async fn transfer(bank: &Manifest, from: &str, to: &str, amount: u64) -> Result<u64, Error> {
    loop {
        // A strong read: what it decides on is at least as new as this moment.
        let mut change = bank.read().await?.transaction();
        let (rich, poor) = (balance(&mut change, from), balance(&mut change, to));
        if rich < amount {
            println!("  {from} has only {rich}");
            return Ok(0);
        }
        change.put(from.to_owned(), (rich - amount).to_string());
        change.put(to.to_owned(), (poor + amount).to_string());
        // The id is known before the first request, and could be stored for after a crash.
        let pending = change.submit()?;
        let id = pending.id();
        match pending.await {
            Ok(commit) => return Ok(commit.seq),
            Err(Error::Conflict { key, seq }) => {
                println!("  commit {seq} changed {key:?} meanwhile: once more");
            }
            Err(Error::OutcomeUnknown { .. }) => match bank.status(id).await? {
                Status::Committed { seq } => return Ok(seq),
                Status::NotCommitted => {}
                // It may still land. To run it again could move the money twice.
                Status::Unknown => return Err(Error::OutcomeUnknown { id }),
            },
            Err(error) => return Err(error),
        }
    }
}

fn balance(change: &mut manifest_core::Transaction, account: &str) -> u64 {
    let found = change.get(account);
    found.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok()).unwrap_or(0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Arc::new(InMemory::new());
    let open = || {
        let (store, env) = (store.clone(), Arc::new(TokioEnv::new()));
        Manifest::open_or_create(store, Path::from("bank"), env, Options::default())
    };
    let (one, two) = (open().await?, open().await?);
    let mut start = one.transaction();
    start.put("account/ann", "100").put("account/bob", "0").put("account/cid", "0");
    start.commit().await?;

    // Two processes at once: the money is there once.
    let (ann, bob, cid) = ("account/ann", "account/bob", "account/cid");
    let (first, second) = tokio::join!(transfer(&one, ann, bob, 80), transfer(&two, ann, cid, 80));
    println!("to bob: commit {}, to cid: commit {} (0: refused)", first?, second?);

    // A range that was read counts, with the keys that were not in it.
    let mut audit = one.read().await?.transaction();
    let accounts = audit.scan(KeyRange::prefix("account/")).len();
    audit.put("audit", format!("{accounts} accounts"));
    let mut opens = two.transaction();
    opens.put("account/dan", "0");
    opens.commit().await?;
    match audit.commit().await {
        Err(Error::Conflict { key, .. }) => println!("the audit is outdated: {key:?} is new"),
        other => panic!("the audit missed an account: {other:?}"),
    }

    // A role: whoever lost it can do no harm, however long it slept.
    let leader = one.acquire("leader").await?;
    two.read().await?;
    two.acquire("leader").await?;
    let mut late = one.transaction();
    late.put("config", "of the old leader").under(&leader);
    match late.commit().await {
        Err(Error::Fenced { epoch, current, .. }) => {
            println!("epoch {epoch} is over, it is {current} now");
        }
        other => panic!("two leaders: {other:?}"),
    }
    for (key, entry) in one.read().await?.scan(..) {
        println!("{key:?} = {:?}", entry.value);
    }
    Ok(())
}
