//! Edits: everything that a new head may change besides adding records.
//!
//! An edit is a wish about the head that can be judged against *any* head: it is done there, it
//! applies, or it is refused. So it needs no id, and an ambiguous PUT that carried one needs no
//! case analysis: whoever wants the edit looks at the newest head, and asks again.
//!
//! Every rule that keeps maintenance safe is decided here, in [`Edit::apply`], against the head
//! that is being replaced and nothing else:
//!
//! - nothing is published under a name with `hv` below the gate of that head (a collector may have
//!   deleted it already);
//! - a checkpoint only moves forward, and continues the chain where the head says it does;
//! - a merged segment replaces exactly the segments that it was made of;
//! - what is done under a role is done by its present owner in its present epoch;
//! - what goes out of use is retired in the same head that stops naming it.

use std::sync::Arc;

use crate::error::{Error, Limit};
use crate::format::ObjectName;
use crate::format::directory::{
    CheckpointRef, Directory, MAX_SEGMENTS, RETIRED_LEN, ROLE_LEN, RetiredKind, RetiredName,
    RoleEntry, SegmentRef,
};
use crate::format::head::{Head, HeadEdit, HeadWriter};
use crate::format::record::peek;
use crate::planted::{Bugs, PlantedBug};
use crate::seal::Sealed;

/// Retired names that a head may hold, if they take up no more than a quarter of it. Compaction
/// waits for a collector beyond it.
const MAX_RETIRED: usize = 1024;

/// The right to act in a role: true as long as the head says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) role: Arc<str>,
    pub(crate) epoch: u64,
    pub(crate) owner: u128,
}

impl Claim {
    /// Whether the directory of a head confirms the claim.
    pub(crate) fn check(&self, directory: &Directory, bugs: Bugs) -> Result<(), Refusal> {
        if bugs.is(PlantedBug::FenceCheckOnce) {
            return Ok(());
        }
        let entry = directory.roles.iter().find(|entry| *entry.name == *self.role);
        let current = entry.map_or(0, |entry| entry.epoch);
        match entry {
            Some(entry) if entry.epoch == self.epoch && entry.owner == self.owner => Ok(()),
            _ => Err(Refusal::Fenced { role: self.role.clone(), epoch: self.epoch, current }),
        }
    }
}

/// A change of the head.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// A segment takes the place of the first records of the tail.
    Seal(Sealed),
    /// A checkpoint takes the place of the one before it and of the first segments.
    Checkpoint { reference: CheckpointRef, claim: Claim },
    /// One segment takes the place of neighbouring ones.
    Merge { replaced: Vec<ObjectName>, by: SegmentRef, claim: Claim },
    /// A role gets its next epoch and another owner.
    Acquire(Claim),
    /// A collection pass begins.
    Collect(Pass),
}

/// The beginning of a collection pass.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// The version of the head that was the newest when the pass was asked for. Any gate above it
    /// will do.
    pub(crate) above: u64,
    /// Which snapshots can still be reopened afterwards.
    pub(crate) floor: Floor,
    /// Retired names whose objects are known to be gone.
    pub(crate) gone: Vec<ObjectName>,
}

/// Which earlier snapshots stay open to those who hold no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Floor {
    /// Those since this pass.
    #[default]
    ThisPass,
    /// Those since the pass before it: what goes out of use between two passes lives one pass
    /// longer.
    PassBefore,
}

/// Why an edit does not apply to a head and never will to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The head has moved on in a way that leaves no place for it.
    Outdated,
    /// Too many retired names wait for a collector.
    Uncollected,
    /// The head has no room for another role.
    RolesFull { size: usize, max: usize },
    /// The role has another owner.
    Fenced { role: Arc<str>, epoch: u64, current: u64 },
}

impl Refusal {
    /// What somebody is told who can do nothing else about it.
    pub(crate) fn error(self) -> Error {
        match self {
            Refusal::Fenced { role, epoch, current } => {
                Error::Fenced { role: role.to_string(), epoch, current }
            }
            Refusal::RolesFull { size, max } => Error::TooLarge { limit: Limit::Roles, size, max },
            Refusal::Outdated | Refusal::Uncollected => {
                Error::Unavailable { operation: "maintenance", source: None }
            }
        }
    }
}

impl Edit {
    /// Whether a head has what this edit asks for.
    pub(crate) fn is_done(&self, head: &Head) -> bool {
        let directory = &head.directory;
        match self {
            Edit::Seal(sealed) => sealed.reference.first < head.tail_start().next_seq,
            Edit::Checkpoint { reference, .. } => {
                directory.checkpoint.is_some_and(|held| held.name == reference.name)
                    || is_retired(directory, reference.name)
            }
            Edit::Merge { by, .. } => {
                directory.segments.iter().any(|held| held.name == by.name)
                    || is_retired(directory, by.name)
            }
            Edit::Acquire(claim) => claim.check(directory, Bugs::default()).is_ok(),
            Edit::Collect(pass) => head.header.gate > pass.above,
        }
    }

    /// Makes the change in a draft, or leaves it as it is.
    pub(crate) fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Refusal> {
        match self {
            Edit::Seal(sealed) => draft.seal(sealed),
            Edit::Checkpoint { reference, claim } => draft.checkpoint(reference, claim),
            Edit::Merge { replaced, by, claim } => draft.merge(replaced, by, claim),
            Edit::Acquire(claim) => draft.acquire(claim),
            Edit::Collect(pass) => {
                draft.collect(pass);
                Ok(())
            }
        }
    }
}

fn is_retired(directory: &Directory, name: ObjectName) -> bool {
    directory.retired.iter().any(|retired| retired.name == name)
}

/// The next head's directory in the making.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    base: &'a Head,
    /// `None` as long as it is that of the base.
    changed: Option<Directory>,
    gate: u64,
    floor: u64,
    /// How many bytes and records of the base's tail are in a segment now.
    sealed_len: usize,
    sealed_count: u32,
    head_limit: usize,
    bugs: Bugs,
}

impl<'a> Draft<'a> {
    /// A head that changes nothing. `head_limit` is the number of bytes that it may have.
    pub(crate) fn of(base: &'a Head, head_limit: usize, bugs: Bugs) -> Self {
        let (gate, floor) = (base.header.gate, base.header.floor);
        let (sealed_len, sealed_count) = (0, 0);
        Self { base, changed: None, gate, floor, sealed_len, sealed_count, head_limit, bugs }
    }

    pub(crate) fn directory(&self) -> &Directory {
        self.changed.as_ref().unwrap_or(&self.base.directory)
    }

    fn directory_mut(&mut self) -> &mut Directory {
        self.changed.get_or_insert_with(|| Directory::clone(&self.base.directory))
    }

    /// The head with these changes, to which records can be added.
    pub(crate) fn into_writer(self, nonce: u128, room: usize) -> HeadWriter {
        match self.changed {
            None if self.gate == self.base.header.gate && self.floor == self.base.header.floor => {
                HeadWriter::follow(self.base, nonce, room)
            }
            changed => HeadWriter::edit(
                self.base,
                nonce,
                HeadEdit {
                    directory: changed.unwrap_or_else(|| Directory::clone(&self.base.directory)),
                    gate: self.gate,
                    floor: self.floor,
                    sealed_len: self.sealed_len,
                    sealed_count: self.sealed_count,
                },
                room,
            ),
        }
    }

    /// A name may be published only if no collector could have taken it for garbage.
    fn passes_gate(&self, name: ObjectName) -> Result<(), Refusal> {
        let passes = name.hv >= self.base.header.gate;
        if passes
            || self.bugs.is(PlantedBug::GcInflightSegment)
            // The gate of the head with version `hv` is not above `hv`: every name passes it.
            || self.bugs.is(PlantedBug::GateReadEarly)
        {
            Ok(())
        } else {
            Err(Refusal::Outdated)
        }
    }

    fn retire(&mut self, names: impl IntoIterator<Item = (RetiredKind, ObjectName)>) {
        let at_version = self.base.header.version + 1;
        let retired = names.into_iter().map(|(kind, name)| RetiredName { kind, name, at_version });
        self.directory_mut().retired.extend(retired);
    }

    fn has_room_to_retire(&self, more: usize) -> Result<(), Refusal> {
        let max = MAX_RETIRED.min(self.head_limit / 4 / RETIRED_LEN);
        let fits = self.directory().retired.len() + more <= max;
        if fits { Ok(()) } else { Err(Refusal::Uncollected) }
    }

    fn seal(&mut self, sealed: &Sealed) -> Result<(), Refusal> {
        self.passes_gate(sealed.reference.name)?;
        let has_room = self.directory().segments.len() < MAX_SEGMENTS;
        let matches = sealed.is_start_of_tail(self.base);
        #[cfg(feature = "planted-bugs")]
        let matches =
            matches || (self.bugs.is(PlantedBug::SealUnchecked) && sealed.is_not_longer(self.base));
        if self.sealed_len > 0 || !has_room || !matches {
            return Err(Refusal::Outdated);
        }
        self.directory_mut().segments.push(sealed.reference);
        self.sealed_len = sealed.tail_len;
        self.sealed_count = (sealed.reference.last - sealed.reference.first + 1) as u32;
        if self.bugs.is(PlantedBug::SealDropsRecord) {
            if let Ok((len, ..)) = peek(&self.base.tail()[sealed.tail_len..]) {
                self.sealed_len += len;
                self.sealed_count += 1;
            }
            // In a tail that this bug has left there are fewer records than seqs.
            self.sealed_count = self.sealed_count.min(self.base.header.tail_count);
        }
        Ok(())
    }

    fn checkpoint(&mut self, new: &CheckpointRef, claim: &Claim) -> Result<(), Refusal> {
        claim.check(self.directory(), self.bugs)?;
        self.passes_gate(new.name)?;
        let directory = self.directory();
        let moves_forward = directory.checkpoint.is_none_or(|held| new.upto_seq > held.upto_seq);
        let end = directory
            .segments
            .iter()
            .position(|segment| segment.last == new.upto_seq && segment.chain_end == new.chain);
        // How many segments it takes the place of. Of one that covers less than the head's, no
        // segment tells the end any more.
        let count = match end {
            Some(end) if moves_forward => end + 1,
            _ if !moves_forward && self.bugs.is(PlantedBug::CheckpointRegress) => 0,
            _ => return Err(Refusal::Outdated),
        };
        self.has_room_to_retire(count + 1)?;
        let directory = self.directory_mut();
        let before = directory.checkpoint.replace(*new);
        let folded: Vec<SegmentRef> = directory.segments.drain(..count).collect();
        self.retire(before.map(|held| (RetiredKind::Checkpoint, held.name)));
        self.retire(folded.iter().map(|segment| (RetiredKind::Segment, segment.name)));
        Ok(())
    }

    fn merge(
        &mut self,
        replaced: &[ObjectName],
        by: &SegmentRef,
        claim: &Claim,
    ) -> Result<(), Refusal> {
        claim.check(self.directory(), self.bugs)?;
        self.passes_gate(by.name)?;
        let segments = &self.directory().segments;
        let start = segments.iter().position(|segment| Some(&segment.name) == replaced.first());
        let start = start.ok_or(Refusal::Outdated)?;
        let same = segments.get(start..start + replaced.len()).is_some_and(|held| {
            held.iter().map(|segment| &segment.name).eq(replaced)
                && held.first().is_some_and(|first| first.first == by.first)
                && held
                    .last()
                    .is_some_and(|last| last.last == by.last && last.chain_end == by.chain_end)
        });
        if !same {
            return Err(Refusal::Outdated);
        }
        self.has_room_to_retire(replaced.len())?;
        self.directory_mut().segments.splice(start..start + replaced.len(), [*by]);
        self.retire(replaced.iter().map(|name| (RetiredKind::Segment, *name)));
        Ok(())
    }

    fn acquire(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let roles = &self.directory().roles;
        let place = roles.binary_search_by(|entry| (*entry.name).cmp(&claim.role));
        let current = place.map_or(0, |place| roles[place].epoch);
        let keeps = claim.epoch == current && self.bugs.is(PlantedBug::EpochNotRaised);
        if claim.epoch != current + 1 && !keeps {
            let (role, epoch) = (claim.role.clone(), claim.epoch);
            return Err(Refusal::Fenced { role, epoch, current });
        }
        if place.is_err() {
            let size = roles.iter().map(|entry| ROLE_LEN + entry.name.len()).sum::<usize>();
            let (size, max) = (size + ROLE_LEN + claim.role.len(), self.head_limit / 8);
            if size > max {
                return Err(Refusal::RolesFull { size, max });
            }
        }
        let entry =
            RoleEntry { name: claim.role.to_string(), epoch: claim.epoch, owner: claim.owner };
        let roles = &mut self.directory_mut().roles;
        match place {
            Ok(place) => roles[place] = entry,
            Err(place) => roles.insert(place, entry),
        }
        Ok(())
    }

    fn collect(&mut self, pass: &Pass) {
        let gate_before = self.base.header.gate;
        self.gate = self.base.header.version + 1;
        self.floor = self.base.header.floor.max(match pass.floor {
            Floor::ThisPass => self.gate,
            Floor::PassBefore => gate_before,
        });
        let all = self.bugs.is(PlantedBug::RetiredDroppedEarly);
        let is_gone = |retired: &RetiredName| all || pass.gone.contains(&retired.name);
        if self.directory().retired.iter().any(is_gone) {
            self.directory_mut().retired.retain(|retired| !is_gone(retired));
        }
    }
}
