//! Blows: what befalls processes and the store as a whole, and when.

use std::time::Duration;

use sim::{AimAt, Clock, Strike};
use sim_storage::OutageKind;

use super::WorldOptions;
use super::words::Words;
use crate::system::MarkInfo;

/// Something that happens to a process or to the whole store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blow {
    /// Nothing: where a variation of a plan leaves a blow out, and all else stays in its place.
    Nothing,
    /// The process crashes and starts again after a while.
    Crash {
        /// How long it is away.
        restart_after: Duration,
    },
    /// The process stops running for a while.
    Stall(Duration),
    /// The process reaches a step and is struck there.
    AtStep {
        /// Which process.
        struck: Struck,
        /// Which step.
        at: AimAt,
        /// How many such steps it passes unharmed before.
        after: u32,
        /// What happens there.
        strike: Strike,
    },
    /// A second process takes over the same slot while the first one lives on.
    Twin,
    /// The clock is set anew.
    Clock(Clock),
    /// The process cannot reach the store.
    Partition(Duration),
    /// The store as a whole is not well.
    Outage {
        /// How.
        kind: OutageKind,
        /// Share of requests, in parts per million.
        share_ppm: u32,
        /// How long.
        duration: Duration,
    },
}

/// Who is struck at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// The process that began the operation.
    Slot,
    /// Whichever process reaches the step.
    Whoever,
}

/// A blow, and when it falls: a while after a process of a slot began its n-th operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBlow {
    /// The slot, from 0: writers first, then readers.
    pub slot: u16,
    /// The operation of that slot, from 0.
    pub operation: u32,
    /// How long after its beginning.
    pub delay: Duration,
    /// What happens.
    pub blow: Blow,
}

pub(super) fn draw_blows(
    words: &mut Words,
    world: &WorldOptions,
    marks: &[MarkInfo],
) -> Vec<PlannedBlow> {
    let request = world.tuning.typical_request;
    let mut blows = Vec::new();
    let times = |words: &mut Words, percent: u32, most: u32| {
        if words.chance(percent) { words.between(1, most) } else { 0 }
    };
    let count = [
        times(words, 40, 4),
        times(words, 40, 4),
        times(words, 60, 3),
        times(words, 16, 2),
        times(words, 30, 3),
        times(words, 30, 2),
        times(words, 38, 3),
    ];
    for (kind, &count) in count.iter().enumerate() {
        for _ in 0..count {
            let span = request * words.spread(2, 256);
            let blow = match kind {
                0 => Blow::Crash { restart_after: span / 4 },
                1 => Blow::Stall(span),
                2 => {
                    // Half of the aims take steps as often as they are reached, the other half
                    // gives the rare ones the same chance.
                    let at = match words.chance(50) || marks.is_empty() {
                        true => AimAt::AnyStep,
                        false => AimAt::Step(words.pick(marks).name.to_owned()),
                    };
                    let strike = match words.chance(65) {
                        true => Strike::Stall(span),
                        false => Strike::Crash,
                    };
                    Blow::AtStep { struck: Struck::Slot, at, after: words.spread(1, 8) - 1, strike }
                }
                3 => Blow::Twin,
                4 => Blow::Clock(Clock {
                    wall_offset_ns: i64::from(words.between(0, 2000)) * 1_000_000 - 1_000_000_000,
                    drift_ppm: words.between(0, 100_000) as i32 - 50_000,
                }),
                5 => Blow::Partition(span / 2),
                _ => Blow::Outage {
                    kind: *words.pick(&[
                        OutageKind::Unreachable,
                        OutageKind::Throttling,
                        OutageKind::Failing,
                    ]),
                    share_ppm: *words.pick(&[100_000, 500_000, 1_000_000]),
                    duration: span / 2,
                },
            };
            let slot = words.below(u32::from(world.slots())) as u16;
            let rounds = if slot < world.client_slots() { world.operations } else { 12 };
            let operation = words.below(rounds);
            let delay = request * words.below(300) / 100;
            blows.push(PlannedBlow { slot, operation, delay, blow });
        }
    }
    blows
}
