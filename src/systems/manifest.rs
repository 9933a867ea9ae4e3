//! `manifest-core` under test: the code that runs on S3, unchanged.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | options, marks and claims of the system |
//! | `session`, `held`, `duties` | operations and duties as calls of the public API |
//! | `bugs` | what should be said of each planted bug |
//! | `decode` | an independent reader of the format of `docs/protocol.md` |
//! | `audit` | the rules of the chain, checked on every root that reaches the store |

mod audit;
mod bugs;
mod decode;
mod duties;
mod held;
mod inquiry;
mod session;

use std::sync::Arc;
use std::time::Duration;

use manifest_core::steps::STEPS;
use manifest_core::{Ambiguity, Options, PlantedBug};
use sim_storage::BodyDamage;

use crate::checkers::RequestKind;
use crate::system::{
    Auditor, BugInfo, Guarantees, MarkInfo, OpenContext, Opening, Rarity, RequestBudget, Snapshots,
    SystemUnderTest, Tuning, Verb,
};
use crate::workload::OpKind;
use session::Writing;

/// The prefix under which the manifest of a world lives.
pub(crate) const PREFIX: &str = "m";

/// `manifest-core`, sound or with one planted bug.
#[derive(Clone, Copy, Debug)]
pub struct ManifestSystem {
    bug: Option<PlantedBug>,
}

impl ManifestSystem {
    /// The sound system.
    #[must_use]
    pub fn sound() -> Self {
        ManifestSystem { bug: None }
    }

    /// What the processes of a world do with it.
    fn habits(tuning: &Tuning) -> Habits {
        let options = Self::sound().options(tuning);
        let under_role = more(tuning, 1, 100) < 30;
        Habits {
            writes: if under_role { Writing::UnderRole } else { Writing::AsTheyLike },
            goes_outside: options.inline_limit_bytes < 1024 || options.head_limit_bytes < 1 << 16,
        }
    }

    /// The options of a world: timers in multiples of a request, so that each is crossed often;
    /// limits small, so that seals happen in worlds of a hundred commits.
    fn options(&self, tuning: &Tuning) -> Options {
        let draw = tuning.draw;
        let request = tuning.typical_request;
        let tail_limit_bytes = 128 << draw.below(0, 4);
        let burns = draw.chance_ppm(1, 400_000);
        let more = |place, bound| more(tuning, place, bound);
        Options {
            tail_limit_bytes,
            head_limit_bytes: if draw.chance_ppm(2, 50_000) { 6 * 1024 } else { 256 * 1024 },
            attempt_timeout: request * draw.between(3, 3, 20),
            commit_deadline: request * draw.between(4, 10, 120),
            read_deadline: request * draw.between(5, 40, 200),
            ambiguity: if burns { Ambiguity::BurnBase } else { Ambiguity::ReportUnknown },
            backoff_min: request / 2,
            backoff_max: request * 8,
            max_batch: if draw.chance_ppm(6, 200_000) { 2 } else { 1024 },
            batch_window: if draw.chance_ppm(7, 100_000) { request * 2 } else { Duration::ZERO },
            key_limit_bytes: 64,
            value_limit_bytes: 4096,
            inline_limit_bytes: if more(2, 100) < 15 { 150 } else { 32 * 1024 },
            dedup_window: match more(3, 100) {
                rare @ 0..16 => 2 << (rare / 4),
                _ => 100_000,
            },
            checkpoint_block_bytes: 64 << more(4, 6),
            fold_step: 1 + more(5, 6) as usize,
            merge_limit_bytes: 2048 << more(6, 6),
            pin_ttl: request * (20 + more(7, 180)),
            planted: self.bug,
            planted_cache_age: request * 46,
            planted_page: 2,
        }
    }
}

/// What the processes of a world do with a manifest.
#[derive(Clone, Copy, Debug)]
struct Habits {
    writes: Writing,
    /// Whether commits may have to write a segment, or to fold.
    goes_outside: bool,
}

/// A choice of a world, from bits of the tuning that no other choice looks at.
fn more(tuning: &Tuning, place: u32, bound: u32) -> u32 {
    let word = tuning.draw.word(place as usize % sim::DRAW_WORDS);
    sim::scale(word.rotate_left(13 + place).wrapping_mul(0x9e37_79b1), bound)
}

use RequestKind::{OtherGet, OtherPut, RootGet, RootPut};

/// A fold for want of room: checkpoint and segments are read, a checkpoint is written.
const FOLD: [(RequestKind, u32); 2] = [(OtherGet, 17), (OtherPut, 1)];

/// A commit that reads all that it lost the race against, and then folds it.
const CATCH_UP_AND_FOLD: (RequestKind, u32) = (OtherGet, 17 + 17);

const BUDGET: RequestBudget = RequestBudget {
    kind_of,
    // Open; or, if there is no root: probe, PUT, and open after all if somebody else was faster.
    opening: &[(RootGet, 3), (RootPut, 1)],
    write: &[(RootPut, 1)],
    strong_read: &[(RootGet, 1)],
    // Renewing the pin; opening a session, again each time that a collector was faster, which a
    // slow reader sees many times in a row; and everything that its snapshot consists of, in
    // blocks of a few keys.
    held_read: &[(OtherPut, 65), (RootGet, 64), (OtherGet, 90)],
    maintenance: &[FOLD[0], FOLD[1]],
    duties: &[
        // Taking the role, a head to begin with and what it takes to catch up; a saved fold, the
        // checkpoint, all segments; each of them saved once; and the publication.
        &[(RootPut, 2), (RootGet, 2), (OtherGet, 17 + 18), (OtherPut, 17)],
        // The gate; and a pin of each process that ever lived, several if its sessions lapsed.
        &[(RootPut, 1), (OtherGet, 400)],
    ],
    after_failure,
    // A checkpoint and at most 16 segments.
    objects_of_a_root: 17,
};

fn kind_of(object: &str, verb: Verb) -> Option<RequestKind> {
    let name = object.strip_prefix(PREFIX)?.strip_prefix('/')?;
    match (name, verb) {
        ("head", Verb::Put) => Some(RequestKind::RootPut),
        ("head", Verb::Get) => Some(RequestKind::RootGet),
        (name, Verb::Put) if is_counted(name) => Some(RequestKind::OtherPut),
        (name, Verb::Get) if is_counted(name) => Some(RequestKind::OtherGet),
        _ => None,
    }
}

fn is_counted(name: &str) -> bool {
    ["seg/", "ckpt/", "pin/"].iter().any(|folder| name.starts_with(folder))
}

/// Finding out costs one GET, doing it again one PUT; what was not read is read again. A segment
/// that is not there any more sends the reader back to the root.
fn after_failure(kind: RequestKind) -> &'static [(RequestKind, u32)] {
    match kind {
        RequestKind::RootPut => &[(RequestKind::RootGet, 1), (RequestKind::RootPut, 1)],
        RequestKind::RootGet => &[(RequestKind::RootGet, 1)],
        // A pin is read back, anything else written again.
        RequestKind::OtherPut => &[(RequestKind::OtherPut, 1), (RequestKind::OtherGet, 1)],
        RequestKind::OtherGet => &[(RequestKind::OtherGet, 17), (RequestKind::RootGet, 1)],
    }
}

/// The same where a commit may write a segment: it writes another one when it goes out again.
fn after_failure_outside(kind: RequestKind) -> &'static [(RequestKind, u32)] {
    match kind {
        RootPut => &[(RootGet, 1), (RootPut, 1), (OtherPut, 1)],
        kind => after_failure(kind),
    }
}

/// Steps that need a rare coincidence, with the reason; all others must be reached.
fn rarity(name: &str) -> Rarity {
    match name {
        // Only a planted bug serves reads from memory.
        "read.cached" => Rarity::PlantedOnly,
        // It takes a writer that sleeps while its commit is folded and forgotten.
        "commit.history_gone" => Rarity::Rare,
        // It takes a store that refuses one PUT until the deadline, in the middle of a fold.
        "fold.not_saved" => Rarity::Rare,
        // It takes a transaction as large as a head, in one of the few worlds with a small head.
        "commit.head_full" => Rarity::Rare,
        // It takes a second compactor that is done before the first one has read a word.
        "fold.outdated" => Rarity::Rare,
        // It takes an object that is collected while a session that lapsed is about to read it.
        "session.missing" => Rarity::Rare,
        // It takes a head that is nearly full and a batch that arrives just then.
        "commit.batch_split" => Rarity::Rare,
        _ => Rarity::Expected,
    }
}

impl SystemUnderTest for ManifestSystem {
    fn name(&self) -> &'static str {
        "manifest-core"
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            snapshots: Snapshots::Held,
            // One object is the root of all others: it is whole or the manifest is gone.
            survives_torn_put: |object| object != "m/head",
            // Every object ends with the hash of its bytes.
            body_damage: BodyDamage::Any,
        }
    }

    fn budget(&self, tuning: &Tuning) -> Option<RequestBudget> {
        let habits = Self::habits(tuning);
        let write: &[_] = match (habits.writes, habits.goes_outside) {
            (Writing::AsTheyLike, false) => BUDGET.write,
            (Writing::AsTheyLike, true) => &[(RootPut, 1), (OtherPut, 2), CATCH_UP_AND_FOLD],
            // It may have to take the role first.
            (Writing::UnderRole, false) => &[(RootPut, 2)],
            (Writing::UnderRole, true) => &[(RootPut, 2), (OtherPut, 3), CATCH_UP_AND_FOLD],
        };
        let after_failure = match habits.goes_outside {
            false => after_failure,
            true => after_failure_outside,
        };
        Some(RequestBudget { write, after_failure, ..BUDGET })
    }

    fn duties(&self) -> &'static [&'static str] {
        duties::DUTIES
    }

    fn operations(&self) -> &'static [OpKind] {
        &OpKind::ALL
    }

    fn marks(&self) -> Vec<MarkInfo> {
        STEPS
            .iter()
            .map(|step| MarkInfo {
                name: step.name,
                sentence: step.sentence,
                rarity: rarity(step.name),
            })
            .collect()
    }

    fn bugs(&self) -> Vec<BugInfo> {
        bugs::infos()
    }

    fn with_bug(&self, name: &str) -> Option<Arc<dyn SystemUnderTest>> {
        let bug = PlantedBug::ALL.iter().copied().find(|bug| bug.name() == name)?;
        Some(Arc::new(ManifestSystem { bug: Some(bug) }))
    }

    fn describe(&self, tuning: &Tuning) -> String {
        let options = self.options(tuning);
        format!(
            "tail {} B, inline {} B, head {} KiB, pins {:?}, attempt {:?}, commit deadline {:?}, {:?}, batch {} window {:?}",
            options.tail_limit_bytes,
            options.inline_limit_bytes,
            options.head_limit_bytes / 1024,
            options.pin_ttl,
            options.attempt_timeout,
            options.commit_deadline,
            options.ambiguity,
            options.max_batch,
            options.batch_window,
        )
    }

    fn timers(&self, tuning: &Tuning) -> Vec<(&'static str, Duration)> {
        let options = self.options(tuning);
        vec![
            ("attempt", options.attempt_timeout),
            ("commit", options.commit_deadline),
            ("read", options.read_deadline),
            ("pin", options.pin_ttl),
            // A pin may be renewed late by this much before it lapses.
            ("renewal", options.pin_ttl / 3),
            ("backoff", options.backoff_max),
        ]
    }

    fn open(&self, context: OpenContext) -> Opening {
        let options = self.options(&context.tuning);
        let habits = Self::habits(&context.tuning);
        Box::pin(session::open(context, options, habits))
    }

    fn auditor(&self) -> Box<dyn Auditor> {
        Box::new(audit::ChainAuditor::default())
    }
}
