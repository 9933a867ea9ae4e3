//! tokio with a paused clock, and the register as a task behind a channel: the client sleeps
//! there, the task answers through a oneshot channel, the client sleeps back.

use std::ops::Range;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{ClientRng, tokio_tasks};
use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

type Message = (Request, oneshot::Sender<Reply>);

struct Client {
    rng: ClientRng,
    store: mpsc::Sender<Message>,
}

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        let there = workload::latency(self);
        self.sleep(there).await;
        let (answer, reply) = oneshot::channel();
        self.store
            .send((request, answer))
            .await
            .expect("the store outlives its clients");
        let reply = reply.await.expect("the store answers");
        let back = workload::latency(self);
        self.sleep(back).await;
        reply
    }
}

async fn serve(mut requests: mpsc::Receiver<Message>) {
    while let Some((request, answer)) = requests.recv().await {
        // A client that went away needs no answer.
        let _ = answer.send(world::apply(request));
    }
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let elapsed = tokio_tasks::paused().block_on(async {
            let start = tokio::time::Instant::now();
            let (store, requests) = mpsc::channel(16);
            tokio::spawn(serve(requests));
            let mut tasks = Vec::new();
            for number in workload::clients() {
                let client = Client {
                    rng: ClientRng::new(seed, number),
                    store: store.clone(),
                };
                tasks.push(tokio::spawn(workload::client(number, client)));
            }
            for task in tasks {
                task.await.expect("nobody panics");
            }
            start.elapsed()
        });
        world::end().witness(elapsed.as_nanos() as u64)
    })
}
