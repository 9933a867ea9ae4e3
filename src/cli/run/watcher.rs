//! Who watches a run: shows progress, saves now and then, ends the run when somebody asks, and
//! writes what is wanted of single worlds.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sim::Seed;
use sim::trace::{Keep, to_ndjson};

use super::super::progress::Progress;
use super::super::signals::Asked;
use super::folder::Folder;
use crate::campaign::Watch;
use crate::files::write_whole;
use crate::night::Ledger;
use crate::world::{Verdict, WorldReport};

/// How often what is done is saved.
const SAVE_EVERY: Duration = Duration::from_secs(3);

/// How often the log says how far the run is.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What is wanted of a run besides its summary.
pub(super) struct Watcher<'a> {
    pub(super) progress: Progress,
    pub(super) ledger: &'a Mutex<Ledger>,
    pub(super) stop: &'a AtomicBool,
    pub(super) asked: Asked,
    pub(super) budget: Option<Duration>,
    pub(super) folder: Option<&'a Folder>,
    pub(super) trace_dir: Option<PathBuf>,
    pub(super) lines: Option<Mutex<Vec<(Seed, String)>>>,
    pub(super) failed_write: Mutex<Option<(PathBuf, std::io::Error)>>,
    /// When something was saved, and when the log said something.
    pub(super) last: Mutex<(Duration, Duration)>,
}

impl Watcher<'_> {
    /// Whether the budget of wall time is spent.
    pub(super) fn budget_is_spent(&self) -> bool {
        self.budget.is_some_and(|budget| self.progress.elapsed() >= budget)
    }

    /// Saves and logs what is due.
    fn keep_up(&self) {
        let now = self.progress.elapsed();
        let Ok(mut last) = self.last.lock() else { return };
        if now >= last.0 + SAVE_EVERY {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = ledger.save(now) {
                ledger.fail(error);
            }
            last.0 = now;
        }
        if let Some(folder) = self.folder
            && now >= last.1 + LOG_EVERY
        {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            folder.log_progress(ledger.summary());
            last.1 = now;
        }
    }

    /// The lines in the order of the seeds, whichever worker finished first.
    pub(super) fn print_lines(&self) {
        let Some(lines) = &self.lines else { return };
        let mut lines =
            lines.lock().map(|mut lines| std::mem::take(&mut *lines)).unwrap_or_default();
        lines.sort_unstable();
        let mut out = std::io::stdout().lock();
        for (_, line) in lines {
            let _ = writeln!(out, "{line}");
        }
    }
}

impl Watch for Watcher<'_> {
    fn keep(&self) -> Keep {
        match (&self.trace_dir, &self.lines) {
            (Some(_), _) => Keep::Ring { capacity: usize::MAX },
            // The description of a world is made with its details.
            (None, Some(_)) => Keep::Ring { capacity: 1 },
            (None, None) => Keep::Hash,
        }
    }

    fn progress(&self, done: u64) {
        self.progress.progress(done);
        if self.asked.is_true() || self.budget_is_spent() {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.keep_up();
    }

    fn finished(&self, report: &WorldReport) {
        if let Some(lines) = &self.lines
            && let Ok(mut lines) = lines.lock()
        {
            lines.push((report.seed.clone(), verbose_line(report)));
        }
        if let Some(dir) = &self.trace_dir {
            let path = dir.join(format!("{}.ndjson", report.seed.file_name()));
            if let Err(error) = write_whole(&path, |file| to_ndjson(&report.trace, file))
                && let Ok(mut slot) = self.failed_write.lock()
            {
                slot.get_or_insert((path, error));
            }
        }
    }
}

fn verbose_line(report: &WorldReport) -> String {
    let verdict = match &report.verdict {
        Verdict::Pass => String::from("pass"),
        Verdict::Broken(finding) | Verdict::Stuck(finding) => {
            format!("FAIL {}: {}", finding.rule.class(), finding.what)
        }
        Verdict::Panicked { message, .. } => format!("FAIL panic: {message}"),
    };
    format!(
        "seed {}   {verdict}\n  {} requests, {} commits, {} events, {} virtual ms, fingerprint {:016x}\n  {}",
        report.seed,
        report.requests,
        report.commits,
        report.events,
        report.virtual_ns / 1_000_000,
        report.fingerprint,
        report.description.replace('\n', "\n  "),
    )
}
