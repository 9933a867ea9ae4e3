//! What the diagnosis should say of each planted bug: the class that fits first, and classes that
//! the same mistake may also show as, depending on where it surfaces.

use manifest_core::PlantedBug;

use crate::checkers::Class::{self, *};
use crate::system::BugInfo;

/// All planted bugs, with what should be said of them.
pub(super) fn infos() -> Vec<BugInfo> {
    let info = |bug: &PlantedBug| {
        let (class, also) = expected(bug.name()).unwrap_or((JudgesDisagree, &[]));
        BugInfo { name: bug.name(), sentence: bug.sentence(), origin: bug.origin(), class, also }
    };
    PlantedBug::ALL.iter().map(info).collect()
}

fn expected(name: &str) -> Option<(Class, &'static [Class])> {
    Some(match name {
        "blind-head-put" | "stale-payload-rebase" | "ack-before-publish" => (LostUpdate, &[]),
        "torn-batch" => (DirtyRead, &[]),
        "ambiguous-retry-recommit" => (PhantomCommit, &[]),
        "cleanup-on-unknown" => (DanglingReference, &[]),
        "conflict-window-latest-only" => (LostUpdate, &[]),
        "skip-missing-segment" => (HistoryGap, &[Resurrection]),
        "session-snapshot-regress" => (NonMonotonicRead, &[]),
        "pin-after-read" => (DanglingReference, &[]),
        "checkpoint-regress" | "checkpoint-covers-head" => (HistoryGap, &[LostUpdate]),
        "tombstone-drop" => (Resurrection, &[]),
        "gc-inflight-segment" | "gc-ignores-lease" | "gc-plan-no-revalidate" => {
            (DanglingReference, &[])
        }
        "loser-object-leak" => (OrphanLeak, &[]),
        "fence-check-once" => (SplitBrain, &[]),
        // A clock that is off the other way keeps a dead pin alive.
        "lease-skew" => (DanglingReference, &[StuckProgress, OrphanLeak]),
        // A pin that counts for ever wedges the collector, not the writers: what shows is garbage.
        "lease-leak-wedges" => (StuckProgress, &[OrphanLeak]),
        "orphan-adoption" => (PhantomCommit, &[DanglingReference, OverBudget]),
        "resumed-compaction-boundary" => (WrongRecovery, &[HistoryGap, Resurrection]),
        "head-cache-stale" => (StaleRead, &[]),
        "torn-segment-accepted" => (TornOrCorruptRecord, &[]),
        "retired-dropped-early" => (DanglingReference, &[OrphanLeak]),
        "dedup-evicted-early" => (HistoryGap, &[PhantomCommit]),
        "unseen-history-trusted" => (PhantomCommit, &[]),
        "dedup-by-wseq" => (LostUpdate, &[PhantomCommit]),
        "open-taken-for-aborted" => (PhantomCommit, &[]),
        "conflict-taken-for-committed" => (LostUpdate, &[]),
        "refusal-taken-for-loss" => (PhantomCommit, &[LostUpdate]),
        "validated-once" | "validated-from-next" => (LostUpdate, &[]),
        "range-reads-forgotten" | "batch-conflict-missed" => (LostUpdate, &[]),
        "batch-reordered" => (HistoryGap, &[PhantomCommit]),
        "own-range-forgotten" => (SnapshotDivergence, &[]),
        // What is no commit is only done once more than it may.
        "burn-acknowledged" => (LostUpdate, &[OverBudget]),
        "burn-unproven" | "status-too-sure" => (PhantomCommit, &[]),
        "tag-of-another-head" => (LostUpdate, &[StaleRead]),
        "incarnation-unchecked" => (LostUpdate, &[StaleRead]),
        "read-from-cache-on-error" => (StaleRead, &[]),
        "gate-read-early" => (DanglingReference, &[]),
        "seal-drops-record" | "room-forgets-newest" => (HistoryGap, &[]),
        // The root lists again what is folded already.
        "seal-unchecked" => (Resurrection, &[HistoryGap]),
        "checkpoint-drops-last" => (HistoryGap, &[Resurrection]),
        "merge-order-reversed" => (Resurrection, &[HistoryGap]),
        "merge-forgets-ranges" => (Resurrection, &[]),
        "epoch-not-raised" => (SplitBrain, &[]),
        "retired-above-floor" | "pin-off-by-one" => (DanglingReference, &[]),
        "pin-put-unconditional" | "pin-without-counter" => (DanglingReference, &[]),
        "reader-not-fenced" | "fence-from-answer" => (DanglingReference, &[]),
        "listing-first-page" => (OrphanLeak, &[DanglingReference]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_an_expected_class() {
        for bug in PlantedBug::ALL {
            assert!(expected(bug.name()).is_some(), "{}", bug.name());
        }
    }
}
