//! Where system calls are made: in the future that asks for them, or on threads that may block.
//!
//! In place, a request is done within one poll: a future that is dropped has either done all of it
//! or nothing. On a pool, a future that is dropped leaves its request running: it is done whole, or
//! not at all if the runtime ends before it began. In no case is a lock held while a future waits.

use object_store::Result;

use crate::options::Blocking;

impl Blocking {
    /// Runs a stretch of blocking work.
    pub(crate) async fn run<T, F>(self, work: F) -> Result<T>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        match self {
            Blocking::InPlace => work(),
            #[cfg(feature = "tokio")]
            Blocking::TokioPool => match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|error| {
                    let source = Box::new(error);
                    Err(object_store::Error::Generic { store: "LocalStore", source })
                }),
                Err(_) => work(),
            },
        }
    }
}
