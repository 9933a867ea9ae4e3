//! The command line.
//!
//! | file | what is in it |
//! |---|---|
//! | `args` | flags and verbs |
//! | `run` | `vopr run`: a campaign, its progress and its report |
//! | `bugs` | `vopr bugs`: how soon planted bugs are found |
//! | `check` | `vopr check FILE`: judge a recorded history |
//! | `faults` | `vopr faults`: what each fault of the store does |
//! | `marks` | `vopr marks`: what a campaign reached |
//! | `merge` | `vopr merge DIR...`: several runs as one |
//! | `worker` | runs stretches of seeds for another process |
//! | `signals` | who wants a run to end |
//! | `replay` | `vopr replay SEED|FILE`: one world with its full trace |
//! | `reduce` | `vopr reduce SEED|FILE`: a failing world made small |
//! | `regress` | `vopr regress DIR`: kept plans, run again |
//! | `plans` | plans on the command line: which file, which system |
//! | `explain` | `vopr explain SEED|FILE`: how one world fails, in lanes, and what that needs |
//! | `report` | `vopr report SEED|FILE`: one world as a page |
//! | `verify` | `vopr verify URL`: a manifest on a real store |
//! | `progress` | how far a campaign is |
//! | `failure` | exit codes and errors of usage |

mod args;
pub mod bugs;
pub mod check;
mod explain;
mod failure;
pub mod faults;
pub mod marks;
pub mod merge;
mod plans;
mod progress;
pub mod reduce;
pub mod regress;
mod replay;
mod report;
mod run;
mod signals;
pub mod verify;
pub mod worker;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::system::SystemUnderTest;

pub use args::{CampaignArgs, Cli, RunArgs, Verb, WorldArgs};
pub use failure::{Exit, UsageError};
pub use plans::Source;
pub use run::NightArgs;

/// Runs the command line of this process with these systems; the first one is the default.
#[must_use]
pub fn main(systems: &[Arc<dyn SystemUnderTest>]) -> ExitCode {
    let cli = Cli::parse();
    listen_to_steps();
    let exit = match cli.verb {
        None => run::run(&cli.run, systems),
        Some(Verb::Run(args)) => run::run(&args, systems),
        Some(Verb::Bugs(args)) => bugs::run(&args, systems),
        Some(Verb::Check(args)) => check::run(&args),
        Some(Verb::Faults(args)) => faults::run(&args, systems),
        Some(Verb::Merge(args)) => merge::run(&args, systems),
        Some(Verb::Worker(args)) => worker::run(&args, systems),
        Some(Verb::Marks(args)) => marks::run(&args, systems),
        Some(Verb::Reduce(args)) => reduce::run(&args, systems),
        Some(Verb::Regress(args)) => regress::run(&args, systems),
        Some(Verb::Replay(args)) => replay::replay(&args, systems),
        Some(Verb::Explain(args)) => explain::run(&args, systems),
        Some(Verb::Report(args)) => report::run(&args, systems),
        Some(Verb::Verify(args)) => Ok(verify::run(&args)),
    };
    match exit {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Usage.into()
        }
    }
}

/// Prints to standard output. Who closes the pipe early has seen enough.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Turns the steps that systems log into steps of the engine, for the whole process.
pub fn listen_to_steps() {
    // A second call in one process (tests do that) finds the listener in place already.
    let _ = tracing::subscriber::set_global_default(sim::StepSubscriber::new(&["manifest_core"]));
}
