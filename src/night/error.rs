//! Why a run cannot be kept, continued or joined.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::checkpoint::FORMAT;
use super::job::Differences;

/// Why a run cannot be kept, continued or joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NightError {
    /// A file cannot be read or written.
    #[error("cannot {verb} {}: {source}; what was saved before is whole: {} and give the same command, or give another place", path.display(), remedy(source))]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is no checkpoint.
    #[error("{} is no checkpoint: {why}; restore it, or give another place", path.display())]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A checkpoint of another format.
    #[error("{} has format {found}, this version reads format {FORMAT}; use the version that wrote it", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A checkpoint of another run.
    #[error("{} is of another run: {differences}; give the same flags, or another place", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// In what they differ.
        differences: Differences,
    },
    /// A checkpoint of other blocks.
    #[error("{} is of block {there}, not {here}; give the same --block, or another place", path.display())]
    OtherBlock {
        /// The file.
        path: PathBuf,
        /// Its blocks.
        there: String,
        /// The block that was asked for.
        here: String,
    },
    /// Another process writes there.
    #[error("another vopr writes to {}; wait for it, or give another place", path.display())]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The results are shorter than the checkpoint says.
    #[error("{} has {found} bytes, the checkpoint beside it counts on {wanted}; restore it, or give another place", path.display())]
    ResultsCut {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length that it must have at least.
        wanted: u64,
    },
    /// A directory that holds something else.
    #[error("{} holds {stranger} and no checkpoint.json; give an empty or a new directory", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Something in it.
        stranger: String,
    },
    /// Two runs that did some of the same seeds, and neither all of the other's.
    #[error("{} and {} both have seed {seed}, and each has seeds that the other lacks; leave one of them out", one.display(), other.display())]
    Overlap {
        /// One of them.
        one: PathBuf,
        /// The other one.
        other: PathBuf,
        /// A seed that both have.
        seed: u64,
    },
    /// The processes that run worlds do not start.
    #[error("the process that should run worlds ended before its first world, three times: {why}")]
    NoWorker {
        /// What is known of the last one.
        why: String,
    },
}

/// What must be done before the same can be tried again.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "make room",
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => "make it writable",
        _ => "put that right",
    }
}

impl NightError {
    /// Something could not be done with a file.
    pub(crate) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NightError {
        let path = path.to_owned();
        move |source| NightError::Io { verb, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_what_went_wrong() {
        let told = |kind: ErrorKind| {
            NightError::io("write", Path::new("night/journal"))(kind.into()).to_string()
        };
        for (kind, advice) in [
            (ErrorKind::StorageFull, "make room"),
            (ErrorKind::ReadOnlyFilesystem, "make it writable"),
            (ErrorKind::NotADirectory, "put that right"),
        ] {
            let told = told(kind);
            assert!(told.starts_with("cannot write night/journal: "), "{told}");
            let end = format!("whole: {advice} and give the same command, or give another place");
            assert!(told.ends_with(&end), "{told}");
        }
    }
}
