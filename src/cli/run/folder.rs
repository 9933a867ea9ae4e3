//! The directory of a run: `vopr run --out DIR`. `docs/overnight.md` is its contract.
//!
//! | file | what is in it | how it is written |
//! |---|---|---|
//! | `checkpoint.json` | how far the run is and what it found | whole, every few seconds |
//! | `journal.ndjson` | stretches since then; locked while a run goes on | appended, emptied |
//! | `results.ndjson` | stretches and failing seeds, for people | appended |
//! | `vopr.log` | when what was begun, continued and ended | appended |
//! | `summary.txt`, `summary.json` | what was printed | whole, at the end |
//! | `failures.log` | every group of failures with its seeds | whole, at the end |
//! | `corpus.json` | what a guided search knows, to begin another one with | whole, at the end |
//! | `plans/`, `reports/` | the small plan and the page of each group | whole, at the end |
//! | `index.html` | all of it as a page | whole, at the end |

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::DateTime;

use crate::campaign::Summary;
use crate::files::write_whole;
use crate::guided::Corpus;
use crate::night::{NightError, Place};
use crate::real_time::unix_seconds;
use crate::report::{Report, failures_text, to_json, to_text};

/// What a run may have left behind before its first checkpoint was there.
const BEFORE_A_CHECKPOINT: [&str; 4] =
    ["journal.ndjson", "results.ndjson", "vopr.log", "checkpoint.json.tmp"];

/// The directory of a run.
#[derive(Debug)]
pub(in crate::cli) struct Folder {
    path: PathBuf,
    log: File,
}

impl Folder {
    /// Opens the directory, and makes it if it is not there.
    ///
    /// # Errors
    /// If it cannot be written, or holds something else than a run.
    pub(in crate::cli) fn open(path: &Path) -> Result<Folder, NightError> {
        std::fs::create_dir_all(path).map_err(NightError::io("make", path))?;
        if !path.join("checkpoint.json").exists()
            && let Some(stranger) = stranger(path)?
        {
            return Err(NightError::Foreign { path: path.to_owned(), stranger });
        }
        let log = path.join("vopr.log");
        let opened = OpenOptions::new().append(true).create(true).open(&log);
        Ok(Folder { path: path.to_owned(), log: opened.map_err(NightError::io("write", &log))? })
    }

    /// Where the ledger of the run is kept.
    pub(super) fn place(&self) -> Place {
        Place {
            checkpoint: self.path.join("checkpoint.json"),
            journal: self.path.join("journal.ndjson"),
            results: Some(self.results()),
        }
    }

    /// Where the results are.
    pub(super) fn results(&self) -> PathBuf {
        self.path.join("results.ndjson")
    }

    /// Where plans are kept.
    pub(in crate::cli) fn plans(&self) -> PathBuf {
        self.path.join("plans")
    }

    /// Says something, with the time. A log that cannot be written ends no run.
    pub(in crate::cli) fn log(&self, text: &str) {
        let now = DateTime::from_timestamp(unix_seconds() as i64, 0).unwrap_or_default();
        let _ = writeln!(&self.log, "{:?}Z  {text}", now.naive_utc());
    }

    /// Says how far the run is.
    pub(super) fn log_progress(&self, summary: &Summary) {
        let (failed, groups) = (summary.failed(), summary.failures.len());
        self.log(&format!("{} seeds, {failed} failed, in {groups} groups", summary.seeds));
    }

    /// Writes what is told at the end.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(in crate::cli) fn tell(&self, report: &Report, known: &Corpus) -> Result<(), NightError> {
        self.write("summary.txt", &to_text(report))?;
        self.write("summary.json", &to_json(report))?;
        if !known.is_empty() {
            self.write("corpus.json", &known.to_json(&report.system))?;
        }
        self.write("failures.log", &failures_text(report))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), NightError> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(NightError::io("make", folder))?;
        }
        write_whole(&path, |file| file.write_all(text.as_bytes()))
            .map_err(NightError::io("write", &path))
    }
}

/// Something in the directory that no run has left there.
fn stranger(path: &Path) -> Result<Option<String>, NightError> {
    let entries = std::fs::read_dir(path).map_err(NightError::io("read", path))?;
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    Ok(names.find(|name| !BEFORE_A_CHECKPOINT.contains(&name.as_str())))
}
