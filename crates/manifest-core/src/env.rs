//! The world outside the store: time and randomness.
//!
//! The protocol asks its environment for three things and for nothing else. A production process
//! gets them from [`TokioEnv`] (feature `tokio`) or from its own runtime; a simulator hands out a
//! virtual clock and seeded numbers, and then runs the same code. No clock of one process is ever
//! compared with the clock of another, so [`Env::now`] may start anywhere and drift.

use std::time::Duration;

pub use futures_util::future::BoxFuture;

/// Time and randomness of one process.
pub trait Env: Send + Sync + std::fmt::Debug {
    /// Monotonic time since an arbitrary moment. It never goes backwards.
    fn now(&self) -> Duration;

    /// Completes when at least `d` has passed on this process's clock.
    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()>;

    /// A uniformly distributed number.
    ///
    /// Writer ids, nonces and object names are made of it: two processes on one prefix must never
    /// draw the same sequence.
    fn random_u64(&self) -> u64;

    /// What the wall clock shows, in milliseconds from any epoch that is common to all processes.
    ///
    /// Exists only for a planted bug, `lease-skew`: the protocol never asks for it.
    #[cfg(feature = "planted-bugs")]
    fn wall_ms(&self) -> i64 {
        i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Two draws as one number.
pub(crate) fn random_u128(env: &dyn Env) -> u128 {
    (u128::from(env.random_u64()) << 64) | u128::from(env.random_u64())
}

/// The [`Env`] of a tokio runtime with its time driver enabled.
///
/// It follows a paused tokio clock, so tests that pause time stay instant.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone)]
pub struct TokioEnv {
    start: tokio::time::Instant,
}

#[cfg(feature = "tokio")]
impl TokioEnv {
    /// An environment whose clock starts now.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

#[cfg(feature = "tokio")]
impl Default for TokioEnv {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "tokio")]
impl Env for TokioEnv {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(d))
    }

    /// # Panics
    /// If the operating system has no random source: without one, no id would be unique.
    fn random_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system's random source")
    }
}
