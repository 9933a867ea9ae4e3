//! Worlds in which upkeep is frequent, compared with what clients do.

use super::WorldOptions;
use super::words::Words;
use crate::system::{Snapshots, SystemUnderTest};

/// That somebody is late hurts where others go on meanwhile: duties without a process get one,
/// mostly; their rounds come soon after each other; and clients take their time, so that many
/// rounds pass, with snapshots in their hands.
pub(super) fn frequent_upkeep(
    words: &mut Words,
    world: &mut WorldOptions,
    system: &dyn SystemUnderTest,
) {
    for duty in 0..system.duties().len() {
        if !world.duties.contains(&duty) && words.chance(80) {
            world.duties.push(duty);
        }
    }
    world.duties.sort_unstable();
    let typical = world.tuning.typical_request;
    world.duty_pause = typical * words.spread(4, 64);
    world.think_max = typical * *words.pick(&[0, 2, 6, 12, 24]);
    if system.guarantees().snapshots == Snapshots::Held && world.mix.held_percent == 0 {
        world.mix.held_percent = *words.pick(&[0, 15, 45]);
    }
}
