//! What one real store does differently from another, as data.
//!
//! The model has no `if s3`: it reads the switches of a [`Profile`]. The presets are real stores as
//! far as their documentation, public threads and measurements tell (`docs/fault-model.md` has the
//! sources and says what is believed only). A test may build a profile of its own.

mod presets;

use crate::latency::Latencies;

/// Where the entity tag comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ETags {
    /// A hash of the content: writing the same bytes again brings the old tag back.
    OfContent,
    /// Another one for each write.
    Unique,
    /// The date of the write as the store shows it, and the size: two versions of one size that are
    /// written within one tick of the clock have one tag. Simple servers and file systems do this; no
    /// preset has it, and a protocol that compares tags must refuse it.
    OfTime,
}

/// Whether clients see version ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionIds {
    /// No.
    Hidden,
    /// Each write answers with its generation; only the current one can be read.
    Current,
    /// The same, and earlier versions can be read until the end of the world.
    Kept,
}

/// What a store does with the conditions of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteConditions {
    /// It keeps to them.
    Kept,
    /// It writes whatever they say, as servers do that do not know the headers. No preset has it, and
    /// a protocol that rests on conditions must refuse it.
    Ignored,
}

/// By what a conditional overwrite names the version it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateCondition {
    /// By entity tag (`If-Match`).
    Tag,
    /// By generation (`x-goog-if-generation-match`).
    Generation,
    /// The store has no conditional overwrite.
    Unsupported,
}

/// The answer to a conditional overwrite of an object that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingUpdate {
    /// 404
    NotFound,
    /// 412
    PreconditionFailed,
}

/// The answer to a read with `If-Match` of an object that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingMatch {
    /// 404, as S3 and the live Azure service say.
    NotFound,
    /// 412, as RFC 9110 has it and the emulator azurite says. No preset has it.
    PreconditionFailed,
}

/// The tag of a copy, where tags are of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopiedTag {
    /// That of the bytes as one PUT would write them: S3 keeps the tag of a copied object only if it
    /// was not made from parts.
    OfBytes,
    /// That of the source, also if it was made from parts; and a copy onto a free name is an upload
    /// of one part, with the tag of one. As ministack behind the client of `object_store`. No preset
    /// has it.
    OfSource,
}

/// The answer to the deletion of an object that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingDelete {
    /// Success.
    Ok,
    /// 404
    NotFound,
}

/// The answer to a conditional write that overlaps another write of the same object in time, and
/// does not win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RacingWrite {
    /// 412, as if it had come later.
    PreconditionFailed,
    /// 409: nothing landed, and the client is to try again.
    Conflict,
}

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// By the bytes of the names.
    Sorted,
    /// By a hash of the names: the same each time, and of no use to anyone.
    Arbitrary,
}

/// Which time an object made from parts carries as its last modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartDate {
    /// The time at which the upload was begun: older than objects that existed before it did.
    Initiation,
    /// The time at which it was completed.
    Completion,
}

/// The answer to the second completion of one multipart upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondComplete {
    /// Success with the first answer; nothing is written.
    Ok,
    /// 404
    NotFound,
}

/// What becomes of several multipart uploads to one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameNameUploads {
    /// They are independent; the one that is completed last stays.
    LastWins,
    /// The first completion discards the parts of all others (Azure's uncommitted blocks).
    FirstWins,
}

/// How an object is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rename {
    /// The client copies and then deletes: two requests, and a crash between them shows.
    CopyThenDelete,
    /// The store does it as one step.
    Atomic,
}

/// A limit on the writes to one object name: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteRate {
    /// Nanoseconds until one more write is allowed.
    pub interval_ns: u64,
    /// How many writes may come at once after a pause.
    pub burst: u32,
}

/// Whether reads and listings show the newest state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Always.
    Strong,
    /// They may show a state that is older by at most this many nanoseconds.
    Eventual {
        /// The oldest state that can still be seen, in nanoseconds of age.
        stale_max_ns: u64,
        /// How many of a million reads and pages of listings a replica answers that lags.
        stale_ppm: u32,
    },
}

/// The behaviour of one object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Short name, as given on a command line.
    pub name: &'static str,
    /// Entity tags.
    pub etags: ETags,
    /// Version ids.
    pub version_ids: VersionIds,
    /// Conditions of writes.
    pub write_conditions: WriteConditions,
    /// Conditional overwrite.
    pub update: UpdateCondition,
    /// Conditional overwrite of a missing object.
    pub missing_update: MissingUpdate,
    /// Read of a missing object with `If-Match`.
    pub missing_match: MissingMatch,
    /// Tags of copies.
    pub copied_tag: CopiedTag,
    /// Deletion of a missing object.
    pub missing_delete: MissingDelete,
    /// Conditional writes at the same time.
    pub racing_write: RacingWrite,
    /// Order of listings.
    pub list_order: ListOrder,
    /// At most so many names and prefixes in one page of a listing.
    pub page_size: u32,
    /// At most so many names in one delete request.
    pub delete_batch: u32,
    /// Last-modified times are cut to multiples of this many nanoseconds.
    pub date_granularity_ns: u64,
    /// Last-modified of objects made from parts.
    pub multipart_date: MultipartDate,
    /// Second completion of an upload.
    pub second_complete: SecondComplete,
    /// Several uploads to one name.
    pub same_name_uploads: SameNameUploads,
    /// How a rename is done.
    pub rename: Rename,
    /// Limit on the writes to one name.
    pub write_rate: Option<WriteRate>,
    /// Freshness of reads and listings.
    pub consistency: Consistency,
    /// How long after it was sent a request that nobody waits for may still land, in nanoseconds.
    /// No store documents a bound; this is how far the simulator goes.
    pub late_landing_max_ns: u64,
    /// How long requests take.
    pub latencies: Latencies,
}

impl Profile {
    /// `time_ns` as the store shows it: cut to the granularity.
    pub(crate) fn date(&self, time_ns: u64) -> u64 {
        time_ns - time_ns % self.date_granularity_ns.max(1)
    }
}
