//! What kind an edge is, and sets of kinds.

use super::Why;

/// A set of kinds of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const WW: Kinds = Kinds(1);
    pub(super) const WR: Kinds = Kinds(2);
    pub(super) const RW: Kinds = Kinds(4);
    pub(super) const PROCESS: Kinds = Kinds(8);
    pub(super) const REALTIME: Kinds = Kinds(16);

    pub(super) const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(super) const fn has(self, why: &Why) -> bool {
        let kind = match why {
            Why::WriteWrite { .. } => Self::WW,
            Why::WriteRead { .. } => Self::WR,
            Why::ReadWrite { .. } => Self::RW,
            Why::Process => Self::PROCESS,
            Why::Realtime => Self::REALTIME,
        };
        self.0 & kind.0 != 0
    }
}
