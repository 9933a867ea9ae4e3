//! Where each event of the diagram stands.
//!
//! Time goes downward, one line for each event, in their order. A line is drawn **in full**, with a
//! label, or **small**, as a dot. Runs of up to [`FULL_MAX`] events are drawn in full; of longer
//! ones, about as many: the story, what broke rules and struck processes, and then what stands
//! around the story, the nearest first.
//!
//! Distances are not to scale. Below a line that is drawn in full, up to [`STRETCH_MAX`] pixels
//! stand for the time that passes, as many as the typical pause asks for; a pause that is much
//! longer than that is marked as a **break**, with its length.

use std::collections::BTreeSet;

use sim::trace::Kind;

use crate::report::run::Run;

/// Events that are drawn in full.
pub(super) const FULL_MAX: usize = 400;

/// Height of a line in pixels: drawn in full, and small.
pub(super) const FULL: i64 = 20;
const SMALL: i64 = 3;

/// What time may add between two lines, in pixels.
const STRETCH_MAX: i64 = 20;

/// Height of a break in pixels.
const BREAK: i64 = 22;

/// Height of the note that stands for lines that are drawn small.
const NOTE: i64 = 24;

/// A pause is a break if it is so many times as long as the typical one.
const BREAK_FACTOR: u64 = 40;

/// Breaks, at most; only the longest pauses are marked.
const BREAKS_MAX: usize = 60;

/// Space above the first line.
const TOP: i64 = 12;

/// A pause that is not drawn in its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Break {
    /// Where it stands.
    pub(super) y: i64,
    /// Its length in virtual nanoseconds.
    pub(super) ns: u64,
}

/// Lines that are drawn small, one below the other without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Place of the first one in the trace.
    pub(super) from: usize,
    /// How many.
    pub(super) count: usize,
    /// Where the first one stands.
    pub(super) y: i64,
}

/// Where everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The middle of each line.
    pub(super) y: Vec<i64>,
    /// Which lines are drawn in full.
    pub(super) full: Vec<bool>,
    /// Long pauses.
    pub(super) breaks: Vec<Break>,
    /// Lines that are drawn small.
    pub(super) stretches: Vec<Stretch>,
    /// Height of the picture.
    pub(super) height: i64,
}

impl Layout {
    pub(super) fn of(run: &Run) -> Layout {
        let full = chosen(run);
        let pauses: Vec<u64> =
            run.trace.windows(2).map(|pair| pair[1].at_ns - pair[0].at_ns).collect();
        let typical = typical(&pauses);
        let shortest_break = shortest_break(&pauses, typical);
        let mut layout = Layout { full, ..Layout::default() };
        let mut y = TOP;
        for place in 0..run.trace.len() {
            let pause = place.checked_sub(1).map_or(0, |before| pauses[before]);
            let is_break = pause >= shortest_break;
            if is_break {
                layout.breaks.push(Break { y: y + BREAK / 2, ns: pause });
                y += BREAK;
            }
            y = match layout.full[place] {
                true => layout.place_full(y, if is_break { 0 } else { stretch(pause, typical) }),
                false => layout.place_small(place, y, is_break),
            };
        }
        layout.height = y + TOP;
        layout
    }

    fn place_full(&mut self, y: i64, stretch: i64) -> i64 {
        let y = y + stretch;
        self.y.push(y + FULL / 2);
        y + FULL
    }

    fn place_small(&mut self, place: usize, y: i64, after_break: bool) -> i64 {
        let follows = place > 0 && !self.full[place - 1];
        // The first small line after one that is drawn in full leaves room for a note.
        let y = if follows { y } else { y + NOTE };
        match self.stretches.last_mut() {
            Some(last) if follows && !after_break => last.count += 1,
            _ => self.stretches.push(Stretch { from: place, count: 1, y: y + SMALL / 2 }),
        }
        self.y.push(y + SMALL / 2);
        y + SMALL
    }

    /// How many events are drawn in full.
    pub(super) fn drawn_in_full(&self) -> usize {
        self.full.iter().filter(|full| **full).count()
    }
}

/// The pause that half of all pauses do not exceed; those of no length do not count.
fn typical(pauses: &[u64]) -> u64 {
    let mut some: Vec<u64> = pauses.iter().copied().filter(|pause| *pause > 0).collect();
    some.sort_unstable();
    some.get(some.len() / 2).copied().unwrap_or(1)
}

fn shortest_break(pauses: &[u64], typical: u64) -> u64 {
    let mut longest: Vec<u64> = pauses.to_vec();
    longest.sort_unstable_by_key(|pause| std::cmp::Reverse(*pause));
    let limit = longest.get(BREAKS_MAX).map_or(0, |pause| pause + 1);
    limit.max(typical.saturating_mul(BREAK_FACTOR)).max(1)
}

/// Pixels for a pause: 4 for a typical one.
fn stretch(pause: u64, typical: u64) -> i64 {
    let pixels = u128::from(pause) * 4 / u128::from(typical.max(1));
    i64::try_from(pixels).unwrap_or(STRETCH_MAX).min(STRETCH_MAX)
}

/// Which events are drawn in full.
fn chosen(run: &Run) -> Vec<bool> {
    let events = run.trace.len();
    if events <= FULL_MAX {
        return vec![true; events];
    }
    let mut story: Vec<usize> =
        run.story_events().iter().filter_map(|event| run.place_of(*event)).collect();
    if story.is_empty() {
        // A run that passed has no story: its beginning is drawn.
        story.push(0);
    }
    let mut chosen: BTreeSet<usize> = story.iter().copied().collect();
    let end = run.first_error.and_then(|event| run.place_of(event)).unwrap_or(0);
    let mut striking: Vec<usize> =
        (0..events).filter(|place| is_striking(run.trace[*place].kind)).collect();
    striking.sort_by_key(|place| place.abs_diff(end));
    chosen.extend(striking.into_iter().take(FULL_MAX / 4));
    for distance in 1..events {
        if chosen.len() >= FULL_MAX {
            break;
        }
        let nearer = story.iter().flat_map(|place| {
            [place.checked_sub(distance), Some(place + distance).filter(|place| *place < events)]
        });
        for place in nearer.flatten() {
            if chosen.len() < FULL_MAX {
                chosen.insert(place);
            }
        }
    }
    (0..events).map(|place| chosen.contains(&place)).collect()
}

/// What changes the world or says that something is wrong.
fn is_striking(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Crash
            | Kind::Restart
            | Kind::Stall
            | Kind::Resume
            | Kind::RuleBroken
            | Kind::Panic
            | Kind::Phase
            | Kind::ClockStep
    )
}
