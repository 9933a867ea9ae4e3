//! What a caller chooses: what a write survives, and on which thread the system calls are made.

/// What an acknowledged write survives.
///
/// Processes with different choices may share one store. Whoever asks for [`PowerLoss`] gets it for
/// everything that it is told, also for what another process wrote without waiting for the disk;
/// only what such a process removed may come back.
///
/// [`PowerLoss`]: Durability::PowerLoss
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Power loss and crashes of the operating system: a write is answered when its bytes and its
    /// name are on stable storage. Costs two waits for the disk in every write.
    #[default]
    PowerLoss,
    /// The death of any process at any moment, but not of the machine under it: nothing waits for
    /// the disk. For tests, and for data that can be made again. After a power loss such an object
    /// may be an old version, absent or damaged.
    ProcessCrash,
}

/// Where the blocking system calls of a request are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocking {
    /// On the thread that polls the future, and all in one poll. Needs no runtime. A poll takes
    /// microseconds, or as long as the disk takes to flush; it may also wait while another process
    /// is about to publish in the same directory.
    #[default]
    InPlace,
    /// On tokio's threads for blocking work, so that timers and other tasks go on. Outside of a
    /// tokio runtime it is as [`InPlace`](Blocking::InPlace).
    #[cfg(feature = "tokio")]
    TokioPool,
}

/// How to open a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Where the blocking system calls are made.
    pub blocking: Blocking,
}
