//! The journal: stretches that were finished since the last checkpoint, one line each.
//!
//! A checkpoint is a file of some hundred kilobytes that is made durable, so it is written every
//! few seconds. What is finished in between goes to the journal at once: a process that is killed
//! loses no finished stretch. A line carries the hash of what it says and of the job that it
//! belongs to. A reader takes lines as long as they are whole; the first that is not, and all behind
//! it, were being written when the end came, and are cut off.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::job::hash_of;
use crate::campaign::Summary;

/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A finished stretch, or the part of it that was finished when somebody ended the run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// First position.
    pub(super) from: u64,
    /// The position behind the last.
    pub(super) to: u64,
    /// What was found.
    pub(super) summary: Summary,
}

impl Entry {
    pub(super) fn positions(&self) -> Range<u64> {
        self.from..self.to
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<E> {
    hash: String,
    entry: E,
}

fn hash(entry: &Entry, job: u64) -> String {
    format!("{:016x}", hash_of(&(job, entry)))
}

/// Appends an entry of the job with this hash.
///
/// # Errors
/// What the file system reports. Part of the line may be there then.
pub(super) fn append(file: &mut File, job: u64, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line { hash: hash(entry, job), entry })?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Reads entries of the job with this hash while they are whole and `take` wants them, and cuts off
/// the rest.
///
/// # Errors
/// What the file system reports.
pub(super) fn recover(
    file: &mut File,
    job: u64,
    mut take: impl FnMut(Entry) -> bool,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(&mut *file);
    let (mut sound, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        let line: Option<Line<Entry>> =
            text.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
        let entry = line.filter(|line| line.hash == hash(&line.entry, job));
        if !entry.is_some_and(|line| take(line.entry)) {
            break;
        }
        sound += read as u64;
    }
    clear_from(file, sound)
}

/// Cuts the file off.
///
/// # Errors
/// What the file system reports.
pub(super) fn clear_from(file: &mut File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() != length {
        file.set_len(length)?;
    }
    file.seek(SeekFrom::Start(length)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: u64 = 7;

    fn written(entries: u64) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        for number in 0..entries {
            let summary = Summary { seeds: number, ..Summary::default() };
            append(&mut file, JOB, &Entry { from: number, to: number + 1, summary })
                .expect("space");
        }
        file
    }

    fn recovered(file: &mut File, job: u64) -> Vec<u64> {
        let mut found = Vec::new();
        recover(file, job, |entry| {
            found.push(entry.from);
            true
        })
        .expect("readable");
        found
    }

    #[test]
    fn a_torn_line_is_cut_and_the_next_one_follows_the_last_whole_one() {
        let whole = written(3).metadata().expect("a length").len();
        let two = written(2).metadata().expect("a length").len();
        for length in [two, two + 1, (two + whole) / 2, whole - 1] {
            let mut file = written(3);
            file.set_len(length).expect("it is cut");
            assert_eq!(recovered(&mut file, JOB), [0, 1], "{length} of {whole} bytes");
            append(&mut file, JOB, &Entry { from: 9, to: 10, summary: Summary::default() })
                .expect("space");
            assert_eq!(recovered(&mut file, JOB), [0, 1, 9]);
        }
    }

    #[test]
    fn a_line_with_a_flipped_bit_ends_the_journal() {
        use std::os::unix::fs::FileExt as _;
        let mut file = written(3);
        let second = written(1).metadata().expect("a length").len();
        let mut letter = [0];
        // A digit of the second line's summary becomes another digit.
        file.read_exact_at(&mut letter, second + 50).expect("readable");
        file.write_all_at(&[letter[0] ^ 1], second + 50).expect("writable");
        assert_eq!(recovered(&mut file, JOB), [0]);
    }

    #[test]
    fn lines_of_another_job_are_not_taken() {
        assert_eq!(recovered(&mut written(2), JOB + 1), [0; 0]);
    }
}
