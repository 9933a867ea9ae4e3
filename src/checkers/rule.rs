//! The rules, each with the sentence that must hold and the class of failure that breaking it is.

use std::fmt;

/// What kind of failure a broken rule shows. The order is the order of decision: if one event
/// breaks several rules, the class that stands first here is the diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// An acknowledged commit, or the condition that it rested on, is not honoured.
    LostUpdate,
    /// Two owners act in one role.
    SplitBrain,
    /// A commit takes effect twice, or although it was reported as failed.
    PhantomCommit,
    /// A live root names a missing object.
    DanglingReference,
    /// After a crash the state is not the durable prefix.
    WrongRecovery,
    /// Something deleted or replaced is back.
    Resurrection,
    /// Committed history is missing or broken.
    HistoryGap,
    /// Content that no root published, or half a commit, is visible.
    DirtyRead,
    /// Bytes were accepted that no writer wrote as a whole.
    TornOrCorruptRecord,
    /// The content of a commit is not a function of its number.
    SnapshotDivergence,
    /// A session goes back in time.
    NonMonotonicRead,
    /// A read misses a commit that was acknowledged before it began.
    StaleRead,
    /// With faults off, something never completes, or is refused without a reason.
    StuckProgress,
    /// Objects stay although nothing can reach them.
    OrphanLeak,
    /// An operation costs more requests than its budget.
    OverBudget,
    /// The judges of the simulator disagree about a run.
    JudgesDisagree,
}

impl Class {
    /// One sentence: what this failure is.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Class::LostUpdate => {
                "an acknowledged commit, or the condition it rested on, is not honoured"
            }
            Class::SplitBrain => "two owners act in one role",
            Class::PhantomCommit => {
                "a commit takes effect twice, or although it was reported as failed"
            }
            Class::DanglingReference => "a live root names a missing object",
            Class::WrongRecovery => "after a crash the state is not the durable prefix",
            Class::Resurrection => "something deleted or replaced is back",
            Class::HistoryGap => "committed history is missing or broken",
            Class::DirtyRead => "content that no root published, or half a commit, is visible",
            Class::TornOrCorruptRecord => "bytes were accepted that no writer wrote as a whole",
            Class::SnapshotDivergence => "the content of a commit is not a function of its number",
            Class::NonMonotonicRead => "a session goes back in time",
            Class::StaleRead => "a read misses a commit that was acknowledged before it began",
            Class::StuckProgress => {
                "with faults off, something never completes or is refused without a reason"
            }
            Class::OrphanLeak => "objects stay although nothing can reach them",
            Class::OverBudget => "an operation costs more requests than its budget",
            Class::JudgesDisagree => "the judges of the simulator disagree: one of them is wrong",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A rule that every run must keep.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum Rule {
    /// A new root builds on the root that it replaces.
    RootParent,
    /// An acknowledged commit is the content of its number.
    AcknowledgedPresent,
    /// What a transaction read still holds where it commits.
    ReadsStillHold,
    /// Commits appear in the order of real time.
    CommitOrder,
    /// An operation commits at most once.
    CommittedOnce,
    /// An operation that failed has no effect.
    FailedAbsent,
    /// A commit was asked for by a client.
    CommitAsked,
    /// A root names only objects that exist and are what it says.
    ReferencesExist,
    /// Nothing is deleted that a pinned reader may need.
    PinsHold,
    /// Who reads from a snapshot still has its pin.
    ReadUnderPin,
    /// Nothing is published that a collector may have taken for garbage.
    GateKept,
    /// A name that goes out of use is retired until its object is gone.
    RetiredKept,
    /// What a root names is never written again.
    ObjectsKept,
    /// What a root or a pinned snapshot names can be read.
    SnapshotReadable,
    /// What is done under a role is done by its owner.
    RoleOwned,
    /// What is folded shows nothing that was deleted or replaced.
    NothingReturns,
    /// What is folded holds all that its commits make.
    FoldWhole,
    /// Checkpoints only move forward.
    CheckpointForward,
    /// Commit numbers have no gap and committed records do not change.
    HistoryWhole,
    /// The commits of one process enter the history in the order in which it numbered them.
    WriterOrder,
    /// Every hash of the chain is the hash of what stands before it.
    ChainIntact,
    /// A commit holds all writes of its operation and no others.
    CommitWhole,
    /// Stored bytes are what their lengths, checksums and formats say.
    BytesIntact,
    /// A read value was written by a client as a whole.
    ValueIntact,
    /// A read shows only what a root has published.
    ReadPublished,
    /// Every read equals the model at its snapshot.
    ReadEqualsModel,
    /// A transaction sees what it wrote itself.
    OwnWritesSeen,
    /// A session never goes back.
    SessionMonotonic,
    /// A strong read is at least as new as everything acknowledged before it began.
    ReadFresh,
    /// A refusal names a commit that wrote what was read.
    ConflictReal,
    /// Without faults everything completes.
    Progress,
    /// When all is quiet and tidied up, nothing is left that nobody needs.
    NothingLeft,
    /// An operation makes exactly the requests of its budget.
    RequestBudget,
    /// The clients' history alone is strictly serializable.
    HistorySerializable,
    /// A history that the judge and the white box accept has an order that explains its values.
    JudgesAgree,
}

impl Rule {
    /// Every rule, in the order of declaration.
    pub const ALL: [Rule; 35] = [
        Rule::RootParent,
        Rule::AcknowledgedPresent,
        Rule::ReadsStillHold,
        Rule::CommitOrder,
        Rule::CommittedOnce,
        Rule::FailedAbsent,
        Rule::CommitAsked,
        Rule::ReferencesExist,
        Rule::PinsHold,
        Rule::ReadUnderPin,
        Rule::GateKept,
        Rule::RetiredKept,
        Rule::ObjectsKept,
        Rule::SnapshotReadable,
        Rule::RoleOwned,
        Rule::NothingReturns,
        Rule::FoldWhole,
        Rule::CheckpointForward,
        Rule::HistoryWhole,
        Rule::WriterOrder,
        Rule::ChainIntact,
        Rule::CommitWhole,
        Rule::BytesIntact,
        Rule::ValueIntact,
        Rule::ReadPublished,
        Rule::ReadEqualsModel,
        Rule::OwnWritesSeen,
        Rule::SessionMonotonic,
        Rule::ReadFresh,
        Rule::ConflictReal,
        Rule::Progress,
        Rule::NothingLeft,
        Rule::RequestBudget,
        Rule::HistorySerializable,
        Rule::JudgesAgree,
    ];

    /// The sentence that must hold.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::RootParent => "a new root builds on the root that it replaces",
            Rule::AcknowledgedPresent => "an acknowledged commit is the content of its number",
            Rule::ReadsStillHold => "what a transaction read still holds where it commits",
            Rule::CommitOrder => "commits appear in the order of real time",
            Rule::CommittedOnce => "an operation commits at most once",
            Rule::FailedAbsent => "an operation that failed has no effect",
            Rule::CommitAsked => "a commit was asked for by a client",
            Rule::ReferencesExist => "a root names only objects that exist and are what it says",
            Rule::PinsHold => "nothing is deleted that a pinned reader may need",
            Rule::ReadUnderPin => "who reads from a snapshot still has its pin",
            Rule::GateKept => "nothing is published that a collector may have taken for garbage",
            Rule::RetiredKept => "a name out of use is retired until its object is gone",
            Rule::ObjectsKept => "what a root names is never written again",
            Rule::SnapshotReadable => "what a root or a pinned snapshot names can be read",
            Rule::RoleOwned => "what is done under a role is done by its owner",
            Rule::NothingReturns => "what is folded shows nothing that was deleted or replaced",
            Rule::FoldWhole => "what is folded holds all that its commits make",
            Rule::CheckpointForward => "checkpoints only move forward",
            Rule::NothingLeft => "when all is quiet nothing is left that nobody needs",
            Rule::HistoryWhole => "commit numbers have no gap and committed records do not change",
            Rule::WriterOrder => "a process's commits enter the history in the order of their ids",
            Rule::ChainIntact => "every hash of the chain is the hash of what stands before it",
            Rule::CommitWhole => "a commit holds all writes of its operation and no others",
            Rule::BytesIntact => "stored bytes are what their lengths, checksums and formats say",
            Rule::ValueIntact => "a read value was written by a client as a whole",
            Rule::ReadPublished => "a read shows only what a root has published",
            Rule::ReadEqualsModel => "every read equals the model at its snapshot",
            Rule::OwnWritesSeen => "a transaction sees what it wrote itself",
            Rule::SessionMonotonic => "a session never goes back",
            Rule::ReadFresh => {
                "a strong read is at least as new as all that was acknowledged before it"
            }
            Rule::ConflictReal => "a refusal names a commit that wrote what was read",
            Rule::Progress => "without faults everything completes",
            Rule::RequestBudget => "an operation makes exactly the requests of its budget",
            Rule::HistorySerializable => "the clients' history alone is strictly serializable",
            Rule::JudgesAgree => "the judges agree about a run",
        }
    }

    /// What breaking the rule shows, before any other evidence is weighed.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Rule::RootParent
            | Rule::AcknowledgedPresent
            | Rule::ReadsStillHold
            | Rule::CommitOrder
            | Rule::HistorySerializable => Class::LostUpdate,
            Rule::CommittedOnce | Rule::FailedAbsent => Class::PhantomCommit,
            Rule::ReferencesExist
            | Rule::PinsHold
            | Rule::ReadUnderPin
            | Rule::GateKept
            | Rule::RetiredKept
            | Rule::SnapshotReadable => Class::DanglingReference,
            Rule::ObjectsKept => Class::WrongRecovery,
            Rule::RoleOwned => Class::SplitBrain,
            Rule::NothingReturns => Class::Resurrection,
            Rule::NothingLeft => Class::OrphanLeak,
            Rule::FoldWhole
            | Rule::CheckpointForward
            | Rule::HistoryWhole
            | Rule::WriterOrder
            | Rule::ChainIntact => Class::HistoryGap,
            Rule::CommitWhole | Rule::CommitAsked | Rule::ReadPublished => Class::DirtyRead,
            Rule::BytesIntact | Rule::ValueIntact => Class::TornOrCorruptRecord,
            Rule::ReadEqualsModel | Rule::OwnWritesSeen => Class::SnapshotDivergence,
            Rule::SessionMonotonic => Class::NonMonotonicRead,
            Rule::ReadFresh => Class::StaleRead,
            Rule::ConflictReal | Rule::Progress => Class::StuckProgress,
            Rule::RequestBudget => Class::OverBudget,
            Rule::JudgesAgree => Class::JudgesDisagree,
        }
    }

    /// The file that checks it.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Rule::AcknowledgedPresent
            | Rule::CommitOrder
            | Rule::CommittedOnce
            | Rule::FailedAbsent
            | Rule::CommitAsked
            | Rule::CommitWhole
            | Rule::ReadsStillHold
            | Rule::SnapshotReadable
            | Rule::ConflictReal => "src/checkers/history.rs",
            Rule::PinsHold | Rule::RetiredKept | Rule::ObjectsKept | Rule::NothingLeft => {
                "src/systems/manifest/audit/objects.rs"
            }
            Rule::RoleOwned => "src/systems/manifest/audit/roles.rs",
            Rule::NothingReturns | Rule::FoldWhole => "src/systems/manifest/audit/folds.rs",
            Rule::ReadUnderPin
            | Rule::ValueIntact
            | Rule::ReadPublished
            | Rule::ReadEqualsModel
            | Rule::OwnWritesSeen
            | Rule::SessionMonotonic
            | Rule::ReadFresh => "src/checkers/reads.rs",
            Rule::RootParent
            | Rule::ReferencesExist
            | Rule::GateKept
            | Rule::CheckpointForward
            | Rule::HistoryWhole
            | Rule::WriterOrder
            | Rule::ChainIntact
            | Rule::BytesIntact => "src/systems/manifest/audit.rs",
            Rule::RequestBudget => "src/checkers/budget.rs",
            Rule::Progress => "src/world.rs",
            Rule::HistorySerializable | Rule::JudgesAgree => "src/checkers/whole.rs",
        }
    }

    /// The name of the variant, as it stands in JSON.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_sentence_and_a_place_that_exists() {
        let mut sentences: Vec<_> = Rule::ALL.iter().map(|rule| rule.sentence()).collect();
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), Rule::ALL.len());
        for (index, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule as usize, index);
            let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(rule.place());
            assert!(place.exists(), "{rule:?} is said to be checked in {}", place.display());
        }
    }
}
