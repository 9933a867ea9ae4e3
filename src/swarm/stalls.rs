//! The blows of a calm world: one or two stalls at named steps, and little else.
//!
//! Many of the worst mistakes need one thing only: that somebody sleeps between two steps for
//! longer than somebody else waits. Among random faults that is rare, and what a hundred other
//! faults do in the meantime hides it. So these worlds have (almost) no other faults, and the
//! lengths of their stalls are those that matter: a little less or more than a timer.

use std::time::Duration;

use sim::{AimAt, Strike};
use sim_storage::fault::FaultRates;

use super::blows::{Blow, PlannedBlow, Struck};
use super::faults::draw_rates;
use super::upkeep::frequent_upkeep;
use super::words::Words;
use super::{WorldOptions, faults};
use crate::system::{MarkInfo, Rarity, SystemUnderTest};

/// Lengths of stalls in percent of a timer: before it, just before and just after it, and well
/// after it.
const PERCENT_OF_A_TIMER: [u32; 8] = [50, 90, 110, 130, 160, 220, 300, 450];

/// Makes `world` calm, and plans its stalls.
pub(super) fn calm_with_stalls(
    words: &mut Words,
    world: &mut WorldOptions,
    system: &dyn SystemUnderTest,
) {
    world.give_up_ppm = 0;
    world.rates = if words.chance(50) { one_kind(words) } else { FaultRates::none() };
    frequent_upkeep(words, world, system);
    let timers = timers(world, system);
    let steps: Vec<&str> = system
        .marks()
        .iter()
        .filter(|mark: &&MarkInfo| mark.rarity != Rarity::PlantedOnly)
        .map(|mark| mark.name)
        .collect();
    world.blows.clear();
    for _ in 0..words.between(1, 2) {
        let at = aim_at(words, &steps);
        let struck = if words.chance(75) { Struck::Whoever } else { Struck::Slot };
        let stalls = words.chance(70);
        for _ in 0..*words.pick(&[1, 1, 2, 4]) {
            let strike = match stalls {
                true => Strike::Stall(length(words, &timers)),
                false => Strike::Crash,
            };
            let after = words.spread(1, 32) - 1;
            let blow = Blow::AtStep { struck, at: at.clone(), after, strike };
            let planned = plan(words, world, blow);
            world.blows.push(planned);
        }
    }
    if words.chance(25) {
        let planned = plan(words, world, Blow::Twin);
        world.blows.push(planned);
    }
    if words.chance(20) {
        let restart_after = length(words, &timers);
        let planned = plan(words, world, Blow::Crash { restart_after });
        world.blows.push(planned);
    }
}

/// A step by its name, any step of one operation, or any step at all. There are many more names
/// than operations, so operations bring those together that a name would miss.
fn aim_at(words: &mut Words, steps: &[&str]) -> AimAt {
    if steps.is_empty() || words.chance(10) {
        return AimAt::AnyStep;
    }
    if words.chance(50) {
        return AimAt::Step((*words.pick(steps)).to_owned());
    }
    let mut operations: Vec<&str> = steps.iter().map(|step| sim::operation_of(step)).collect();
    operations.dedup();
    AimAt::Operation((*words.pick(&operations)).to_owned())
}

/// A blow at an operation of a slot, early rather than late: an aim needs time to be reached.
fn plan(words: &mut Words, world: &WorldOptions, blow: Blow) -> PlannedBlow {
    let slot = words.below(u32::from(world.slots())) as u16;
    let rounds = if slot < world.client_slots() { world.operations } else { 12 };
    let operation = words.below(rounds.div_ceil(2));
    let delay = world.tuning.typical_request * words.below(300) / 100;
    PlannedBlow { slot, operation, delay, blow }
}

/// Faults of one kind, and few of them.
fn one_kind(words: &mut Words) -> FaultRates {
    let drawn = draw_rates(words);
    let on: Vec<_> =
        faults::REQUEST_FAULTS.into_iter().filter(|kind| drawn.rate(*kind) > 0).collect();
    match on.is_empty() {
        true => drawn,
        false => {
            let kind = *words.pick(&on);
            FaultRates::none().with(kind, drawn.rate(kind))
        }
    }
}

/// The times that somebody waits for something in this world.
fn timers(world: &WorldOptions, system: &dyn SystemUnderTest) -> Vec<Duration> {
    let own = system.timers(&world.tuning).into_iter().map(|(_, duration)| duration);
    let around = [world.transport_timeout, world.duty_pause, world.late_landing_max];
    own.chain(around).filter(|duration| !duration.is_zero()).collect()
}

fn length(words: &mut Words, timers: &[Duration]) -> Duration {
    *words.pick(timers) * *words.pick(&PERCENT_OF_A_TIMER) / 100
}
