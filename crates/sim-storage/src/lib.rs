//! A simulated object store with the behaviour, the latencies and the faults of the real ones.
//!
//! Code that uses a store through `object_store::ObjectStore` runs against it unchanged, inside a
//! world of the [`sim`] engine. Three layers, each usable without the ones after it:
//!
//! | layer | what it is |
//! |---|---|
//! | [`model`] | the truth: objects, versions, conditions, listings, multipart uploads; no time of its own, no faults, no client library |
//! | [`profile`], [`latency`] | how S3, S3 Express, GCS, Azure, R2, MinIO, a local file system and the S3 of old differ, as data |
//! | [`SimStore`], [`fault`] | requests in flight in virtual time, with faults; and [`Client`], one handle for each process |
//!
//! [`conformance`] is the suite of cases that the simulated store and the real ones must both pass.
//!
//! The truth is kept apart from the faults: a checker reads it with [`SimStore::with_model`] or sees
//! every change while it happens with [`SimStore::watch`], whatever clients were told.
//!
//! ```
//! use std::sync::Arc;
//! use object_store::{ObjectStoreExt, path::Path};
//! use sim_storage::{Setup, SimStore, profile::Profile};
//!
//! let outcome = sim::run(&sim::Config::new(42), || async {
//!     let profile = Arc::new(Profile::s3());
//!     let store = SimStore::new(Arc::clone(&profile));
//!     store.begin(Setup::calm(profile));
//!     let writer = sim::add_process(sim::ProcessName { role: "writer", number: 1 });
//!     let client = store.client(writer);
//!     let task = sim::spawn_on(writer, async move {
//!         client.put(&Path::from("a/b"), "hello".into()).await.unwrap();
//!         client.get(&Path::from("a/b")).await.unwrap().bytes().await.unwrap()
//!     });
//!     task.await.unwrap()
//! });
//! assert_eq!(outcome, sim::Outcome::Done("hello".into()));
//! assert!(sim::now_ns() > 20_000_000, "two requests to S3 take their time");
//! ```

mod client;
pub mod conformance;
pub mod fault;
pub mod latency;
pub mod model;
pub mod profile;
mod store;

pub use client::Client;
pub use store::{
    BodyDamage, Bounds, DecidedFault, Failure, Outage, OutageKind, RequestKind, Setup, Severity,
    SimStore, WriteLimit,
};
