//! Schedules: in which order the things happen that could happen next.
//!
//! The usual order is by time: the earliest event first. It is realistic, and it is why some
//! orders are never seen: a reply that takes ten times as long as another is rare. The other
//! orders here choose among **all that is pending**, as tools do that test concurrent programs.
//!
//! ```text
//!            earliest pending        window
//!                    │◀──────────────────────────▶│
//!  ──────────────────●────●──●────────●───────────┼──────●───────────▶ time of the events
//!                    └────┴──┴────────┴ may happen next  └ not yet
//! ```
//!
//! # What keeps this sound
//! * **Time never runs backwards.** An event that is taken out of its turn happens at the later of
//!   its own time and the time of the clock. So an event is late, never early: a message that took
//!   longer, a timer whose process was not scheduled, both of which every real system shows.
//! * **One clock drives all.** Processes that compare durations on their monotonic clocks compare
//!   the same virtual time, whatever the order.
//! * **A timer does not overtake its own process.** It may come before or after whatever befalls
//!   others; but what is due at its own process earlier comes first. Otherwise every wait would be
//!   cut short: nobody would ever see a reply before its time-out.
//! * **The window.** What is pending may be overtaken only by events within the window after it.
//!   Otherwise the clock would jump to the farthest deadline and everything would time out. It
//!   follows that nothing happens later than one window after its time: by the rule, the clock is
//!   never more than the window ahead of the earliest pending event.
//!
//! All decisions are drawn at [`Site::SCHEDULE`], each when it is needed, so that a run can be
//! overridden, recorded, and drawn afresh from any event on.
//!
//! | order | source |
//! |---|---|
//! | [`Order::Walk`] | a random walk |
//! | [`Order::Pct`] | Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010 |
//! | [`Order::Pos`] | Yuan, Yang, Gu: Partial Order Aware Concurrency Sampling, CAV 2018 |
//! | [`Order::Surw`] | Zhao, Wolff, Mathur, Roychoudhury: Selectively Uniform Concurrency Testing, ASPLOS 2025 |

mod drive;
mod footprint;
mod pct;
mod pos;
mod surw;

use std::time::Duration;

use crate::choice::{Site, Source};
use crate::engine::Target;
use crate::process::ProcessId;

pub use footprint::{Access, EVERY_OBJECT, Footprint};
use pct::Pct;
use pos::Pos;
pub use surw::Interest;
use surw::Surw;

/// How the next event is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// By what rule.
    pub order: Order,
    /// How much later than the earliest pending event another may be and still happen before it.
    pub window: Duration,
    /// Where tasks that are ready to run stand.
    pub tasks: Tasks,
    /// For how many choices; after that the order is by time. A run in which everybody is always
    /// late may never get anywhere, and what it could show it shows early.
    pub steps: u64,
}

impl Schedule {
    /// The earliest event first.
    pub const TIMED: Schedule =
        Schedule { order: Order::Timed, window: Duration::ZERO, tasks: Tasks::First, steps: 0 };
}

/// By what rule the next event is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The earliest one.
    #[default]
    Timed,
    /// Any, each with the same probability.
    Walk,
    /// Probabilistic concurrency testing: one of the process with the highest priority. Priorities
    /// are random and stay, but for `depth - 1` points of the run at which the process that has
    /// just run falls below all others. A bug that needs `depth` ordering constraints among `n`
    /// processes and [`Schedule::steps`] `k` is found with probability at least
    /// `1 / (n * k^(depth - 1))`.
    Pct {
        /// How many ordering constraints the bugs that are looked for need, from 1.
        depth: u32,
    },
    /// Partial order sampling: every pending event has a random priority, the highest happens, and
    /// those that race with it are given new ones.
    Pos,
    /// Selectively uniform random walk: events of interest are ordered as if each of their
    /// interleavings were equally likely, by choosing whose turn it is in proportion to the
    /// events that each process still has ahead ([`crate::expect_events`]); all others at random.
    Surw {
        /// Which events are of interest.
        interest: Interest,
    },
}

/// Where tasks that are ready to run stand in an order that is not by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tasks {
    /// Before all events: computing takes no time, and messages and timers are what is ordered.
    #[default]
    First,
    /// Among the events: a process may be slow between any two of its steps.
    Mixed,
}

/// Something that could happen next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// When it is due; for a task, when it became ready.
    pub(crate) at_ns: u64,
    pub(crate) what: What,
    pub(crate) footprint: Footprint,
    /// Of [`Order::Pos`].
    priority: u32,
}

/// What could happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A ready task is polled.
    Task { slot: u32, generation: u64 },
    /// An event.
    Event(Target),
}

/// The rule with what it remembers.
#[derive(Debug)]
enum Rule {
    Timed,
    Walk,
    Pct(Pct),
    Pos(Pos),
    Surw(Surw),
}

/// Where decisions come from: the source, and the index of the trace event before the decision.
pub(crate) struct Chooser<'a> {
    pub(crate) source: &'a mut Source,
    pub(crate) event: u64,
}

impl Chooser<'_> {
    /// A number in `0..bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u32::try_from(bound).unwrap_or(u32::MAX);
        self.source.pick(ProcessId::WORLD, Site::SCHEDULE, bound, self.event) as usize
    }

    /// One of `count` possibilities; where there is only one, nothing is decided.
    fn one_of(&mut self, count: usize) -> usize {
        if count > 1 { self.below(count) } else { 0 }
    }

    /// A random word.
    fn word(&mut self) -> u32 {
        self.source.pick(ProcessId::WORLD, Site::SCHEDULE, u32::MAX, self.event)
    }
}

/// What is pending in a world whose order is not by time, and the rule that chooses.
#[derive(Debug)]
pub(crate) struct Scheduler {
    rule: Rule,
    tasks: Tasks,
    window_ns: u64,
    steps_left: u64,
    /// In the order in which they were added.
    pool: Vec<Pending>,
    /// Places of the pool that may happen next; kept for its memory.
    candidates: Vec<u32>,
    /// By process: when the first thing of it is due within the window; kept for its memory.
    first_ns: Vec<u64>,
    /// By process: how many events of interest it has ahead.
    expected: Vec<u32>,
}

impl Scheduler {
    pub(crate) fn new() -> Self {
        Scheduler {
            rule: Rule::Timed,
            tasks: Tasks::First,
            window_ns: 0,
            steps_left: 0,
            pool: Vec::new(),
            candidates: Vec::new(),
            first_ns: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// Back to the earliest event first, for a new world.
    pub(crate) fn reset(&mut self) {
        self.rule = Rule::Timed;
        self.tasks = Tasks::First;
        self.pool.clear();
        self.expected.clear();
    }

    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        matches!(self.rule, Rule::Timed)
    }

    #[inline]
    fn mixes_tasks(&self) -> bool {
        self.tasks == Tasks::Mixed
    }

    fn set(&mut self, schedule: Schedule) {
        self.window_ns = u64::try_from(schedule.window.as_nanos()).unwrap_or(u64::MAX);
        self.tasks = schedule.tasks;
        self.steps_left = schedule.steps;
        self.rule = match schedule.order {
            Order::Timed => Rule::Timed,
            Order::Walk => Rule::Walk,
            Order::Pct { depth } => Rule::Pct(Pct::new(depth, schedule.steps)),
            Order::Pos => Rule::Pos(Pos),
            Order::Surw { interest } => Rule::Surw(Surw::new(interest)),
        };
        if self.is_timed() {
            self.tasks = Tasks::First;
        }
    }

    pub(crate) fn expect_events(&mut self, process: ProcessId, events: u32) {
        let index = usize::from(process.0);
        if self.expected.len() <= index {
            self.expected.resize(index + 1, 0);
        }
        self.expected[index] = events;
    }

    fn add(&mut self, at_ns: u64, what: What, footprint: Footprint, chooser: &mut Chooser<'_>) {
        let priority = match &self.rule {
            Rule::Pos(pos) => pos.priority(chooser),
            _ => 0,
        };
        self.pool.push(Pending { at_ns, what, footprint, priority });
    }

    /// Takes out what happens next.
    fn take(&mut self, chooser: &mut Chooser<'_>) -> Option<Pending> {
        self.find_candidates()?;
        self.steps_left = self.steps_left.saturating_sub(1);
        let (pool, candidates) = (&mut self.pool, self.candidates.as_slice());
        let place = match &mut self.rule {
            Rule::Timed | Rule::Walk => candidates[chooser.one_of(candidates.len())],
            Rule::Pct(pct) => pct.choose(pool, candidates, chooser),
            Rule::Pos(pos) => pos.choose(pool, candidates, chooser),
            Rule::Surw(surw) => surw.choose(pool, candidates, &mut self.expected, chooser),
        };
        // Not swapped with the last one: the others keep their order.
        Some(self.pool.remove(place as usize))
    }

    /// Finds what may happen next. `None` if nothing is pending.
    fn find_candidates(&mut self) -> Option<()> {
        let earliest_ns = self.pool.iter().map(|pending| pending.at_ns).min()?;
        let horizon_ns = earliest_ns.saturating_add(self.window_ns);
        self.candidates.clear();
        self.first_ns.fill(u64::MAX);
        for (place, pending) in (0..).zip(&self.pool) {
            if pending.at_ns > horizon_ns {
                continue;
            }
            let process = usize::from(pending.footprint.process.0);
            if self.first_ns.len() <= process {
                self.first_ns.resize(process + 1, u64::MAX);
            }
            self.first_ns[process] = self.first_ns[process].min(pending.at_ns);
            self.candidates.push(place);
        }
        // What is due at its process before a timer is within the window if the timer is.
        let (pool, first_ns) = (&self.pool, &self.first_ns);
        self.candidates.retain(|&place| {
            let pending = &pool[place as usize];
            let is_timer = matches!(pending.what, What::Event(Target::Timer { .. }));
            !is_timer || pending.at_ns == first_ns[usize::from(pending.footprint.process.0)]
        });
        Some(())
    }

    /// Forgets everything of which `dead` says so.
    pub(crate) fn forget(&mut self, dead: impl Fn(&What) -> bool) {
        self.pool.retain(|pending| !dead(&pending.what));
    }

    /// Forgets one thing.
    pub(crate) fn forget_one(&mut self, what: What) {
        // What is cancelled is young as a rule.
        if let Some(place) = self.pool.iter().rposition(|pending| pending.what == what) {
            self.pool.remove(place);
        }
    }
}
