//! A manifest in a directory: no server, no cloud, and several processes may share it.
//!
//! `cargo run -p manifest-core --features tokio --example local [DIRECTORY]`
//!
//! Run it again with the same directory: it goes on where it stopped.

use std::path::PathBuf;
use std::sync::Arc;

use local_store::LocalStore;
use manifest_core::{Manifest, Options, TokioEnv};
use object_store::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1).map(PathBuf::from);
    let mine = std::env::temp_dir().join(format!("manifest-core-local-{}", std::process::id()));
    let directory = given.clone().unwrap_or_else(|| mine.clone());

    // `Durability::PowerLoss` is the default: what is acknowledged is on the disk.
    let store = Arc::new(LocalStore::open(&directory, local_store::Options::default())?);
    let (prefix, env) = (Path::from("tables/orders"), Arc::new(TokioEnv::new()));
    let options = Options::default();
    let manifest =
        Manifest::open_or_create(store.clone(), prefix.clone(), env.clone(), options.clone())
            .await?;
    println!("{} commits were there", manifest.head_info().seq);

    for _ in 0..3 {
        let number = manifest.head_info().seq + 1;
        let mut add = manifest.transaction();
        add.put(format!("file/{number:06}"), format!("rows of batch {number}"));
        let commit = add.commit().await?;
        println!("commit {} adds file/{number:06}", commit.seq);
    }

    // Another process opens the same directory and sees the same.
    let other = Manifest::open(store, prefix, env, options).await?;
    let files = other.snapshot().scan(..);
    println!("a second process sees {} files in {}", files.len(), directory.display());
    assert_eq!(files.len() as u64, manifest.head_info().seq);
    if given.is_none() {
        std::fs::remove_dir_all(mine)?;
    }
    Ok(())
}
