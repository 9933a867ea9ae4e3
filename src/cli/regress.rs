//! `vopr regress [DIR]`: kept plans, run again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::failure::{Exit, UsageError};
use super::plans;
use crate::plan::{Failure, Plan};
use crate::regress::{Outcome, check};
use crate::system::SystemUnderTest;
use crate::world::Arena;

/// Flags of `vopr regress`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
With its planted bug a plan must fail by the rule that it expects; without the bug it must pass.\n\
A plan without a bug must pass. Exit codes: 0 all hold; 2 a file is no plan; 10, 11, 12 the sound\n\
system fails; 15 a plan does not fit the code any more, or does not fail any more: reduce the bug\n\
anew, or delete the file.")]
pub struct RegressArgs {
    /// A directory of plans, or one plan.
    #[arg(value_name = "DIR", default_value = "regressions")]
    pub place: PathBuf,
}

/// Runs all plans of a directory.
pub(super) fn run(
    args: &RegressArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    crate::panics::install();
    let arena = Arena::new();
    let mut out = std::io::stdout().lock();
    let (mut exits, mut held) = (Vec::new(), 0);
    let files = files(&args.place)?;
    for path in &files {
        let (exit, line) = judge(&arena, path, systems);
        held += usize::from(exit == Exit::Pass);
        exits.push(exit);
        // Who closes the pipe early has seen enough.
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{held} of {} plans hold", files.len());
    Ok(exits.into_iter().max_by_key(weight).unwrap_or(Exit::Pass))
}

/// A system that is not sound outweighs a plan that is of no use.
fn weight(exit: &Exit) -> u8 {
    match exit {
        Exit::Pass => 0,
        Exit::Usage => 1,
        Exit::Simulator => 2,
        Exit::NoProgress => 3,
        Exit::Panic => 4,
        _ => 5,
    }
}

/// The plans of a directory by name, or the one plan.
fn files(place: &Path) -> Result<Vec<PathBuf>, UsageError> {
    let path = place.display().to_string();
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let failed =
        |source: std::io::Error| UsageError::Plan { path: path.clone(), source: source.into() };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort_unstable();
    if files.is_empty() { Err(UsageError::NoPlans { path }) } else { Ok(files) }
}

/// Runs one plan and says in one line what became of it.
fn judge(arena: &Arena, path: &Path, systems: &[Arc<dyn SystemUnderTest>]) -> (Exit, String) {
    let name = path.display();
    let plan = match Plan::read(path) {
        Ok(plan) => plan,
        Err(error) => return (Exit::Usage, format!("NO PLAN      {name}: {error}")),
    };
    let suspect = match plans::suspect(&plan, systems) {
        Ok(suspect) => suspect,
        Err(misfit) => return no_longer_fits(&name, &misfit),
    };
    let bug = plan.bug.as_deref().unwrap_or("no bug");
    match check(arena, &plan, &suspect) {
        Outcome::Holds { failure: None, size } => {
            (Exit::Pass, format!("holds        {name}: passes ({} events)", size.events))
        }
        Outcome::Holds { failure: Some(failure), size } => {
            let line = format!(
                "holds        {name}: {failure} with {bug} ({} events), passes without",
                size.events
            );
            (Exit::Pass, line)
        }
        Outcome::Fails(failure) => {
            (Exit::of_failure(&failure), format!("FAIL         {name}: {failure} without a bug"))
        }
        Outcome::NoLongerFails { expected, found } => {
            let say = |failure: Option<Failure>| match failure {
                Some(failure) => failure.to_string(),
                None => String::from("it passes"),
            };
            let (expected, found) = (say(expected), say(found));
            no_longer_fits(&name, &format!("{expected} is expected with {bug}; found: {found}"))
        }
        Outcome::Misfit(misfit) => no_longer_fits(&name, &misfit),
    }
}

fn no_longer_fits(name: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> (Exit, String) {
    (Exit::Simulator, format!("NO LONGER FITS {name}: {why}"))
}
