//! A manifest on S3, or on anything that speaks its protocol.
//!
//! `cargo run -p manifest-core --features tokio,s3 --example s3 BUCKET PREFIX`
//!
//! Credentials, region and endpoint come from the usual variables: `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, and for another server `AWS_ENDPOINT` (with
//! `AWS_ALLOW_HTTP=true` if it has no TLS). Nothing that it writes is deleted.

use std::sync::Arc;

use manifest_core::{Error, Manifest, Options, TokioEnv};
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bucket), Some(prefix)) = (arguments.next(), arguments.next()) else {
        return Err("usage: s3 BUCKET PREFIX".into());
    };
    let options = Options::default();
    // The client's own retries are switched off. A hidden retry of a conditional PUT that has landed
    // comes back as "precondition failed". The manifest finds out that it was its own, but that
    // costs a request more; and it has patience of its own.
    let retries = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries).build()?;

    let (prefix, env) = (Path::parse(prefix)?, Arc::new(TokioEnv::new()));
    // The store is asked first whether it honours conditional writes: some do not.
    let manifest = match Manifest::open_or_create(Arc::new(store), prefix, env, options).await {
        Err(Error::UnsupportedStore { missing }) => {
            return Err(format!("this store cannot hold a manifest, it lacks {missing}").into());
        }
        other => other?,
    };
    println!("open at commit {}", manifest.head_info().seq);

    let mut add = manifest.transaction();
    let number = manifest.head_info().seq + 1;
    add.put(format!("file/{number:06}"), "rows");
    match add.commit().await {
        Ok(commit) => println!("commit {} is number {}: one request", commit.id, commit.seq),
        // Neither committed nor refused: ask again later, from any process.
        Err(Error::OutcomeUnknown { id }) => println!("{id}: {:?}", manifest.status(id).await?),
        Err(error) => return Err(error.into()),
    }
    println!("{} files", manifest.read().await?.scan(..).len());
    Ok(())
}
