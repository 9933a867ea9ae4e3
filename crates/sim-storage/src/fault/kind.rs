//! The kinds of faults: names, labels, and which requests under which profile each can hit.

use serde::{Deserialize, Serialize};

use super::Shape;
use crate::profile::{Consistency, ListOrder, Profile};
use crate::store::RequestKind;

/// The kinds of faults that can hit a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FaultKind {
    /// See [`Fault::RequestLost`](super::Fault::RequestLost).
    RequestLost,
    /// See [`Fault::ReplyLost`](super::Fault::ReplyLost).
    ReplyLost,
    /// See [`Fault::LateApply`](super::Fault::LateApply).
    LateApply,
    /// See [`Fault::Duplicate`](super::Fault::Duplicate).
    Duplicate,
    /// See [`Fault::Conflict`](super::Fault::Conflict).
    Conflict,
    /// See [`Fault::TooManyRequests`](super::Fault::TooManyRequests).
    TooManyRequests,
    /// See [`Fault::SlowDown`](super::Fault::SlowDown).
    SlowDown,
    /// See [`Fault::ErrorBefore`](super::Fault::ErrorBefore).
    ErrorBefore,
    /// See [`Fault::ErrorAfter`](super::Fault::ErrorAfter).
    ErrorAfter,
    /// See [`Fault::Timeout`](super::Fault::Timeout).
    Timeout,
    /// See [`Fault::TailLatency`](super::Fault::TailLatency).
    TailLatency,
    /// See [`Fault::Reordering`](super::Fault::Reordering).
    Reordering,
    /// See [`Fault::ShortBody`](super::Fault::ShortBody).
    ShortBody,
    /// See [`Fault::TornPut`](super::Fault::TornPut).
    TornPut,
    /// See [`Fault::RacedConflict`](super::Fault::RacedConflict).
    RacedConflict,
    /// See [`Fault::BrokenBody`](super::Fault::BrokenBody).
    BrokenBody,
    /// See [`Fault::BitFlip`](super::Fault::BitFlip).
    BitFlip,
    /// See [`Fault::TornUpload`](super::Fault::TornUpload).
    TornUpload,
    /// See [`Fault::StaleRead`](super::Fault::StaleRead).
    StaleRead,
    /// See [`Fault::StaleList`](super::Fault::StaleList).
    StaleList,
    /// See [`Fault::TruncatedList`](super::Fault::TruncatedList).
    TruncatedList,
    /// See [`Fault::UnorderedList`](super::Fault::UnorderedList).
    UnorderedList,
    /// See [`Fault::PartialDelete`](super::Fault::PartialDelete).
    PartialDelete,
    /// See [`Fault::LateDelete`](super::Fault::LateDelete).
    LateDelete,
    /// See [`Fault::RateLimited`](super::Fault::RateLimited).
    RateLimited,
    /// See [`Fault::ErrorInside`](super::Fault::ErrorInside).
    ErrorInside,
    /// See [`Fault::SkewedDate`](super::Fault::SkewedDate).
    SkewedDate,
}

impl FaultKind {
    /// Number of kinds.
    pub const COUNT: usize = 27;

    /// All kinds, in the order in which rates lay them out.
    pub const ALL: [Self; Self::COUNT] = [
        Self::RequestLost,
        Self::ReplyLost,
        Self::LateApply,
        Self::Duplicate,
        Self::Conflict,
        Self::TooManyRequests,
        Self::SlowDown,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Timeout,
        Self::TailLatency,
        Self::Reordering,
        Self::ShortBody,
        Self::TornPut,
        Self::RacedConflict,
        Self::BrokenBody,
        Self::BitFlip,
        Self::TornUpload,
        Self::StaleRead,
        Self::StaleList,
        Self::TruncatedList,
        Self::UnorderedList,
        Self::PartialDelete,
        Self::LateDelete,
        Self::RateLimited,
        Self::ErrorInside,
        Self::SkewedDate,
    ];

    /// The name under which its effects are counted.
    pub fn label(self) -> &'static str {
        match self {
            Self::RequestLost => "fault.request_lost",
            Self::ReplyLost => "fault.reply_lost",
            Self::LateApply => "fault.late_apply",
            Self::Duplicate => "fault.duplicate",
            Self::Conflict => "fault.conflict_409",
            Self::TooManyRequests => "fault.too_many_requests_429",
            Self::SlowDown => "fault.slow_down_503",
            Self::ErrorBefore => "fault.error_500_before",
            Self::ErrorAfter => "fault.error_500_after",
            Self::Timeout => "fault.timeout",
            Self::TailLatency => "fault.tail_latency",
            Self::Reordering => "fault.reordering",
            Self::ShortBody => "fault.short_body",
            Self::TornPut => "fault.torn_put",
            Self::RacedConflict => "fault.raced_conflict_409",
            Self::BrokenBody => "fault.broken_body",
            Self::BitFlip => "fault.bit_flip",
            Self::TornUpload => "fault.torn_upload",
            Self::StaleRead => "fault.stale_read",
            Self::StaleList => "fault.stale_list",
            Self::TruncatedList => "fault.truncated_list",
            Self::UnorderedList => "fault.unordered_list",
            Self::PartialDelete => "fault.partial_delete",
            Self::LateDelete => "fault.late_delete",
            Self::RateLimited => "fault.rate_limited_429",
            Self::ErrorInside => "fault.error_inside_200",
            Self::SkewedDate => "fault.skewed_date",
        }
    }

    /// Whether the kind means anything for such a request to such a store.
    pub fn applies_to(self, shape: &Shape, profile: &Profile) -> bool {
        use RequestKind as Kind;
        let eventual = profile.consistency != Consistency::Strong;
        match self {
            Self::Duplicate | Self::LateApply => shape.writes,
            Self::Conflict | Self::RacedConflict => shape.conditional,
            Self::ShortBody | Self::BrokenBody | Self::BitFlip => shape.reads_body,
            Self::TornPut => shape.may_tear,
            Self::TornUpload => shape.kind == Kind::Complete,
            Self::StaleRead => eventual && matches!(shape.kind, Kind::Get | Kind::Head),
            Self::StaleList | Self::TruncatedList => eventual && shape.kind == Kind::List,
            Self::UnorderedList => {
                let no_order = profile.list_order == ListOrder::Arbitrary;
                no_order && shape.kind == Kind::List
            }
            Self::PartialDelete => shape.is_batch,
            Self::LateDelete => eventual && shape.kind == Kind::Delete && !shape.is_batch,
            Self::RateLimited => profile.write_rate.is_some() && shape.makes_a_version(),
            Self::ErrorInside => matches!(shape.kind, Kind::Copy | Kind::Complete),
            Self::SkewedDate => shape.makes_a_version(),
            _ => true,
        }
    }

    /// Whether it belongs into the worlds of a sound protocol: the documentation of some store with
    /// strong consistency, or its history, leaves room for it, and a protocol can survive it. The
    /// kinds that damage bodies need [`BodyDamage::Any`](crate::BodyDamage::Any), and those that tear belong to them for the names that a system lets tear
    /// ([`Bounds::tears`](crate::Bounds::tears)). The others happen under an eventual profile only,
    /// and no protocol that reads before it writes survives all of them.
    pub fn is_default(self) -> bool {
        !matches!(self, Self::StaleRead | Self::StaleList | Self::TruncatedList | Self::LateDelete)
    }
}
