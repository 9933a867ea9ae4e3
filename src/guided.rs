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
//! any number of workers in any order, and learned from in the order of their places. So a search
//! may stop and go on after every generation: all that it needs is the corpus and where its [`Guide`]
//! is. Every world has a name of its own (a [`Seed`] with turns), under which it is run again
//! without any corpus.

mod corpus;
mod file;

use sim::{Fresh, ProcessId, Seed, Site, Source};

pub use corpus::Corpus;
pub use file::CorpusError;

/// Worlds of a generation. Small ones learn sooner; large ones keep more workers busy.
pub const GENERATION: u64 = 64;

/// The most worlds of a search: fifty days at a thousand a second.
pub const WORLDS_MAX: u64 = u32::MAX as u64;

/// The options of a world are drawn before its first event.
const OPTIONS_DRAWN: u64 = 1;

/// Chooses the worlds of a guided campaign.
#[derive(Debug)]
pub struct Guide {
    choices: Source,
    /// The next new seed.
    next: u64,
    /// Worlds that were chosen.
    chosen: u64,
}

impl Guide {
    /// A campaign that begins at this seed.
    #[must_use]
    pub fn new(first_seed: u64) -> Guide {
        Guide { choices: Source::new(first_seed), next: first_seed, chosen: 0 }
    }

    /// The guide of a campaign that began at this seed, as it was when it had chosen so many worlds
    /// and its next new seed was `next`.
    #[must_use]
    pub fn after(first_seed: u64, chosen: u64, next: u64) -> Guide {
        let mut choices = Source::new(first_seed);
        for _ in 0..chosen {
            draw(&mut choices);
        }
        Guide { choices, next, chosen }
    }

    /// The next new seed.
    #[must_use]
    pub fn next_seed(&self) -> u64 {
        self.next
    }

    /// The worlds of the next generation, of which there are at most `most`, from what is known.
    pub fn generation(&mut self, corpus: &Corpus, most: u64) -> Vec<Seed> {
        (0..GENERATION.min(most)).map(|place| self.choose(corpus, place)).collect()
    }

    fn choose(&mut self, corpus: &Corpus, place: u64) -> Seed {
        self.chosen += 1;
        let die = draw(&mut self.choices);
        if place % 2 == 1
            && let Some(shown) = corpus.choose(die)
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
}

/// One number for each world, whether it needs one or not.
fn draw(choices: &mut Source) -> u64 {
    choices.draw(ProcessId::WORLD, Site::STRATEGY, 0).word_u64(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_goes_on_from_where_another_one_was() {
        let mut corpus = Corpus::default();
        let mut guide = Guide::new(42);
        for round in 0..4 {
            let mut other = Guide::after(42, GENERATION * round, guide.next_seed());
            let worlds = guide.generation(&corpus, GENERATION);
            assert_eq!(other.generation(&corpus, GENERATION), worlds, "generation {round}");
            (100..)
                .zip(&worlds)
                .for_each(|(length, seed)| corpus.learn(seed, length, &[(length, 9)]));
        }
        assert_eq!(guide.next_seed(), 42 + 64 + 3 * 32);
    }
}
