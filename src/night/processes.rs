//! Worlds in processes of their own: a world may hang or take its process with it, and the night
//! goes on.
//!
//! ```text
//!   worker thread ──▶ 12000: seeds  ──▶ process: runs worlds
//!                 ◀── begins 12000 ◀──
//!                 ◀── begins 12001 ◀──          ...
//!                 ◀── the summary  ◀──
//! ```
//! The process says which world it begins, so when it dies, or is killed because a world took
//! longer than a world may, the seed is known: that is a finding. Its summary died with it, so the
//! seeds before it are run again in the next process (a world is the same every time), then those
//! behind it. What is asked for is a stretch, so that this costs at most a stretch again, and a
//! pipe's write for each world is all that it costs otherwise.
//!
//! A process outlives nobody: it ends when its input does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim::Seed;

use super::error::NightError;
use super::ledger::Task;
use crate::campaign::{GroupKey, Summary};
use crate::real_time::Stopwatch;

/// How often a process may fail to begin.
const STARTS_MAX: u32 = 3;

/// What a process is told: a line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Run these worlds, which have places from this one on.
    Run(u64, Vec<Seed>),
    /// Finish the world that you are at and say what you have.
    Stop,
}

/// What a process answers: a line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The world at this place begins.
    Begins(u64),
    /// The places up to this one are done, and came to this.
    Done(u64, Box<Summary>),
}

/// How processes are started and watched.
#[derive(Debug)]
pub struct Workshop {
    program: std::path::PathBuf,
    arguments: Vec<String>,
    limit: Duration,
    watched: Mutex<Vec<Arc<Mutex<Watched>>>>,
}

/// A running process, as the one sees it who looks around.
#[derive(Debug, Default)]
struct Watched {
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    /// When it last said something, while it has something to do.
    heard: Option<Stopwatch>,
    was_killed: bool,
    was_stopped: bool,
}

impl Workshop {
    /// Processes of `program` with these arguments, in which a world may take so long.
    #[must_use]
    pub fn new(program: std::path::PathBuf, arguments: Vec<String>, limit: Duration) -> Workshop {
        Workshop { program, arguments, limit, watched: Mutex::default() }
    }

    /// Ends processes in which a world takes too long; tells all to stop if that is so.
    pub(super) fn look_around(&self, stop: bool) {
        for watched in &*lock(&self.watched) {
            let mut watched = lock(watched);
            let takes_too_long = watched.heard.is_some_and(|heard| heard.elapsed() > self.limit);
            if takes_too_long && let Some(child) = &mut watched.child {
                // If it is dead already, that is found out as well.
                let _ = child.kill();
                watched.was_killed = true;
                watched.heard = None;
            }
            if stop && !watched.was_stopped {
                watched.was_stopped = true;
                watched.tell(&Order::Stop);
            }
        }
    }

    /// A place for one worker and its process.
    pub(super) fn bench(&self) -> Bench<'_> {
        let watched = Arc::default();
        lock(&self.watched).push(Arc::clone(&watched));
        Bench { workshop: self, watched, replies: None, begun: None }
    }
}

impl Watched {
    fn tell(&mut self, order: &Order) {
        if let Some(stdin) = &mut self.stdin
            && let Ok(mut line) = serde_json::to_vec(order)
        {
            line.push(b'\n');
            // Who cannot be told is dead, which shows at its output.
            let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
        }
    }
}

/// A worker's process.
pub(super) struct Bench<'a> {
    workshop: &'a Workshop,
    watched: Arc<Mutex<Watched>>,
    replies: Option<BufReader<ChildStdout>>,
    /// The world that it began last.
    begun: Option<u64>,
}

/// Places that were run, and what they came to.
type Piece = (Range<u64>, Summary);

impl Bench<'_> {
    /// Runs these worlds, in one process or in several one after another, and says what came of
    /// which places.
    ///
    /// # Errors
    /// If processes end before they do anything.
    pub(super) fn run(
        &mut self,
        task: &Task,
        stop: &AtomicBool,
        done: &AtomicU64,
    ) -> Result<Vec<Piece>, NightError> {
        let all = task.place..task.place + task.seeds.len() as u64;
        let seed_at = |place: u64| &task.seeds[(place - task.place) as usize];
        let (mut left, mut pieces) = (vec![all], Vec::new());
        let mut failed_starts = 0;
        while let Some(places) = left.pop().filter(|_| !stop.load(Ordering::Relaxed)) {
            if places.is_empty() {
                continue;
            }
            let seeds = places.clone().map(|place| seed_at(place).clone()).collect();
            if let Some((to, summary)) = self.ask(&Order::Run(places.start, seeds), done) {
                pieces.push((places.start..to, *summary));
                continue;
            }
            let how = self.bury();
            match self.begun.take() {
                None if failed_starts + 1 == STARTS_MAX => {
                    return Err(NightError::NoWorker { why: how.to_string() });
                }
                None => {
                    failed_starts += 1;
                    left.push(places);
                }
                Some(place) => {
                    let mut summary = Summary::default();
                    summary.add_lost(how.group(), seed_at(place));
                    pieces.push((place..place + 1, summary));
                    done.fetch_sub(place - places.start, Ordering::Relaxed);
                    left.extend([place + 1..places.end, places.start..place]);
                }
            }
        }
        Ok(pieces)
    }

    /// Has the process run worlds. `None`: it died.
    fn ask(&mut self, order: &Order, done: &AtomicU64) -> Option<(u64, Box<Summary>)> {
        if self.replies.is_none() {
            self.replies = Some(self.start()?);
        }
        let replies = self.replies.as_mut()?;
        {
            let mut watched = lock(&self.watched);
            watched.heard = Some(Stopwatch::start());
            watched.tell(order);
        }
        let mut line = String::new();
        loop {
            line.clear();
            replies.read_line(&mut line).ok()?;
            match serde_json::from_str(&line).ok()? {
                Reply::Begins(place) => {
                    self.begun = Some(place);
                    lock(&self.watched).heard = Some(Stopwatch::start());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Reply::Done(to, summary) => {
                    self.begun = None;
                    lock(&self.watched).heard = None;
                    return Some((to, summary));
                }
            }
        }
    }

    fn start(&mut self) -> Option<BufReader<ChildStdout>> {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(&self.workshop.program);
        command.args(&self.workshop.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Keys pressed at a terminal go to the whole group: only the parent shall hear them.
        command.process_group(0);
        let mut child = command.spawn().ok()?;
        let replies = child.stdout.take().map(BufReader::new);
        let stdin = child.stdin.take();
        *lock(&self.watched) = Watched { child: Some(child), stdin, ..Watched::default() };
        replies
    }

    /// The process is dead, or says what it should not: it is ended for good.
    fn bury(&mut self) -> End {
        self.replies = None;
        let mut watched = lock(&self.watched);
        watched.stdin = None;
        watched.heard = None;
        let was_killed = std::mem::take(&mut watched.was_killed);
        let Some(mut child) = watched.child.take() else { return End::NeverBegan };
        let _ = child.kill();
        match child.wait() {
            _ if was_killed => End::Hung,
            Ok(status) => End::Died(status),
            Err(_) => End::NeverBegan,
        }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let mut watched = lock(&self.watched);
        watched.stdin = None;
        if let Some(mut child) = watched.child.take() {
            // It has nothing to do: its input is at an end, and so is it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a process ended.
enum End {
    Hung,
    Died(ExitStatus),
    NeverBegan,
}

impl End {
    fn group(&self) -> GroupKey {
        match self {
            End::Hung => GroupKey::Hung,
            other => GroupKey::Died(other.to_string()),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Hung => f.write_str("it did not end in time"),
            End::Died(status) => write!(f, "{status}"),
            End::NeverBegan => f.write_str("it could not be started"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
