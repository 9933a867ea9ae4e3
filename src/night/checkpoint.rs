//! Checkpoints: how far a run is and what it found, as one file.
//!
//! ```json
//! {"format":1,"hash":"9f3c...","checkpoint":{
//!   "job":{...},
//!   "parts":{"3/8":{"done":[[0,5000]],"elapsed_ms":93210,"summary":{...}}},
//!   "behaviours":{"timed":"000a3f..."},
//!   "results_bytes":8123}}
//! ```
//! The checkpoint of a run has one part, its block; a joined one has several. Each part has its own
//! counts, so parts can be joined again and again and in any order, and the same part twice counts
//! once. The behaviours stand beside them: they are sets, and the union of sets does not mind.
//!
//! A file is bounded before it is read, its format is looked at first, its hash next, and then
//! whether it says something that can be. `docs/overnight.md` has every field.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::NightError;
use super::job::{Job, hash_of};
use super::layout::{Block, Extent, Layout};
use super::spans::Spans;
use crate::campaign::Summary;
use crate::distinct::Distinct;
use crate::files::write_whole;
use crate::strategy::Strategy;

/// The format that is written and read.
pub const FORMAT: u32 = 1;

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// How far a run is and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// What the run is.
    pub job: Job,
    /// The blocks of it that were run.
    pub parts: BTreeMap<Block, Part>,
    /// What all of them did at the store, by strategy.
    pub behaviours: BTreeMap<Strategy, Distinct>,
    /// Bytes of `results.ndjson` that belong to it.
    pub results_bytes: u64,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The positions of the block that are done.
    pub done: Spans,
    /// Wall time that was spent, in milliseconds.
    pub elapsed_ms: u64,
    /// The new seed with which a guided search goes on; of any other campaign nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_seed: Option<u64>,
    /// What was found there, without behaviours.
    pub summary: Summary,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<C> {
    format: u32,
    hash: String,
    checkpoint: C,
}

/// What stands in every format.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl Checkpoint {
    /// The checkpoint of a block.
    #[must_use]
    pub fn of(job: &Job, block: Block, mut part: Part) -> Checkpoint {
        let searched = part.summary.searched.iter_mut();
        let behaviours = searched
            .map(|(&strategy, searched)| (strategy, std::mem::take(&mut searched.behaviours)));
        let behaviours = behaviours.collect();
        Checkpoint {
            job: job.clone(),
            parts: BTreeMap::from([(block, part)]),
            behaviours,
            results_bytes: 0,
        }
    }

    /// What all parts found together.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let parts = self.parts.values().map(|part| part.summary.clone());
        let mut whole = parts.fold(Summary::default(), Summary::merge);
        for (strategy, behaviours) in &self.behaviours {
            whole.searched.entry(*strategy).or_default().behaviours.merge(behaviours);
        }
        whole
    }

    /// Wall time that all parts took together.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.parts.values().map(|part| part.elapsed_ms).sum())
    }

    /// Which places of the campaign are done.
    #[must_use]
    pub fn places(&self) -> Spans {
        let mut places = Spans::default();
        for (block, part) in &self.parts {
            self.job.layout(*block).places(&part.done).iter().for_each(|span| places.insert(span));
        }
        places
    }

    /// The seeds that are missing of the whole, or of one block: the first and the one behind the
    /// last of each gap. Of a campaign without an end those below the last one that is done.
    #[must_use]
    pub fn missing(&self, of: Block) -> Vec<Range<u64>> {
        let layout = self.job.layout(of);
        let done = match self.parts.get(&of) {
            Some(part) => part.done.clone(),
            None if of.is_whole() => self.places(),
            None => Spans::default(),
        };
        let limit = match self.job.extent() {
            Extent::Seeds(_) => layout.seeds_of_block(),
            Extent::Endless => done.end(),
        };
        let mut gaps = Spans::default();
        let mut from = 0;
        while let Some(gap) = done.gap(from, limit) {
            from = gap.end;
            gaps.insert(gap);
        }
        let first = self.job.first_seed;
        layout.places(&gaps).iter().map(|gap| first + gap.start..first + gap.end).collect()
    }

    /// Reads a checkpoint, or that of a directory.
    ///
    /// # Errors
    /// If it cannot be read or is no checkpoint of this format.
    pub fn read(path: &Path) -> Result<Checkpoint, NightError> {
        let mut text = Vec::new();
        let mut read = File::open(path).map(|file| file.take(FILE_BYTES_MAX + 1));
        let read = read.as_mut().map_err(|error| std::io::Error::from(error.kind()));
        read.and_then(|file| file.read_to_end(&mut text)).map_err(NightError::io("read", path))?;
        let flawed = |why: String| NightError::NoCheckpoint { path: path.to_owned(), why };
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(flawed(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
        }
        let head: Head =
            serde_json::from_slice(&text).map_err(|error| flawed(error.to_string()))?;
        if head.format != u64::from(FORMAT) {
            return Err(NightError::UnknownFormat { path: path.to_owned(), found: head.format });
        }
        let written: Written<Checkpoint> =
            serde_json::from_slice(&text).map_err(|error| flawed(error.to_string()))?;
        let Written { hash, checkpoint, .. } = written;
        if hash != format!("{:016x}", hash_of(&checkpoint)) {
            return Err(flawed(String::from("it was changed since it was written")));
        }
        checkpoint.check().map_err(|why| flawed(why.to_owned()))?;
        Ok(checkpoint)
    }

    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), NightError> {
        let hash = format!("{:016x}", hash_of(self));
        let written = Written { format: FORMAT, hash, checkpoint: self };
        write_whole(path, |file| {
            serde_json::to_writer(&mut *file, &written)?;
            file.write_all(b"\n")
        })
        .map_err(NightError::io("write", path))
    }

    /// Whether it says something that can be.
    fn check(&self) -> Result<(), &'static str> {
        let mut places = Spans::default();
        let mut count = 0;
        if self.job.seeds.is_some_and(|seeds| self.job.first_seed.checked_add(seeds).is_none()) {
            return Err("its last seed is too large");
        }
        for (block, part) in &self.parts {
            let layout: Layout = self.job.layout(*block);
            if part.done.end() > layout.seeds_of_block() {
                return Err("it has seeds beyond its block");
            }
            if part.done.count() != part.summary.seeds {
                return Err("its counts are not those of its seeds");
            }
            if part.summary.searched.values().any(|searched| searched.behaviours.count() > 0) {
                return Err("a part has behaviours of its own");
            }
            match &self.job.guided {
                None if part.next_seed.is_some() || !part.summary.corpus.is_empty() => {
                    return Err("it is of no guided search, and of one");
                }
                Some(_) => self.check_search(*block, part)?,
                None => {}
            }
            layout.places(&part.done).iter().for_each(|span| places.insert(span));
            count += part.done.count();
        }
        if places.count() == count { Ok(()) } else { Err("a seed is counted twice") }
    }

    /// Whether a guided search can go on from there: it does from whole generations only.
    fn check_search(&self, block: Block, part: &Part) -> Result<(), &'static str> {
        if !block.is_whole() {
            return Err("a guided search has no blocks");
        }
        let done = part.done.end();
        let is_first = part.done.count() == done;
        if !is_first || (done > 0 && self.job.layout(block).end_of_stretch(done - 1) != done) {
            return Err("a generation was done in part");
        }
        let begun = part.next_seed.map(|next| next.wrapping_sub(self.job.first_seed));
        match begun.is_some_and(|begun| begun <= done) {
            true => Ok(()),
            false => Err("it does not say with which seed it goes on"),
        }
    }
}

/// The checkpoint of what somebody named: a file, or a directory that holds one.
#[must_use]
pub fn checkpoint_in(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("checkpoint.json") } else { path.to_owned() }
}
