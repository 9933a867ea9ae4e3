//! Progress of a campaign: a bar on a terminal, a line every few seconds elsewhere.
//!
//! Everything here goes to standard error and depends on the machine; nothing of it is part of the
//! report.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::{Summary, Watch};
use crate::report::short;
use crate::world::WorldReport;

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "progress is about real time"
)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Shows how far a campaign is.
#[expect(clippy::disallowed_types, reason = "progress is about real time")]
#[derive(Debug)]
pub(super) struct Progress {
    seeds: u64,
    bar: Option<ProgressBar>,
    began: std::time::Instant,
    last_line: Mutex<std::time::Instant>,
}

impl Progress {
    pub(super) fn new(seeds: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(seeds);
            let template = "  {bar:30} {human_pos}/{human_len}   {per_sec}   {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Progress { seeds, bar, began: real_now(), last_line: Mutex::new(real_now()) }
    }

    /// The campaign is over: says how fast it was.
    pub(super) fn finish(&self, workers: usize, summary: &Summary) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let rate = self.seeds as f64 / seconds;
        let virtual_seconds = summary.virtual_ns as f64 / 1e9;
        let cores = seconds * workers as f64;
        let days = virtual_seconds / 86_400.0 * 3_600.0 / cores;
        let behaviours = summary.behaviours().count() as f64 / cores;
        eprintln!(
            "  {}/{}   {seconds:.1} s   {} seeds/s   {workers} worker{}   1 core-hour = {days:.0} simulated days   {} behaviours per core-second",
            self.seeds,
            self.seeds,
            short(rate as u64),
            if workers == 1 { "" } else { "s" },
            short(behaviours as u64),
        );
    }
}

impl Watch for Progress {
    #[expect(clippy::disallowed_methods, reason = "this thread only watches; worlds run on others")]
    fn progress(&self, done: u64) {
        std::thread::sleep(TICK);
        if let Some(bar) = &self.bar {
            return bar.set_position(done);
        }
        let Ok(mut last_line) = self.last_line.lock() else { return };
        if last_line.elapsed() >= LINE_EVERY {
            *last_line = real_now();
            let rate = done as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
            eprintln!("  {done}/{}   {} seeds/s", self.seeds, short(rate as u64));
        }
    }

    fn finished(&self, _: &WorldReport) {}
}
