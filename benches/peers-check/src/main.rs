//! The checkers beside the classic memoised search, on the same generated histories.
//!
//! ```text
//! cargo run --release -- [quick|full]      the table; quick is the default
//! cargo run --release -- peer NAME         one history with the peer only (run by the table)
//! ```
//!
//! The peer is `porcupine-rs`, a Rust port of Porcupine. It runs in a process of its own, with a
//! limit of 20 seconds and of 3 GB of memory: where it has no answer within these, 20 seconds are
//! counted. Both get the history in memory, so neither reads a file. Times are wall clock of the
//! check alone; ours is the best of several runs, the peer's is one run.

// A benchmark measures real time and starts real processes.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod peer;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sim::check::generate::{Damage, Dice, Made, Recipe, Workload, damage};
use sim::check::whitebox::{Level, Log, WhiteBox};
use sim::check::{Budget, Verdict, linear};
use sim::history::History;

/// Seconds after which the peer is taken to have no answer.
const LIMIT: Duration = Duration::from_secs(20);
/// Memory of the peer, in KiB.
const MEMORY_KIB: u64 = 3 << 20;

/// One history of the table.
#[derive(Clone, Copy, Debug)]
struct Case {
    recipe: Recipe,
    stale: bool,
}

impl Case {
    fn name(&self) -> String {
        let Recipe { workload, ops, clients, keys, unknown_permille, .. } = self.recipe;
        let kind = if workload == Workload::Register { "reg" } else { "txn" };
        let stale = if self.stale { "stale" } else { "good" };
        format!("{kind}-{ops}-{clients}-{keys}-{unknown_permille}-{stale}")
    }

    fn parse(name: &str) -> Option<Case> {
        let parts: Vec<&str> = name.split('-').collect();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse().ok());
        let workload = if parts[0] == "reg" { Workload::Register } else { Workload::Transactions };
        let (ops, clients, keys) = (number(1)?, number(2)?, number(3)?);
        let recipe = Recipe { workload, ops, clients, keys, unknown_permille: number(4)?, seed: 7 };
        Some(Case { recipe, stale: parts.get(5) == Some(&"stale") })
    }

    fn history(&self) -> Option<(History, Made)> {
        let made = self.recipe.make();
        let history = match self.stale {
            true => damage(&made.history, Damage::StaleRead, &mut Dice::new(11))?,
            false => made.history.clone(),
        };
        Some((history, made))
    }
}

fn cases(full: bool) -> Vec<Case> {
    let sizes: &[u32] = if full { &[1_000, 10_000, 100_000, 1_000_000] } else { &[1_000, 100_000] };
    let clients: &[u32] = if full { &[2, 10, 30, 100] } else { &[2, 10, 30] };
    let unknowns: &[u32] = if full { &[0, 10, 50, 200] } else { &[0, 100] };
    let mut cases = Vec::new();
    for (workload, keys) in [(Workload::Register, 1), (Workload::Transactions, 20)] {
        for &ops in sizes {
            let ops = if workload == Workload::Transactions { ops.min(100_000) } else { ops };
            for &clients in clients {
                for &unknown_permille in unknowns {
                    for stale in [false, true] {
                        let recipe =
                            Recipe { workload, ops, clients, keys, unknown_permille, seed: 7 };
                        cases.push(Case { recipe, stale });
                    }
                }
            }
        }
    }
    cases
}

fn ours(history: &History) -> (Duration, &'static str) {
    let mut best = Duration::MAX;
    let mut answer = "";
    let begin = Instant::now();
    for _ in 0..5 {
        let run = Instant::now();
        let verdict = linear::check(history, linear::Assumptions::default(), Budget::default());
        best = best.min(run.elapsed());
        answer = match verdict {
            Verdict::Ok => "ok",
            Verdict::Violated(_) => "bad",
            Verdict::Undecided(_) => "undecided",
        };
        if begin.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    (best, answer)
}

fn with_ids(made: &Made) -> Duration {
    let mut checker = WhiteBox::new();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let run = Instant::now();
        let verdict =
            checker.check(&made.history, Log::Complete(&made.log), Level::StrictSerializable);
        assert!(verdict.is_ok(), "an ideal system is strictly serializable");
        best = best.min(run.elapsed());
    }
    best
}

/// Runs the peer in a process of its own; seconds and its answer.
fn theirs(case: &Case) -> (Duration, String) {
    let Ok(me) = std::env::current_exe() else {
        return (LIMIT, "no answer".to_owned());
    };
    let script = format!(
        "ulimit -v {MEMORY_KIB}; exec timeout {} \"$0\" peer {}",
        LIMIT.as_secs() + 2,
        case.name()
    );
    let output = Command::new("sh").arg("-c").arg(script).arg(me).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let mut words = text.split_whitespace();
    match (words.next().and_then(|nanos| nanos.parse().ok()), words.next()) {
        (Some(nanos), Some(answer)) if answer != "unknown" => {
            (Duration::from_nanos(nanos), answer.to_owned())
        }
        _ => (LIMIT, "no answer".to_owned()),
    }
}

fn table(full: bool) {
    println!(
        "{:34} {:>12} {:>12} {:>12} {:>10}  answers",
        "history", "by values", "with ids", "peer", "ratio"
    );
    let mut ratios: Vec<(Workload, f64)> = Vec::new();
    for case in cases(full) {
        let Some((history, made)) = case.history() else {
            continue;
        };
        let (mine, answer) = ours(&history);
        let ids = with_ids(&made);
        let (peer, other) = theirs(&case);
        let ratio = peer.as_secs_f64() / mine.as_secs_f64();
        let agree = other == "no answer" || other == answer;
        ratios.push((case.recipe.workload, ratio));
        println!(
            "{:34} {:>9.3} ms {:>9.3} ms {:>9.1} ms {:>10.1}  {answer} / {other}{}",
            case.name(),
            mine.as_secs_f64() * 1e3,
            ids.as_secs_f64() * 1e3,
            peer.as_secs_f64() * 1e3,
            ratio,
            if agree { "" } else { "   DISAGREE" }
        );
    }
    for workload in [Workload::Register, Workload::Transactions] {
        let of: Vec<f64> = ratios.iter().filter(|(w, _)| *w == workload).map(|(_, r)| *r).collect();
        let mean = (of.iter().map(|ratio| ratio.ln()).sum::<f64>() / of.len().max(1) as f64).exp();
        let least = of.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "{workload:?}: geometric mean {mean:.0} times, least {least:.1} times, {} histories",
            of.len()
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["peer", name] => {
            let Some(case) = Case::parse(name) else {
                return;
            };
            let Some((history, _)) = case.history() else {
                return;
            };
            let (time, answer) = peer::check(&history, case.recipe, LIMIT);
            println!("{} {answer}", time.as_nanos());
        }
        ["full"] => table(true),
        _ => table(false),
    }
}
