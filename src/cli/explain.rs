//! `vopr explain SEED|FILE`: the story of a failure in lanes.

use std::sync::Arc;

use super::args::ExplainArgs;
use super::failure::{Exit, UsageError};
use super::report::told;
use super::say;
use crate::report::{json_of, to_lanes};
use crate::system::SystemUnderTest;

/// Runs the seed or the plan and prints its lanes. The exit code is that of the run, as in `replay`.
pub(super) fn run(
    args: &ExplainArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let (mut report, exit) = told(&args.show, systems)?;
    let text = match args.json {
        false => to_lanes(&report),
        true => {
            // The story needs no more of the trace than its own events.
            let events = report.full.story_events();
            report.full.trace.retain(|row| events.binary_search(&row.event).is_ok());
            json_of(&report)
        }
    };
    say(&text);
    Ok(exit)
}
