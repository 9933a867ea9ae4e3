//! Guided search: going back to where something rare happened, and trying other futures.
//!
//! Every seed begins a world anew, so what needs two unlikely things one after the other is found as
//! seldom as both together. A guided campaign keeps what it has reached. While worlds run, they note
//! **pairs**: the step at which a process stood and what another one did to the store meanwhile
//! ([`sim::trace::Trace::pairs`]). For each pair the [`Corpus`] counts the worlds that showed it and
//! keeps the shortest of them with the event. Half of the worlds are new seeds. The others come from
//! kept worlds, by turns: **the same kind of world on another course** (its options are kept, all
//! else is drawn afresh), or **another future** (the world up to just behind the event that showed
//! the pair, and drawn afresh from there). Pairs are chosen in inverse proportion to the number of
//! worlds that showed them, so that the search goes on where it was least (the power schedules of
//! Böhme et al., "Coverage-based Greybox Fuzzing as Markov Chain", CCS 2016, favour rare paths in the
//! same way; going back to a remembered state before exploring on is Ecoffet et al., "First return,
//! then explore", Nature 2021). Such a world shows pairs as well, so it may be continued itself.
//!
//! # Same campaign, same worlds
//! What a world is depends on the corpus, and the corpus on the worlds before. So worlds come in
//! **generations**: those of one are chosen from the corpus as it was before the generation, run by
//! any number of workers, and learned from in their order. Every world has a name of its own (a
//! [`Seed`] with turns), under which it is run again without any corpus.

mod corpus;
mod file;

use std::sync::atomic::{AtomicU64, Ordering};

use sim::trace::Keep;
use sim::{Fresh, ProcessId, Seed, Site, Source};

use crate::campaign::{Campaign, Summary, Watch, run_once};
use crate::panics;
use crate::workers;
use crate::world::WorldReport;

pub use corpus::Corpus;
pub use file::CorpusError;

/// Worlds of a generation. Small ones learn sooner; large ones keep more workers busy.
const GENERATION: u64 = 64;

/// The options of a world are drawn before its first event.
const OPTIONS_DRAWN: u64 = 1;

/// Chooses the worlds of a guided campaign.
#[derive(Debug)]
pub struct Guide {
    corpus: Corpus,
    choices: Source,
    /// The next new seed.
    next: u64,
    /// Worlds that were chosen.
    chosen: u64,
}

impl Guide {
    /// A campaign that begins at this seed and knows what the corpus knows.
    #[must_use]
    pub fn new(first_seed: u64, corpus: Corpus) -> Guide {
        Guide { corpus, choices: Source::new(first_seed), next: first_seed, chosen: 0 }
    }

    /// The worlds of the next generation, of which there are at most `most`.
    pub fn generation(&mut self, most: u64) -> Vec<Seed> {
        (0..GENERATION.min(most)).map(|place| self.choose(place)).collect()
    }

    fn choose(&mut self, place: u64) -> Seed {
        self.chosen += 1;
        let draw = self.choices.draw(ProcessId::WORLD, Site::STRATEGY, 0);
        if place % 2 == 1
            && let Some(shown) = self.corpus.choose(draw.word_u64(0))
        {
            let from_event = if place % 4 == 1 { OPTIONS_DRAWN } else { shown.event + 1 };
            // The number of the world is as good as any other and short.
            return shown.seed.turned(Fresh { from_event, seed: self.chosen });
        }
        let seed = Seed::from(self.next);
        // Past the last seed it begins again; nobody runs that many.
        self.next = self.next.wrapping_add(1);
        seed
    }

    /// A world of the last generation was run; they are told of in their order.
    pub fn learn(&mut self, report: &WorldReport) {
        self.corpus.learn(&report.seed, report.events, &report.pairs);
    }

    /// What is known now.
    #[must_use]
    pub fn into_corpus(self) -> Corpus {
        self.corpus
    }
}

/// Runs a guided campaign with so many workers (at least one), from what `corpus` knows, and returns
/// with the summary what is known in the end.
///
/// # Panics
/// If a worker thread dies; panics of the system under test are caught and are findings.
pub fn run(
    campaign: &Campaign,
    workers: usize,
    watch: &dyn Watch,
    corpus: Corpus,
) -> (Summary, Corpus) {
    panics::install();
    let done = AtomicU64::new(0);
    let search = || {
        let mut guide = Guide::new(campaign.first_seed, corpus);
        let mut summary = Summary::default();
        while summary.seeds < campaign.iterations && !watch.wants_the_end() {
            let seeds = guide.generation(campaign.iterations - summary.seeds);
            let keep = match watch.keep() {
                Keep::Hash => Keep::Pairs,
                more => more,
            };
            let over = |_| {
                done.fetch_add(1, Ordering::Relaxed);
            };
            let ran = workers::map(
                &seeds,
                workers,
                |arena, seed| run_once(campaign, arena, seed, keep),
                over,
            );
            for (report, repeat) in ran {
                guide.learn(&report);
                summary.add(&report, repeat);
                watch.finished(&report);
            }
        }
        (summary, guide.into_corpus())
    };
    std::thread::scope(|scope| {
        let search = scope.spawn(search);
        while !search.is_finished() {
            watch.progress(done.load(Ordering::Relaxed));
        }
        match search.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
