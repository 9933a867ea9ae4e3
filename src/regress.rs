//! Regressions: kept plans, run again.
//!
//! A plan that was kept for a planted bug must still fail with the bug, by the same rule, and must
//! pass without it. A plan that was kept for a bug which has been mended must pass. Code changes,
//! and a plan that no longer fits must never pass by accident: if it does not fail where it should,
//! or if nothing of what it plans happens, it has lost its worth, and that is said.

use sim::trace::Keep;

use crate::plan::{Failure, Misfit, Plan, replay};
use crate::reduce::{Size, Suspect};
use crate::world::Arena;

/// What became of a kept plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be.
    Holds {
        /// The failure with its bug; `None` for a plan without one.
        failure: Option<Failure>,
        /// How large its run is.
        size: Size,
    },
    /// The sound system fails.
    Fails(Failure),
    /// With its bug it does not fail as it says.
    NoLongerFails {
        /// What it says.
        expected: Option<Failure>,
        /// What it does; `None`: it passes.
        found: Option<Failure>,
    },
    /// It does not fit the system any more.
    Misfit(Misfit),
}

/// Runs a kept plan with and without its bug.
#[must_use]
pub fn check(arena: &Arena, plan: &Plan, suspect: &Suspect) -> Outcome {
    look(arena, plan, suspect).unwrap_or_else(Outcome::Misfit)
}

fn look(arena: &Arena, plan: &Plan, suspect: &Suspect) -> Result<Outcome, Misfit> {
    let ran = replay(arena, plan, &suspect.system, Keep::Hash)?;
    let planned = plan.faults();
    let nothing_struck = planned > 0 && ran.struck == 0;
    let size = Size::of(&ran.report);
    let Some(sound) = &suspect.sound else {
        return match ran.failure {
            Some(failure) => Ok(Outcome::Fails(failure)),
            None if nothing_struck => Err(Misfit::NothingStruck { planned }),
            None => Ok(Outcome::Holds { failure: None, size }),
        };
    };
    if ran.failure.is_none() || ran.failure != plan.expect.failure {
        if nothing_struck {
            return Err(Misfit::NothingStruck { planned });
        }
        let expected = plan.expect.failure.clone();
        return Ok(Outcome::NoLongerFails { expected, found: ran.failure });
    }
    let without = replay(arena, plan, sound, Keep::Hash)?;
    Ok(match without.failure {
        Some(failure) => Outcome::Fails(failure),
        None => Outcome::Holds { failure: ran.failure, size },
    })
}
