//! madsim as its users write it: a store node, client nodes, calls over its simulated network.
//! Its default latency is 1 to 10 ms one way, which is that of this workload.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use madsim::Config;
use madsim::net::Endpoint;
use madsim::runtime::Runtime;

use super::madsim_tasks::below;
use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

impl madsim::net::rpc::Request for Request {
    type Response = Reply;
    const ID: u64 = 1;
}

struct Client {
    endpoint: Endpoint,
    store: SocketAddr,
}

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        madsim::time::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        self.endpoint
            .call(self.store, request)
            .await
            .expect("no fault is simulated")
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 1))
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let runtime = Runtime::with_seed_and_config(seed, Config::default());
        let elapsed = runtime.block_on(world_of_nodes());
        world::end().witness(elapsed.as_nanos() as u64)
    })
}

async fn world_of_nodes() -> Duration {
    let handle = madsim::runtime::Handle::current();
    let node = |host| handle.create_node().ip(address(host).ip()).build();
    let store = address(1);
    let served = node(1).spawn(async move {
        let endpoint = Endpoint::bind(store).await.expect("the address is free");
        endpoint.add_rpc_handler(|request: Request| async move { world::apply(request) });
    });
    served.await.expect("nobody panics");
    let tasks: Vec<_> = workload::clients()
        .map(|number| {
            let own = address(number as u8 + 2);
            node(number as u8 + 2).spawn(async move {
                let endpoint = Endpoint::bind(own).await.expect("the address is free");
                workload::client(number, Client { endpoint, store }).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("nobody panics");
    }
    madsim::time::TimeHandle::current().elapsed()
}
