//! Footprints: what an event touches, as far as an order has to know.
//!
//! The engine knows no store. Whoever schedules an event says which process it is of, which object
//! it touches and whether it changes that. Two events **race** if their order can matter: both
//! touch the memory of one process, or both touch one object and at least one changes it.

use crate::process::ProcessId;

/// An object number that stands for all objects: a listing reads every one of them.
pub const EVERY_OBJECT: u32 = u32::MAX;

/// What an event touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The process that it is of.
    pub process: ProcessId,
    /// The object outside that it touches; without meaning for [`Access::Local`].
    pub object: u32,
    /// How.
    pub access: Access,
}

/// How an event touches things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The memory of its process, and nothing outside: a task, a timer, a reply.
    Local,
    /// It reads an object.
    Read,
    /// It may change an object.
    Write,
}

impl Footprint {
    /// Only the memory of `process`.
    #[must_use]
    pub fn local(process: ProcessId) -> Self {
        Footprint { process, object: 0, access: Access::Local }
    }

    /// Whether the order of the two can matter.
    #[must_use]
    pub fn races_with(&self, other: &Footprint) -> bool {
        match (self.access, other.access) {
            (Access::Local, Access::Local) => self.process == other.process,
            (Access::Local, _) | (_, Access::Local) | (Access::Read, Access::Read) => false,
            _ => {
                self.object == other.object
                    || self.object == EVERY_OBJECT
                    || other.object == EVERY_OBJECT
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touching(process: u16, object: u32, access: Access) -> Footprint {
        Footprint { process: ProcessId(process), object, access }
    }

    #[test]
    fn events_race_in_one_memory_or_at_one_object_that_one_of_them_changes() {
        use Access::{Read, Write};
        let races = |a: Footprint, b: Footprint| {
            assert_eq!(a.races_with(&b), b.races_with(&a), "racing is mutual");
            a.races_with(&b)
        };
        let local = |process| Footprint::local(ProcessId(process));
        assert!(races(local(1), local(1)));
        assert!(!races(local(1), local(2)));
        assert!(races(touching(1, 7, Write), touching(2, 7, Read)));
        assert!(races(touching(1, 7, Write), touching(2, 7, Write)));
        assert!(!races(touching(1, 7, Read), touching(2, 7, Read)));
        assert!(!races(touching(1, 7, Write), touching(2, 8, Write)));
        assert!(races(touching(1, 7, Write), touching(2, EVERY_OBJECT, Read)));
        assert!(!races(local(1), touching(1, 7, Write)), "a message on its way is not its sender");
    }
}
