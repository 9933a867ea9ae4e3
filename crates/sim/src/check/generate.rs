//! Histories made to order: for tests, benchmarks and demonstrations.
//!
//! A [`Recipe`] runs an ideal system: clients take turns at random, every operation takes effect
//! at one moment between its two events, values are unique. What comes out is correct by
//! construction, has any degree of overlap and any share of unknown outcomes, and knows its own
//! commit log. [`damage`] then breaks it in one place.

use super::index::ValueIndex;
use super::whitebox::LogEntry;
use crate::history::{Access, EventKind, History, Key, OpId, Outcome, Value};

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// One key per operation: half reads, half writes, and one in eight a compare-and-set.
    Register,
    /// One to four keys per transaction: reads, updates and blind writes; one in sixteen scans
    /// eight keys.
    Transactions,
    /// Transactions that append to lists and read them whole.
    ListAppend,
}

/// How to make a history.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// What the clients do.
    pub workload: Workload,
    /// Number of operations.
    pub ops: u32,
    /// Number of clients, each with one operation in flight.
    pub clients: u32,
    /// Number of keys.
    pub keys: u32,
    /// Operations of unknown outcome, in thousandths.
    pub unknown_permille: u32,
    /// Decides everything else.
    pub seed: u64,
}

/// A history and the log of the system that made it.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// What the clients saw.
    pub history: History,
    /// What the system did.
    pub log: Vec<LogEntry>,
}

/// A small generator of numbers (SplitMix64, Steele, Lea and Flood 2014): fast, seedable, and
/// the same everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u128::from(self.roll()) * u128::from(end)) >> 64) as u32
    }
}

/// What a client is about to do to a key, before it knows what it will see.
#[derive(Clone, Copy, Debug)]
enum Intent {
    Read(Key),
    Write(Key),
    Update(Key),
    Append(Key),
    ReadList(Key),
}

/// Where a client's operation stands.
#[derive(Clone, Debug)]
enum Stage {
    Idle,
    Sent { op: OpId, intents: Vec<Intent>, fate: Fate },
    Applied { op: OpId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Applied, but its client never learns.
    Silent,
    /// Never applied, and its client never learns.
    Lost,
}

struct System {
    made: Made,
    values: Vec<(Value, u64)>,
    lists: Vec<Vec<Value>>,
    next_value: u64,
    commits: u64,
}

impl Recipe {
    /// Runs the recipe.
    #[must_use]
    pub fn make(&self) -> Made {
        let mut dice = Dice::new(self.seed);
        let keys = self.keys.max(1) as usize;
        let mut system = System {
            made: Made::default(),
            values: vec![(Value::ABSENT, 0); keys],
            lists: vec![Vec::new(); keys],
            next_value: 0,
            commits: 0,
        };
        let mut stages = vec![Stage::Idle; self.clients.max(1) as usize];
        let mut processes: Vec<u32> = (0..self.clients.max(1)).collect();
        let mut silent: Vec<(OpId, Vec<Intent>)> = Vec::new();
        let (mut begun, mut busy) = (0, 0);
        while begun < self.ops || busy > 0 {
            let client = dice.below(stages.len() as u32) as usize;
            match std::mem::replace(&mut stages[client], Stage::Idle) {
                Stage::Idle if begun < self.ops => {
                    begun += 1;
                    busy += 1;
                    let intents = self.intents(&mut dice);
                    let op = system.made.history.invoke(processes[client], 0);
                    stages[client] = Stage::Sent { op, intents, fate: self.fate(&mut dice) };
                }
                Stage::Idle => {}
                Stage::Sent { op, intents, fate: Fate::Answered } => {
                    system.apply(op, &intents);
                    stages[client] = Stage::Applied { op };
                }
                Stage::Sent { op, intents, fate } => {
                    busy -= 1;
                    system.promise(op, &intents);
                    // The client of an unanswered operation is replaced by a new one.
                    processes[client] += self.clients.max(1);
                    if fate == Fate::Silent {
                        silent.push((op, intents));
                    }
                }
                Stage::Applied { op } => {
                    busy -= 1;
                    system.made.history.complete(op, Outcome::Ok, 0);
                }
            }
            if !silent.is_empty() && dice.below(4) == 0 {
                let (op, intents) = silent.swap_remove(dice.below(silent.len() as u32) as usize);
                system.apply_silently(op, &intents);
            }
        }
        system.made
    }

    fn fate(&self, dice: &mut Dice) -> Fate {
        if dice.below(1000) >= self.unknown_permille {
            Fate::Answered
        } else if dice.below(2) == 0 {
            Fate::Silent
        } else {
            Fate::Lost
        }
    }

    fn intents(&self, dice: &mut Dice) -> Vec<Intent> {
        let keys = self.keys.max(1);
        let any = |dice: &mut Dice| Key(dice.below(keys));
        match self.workload {
            Workload::Register => {
                let key = any(dice);
                vec![match dice.below(8) {
                    0..4 => Intent::Read(key),
                    4..7 => Intent::Write(key),
                    _ => Intent::Update(key),
                }]
            }
            Workload::Transactions if dice.below(16) == 0 => {
                let start = dice.below(keys);
                (start..keys.min(start + 8)).map(|key| Intent::Read(Key(key))).collect()
            }
            Workload::Transactions | Workload::ListAppend => {
                let mut chosen: Vec<Key> = (0..1 + dice.below(4)).map(|_| any(dice)).collect();
                chosen.sort_unstable();
                chosen.dedup();
                let lists = self.workload == Workload::ListAppend;
                let read_only = dice.below(3) == 0;
                let mut intent = |key: Key| match dice.below(3) {
                    _ if read_only && lists => Intent::ReadList(key),
                    _ if read_only => Intent::Read(key),
                    0 if lists => Intent::ReadList(key),
                    _ if lists => Intent::Append(key),
                    0 => Intent::Read(key),
                    1 => Intent::Write(key),
                    _ => Intent::Update(key),
                };
                chosen.into_iter().map(&mut intent).collect()
            }
        }
    }
}

impl System {
    fn apply(&mut self, op: OpId, intents: &[Intent]) {
        let number = self.commit(op, intents);
        for &intent in intents {
            self.act(op, intent, number);
        }
    }

    /// An unanswered operation writes what it had announced, and nobody is told what it saw.
    fn apply_silently(&mut self, op: OpId, intents: &[Intent]) {
        let number = self.commit(op, intents);
        for (_, key, access) in self.made.history.accesses(op) {
            match access {
                Access::Write { value } => self.values[key.0 as usize] = (value, number),
                Access::Append { value } => self.lists[key.0 as usize].push(value),
                _ => {}
            }
        }
    }

    fn commit(&mut self, op: OpId, intents: &[Intent]) -> u64 {
        if intents.iter().all(|intent| matches!(intent, Intent::Read(_) | Intent::ReadList(_))) {
            return self.commits;
        }
        self.commits += 1;
        self.made.log.push(LogEntry { number: self.commits, op });
        self.made.history.set_commit(op, self.commits);
        self.commits
    }

    fn fresh(&mut self) -> Value {
        self.next_value += 1;
        Value(self.next_value)
    }

    fn act(&mut self, op: OpId, intent: Intent, number: u64) {
        match intent {
            Intent::Read(key) => {
                let (value, version) = self.values[key.0 as usize];
                self.made.history.read(op, key, value, Some(version));
            }
            Intent::Write(key) => {
                let value = self.fresh();
                self.values[key.0 as usize] = (value, number);
                self.made.history.write(op, key, value);
            }
            Intent::Update(key) => {
                let value = self.fresh();
                let (seen, version) = self.values[key.0 as usize];
                self.values[key.0 as usize] = (value, number);
                self.made.history.update(op, key, seen, Some(version), value);
            }
            Intent::Append(key) => {
                let value = self.fresh();
                self.lists[key.0 as usize].push(value);
                self.made.history.append(op, key, value);
            }
            Intent::ReadList(key) => {
                let list = &self.lists[key.0 as usize];
                self.made.history.read_list(op, key, list);
            }
        }
    }

    /// Records what an operation that is never answered set out to do. Its updates become blind
    /// writes: what it would have compared with is nobody's knowledge.
    fn promise(&mut self, op: OpId, intents: &[Intent]) {
        for &intent in intents {
            match intent {
                Intent::Read(key) | Intent::ReadList(key) => {
                    self.made.history.read_unknown(op, key)
                }
                Intent::Write(key) | Intent::Update(key) => {
                    let value = self.fresh();
                    self.made.history.write(op, key, value);
                }
                Intent::Append(key) => {
                    let value = self.fresh();
                    self.made.history.append(op, key, value);
                }
            }
        }
    }
}

/// One way to break a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One read sees a version that had been replaced before it began.
    StaleRead,
    /// One acknowledged write that was seen has no effect: its readers see what was there before.
    DroppedWrite,
    /// Two reads of one key get each other's answers.
    SwappedResults,
}

/// Copies `history` with one access changed. `None` if it offers no place for that damage.
/// Whether the result is still correct is for the caller to find out: only a stale read is
/// certainly wrong.
#[must_use]
pub fn damage(history: &History, damage: Damage, dice: &mut Dice) -> Option<History> {
    let reads = reads(history);
    if reads.is_empty() {
        return None;
    }
    for _ in 0..64 {
        let pick = reads[dice.below(reads.len() as u32) as usize];
        let changes = match damage {
            Damage::StaleRead => stale(history, &reads, pick),
            Damage::DroppedWrite => dropped(history, &reads, pick),
            Damage::SwappedResults => {
                swapped(&reads, pick, reads[dice.below(reads.len() as u32) as usize])
            }
        };
        if !changes.is_empty() {
            return Some(rebuild(history, &changes));
        }
    }
    None
}

#[derive(Clone, Copy, Debug)]
struct Read {
    number: u32,
    op: OpId,
    key: Key,
    value: Value,
    version: Option<u64>,
    /// Total index at which the write of the value began; 0 for the initial value.
    born: u32,
}

type Change = (u32, Value, Option<u64>);

fn reads(history: &History) -> Vec<Read> {
    let mut born = ValueIndex::with_capacity(history.access_count());
    for (op, entry) in history.ops() {
        for (_, key, access) in history.accesses(op) {
            if let Access::Write { value } | Access::Update { value, .. } = access {
                born.insert(key, value, entry.invoke);
            }
        }
    }
    let mut reads = Vec::new();
    for (op, _) in history.ops().filter(|(_, entry)| entry.outcome == Outcome::Ok) {
        for (number, key, access) in history.accesses(op) {
            if let Access::Read { value, version } = access {
                let born = born.get(key, value).unwrap_or(0);
                reads.push(Read { number, op, key, value, version, born });
            }
        }
    }
    reads
}

/// The value of an earlier read of the same key that was certainly replaced before `pick` began:
/// one read of it had ended before the write of another value began, and that one was read too.
fn stale(history: &History, reads: &[Read], pick: Read) -> Vec<Change> {
    let begun = history.op(pick.op).invoke;
    let end = |read: &Read| history.op(read.op).deadline();
    let mut past = reads.iter().rev().filter(|read| read.key == pick.key && end(read) < begun);
    let Some(seen) = past.next() else {
        return Vec::new();
    };
    match past.find(|read| end(read) < seen.born) {
        Some(old) => vec![(pick.number, old.value, old.version)],
        None => Vec::new(),
    }
}

/// Every reader of the picked version sees an older one instead.
fn dropped(history: &History, reads: &[Read], pick: Read) -> Vec<Change> {
    let older = reads.iter().rev().find(|read| {
        read.key == pick.key
            && read.version < pick.version
            && history.op(read.op).deadline() < history.op(pick.op).invoke
    });
    let Some(older) = older else {
        return Vec::new();
    };
    let readers = reads.iter().filter(|read| read.key == pick.key && read.value == pick.value);
    readers.map(|read| (read.number, older.value, older.version)).collect()
}

fn swapped(reads: &[Read], one: Read, other: Read) -> Vec<Change> {
    let _ = reads;
    if one.key != other.key || one.value == other.value {
        return Vec::new();
    }
    vec![(one.number, other.value, other.version), (other.number, one.value, one.version)]
}

fn rebuild(history: &History, changes: &[Change]) -> History {
    let mut copy = History::new();
    for event in history.events() {
        let op = history.op(event.op);
        match event.kind {
            EventKind::Invoke => {
                let new = copy.invoke(op.process, history.at(op.invoke));
                for (number, key, access) in history.accesses(event.op) {
                    let change = changes.iter().find(|change| change.0 == number);
                    match (change, access) {
                        (Some(&(_, value, version)), _) => copy.read(new, key, value, version),
                        (None, Access::ReadList { list }) => {
                            copy.read_list(new, key, history.list(list));
                        }
                        (None, access) => copy.access(new, key, access),
                    }
                }
                if let Some(number) = op.commit() {
                    copy.set_commit(new, number);
                }
                copy.set_outcome(new, op.outcome);
            }
            EventKind::Return => {
                let at = op.returned().map_or(0, |index| history.at(index));
                copy.complete(event.op, op.outcome, at);
            }
        }
    }
    copy
}
