//! The kinds of events, and what the three numbers of each mean.

use crate::process::ProcessId;

/// What an event is. The meaning of `object`, `a` and `b` follows the dash.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Kind {
    /// A client begins an operation - operation number, kind of operation.
    Invoke,
    /// An operation succeeded - operation number, commit or snapshot number.
    Ok,
    /// An operation failed and had no effect - operation number, error kind.
    Fail,
    /// An operation ended and nobody knows whether it took effect - operation number.
    Unknown,
    /// A strong or snapshot read returned - operation number, snapshot number.
    Read,
    /// A scan returned - operation number, snapshot number.
    Scan,
    /// A read-modify-write returned - operation number, commit number.
    ReadModifyWrite,
    /// A transaction met a commit that wrote what it had read - operation number, commit number.
    Conflict,
    /// A commit took effect in the store - operation number, commit number.
    Commit,
    /// A request left its process - request number, kind of request.
    Request,
    /// A request took effect (or was refused) in the store - request number, status.
    Apply,
    /// A reply reached a client that still waited for it - request number, status.
    Reply,
    /// A fault took effect - request number or process, hash of the fault's name.
    Fault,
    /// A process lost its memory and its tasks.
    Crash,
    /// A process was started (again) - incarnation.
    Restart,
    /// A process stopped running for a while - virtual nanoseconds.
    Stall,
    /// A stalled process runs again.
    Resume,
    /// A clock was set - offset in nanoseconds, drift in parts per million.
    ClockStep,
    /// A named step of the protocol was reached - hash of the name, how often before.
    Step,
    /// A point worth reaching was reached - hash of the name, how often before.
    Mark,
    /// The world entered another phase - number of the phase.
    Phase,
    /// A rule was broken - number of the rule.
    RuleBroken,
    /// The system under test panicked.
    Panic,
    /// A line of the system's own log.
    Log,
    /// Somebody asked what became of an operation, and was told - operation number, commit number
    /// (0: it has no effect and never will).
    Told,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Kind; 25] = [
        Kind::Invoke,
        Kind::Ok,
        Kind::Fail,
        Kind::Unknown,
        Kind::Read,
        Kind::Scan,
        Kind::ReadModifyWrite,
        Kind::Conflict,
        Kind::Commit,
        Kind::Request,
        Kind::Apply,
        Kind::Reply,
        Kind::Fault,
        Kind::Crash,
        Kind::Restart,
        Kind::Stall,
        Kind::Resume,
        Kind::ClockStep,
        Kind::Step,
        Kind::Mark,
        Kind::Phase,
        Kind::RuleBroken,
        Kind::Panic,
        Kind::Log,
        Kind::Told,
    ];

    /// The name as it stands in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Unknown => "unknown",
            Kind::Read => "read",
            Kind::Scan => "scan",
            Kind::ReadModifyWrite => "read-modify-write",
            Kind::Conflict => "conflict",
            Kind::Commit => "commit",
            Kind::Request => "request",
            Kind::Apply => "apply",
            Kind::Reply => "reply",
            Kind::Fault => "fault",
            Kind::Crash => "crash",
            Kind::Restart => "restart",
            Kind::Stall => "stall",
            Kind::Resume => "resume",
            Kind::ClockStep => "clock-step",
            Kind::Step => "step",
            Kind::Mark => "mark",
            Kind::Phase => "phase",
            Kind::RuleBroken => "rule-broken",
            Kind::Panic => "panic",
            Kind::Log => "log",
            Kind::Told => "told",
        }
    }
}

/// One event of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position in the run, from 0.
    pub index: u64,
    /// Virtual time in nanoseconds since the world began.
    pub at_ns: u64,
    /// The process that it happened to.
    pub process: ProcessId,
    /// The task that did it, by its number in the world from 1; 0 if it was the world. It tells the
    /// clients of one process apart, and does not count in the fingerprint.
    pub task: u64,
    /// What happened.
    pub kind: Kind,
    /// The object concerned, as the store numbers it; 0 where none is.
    pub object: u32,
    /// First number, see [`Kind`].
    pub a: u64,
    /// Second number, see [`Kind`].
    pub b: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_names_equal_the_serialized_ones_and_differ() {
        let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a kind serializes"), kind.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
