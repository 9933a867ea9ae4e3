//! A corpus as a file, so that a search can go on where an earlier one ended.
//!
//! ```json
//! {"format": 1, "vopr": "0.1.0", "system": "manifest-core", "pairs": [
//!   ["9e3779b97f4a7c15",3,"42@1130:7",1277,1920],
//!   ...
//! ]}
//! ```
//! Each line is a pair as [`Corpus`] writes it. A seed is a handle for one build: under another build
//! the worlds of a corpus are other worlds. That costs a search its head start and nothing else, so a
//! corpus of another build is taken as it is; the number of worlds that showed a pair still says
//! which are rare.

use std::io::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::corpus::{Corpus, Entry};
use crate::files::{read_bounded, write_whole};

/// The format that this version writes, and the only one that it reads.
const FORMAT: u64 = 1;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Why a file is no corpus for this search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is larger than any corpus.
    #[error("larger than {} MiB, which is the most that a corpus may have", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// It is of another format.
    #[error("format {0} is not known; this version reads format {FORMAT}")]
    UnknownFormat(u64),
    /// It is no JSON of this form, or says what cannot be. The message says at which line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is of another system.
    #[error("it is of the system {0}, and {1} is under test")]
    System(String, String),
}

#[derive(Deserialize)]
struct Head {
    format: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "format")]
    _format: u64,
    #[serde(rename = "vopr")]
    _vopr: String,
    system: String,
    pairs: Corpus,
}

impl Corpus {
    /// Reads the corpus of a system. A file that does not exist is an empty corpus.
    ///
    /// # Errors
    /// If the file cannot be read, or is no corpus of this system.
    pub fn read(path: &Path, system: &str) -> Result<Corpus, CorpusError> {
        let text = match read_bounded(path, FILE_BYTES_MAX) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Corpus::default());
            }
            read => read?,
        };
        Corpus::from_json(&text.ok_or(CorpusError::TooLarge)?, system)
    }

    fn from_json(text: &str, system: &str) -> Result<Corpus, CorpusError> {
        let head: Head = serde_json::from_str(text)?;
        if head.format != FORMAT {
            return Err(CorpusError::UnknownFormat(head.format));
        }
        let body: Body = serde_json::from_str(text)?;
        if body.system != system {
            return Err(CorpusError::System(body.system, system.to_owned()));
        }
        Ok(body.pairs)
    }

    /// Writes the corpus of a system, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path, system: &str) -> Result<(), CorpusError> {
        Ok(write_whole(path, |file| file.write_all(self.to_json(system).as_bytes()))?)
    }

    /// The corpus of a system as a file has it.
    pub(crate) fn to_json(&self, system: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let system = serde_json::Value::from(system);
        let entry = |pair| serde_json::to_string(&Entry::of(pair)).unwrap_or_default();
        let lines = self.pairs().map(|pair| format!("\n  {}", entry(pair)));
        let lines: Vec<String> = lines.collect();
        format!(
            "{{\"format\": {FORMAT}, \"vopr\": \"{version}\", \"system\": {system}, \"pairs\": [{}\n]}}\n",
            lines.join(",")
        )
    }
}

#[cfg(test)]
mod tests {
    use sim::Seed;

    use super::*;

    fn corpus() -> Corpus {
        let mut corpus = Corpus::default();
        corpus.learn(&Seed::from(42), 50, &[(1, 10), (u64::MAX, 11)]);
        let turned = "42@10:7@30:9".parse().expect("it is a seed");
        corpus.learn(&turned, 40, &[(1, 10), (7, 12)]);
        corpus
    }

    #[test]
    fn a_corpus_is_read_as_it_was_written() {
        let text = corpus().to_json("log");
        assert_eq!(Corpus::from_json(&text, "log").expect("it was written"), corpus());
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("corpus.json");
        assert!(Corpus::read(&path, "log").expect("nothing is an empty corpus").is_empty());
        corpus().write(&path, "log").expect("it can be written");
        assert_eq!(Corpus::read(&path, "log").expect("it was written"), corpus());
    }

    #[test]
    fn what_is_no_corpus_is_refused_with_a_reason() {
        let whole = corpus().to_json("log");
        for cut in 0..whole.trim_end().len() {
            assert!(Corpus::from_json(&whole[..cut], "log").is_err(), "{cut} bytes of it");
        }
        let refused = |from: &str, to: &str| {
            assert!(whole.contains(from), "{from}");
            let text = whole.replacen(from, to, 1);
            Corpus::from_json(&text, "log").expect_err(to).to_string()
        };
        assert!(refused("\"format\": 1", "\"format\": 2").contains("format 2"));
        assert!(refused("\"log\"", "\"table\"").contains("table"));
        assert!(refused("ffff", "xfff").contains("hexadecimal"));
        assert!(refused(",1,", ",0,").contains("no world"));
        assert!(refused(",10,40]", ",10,10]").contains("behind the end"));
        assert!(refused("42@10:7@30:9", "42@10:7@9:9").contains("ascend"));
    }
}
