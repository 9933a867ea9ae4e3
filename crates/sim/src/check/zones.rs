//! Linearizability of registers whose values are unique, in linear time.
//!
//! Linearizability is local: each key is judged alone, all of them in one sweep. All operations
//! about one value form a **cluster**: its write and its reads. A compare-and-set or
//! read-modify-write that saw `a` and wrote `b` glues the clusters of `a` and `b` into one **chain**:
//! nothing may come between. Let `f` be the first response in a chain and `s` the last invoke.
//!
//! ```text
//!   f < s   a forward zone: somebody was done with the chain at f, somebody began at s,
//!           so the chain holds the register from f to s
//!   s < f   a backward zone: all operations of the chain overlap in [s, f],
//!           the chain can be squeezed into one instant there
//! ```
//!
//! A history is linearizable if and only if inside each chain no later version is finished before
//! an earlier one began, no two forward zones of a key overlap, and no backward zone lies inside a
//! forward one (Gibbons and Korach 1997; the chains are an addition). The initial value is a chain
//! whose first response lies before everything.
//!
//! A write of unknown outcome is kept, without an end, if and only if a kept operation saw its
//! value. The sweep follows the event index, so nothing is sorted.

use super::index::ValueIndex;
use crate::history::{Access, History, Key, OpId, Outcome, Recency, Value};

const NONE: u32 = u32::MAX;
/// Saw a value that nobody wrote.
const NOBODY: u32 = u32::MAX - 1;

/// What the sweep found out.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// For each key that was judged and is not linearizable: operations that show it.
    pub(crate) violations: Vec<(Key, Vec<OpId>)>,
    /// Keys that need another algorithm: values written twice, failed compares, lists.
    pub(crate) rest: Vec<Key>,
}

/// One value of one key.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    key: u32,
    /// Operation that wrote it; `NONE` for the initial value.
    writer: u32,
    /// The cluster that the writer saw, if it is an update.
    parent: u32,
    /// The cluster of the update that saw this one.
    child: u32,
    /// First response and last invoke among the readers, and who they are of.
    read_first: (u32, u32),
    read_last: (u32, u32),
    kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Yes,
    IfSeen,
}

/// First response and last invoke of a chain, with their operations.
#[derive(Clone, Copy, Debug)]
struct Zone {
    root: u32,
    key: u32,
    first: (u32, u32),
    last: (u32, u32),
}

struct Sweep<'h> {
    history: &'h History,
    /// Per key: whether zones can judge it.
    simple: Vec<bool>,
    clusters: Vec<Cluster>,
    values: ValueIndex,
    /// Per operation: the cluster that it wrote, and the one that it saw.
    wrote: Vec<u32>,
    saw: Vec<u32>,
    violations: Vec<(Key, Vec<OpId>)>,
    broken: Vec<bool>,
}

/// Judges all keys that are registers with unique values. `initial` is the value of a key before
/// its first write.
pub(crate) fn sweep(history: &History, initial: &dyn Fn(Key) -> Value) -> Swept {
    let keys = history.key_count();
    let mut sweep = Sweep {
        history,
        simple: vec![true; keys],
        clusters: Vec::with_capacity(history.len() / 2 + keys),
        values: ValueIndex::with_capacity(history.len() / 2 + keys),
        wrote: vec![NONE; history.len()],
        saw: vec![NONE; history.len()],
        violations: Vec::new(),
        broken: vec![false; keys],
    };
    sweep.add_writes(initial);
    sweep.add_reads();
    sweep.keep_what_was_seen();
    sweep.link();
    let zones = sweep.chains();
    sweep.judge(&zones);
    let rest = (0..keys).filter(|&key| !sweep.simple[key]);
    Swept { rest: rest.map(|key| Key(key as u32)).collect(), violations: sweep.violations }
}

impl Sweep<'_> {
    fn certain(&self, op: u32) -> bool {
        self.history.op(OpId(op)).outcome == Outcome::Ok
    }

    fn broken(&mut self, key: u32, ops: &[u32]) {
        if !std::mem::replace(&mut self.broken[key as usize], true) {
            let mut ops: Vec<OpId> =
                ops.iter().filter(|&&op| op != NONE).map(|&op| OpId(op)).collect();
            ops.sort_unstable();
            ops.dedup();
            self.violations.push((Key(key), ops));
        }
    }

    fn add_writes(&mut self, initial: &dyn Fn(Key) -> Value) {
        for key in 0..self.history.key_count() as u32 {
            self.values.insert(Key(key), initial(Key(key)), key);
            self.clusters.push(Cluster::new(key, NONE, Kept::Yes));
        }
        for (op, entry) in self.history.ops() {
            if entry.outcome == Outcome::Failed {
                continue;
            }
            let lone = self.history.accesses(op).nth(1).is_none();
            for (_, key, access) in self.history.accesses(op) {
                if !lone || entry.recency == Recency::Snapshot {
                    self.simple[key.0 as usize] = false;
                }
                match access {
                    Access::Write { value } | Access::Update { value, .. } => {
                        let cluster = self.clusters.len() as u32;
                        if self.values.insert(key, value, cluster).is_some() {
                            self.simple[key.0 as usize] = false;
                            continue;
                        }
                        let sure = entry.outcome == Outcome::Ok;
                        let kept = if sure { Kept::Yes } else { Kept::IfSeen };
                        self.clusters.push(Cluster::new(key.0, op.0, kept));
                        self.wrote[op.0 as usize] = cluster;
                    }
                    Access::Read { .. } | Access::ReadUnknown => {}
                    Access::ReadNot { .. }
                    | Access::ReadList { .. }
                    | Access::Append { .. }
                    | Access::Add { .. } => self.simple[key.0 as usize] = false,
                }
            }
        }
    }

    fn add_reads(&mut self) {
        for (op, entry) in self.history.ops() {
            if entry.outcome == Outcome::Failed {
                continue;
            }
            for (_, key, access) in self.history.accesses(op) {
                let (seen, update) = match access {
                    Access::Read { value, .. } => (value, false),
                    Access::Update { seen, .. } => (seen, true),
                    _ => continue,
                };
                if !self.simple[key.0 as usize] || (entry.outcome == Outcome::Unknown && !update) {
                    continue;
                }
                match self.values.get(key, seen) {
                    Some(cluster) => {
                        self.saw[op.0 as usize] = cluster;
                        if !update {
                            let cluster = &mut self.clusters[cluster as usize];
                            cluster.read_first = cluster.read_first.min((entry.deadline(), op.0));
                            if cluster.read_last.1 == NONE || cluster.read_last.0 < entry.invoke {
                                cluster.read_last = (entry.invoke, op.0);
                            }
                        }
                    }
                    None => {
                        self.saw[op.0 as usize] = NOBODY;
                        // An update of unknown outcome may just not have happened.
                        if entry.outcome == Outcome::Ok {
                            self.broken(key.0, &[op.0]);
                        }
                    }
                }
            }
        }
    }

    /// Operations of unknown outcome whose value was seen did happen; so did, transitively, those
    /// whose value they saw.
    fn keep_what_was_seen(&mut self) {
        let mut seen: Vec<u32> = Vec::new();
        for op in 0..self.saw.len() {
            if self.saw[op] < NOBODY && self.certain(op as u32) {
                seen.push(self.saw[op]);
            }
        }
        while let Some(cluster) = seen.pop() {
            let entry = &mut self.clusters[cluster as usize];
            if entry.kept == Kept::IfSeen {
                entry.kept = Kept::Yes;
                let (key, writer) = (entry.key, entry.writer);
                match self.saw[writer as usize] {
                    NONE => {}
                    NOBODY => self.broken(key, &[writer]),
                    parent => seen.push(parent),
                }
            }
        }
    }

    /// Hangs each update below the value that it saw.
    fn link(&mut self) {
        for cluster in 0..self.clusters.len() as u32 {
            let Cluster { key, writer, kept, .. } = self.clusters[cluster as usize];
            if writer == NONE || kept == Kept::IfSeen || !self.simple[key as usize] {
                continue;
            }
            let parent = self.saw[writer as usize];
            if parent >= NOBODY {
                continue;
            }
            self.clusters[cluster as usize].parent = parent;
            let child = std::mem::replace(&mut self.clusters[parent as usize].child, cluster);
            if child != NONE {
                // Two updates of one value: the second cannot have seen it.
                let other = self.clusters[child as usize].writer;
                let source = self.clusters[parent as usize].writer;
                self.broken(key, &[writer, other, source]);
            }
        }
    }

    /// Walks every chain from its root and returns its zone.
    fn chains(&mut self) -> Vec<Zone> {
        let mut zones = Vec::new();
        let mut visited = 0usize;
        let mut present = 0usize;
        for root in 0..self.clusters.len() as u32 {
            let cluster = self.clusters[root as usize];
            let out = !self.simple[cluster.key as usize] || self.broken[cluster.key as usize];
            if out || cluster.kept == Kept::IfSeen {
                continue;
            }
            present += 1;
            if cluster.parent == NONE {
                let (zone, length) = self.chain(root);
                visited += length;
                zones.extend(zone);
            }
        }
        if visited < present {
            self.blame_rings();
        }
        zones
    }

    fn chain(&mut self, root: u32) -> (Option<Zone>, usize) {
        let key = self.clusters[root as usize].key;
        let mut zone = Zone { root, key, first: (NONE, NONE), last: (0, NONE) };
        if self.clusters[root as usize].writer == NONE {
            zone.first = (0, NONE);
        }
        let (mut at, mut length) = (root, 0);
        while at != NONE {
            length += 1;
            let cluster = self.clusters[at as usize];
            if cluster.writer != NONE {
                let op = self.history.op(OpId(cluster.writer));
                self.extend(
                    &mut zone,
                    (op.deadline(), cluster.writer),
                    (op.invoke, cluster.writer),
                );
            }
            if cluster.read_last.1 != NONE {
                self.extend(&mut zone, cluster.read_first, cluster.read_last);
            }
            at = cluster.child;
        }
        // The initial value that nobody saw is no chain.
        let empty = zone.last.1 == NONE;
        ((!empty && !self.broken[key as usize]).then_some(zone), length)
    }

    /// Adds the next stage of a chain: it must not be over before an earlier stage began.
    fn extend(&mut self, zone: &mut Zone, first: (u32, u32), last: (u32, u32)) {
        if zone.last.1 != NONE && first.0 < zone.last.0 {
            let mut ops = self.between(zone.last.1, first.1);
            ops.extend([first.1, zone.last.1, self.clusters[zone.root as usize].writer]);
            self.broken(zone.key, &ops);
        }
        zone.first = zone.first.min(first);
        if zone.last.1 == NONE || last.0 > zone.last.0 {
            zone.last = last;
        }
    }

    /// The updates on the way from what `earlier` saw or wrote to what `later` saw or wrote.
    fn between(&self, earlier: u32, later: u32) -> Vec<u32> {
        let about = |op: u32| match (self.wrote[op as usize], self.saw[op as usize]) {
            (NONE, saw) => saw,
            (wrote, _) => wrote,
        };
        let mut ops = Vec::new();
        let (mut at, end) = (about(later), about(earlier));
        while at != NONE {
            ops.push(self.clusters[at as usize].writer);
            if at == end {
                break;
            }
            at = self.clusters[at as usize].parent;
        }
        ops
    }

    /// Updates that saw each other's values in a ring.
    fn blame_rings(&mut self) {
        let mut on_chain = vec![false; self.clusters.len()];
        for root in 0..self.clusters.len() {
            let mut at = root as u32;
            while at != NONE
                && self.clusters[root].parent == NONE
                && !std::mem::replace(&mut on_chain[at as usize], true)
            {
                at = self.clusters[at as usize].child;
            }
        }
        for (cluster, on_chain) in on_chain.into_iter().enumerate() {
            let Cluster { key, writer, parent, kept, .. } = self.clusters[cluster];
            if on_chain || kept == Kept::IfSeen || parent == NONE || !self.simple[key as usize] {
                continue;
            }
            let mut ops = vec![writer];
            let mut at = parent;
            while at != cluster as u32 && at != NONE && ops.len() <= self.clusters.len() {
                ops.push(self.clusters[at as usize].writer);
                at = self.clusters[at as usize].parent;
            }
            self.broken(key, &ops);
        }
    }

    /// One sweep over the events: forward zones open and close, backward zones must not fall in.
    fn judge(&mut self, zones: &[Zone]) {
        let mut opens = vec![NONE; self.history.event_count()];
        let mut holding: Vec<Option<Zone>> = vec![None; self.history.key_count()];
        for (number, zone) in zones.iter().enumerate() {
            if zone.first.1 == NONE {
                holding[zone.key as usize] = Some(*zone);
            } else {
                let forward = zone.first.0 < zone.last.0;
                opens[if forward { zone.first.0 } else { zone.last.0 } as usize] = number as u32;
            }
        }
        for number in opens {
            let Some(&zone) = zones.get(number as usize) else { continue };
            let forward = zone.first.0 < zone.last.0;
            let held = &mut holding[zone.key as usize];
            let clash = held.filter(|held| zone.first.0 < held.last.0);
            if let Some(held) = clash {
                let ops = self.clash(held, zone);
                self.broken(zone.key, &ops);
            } else if forward {
                *held = Some(zone);
            }
        }
    }

    fn clash(&self, one: Zone, other: Zone) -> Vec<u32> {
        let mut ops = Vec::new();
        for zone in [one, other] {
            ops.push(self.clusters[zone.root as usize].writer);
            for end in [zone.first.1, zone.last.1] {
                if end != NONE {
                    ops.push(end);
                    ops.extend(self.between_root(zone.root, end));
                }
            }
        }
        ops
    }

    fn between_root(&self, root: u32, op: u32) -> Vec<u32> {
        let mut at = match self.wrote[op as usize] {
            NONE => self.saw[op as usize],
            wrote => wrote,
        };
        let mut ops = Vec::new();
        while at != NONE && at != root {
            ops.push(self.clusters[at as usize].writer);
            at = self.clusters[at as usize].parent;
        }
        ops
    }
}

impl Cluster {
    fn new(key: u32, writer: u32, kept: Kept) -> Self {
        Cluster {
            key,
            writer,
            parent: NONE,
            child: NONE,
            read_first: (NONE, NONE),
            read_last: (0, NONE),
            kept,
        }
    }
}
