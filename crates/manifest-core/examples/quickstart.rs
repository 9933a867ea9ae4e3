//! A manifest of two files, and two processes that disagree about it.
//!
//! `cargo run -p manifest-core --example quickstart --features tokio`

use std::sync::Arc;

use manifest_core::{Error, KeyRange, Manifest, Options, TokioEnv};
use object_store::memory::InMemory;
use object_store::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Arc::new(InMemory::new());
    let prefix = Path::from("tables/orders");
    let open = || {
        let (store, env) = (store.clone(), Arc::new(TokioEnv::new()));
        Manifest::open_or_create(store, prefix.clone(), env, Options::default())
    };

    // One process adds two files: one request for both.
    let writer = open().await?;
    let mut add = writer.transaction();
    add.put("file/000001", "rows 1 to 1000").put("file/000002", "rows 1001 to 2000");
    let commit = add.commit().await?;
    println!("commit {} is number {}", commit.id, commit.seq);

    // Another one begins to merge them, but the first one is faster and deletes one.
    let compactor = open().await?;
    let mut merge = compactor.transaction();
    let inputs = merge.scan(KeyRange::prefix("file/"));
    println!("the compactor merges {} files", inputs.len());

    let mut drop_one = writer.transaction();
    drop_one.delete("file/000002");
    drop_one.commit().await?;

    merge.delete_range(KeyRange::prefix("file/")).put("file/000003", "rows 1 to 2000");
    match merge.commit().await {
        Err(Error::Conflict { key, seq }) => {
            println!("the merge is refused: {key:?} was changed by commit {seq}");
        }
        other => panic!("the merge would bring deleted rows back: {other:?}"),
    }

    // It reads again and sees the truth.
    let now = compactor.read().await?;
    for (key, entry) in now.scan(..) {
        println!("{key:?} = {:?} since commit {}", entry.value, entry.seq);
    }
    Ok(())
}
