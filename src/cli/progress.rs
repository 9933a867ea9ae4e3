//! Progress of a campaign: a bar on a terminal, a line every few seconds elsewhere.
//!
//! Everything here goes to standard error and depends on the machine; nothing of it is part of the
//! report.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::{Summary, Watch};
use crate::real_time::Stopwatch;
use crate::report::short;
use crate::world::WorldReport;

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far a campaign is.
#[derive(Debug)]
pub(super) struct Progress {
    /// All seeds; `None`: nobody knows how many there will be.
    seeds: Option<u64>,
    bar: Option<ProgressBar>,
    began: Stopwatch,
    last_line: Mutex<Stopwatch>,
    /// Seeds that were done before.
    before: u64,
}

impl Progress {
    /// Of a campaign of so many seeds, of which so many were done in another session.
    pub(super) fn new(seeds: Option<u64>, before: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let (bar, template) = match seeds {
                Some(seeds) => {
                    let template = "  {bar:30} {human_pos}/{human_len}   {per_sec}   {eta} left";
                    (ProgressBar::new(seeds), template)
                }
                None => (ProgressBar::no_length(), "  {spinner} {human_pos} seeds   {per_sec}"),
            };
            // What others did says nothing about the rate.
            let bar = bar.with_position(before);
            bar.reset_eta();
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Stopwatch::start();
        Progress { seeds, bar, began: now, last_line: Mutex::new(now), before }
    }

    /// Wall time of this session.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The campaign is over: says how fast it was, with what it took before this session.
    pub(super) fn finish(&self, workers: usize, summary: &Summary, before: Duration) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = (before + self.began.elapsed()).as_secs_f64().max(1e-9);
        let rate = summary.seeds as f64 / seconds;
        let virtual_seconds = summary.virtual_ns as f64 / 1e9;
        let cores = seconds * workers as f64;
        let days = virtual_seconds / 86_400.0 * 3_600.0 / cores;
        let behaviours = summary.behaviours().count() as f64 / cores;
        eprintln!(
            "  {}/{}   {seconds:.1} s   {} seeds/s   {workers} worker{}   1 core-hour = {days:.0} simulated days   {} behaviours per core-second",
            summary.seeds,
            self.seeds.unwrap_or(summary.seeds),
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
            *last_line = Stopwatch::start();
            let here = done.saturating_sub(self.before);
            let rate = here as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
            let of = self.seeds.map(|seeds| format!("/{seeds}")).unwrap_or_default();
            eprintln!("  {done}{of}   {} seeds/s", short(rate as u64));
        }
    }

    fn finished(&self, _: &WorldReport) {}
}
