//! The objects beside the root: that they exist while somebody may need them, and do not when
//! nobody can.
//!
//! An object is needed by the root, by every earlier root that can still be opened (from the floor
//! on), and by every pinned reader of one before that. When a pin protects its reader is decided
//! here by the store's truth and the world's clock: from the moment at which it was written while
//! the floor was not above its version, until nine tenths of its time to live have passed without a
//! renewal. Clocks in a world differ by less than the tenth that is left, so no collector that waits
//! long enough is ever accused.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sim::ProcessId;
use sim_storage::model::Applied;

use super::Broken;
use crate::checkers::Rule;
use crate::systems::manifest::decode::folded::Pin;
use crate::systems::manifest::decode::{Directory, Folder, ObjectName};

/// The objects of one world.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Bodies of segments and checkpoints that exist.
    bodies: BTreeMap<(Folder, ObjectName), Bytes>,
    /// Objects in their folders that have no name of one: no root can name them.
    strays: BTreeSet<String>,
    /// Names that went out of use, with the last version of the root that named them.
    named_until: BTreeMap<(Folder, ObjectName), u64>,
    pins: BTreeMap<String, LivePin>,
    /// Pins whose PUT broke off, and when: nobody can read them, and their process tries again.
    torn_pins: BTreeMap<String, u64>,
    /// Pins that were deleted, as they were: a PUT that was sent twice may bring one back.
    gone_pins: BTreeMap<String, LivePin>,
}

/// A pin that exists.
#[derive(Clone, Copy, Debug)]
struct LivePin {
    guard: Guard,
    until_ns: u64,
    /// No reader counts on it after that, however slow its clock is.
    given_up_ns: u64,
    /// What says that it was renewed; the same bytes written once more do not.
    counter: u64,
    /// Which process wrote it.
    process: u16,
}

/// What a pin protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Nothing yet: it was written when the floor was above its version.
    Nothing,
    /// Roots from this version on.
    From(u64),
    /// Nothing any more, whatever is written: its reader has given itself up.
    Over,
}

impl LivePin {
    /// The oldest version that it protects at this moment.
    fn protects(&self, at_ns: u64) -> Option<u64> {
        match self.guard {
            Guard::From(version) if at_ns <= self.until_ns => Some(version),
            _ => None,
        }
    }
}

impl Objects {
    pub(super) fn body(&self, folder: Folder, name: ObjectName) -> Option<&Bytes> {
        self.bodies.get(&(folder, name))
    }

    /// An object beside the root was written or deleted.
    pub(super) fn applied(
        &mut self,
        name: &str,
        change: &Applied<'_>,
        directory: &Directory,
        floor: u64,
    ) -> Result<(), Broken> {
        let at_ns = change.origin.at;
        if name.starts_with("pin/") {
            return match change.after {
                Some(version) => self.pinned(name, &version.body, change, floor),
                None => self.unpinned(name, change),
            };
        }
        if !name.starts_with("seg/") && !name.starts_with("ckpt/") {
            return Ok(());
        }
        let Some(key) = ObjectName::parse(name) else {
            match change.after {
                Some(_) => self.strays.insert(name.to_owned()),
                None => self.strays.remove(name),
            };
            return Ok(());
        };
        let is_named = || directory.named().any(|named| named == key);
        if let Some(version) = change.after {
            let before = self.bodies.insert(key, version.body.clone());
            if before.is_some_and(|before| before != version.body) && is_named() {
                let what =
                    format!("{name} was written again with other bytes while the root names it");
                return Err(Broken(Rule::ObjectsKept, what));
            }
            return Ok(());
        }
        self.bodies.remove(&key);
        if is_named() {
            let what = format!("{name} was deleted while the root names it");
            return Err(Broken(Rule::ReferencesExist, what));
        }
        let Some(last) = self.named_until.get(&key) else {
            return Ok(());
        };
        if *last >= floor {
            let what = format!(
                "{name} was deleted, which root {last} names, and the floor {floor} says that it can be opened"
            );
            return Err(Broken(Rule::PinsHold, what));
        }
        for (pin, live) in &self.pins {
            if let Some(from) = live.protects(at_ns).filter(|from| from <= last) {
                let what = format!(
                    "{name} was deleted, which root {last} names, while {pin} protects roots from {from} on"
                );
                return Err(Broken(Rule::PinsHold, what));
            }
        }
        Ok(())
    }

    fn pinned(
        &mut self,
        name: &str,
        body: &[u8],
        change: &Applied<'_>,
        floor: u64,
    ) -> Result<(), Broken> {
        let Ok(pin) = Pin::decode(body) else {
            // A renewal that nobody can read: its reader still counts on the one before.
            if !self.pins.contains_key(name) {
                self.torn_pins.insert(name.to_owned(), change.origin.at);
            }
            return Ok(());
        };
        let at_ns = change.origin.at;
        let life_ns = pin.ttl_ns / 10 * 9;
        let torn_ns = self.torn_pins.remove(name);
        // What comes back is at most as new as what was there.
        let gone = self.gone_pins.get(name).filter(|gone| gone.counter >= pin.counter);
        let held = self.pins.get(name).or(gone).copied();
        let guard = match held {
            // Its reader has given this name up by now, even if it never protected anything.
            Some(before) if at_ns > before.until_ns => Guard::Over,
            Some(before) => before.guard,
            None if torn_ns.is_some_and(|torn_ns| at_ns > torn_ns + life_ns) => Guard::Over,
            None => Guard::Nothing,
        };
        let guard = match guard {
            Guard::Over => Guard::Over,
            // Its reader needs less than before: what it had, it had without a break.
            Guard::From(version) if pin.version >= version => Guard::From(pin.version),
            _ if pin.version >= floor => Guard::From(pin.version),
            // Too late for that version; what it protected before it still does.
            guard => guard,
        };
        let (process, counter) = (change.origin.process, pin.counter);
        let (until_ns, given_up_ns) = match held {
            Some(before) if before.counter >= counter => (before.until_ns, before.given_up_ns),
            _ => (at_ns + life_ns, at_ns + pin.ttl_ns),
        };
        let live = LivePin { guard, until_ns, given_up_ns, counter, process };
        let before = self.pins.insert(name.to_owned(), live);
        match before.filter(|before| before.counter > counter) {
            None => Ok(()),
            Some(before) => {
                let what = format!("{name} goes back from renewal {} to {counter}", before.counter);
                Err(Broken(Rule::PinsHold, what))
            }
        }
    }

    /// The process of a pin, and until when it may count on it at most.
    pub(super) fn lease(&self, name: &str) -> Option<(ProcessId, u64)> {
        self.pins.get(name).map(|live| (ProcessId(live.process), live.given_up_ns))
    }

    fn unpinned(&mut self, name: &str, change: &Applied<'_>) -> Result<(), Broken> {
        self.torn_pins.remove(name);
        let Some(live) = self.pins.remove(name) else {
            return Ok(());
        };
        let alive = live.protects(change.origin.at).is_some();
        if alive && live.process != change.origin.process {
            let what = format!("{name} was deleted while it protects its reader");
            return Err(Broken(Rule::PinsHold, what));
        }
        // Whoever removes its own pin has given that name up, whatever still lands under it.
        let guard = if live.process == change.origin.process { Guard::Over } else { live.guard };
        self.gone_pins.insert(name.to_owned(), LivePin { guard, ..live });
        Ok(())
    }

    /// A new root with other names: the new ones exist and were not open to collection; the old
    /// ones are kept in mind until they are gone.
    pub(super) fn check_names(
        &self,
        before: &Directory,
        after: &Directory,
        gate: u64,
        version: u64,
    ) -> Result<(), Broken> {
        let is_in = |directory: &Directory, wanted: (Folder, ObjectName)| {
            directory.named().any(|named| named == wanted)
        };
        for (folder, name) in after.named() {
            if is_in(before, (folder, name)) {
                continue;
            }
            if !self.bodies.contains_key(&(folder, name)) {
                let path = name.path(folder);
                let what = format!("root {version} names {path}, which does not exist");
                return Err(Broken(Rule::ReferencesExist, what));
            }
            if name.hv < gate {
                let path = name.path(folder);
                let what = format!("root {version} publishes {path}, below the gate {gate}");
                return Err(Broken(Rule::GateKept, what));
            }
        }
        for (folder, name) in before.named() {
            let mut retired = after.retired.iter();
            let retired = retired.find(|it| (it.folder, it.name) == (folder, name));
            if !is_in(after, (folder, name)) && retired.map(|it| it.at) != Some(version) {
                let path = name.path(folder);
                let what = format!("root {version} drops {path} and does not retire it");
                return Err(Broken(Rule::RetiredKept, what));
            }
        }
        for retired in &before.retired {
            let exists = self.bodies.contains_key(&(retired.folder, retired.name));
            if !after.retired.contains(retired) && exists {
                let path = retired.name.path(retired.folder);
                let what = format!("root {version} forgets that {path} is retired, and it exists");
                return Err(Broken(Rule::RetiredKept, what));
            }
        }
        Ok(())
    }

    /// Remembers what is not named any more. `last` is the version of the root before.
    pub(super) fn renamed(&mut self, before: &Directory, after: &Directory, last: u64) {
        for (folder, name) in before.named() {
            if !after.named().any(|named| named == (folder, name)) {
                self.named_until.insert((folder, name), last);
            }
        }
    }

    /// Everything has been tidied up.
    pub(super) fn check_garbage(&self, directory: &Directory) -> Result<(), Broken> {
        let mut left = self.bodies.keys().filter(|key| !directory.named().any(|it| it == **key));
        let left = left.next().map(|(folder, name)| name.path(*folder));
        let left = left.or_else(|| self.strays.first().cloned());
        let left = left.or_else(|| self.pins.keys().next().cloned());
        match left {
            None => Ok(()),
            Some(path) => {
                let what = format!("{path} is still there, and nobody can need it");
                Err(Broken(Rule::NothingLeft, what))
            }
        }
    }
}
