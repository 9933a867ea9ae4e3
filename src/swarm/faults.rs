//! Faults of single requests: which kinds there are, and how often each strikes in a world.

use sim_storage::fault::{FaultKind, FaultRates};

use super::words::Words;

/// The request faults that worlds draw: all that a sound store may show. The others need a store
/// that is only eventually consistent, on which no commit protocol is sound.
pub const REQUEST_FAULTS: [FaultKind; 23] = [
    FaultKind::RequestLost,
    FaultKind::ReplyLost,
    FaultKind::LateApply,
    FaultKind::Duplicate,
    FaultKind::Conflict,
    FaultKind::TooManyRequests,
    FaultKind::SlowDown,
    FaultKind::ErrorBefore,
    FaultKind::ErrorAfter,
    FaultKind::Timeout,
    FaultKind::TailLatency,
    FaultKind::Reordering,
    FaultKind::ShortBody,
    FaultKind::TornPut,
    FaultKind::RacedConflict,
    FaultKind::BrokenBody,
    FaultKind::BitFlip,
    FaultKind::TornUpload,
    FaultKind::UnorderedList,
    FaultKind::PartialDelete,
    FaultKind::RateLimited,
    FaultKind::ErrorInside,
    FaultKind::SkewedDate,
];

/// Why a kind takes effect in few default worlds or in none; `None` if it takes effect in at least
/// a tenth of them.
#[must_use]
pub fn out_of_reach(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::StaleRead | FaultKind::StaleList | FaultKind::TruncatedList => {
            Some("only a store without strong consistency (--store eventual) shows it")
        }
        FaultKind::LateDelete => {
            Some("it takes a deletion, and a store without strong consistency (--store eventual)")
        }
        FaultKind::UnorderedList => Some("it takes a listing, on a store that promises no order"),
        FaultKind::PartialDelete => Some("it takes a deletion of several objects at once"),
        FaultKind::TornUpload => Some("it takes a multipart upload"),
        FaultKind::ErrorInside => Some("it takes a copy or a multipart upload"),
        _ => None,
    }
}

/// Which kinds of request faults exist, and how often each strikes. Kinds that can hit few
/// requests only (a torn PUT needs a segment) strike these more often.
pub(super) fn draw_rates(words: &mut Words) -> FaultRates {
    let mut rates = FaultRates::none();
    for kind in REQUEST_FAULTS {
        let (share, low, high) = match kind {
            FaultKind::TornPut => (60, 60_000, 300_000),
            FaultKind::TornUpload => (40, 60_000, 300_000),
            FaultKind::RacedConflict => (90, 100_000, 800_000),
            FaultKind::ShortBody => (40, 3_000, 60_000),
            FaultKind::BrokenBody => (30, 3_000, 60_000),
            FaultKind::BitFlip => (45, 2_000, 20_000),
            FaultKind::Conflict | FaultKind::Duplicate | FaultKind::LateApply => {
                (45, 2_000, 60_000)
            }
            FaultKind::Timeout => (60, 4_000, 60_000),
            FaultKind::UnorderedList | FaultKind::PartialDelete | FaultKind::ErrorInside => {
                (40, 50_000, 300_000)
            }
            FaultKind::SkewedDate => (40, 10_000, 300_000),
            _ => (40, 1_000, 40_000),
        };
        if words.chance(share) {
            rates = rates.with(kind, words.spread(low, high));
        }
    }
    rates
}
