//! The presets. Each begins with S3 and changes what differs.
//!
//! Latencies come from measurements where there are any (S3, S3 Express, and the conditional writes
//! of Azure and GCS); listing, deletion and copy were measured nowhere and are estimates: a listing
//! costs about one and a half reads, a deletion and a copy about one write.

use super::{
    Consistency, CopiedTag, ETags, ListOrder, MissingDelete, MissingMatch, MissingUpdate,
    MultipartDate, Profile, RacingWrite, Rename, SameNameUploads, SecondComplete, UpdateCondition,
    VersionIds, WriteConditions, WriteRate,
};
use crate::latency::{Latencies, LogNormal, Spikes};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// About one write a second to one name. GCS says that faster writes *might* be throttled, R2 that
/// *concurrent* ones are: neither refuses each second write of a short series, so three may follow
/// each other at once.
const ONE_A_SECOND: WriteRate = WriteRate { interval_ns: SECOND, burst: 3 };

/// Median and floor in microseconds, sigma in thousandths, microseconds for each MiB.
const fn log_normal(median_us: u32, sigma_milli: u32, floor_us: u32, per_mib_us: u32) -> LogNormal {
    LogNormal { median_us, sigma_milli, floor_us, per_mib_us }
}

/// Latencies from those of a read, a write and a conditional write; the rest is estimated.
const fn latencies(get: LogNormal, put: LogNormal, conditional_put: LogNormal) -> Latencies {
    let list = LogNormal { median_us: get.median_us * 3 / 2, ..get };
    let spikes = Spikes { per_million: 50, min_us: 500_000, max_us: 1_500_000 };
    Latencies { get, put, conditional_put, list, delete: put, copy: put, spikes }
}

impl Profile {
    /// Amazon S3, a general purpose bucket without versioning.
    pub fn s3() -> Self {
        Self {
            name: "s3",
            etags: ETags::OfContent,
            version_ids: VersionIds::Hidden,
            write_conditions: WriteConditions::Kept,
            update: UpdateCondition::Tag,
            missing_update: MissingUpdate::NotFound,
            missing_match: MissingMatch::NotFound,
            copied_tag: CopiedTag::OfBytes,
            missing_delete: MissingDelete::Ok,
            racing_write: RacingWrite::Conflict,
            list_order: ListOrder::Sorted,
            page_size: 1000,
            delete_batch: 1000,
            date_granularity_ns: SECOND,
            multipart_date: MultipartDate::Initiation,
            second_complete: SecondComplete::Ok,
            same_name_uploads: SameNameUploads::LastWins,
            rename: Rename::CopyThenDelete,
            write_rate: None,
            consistency: Consistency::Strong,
            late_landing_max_ns: 60 * SECOND,
            latencies: latencies(
                log_normal(27_000, 620, 10_000, 10_000),
                log_normal(60_000, 290, 10_000, 20_000),
                log_normal(65_000, 170, 45_000, 20_000),
            ),
        }
    }

    /// Amazon S3 Express One Zone: tags that never recur, listings in no order.
    pub fn s3_express() -> Self {
        Self {
            name: "s3-express",
            etags: ETags::Unique,
            list_order: ListOrder::Arbitrary,
            latencies: latencies(
                log_normal(2_500, 570, 1_000, 5_000),
                log_normal(6_500, 240, 1_000, 10_000),
                log_normal(14_500, 60, 13_000, 10_000),
            ),
            ..Self::s3()
        }
    }

    /// Google Cloud Storage: conditions on generations, about one write a second to one name.
    pub fn gcs() -> Self {
        Self {
            name: "gcs",
            etags: ETags::Unique,
            version_ids: VersionIds::Current,
            update: UpdateCondition::Generation,
            missing_update: MissingUpdate::PreconditionFailed,
            missing_delete: MissingDelete::NotFound,
            racing_write: RacingWrite::PreconditionFailed,
            delete_batch: 1,
            date_granularity_ns: MS,
            multipart_date: MultipartDate::Completion,
            second_complete: SecondComplete::NotFound,
            write_rate: Some(ONE_A_SECOND),
            latencies: latencies(
                log_normal(200_000, 300, 80_000, 17_000),
                log_normal(200_000, 300, 80_000, 17_000),
                log_normal(173_000, 200, 135_000, 17_000),
            ),
            ..Self::s3()
        }
    }

    /// Azure Blob Storage, standard: tags that never recur; parts belong to the name.
    pub fn azure() -> Self {
        Self {
            name: "azure",
            etags: ETags::Unique,
            missing_update: MissingUpdate::PreconditionFailed,
            missing_delete: MissingDelete::NotFound,
            racing_write: RacingWrite::PreconditionFailed,
            page_size: 5000,
            delete_batch: 256,
            multipart_date: MultipartDate::Completion,
            second_complete: SecondComplete::NotFound,
            same_name_uploads: SameNameUploads::FirstWins,
            latencies: latencies(
                log_normal(38_000, 660, 20_000, 12_000),
                log_normal(45_000, 500, 20_000, 25_000),
                log_normal(95_000, 250, 65_000, 25_000),
            ),
            ..Self::s3()
        }
    }

    /// Cloudflare R2: as S3, one write a second to one name.
    pub fn r2() -> Self {
        Self {
            name: "r2",
            missing_update: MissingUpdate::PreconditionFailed,
            racing_write: RacingWrite::PreconditionFailed,
            date_granularity_ns: MS,
            multipart_date: MultipartDate::Completion,
            second_complete: SecondComplete::NotFound,
            write_rate: Some(ONE_A_SECOND),
            latencies: latencies(
                log_normal(150_000, 430, 30_000, 20_000),
                log_normal(197_000, 430, 40_000, 30_000),
                log_normal(197_000, 430, 40_000, 30_000),
            ),
            ..Self::s3()
        }
    }

    /// MinIO on a local network: a lock for each name.
    pub fn minio() -> Self {
        Self {
            name: "minio",
            racing_write: RacingWrite::PreconditionFailed,
            date_granularity_ns: MS,
            multipart_date: MultipartDate::Completion,
            second_complete: SecondComplete::NotFound,
            latencies: latencies(
                log_normal(2_000, 500, 500, 8_000),
                log_normal(5_000, 400, 1_000, 12_000),
                log_normal(5_000, 400, 1_000, 12_000),
            ),
            ..Self::s3()
        }
    }

    /// A directory on a local disk, as the crate `local-store` makes a store of it: conditional
    /// overwrite under a lock, atomic rename. Where other file systems are weaker, so is this:
    /// listings come in no order, and to delete what is not there is an error.
    pub fn local() -> Self {
        Self {
            name: "local",
            etags: ETags::Unique,
            missing_delete: MissingDelete::NotFound,
            racing_write: RacingWrite::PreconditionFailed,
            list_order: ListOrder::Arbitrary,
            page_size: u32::MAX,
            delete_batch: 1,
            date_granularity_ns: 1,
            multipart_date: MultipartDate::Completion,
            second_complete: SecondComplete::NotFound,
            rename: Rename::Atomic,
            late_landing_max_ns: SECOND,
            latencies: latencies(
                log_normal(80, 400, 20, 400),
                log_normal(150, 500, 40, 800),
                log_normal(150, 500, 40, 800),
            ),
            ..Self::s3()
        }
    }

    /// S3 as it was before December 2020: reads and listings may be stale for some seconds. The
    /// conditional writes of today's S3 are left on, so that a protocol gets far enough to be fooled.
    pub fn eventual() -> Self {
        Self {
            name: "eventual",
            consistency: Consistency::Eventual { stale_max_ns: 3 * SECOND, stale_ppm: 200_000 },
            ..Self::s3()
        }
    }

    /// All presets.
    pub fn all() -> [Self; 8] {
        [
            Self::s3(),
            Self::s3_express(),
            Self::gcs(),
            Self::azure(),
            Self::r2(),
            Self::minio(),
            Self::local(),
            Self::eventual(),
        ]
    }

    /// The preset of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|profile| profile.name == name)
    }
}
