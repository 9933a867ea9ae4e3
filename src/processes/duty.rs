//! One process that serves the others: rounds of its duty, with pauses between them.

use std::rc::Rc;

use sim::ProcessId;
use sim_storage::fault::Moment;

use super::blow;
use crate::world::{Opened, World};

/// Does rounds of duty `duty` for as long as clients have operations left, or as a script says.
pub(super) async fn run(
    world: Rc<World>,
    index: usize,
    process: ProcessId,
    opened: Opened,
    duty: usize,
) {
    let slot = &world.slots[index];
    while let Some(round) = slot.begin_round(&world, process) {
        world.store.reach(process, Moment::Operation(round.number));
        blow::strike_at(&world, index, round.number, process);
        opened.account.begin_duty(duty);
        opened.session.serve(duty, round.number).await;
        opened.account.end();
        sim::sleep(round.pause).await;
    }
}
