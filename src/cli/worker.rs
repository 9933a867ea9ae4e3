//! `vopr worker JOB`: runs stretches of seeds for another process, which may lose it.
//!
//! Orders come in, replies go out, a line of JSON each ([`crate::night::Order`] and
//! [`crate::night::Reply`]). When the input ends, so does this process, even in the middle of a
//! world: nobody is left who wants to know.

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use clap::Args;
use sim::Seed;

use super::failure::{Exit, UsageError};
use super::run::Work;
use crate::campaign::{Summary, Unwatched};
use crate::night::{Job, Order, Reply, build_of_this_program, run_world};
use crate::system::SystemUnderTest;
use crate::world::Arena;

/// Flags of `vopr worker`.
#[derive(Clone, Debug, Args)]
pub struct WorkerArgs {
    /// What is run, as JSON.
    #[arg(value_name = "JOB")]
    job: String,
}

/// Runs what it is told until its input ends.
pub(super) fn run(
    args: &WorkerArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let foreign =
        |what: String| UsageError::Foreign { path: String::from("this worker's job"), what };
    let job: Job = serde_json::from_str(&args.job).map_err(|error| foreign(error.to_string()))?;
    if job.build != build_of_this_program().map_err(UsageError::Program)? {
        return Err(foreign(String::from("it is of another build")));
    }
    let work = Work::of(&job, systems)?;
    crate::panics::install();
    let (orders, stop) = listen();
    let arena = Arena::new();
    while let Ok((mut next, seeds)) = orders.recv() {
        let mut summary = Summary::default();
        for seed in seeds.iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
            reply(&Reply::Begins(next));
            let work = (&work.campaign, work.canary.as_ref());
            run_world(work, &arena, (next, seed), &mut summary, &Unwatched);
            next += 1;
        }
        reply(&Reply::Done(next, Box::new(summary)));
    }
    Ok(Exit::Pass)
}

/// Who does not listen any more is gone, and so is the reason to be here.
fn reply(reply: &Reply) {
    let mut out = std::io::stdout().lock();
    let said = serde_json::to_writer(&mut out, reply)
        .map_err(std::io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    if said.is_err() {
        std::process::exit(Exit::Pass as i32);
    }
}

/// Listens on a thread of its own, so that the end of the input is heard in the middle of a world.
#[expect(clippy::disallowed_methods, reason = "this thread only listens; worlds run on the other")]
fn listen() -> (mpsc::Receiver<(u64, Vec<Seed>)>, Arc<AtomicBool>) {
    let (sender, orders) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line.map(|line| serde_json::from_str(&line)) {
                Ok(Ok(Order::Run(from, seeds))) => {
                    let _ = sender.send((from, seeds));
                }
                Ok(Ok(Order::Stop)) => heard.store(true, Ordering::Relaxed),
                _ => break,
            }
        }
        std::process::exit(Exit::Pass as i32);
    });
    (orders, stop)
}
