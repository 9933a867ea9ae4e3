//! The simulators, each in the way in which its users would write this world.

mod bare;
mod madsim_rpc;
mod madsim_tasks;
mod shuttle_tasks;
mod sim_device;
mod sim_tasks;
mod tokio_channel;
mod tokio_tasks;
mod turmoil_tasks;
mod turmoil_tcp;

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::world::Tally;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The simulator and how it is used.
    pub(crate) name: &'static str,
    /// What it does for each request, so that a reader can weigh its number.
    pub(crate) does: &'static str,
    /// Runs one world for each seed.
    pub(crate) run: fn(Range<u64>) -> Tally,
}

/// All rows; the first is what the others are compared with.
pub(crate) const PEERS: [Peer; 10] = [
    Peer {
        name: "sim, store device",
        does: "request, apply and reply as events of a store outside the clients; keyed ChaCha draw, 3 traced and hashed events for each request; order of ready tasks drawn",
        run: sim_device::run,
    },
    Peer {
        name: "sim, tasks",
        does: "clients sleep there and back; keyed ChaCha draw for each sleep; order of ready tasks drawn",
        run: sim_tasks::run,
    },
    Peer {
        name: "bare executor",
        does: "a floor, not a simulator: boxed futures, a timer heap, clients sleep there and back",
        run: bare::run,
    },
    Peer {
        name: "madsim, tasks",
        does: "clients sleep there and back; order of ready tasks drawn",
        run: madsim_tasks::run,
    },
    Peer {
        name: "madsim, RPC",
        does: "6 nodes, simulated network of typed messages, a handler task for each request",
        run: madsim_rpc::run,
    },
    Peer {
        name: "tokio paused, tasks",
        does: "clients sleep there and back (1 ms timer wheel); fixed order of ready tasks",
        run: tokio_tasks::run,
    },
    Peer {
        name: "tokio paused, store task",
        does: "as above, and the register is a task behind a channel",
        run: tokio_channel::run,
    },
    Peer {
        name: "turmoil, tasks",
        does: "clients are tasks of one host and sleep there and back; ticks of 1 ms",
        run: turmoil_tasks::run,
    },
    Peer {
        name: "turmoil, TCP",
        does: "6 hosts with a runtime each, simulated TCP connections; ticks of 1 ms",
        run: turmoil_tcp::run,
    },
    Peer {
        name: "shuttle, tasks",
        does: "no time: a sleep is one yield; every switch of tasks is drawn; stackful tasks",
        run: shuttle_tasks::run,
    },
];

/// Runs `world` for each seed.
fn each(seeds: Range<u64>, mut world: impl FnMut(u64) -> Tally) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        tally.add(world(seed));
    }
    tally
}

/// Random numbers of one client, for simulators that have none of their own.
#[derive(Debug)]
struct ClientRng(ChaCha8Rng);

impl ClientRng {
    fn new(seed: u64, client: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(client));
        ClientRng(rng)
    }

    fn below(&mut self, bound: u32) -> u32 {
        scaled(self.0.next_u32(), bound)
    }
}

/// Maps a random word to `0..bound`.
fn scaled(word: u32, bound: u32) -> u32 {
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}
