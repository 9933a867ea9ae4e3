//! One process that serves the others: rounds of its duty, with pauses, until all clients are done.

use std::rc::Rc;

use sim::{ProcessId, Site};

use super::blow;
use crate::world::{Opened, World};

/// Does rounds of duty `duty` for as long as clients have operations left.
pub(super) async fn run(
    world: Rc<World>,
    index: usize,
    process: ProcessId,
    opened: Opened,
    duty: usize,
) {
    let slot = &world.slots[index];
    while !world.clients_are_done() {
        let number = slot.begin_round();
        blow::strike_at(&world, index, number, process);
        opened.account.begin_duty(duty);
        opened.session.serve(duty).await;
        opened.account.end();
        // In thousandths of the whole.
        let pause = sim::draw(process, Site::THINK).below(0, 1000);
        sim::sleep(world.options.duty_pause * pause / 1000).await;
    }
}
