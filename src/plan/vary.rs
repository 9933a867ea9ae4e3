//! Variations: a plan that is run otherwise than it says, to find out what matters in it.
//!
//! A plan gives one run, and one run is no evidence: it fails or it does not. So a variation draws
//! afresh what the plan does not care about, from a seed of its own:
//!
//! * [`Variation::latencies`] keeps all that is written down. Requests that the plan does not
//!   mention take between a quarter and four times as long as usual (or within narrower bounds),
//!   the system is given other randomness, and ready tasks run in another order.
//! * [`Variation::future`] is the plan's own run up to an event. From there on nothing is kept but
//!   processes and operations: every request is drawn, with faults at given rates, and what would
//!   befall processes later does not.
//!
//! Requests never take so long that a client would give up: that would be a fault.

use std::sync::Arc;

use sim::trace::Keep;
use sim::{Fresh, Seed};
use sim_storage::fault::{Chance, FaultRates, Spread};

use super::build::blueprint;
use super::{Misfit, Plan, Trial};
use crate::swarm::{Blow, Judging};
use crate::system::SystemUnderTest;
use crate::world::{Arena, How, Patience, Recorded, run_world};

/// Of a client's patience with one request, what may be used up by latency, in percent.
const PATIENCE_PERCENT: u64 = 75;

/// How far from the usual latencies are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// From a quarter of the usual to four times as long.
    Wide,
    /// Within a fifth.
    Narrow,
    /// As usual.
    None,
}

impl Width {
    /// The widest first.
    pub(crate) const ALL: [Width; 3] = [Width::Wide, Width::Narrow, Width::None];

    fn spread(self, plan: &Plan) -> Spread {
        let usual_ns = plan.world.usual.there.0.saturating_add(plan.world.usual.back.0);
        let (least_ns, most_ns) = match self {
            Width::Wide => (usual_ns / 4, usual_ns.saturating_mul(4)),
            Width::Narrow => (usual_ns - usual_ns / 5, usual_ns.saturating_add(usual_ns / 5)),
            Width::None => (usual_ns, usual_ns),
        };
        let bearable_ns = plan.world.transport_timeout.0 / 100 * PATIENCE_PERCENT;
        Spread { least_ns, most_ns: most_ns.min(bearable_ns.max(usual_ns)) }
    }
}

/// What is otherwise than a plan says.
#[derive(Clone, Debug)]
pub(crate) struct Variation {
    chance: Chance,
    /// Decides the other draws of the world.
    seed: Seed,
    rates: FaultRates,
    /// By place: blows that do not strike.
    missed: Vec<usize>,
}

impl Variation {
    /// All that is written down, and the rest from `seed`.
    pub(crate) fn latencies(plan: &Plan, width: Width, seed: u64) -> Variation {
        let chance = match width {
            Width::None => Chance::Nothing,
            _ => Chance::Latencies(width.spread(plan)),
        };
        Variation { chance, seed: Seed::from(seed), rates: FaultRates::none(), missed: Vec::new() }
    }

    /// The plan's own run through the event `last`, and from there on another one, drawn from
    /// `seed`. `missed` are the blows that had not struck by then.
    pub(crate) fn future(
        plan: &Plan,
        last: u64,
        rates: &FaultRates,
        missed: Vec<usize>,
        seed: u64,
    ) -> Variation {
        let events = last + 1;
        let chance = Chance::Future { events, spread: Width::Wide.spread(plan) };
        let seed = plan.seed.turned(Fresh { from_event: events, seed });
        Variation { chance, seed, rates: rates.clone(), missed }
    }
}

/// Runs a variation of a plan.
pub(crate) fn run_varied(
    arena: &Arena,
    (plan, variation): (&Plan, &Variation),
    system: &Arc<dyn SystemUnderTest>,
    keep: Keep,
    recorded: Recorded,
    patience: Patience,
) -> Result<Trial, Misfit> {
    let mut blueprint = blueprint(plan, &**system)?;
    if let Some(script) = &mut blueprint.script {
        Arc::make_mut(script).chance = variation.chance;
    }
    blueprint.options.rates = variation.rates.clone();
    for &place in &variation.missed {
        blueprint.options.blows[place].blow = Blow::Nothing;
    }
    let how = How { keep, recorded, judging: Judging::On, patience };
    let (report, recording) = run_world(arena, &variation.seed, system, how, || blueprint);
    Ok(Trial { report, recording })
}
