//! `manifest-core` in many operating system processes that are killed all the time: is anything lost?
//!
//! ```text
//! soak run --store file:///tmp/s --work /tmp/w --writers 8 --duration 60s --kill-every 1s --vopr PATH
//! soak run --store s3://bucket/prefix --endpoint http://127.0.0.1:9000 --work /tmp/w --writers 4
//! ```
//! The parent starts writers, readers, compactors and collectors as processes of their own, and kills
//! a random one of them with SIGKILL each second. A writer puts each transaction with its commit id
//! into its journal before it sends it, and the outcome afterwards ([`journal`]). At the end the
//! manifest is opened afresh and held against the journals ([`rules`]): every acknowledged commit is
//! there, none is there twice, the state is the replay of the history, and every read is explained.
//! The same history goes to `vopr check`, which knows nothing of this program.
//!
//! A simulator explores orders that a machine never shows; this shows what a simulator assumes: that
//! real clients, real servers, real files and real deaths are as modelled.

mod child;
mod cli;
mod clock;
mod evidence;
mod history;
mod journal;
mod judge;
mod parent;
mod random;
mod reader;
mod rules;
mod stores;
mod upkeep;
mod workload;
mod writer;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, JudgeArgs};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Child(args) => {
            let name = format!("{} {}", args.role.name(), args.number);
            let done = runtime().and_then(|runtime| runtime.block_on(child::run(args)));
            done.map_err(|error| format!("{name}: {error}"))
        }
        Command::Judge(args) => verdict(&args, Vec::new()),
        Command::Run(args) => parent::run(&args).and_then(|ran| {
            println!("{:8} processes killed", ran.kills);
            verdict(&args.judge, ran.problems)
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(8).build().map_err(|error| error.to_string())
}

fn verdict(args: &JudgeArgs, earlier: Vec<String>) -> Result<(), String> {
    for problem in &earlier {
        println!("PROBLEM {problem}");
    }
    let problems = runtime()?.block_on(judge::judge(args))?.len() + earlier.len();
    if problems > 0 {
        return Err(format!(
            "{problems} problems; the journals are in {}",
            args.common.work.display()
        ));
    }
    println!("nothing is lost, and everything is explained");
    Ok(())
}
