//! How long requests take, measured as a client would: the quantiles of many requests of each kind,
//! under every profile, against the log-normal distribution of the profile's table.
//!
//! Writes are limited on some profiles, so the world's own limits are off; a request that is refused
//! by its condition takes as long as one that is not.

use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use sim_storage::latency::{LogNormal, Operation};
use sim_storage::profile::Profile;
use sim_storage::{Client, Setup, Severity};

use crate::world::{path, run};

const REQUESTS: usize = 3_000;

const OPERATIONS: [Operation; 6] = [
    Operation::Get,
    Operation::Put,
    Operation::ConditionalPut,
    Operation::List,
    Operation::Delete,
    Operation::Copy,
];

/// One request of this kind. Bodies are empty, so that sizes cost nothing.
async fn request(client: &Client, operation: Operation) {
    let (here, there) = (path("d/here"), path("d/there"));
    match operation {
        Operation::Get => {
            client.get(&here).await.expect("it is there");
        }
        Operation::Put => {
            client.put(&here, "".into()).await.expect("nothing fails");
        }
        Operation::ConditionalPut => {
            let create = PutMode::Create.into();
            client.put_opts(&here, "".into(), create).await.expect_err("it is there");
        }
        Operation::List => {
            client.list(Some(&path("d"))).try_collect::<Vec<_>>().await.expect("nothing fails");
        }
        Operation::Delete => {
            // Some stores mind that it is not there.
            let _ = client.delete(&path("d/nothing")).await;
        }
        Operation::Copy => client.copy(&here, &there).await.expect("nothing fails"),
    }
}

/// The times of many requests, sorted, in nanoseconds.
async fn times(client: Client, operation: Operation) -> Vec<u64> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let sent_ns = sim::now_ns();
        request(&client, operation).await;
        times.push(sim::now_ns() - sent_ns);
    }
    times.sort_unstable();
    times
}

/// The quantile that lies `z` standard deviations above the median, in nanoseconds.
fn expected(table: &LogNormal, z: f64) -> f64 {
    let bulk = f64::from(table.median_us) * (z * f64::from(table.sigma_milli) / 1000.0).exp();
    bulk.max(f64::from(table.floor_us)) * 1000.0
}

#[test]
fn quantiles_of_every_operation_are_those_of_the_profile() {
    for profile in Profile::all() {
        let profile = Arc::new(profile);
        for operation in OPERATIONS {
            let times = run(Setup::calm(Arc::clone(&profile)), move |world| async move {
                world.store.set_severity(Severity::default());
                let client = world.client(0);
                let measured = async move {
                    request(&client, Operation::Put).await;
                    times(client, operation).await
                };
                world.on(0, measured).await
            });
            let table = profile.latencies.of(operation);
            for (share, z) in [(0.25, -0.67449), (0.5, 0.0), (0.75, 0.67449), (0.9, 1.28155)] {
                let got = times[(share * REQUESTS as f64) as usize] as f64;
                let expected = expected(table, z);
                assert!(
                    (got / expected - 1.0).abs() < 0.05,
                    "{} {operation:?} p{}: {got} ns, {expected} ns expected",
                    profile.name,
                    share * 100.0
                );
            }
        }
    }
}
