//! `manifest-core` under test: the code that runs on S3, unchanged.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | options, marks and claims of the system |
//! | `session` | operations as calls of the public API |
//! | `decode` | an independent reader of the format of `docs/protocol.md` |
//! | `audit` | the rules of the chain, checked on every root that reaches the store |

mod audit;
mod decode;
mod session;

use std::sync::Arc;
use std::time::Duration;

use manifest_core::steps::STEPS;
use manifest_core::{Ambiguity, Options, PlantedBug};
use sim_storage::BodyDamage;

use crate::checkers::RequestKind;
use crate::system::{
    Auditor, BugInfo, Guarantees, MarkInfo, OpenContext, Opening, Rarity, RequestBudget,
    SystemUnderTest, Tuning, Verb,
};
use crate::workload::OpKind;

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

    /// The options of a world: timers in multiples of a request, so that each is crossed often;
    /// limits small, so that seals happen in worlds of a hundred commits.
    fn options(&self, tuning: &Tuning) -> Options {
        let draw = tuning.draw;
        let request = tuning.typical_request;
        let tail_limit_bytes = 128 << draw.below(0, 4);
        let burns = draw.chance_ppm(1, 400_000);
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
            planted: self.bug,
            planted_cache_age: request * 46,
        }
    }
}

const BUDGET: RequestBudget = RequestBudget {
    kind_of,
    // Open; or, if there is no root: probe, PUT, and open after all if somebody else was faster.
    opening: &[(RequestKind::RootGet, 3), (RequestKind::RootPut, 1)],
    write: &[(RequestKind::RootPut, 1)],
    strong_read: &[(RequestKind::RootGet, 1)],
    maintenance: &[(RequestKind::OtherPut, 1)],
    after_failure,
    // A checkpoint and at most 16 segments.
    objects_of_a_root: 17,
};

fn kind_of(object: &str, verb: Verb) -> Option<RequestKind> {
    let name = object.strip_prefix(PREFIX)?.strip_prefix('/')?;
    match (name, verb) {
        ("head", Verb::Put) => Some(RequestKind::RootPut),
        ("head", Verb::Get) => Some(RequestKind::RootGet),
        (name, Verb::Put) if name.starts_with("seg/") => Some(RequestKind::OtherPut),
        (name, Verb::Get) if name.starts_with("seg/") => Some(RequestKind::OtherGet),
        _ => None,
    }
}

/// Finding out costs one GET, doing it again one PUT; what was not read is read again. A segment
/// that is not there any more sends the reader back to the root.
fn after_failure(kind: RequestKind) -> &'static [(RequestKind, u32)] {
    match kind {
        RequestKind::RootPut => &[(RequestKind::RootGet, 1), (RequestKind::RootPut, 1)],
        RequestKind::RootGet => &[(RequestKind::RootGet, 1)],
        RequestKind::OtherPut => &[(RequestKind::OtherPut, 1)],
        RequestKind::OtherGet => &[(RequestKind::OtherGet, 17), (RequestKind::RootGet, 1)],
    }
}

/// Steps that need a rare coincidence, with the reason; all others must be reached.
fn rarity(name: &str) -> Rarity {
    match name {
        // Only a planted bug serves reads from memory.
        "read.cached" => Rarity::PlantedOnly,
        // Without checkpoints history never disappears behind a commit.
        "commit.history_gone" => Rarity::Rare,
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
            budget: Some(BUDGET),
            // One object is the root of all others: it is whole or the manifest is gone.
            survives_torn_put: |object| object != "m/head",
            // Every object ends with the hash of its bytes.
            body_damage: BodyDamage::Any,
        }
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
        PlantedBug::ALL
            .iter()
            .map(|bug| BugInfo { name: bug.name(), sentence: bug.sentence(), origin: bug.origin() })
            .collect()
    }

    fn with_bug(&self, name: &str) -> Option<Arc<dyn SystemUnderTest>> {
        let bug = PlantedBug::ALL.iter().copied().find(|bug| bug.name() == name)?;
        Some(Arc::new(ManifestSystem { bug: Some(bug) }))
    }

    fn describe(&self, tuning: &Tuning) -> String {
        let options = self.options(tuning);
        format!(
            "tail {} B, head {} KiB, attempt {:?}, commit deadline {:?}, {:?}, batch {} window {:?}",
            options.tail_limit_bytes,
            options.head_limit_bytes / 1024,
            options.attempt_timeout,
            options.commit_deadline,
            options.ambiguity,
            options.max_batch,
            options.batch_window,
        )
    }

    fn open(&self, context: OpenContext) -> Opening {
        let options = self.options(&context.tuning);
        Box::pin(session::open(context, options))
    }

    fn auditor(&self) -> Box<dyn Auditor> {
        Box::new(audit::ChainAuditor::default())
    }
}
