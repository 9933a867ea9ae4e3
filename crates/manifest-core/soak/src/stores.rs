//! The stores that a run can be made on, and the options of the manifest on them.
//!
//! **The retries of `object_store`'s client are off** (`max_retries: 0`), and so they should be in
//! production. The client repeats a PUT that got a 5xx or a broken connection; if the first copy had
//! landed, the second one fails with 412, and the caller is told "precondition failed" of its own
//! success. `manifest-core` survives that, because it takes no failure of a PUT at its word; but each
//! such answer costs it a GET, and the client waits between its tries by a clock that nobody sees.

use std::sync::Arc;
use std::time::Duration;

use local_store::{Blocking, LocalStore};
use manifest_core::{Error, Manifest, Options, TokioEnv};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::cli::{Common, Durability};

/// A store, and the prefix of the manifest on it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    is_local: bool,
}

/// How patient a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    Calm,
    /// It gives requests up long before they are answered.
    Hasty,
}

impl Place {
    /// # Errors
    /// A sentence, if the store cannot be opened.
    pub(crate) fn open(common: &Common) -> Result<Self, String> {
        let (scheme, rest) =
            common.store.split_once("://").ok_or("the store has no scheme, such as file://")?;
        if scheme == "file" {
            let durability = match common.durability {
                Durability::ProcessCrash => local_store::Durability::ProcessCrash,
                Durability::PowerLoss => local_store::Durability::PowerLoss,
            };
            let options = local_store::Options { durability, blocking: Blocking::TokioPool };
            let store = LocalStore::open(rest, options).map_err(|error| error.to_string())?;
            return Ok(Self { store: Arc::new(store), prefix: "soak".into(), is_local: true });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, "soak"));
        let store = remote(scheme, bucket, &common.endpoint).map_err(|error| error.to_string())?;
        Ok(Self { store, prefix: prefix.into(), is_local: false })
    }

    /// Opens the manifest, or creates it.
    ///
    /// # Errors
    /// As `Manifest::open_or_create`.
    pub(crate) async fn manifest(
        &self,
        common: &Common,
        temper: Temper,
    ) -> Result<Manifest, Error> {
        let env = Arc::new(TokioEnv::new());
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        Manifest::open_or_create(store, prefix, env, self.options(common, temper)).await
    }

    /// Small limits, so that a minute holds many seals, folds, merges and pins that lapse.
    fn options(&self, common: &Common, temper: Temper) -> Options {
        let (backoff_min, backoff_max) = if self.is_local {
            (Duration::from_millis(2), Duration::from_millis(100))
        } else {
            (Duration::from_millis(10), Duration::from_millis(500))
        };
        Options {
            tail_limit_bytes: 16 << 10,
            head_limit_bytes: 64 << 10,
            inline_limit_bytes: 8 << 10,
            attempt_timeout: match temper {
                Temper::Calm => Duration::from_secs(5),
                Temper::Hasty => common.hasty,
            },
            commit_deadline: match temper {
                Temper::Calm => Duration::from_secs(20),
                Temper::Hasty => common.hasty * 30,
            },
            backoff_min,
            backoff_max,
            checkpoint_block_bytes: 4 << 10,
            fold_step: 4,
            merge_limit_bytes: 256 << 10,
            pin_ttl: Duration::from_secs(2),
            ..Options::default()
        }
    }
}

fn remote(
    scheme: &str,
    bucket: &str,
    endpoint: &str,
) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let client = ClientOptions::new().with_allow_http(true);
    match scheme {
        "s3" => {
            let store = AmazonS3Builder::new()
                .with_endpoint(endpoint)
                .with_client_options(client)
                .with_retry(retry)
                .with_region("us-east-1")
                .with_bucket_name(bucket)
                .with_access_key_id("test")
                .with_secret_access_key("test")
                .build()?;
            Ok(Arc::new(store))
        }
        "azure" => {
            let store = MicrosoftAzureBuilder::new()
                .with_endpoint(format!("{endpoint}/devstoreaccount1"))
                .with_client_options(client)
                .with_retry(retry)
                .with_account("devstoreaccount1")
                // The well-known key of the emulator's account.
                .with_access_key(concat!(
                    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTO",
                    "tr/KBHBeksoGMGw=="
                ))
                .with_container_name(bucket)
                .build()?;
            Ok(Arc::new(store))
        }
        _ => Err(object_store::Error::NotImplemented {
            operation: format!("the scheme {scheme}"),
            implementer: "soak".into(),
        }),
    }
}
