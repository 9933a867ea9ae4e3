//! What a listing shows, held against the head: what is in use, what is garbage, and of which kind.

use std::collections::BTreeMap;

use object_store::ObjectMeta;
use object_store::path::Path;

use super::report::{Garbage, GarbageKind, PinSeen, Report, Standing};
use crate::format::directory::RetiredKind;
use crate::format::head::Head;
use crate::format::{ObjectName, parse_name};

/// What the name of an object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    Body(RetiredKind, ObjectName),
    Pin(u128),
    Probe,
    /// None of a manifest.
    Foreign,
}

impl Place {
    pub(super) fn of(location: &Path, prefix: &Path) -> Self {
        let Some(parts) = location.prefix_match(prefix) else {
            return Place::Foreign;
        };
        let parts: Vec<_> = parts.collect();
        let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).collect();
        let body = |kind, name| parse_name(name).map(|name| Place::Body(kind, name));
        let place = match parts[..] {
            ["head"] => Some(Place::Head),
            ["seg", name] => body(RetiredKind::Segment, name),
            ["ckpt", name] => body(RetiredKind::Checkpoint, name),
            ["pin", name] => process(name).map(Place::Pin),
            ["probe", name] => process(name).map(|_| Place::Probe),
            _ => None,
        };
        place.unwrap_or(Place::Foreign)
    }
}

/// A number as a pin's and a probe's names have it.
fn process(name: &str) -> Option<u128> {
    let number = u128::from_str_radix(name, 16).ok()?;
    (name == format!("{number:032x}")).then_some(number)
}

/// A listing, by name.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    objects: BTreeMap<&'a Path, (Place, &'a ObjectMeta)>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(listed: &'a [ObjectMeta], prefix: &Path) -> Self {
        let object =
            |meta: &'a ObjectMeta| (&meta.location, (Place::of(&meta.location, prefix), meta));
        Self { objects: listed.iter().map(object).collect() }
    }

    pub(super) fn get(&self, path: &Path) -> Option<&'a ObjectMeta> {
        self.objects.get(path).map(|(_, meta)| *meta)
    }

    /// All objects, in order of their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (Place, &'a ObjectMeta)> {
        self.objects.values().copied()
    }

    /// Whether anything of a manifest is there.
    pub(super) fn has_any(&self) -> bool {
        self.all().any(|(place, _)| place != Place::Foreign)
    }
}

/// Garbage that its name alone tells.
pub(super) fn judge_names(listing: &Listing<'_>, report: &mut Report) {
    for (place, meta) in listing.all() {
        let kind = match place {
            Place::Probe => GarbageKind::Probe,
            Place::Foreign => GarbageKind::Foreign,
            Place::Head | Place::Body(..) | Place::Pin(_) => continue,
        };
        report.throw(meta, kind);
    }
}

/// Segments and checkpoints that the head does not name, and names that it has retired. Pins were
/// looked at before: they tell what is kept.
pub(super) fn judge_bodies(
    listing: &Listing<'_>,
    head: &Head,
    path_of: impl Fn(RetiredKind, ObjectName) -> Path,
    report: &mut Report,
) {
    let directory = &head.directory;
    for (place, meta) in listing.all() {
        let Place::Body(kind, name) = place else {
            continue;
        };
        let named = match kind {
            RetiredKind::Segment => directory.segments.iter().any(|it| it.name == name),
            RetiredKind::Checkpoint => directory.checkpoint.is_some_and(|it| it.name == name),
        };
        let retired = directory.retired.iter().any(|it| it.kind == kind && it.name == name);
        if !named && !retired {
            let is_below = name.hv < head.header.gate;
            report
                .throw(meta, if is_below { GarbageKind::Orphan } else { GarbageKind::Unpublished });
        }
    }
    let oldest_pin = oldest(&report.pins);
    for retired in &directory.retired {
        let (path, at_version) = (path_of(retired.kind, retired.name), retired.at_version);
        let object = path.to_string();
        let found = match listing.get(&path) {
            None => Garbage { object, bytes: 0, kind: GarbageKind::RetiredAndGone { at_version } },
            Some(meta) if at_version > oldest_pin => Garbage {
                object,
                bytes: meta.size,
                kind: GarbageKind::RetiredAndPinned { at_version },
            },
            Some(meta) => {
                Garbage { object, bytes: meta.size, kind: GarbageKind::Retired { at_version } }
            }
        };
        report.garbage.push(found);
    }
}

/// The oldest version that a pin keeps which may be alive.
fn oldest(pins: &[PinSeen]) -> u64 {
    let alive = pins.iter().filter(|pin| pin.standing == Standing::Fresh);
    alive.map(|pin| pin.version).min().unwrap_or(u64::MAX)
}

impl Report {
    /// Files an object as garbage.
    pub(super) fn throw(&mut self, meta: &ObjectMeta, kind: GarbageKind) {
        let object = meta.location.to_string();
        self.garbage.push(Garbage { object, bytes: meta.size, kind });
    }
}
