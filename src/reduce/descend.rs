//! Down in steps: half of it, and half of that again.
//!
//! A sketch of a handful of operations fails only if a handful is enough, with luck; one that keeps
//! half of everybody's work fails more often, and what it fails with is half as large. So where no
//! small sketch fails the way down is gone in steps: what is drawn next is drawn from what failed
//! last. A step keeps as little as it can: half, and more only where so many tries have failed that
//! half is too little. For what a try costs, half, three quarters and seven eighths lead down
//! equally fast (measured on seven planted bugs: 0.4, 1.4 and 3.8 of 100 tries fail).

use super::dice::Dice;
use super::removal::{faults, keep_blows, keep_faults, keep_operations};
use super::sketch::{NUMBERS, another_blow, another_order, sketch, some};
use super::{Reducer, Size};
use crate::plan::Plan;

/// How many percent of the operations a step keeps.
const SHARES: [u64; 3] = [50, 75, 88];

/// Tries with one share.
const TRIES: usize = 60;

/// A step that leaves more than so many percent is none.
const MUCH: u64 = 95;

/// So often all shares are tried without a step, and the descent is over.
const ROUNDS: usize = 2;

/// A plan with so few operations is down.
const FEW: usize = 6;

/// What a route keeps of what it may spend, to settle where the descent has led.
const SETTLING: u64 = 3;

/// So many blows take the place of an order, at most.
const LATE: u64 = 3;

/// Places within a slot, from its beginning to its end.
const PLACES: u64 = 1000;

impl Reducer<'_> {
    /// Goes down as far as it leads. Says whether it led anywhere.
    pub(super) fn descend(&mut self, round: u64) -> bool {
        let dice = &mut Dice(round);
        let reserve = self.reserve;
        self.reserve += self.oracle.left().saturating_sub(reserve) / SETTLING;
        let (mut level, mut went) = (0, false);
        while !self.out && self.plan.operations() > FEW && level < ROUNDS * SHARES.len() {
            let place = level % SHARES.len();
            if self.step_down(SHARES[place], dice) {
                (level, went) = (place.saturating_sub(1), true);
            } else {
                level += 1;
            }
        }
        (self.reserve, self.out) = (reserve, false);
        went
    }

    /// Takes the first world with so many percent of the operations that fails and is lighter.
    fn step_down(&mut self, share: u64, dice: &mut Dice) -> bool {
        let (whole, before) = (self.plan.clone(), self.size);
        let culprit = self.culprit_of(&whole);
        let most = height(&whole, before) / 100 * MUCH;
        (0..TRIES).any(|_| {
            let number = dice.below(NUMBERS);
            let drawn = match dice.below(4) {
                0 => sketch(&whole, part(whole.operations(), share), culprit.as_deref(), number),
                _ => some_of_everything(&whole, share, culprit.as_deref(), number),
            };
            if self.out || !self.try_either(&drawn, culprit.as_deref(), number) {
                return false;
            }
            if height(&self.plan, self.size) <= most {
                return true;
            }
            (self.plan, self.size) = (whole.clone(), before);
            false
        })
    }

    /// As a sketch; but an order that is drawn is kept more often than not, or blows take its place:
    /// whoever was late by chance is late because it stood still.
    fn try_either(&mut self, drawn: &Plan, culprit: Option<&str>, number: u64) -> bool {
        if drawn.world.schedule.is_none() {
            return self.try_sketch(drawn, number);
        }
        if number % 5 >= 2 {
            return self.try_once(drawn.clone());
        }
        let mut by_time = drawn.clone();
        by_time.world.schedule = None;
        let dice = &mut Dice(number);
        for _ in 0..=dice.below(LATE) {
            another_blow(&mut by_time, culprit, dice);
        }
        match number % 5 {
            0 => self.try_once(by_time),
            _ => self.try_calmer(&by_time, number),
        }
    }
}

/// How far there is still to go: from the order of time the way is shorter.
fn height(plan: &Plan, size: Size) -> u64 {
    size.weight().saturating_mul(if plan.world.schedule.is_some() { 3 } else { 2 })
}

/// So many percent, rounded up.
fn part(of: usize, percent: u64) -> usize {
    (of as u64 * percent).div_ceil(100) as usize
}

/// Who does less than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Less {
    Everybody,
    /// Those with a duty.
    Duties,
    Clients,
}

/// Which operations of a slot stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    First,
    /// Those at the same place in every slot: what was done at the same time.
    Together,
    /// Those at another place in every slot.
    Anywhere,
    Scattered,
}

impl Less {
    fn drawn(dice: &mut Dice) -> Less {
        match dice.below(6) {
            0 => Less::Duties,
            1 => Less::Clients,
            _ => Less::Everybody,
        }
    }
}

impl Stay {
    fn drawn(dice: &mut Dice) -> Stay {
        match dice.below(5) {
            0 | 1 => Stay::First,
            2 => Stay::Together,
            3 => Stay::Anywhere,
            _ => Stay::Scattered,
        }
    }
}

/// So many percent of what everybody does, nearly as it was; now and then somebody is missing.
pub(super) fn some_of_everything(
    whole: &Plan,
    share: u64,
    culprit: Option<&str>,
    number: u64,
) -> Plan {
    let dice = &mut Dice(number);
    let (less, stay, place) = (Less::drawn(dice), Stay::drawn(dice), dice.below(PLACES));
    let mut kept = Vec::new();
    let mut from = 0;
    for slot in &whole.slots {
        let length = slot.numbers().count();
        let is_client = !slot.operations.is_empty();
        let all = from..from + length;
        from += length;
        match less {
            Less::Duties if is_client => kept.extend(all),
            Less::Clients if !is_client => kept.extend(all),
            _ if dice.below(2 * whole.slots.len() as u64) == 0 => {}
            _ if stay == Stay::Scattered => kept.extend(all.filter(|_| dice.below(100) < share)),
            _ => {
                let few = part(length, share);
                let room = (length - few) as u64;
                let skipped = match stay {
                    Stay::First => 0,
                    Stay::Together => room * place / PLACES,
                    _ => dice.below(room + 1),
                };
                kept.extend(all.skip(skipped as usize).take(few));
            }
        }
    }
    let mut plan = keep_operations(whole, &kept);
    match dice.below(6) {
        0 => plan = keep_blows(&plan, &some(plan.blows.len(), dice)),
        1 => plan = keep_faults(&plan, &some(faults(&plan), dice)),
        2 => another_blow(&mut plan, culprit, dice),
        _ => {}
    }
    if dice.below(2) == 0 {
        another_order(&mut plan, dice);
    }
    plan.seed = number.into();
    plan
}
