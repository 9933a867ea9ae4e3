//! Reading the past: sessions, saved snapshots, and how they end.
//!
//! `cargo run -p manifest-core --features tokio --example time_travel`

use std::sync::Arc;

use manifest_core::{Error, Floor, Manifest, Options, SavedSnapshot, TokioEnv};
use object_store::memory::InMemory;
use object_store::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Arc::new(InMemory::new());
    // Small limits, so that history leaves the head soon.
    let open = || {
        let options = Options { tail_limit_bytes: 256, ..Options::default() };
        let (store, env) = (store.clone(), Arc::new(TokioEnv::new()));
        Manifest::open_or_create(store, Path::from("prices"), env, options)
    };
    let writer = open().await?;
    set_prices(&writer, 1).await?;

    // The root of a snapshot is some bytes. They mean the same to every process.
    let bytes = writer.save().as_bytes().to_vec();
    println!("a snapshot of commit {} in {} bytes", writer.head_info().seq, bytes.len());
    set_prices(&writer, 2).await?;
    writer.compactor().await?.checkpoint().await?;

    // Another process opens it, and pins it: no collector deletes what it needs.
    let reader = open().await?;
    let saved = SavedSnapshot::from_bytes(bytes);
    let work = async {
        let mut session = reader.reopen(&saved).await?;
        writer.collector().pass(Floor::ThisPass).await?;
        let apple = session.get("apple").await?;
        println!("apple cost {:?} then", apple.map(|entry| entry.value));
        println!("{} prices then", session.scan(..).await?.len());
        Ok::<_, Error>(())
    };
    // The pin has to be renewed for as long as sessions are open.
    tokio::select! {
        done = work => done?,
        () = reader.keep_pinned() => unreachable!("it renews the pin for ever"),
    }
    let apple = reader.read().await?.get("apple");
    println!("apple costs {:?} now", apple.map(|entry| entry.value));

    // The session is over, so its pin goes, and with it the past.
    reader.renew_pin().await?;
    let pass = writer.collector().pass(Floor::ThisPass).await?;
    println!("the collector deleted {} objects that are out of use", pass.retired);
    match reader.reopen(&saved).await {
        Err(Error::SnapshotExpired { version }) => {
            println!("the snapshot of head version {version} has expired");
        }
        Ok(_) => panic!("its objects are gone"),
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn set_prices(manifest: &Manifest, day: u64) -> Result<(), Error> {
    for fruit in ["apple", "banana", "cherry", "date", "elderberry"] {
        let mut change = manifest.transaction();
        change.put(fruit, format!("{} cents", day * 10 + fruit.len() as u64));
        change.commit().await?;
        manifest.maintain().await?;
    }
    Ok(())
}
