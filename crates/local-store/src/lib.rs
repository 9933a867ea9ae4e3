//! An object store on a directory, with conditional PUTs that are atomic among processes.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("local-store needs the locks and the atomic renames of a Unix");

mod blocking;
mod directories;
mod disk;
mod error;
mod header;
mod inner;
mod list;
mod names;
mod object;
mod options;
#[cfg(test)]
mod power_loss;
mod publish;
mod remove;
mod session;
mod store;
mod upload;

pub use error::Error;
pub use options::{Blocking, Durability, Options};
pub use session::Swept;
pub use store::LocalStore;
