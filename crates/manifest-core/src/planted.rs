//! Bugs that can be planted, for a tester to find.
//!
//! Each is a small change of the kind that really happened in systems that commit on object
//! stores. They exist only with the feature `planted-bugs`; without it [`Bugs::is`] is a constant
//! `false` and the optimiser removes every trace. Each decision that a bug changes asks
//! `bugs.is(..)` in the place where the correct code decides, so both ways can be read together.

macro_rules! bugs {
    ($($bug:ident $name:literal $sentence:literal $origin:literal)+) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(not(feature = "planted-bugs"), allow(dead_code, unreachable_pub))]
        pub enum PlantedBug {
            $(#[doc = $sentence] $bug,)+
        }

        #[cfg(feature = "planted-bugs")]
        impl PlantedBug {
            /// All of them.
            pub const ALL: &'static [PlantedBug] = &[$(Self::$bug),+];

            /// The id, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bug => $name,)+ }
            }

            /// What is changed.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$bug => $sentence,)+ }
            }

            /// Where it was seen: `project#thread`; or why this protocol invites it.
            pub const fn origin(self) -> &'static str {
                match self { $(Self::$bug => $origin,)+ }
            }
        }
    };
}

bugs! {
    BlindHeadPut "blind-head-put"
        "The head PUT goes out without its condition."
        "delta#1830; delta#1410; paimon#5762; object_store#713"
    AmbiguousRetryRecommit "ambiguous-retry-recommit"
        "After an unknown outcome the commit is rebased and sent again without looking for its own id."
        "materialize#38333; lance-ray#5282; iceberg#2808; iceberg#10765; delta-rs#268"
    ConflictWindowLatestOnly "conflict-window-latest-only"
        "Validation looks only at the newest commit, not at all since the base."
        "lance#6653; slatedb#1710"
    SkipMissingSegment "skip-missing-segment"
        "A segment of a session that is not there is skipped instead of ending the session."
        "slatedb#1392; delta#1365; arcadedb#4331"
    PinAfterRead "pin-after-read"
        "A session is opened without the look at the head that proves its pin."
        "materialize#18228; slatedb#604; greptimedb#8625"
    CheckpointCoversHead "checkpoint-covers-head"
        "A checkpoint claims all segments of the head, not only those that were folded."
        "slatedb#1625; slatedb#1857; lance#6653; delta-rs#3049"
    TombstoneDrop "tombstone-drop"
        "Merging segments drops their delete marks."
        "slatedb#307; slatedb#976; leveldb#898; delta-rs#4300"
    GcInflightSegment "gc-inflight-segment"
        "The gate is not looked at: neither when garbage is found nor when a name is published."
        "thanos#1577; slatedb#984; risingwave#18757; icechunk#368"
    GcIgnoresLease "gc-ignores-lease"
        "Retired names are deleted without a look at pins and floor."
        "slatedb#355; iceberg#5666; databend#20436; icechunk#1717"
    GcPlanNoRevalidate "gc-plan-no-revalidate"
        "Pins are listed before the floor is set, not after."
        "iceberg-go#716; lakeFS#7716; s2#495"
    LoserObjectLeak "loser-object-leak"
        "Checkpoints that nobody published are never looked for."
        "lance#8516; kafka#15817; thanos#2459; slatedb#608"
    FenceCheckOnce "fence-check-once"
        "A role's epoch is checked when the role is taken, and never again."
        "slatedb#271; iceberg#5036; delta-rs#268; restic#4374"
    LeaseLeakWedges "lease-leak-wedges"
        "The pin of a dead process counts for ever."
        "iceberg#2301; terraform#28693; restic#3219"
    ResumedCompactionBoundary "resumed-compaction-boundary"
        "A fold that is resumed goes on from its target, not from what it had folded."
        "slatedb#1769; slatedb#1625; slatedb#1194"
    HeadCacheStale "head-cache-stale"
        "Strong reads are served from a cached head up to 3 s old."
        "quickwit#1399; duckdb-iceberg#1126; greptimedb#2013"
    RetiredDroppedEarly "retired-dropped-early"
        "A retired name leaves the head before its object is known to be gone."
        "own: the list of retired names looks like a work queue"
    DedupEvictedEarly "dedup-evicted-early"
        "A checkpoint forgets writers that it claims to know."
        "own: the map of recent writers looks like a cache"
    UnseenHistoryTrusted "unseen-history-trusted"
        "A commit that the visible part of the history does not show counts as not committed."
        "own: the visible part is usually all"
}

#[cfg(feature = "planted-bugs")]
impl std::fmt::Display for PlantedBug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no planted bug has.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no planted bug is called {name:?}")]
pub struct UnknownBug {
    /// The name.
    pub name: String,
}

#[cfg(feature = "planted-bugs")]
impl std::str::FromStr for PlantedBug {
    type Err = UnknownBug;

    fn from_str(s: &str) -> Result<Self, UnknownBug> {
        let found = Self::ALL.iter().copied().find(|bug| bug.name() == s);
        found.ok_or_else(|| UnknownBug { name: s.to_owned() })
    }
}

/// Which bug acts in this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bugs {
    #[cfg(feature = "planted-bugs")]
    planted: Option<PlantedBug>,
    #[cfg(feature = "planted-bugs")]
    cache_age: std::time::Duration,
}

impl Bugs {
    /// The bug that the options plant.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn of(options: &crate::Options) -> Self {
        Self { planted: options.planted, cache_age: options.planted_cache_age }
    }

    /// None.
    #[cfg(not(feature = "planted-bugs"))]
    pub(crate) fn of(_: &crate::Options) -> Self {
        Self {}
    }

    /// Whether this bug acts here.
    #[cfg(feature = "planted-bugs")]
    #[inline]
    pub(crate) fn is(self, bug: PlantedBug) -> bool {
        self.planted == Some(bug)
    }

    /// Never.
    #[cfg(not(feature = "planted-bugs"))]
    #[inline(always)]
    pub(crate) const fn is(self, _: PlantedBug) -> bool {
        false
    }

    /// How old a head [`PlantedBug::HeadCacheStale`] serves.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn cache_age(self) -> std::time::Duration {
        self.cache_age
    }

    /// None at all.
    #[cfg(not(feature = "planted-bugs"))]
    pub(crate) const fn cache_age(self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}
