//! The systems that `vopr` knows by name.

mod manifest;

use std::sync::Arc;

pub use manifest::ManifestSystem;

use crate::system::SystemUnderTest;

/// Every built-in system; the first one is the default.
#[must_use]
pub fn all() -> Vec<Arc<dyn SystemUnderTest>> {
    vec![Arc::new(ManifestSystem::sound())]
}
