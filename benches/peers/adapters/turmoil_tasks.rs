//! turmoil without its network: the clients are tasks of one host, which shows what its ticks cost.

use std::ops::Range;
use std::time::Duration;

use super::tokio_tasks;
use crate::world::{self, Tally};

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let mut simulation = turmoil::Builder::new()
            .rng_seed(seed)
            .simulation_duration(Duration::from_secs(3600))
            .build();
        simulation.client("clients", async move {
            tokio_tasks::all_clients(seed).await;
            Ok(())
        });
        simulation.run().expect("every client finishes");
        world::end().witness(simulation.elapsed().as_nanos() as u64)
    })
}
