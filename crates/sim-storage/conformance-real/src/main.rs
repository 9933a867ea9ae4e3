//! The conformance suite and differential runs against a real server.
//!
//! ```text
//! conformance-real suite  s3|azure ENDPOINT
//! conformance-real differ s3|azure ENDPOINT single|concurrent OPERATIONS SEED
//! ```
//! `differ` compares with a profile that knows how the *emulator* deviates from the service that it
//! imitates: each deviation is a switch, and what is left must be equal.
//!
//! The bucket or container is called `conformance` and must exist. The client's own retries are off:
//! a hidden retry would be told of its own first copy. Exit codes: 0 all well, 1 the server does not
//! conform or differs, 2 wrong usage.

mod differ;
mod play;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3CopyIfNotExists};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use sim_storage::conformance::{self, Capabilities, Options, Support, Verdict};
use sim_storage::profile::{CopiedTag, MissingMatch, Profile};

use differ::Clients;

/// A server under test: a client for it, and the profile that it should behave like.
pub struct Server {
    store: Arc<dyn ObjectStore>,
    profile: Profile,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let outcome = match arguments.as_slice() {
        ["suite", kind, endpoint] => {
            server(kind, endpoint).and_then(|server| runtime.block_on(suite(&server)))
        }
        ["differ", kind, endpoint, clients @ ("single" | "concurrent"), operations, seed] => {
            let numbers = (operations.parse(), seed.parse());
            let (Ok(operations), Ok(seed)) = numbers else { return ExitCode::from(2) };
            let clients = if *clients == "single" { Clients::One } else { Clients::Several };
            server(kind, endpoint).and_then(|server| {
                runtime.block_on(differ::run(&server, clients, operations, seed))
            })
        }
        _ => {
            eprintln!(
                "usage: conformance-real suite s3|azure ENDPOINT\n       \
                 conformance-real differ s3|azure ENDPOINT single|concurrent OPERATIONS SEED"
            );
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(1)
        }
    }
}

fn server(kind: &str, endpoint: &str) -> Result<Server, String> {
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    // Servers close connections that idle; a request on one that is just being closed would fail.
    // A machine that is busy with other things is no reason to give up.
    let client = ClientOptions::new()
        .with_allow_http(true)
        .with_pool_idle_timeout(Duration::from_secs(2))
        .with_timeout(Duration::from_secs(300));
    match kind {
        "s3" => {
            let store = AmazonS3Builder::new()
                .with_endpoint(endpoint)
                .with_client_options(client)
                .with_retry(retry)
                .with_region("us-east-1")
                .with_bucket_name("conformance")
                .with_access_key_id("test")
                .with_secret_access_key("test")
                // Copy if absent is a multipart upload whose completion has a condition.
                .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
                .build()
                .map_err(|error| error.to_string())?;
            // ministack gives a copy the tag of its source, also if that was made from parts. S3
            // documents equal tags for the copy of an object that was not.
            let profile = Profile { copied_tag: CopiedTag::OfSource, ..Profile::s3() };
            Ok(Server { store: Arc::new(store), profile })
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
                .with_container_name("conformance")
                .build()
                .map_err(|error| error.to_string())?;
            // azurite answers a read with `If-Match` of a missing object with 412; the live service
            // says 404 (Azure/Azurite issue 2751).
            let missing_match = MissingMatch::PreconditionFailed;
            let profile = Profile { missing_match, ..Profile::azure() };
            Ok(Server { store: Arc::new(store), profile })
        }
        other => Err(format!("no such kind of server: {other}")),
    }
}

async fn suite(server: &Server) -> Result<(), String> {
    let mut claims = Capabilities::of(&server.profile);
    if server.profile.name == "azure" {
        // What Azure lacks and the simulated store has.
        claims =
            Capabilities { suffix_ranges: Support::Absent, backslash: Support::Absent, ..claims };
    }
    let options = Options { directory: "suite".into(), ..Options::default() };
    let results = conformance::run(Arc::clone(&server.store), claims, &options).await;
    for result in &results {
        println!("{result}");
    }
    let failed = results.iter().filter(|result| matches!(result.verdict, Verdict::Failed(_)));
    match failed.count() {
        0 => Ok(()),
        failed => Err(format!("rejected: {failed} of {} cases fail", results.len())),
    }
}
