//! What a process may choose. Nothing here changes the bytes on the store or what a commit
//! promises: two processes with different options share a prefix safely.

use std::time::Duration;

use crate::error::Error;
#[cfg(feature = "planted-bugs")]
use crate::planted::PlantedBug;

/// What a commit does when its deadline passes while its fate is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambiguity {
    /// Give up with [`Error::OutcomeUnknown`]: the last PUT may still land.
    #[default]
    ReportUnknown,
    /// Replace the base by a head without new records, so that the PUT can never land, and fail
    /// with the definite [`Error::Unavailable`]. It costs one more PUT (and takes up to one more
    /// [`Options::commit_deadline`]); only if that stays unanswered as well is the outcome
    /// reported unknown.
    BurnBase,
}

/// Options of one process on one manifest.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of inline records in the head above which `maintain` seals them into a segment.
    /// Default 64 KiB.
    pub tail_limit_bytes: usize,
    /// Bytes of a whole head that a commit may not exceed. Default 256 KiB.
    pub head_limit_bytes: usize,
    /// How long one store request may take before its outcome counts as unknown. Default 5 s.
    pub attempt_timeout: Duration,
    /// How long a commit goes on, from the moment its batch is formed. A transaction that has
    /// waited longer than this for its turn fails too. Default 30 s.
    pub commit_deadline: Duration,
    /// How long reads, opening, creating and maintenance retry. Default 30 s.
    pub read_deadline: Duration,
    /// What a commit does at its deadline. Default [`Ambiguity::ReportUnknown`].
    pub ambiguity: Ambiguity,
    /// Upper bound of the first back-off (full jitter: the wait is uniform below the bound).
    /// Default 50 ms.
    pub backoff_min: Duration,
    /// Upper bound of every later back-off; the bound doubles until it is reached. Default 5 s.
    pub backoff_max: Duration,
    /// Transactions in one batch, at most. Default 1024.
    pub max_batch: usize,
    /// Least time between two PUTs of one object by this process: of the head, and of the scratch
    /// object of the probe. Default 0; see
    /// [`Options::rate_limited_store`].
    pub batch_window: Duration,
    /// Longest key in bytes, at most 65,535. Default 4 KiB.
    pub key_limit_bytes: usize,
    /// Longest value in bytes; also the limit of a transaction's metadata. Default 4 MiB, at most
    /// 32 MiB.
    pub value_limit_bytes: usize,
    /// Bytes of a transaction's record above which it does not go into the head but into a segment
    /// that the head names: one PUT more, and a head that stays small. Default 32 KiB.
    pub inline_limit_bytes: usize,
    /// How many commits a checkpoint remembers the writers of, to tell them what became of a commit
    /// whose answer was lost. A commit that stays in doubt while that many others go by and are
    /// folded may end as [`Error::OutcomeUnknown`]. Default 100,000.
    pub dedup_window: u64,
    /// Bytes of a checkpoint's block, about. A session reads whole blocks. Default 16 KiB.
    pub checkpoint_block_bytes: usize,
    /// Segments that a fold reads before it writes down how far it has come. Default 16, all that
    /// there can be: nothing is written down.
    pub fold_step: usize,
    /// Bytes of segments that are merged into one, at most. Default 1 MiB.
    pub merge_limit_bytes: usize,
    /// How long this process's pin lives if it is not renewed. Default 60 s.
    pub pin_ttl: Duration,
    /// The bug to plant, if any.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<PlantedBug>,
    /// How old a head [`PlantedBug::HeadCacheStale`] serves. Default 3 s.
    #[cfg(feature = "planted-bugs")]
    pub planted_cache_age: Duration,
    /// How many names a listing has with [`PlantedBug::ListingFirstPage`]. Default 1000.
    #[cfg(feature = "planted-bugs")]
    pub planted_page: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tail_limit_bytes: 64 * 1024,
            head_limit_bytes: 256 * 1024,
            attempt_timeout: Duration::from_secs(5),
            commit_deadline: Duration::from_secs(30),
            read_deadline: Duration::from_secs(30),
            ambiguity: Ambiguity::ReportUnknown,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            max_batch: 1024,
            batch_window: Duration::ZERO,
            key_limit_bytes: 4 * 1024,
            value_limit_bytes: 4 << 20,
            inline_limit_bytes: 32 * 1024,
            dedup_window: 100_000,
            checkpoint_block_bytes: 16 * 1024,
            fold_step: 16,
            merge_limit_bytes: 1 << 20,
            pin_ttl: Duration::from_secs(60),
            #[cfg(feature = "planted-bugs")]
            planted: None,
            #[cfg(feature = "planted-bugs")]
            planted_cache_age: Duration::from_secs(3),
            #[cfg(feature = "planted-bugs")]
            planted_page: 1000,
        }
    }
}

impl Options {
    /// The preset for stores that cap the write rate of one object name at about one a second
    /// (GCS, R2): commits gather for up to 1.1 s and go out as one PUT.
    pub fn rate_limited_store() -> Self {
        Self { batch_window: Duration::from_millis(1100), ..Self::default() }
    }

    /// Refuses combinations that cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let problem = if self.key_limit_bytes > usize::from(u16::MAX) {
            "key_limit_bytes is above 65,535, the most that the format can hold"
        } else if self.head_limit_bytes > 64 << 20 {
            "head_limit_bytes is above 64 MiB"
        } else if self.tail_limit_bytes > self.head_limit_bytes {
            "tail_limit_bytes is above head_limit_bytes"
        } else if self.head_limit_bytes < 4 * 1024 {
            "head_limit_bytes is below 4 KiB, about what a head may have to name"
        } else if self.value_limit_bytes > 32 << 20 {
            "value_limit_bytes is above 32 MiB"
        } else if self.dedup_window == 0 {
            "dedup_window is 0"
        } else if self.pin_ttl < Duration::from_millis(1) {
            "pin_ttl is below a millisecond"
        } else if self.max_batch == 0 {
            "max_batch is 0"
        } else if self.backoff_min > self.backoff_max {
            "backoff_min is above backoff_max"
        } else {
            return Ok(());
        };
        Err(Error::InvalidOptions { problem })
    }
}
