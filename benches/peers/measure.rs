//! Rounds, CPU time and the table.
//!
//! The simulators take turns: every round gives each of them one slice of about the same length,
//! so that a machine that slows down or speeds up does so for all. What counts is the CPU time of
//! the process, not the wall clock. Each slice of one simulator runs the same seeds, and all its
//! slices must give the same tally: that is the check that the same seed gives the same run.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::adapters::{PEERS, Peer};
use crate::world::Tally;

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    rounds: usize,
    slice: Duration,
    /// Only rows whose name contains this.
    only: String,
}

impl Options {
    /// Reads the arguments after the name of the program.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            rounds: 9,
            slice: Duration::from_millis(700),
            only: String::new(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => {
                    options.rounds = 5;
                    options.slice = Duration::from_millis(150);
                }
                "--only" => {
                    options.only = arguments.next().ok_or("--only needs a part of a name")?;
                }
                other => {
                    return Err(format!(
                        "unknown argument {other:?}; known: --quick, --only NAME"
                    ));
                }
            }
        }
        if !PEERS.iter().any(|peer| peer.name.contains(&options.only)) {
            return Err(format!("no simulator is named {:?}", options.only));
        }
        Ok(options)
    }
}

/// One simulator and what was measured of it.
struct Row {
    peer: Peer,
    worlds: u64,
    tally: Tally,
    /// CPU nanoseconds for each world, one number for each round.
    world_ns: Vec<f64>,
}

/// Runs all rounds and prints the table.
pub(crate) fn run(options: &Options) {
    let mut rows: Vec<Row> = PEERS
        .iter()
        .filter(|peer| peer.name.contains(&options.only))
        .map(|&peer| calibrate(peer, options.slice))
        .collect();
    for _ in 0..options.rounds {
        for row in &mut rows {
            let (tally, spent) = timed(row.peer, row.worlds);
            assert_eq!(
                tally, row.tally,
                "{}: the same seeds gave another run",
                row.peer.name
            );
            row.world_ns
                .push(spent.as_nanos() as f64 / row.worlds as f64);
        }
    }
    print(&rows, options);
}

/// Finds how many worlds fill a slice, and runs them once: that warms up, and is the tally that
/// all later slices must repeat.
fn calibrate(peer: Peer, slice: Duration) -> Row {
    let mut probe = 1;
    let spent = loop {
        let (_, spent) = timed(peer, probe);
        if spent * 10 > slice {
            break spent;
        }
        probe *= 2;
    };
    let worlds = (probe as f64 * slice.as_secs_f64() / spent.as_secs_f64()).ceil() as u64;
    let (tally, _) = timed(peer, worlds);
    Row {
        peer,
        worlds,
        tally,
        world_ns: Vec::new(),
    }
}

fn timed(peer: Peer, worlds: u64) -> (Tally, Duration) {
    let start = cpu_time();
    let tally = (peer.run)(0..worlds);
    (tally, cpu_time() - start)
}

/// CPU time of this process, user and system. `rustix` asks the kernel itself: madsim replaces the
/// function of the C library.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn print(rows: &[Row], options: &Options) {
    println!(
        "{} rounds in turn, {} ms of CPU time for each slice; times are CPU time of the process\n",
        options.rounds,
        options.slice.as_millis()
    );
    println!(
        "| simulator | worlds per CPU second: median (min to max) | requests | events | client polls | ns per event | times `{}` | does |",
        rows[0].peer.name
    );
    println!("|---|---|---|---|---|---|---|---|");
    let base = event_ns(&rows[0]);
    for row in rows {
        let worlds = row.tally.worlds as f64;
        let world_ns = median(&row.world_ns);
        let fastest = row.world_ns.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest = row.world_ns.iter().copied().fold(0.0, f64::max);
        println!(
            "| {} | {:.0} ({:.0} to {:.0}) | {:.0} | {:.0} | {:.0} | {:.1} | {:.2} | {} |",
            row.peer.name,
            1e9 / world_ns,
            1e9 / slowest,
            1e9 / fastest,
            row.tally.requests as f64 / worlds,
            row.tally.events as f64 / worlds,
            row.tally.polls as f64 / worlds,
            event_ns(row),
            event_ns(row) / base,
            row.peer.does,
        );
    }
    println!(
        "\nRequests, events and polls are means for one world. Equal seeds gave equal runs in every row."
    );
}

/// Nanoseconds of CPU time for each event, in the median round. Worlds of different simulators differ
/// by a few events, so this, not the number of worlds, is what rows are compared by.
fn event_ns(row: &Row) -> f64 {
    median(&row.world_ns) * row.tally.worlds as f64 / row.tally.events as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    } else {
        sorted[middle]
    }
}
