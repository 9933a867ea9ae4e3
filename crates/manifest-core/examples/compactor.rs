//! Upkeep in a process of its own: one that folds, merges and collects while others commit.
//!
//! `cargo run -p manifest-core --features tokio --example compactor`
//!
//! A writer needs nobody for its upkeep: it folds by itself before its head is full. A process like
//! this one keeps opening cheap and the store small, and takes the work off the writers.

use std::sync::Arc;
use std::time::Duration;

use manifest_core::{Compaction, Error, Floor, Manifest, Options, TokioEnv};
use object_store::memory::InMemory;
use object_store::path::Path;

/// How long to wait between two rounds. Minutes, in earnest.
const PAUSE: Duration = Duration::from_millis(10);
/// Every so many rounds all is folded into a checkpoint, which costs as much as the state is large;
/// and then a collection pass is made. In between segments are merged, which is cheap.
const ROUNDS_BETWEEN_FOLDS: u32 = 4;

/// Folds, merges and collects until it is dropped, or until another process takes the role over.
async fn upkeep(manifest: &Manifest) -> Result<(), Error> {
    let mut compactor = manifest.compactor().await?;
    // It remembers what it saw of pins: one for as long as the process lives.
    let mut collector = manifest.collector();
    for round in 1.. {
        tokio::time::sleep(PAUSE).await;
        let is_time = round % ROUNDS_BETWEEN_FOLDS == 0;
        let done = if is_time { compactor.checkpoint().await } else { compactor.merge().await };
        match done {
            Ok(Compaction::Nothing) => {}
            Ok(done) => println!("  compactor: {done:?}"),
            // Somebody else does this now (a writer whose head was full, too).
            Err(Error::Fenced { .. }) => return Ok(()),
            // Nothing is lost: it goes on where it was.
            Err(Error::Unavailable { .. }) => continue,
            Err(error) => return Err(error),
        }
        if is_time {
            match collector.pass(Floor::PassBefore).await {
                Ok(pass) => println!(
                    "  collector: {} retired and {} orphans deleted, {} kept",
                    pass.retired, pass.orphans, pass.kept
                ),
                Err(Error::Unavailable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Commits, and does the little that only a writer can do: seal what it has committed.
async fn write(manifest: &Manifest) -> Result<(), Error> {
    for number in 0..400 {
        let mut change = manifest.transaction();
        change.put(format!("key {:03}", number % 50), format!("value {number}"));
        change.commit().await?;
        manifest.maintain().await?;
        if number % 100 == 99 {
            let head = manifest.head_info();
            println!(
                "commit {}: {} segments behind a checkpoint of {}",
                head.seq, head.segments, head.checkpoint_seq
            );
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Arc::new(InMemory::new());
    let open = || {
        let options = Options { tail_limit_bytes: 512, ..Options::default() };
        let (store, env) = (store.clone(), Arc::new(TokioEnv::new()));
        Manifest::open_or_create(store, Path::from("db"), env, options)
    };
    let (writer, keeper) = (open().await?, open().await?);
    tokio::select! {
        written = write(&writer) => written?,
        kept = upkeep(&keeper) => {
            kept?;
            println!("somebody else has the role");
        }
    }

    // A last fold and a last pass, and then what is left.
    keeper.compactor().await?.checkpoint().await?;
    let mut collector = keeper.collector();
    collector.pass(Floor::ThisPass).await?;
    collector.pass(Floor::ThisPass).await?;
    let (prefix, env) = (Path::from("db"), Arc::new(TokioEnv::new()));
    let options = manifest_core::verify::Options::default();
    print!("{}", manifest_core::verify(store.clone(), prefix, env, options).await?);
    println!("{} keys", keeper.read().await?.scan(..).len());
    Ok(())
}
