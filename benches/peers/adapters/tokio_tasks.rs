//! tokio's current-thread runtime with a paused clock: the register is shared, the clients sleep.
//! A runtime for each world, as `#[tokio::test(start_paused = true)]` makes one for each test.

use std::ops::Range;
use std::time::Duration;

use super::ClientRng;
use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

/// A client that sleeps on tokio's clock; turmoil's hosts use it as well.
pub(crate) struct Client(pub(crate) ClientRng);

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        workload::call_asleep(self, request).await
    }
}

/// Spawns all clients of a world and waits for them.
pub(crate) async fn all_clients(seed: u64) {
    let mut tasks = Vec::new();
    for number in workload::clients() {
        let client = Client(ClientRng::new(seed, number));
        tasks.push(tokio::spawn(workload::client(number, client)));
    }
    for task in tasks {
        task.await.expect("nobody panics");
    }
}

/// A runtime whose clock jumps to the next timer when nothing is ready.
pub(crate) fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can always be built")
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let elapsed = paused().block_on(async {
            let start = tokio::time::Instant::now();
            all_clients(seed).await;
            start.elapsed()
        });
        world::end().witness(elapsed.as_nanos() as u64)
    })
}
