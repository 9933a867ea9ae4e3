//! What a process did, written down so that a kill loses nothing that it was told.
//!
//! One file for each life of a process, one JSON object a line. A commit has two lines: the **intent**,
//! with its id and all that it reads and writes, is in the file before the first request goes out;
//! the **outcome** is there before the process does anything else with it. `SIGKILL` can cut the last
//! line short, and only the last: a line without its end counts as not written, which at worst makes a
//! known outcome an unknown one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::cli::{JournalSync, Role};

/// A key, the name of its value (none if it is absent), and the seq that wrote it.
pub(crate) type Seen = (String, Option<String>, Option<u64>);
/// A key, and the name of its new value (none if it is deleted).
pub(crate) type Change = (String, Option<String>);

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Line {
    /// A transaction that is about to be sent.
    Intent {
        /// When the operation began.
        began: u64,
        /// Its name, unique in the run.
        op: String,
        /// Who waits for it.
        task: u32,
        /// Its commit id.
        id: String,
        reads: Vec<Seen>,
        writes: Vec<Change>,
    },
    /// What became of it.
    Outcome { at: u64, op: String, end: End },
    /// What `status` said of a commit whose outcome was unknown, of this life or an earlier one.
    Resolved { at: u64, op: String, status: Told },
    /// A strong read.
    Read { began: u64, at: u64, task: u32, seq: u64, reads: Vec<Seen> },
    /// Something that must be the state after one commit.
    View { at: u64, how: How, seq: u64, digest: String },
    /// Something that is counted.
    Count { at: u64, what: String, times: u64 },
}

/// What a client was told of its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Committed {
        seq: u64,
    },
    Conflict,
    Refused {
        why: String,
    },
    Unknown,
    /// The client stopped waiting.
    Dropped,
}

/// What `status` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Committed { seq: u64 },
    NotCommitted,
    Unknown,
}

/// How a state was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum How {
    /// A snapshot in memory that was kept for a while.
    Snapshot,
    /// A session on the newest state.
    Session,
    /// A session on a state that another process had saved.
    Reopened,
}

/// The journal of one life.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Mutex<File>,
    sync: JournalSync,
}

/// Where the journal of a life is.
pub(crate) fn path(work: &Path, role: Role, number: u32, life: u32) -> PathBuf {
    work.join("journals").join(format!("{}-{number:02}.{life:03}.ndjson", role.name()))
}

impl Journal {
    /// # Errors
    /// If the file exists or cannot be made.
    pub(crate) fn create(path: &Path, sync: JournalSync) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file), sync })
    }

    /// Writes a line; it is safe when this returns.
    ///
    /// # Errors
    /// If it is not. The process must not go on.
    pub(crate) fn write(&self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let mut file = self.file.lock().map_err(|_| io::Error::other("a writer panicked"))?;
        file.write_all(&bytes)?;
        if self.sync == JournalSync::Fsync {
            file.sync_data()?;
        }
        Ok(())
    }
}

/// The lines of a journal, without one that was cut short.
///
/// # Errors
/// If the file cannot be read, or a whole line is not one of a journal.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Line>> {
    let text = std::fs::read(path)?;
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines = text[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
}
