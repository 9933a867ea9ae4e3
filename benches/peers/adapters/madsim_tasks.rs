//! madsim with tasks and its virtual time, without nodes and network.

use std::ops::Range;
use std::time::Duration;

use madsim::Config;
use madsim::rand::Rng;
use madsim::runtime::Runtime;

use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

struct Client;

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        madsim::time::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        workload::call_asleep(self, request).await
    }
}

/// A random number in `0..bound` from the generator of the running world.
pub(crate) fn below(bound: u32) -> u32 {
    madsim::rand::thread_rng().gen_range(0..bound)
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let elapsed = Runtime::with_seed_and_config(seed, Config::default()).block_on(async {
            let tasks: Vec<_> = workload::clients()
                .map(|number| madsim::task::spawn(workload::client(number, Client)))
                .collect();
            for task in tasks {
                task.await.expect("nobody panics");
            }
            madsim::time::TimeHandle::current().elapsed()
        });
        world::end().witness(elapsed.as_nanos() as u64)
    })
}
