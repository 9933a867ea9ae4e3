//! Bugs that can be planted, for a tester to find.
//!
//! Each is a small change of the kind that really happened in systems that commit on object
//! stores. They exist only with the feature `planted-bugs`; without it [`Bugs::is`] is a constant
//! `false`, and code that only a bug runs, or that a future would keep room for, is not compiled. Each decision that a bug changes asks
//! `bugs.is(..)` in the place where the correct code decides, so both ways can be read together.
//! Where another layer of the protocol would hide a bug entirely, that layer gives way to this bug
//! alone, and a comment there says so.
#![cfg_attr(
    not(feature = "planted-bugs"),
    doc = "```compile_fail\nuse manifest_core::PlantedBug;\n```"
)]

#[cfg(feature = "planted-bugs")]
pub(crate) mod adopt;

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
    StalePayloadRebase "stale-payload-rebase"
        "After a lost race the new tag is taken, and the body stays the one built on the old head."
        "slatedb#496; slatedb#435; iceberg#15904; iceberg#15092"
    AckBeforePublish "ack-before-publish"
        "A batch is acknowledged before its PUT has answered; who commits next looks after the PUT, and gives it up after 3 tries."
        "slatedb#1464; slatedb#434"
    TornBatch "torn-batch"
        "A transaction of several operations is published in one CAS for each of them."
        "slatedb#763; slatedb#1607; arcadedb#4331"
    AmbiguousRetryRecommit "ambiguous-retry-recommit"
        "After an unknown outcome the commit is rebased and sent again without looking for its own id."
        "materialize#38333; lance-ray#5282; iceberg#2808; iceberg#10765; delta-rs#268"
    CleanupOnUnknown "cleanup-on-unknown"
        "After a PUT without a clear answer the objects are deleted that only its head names."
        "iceberg#2328; duckdb-iceberg#1120; rocksdb#4990; paimon#6778; trino#14869"
    ConflictWindowLatestOnly "conflict-window-latest-only"
        "Validation looks only at the newest commit, not at all since the base."
        "lance#6653; slatedb#1710"
    SkipMissingSegment "skip-missing-segment"
        "A segment of a session that is not there is skipped instead of ending the session."
        "slatedb#1392; delta#1365; arcadedb#4331"
    SessionSnapshotRegress "session-snapshot-regress"
        "Of refreshes that overlap the last answer wins, whatever its version."
        "slatedb#1398; delta-rs#3550"
    PinAfterRead "pin-after-read"
        "A session is opened without the look at the head that proves its pin."
        "materialize#18228; slatedb#604; greptimedb#8625"
    CheckpointRegress "checkpoint-regress"
        "A checkpoint is published even if the head's covers more."
        "greptimedb#2013; delta#5272"
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
    LeaseSkew "lease-skew"
        "A pin holds a reading of its writer's wall clock, and is dead by comparison with the collector's."
        "nixpkgs#267690"
    LeaseLeakWedges "lease-leak-wedges"
        "The pin of a dead process counts for ever."
        "iceberg#2301; terraform#28693; restic#3219"
    OrphanAdoption "orphan-adoption"
        "Opening commits what the newest segment holds that no head names."
        "rocksdb#7621; pebble#984; delta#1711; delta-rs#268"
    ResumedCompactionBoundary "resumed-compaction-boundary"
        "A fold that is resumed goes on from its target, not from what it had folded."
        "slatedb#1769; slatedb#1625; slatedb#1194"
    HeadCacheStale "head-cache-stale"
        "Strong reads are served from a cached head up to 3 s old."
        "quickwit#1399; duckdb-iceberg#1126; greptimedb#2013"
    TornSegmentAccepted "torn-segment-accepted"
        "A short segment is read as far as its whole records go; its length and hash are not looked at."
        "hudi#18210; thanos#1525; delta#5272; arrow-rs#4841"
    RetiredDroppedEarly "retired-dropped-early"
        "A retired name leaves the head before its object is known to be gone."
        "own: the list of retired names looks like a work queue"
    DedupEvictedEarly "dedup-evicted-early"
        "A checkpoint forgets writers that it claims to know."
        "own: the map of recent writers looks like a cache"
    UnseenHistoryTrusted "unseen-history-trusted"
        "A commit that the visible part of the history does not show counts as not committed."
        "own: the visible part is usually all"
    DedupByWseq "dedup-by-wseq"
        "Whether a commit landed is told by its number alone, whoever's number it is."
        "own: a test with one writer never sees a difference"
    OpenTakenForAborted "open-taken-for-aborted"
        "A commit is refused when the head is read and still is its base."
        "own: it is not there, and nothing else happened"
    ConflictTakenForCommitted "conflict-taken-for-committed"
        "409 counts as the news that the own PUT is there already."
        "own: the error is called AlreadyExists"
    RefusalTakenForLoss "refusal-taken-for-loss"
        "A PUT that failed is sent again by the transport, and 412 means that somebody else was faster."
        "own: retries are on by default in every client"
    ValidatedOnce "validated-once"
        "A transaction that lost a race goes out on the new head without being validated again."
        "own: it was validated already"
    ValidatedFromNext "validated-from-next"
        "Validation begins behind the commit after the base."
        "own: whether the base itself counts is easily mistaken"
    RangeReadsForgotten "range-reads-forgotten"
        "A range that a transaction scanned is not in its read set."
        "own: the keys that it found are what it uses"
    BatchConflictMissed "batch-conflict-missed"
        "A transaction is not held against those before it in the same batch."
        "own: the state that it is validated on does not have them yet"
    BatchReordered "batch-reordered"
        "Who waits for an earlier one of its batch is overtaken by those behind it."
        "own: this protocol did so until one seed in a million showed it"
    OwnRangeForgotten "own-range-forgotten"
        "A transaction reads what it wrote before it deleted the range around it."
        "own: a range delete names no key that could be found"
    BurnAcknowledged "burn-acknowledged"
        "The success of the PUT that burns a base is told as the success of the commit."
        "own: both are PUTs of the same attempt"
    BurnUnproven "burn-unproven"
        "A commit is refused once the PUT that burns its base is sent, whatever that came to."
        "own: nobody waits for the second PUT of something that failed"
    StatusTooSure "status-too-sure"
        "A commit that is not in the history is not committed, although its PUT may still land."
        "own: the question is asked long after"
    TagOfAnotherHead "tag-of-another-head"
        "Creating keeps the first head, with the tag of the head that was read back."
        "own: what was read back is usually the same"
    IncarnationUnchecked "incarnation-unchecked"
        "A head of another manifest under the same name is taken for one of this."
        "own: who would delete a head and create another"
    ReadFromCacheOnError "read-from-cache-on-error"
        "A strong read that cannot reach the store is answered from memory."
        "own: it looks like availability"
    GateReadEarly "gate-read-early"
        "A name is held against the gate that was known when it was chosen, not that of the head that is replaced."
        "own: the gate was looked at, after all"
    SealUnchecked "seal-unchecked"
        "A sealed segment is published as soon as the tail is long enough, without a look at its records."
        "own: this process made it of this tail"
    SealDropsRecord "seal-drops-record"
        "Publishing a sealed segment takes one record too many out of the tail."
        "own: the first record that stays is easily taken for the last that goes"
    RoomForgetsNewest "room-forgets-newest"
        "A writer that makes room folds all segments but the newest, and says that it folded all."
        "own: a limit on what is folded at once is also a limit on what is claimed"
    CheckpointDropsLast "checkpoint-drops-last"
        "A checkpoint leaves out what its last commit wrote."
        "own: whether its end is inclusive is easily mistaken"
    MergeOrderReversed "merge-order-reversed"
        "Merging segments lets the oldest change of a key win."
        "own: layers are read from the newest on, and merged from the oldest on"
    MergeForgetsRanges "merge-forgets-ranges"
        "Merging segments forgets their range deletes."
        "own: they have been applied to the keys at hand"
    EpochNotRaised "epoch-not-raised"
        "Taking a role over changes its owner and keeps its epoch."
        "own: the owner is a fence already"
    RetiredAboveFloor "retired-above-floor"
        "What was retired above the floor is deleted if no pin protects it."
        "own: the floor usually is the gate"
    PinOffByOne "pin-off-by-one"
        "A pin does not protect what the next head after its own retires."
        "own: a name is retired at the first head without it, not the last one with it"
    PinPutUnconditional "pin-put-unconditional"
        "A pin is written without a condition."
        "own: nobody else writes it"
    PinWithoutCounter "pin-without-counter"
        "A pin is renewed with the bytes that it has."
        "own: what it protects has not changed"
    ReaderNotFenced "reader-not-fenced"
        "A reader that could not renew its pin reads on."
        "own: what it reads is verified anyway"
    FenceFromAnswer "fence-from-answer"
        "A reader counts its pin's life from the answer to the PUT, not from its sending."
        "own: that is when it knows"
    ListingFirstPage "listing-first-page"
        "A listing ends with its first page."
        "own: tests have few objects"
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
    #[cfg(feature = "planted-bugs")]
    page: usize,
}

impl Bugs {
    /// The bug that the options plant.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn of(options: &crate::Options) -> Self {
        let (cache_age, page) = (options.planted_cache_age, options.planted_page);
        Self { planted: options.planted, cache_age, page }
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

    /// How many names [`PlantedBug::ListingFirstPage`] takes.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn page(self) -> usize {
        self.page
    }

    /// All.
    #[cfg(not(feature = "planted-bugs"))]
    pub(crate) const fn page(self) -> usize {
        usize::MAX
    }
}
