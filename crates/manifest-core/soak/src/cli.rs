//! The command line: the one that a person types, and the one that starts a child.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clock::parse_duration;

/// manifest-core in many processes that are killed: nothing may be lost.
#[derive(Debug, Parser)]
#[command(name = "soak")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the processes, kills them, and judges what is left. Exit code 1: something is wrong.
    Run(RunArgs),
    /// Judges the journals of an earlier run again, on the manifest that it left behind.
    Judge(JudgeArgs),
    /// One of the processes.
    #[command(hide = true)]
    Child(ChildArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
    /// Processes that commit.
    #[arg(long, default_value_t = 8)]
    pub(crate) writers: u32,
    /// Processes that read.
    #[arg(long, default_value_t = 2)]
    pub(crate) readers: u32,
    /// Processes that fold and merge.
    #[arg(long, default_value_t = 1)]
    pub(crate) compactors: u32,
    /// Processes that collect garbage.
    #[arg(long, default_value_t = 1)]
    pub(crate) collectors: u32,
    /// How long.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// How often a process is killed.
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub(crate) kill_every: Duration,
    /// The seed of the workload.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The `vopr` program, to judge the history by values and by commit numbers.
    #[arg(long)]
    pub(crate) vopr: Option<PathBuf>,
}

/// What parent and children both need.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// `file:///directory`, `s3://bucket/prefix` or `azure://container/prefix`. The prefix must be
    /// empty at the start.
    #[arg(long)]
    pub(crate) store: String,
    /// Where the server of `s3:` or `azure:` is.
    #[arg(long, default_value = "")]
    pub(crate) endpoint: String,
    /// What a write to `file:` survives.
    #[arg(long, value_enum, default_value_t = Durability::ProcessCrash)]
    pub(crate) durability: Durability,
    /// A directory for journals and the history.
    #[arg(long)]
    pub(crate) work: PathBuf,
    /// When a line of a journal counts as written. A kill loses neither kind.
    #[arg(long, value_enum, default_value_t = JournalSync::Fsync)]
    pub(crate) journal: JournalSync,
    /// Transactions that a writer has under way at once.
    #[arg(long, default_value_t = 2)]
    pub(crate) tasks: u32,
    /// The time limit of a request in every third life of a process: short, so that many outcomes
    /// are unknown.
    #[arg(long, default_value = "3ms", value_parser = parse_duration)]
    pub(crate) hasty: Duration,
    /// A pause between two operations of a task.
    #[arg(long, default_value = "0ms", value_parser = parse_duration)]
    pub(crate) pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    ProcessCrash,
    PowerLoss,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JournalSync {
    Fsync,
    PageCache,
}

#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    #[arg(long)]
    pub(crate) number: u32,
    /// How often this process was started before.
    #[arg(long)]
    pub(crate) life: u32,
    /// When to stop, on the machine's monotonic clock.
    #[arg(long)]
    pub(crate) until: u64,
    #[arg(long)]
    pub(crate) seed: u64,
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    Writer,
    Reader,
    Compactor,
    Collector,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Writer => "writer",
            Role::Reader => "reader",
            Role::Compactor => "compactor",
            Role::Collector => "collector",
        }
    }
}

impl Common {
    /// As arguments of a child.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let millis = |duration: Duration| format!("{}ms", duration.as_millis());
        let value = |it: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            it().map_or_else(String::new, |value| value.get_name().to_owned())
        };
        [
            ("--store", self.store.clone()),
            ("--endpoint", self.endpoint.clone()),
            ("--durability", value(&|| self.durability.to_possible_value())),
            ("--work", self.work.display().to_string()),
            ("--journal", value(&|| self.journal.to_possible_value())),
            ("--tasks", self.tasks.to_string()),
            ("--hasty", millis(self.hasty)),
            ("--pause", millis(self.pause)),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
