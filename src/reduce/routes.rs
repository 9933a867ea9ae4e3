//! Ways to a small plan.
//!
//! Which parts of a plan can go depends on which went before, so one way down ends at one plan of
//! many that cannot be made any smaller, and not at the smallest. So several ways are gone, the
//! cheap ones first, until the plan is small or what may be spent is spent. Small worlds cost little:
//! so the whole run is looked at piece by piece only if none of its sketches has led to a plan that
//! is short already.

use super::sketch::Order;
use super::{FEW_OPERATIONS, Reducer, Size, is_small};
use crate::plan::Plan;

/// Nobody goes through the whole run again for what a person reads in so few events.
const SHORT: u64 = 20;

/// Where a person reads so few events, not every route is gone: those up to this round of sketches.
const SHORTER: u64 = 12;
const SOON: u64 = 4;

/// From this round on sketches may keep an order that is drawn.
const DRAWN: u64 = 3;

/// A sketch of the whole may have so many operations more than the smallest plan so far.
const MORE_OPERATIONS: usize = 3;

/// Under how many seeds a candidate is tried when nothing else helps.
const SEEDS_OF_LUCK: u64 = 5;

/// A way to a small plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A small world that is drawn from the parts of another one.
    Sketched {
        /// Which sketches; each round has its own.
        round: u64,
        /// Whose parts.
        of: Palette,
    },
    /// From a large world to smaller ones in steps.
    Descended {
        /// Which steps; each round has its own.
        round: u64,
        /// From where.
        of: Palette,
    },
    /// The world is changed first, so that it fails sooner.
    Hastened,
    /// Parts are taken away from the world as it is.
    Direct,
    /// From the smallest plan so far, with other latencies.
    Calmer(u64),
}

/// What sketches are drawn from, and where a descent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    /// The plan that is to be reduced.
    Whole,
    /// The smallest plan so far.
    Best,
}

use Palette::{Best, Whole};

impl Route {
    /// All, in their order.
    pub(super) const ALL: [Route; 18] = [
        Route::Sketched { round: 0, of: Whole },
        Route::Descended { round: 1, of: Whole },
        Route::Sketched { round: 1, of: Whole },
        Route::Descended { round: 2, of: Whole },
        Route::Sketched { round: 2, of: Whole },
        Route::Hastened,
        Route::Descended { round: 3, of: Best },
        Route::Sketched { round: 3, of: Best },
        Route::Direct,
        Route::Sketched { round: 4, of: Whole },
        Route::Calmer(1),
        Route::Sketched { round: 5, of: Best },
        Route::Sketched { round: 6, of: Whole },
        Route::Calmer(2),
        Route::Sketched { round: 7, of: Best },
        Route::Sketched { round: 8, of: Whole },
        Route::Calmer(3),
        Route::Sketched { round: 9, of: Best },
    ];

    /// Whether it may lead any further down from a plan of this size. From an order that is drawn,
    /// every way is worth it.
    pub(super) fn is_worth(self, plan: &Plan, best: Size) -> bool {
        match self {
            _ if plan.world.schedule.is_some() => true,
            Route::Hastened | Route::Direct | Route::Descended { .. } => best.shown > SHORT,
            Route::Sketched { round, .. } => round <= SOON || best.shown > SHORTER,
            Route::Calmer(number) => number == 1 || best.shown > SHORTER,
        }
    }
}

impl Reducer<'_> {
    /// Reduces along one route, with half of what is left. `whole` is the plan that is to be reduced
    /// and `best` the smallest one so far, each with the size of its run.
    pub(super) fn go(&mut self, route: Route, whole: &(Plan, Size), best: &(Plan, Size)) {
        self.out = false;
        self.limit.1 = (self.limit.0 - self.tries) / 2;
        self.reserve = self.oracle.left() / 2;
        let is_from_whole = match route {
            Route::Hastened | Route::Direct => true,
            Route::Descended { of, .. } => of == Whole,
            Route::Sketched { .. } | Route::Calmer(_) => false,
        };
        (self.plan, self.size) = if is_from_whole { whole } else { best }.clone();
        match route {
            Route::Sketched { round, of } => {
                // What comes from the whole may end lower although it begins higher.
                let few = best.0.operations();
                let (palette, most) = match of {
                    Whole => (&whole.0, few + MORE_OPERATIONS),
                    Best => (&best.0, few.saturating_sub(1)),
                };
                let order = if round < DRAWN { Order::ByTime } else { Order::Either };
                if !self.sketch(palette, (round, order), most) {
                    return;
                }
            }
            Route::Hastened => {
                self.prune();
                self.hasten();
                self.scout();
            }
            Route::Direct => self.prune(),
            Route::Descended { round, .. } => {
                if !self.descend(round) {
                    return;
                }
            }
            Route::Calmer(number) => {
                if !self.try_calmer(&best.0, number) {
                    return;
                }
            }
        }
        self.settle();
        let settled = self.plan.clone();
        self.hasten();
        if self.plan != settled {
            self.settle();
        }
    }

    /// Makes the plan smaller until nothing helps any more.
    fn settle(&mut self) {
        let mut seeds = 1;
        loop {
            let before = self.plan.clone();
            self.seeds = seeds;
            self.leap();
            self.take_away();
            self.seeds = 1;
            self.merge_slots();
            self.shrink();
            self.smooth();
            self.prune();
            let has_few = self.plan.operations() <= FEW_OPERATIONS;
            seeds = match self.plan == before {
                _ if self.out => return,
                true if is_small(&self.plan, self.size) => return,
                true if self.redraw() => 1,
                true if seeds > 1 || has_few => return,
                true => SEEDS_OF_LUCK,
                false => 1,
            };
        }
    }
}
