//! Plans on the command line: which seed or file is meant, and which system a plan is for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use sim::{Seed, SeedError};

use super::failure::UsageError;
use crate::plan::{Misfit, Plan};
use crate::reduce::Suspect;
use crate::system::SystemUnderTest;

/// A seed or the file of a plan. What begins like a seed is one; a file of that name is `./42`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A seed.
    Seed(Seed),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Seed(seed) => write!(f, "seed {seed}"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for Source {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Source, SeedError> {
        let is_turned = text.split_once('@').is_some_and(|(start, _)| start.parse::<u64>().is_ok());
        match text.parse() {
            Ok(seed) => Ok(Source::Seed(seed)),
            Err(error) if is_turned => Err(error),
            Err(_) => Ok(Source::File(PathBuf::from(text))),
        }
    }
}

/// Reads a plan and finds its system among these.
pub(super) fn read(
    path: &Path,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<(Plan, Suspect), UsageError> {
    let name = path.display().to_string();
    let plan =
        Plan::read(path).map_err(|source| UsageError::Plan { path: name.clone(), source })?;
    let suspect =
        suspect(&plan, systems).map_err(|source| UsageError::Misfit { path: name, source })?;
    Ok((plan, suspect))
}

/// The system of a plan, with and without its bug.
pub(super) fn suspect(
    plan: &Plan,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Suspect, Misfit> {
    let sound = systems.iter().find(|system| system.name() == plan.system).ok_or_else(|| {
        let known: Vec<_> = systems.iter().map(|system| system.name()).collect();
        Misfit::System { wanted: plan.system.clone(), found: known.join(", ") }
    })?;
    match &plan.bug {
        None => Ok(Suspect { system: Arc::clone(sound), sound: None }),
        Some(bug) => {
            let system = sound
                .with_bug(bug)
                .ok_or_else(|| Misfit::Bug { system: sound.name().to_owned(), bug: bug.clone() })?;
            Ok(Suspect { system, sound: Some(Arc::clone(sound)) })
        }
    }
}
