//! Choices: where every decision of a world comes from.
//!
//! One seed, one ChaCha8 key. A decision is addressed by *who* decides, *what for* and *how often
//! it did so before*: a [`ChoiceKey`] of process, [`Site`] and count. Each (process, site) owns a
//! ChaCha stream, and the n-th decision there is the n-th slice of that stream. So decisions are
//! independent: when reduction removes one fault or one operation, the decisions of every other
//! process and site stay exactly what they were.
//!
//! A decision is a [`Draw`]: a fixed number of random words, each used for one aspect (which
//! fault, which latency, ...). Using words by position keeps the aspects independent as well.
//!
//! Three things can happen to a decision besides being drawn:
//! * **overridden**: a plan names the key and gives the words;
//! * **recorded**: every key and its words are kept, for a failing seed that is run again;
//! * **drawn afresh**: from a given event of the trace on, all later decisions come from another
//!   seed. This is how the probability of failure after a prefix is measured.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::process::ProcessId;
use crate::seed::Seed;

/// Number of 32-bit words in one [`Draw`].
pub const DRAW_WORDS: usize = 8;

/// What a decision is for. Streams of different sites never share words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Site(pub u8);

impl Site {
    /// Which of several ready tasks runs next.
    pub const ORDER: Site = Site(0);
    /// Options of the world (swarm).
    pub const OPTIONS: Site = Site(1);
    /// Which operation a client does next.
    pub const OPERATION: Site = Site(2);
    /// Fault and latencies of one store request.
    pub const REQUEST: Site = Site(3);
    /// Randomness that the system under test asked for.
    pub const SYSTEM: Site = Site(4);
    /// Faults of processes: crash, restart, stall, clock step.
    pub const PROCESS_FAULT: Site = Site(5);
    /// Faults of the environment as a whole: partitions, outages, throttling.
    pub const WEATHER: Site = Site(6);
    /// Pauses between the operations of a client.
    pub const THINK: Site = Site(7);
    /// What happens next, where the order is not by time.
    pub const SCHEDULE: Site = Site(8);
    /// How a world is searched: strategy, window, depth.
    pub const STRATEGY: Site = Site(9);
    /// Number of sites.
    pub const COUNT: usize = 10;

    /// The ChaCha stream of this site for the process at `process`. Sites come in pages of eight,
    /// so that one that is added moves no stream of the others.
    fn stream(self, process: usize) -> u64 {
        let (page, place) = (u64::from(self.0 / 8), u64::from(self.0 % 8));
        (page << 32) | (process as u64 * 8 + place)
    }
}

/// The address of one decision.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ChoiceKey {
    /// Who decides.
    pub process: ProcessId,
    /// What for.
    pub site: Site,
    /// How many decisions this process made at this site before.
    pub count: u32,
}

/// The random words of one decision, used by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Draw {
    words: [u32; DRAW_WORDS],
}

impl Draw {
    /// A draw with the given words, for overrides.
    #[must_use]
    pub fn from_words(words: [u32; DRAW_WORDS]) -> Self {
        Draw { words }
    }

    /// The word at `index`.
    ///
    /// # Panics
    /// If `index >= DRAW_WORDS`.
    #[must_use]
    pub fn word(&self, index: usize) -> u32 {
        self.words[index]
    }

    /// Two neighbouring words as one number.
    ///
    /// # Panics
    /// If `index + 1 >= DRAW_WORDS`.
    #[must_use]
    pub fn word_u64(&self, index: usize) -> u64 {
        u64::from(self.words[index]) << 32 | u64::from(self.words[index + 1])
    }

    /// A number in `0..bound` from the word at `index` (0 if `bound` is 0).
    #[must_use]
    pub fn below(&self, index: usize, bound: u32) -> u32 {
        scale(self.words[index], bound)
    }

    /// A number in `low..=high` from the word at `index`.
    #[must_use]
    pub fn between(&self, index: usize, low: u32, high: u32) -> u32 {
        low + scale(self.words[index], high.saturating_sub(low).saturating_add(1))
    }

    /// True in `ppm` of a million draws.
    #[must_use]
    pub fn chance_ppm(&self, index: usize, ppm: u32) -> bool {
        scale(self.words[index], 1_000_000) < ppm
    }
}

/// Maps a random word to `0..bound` by multiplication (Lemire 2019, without the rejection step:
/// the bias is below `bound / 2^32`, and no decision here is that fine).
#[must_use]
pub fn scale(word: u32, bound: u32) -> u32 {
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}

/// One (process, site): a ChaCha stream and the number of decisions taken from it.
#[derive(Clone, Debug)]
struct Stream {
    rng: ChaCha8Rng,
    count: u32,
    /// Streams outlive worlds; this says for which world the stream was keyed.
    world: u64,
}

/// The source of all decisions of one world.
#[derive(Debug)]
pub struct Source {
    key: [u8; 32],
    world: u64,
    streams: Vec<Option<Stream>>,
    overrides: BTreeMap<ChoiceKey, Draw>,
    recorded: Option<Vec<(ChoiceKey, Draw)>>,
    /// By event, descending: the next one is the last.
    turns: Vec<Fresh>,
}

/// "Draw afresh from event `from_event` on, with this seed": one turn of a [`Seed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fresh {
    /// Index of the first trace event whose successors are drawn afresh.
    pub from_event: u64,
    /// The seed of the fresh decisions.
    pub seed: u64,
}

fn key_of(seed: u64, salt: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&salt.to_le_bytes());
    key[16..].copy_from_slice(b"vopr choices 001");
    key
}

impl Source {
    /// The source of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Source {
            key: key_of(seed, 0),
            world: 0,
            streams: Vec::new(),
            overrides: BTreeMap::new(),
            recorded: None,
            turns: Vec::new(),
        }
    }

    /// Starts over with another seed and keeps the memory. Overrides and recording are off again.
    pub fn reset(&mut self, seed: &Seed) {
        self.key = key_of(seed.start(), 0);
        self.world += 1;
        self.overrides.clear();
        self.recorded = None;
        self.turns.clear();
        self.turns.extend(seed.turns().iter().rev());
    }

    /// Decides `key` as `draw`, whatever the seed says.
    pub fn override_choice(&mut self, key: ChoiceKey, draw: Draw) {
        self.overrides.insert(key, draw);
    }

    /// Keeps every decision from now on.
    pub fn record(&mut self) {
        self.recorded = Some(Vec::new());
    }

    /// The recorded decisions, in the order in which they were taken.
    pub fn take_recorded(&mut self) -> Vec<(ChoiceKey, Draw)> {
        self.recorded.take().unwrap_or_default()
    }

    /// The next decision of `process` at `site`; `event` is the index of the trace event before it.
    pub fn draw(&mut self, process: ProcessId, site: Site, event: u64) -> Draw {
        self.turn(event);
        let stream = self.stream(process, site);
        let key = ChoiceKey { process, site, count: stream.count };
        stream.count += 1;
        let mut words = [0; DRAW_WORDS];
        for pair in words.chunks_exact_mut(2) {
            let both = stream.rng.next_u64();
            (pair[0], pair[1]) = (both as u32, (both >> 32) as u32);
        }
        self.settle(key, Draw { words })
    }

    /// A decision that needs one number in `0..bound` only. It has a stream of its own kind: a
    /// site is used either with [`draw`](Self::draw) or with this, never with both.
    pub fn pick(&mut self, process: ProcessId, site: Site, bound: u32, event: u64) -> u32 {
        self.turn(event);
        let stream = self.stream(process, site);
        let key = ChoiceKey { process, site, count: stream.count };
        stream.count += 1;
        let mut words = [0; DRAW_WORDS];
        words[0] = stream.rng.next_u32();
        self.settle(key, Draw { words }).below(0, bound)
    }

    fn settle(&mut self, key: ChoiceKey, drawn: Draw) -> Draw {
        let draw = if self.overrides.is_empty() {
            drawn
        } else {
            self.overrides.get(&key).copied().unwrap_or(drawn)
        };
        if let Some(recorded) = &mut self.recorded {
            recorded.push((key, draw));
        }
        draw
    }

    fn stream(&mut self, process: ProcessId, site: Site) -> &mut Stream {
        let index = usize::from(process.0) * Site::COUNT + usize::from(site.0);
        if index >= self.streams.len() {
            self.streams.resize(index + 1, None);
        }
        let (world, key) = (self.world, self.key);
        let slot = &mut self.streams[index];
        if slot.as_ref().is_none_or(|stream| stream.world != world) {
            let mut rng = ChaCha8Rng::from_seed(key);
            rng.set_stream(site.stream(usize::from(process.0)));
            *slot = Some(Stream { rng, count: 0, world });
        }
        slot.as_mut().expect("the stream was made just above")
    }

    /// Takes the turns that are due.
    #[inline]
    fn turn(&mut self, event: u64) {
        while let Some(turn) = self.turns.pop_if(|turn| event >= turn.from_event) {
            self.switch_to(turn);
        }
    }

    /// From here on every stream continues under another key; counts go on, so that keys stay
    /// unique within the world.
    fn switch_to(&mut self, fresh: Fresh) {
        self.key = key_of(fresh.seed, 1 + fresh.from_event);
        for (index, slot) in self.streams.iter_mut().enumerate() {
            if let Some(stream) = slot.as_mut().filter(|stream| stream.world == self.world) {
                stream.rng = ChaCha8Rng::from_seed(self.key);
                let site = Site((index % Site::COUNT) as u8);
                stream.rng.set_stream(site.stream(index / Site::COUNT));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProcessId = ProcessId(1);
    const B: ProcessId = ProcessId(2);

    #[test]
    fn the_same_key_gives_the_same_words() {
        let (mut one, mut two) = (Source::new(7), Source::new(7));
        let first: Vec<_> = (0..100).map(|_| one.draw(A, Site::REQUEST, 0)).collect();
        let second: Vec<_> = (0..100).map(|_| two.draw(A, Site::REQUEST, 0)).collect();
        assert_eq!(first, second);
        assert_ne!(Source::new(8).draw(A, Site::REQUEST, 0), first[0]);
    }

    #[test]
    fn a_decision_does_not_depend_on_decisions_elsewhere() {
        let (mut one, mut two) = (Source::new(7), Source::new(7));
        for _ in 0..13 {
            let _ = two.draw(B, Site::REQUEST, 0);
            let _ = two.draw(A, Site::OPERATION, 0);
            let _ = two.pick(A, Site::ORDER, 9, 0);
        }
        assert_eq!(one.draw(A, Site::REQUEST, 0), two.draw(A, Site::REQUEST, 0));
    }

    #[test]
    fn a_reset_source_is_as_good_as_a_new_one() {
        let mut used = Source::new(1);
        for _ in 0..5 {
            let _ = used.draw(A, Site::REQUEST, 0);
        }
        used.reset(&Seed::from(2));
        assert_eq!(used.draw(A, Site::REQUEST, 0), Source::new(2).draw(A, Site::REQUEST, 0));
    }

    #[test]
    fn an_override_replaces_one_decision_and_shifts_no_other() {
        let (mut plain, mut planned) = (Source::new(7), Source::new(7));
        let forced = Draw::from_words([9; DRAW_WORDS]);
        planned.override_choice(ChoiceKey { process: A, site: Site::REQUEST, count: 1 }, forced);
        assert_eq!(plain.draw(A, Site::REQUEST, 0), planned.draw(A, Site::REQUEST, 0));
        assert_ne!(plain.draw(A, Site::REQUEST, 0), forced);
        assert_eq!(planned.draw(A, Site::REQUEST, 0), forced);
        assert_eq!(plain.draw(A, Site::REQUEST, 0), planned.draw(A, Site::REQUEST, 0));
    }

    #[test]
    fn recorded_decisions_replay_under_any_seed() {
        let mut original = Source::new(7);
        original.record();
        let drawn: Vec<_> = (0..20).map(|_| original.draw(A, Site::REQUEST, 0)).collect();
        let mut replay = Source::new(1234);
        for (key, draw) in original.take_recorded() {
            replay.override_choice(key, draw);
        }
        let replayed: Vec<_> = (0..20).map(|_| replay.draw(A, Site::REQUEST, 0)).collect();
        assert_eq!(drawn, replayed);
    }

    #[test]
    fn fresh_draws_keep_the_prefix_and_change_the_rest() {
        let (mut plain, mut fresh) = (Source::new(7), Source::new(7));
        fresh.reset(&Seed::from(7).turned(Fresh { from_event: 10, seed: 99 }));
        for event in 0..10 {
            assert_eq!(plain.draw(A, Site::REQUEST, event), fresh.draw(A, Site::REQUEST, event));
        }
        for event in 10..20 {
            assert_ne!(plain.draw(A, Site::REQUEST, event), fresh.draw(A, Site::REQUEST, event));
        }
    }

    #[test]
    fn each_turn_keeps_what_came_before_it() {
        let (mut once, mut twice) = (Source::new(0), Source::new(0));
        let first = Seed::from(7).turned(Fresh { from_event: 10, seed: 99 });
        once.reset(&first);
        twice.reset(&first.turned(Fresh { from_event: 15, seed: 5 }));
        for event in 0..20 {
            let same = once.draw(A, Site::REQUEST, event) == twice.draw(A, Site::REQUEST, event);
            assert_eq!(same, event < 15, "{event}");
        }
    }

    #[test]
    fn bounds_hold_at_both_ends() {
        let low = Draw::from_words([0; DRAW_WORDS]);
        let high = Draw::from_words([u32::MAX; DRAW_WORDS]);
        assert_eq!((low.below(0, 5), high.below(0, 5)), (0, 4));
        assert_eq!((low.between(0, 2, 5), high.between(0, 2, 5)), (2, 5));
        assert!(low.chance_ppm(0, 1) && !high.chance_ppm(0, 999_999));
    }
}
