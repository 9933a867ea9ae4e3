//! What the clients do, written once over the small trait [`Env`].
//!
//! Three writers and two readers do 40 operations each on one register. A writer reads value and
//! version, thinks, and compares-and-sets; on a conflict it starts over until it succeeds. A
//! reader reads. Every request takes 1 to 10 ms there and 1 to 10 ms back, so requests overtake
//! each other.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use crate::world::{self, Kind, Reply, Request};

/// Number of clients that write.
pub(crate) const WRITERS: u32 = 3;
/// Number of clients that read.
pub(crate) const READERS: u32 = 2;
/// Number of operations of each client.
pub(crate) const OPERATIONS: u32 = 40;

/// What one client may ask of its simulator.
pub(crate) trait Env {
    /// A random number in `0..bound`, decided by the seed.
    fn below(&mut self, bound: u32) -> u32;
    /// Waits for so long in virtual time.
    async fn sleep(&mut self, duration: Duration);
    /// Sends a request to the register and waits for its reply.
    async fn call(&mut self, request: Request) -> Reply;
}

/// The clients of a world, by number; the first [`WRITERS`] of them write.
pub(crate) fn clients() -> impl Iterator<Item = u32> {
    0..WRITERS + READERS
}

/// One client from its first operation to its last, with its polls counted.
pub(crate) async fn client(number: u32, env: impl Env) {
    let mut work = pin!(operations(number, env));
    poll_fn(|cx| {
        world::polled();
        work.as_mut().poll(cx)
    })
    .await;
}

async fn operations(number: u32, mut env: impl Env) {
    for count in 1..=OPERATIONS {
        if number < WRITERS {
            let value = u64::from(number) << 32 | u64::from(count);
            write(&mut env, number, value).await;
        } else {
            let operation = world::invoke(number, Kind::Read);
            let (version, value) = read(&mut env).await;
            world::returned(operation, version, value);
        }
    }
}

async fn write(env: &mut impl Env, number: u32, value: u64) {
    let operation = world::invoke(number, Kind::Write);
    loop {
        let (expected, _) = read(env).await;
        let thought = millis(env, 1, 5);
        env.sleep(thought).await;
        world::thought();
        let request = Request::CompareAndSet { expected, value };
        match env.call(request).await {
            Reply::Stored { version } => return world::returned(operation, version, value),
            Reply::Conflict => {}
            Reply::Value { .. } => panic!("the reply of a read to a compare-and-set"),
        }
    }
}

async fn read(env: &mut impl Env) -> (u64, u64) {
    match env.call(Request::Read).await {
        Reply::Value { version, value } => (version, value),
        reply => panic!("{reply:?} to a read"),
    }
}

/// A call as tasks with a shared register make it: the client itself sleeps there and back.
pub(crate) async fn call_asleep(env: &mut impl Env, request: Request) -> Reply {
    let there = latency(env);
    env.sleep(there).await;
    let reply = world::apply(request);
    let back = latency(env);
    env.sleep(back).await;
    reply
}

/// How long a message travels one way.
pub(crate) fn latency(env: &mut impl Env) -> Duration {
    millis(env, 1, 10)
}

/// From `low` to `high` milliseconds, in whole microseconds.
fn millis(env: &mut impl Env, low: u32, high: u32) -> Duration {
    let above_us = env.below((high - low) * 1000 + 1);
    Duration::from_micros(u64::from(low * 1000 + above_us))
}
