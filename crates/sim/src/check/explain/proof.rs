//! Why no order exists, as a ring of sentences.
//!
//! Between the few operations of a reduced counterexample, what must come before what is closed
//! under four rules, and each conclusion remembers its reason:
//!
//! * real time: one ended before the other began;
//! * a read comes after the write of what it saw;
//! * if `w` wrote what `r` read, and `w` comes before another writer of the key, so does `r`;
//! * and if that other writer comes before `r`, it comes before `w`.
//!
//! Once something must come before itself, the reasons along the way are the proof.

use crate::history::{Access, History, Key, Names, OpId, Outcome, Value};

/// Why one operation comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Initial,
    RealTime,
    Saw {
        key: Key,
        value: Value,
    },
    /// It read what `writer` left; the other replaced that.
    Replaced {
        key: Key,
        value: Value,
        writer: usize,
    },
    /// `reader` saw what the other left, after this.
    Survived {
        key: Key,
        value: Value,
        reader: usize,
    },
    Via(usize),
}

struct Relation<'a> {
    history: &'a History,
    names: &'a dyn Names,
    /// Operation of each node; node 0 is the initial state.
    ops: Vec<Option<OpId>>,
    before: Vec<Vec<Option<Reason>>>,
}

/// The contradiction between `ops` as sentences, one for each step. Empty if these rules alone do
/// not show it: then only trying all orders does.
///
/// Every key holds `initial` before its first write.
#[must_use]
pub fn prove(history: &History, ops: &[OpId], initial: Value, names: &dyn Names) -> Vec<String> {
    let mut nodes: Vec<Option<OpId>> = vec![None];
    nodes.extend(ops.iter().map(|&op| Some(op)));
    if nodes.len() > NODES_MAX {
        return Vec::new();
    }
    let count = nodes.len();
    let before = vec![vec![None; count]; count];
    let mut relation = Relation { history, names, ops: nodes, before };
    relation.real_time();
    let reads = match relation.reads(initial) {
        Ok(reads) => reads,
        Err(sentence) => return vec![sentence],
    };
    loop {
        if let Some(node) = (0..count).find(|&node| relation.before[node][node].is_some()) {
            return relation.ring(node);
        }
        if !relation.close(&reads) {
            return Vec::new();
        }
    }
}

/// The rules are cubic: more operations than this are not for reading anyway.
const NODES_MAX: usize = 40;

type Read = (usize, usize, Key, Value);

impl Relation<'_> {
    fn put(&mut self, a: usize, b: usize, reason: Reason) -> bool {
        let fresh = self.before[a][b].is_none();
        if fresh {
            self.before[a][b] = Some(reason);
        }
        fresh
    }

    fn real_time(&mut self) {
        for a in 1..self.ops.len() {
            self.put(0, a, Reason::Initial);
            for b in 1..self.ops.len() {
                if let (Some(one), Some(other)) = (self.ops[a], self.ops[b])
                    && self.history.op(one).deadline() < self.history.op(other).invoke
                {
                    self.put(a, b, Reason::RealTime);
                }
            }
        }
    }

    fn writes(&self, node: usize, key: Key) -> Option<Value> {
        let mut last = None;
        for (_, other, access) in self.history.accesses(self.ops[node]?) {
            if other == key
                && let Access::Write { value } | Access::Update { value, .. } = access
            {
                last = Some(value);
            }
        }
        last
    }

    /// Each read with its one possible writer: (writer, reader, key, value).
    fn reads(&mut self, initial: Value) -> Result<Vec<Read>, String> {
        let mut reads = Vec::new();
        for reader in 1..self.ops.len() {
            let Some(op) = self.ops[reader] else { continue };
            let certain = self.history.op(op).outcome == Outcome::Ok;
            for (_, key, access) in self.history.accesses(op) {
                let value = match access {
                    Access::Read { value, .. } if certain => value,
                    Access::Update { seen, .. } => seen,
                    _ => continue,
                };
                let mut writers: Vec<usize> = (1..self.ops.len())
                    .filter(|&node| node != reader && self.writes(node, key) == Some(value))
                    .collect();
                if value == initial {
                    writers.push(0);
                }
                match writers[..] {
                    [] if certain => {
                        let (key, value) = (self.names.key(key), self.names.value(value));
                        return Err(format!("T{} saw {key}={value}, which nobody wrote", op.0));
                    }
                    [writer] => {
                        self.put(writer, reader, Reason::Saw { key, value });
                        reads.push((writer, reader, key, value));
                    }
                    _ => {}
                }
            }
        }
        Ok(reads)
    }

    /// Applies each rule once; false if nothing follows any more.
    fn close(&mut self, reads: &[Read]) -> bool {
        let count = self.ops.len();
        let mut grown = false;
        for &(writer, reader, key, value) in reads {
            for other in 1..count {
                if other == writer || other == reader || self.writes(other, key).is_none() {
                    continue;
                }
                // One of unknown outcome that nobody saw may not have happened at all.
                let sure = self.ops[other].is_some_and(|op| self.certain(op, other, reads));
                if !sure {
                    continue;
                }
                if self.before[writer][other].is_some() {
                    grown |= self.put(reader, other, Reason::Replaced { key, value, writer });
                }
                if self.before[other][reader].is_some() {
                    grown |= self.put(other, writer, Reason::Survived { key, value, reader });
                }
            }
        }
        for via in 0..count {
            for a in 0..count {
                for b in 0..count {
                    if self.before[a][via].is_some() && self.before[via][b].is_some() {
                        grown |= self.put(a, b, Reason::Via(via));
                    }
                }
            }
        }
        grown
    }

    fn certain(&self, op: OpId, node: usize, reads: &[Read]) -> bool {
        self.history.op(op).outcome == Outcome::Ok || reads.iter().any(|read| read.0 == node)
    }

    /// The ring through `node`, step by step, without the detours.
    fn ring(&self, node: usize) -> Vec<String> {
        let mut steps = Vec::new();
        self.steps(node, node, &mut steps, 0);
        let mut sentences = Vec::new();
        for (a, b, reason) in steps {
            let sentence = self.sentence(a, b, reason);
            if !sentence.is_empty() && !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences
    }

    fn steps(&self, a: usize, b: usize, steps: &mut Vec<(usize, usize, Reason)>, depth: usize) {
        match self.before[a][b] {
            _ if depth > 4 * NODES_MAX => {}
            Some(Reason::Via(via)) => {
                self.steps(a, via, steps, depth + 1);
                self.steps(via, b, steps, depth + 1);
            }
            Some(reason) => {
                // What a conclusion rests on comes first.
                match reason {
                    Reason::Replaced { writer, .. } => self.steps(writer, b, steps, depth + 1),
                    Reason::Survived { reader, .. } => self.steps(a, reader, steps, depth + 1),
                    _ => {}
                }
                steps.push((a, b, reason));
            }
            None => {}
        }
    }

    fn sentence(&self, a: usize, b: usize, reason: Reason) -> String {
        let name = |node: usize| match self.ops[node] {
            Some(op) => format!("T{}", op.0),
            None => "the initial state".to_owned(),
        };
        let (from, to) = (name(a), name(b));
        let version =
            |key: Key, value: Value| format!("{}={}", self.names.key(key), self.names.value(value));
        match reason {
            Reason::Initial | Reason::Via(_) => String::new(),
            Reason::RealTime => {
                let (Some(one), Some(other)) = (self.ops[a], self.ops[b]) else {
                    return String::new();
                };
                let (end, begin) = (self.history.op(one).deadline(), self.history.op(other).invoke);
                format!(
                    "{from} ended at {}, before {to} began at {}",
                    self.names.place(end, self.history.at(end)),
                    self.names.place(begin, self.history.at(begin))
                )
            }
            Reason::Saw { key, value } if a == 0 => {
                format!("{to} saw {}, which is the initial state", version(key, value))
            }
            Reason::Saw { key, value } => {
                format!("{to} saw {}, which {from} wrote", version(key, value))
            }
            Reason::Replaced { key, value, writer } => format!(
                "{from} saw {}, which {to} replaced (it comes after {}): so {from} comes before {to}",
                version(key, value),
                name(writer)
            ),
            Reason::Survived { key, value, reader } if b == 0 => format!(
                "{} still saw {}, the initial state, after {from}, which wrote the key",
                name(reader),
                version(key, value)
            ),
            Reason::Survived { key, value, reader } => format!(
                "{} still saw {} of {to} after {from}, which also wrote the key: so {from} comes before {to}",
                name(reader),
                version(key, value)
            ),
        }
    }
}
