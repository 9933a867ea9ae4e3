//! From what transactions saw to what depends on what.

use std::collections::BTreeMap;

use super::{Anomaly, Edge, Findings, Name, Why};
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// The dependency graph: edges by their first transaction.
pub(super) struct Graph {
    pub(super) out: Vec<Vec<Edge>>,
    /// Whether a transaction is known to have happened: it said so, or somebody saw its writes.
    happened: Vec<bool>,
}

impl Graph {
    pub(super) fn new(history: &History) -> Self {
        let happened = history.ops().map(|(_, op)| op.outcome == Outcome::Ok).collect();
        Graph { out: vec![Vec::new(); history.len()], happened }
    }

    fn add(&mut self, from: OpId, to: OpId, why: Why) {
        if from != to {
            self.out[from.0 as usize].push(Edge { from, to, why });
        }
    }
}

/// Who wrote a value of a key, and whether it is what its transaction left behind.
#[derive(Clone, Copy, Debug)]
struct Writer {
    op: OpId,
    last: Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Yes,
    /// The same transaction wrote the key again.
    No,
}

type Writers = BTreeMap<(Key, Value), Writer>;

fn note(findings: &mut Findings, name: Name, txns: Vec<OpId>, key: Key, value: Value) {
    let (key, value) = (Some(key), Some(value));
    findings.anomalies.push(Anomaly { name, cycle: Vec::new(), txns, key, value });
}

/// Histories in which transactions append to lists.
pub(super) fn lists(history: &History, graph: &mut Graph, findings: &mut Findings) {
    let mut writers = Writers::new();
    for (op, _) in history.ops() {
        let mut own: Vec<(Key, Value)> = Vec::new();
        for (_, key, access) in history.accesses(op) {
            if let Access::Append { value } = access {
                if let Some(earlier) = own.iter().rev().find(|earlier| earlier.0 == key)
                    && let Some(writer) = writers.get_mut(earlier)
                {
                    writer.last = Last::No;
                }
                writers.insert((key, value), Writer { op, last: Last::Yes });
                own.push((key, value));
            }
        }
    }
    let reads = list_reads(history, findings);
    for reads in reads.values() {
        for read in reads {
            judge_list(history, &writers, read, findings);
        }
    }
    // An append of unknown outcome that somebody saw did happen.
    for reads in reads.values() {
        for value in reads.iter().flat_map(|read| &read.list) {
            if let Some(writer) = writers.get(&(reads[0].key, *value))
                && history.op(writer.op).outcome == Outcome::Unknown
            {
                graph.happened[writer.op.0 as usize] = true;
            }
        }
    }
    let mut unseen: BTreeMap<Key, Vec<(OpId, Value)>> = BTreeMap::new();
    for (&(key, value), writer) in &writers {
        if graph.happened[writer.op.0 as usize] {
            unseen.entry(key).or_default().push((writer.op, value));
        }
    }
    let none = Vec::new();
    for (&key, appends) in &unseen {
        let reads = reads.get(&key).unwrap_or(&none);
        link_list(key, reads, appends, &writers, graph, findings);
    }
}

/// One read of a list, without what the reader itself had appended before.
struct ListRead {
    op: OpId,
    key: Key,
    list: Vec<Value>,
}

/// The list reads of transactions that committed, by key; internal anomalies on the way.
fn list_reads(history: &History, findings: &mut Findings) -> BTreeMap<Key, Vec<ListRead>> {
    let mut reads: BTreeMap<Key, Vec<ListRead>> = BTreeMap::new();
    for (op, entry) in history.ops().filter(|(_, entry)| entry.outcome == Outcome::Ok) {
        let _ = entry;
        let mut own: BTreeMap<Key, (Option<Vec<Value>>, Vec<Value>)> = BTreeMap::new();
        for (_, key, access) in history.accesses(op) {
            match access {
                Access::Append { value } => own.entry(key).or_default().1.push(value),
                Access::ReadList { list } => {
                    let list = history.list(list).to_vec();
                    let (before, appended) = own.entry(key).or_default();
                    let fits = match before {
                        Some(before) => {
                            list.len() == before.len() + appended.len()
                                && list.starts_with(before)
                                && list.ends_with(appended)
                        }
                        None => list.ends_with(appended),
                    };
                    if !fits {
                        let value = appended.last().or(list.last()).copied();
                        note(
                            findings,
                            Name::Internal,
                            vec![op],
                            key,
                            value.unwrap_or(Value::ABSENT),
                        );
                    }
                    if before.is_none() && fits {
                        let others = list.len() - appended.len();
                        *before = Some(list[..others].to_vec());
                    }
                    reads.entry(key).or_default().push(ListRead { op, key, list });
                }
                _ => {}
            }
        }
    }
    reads
}

/// What one list shows by itself: aborted, intermediate and doubled elements.
fn judge_list(history: &History, writers: &Writers, read: &ListRead, findings: &mut Findings) {
    let mut sorted = read.list.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        note(findings, Name::Duplicate, vec![read.op], read.key, pair[0]);
    }
    for (place, &value) in read.list.iter().enumerate() {
        let Some(writer) = writers.get(&(read.key, value)) else {
            findings.unwritten.push((read.op, read.key, value));
            continue;
        };
        if history.op(writer.op).outcome == Outcome::Failed {
            note(findings, Name::G1a, vec![read.op, writer.op], read.key, value);
            let next = read.list.get(place + 1).and_then(|next| writers.get(&(read.key, *next)));
            if let Some(next) = next
                && history.op(next.op).outcome == Outcome::Ok
            {
                note(findings, Name::DirtyUpdate, vec![next.op, writer.op], read.key, value);
            }
        }
    }
    if let Some(&value) = read.list.last()
        && let Some(writer) = writers.get(&(read.key, value))
        && writer.op != read.op
        && writer.last == Last::No
    {
        note(findings, Name::G1b, vec![read.op, writer.op], read.key, value);
    }
}

/// The version order of one list is its longest read, then whatever nobody saw.
fn link_list(
    key: Key,
    reads: &[ListRead],
    appends: &[(OpId, Value)],
    writers: &Writers,
    graph: &mut Graph,
    findings: &mut Findings,
) {
    let longest = reads.iter().max_by_key(|read| read.list.len());
    let order: &[Value] = longest.map_or(&[], |read| &read.list);
    for read in reads {
        if let Some(longest) = longest
            && !order.starts_with(&read.list)
        {
            let txns = vec![read.op, longest.op];
            note(findings, Name::IncompatibleOrder, txns, key, Value::ABSENT);
        }
    }
    let of = |value: Value| writers.get(&(key, value)).map(|writer| writer.op);
    for pair in order.windows(2) {
        if let (Some(from), Some(to)) = (of(pair[0]), of(pair[1])) {
            graph.add(from, to, Why::WriteWrite { key, from: pair[0], to: pair[1] });
        }
    }
    let unseen: Vec<(OpId, Value)> =
        appends.iter().filter(|(_, value)| !order.contains(value)).copied().collect();
    if let Some(&last) = order.last()
        && let Some(from) = of(last)
    {
        for &(to, value) in &unseen {
            graph.add(from, to, Why::WriteWrite { key, from: last, to: value });
        }
    }
    for read in reads.iter().filter(|read| order.starts_with(&read.list)) {
        let seen = read.list.last().copied();
        if let Some(value) = seen
            && let Some(from) = of(value)
        {
            graph.add(from, read.op, Why::WriteRead { key, value });
        }
        let from = seen.unwrap_or(Value::ABSENT);
        match order.get(read.list.len()) {
            Some(&next) => {
                if let Some(to) = of(next) {
                    graph.add(read.op, to, Why::ReadWrite { key, from, to: next });
                }
            }
            None => {
                for &(to, value) in &unseen {
                    graph.add(read.op, to, Why::ReadWrite { key, from, to: value });
                }
            }
        }
    }
}

/// Histories in which transactions write and read registers.
pub(super) fn registers(history: &History, graph: &mut Graph, findings: &mut Findings) {
    let mut writers = Writers::new();
    for (op, _) in history.ops() {
        let mut own: BTreeMap<Key, Value> = BTreeMap::new();
        for (_, key, access) in history.accesses(op) {
            if let Access::Write { value } | Access::Update { value, .. } = access {
                if let Some(earlier) = own.insert(key, value)
                    && let Some(writer) = writers.get_mut(&(key, earlier))
                {
                    writer.last = Last::No;
                }
                writers.insert((key, value), Writer { op, last: Last::Yes });
            }
        }
    }
    let reads = register_reads(history, findings);
    for read in &reads {
        if let Some(writer) = writers.get(&(read.key, read.value))
            && history.op(writer.op).outcome == Outcome::Unknown
        {
            graph.happened[writer.op.0 as usize] = true;
        }
    }
    judge_registers(history, &writers, &reads, findings);
    let next = version_order(history, &writers, &reads, graph);
    link_registers(&writers, &reads, &next, graph, findings);
}

/// One read of a register from outside its transaction, and what the reader then wrote there.
struct RegisterRead {
    op: OpId,
    key: Key,
    value: Value,
    version: Option<u64>,
    wrote: Option<Value>,
}

fn register_reads(history: &History, findings: &mut Findings) -> Vec<RegisterRead> {
    let mut reads: Vec<RegisterRead> = Vec::new();
    for (op, _) in history.ops().filter(|(_, entry)| entry.outcome == Outcome::Ok) {
        let begin = reads.len();
        let mut own: BTreeMap<Key, Value> = BTreeMap::new();
        for (_, key, access) in history.accesses(op) {
            let (seen, wrote) = match access {
                Access::Read { value, version } => (Some((value, version)), None),
                Access::Update { seen, version, value } => (Some((seen, version)), Some(value)),
                Access::Write { value } => (None, Some(value)),
                _ => continue,
            };
            if let Some((value, version)) = seen {
                match own.get(&key) {
                    Some(&known) if known != value => {
                        note(findings, Name::Internal, vec![op], key, value);
                    }
                    Some(_) => {}
                    None => reads.push(RegisterRead { op, key, value, version, wrote: None }),
                }
                own.insert(key, value);
            }
            if let Some(value) = wrote {
                own.insert(key, value);
                if let Some(read) = reads[begin..].iter_mut().find(|read| read.key == key) {
                    read.wrote = Some(value);
                }
            }
        }
    }
    reads
}

fn judge_registers(
    history: &History,
    writers: &Writers,
    reads: &[RegisterRead],
    findings: &mut Findings,
) {
    let mut updates: BTreeMap<(Key, Value), Vec<OpId>> = BTreeMap::new();
    for read in reads {
        let (key, value) = (read.key, read.value);
        if read.wrote.is_some() {
            updates.entry((key, value)).or_default().push(read.op);
        }
        let Some(writer) = writers.get(&(key, value)) else {
            if value != Value::ABSENT {
                findings.unwritten.push((read.op, key, value));
            }
            continue;
        };
        if writer.op == read.op {
            note(findings, Name::Internal, vec![read.op], key, value);
        } else if history.op(writer.op).outcome == Outcome::Failed {
            note(findings, Name::G1a, vec![read.op, writer.op], key, value);
            if read.wrote.is_some() {
                note(findings, Name::DirtyUpdate, vec![read.op, writer.op], key, value);
            }
        } else if writer.last == Last::No {
            note(findings, Name::G1b, vec![read.op, writer.op], key, value);
        }
    }
    for ((key, value), ops) in updates {
        // Without versions, a deleted key may be created twice.
        if ops.len() > 1 && (value != Value::ABSENT || !writers.contains_key(&(key, value))) {
            note(findings, Name::LostUpdate, ops, key, value);
        }
    }
}

type Next = BTreeMap<(Key, Value), Vec<Value>>;

/// Which versions directly follow which, as far as the reads tell: by version numbers, or because
/// a transaction read one and wrote the other, or because one is the initial state.
fn version_order(
    history: &History,
    writers: &Writers,
    reads: &[RegisterRead],
    graph: &Graph,
) -> Next {
    let mut numbered: BTreeMap<Key, BTreeMap<u64, Value>> = BTreeMap::new();
    for read in reads {
        if let Some(version) = read.version {
            numbered.entry(read.key).or_default().insert(version, read.value);
        }
    }
    for (&(key, value), writer) in writers {
        if let Some(number) = history.op(writer.op).commit()
            && writer.last == Last::Yes
            && graph.happened[writer.op.0 as usize]
        {
            numbered.entry(key).or_default().insert(number, value);
        }
    }
    let mut next = Next::new();
    let mut follow = |key: Key, from: Value, to: Value| {
        let versions = next.entry((key, from)).or_default();
        if from != to && !versions.contains(&to) {
            versions.push(to);
        }
    };
    for (&key, versions) in &numbered {
        let values: Vec<Value> = versions.values().copied().collect();
        for pair in values.windows(2) {
            follow(key, pair[0], pair[1]);
        }
    }
    for read in reads {
        if let Some(wrote) = read.wrote
            && !numbered.contains_key(&read.key)
        {
            follow(read.key, read.value, wrote);
        }
    }
    let read_initially: Vec<Key> =
        reads.iter().filter(|read| read.value == Value::ABSENT).map(|read| read.key).collect();
    for (&(key, value), writer) in writers {
        let plain = !numbered.contains_key(&key) && !writers.contains_key(&(key, Value::ABSENT));
        let seen = graph.happened[writer.op.0 as usize] && writer.last == Last::Yes;
        if plain && seen && read_initially.contains(&key) {
            follow(key, Value::ABSENT, value);
        }
    }
    next
}

fn link_registers(
    writers: &Writers,
    reads: &[RegisterRead],
    next: &Next,
    graph: &mut Graph,
    findings: &mut Findings,
) {
    let _ = findings;
    for (&(key, from), followers) in next {
        let Some(writer) = writers.get(&(key, from)) else {
            continue;
        };
        for &to in followers {
            if let Some(other) = writers.get(&(key, to)) {
                graph.add(writer.op, other.op, Why::WriteWrite { key, from, to });
            }
        }
    }
    for read in reads {
        let (key, value) = (read.key, read.value);
        if let Some(writer) = writers.get(&(key, value)) {
            graph.add(writer.op, read.op, Why::WriteRead { key, value });
        }
        for &to in next.get(&(key, value)).into_iter().flatten() {
            if let Some(writer) = writers.get(&(key, to)) {
                graph.add(read.op, writer.op, Why::ReadWrite { key, from: value, to });
            }
        }
    }
}

/// The order of each process and of real time, reduced: a transaction is linked to those that
/// ended last before it began.
pub(super) fn orders(history: &History, graph: &mut Graph) {
    let mut last_of: BTreeMap<u32, OpId> = BTreeMap::new();
    let mut frontier: Vec<OpId> = Vec::new();
    for event in history.events() {
        let op = event.op;
        if history.op(op).outcome != Outcome::Ok {
            // Of unknown outcome: it begins, and nothing is known to come after it.
            if event.kind == EventKind::Invoke && graph.happened[op.0 as usize] {
                for &earlier in &frontier {
                    graph.add(earlier, op, Why::Realtime);
                }
            }
            continue;
        }
        let entry = history.op(op);
        match event.kind {
            EventKind::Invoke => {
                if let Some(&earlier) = last_of.get(&entry.process) {
                    graph.add(earlier, op, Why::Process);
                }
                for &earlier in &frontier {
                    graph.add(earlier, op, Why::Realtime);
                }
            }
            EventKind::Return => {
                last_of.insert(entry.process, op);
                // Whatever ended before this one began is implied by it.
                frontier.retain(|&other| history.op(other).deadline() > entry.invoke);
                frontier.push(op);
            }
        }
    }
}
