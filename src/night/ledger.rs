//! The ledger: which seeds are given out, which are done, and what they came to; on disk if somebody
//! wants to keep it.
//!
//! ```text
//!   take ──▶ a worker runs the stretch ──▶ put ──▶ journal      at once
//!                                                    │
//!                                     every few seconds, in this order:
//!                          results.ndjson + fsync ──▶ checkpoint.json ──▶ journal emptied
//! ```
//! A process may be killed between any two of these steps. The checkpoint says how many bytes of
//! the results belong to it: what stands behind was written for stretches that are still in the
//! journal, and is written again. A stretch that is in both checkpoint and journal counts once.
//!
//! Campaigns in turn give out any stretch that nobody has. A guided one gives out one generation
//! after the other ([`search`]), and each is a stretch here: what it learned is in its summary.
//!
//! The ledger knows no clock: who calls [`Ledger::save`] says what time it is.

mod search;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sim::Seed;

use self::search::Search;
use super::checkpoint::{Checkpoint, Part};
use super::error::NightError;
use super::job::Job;
use super::journal::{self, Entry};
use super::layout::{Block, Layout};
use super::results::{self, ResultLine};
use super::spans::Spans;
use crate::campaign::Summary;
use crate::guided::Corpus;

/// Where a run is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The journal.
    pub journal: PathBuf,
    /// The results, if somebody wants them.
    pub results: Option<PathBuf>,
}

/// Worlds that one worker runs, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Their positions in the block, within one stretch.
    pub positions: Range<u64>,
    /// The place of the first one in the campaign.
    pub place: u64,
    /// What they are called.
    pub seeds: Vec<Seed>,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These worlds.
    Run(Task),
    /// Nothing before others have put back what they have.
    Wait,
    /// Nothing any more.
    Nothing,
}

/// Which seeds are done, and what they came to.
#[derive(Debug)]
pub struct Ledger {
    job: Job,
    block: Block,
    layout: Layout,
    given: Spans,
    done: Spans,
    summary: Summary,
    /// Where a guided search is.
    search: Option<Search>,
    kept: Option<Kept>,
    /// Nothing new is begun.
    is_ending: bool,
    failed: Option<NightError>,
}

#[derive(Debug)]
struct Kept {
    place: Place,
    job_hash: u64,
    journal: File,
    results: Option<File>,
    results_bytes: u64,
    /// Lines that are not in the results yet.
    lines: Vec<ResultLine>,
    /// Wall time of the sessions before this one.
    elapsed_before: Duration,
    is_saved: bool,
}

impl Ledger {
    /// A ledger that nobody keeps, of a campaign that begins with this corpus.
    #[must_use]
    pub fn in_memory(job: Job, block: Block, known: Corpus) -> Ledger {
        let layout = job.layout(block);
        let search = job.guided.as_ref().map(|_| Search::at(job.first_seed, 0, job.first_seed));
        Ledger {
            job,
            block,
            layout,
            given: Spans::default(),
            done: Spans::default(),
            summary: Summary { corpus: known, ..Summary::default() },
            search,
            kept: None,
            is_ending: false,
            failed: None,
        }
    }

    /// A ledger that is kept; what is there already is continued, else it begins with this corpus.
    ///
    /// # Errors
    /// If what is there belongs to another run, is damaged, or is in use, or cannot be written.
    pub fn open(job: Job, block: Block, place: Place, known: Corpus) -> Result<Ledger, NightError> {
        let mut journal = open(&place.journal)?;
        journal.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => NightError::InUse { path: place.journal.clone() },
            TryLockError::Error(source) => NightError::io("lock", &place.journal)(source),
        })?;
        let found = match place.checkpoint.try_exists() {
            Ok(false) => None,
            _ => Some(Checkpoint::read(&place.checkpoint)?),
        };
        let mut ledger = Ledger::in_memory(job, block, known);
        let (mut results_bytes, mut elapsed_before) = (0, Duration::ZERO);
        match found {
            None => journal::clear_from(&mut journal, 0)
                .map_err(NightError::io("write", &place.journal))?,
            Some(checkpoint) => {
                results_bytes = checkpoint.results_bytes;
                elapsed_before = checkpoint.elapsed();
                ledger.continue_from(checkpoint, &place.checkpoint)?;
            }
        }
        let results = place.results.as_deref();
        let results = results.map(|path| open_results(path, results_bytes)).transpose()?;
        let job_hash = ledger.job.hash();
        let mut lines = Vec::new();
        journal::recover(&mut journal, job_hash, |entry| ledger.recover(entry, &mut lines))
            .map_err(NightError::io("read", &place.journal))?;
        ledger.kept = Some(Kept {
            place,
            job_hash,
            journal,
            results,
            results_bytes,
            lines,
            elapsed_before,
            is_saved: false,
        });
        // So that whatever follows finds out whose directory this is.
        ledger.save(Duration::ZERO)?;
        Ok(ledger)
    }

    fn continue_from(&mut self, found: Checkpoint, path: &Path) -> Result<(), NightError> {
        let differences = self.job.differences(&found.job);
        if !differences.is_empty() {
            return Err(NightError::OtherRun { path: path.to_owned(), differences });
        }
        let summary = found.summary();
        let blocks: Vec<String> = found.parts.keys().map(Block::to_string).collect();
        match found.parts.into_iter().next() {
            Some((block, part)) if block == self.block && blocks.len() == 1 => {
                let first = self.job.first_seed;
                let at = |next_seed| Search::at(first, part.done.count(), next_seed);
                self.search = part.next_seed.map(at);
                self.given = part.done.clone();
                self.done = part.done;
                self.summary = summary;
                Ok(())
            }
            _ => Err(NightError::OtherBlock {
                path: path.to_owned(),
                there: blocks.join(" and "),
                here: self.block.to_string(),
            }),
        }
    }

    /// Takes an entry of the journal. `false`: it cannot be one of this run.
    fn recover(&mut self, entry: Entry, lines: &mut Vec<ResultLine>) -> bool {
        let positions = entry.positions();
        if positions.start < positions.end && self.done.holds(&positions) {
            // The process ended between checkpoint and journal.
            return true;
        }
        let is_sound = positions.start < positions.end
            && positions.end <= self.layout.end_of_stretch(positions.start)
            && entry.summary.seeds == positions.end - positions.start
            && !self.done.meets(&positions);
        let is_sound = is_sound && self.search_again(&positions);
        if is_sound {
            lines.extend(self.count(positions, entry.summary));
        }
        is_sound
    }

    /// Nothing new is begun any more. A generation that was begun is given out to its end: half of
    /// one is nothing from which a search could go on.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// The next worlds that nobody has.
    pub fn take(&mut self) -> Next {
        if self.failed.is_some() {
            return Next::Nothing;
        }
        match self.search.is_some() {
            true => self.take_of_generation(),
            false => self.take_in_turn(),
        }
    }

    fn take_in_turn(&mut self) -> Next {
        let gap = self.given.gap(0, self.layout.seeds_of_block()).filter(|_| !self.is_ending);
        let Some(gap) = gap else { return Next::Nothing };
        let positions = gap.start..gap.end.min(self.layout.end_of_stretch(gap.start));
        self.given.insert(positions.clone());
        let places = self.layout.stretch_places(&positions);
        let seed = |place| Seed::from(self.job.first_seed + place);
        let seeds = places.clone().map(seed).collect();
        Next::Run(Task { positions, place: places.start, seeds })
    }

    /// These positions are done, within one stretch, and came to this.
    pub fn put(&mut self, positions: Range<u64>, summary: Summary) {
        if positions.is_empty() || self.failed.is_some() {
            return;
        }
        match &mut self.search {
            None => self.enter(positions, summary),
            Some(search) => {
                if let Some((positions, summary)) = search.put(&positions, summary) {
                    self.enter(positions, summary);
                }
            }
        }
    }

    fn enter(&mut self, positions: Range<u64>, summary: Summary) {
        let lines = match &mut self.kept {
            None => {
                self.count(positions, summary);
                return;
            }
            Some(kept) => {
                let entry = Entry { from: positions.start, to: positions.end, summary };
                if let Err(source) = journal::append(&mut kept.journal, kept.job_hash, &entry) {
                    self.failed = Some(NightError::io("write", &kept.place.journal)(source));
                    return;
                }
                self.count(positions, entry.summary)
            }
        };
        if let Some(kept) = &mut self.kept {
            kept.lines.extend(lines);
            kept.is_saved = false;
        }
    }

    fn count(&mut self, positions: Range<u64>, summary: Summary) -> Vec<ResultLine> {
        let first = self.job.first_seed;
        let places = self.layout.stretch_places(&positions);
        let seeds = first + places.start..first + places.end;
        let lines = match &self.kept {
            // Nobody will write them.
            Some(Kept { results: None, .. }) => Vec::new(),
            _ => results::lines_of(&seeds, &summary, &self.summary),
        };
        self.given.insert(positions.clone());
        self.done.insert(positions);
        self.summary = std::mem::take(&mut self.summary).merge(summary);
        lines
    }

    /// Makes durable what is done. `elapsed` is the wall time of this session.
    ///
    /// # Errors
    /// If it cannot be written, now or earlier: the checkpoint that was there is whole then.
    pub fn save(&mut self, elapsed: Duration) -> Result<(), NightError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let Some(kept) = &mut self.kept else { return Ok(()) };
        if kept.is_saved {
            return Ok(());
        }
        let elapsed = kept.elapsed_before + elapsed;
        if let (Some(results), Some(path)) = (&mut kept.results, &kept.place.results) {
            let fails = NightError::io("write", path);
            kept.results_bytes +=
                results::write(&mut kept.lines, elapsed.as_millis() as u64, results)
                    .and_then(|bytes| results.sync_data().map(|()| bytes))
                    .map_err(fails)?;
        }
        kept.lines.clear();
        let results_bytes = kept.results_bytes;
        let checkpoint = Checkpoint { results_bytes, ..self.checkpoint_at(elapsed) };
        let Some(kept) = &mut self.kept else { return Ok(()) };
        checkpoint.write(&kept.place.checkpoint)?;
        journal::clear_from(&mut kept.journal, 0)
            .map_err(NightError::io("write", &kept.place.journal))?;
        kept.is_saved = true;
        Ok(())
    }

    /// Nothing can be kept any more, for this reason.
    pub fn fail(&mut self, error: NightError) {
        self.failed.get_or_insert(error);
    }

    /// Whether something could not be kept: there is no sense in going on.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether every seed of the block is done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.done.count() == self.layout.seeds_of_block()
    }

    /// How far the run is, without how long it took.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint_at(Duration::ZERO)
    }

    fn checkpoint_at(&self, elapsed: Duration) -> Checkpoint {
        let next_seed = self.search.as_ref().map(Search::next_seed);
        let (done, elapsed_ms) = (self.done.clone(), elapsed.as_millis() as u64);
        let part = Part { done, elapsed_ms, next_seed, summary: self.summary.clone() };
        Checkpoint::of(&self.job, self.block, part)
    }

    /// What was found so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What was found in all.
    #[must_use]
    pub fn into_summary(self) -> Summary {
        self.summary
    }

    /// Where the seeds of the block are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Wall time of the sessions before this one.
    #[must_use]
    pub fn elapsed_before(&self) -> Duration {
        self.kept.as_ref().map_or(Duration::ZERO, |kept| kept.elapsed_before)
    }
}

fn open(path: &Path) -> Result<File, NightError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(NightError::io("write", path))
}

/// Opens the results and cuts off what belongs to no checkpoint.
fn open_results(path: &Path, bytes: u64) -> Result<File, NightError> {
    let mut file = open(path)?;
    let length = file.metadata().map_err(NightError::io("read", path))?.len();
    if length < bytes {
        return Err(NightError::ResultsCut { path: path.to_owned(), found: length, wanted: bytes });
    }
    let cut = file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes)));
    cut.map_err(NightError::io("write", path))?;
    Ok(file)
}
