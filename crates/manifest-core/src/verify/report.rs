//! What a verification found: a value that says everything, and the text for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What lies under a prefix, and what is wrong with it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// The prefix, below the store's root.
    pub prefix: String,
    /// What the head says; `None` if it is missing or damaged.
    pub summary: Option<Summary>,
    /// What is not as it must be. The manifest cannot be read, or a rule of the protocol was broken.
    pub broken: Vec<Broken>,
    /// What could not be asked. Without it the report is not complete.
    pub unread: Vec<Unread>,
    /// What nobody needs.
    pub garbage: Vec<Garbage>,
    /// Who reads from old snapshots.
    pub pins: Vec<PinSeen>,
    /// Segments and checkpoints that only a head could tell to be in use or not, and there is none.
    pub unjudged: usize,
}

/// The result in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was read and everything is as it must be. There may be garbage.
    Clean,
    /// Something is broken.
    Broken,
    /// Nothing broken was found, but not everything could be read.
    Incomplete,
}

/// What the head says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The number that tells this manifest from others under the same name.
    pub incarnation: u128,
    /// How often the head was replaced, plus 1.
    pub version: u64,
    /// The newest commit; 0 if there was none.
    pub seq: u64,
    /// Bytes of the head.
    pub head_bytes: u64,
    /// Records in the head.
    pub tail_records: u32,
    /// Segments that it names.
    pub segments: usize,
    /// The last commit in its checkpoint; 0 if there is none.
    pub checkpoint_seq: u64,
    /// Names out of use that wait for a collector.
    pub retired: usize,
    /// Nothing is published under a name that was chosen before this version.
    pub gate: u64,
    /// Snapshots before this version can be read only by those who pinned them in time.
    pub floor: u64,
    /// The roles, and how often each was taken.
    pub roles: Vec<(String, u64)>,
    /// What it would cost to open the manifest.
    pub open: OpenCost,
}

/// What it costs a process without state to open a manifest, if nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenCost {
    /// GETs.
    pub requests: u32,
    /// GETs that follow one another; the others run beside them.
    pub rounds: u32,
    /// Bytes of all bodies.
    pub bytes: u64,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The object, below the store's root.
    pub object: String,
    /// What had to be there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

/// Something that could not be asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unread {
    /// The object, or the prefix of a listing.
    pub object: String,
    /// Why, with all causes.
    pub why: String,
    /// The last error of the store; none if it did not answer in time.
    pub source: Option<Arc<object_store::Error>>,
}

/// An object that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// The object, below the store's root.
    pub object: String,
    /// How large it is; 0 if it is gone.
    pub bytes: u64,
    /// Why it is there.
    pub kind: GarbageKind,
}

/// Why an object that nobody needs is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GarbageKind {
    /// Nobody published it, and nobody can any more. The next collection pass deletes it.
    Orphan,
    /// Nobody has published it yet: it waits for a commit, or is how far a fold has come, or is an
    /// orphan that the pass after the next one deletes.
    Unpublished,
    /// Out of use since a head. The next collection pass deletes it.
    Retired {
        /// The first head that did not name it.
        at_version: u64,
    },
    /// Out of use since a head, and a pinned snapshot may need it.
    RetiredAndPinned {
        /// The first head that did not name it.
        at_version: u64,
    },
    /// Out of use and gone. Its name leaves the head with one of the next passes.
    RetiredAndGone {
        /// The first head that did not name it.
        at_version: u64,
    },
    /// Left behind by somebody who asked what the store can do. No pass deletes it.
    Probe,
    /// A pin that was not renewed for longer than it lives. A collector deletes it when it has seen
    /// the same.
    StalePin,
    /// A pin of a manifest that was under this prefix before. A collector deletes it in time.
    ForeignPin,
    /// It has no place in a manifest. No pass deletes it.
    Foreign,
}

/// A pin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinSeen {
    /// The object, below the store's root.
    pub object: String,
    /// The oldest version that it keeps.
    pub version: u64,
    /// How often it was written.
    pub counter: u64,
    /// How long it lives if it is not renewed.
    pub ttl: Duration,
    /// For how long it was not renewed, at least: the time between its last change and the last
    /// change of anything under the prefix, both by the store's clock.
    pub unchanged: Duration,
    /// Whether it is alive, as far as one look can tell.
    pub standing: Standing,
}

/// Whether a pin is alive, as far as one look can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing says that it is not.
    Fresh,
    /// It was not renewed for longer than it lives, with the collector's margin.
    Stale,
}

impl GarbageKind {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            GarbageKind::Orphan => "never published, below the gate",
            GarbageKind::Unpublished => "not published yet",
            GarbageKind::Retired { .. } => "retired, waits for a collector",
            GarbageKind::RetiredAndPinned { .. } => "retired, a pin keeps it",
            GarbageKind::RetiredAndGone { .. } => "retired and gone, the head still lists it",
            GarbageKind::Probe => "left by a probe of the store",
            GarbageKind::StalePin => "a pin that was not renewed in time",
            GarbageKind::ForeignPin => "a pin of another manifest",
            GarbageKind::Foreign => "no object of a manifest",
        }
    }
}

impl Verdict {
    /// In one word, lower case.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Broken => "broken",
            Verdict::Incomplete => "incomplete",
        }
    }
}

impl Report {
    /// The result in one word.
    pub fn verdict(&self) -> Verdict {
        if !self.broken.is_empty() {
            Verdict::Broken
        } else if !self.unread.is_empty() {
            Verdict::Incomplete
        } else {
            Verdict::Clean
        }
    }
}

/// How many objects of one kind of garbage the text names.
const EXAMPLES: usize = 3;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {}", self.verdict().word().to_uppercase(), self.prefix)?;
        if let Some(summary) = &self.summary {
            write!(f, "{summary}")?;
        }
        for Broken { object, expected, found } in &self.broken {
            writeln!(
                f,
                "\n  broken   {object}\n           expected {expected}\n           found {found}"
            )?;
        }
        for Unread { object, why, .. } in &self.unread {
            writeln!(f, "\n  unread   {object}\n           {why}")?;
        }
        for pin in &self.pins {
            writeln!(f, "\n  pin      {pin}")?;
        }
        self.write_garbage(f)?;
        if self.unjudged > 0 {
            let count = self.unjudged;
            writeln!(
                f,
                "\n  unjudged {count} segments and checkpoints: without a head nothing is in use"
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// One paragraph for each kind of garbage, whatever version it is of.
    fn write_garbage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<&'static str> = Vec::new();
        for found in &self.garbage {
            if !kinds.contains(&found.kind.words()) {
                kinds.push(found.kind.words());
            }
        }
        for words in kinds {
            let of_kind = || self.garbage.iter().filter(|found| found.kind.words() == words);
            let (count, bytes) =
                (of_kind().count(), of_kind().map(|found| found.bytes).sum::<u64>());
            writeln!(f, "\n  garbage  {count} objects, {bytes} bytes: {words}")?;
            for found in of_kind().take(EXAMPLES) {
                writeln!(f, "           {}", found.object)?;
            }
            if count > EXAMPLES {
                writeln!(f, "           and {} more", count - EXAMPLES)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, seq, gate, floor, head_bytes, tail_records, segments, .. } = self;
        let Self { checkpoint_seq, retired, roles, open, .. } = self;
        let OpenCost { requests, rounds, bytes } = open;
        writeln!(
            f,
            "  head     version {version}, commit {seq}, {head_bytes} bytes, gate {gate}, floor {floor}"
        )?;
        writeln!(
            f,
            "  names    {segments} segments, checkpoint up to {checkpoint_seq}, \
             {retired} retired; {tail_records} records inline"
        )?;
        for (name, epoch) in roles {
            writeln!(f, "  role     {name}, epoch {epoch}")?;
        }
        writeln!(f, "  to open  {requests} requests in {rounds} rounds, {bytes} bytes")
    }
}

impl fmt::Display for PinSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, version, ttl, unchanged, standing, .. } = self;
        let standing = match standing {
            Standing::Fresh => "fresh",
            Standing::Stale => "stale",
        };
        write!(f, "{object}\n           keeps version {version}, {standing}: ")?;
        write!(f, "lives {} s, unchanged for {} s", ttl.as_secs(), unchanged.as_secs())
    }
}
