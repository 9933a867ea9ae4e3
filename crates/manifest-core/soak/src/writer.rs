//! A process that commits: several transactions at once, so that they share their PUTs.

use std::io;
use std::time::Duration;

use futures_util::future::try_join_all;
use manifest_core::{CommitId, Error, KeyRange, Status, Transaction};

use crate::child::Child;
use crate::clock;
use crate::journal::{self, Change, End, Line, Seen, Told};
use crate::random::Random;
use crate::workload::{self, BIG, COUNTERS, GROUP, REGISTERS, key, log_key};

/// How often a process asks for a commit that nobody can tell it about.
const QUESTIONS: u32 = 5;

/// A transaction, and what the journal says of it.
struct Drawn {
    op: String,
    began: u64,
    transaction: Transaction,
    reads: Vec<Seen>,
    writes: Vec<Change>,
}

pub(crate) async fn run(child: &Child) -> io::Result<()> {
    resolve_earlier_life(child).await?;
    try_join_all((0..child.args.common.tasks).map(|task| work(child, task))).await?;
    Ok(())
}

async fn work(child: &Child, task: u32) -> io::Result<()> {
    let args = &child.args;
    let mut random =
        Random::new(&[args.seed, u64::from(args.number), u64::from(args.life), u64::from(task)]);
    let mut number = 0;
    let mut open = Vec::new();
    while child.goes_on() {
        number += 1;
        let op = format!("w{:02}.{:03}.{task}.{number:05}", args.number, args.life);
        match draw(child, op, &mut random).await {
            Ok(drawn) => {
                let told = commit(child, task, drawn, &mut random).await?;
                ask_again(child, &mut open).await?;
                open.extend(told);
            }
            Err(error) => child.count_error("read of a writer", &error)?,
        }
        if let Err(error) = child.manifest.maintain().await {
            child.count_error("maintain", &error)?;
        }
        child.pause().await;
    }
    Ok(())
}

/// Draws what to do, and does the reads of it.
async fn draw(child: &Child, op: String, random: &mut Random) -> Result<Drawn, Error> {
    let began = clock::now();
    let transaction = if random.chance(40) {
        child.manifest.read().await?.transaction()
    } else {
        child.manifest.transaction()
    };
    let mut drawn = Drawn { op, began, transaction, reads: Vec::new(), writes: Vec::new() };
    match random.below(100) {
        0..35 => drawn.put_registers(random),
        35..65 => drawn.add_one(random),
        65..75 => drawn.copy_registers(random),
        75..85 => drawn.replace_group(random),
        85..88 => drawn.delete_group(),
        88..94 => drawn.delete_one(random),
        _ => drawn.put_big(random),
    }
    let log = drawn.op.clone();
    drawn.put(log_key(&log), log.into_bytes());
    Ok(drawn)
}

impl Drawn {
    fn put(&mut self, key: String, value: impl Into<bytes::Bytes>) {
        let value = value.into();
        self.writes.push((key.clone(), Some(workload::name(&value))));
        self.transaction.put(key, value);
    }

    fn get(&mut self, key: &str) -> Option<String> {
        let seen = workload::seen(key, self.transaction.get(key));
        let name = seen.1.clone();
        self.reads.push(seen);
        name
    }

    /// Blind, one to four keys.
    fn put_registers(&mut self, random: &mut Random) {
        let first = random.below(REGISTERS);
        for step in 0..=random.below(4) {
            self.put(key("reg", (first + step * 5) % REGISTERS), self.op.clone());
        }
    }

    /// Read, add one, write.
    fn add_one(&mut self, random: &mut Random) {
        let key = key("cnt", random.below(COUNTERS));
        let count = workload::count_of(self.get(&key).as_deref());
        self.put(key, format!("{} {}", count + 1, self.op));
    }

    /// Reads two keys and writes two others: write skew, if it were possible.
    fn copy_registers(&mut self, random: &mut Random) {
        let first = random.below(REGISTERS);
        self.get(&key("reg", first));
        self.get(&key("reg", (first + 3) % REGISTERS));
        self.put(key("reg", (first + 1) % REGISTERS), self.op.clone());
        self.put(key("reg", (first + 2) % REGISTERS), self.op.clone());
    }

    /// Reads a range, absent keys too, and writes one key of it.
    fn replace_group(&mut self, random: &mut Random) {
        let rows = self.transaction.scan(KeyRange::prefix("grp/"));
        for number in 0..GROUP {
            let key = key("grp", number);
            let entry = rows.iter().find(|(found, _)| *found == key);
            self.reads.push(workload::seen(&key, entry.map(|(_, entry)| entry.clone())));
        }
        self.put(key("grp", random.below(GROUP)), self.op.clone());
    }

    fn delete_group(&mut self) {
        self.transaction.delete_range(KeyRange::prefix("grp/"));
        self.writes.extend((0..GROUP).map(|number| (key("grp", number), None)));
    }

    fn delete_one(&mut self, random: &mut Random) {
        let key = key("grp", random.below(GROUP));
        self.transaction.delete(key.clone());
        self.writes.push((key, None));
    }

    fn put_big(&mut self, random: &mut Random) {
        let value = workload::fill(&self.op, random);
        self.put(key("big", random.below(BIG)), value);
    }
}

/// A commit whose outcome this process does not know, and how often it has asked.
struct Open {
    op: String,
    id: CommitId,
    asked: u32,
}

/// Intent, commit, outcome. Returns the commit if that is unknown.
async fn commit(
    child: &Child,
    task: u32,
    drawn: Drawn,
    random: &mut Random,
) -> io::Result<Option<Open>> {
    let Drawn { op, began, transaction, reads, writes } = drawn;
    let pending = match transaction.submit() {
        Ok(pending) => pending,
        Err(error) => return child.count_error("submit", &error).map(|()| None),
    };
    let id = pending.id();
    let intent = Line::Intent { began, op: op.clone(), task, id: id.to_string(), reads, writes };
    child.journal.write(&intent)?;
    let end = if random.chance(2) {
        let limit = Duration::from_micros(random.below(3_000));
        tokio::time::timeout(limit, pending).await.map_or(End::Dropped, end_of)
    } else {
        end_of(pending.await)
    };
    let is_open = matches!(end, End::Unknown | End::Dropped);
    child.journal.write(&Line::Outcome { at: clock::now(), op: op.clone(), end })?;
    Ok(is_open.then_some(Open { op, id, asked: 0 }))
}

/// Asks for open commits, which is worth it after another commit: their requests are settled then.
async fn ask_again(child: &Child, open: &mut Vec<Open>) -> io::Result<()> {
    for mut one in std::mem::take(open) {
        one.asked += 1;
        if ask(child, &one.op, one.id).await? == Told::Unknown && one.asked < QUESTIONS {
            open.push(one);
        }
    }
    Ok(())
}

fn end_of(result: Result<manifest_core::Commit, Error>) -> End {
    match result {
        Ok(commit) => End::Committed { seq: commit.seq },
        Err(Error::Conflict { .. }) => End::Conflict,
        Err(Error::OutcomeUnknown { .. }) => End::Unknown,
        Err(error) => End::Refused { why: error.to_string() },
    }
}

/// What a restarted service does first: it asks what became of the commits that it sent before it
/// died. Their requests may still be under way.
async fn resolve_earlier_life(child: &Child) -> io::Result<()> {
    let args = &child.args;
    let Some(before) = args.life.checked_sub(1) else {
        return Ok(());
    };
    let lines = journal::read(&journal::path(&args.common.work, args.role, args.number, before));
    // No journal: it died before it had one.
    let lines = lines.unwrap_or_default();
    let mut open = std::collections::BTreeMap::new();
    for line in lines {
        match line {
            Line::Intent { op, id, .. } => {
                open.insert(op, id);
            }
            Line::Outcome { op, end, .. } if !matches!(end, End::Unknown | End::Dropped) => {
                open.remove(&op);
            }
            _ => {}
        }
    }
    for (op, id) in open {
        if let Some(id) = parse_id(&id) {
            ask(child, &op, id).await?;
        }
    }
    Ok(())
}

async fn ask(child: &Child, op: &str, id: CommitId) -> io::Result<Told> {
    let status = match child.manifest.status(id).await {
        Ok(Status::Committed { seq }) => Told::Committed { seq },
        Ok(Status::NotCommitted) => Told::NotCommitted,
        Ok(Status::Unknown) => Told::Unknown,
        Err(error) => return child.count_error("status", &error).map(|()| Told::Unknown),
    };
    child.journal.write(&Line::Resolved { at: clock::now(), op: op.to_owned(), status })?;
    Ok(status)
}

/// From what `CommitId` prints.
pub(crate) fn parse_id(text: &str) -> Option<CommitId> {
    let (writer, wseq) = text.split_once('/')?;
    Some(CommitId { writer: u128::from_str_radix(writer, 16).ok()?, wseq: wseq.parse().ok()? })
}
