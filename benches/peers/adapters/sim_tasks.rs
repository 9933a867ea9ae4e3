//! The engine with nothing but processes, tasks and sleeps.

use std::ops::Range;
use std::time::Duration;

use sim::{Config, Outcome, ProcessId, ProcessName, Site};

use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

struct Client(ProcessId);

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        sim::draw(self.0, Site::REQUEST).below(0, bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        sim::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        workload::call_asleep(self, request).await
    }
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let outcome = sim::run(&Config::new(seed), || async {
            let mut tasks = Vec::new();
            for number in workload::clients() {
                let process = sim::add_process(ProcessName {
                    role: "client",
                    number: number as u16,
                });
                tasks.push(sim::spawn_on(
                    process,
                    workload::client(number, Client(process)),
                ));
            }
            for task in tasks {
                task.await.expect("nobody crashes");
            }
        });
        assert_eq!(outcome, Outcome::Done(()));
        world::end().witness(sim::now_ns())
    })
}
