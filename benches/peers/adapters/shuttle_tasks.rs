//! shuttle with its asynchronous tasks and the random scheduler. It has no time: a sleep is one
//! yield, after which any task may run. One runner for all seeds, as its users have one for all
//! iterations, so that the stacks are reused: the first seed decides all worlds of a run.

use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

use shuttle::rand::Rng;
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};

use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

struct Client;

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        shuttle::rand::thread_rng().gen_range(0..bound)
    }

    async fn sleep(&mut self, _duration: Duration) {
        shuttle::future::yield_now().await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        workload::call_asleep(self, request).await
    }
}

thread_local! {
    static TALLY: Cell<Tally> = Cell::default();
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    TALLY.set(Tally::default());
    let worlds = (seeds.end - seeds.start) as usize;
    let scheduler = RandomScheduler::new_from_seed(seeds.start, worlds);
    Runner::new(scheduler, Config::default()).run(|| {
        world::begin();
        shuttle::future::block_on(async {
            let tasks: Vec<_> = workload::clients()
                .map(|number| shuttle::future::spawn(workload::client(number, Client)))
                .collect();
            for task in tasks {
                task.await.expect("nobody is aborted");
            }
        });
        let mut tally = TALLY.get();
        tally.add(world::end());
        TALLY.set(tally);
    });
    TALLY.get()
}
