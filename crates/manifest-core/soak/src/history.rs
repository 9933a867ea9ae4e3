//! The journals as a history that `vopr check` reads (docs/checkers.md): what clients began, saw and
//! were told, in real time, with versions and commit numbers. The last operation reads every key, the
//! log as well; so an operation of unknown outcome that took effect is seen by somebody. An operation
//! whose process died has its answer when the next life of that process asked for it.
//!
//! Keys that are deleted ([`crate::workload::GROUP`]) are left out. Nobody can tell one absence from
//! another, so a judge that looks at values only has to guess which of a hundred deletions a reader
//! saw, and uses up its budget. A history without some keys of a correct one is correct; the rules of
//! [`crate::rules`] look at these keys too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::evidence::{Evidence, Op};
use crate::journal::{End, Seen, Told};
use crate::rules::State;
use crate::workload::{all_small_keys, log_key};

/// An event: when, beginnings before ends, and its line.
type Event = (u64, Rank, Value);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Begin,
    End,
}

/// Writes the history.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(path: &Path, evidence: &Evidence, left: &State) -> io::Result<()> {
    let mut events: Vec<Event> = Vec::new();
    let mut clients = Clients::default();
    let mut ops: Vec<&Op> = evidence.ops.values().collect();
    ops.sort_by_key(|op| op.began);
    for op in ops {
        let client = clients.number(op.client);
        events.push((op.began, Rank::Begin, line("invoke", client, micro(&op.reads, op))));
        match &op.end {
            Some((at, End::Committed { seq })) => {
                let mut ok = line("ok", client, micro(&op.reads, op));
                ok["commit"] = json!(seq);
                events.push((*at, Rank::End, ok));
            }
            Some((at, End::Conflict | End::Refused { .. })) => {
                events.push((*at, Rank::End, line("fail", client, micro(&[], op))));
            }
            Some((_, End::Unknown | End::Dropped)) | None => {
                // Whatever this client does next, another one does.
                clients.retire(op.client);
                events.extend(told_later(op, client));
            }
        }
    }
    for read in &evidence.reads {
        let client = clients.number(read.client);
        events.push((read.began, Rank::Begin, line("invoke", client, reads(&read.reads))));
        events.push((read.at, Rank::End, line("ok", client, reads(&read.reads))));
    }
    events.sort_by_key(|(at, rank, _)| (*at, *rank));
    let last = reads(&everything(evidence, left));
    let auditor = clients.number((usize::MAX, 0));
    let mut file = BufWriter::new(File::create(path)?);
    let ending = [line("invoke", auditor, last.clone()), line("ok", auditor, last)];
    for event in events.into_iter().map(|(_, _, event)| event).chain(ending) {
        serde_json::to_writer(&mut file, &event)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// The end of an operation whose client was not told: when somebody else was, by `status`. If nobody
/// was it never ends.
fn told_later(op: &Op, client: u64) -> Option<Event> {
    op.told.iter().find_map(|(at, told)| match told {
        Told::Committed { seq } => {
            let mut ok = line("ok", client, micro(&op.reads, op));
            ok["commit"] = json!(seq);
            Some((*at, Rank::End, ok))
        }
        Told::NotCommitted => Some((*at, Rank::End, line("fail", client, micro(&[], op)))),
        Told::Unknown => None,
    })
}

/// Numbers of clients: each is sequential, and gone after an operation without an end.
#[derive(Debug, Default)]
struct Clients {
    numbers: BTreeMap<(usize, u32), u64>,
    next: u64,
}

impl Clients {
    fn number(&mut self, client: (usize, u32)) -> u64 {
        *self.numbers.entry(client).or_insert_with(|| {
            self.next += 1;
            self.next
        })
    }

    fn retire(&mut self, client: (usize, u32)) {
        self.numbers.remove(&client);
    }
}

fn line(kind: &str, client: u64, value: Vec<Value>) -> Value {
    json!({ "type": kind, "process": client, "f": "txn", "value": value })
}

fn reads(seen: &[Seen]) -> Vec<Value> {
    let read = |(key, name, seq): &Seen| match seq {
        Some(seq) => json!(["r", key, name, seq]),
        None => json!(["r", key, name]),
    };
    seen.iter().filter(|(key, _, _)| is_kept(key)).map(read).collect()
}

fn micro(seen: &[Seen], op: &Op) -> Vec<Value> {
    let mut micro = reads(seen);
    let kept = op.writes.iter().filter(|(key, _)| is_kept(key));
    micro.extend(kept.map(|(key, name)| json!(["w", key, name])));
    micro
}

/// Whether nobody ever deletes it.
fn is_kept(key: &str) -> bool {
    !key.starts_with("grp/")
}

/// The final state, as a read of every key that anybody may have written.
fn everything(evidence: &Evidence, left: &State) -> Vec<Seen> {
    let logged = evidence.ops.keys().map(|op| log_key(op));
    let look = |key: String| match left.get(&key) {
        Some((name, seq)) => (key, Some(name.clone()), Some(*seq)),
        None => (key, None, None),
    };
    all_small_keys().into_iter().chain(logged).map(look).collect()
}
