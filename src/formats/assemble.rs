//! From events to a [`History`]: which operation each event belongs to, and what it did.

mod workloads;

use std::collections::BTreeMap;

use sim::history::{History, Key, NameTable, OpId, Outcome, Value};

use super::event::{Event, EventType, Source};
use super::model::{FailedCompare, Initial, Keys, Model, NilRead};
use super::term::Term;
use super::{FormatError, Recorded};
pub(super) use workloads::tuple;

/// An operation that has begun.
struct Open {
    op: OpId,
    f: String,
    key: Option<Term>,
    value: Term,
}

/// Collects events into a history.
pub(super) struct Assembler {
    model: Model,
    keys_in: Keys,
    history: History,
    names: NameTable,
    keys: BTreeMap<String, Key>,
    values: BTreeMap<String, Value>,
    processes: BTreeMap<String, u32>,
    open: BTreeMap<u32, Open>,
}

impl Assembler {
    pub(super) fn new(model: Model, keys_in: Keys, source: Source) -> Self {
        let model = match (model, source) {
            // The log says which compare-and-set looked and did not find.
            (Model::Register { initial, nil, .. }, Source::EtcdLog) => {
                Model::Register { initial, nil, failed: FailedCompare::Differs }
            }
            (model, _) => model,
        };
        let mut names = NameTable::default();
        names.values.push("nil".to_owned());
        let mut assembler = Assembler {
            model,
            keys_in,
            history: History::new(),
            names,
            keys: BTreeMap::new(),
            values: BTreeMap::new(),
            processes: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        if let Model::Register { initial: Initial::Number(number), .. } = model {
            // The value that keys start with is told to the checker as absence.
            assembler.values.insert(number.to_string(), Value::ABSENT);
            assembler.names.values[0] = number.to_string();
        }
        assembler
    }

    pub(super) fn finish(mut self) -> Recorded {
        for (_, open) in std::mem::take(&mut self.open) {
            // Shapes were checked at the invoke; what is left cannot fail.
            let _ = self.accesses(&open, None, 0);
        }
        Recorded { history: self.history, names: self.names, model: self.model }
    }

    pub(super) fn add(&mut self, mut event: Event) -> Result<(), FormatError> {
        if self.keys_in == Keys::InTuples
            && let Some((key, value)) = tuple(&event.value)
        {
            (event.key, event.value) = (Some(key.clone()), value.clone());
        }
        let wrong = |what: String| FormatError::Event { line: event.line, what };
        let process = self.process(&event.process);
        if event.kind == EventType::Invoke {
            if let Some(open) = self.open.remove(&process) {
                self.accesses(&open, None, event.line)?;
            }
            let op = self.history.invoke(process, event.line);
            let open = Open { op, f: event.f, key: event.key, value: event.value };
            self.open.insert(process, open);
            return Ok(());
        }
        let Some(open) = self.open.remove(&process) else {
            if event.kind == EventType::Info {
                return Ok(());
            }
            let process = event.process.print();
            return Err(wrong(format!(
                "process {process} ends an operation that it did not begin"
            )));
        };
        if open.f != event.f {
            return Err(wrong(format!(
                "{:?} ends an operation that began as {:?}",
                event.f, open.f
            )));
        }
        let op = open.op;
        let outcome = match event.kind {
            EventType::Ok => Outcome::Ok,
            EventType::Fail => self.failed(&open, event.line)?,
            _ => Outcome::Unknown,
        };
        match event.kind {
            EventType::Ok => self.accesses(&open, Some(&event.value), event.line)?,
            EventType::Info => self.accesses(&open, None, event.line)?,
            _ => {}
        }
        if let Some(number) = event.commit {
            self.history.set_commit(op, number);
        }
        self.history.complete(op, outcome, event.line);
        Ok(())
    }

    /// A failed compare-and-set may still say what the register did not hold; whatever else
    /// failed keeps its writes, which nobody may see.
    fn failed(&mut self, open: &Open, line: u64) -> Result<Outcome, FormatError> {
        let differs = matches!(self.model, Model::Register { failed: FailedCompare::Differs, .. });
        if differs
            && open.f == "cas"
            && let Some([from, _]) = open.value.list()
        {
            let (key, from) = (self.key(open.key.as_ref()), self.value(from));
            self.history.read_not(open.op, key, from, None);
            return Ok(Outcome::Ok);
        }
        self.accesses(open, None, line)?;
        Ok(Outcome::Failed)
    }

    fn process(&mut self, process: &Term) -> u32 {
        let next = self.processes.len() as u32;
        let name = process.print();
        if let Some(&number) = self.processes.get(&name) {
            return number;
        }
        self.names.processes.push(format!("p{name}"));
        self.processes.insert(name, next);
        next
    }

    fn key(&mut self, key: Option<&Term>) -> Key {
        let name = key.map_or_else(|| "x".to_owned(), Term::print);
        if let Some(&key) = self.keys.get(&name) {
            return key;
        }
        let key = Key(self.keys.len() as u32);
        self.names.keys.push(name.clone());
        self.keys.insert(name, key);
        key
    }

    fn value(&mut self, value: &Term) -> Value {
        if *value == Term::Nil {
            return Value::ABSENT;
        }
        self.named(value.print())
    }

    fn named(&mut self, name: String) -> Value {
        if let Some(&value) = self.values.get(&name) {
            return value;
        }
        let value = Value(self.names.values.len() as u64);
        self.names.values.push(name.clone());
        self.values.insert(name, value);
        value
    }

    /// Records what the operation did; `seen` is the value of its return if it returned well.
    fn accesses(&mut self, open: &Open, seen: Option<&Term>, line: u64) -> Result<(), FormatError> {
        let wrong = |what: &str| FormatError::Event {
            line,
            what: format!("{what}: {} {}", open.f, seen.unwrap_or(&open.value).print()),
        };
        let done = match self.model {
            Model::Register { nil, .. } => self.register(open, seen, nil),
            Model::Text => self.text(open, seen),
            Model::Mutex => self.mutex(open),
            Model::Bank => self.bank(open, seen),
            Model::Counter => self.counter(open, seen),
            Model::Set => self.set(open, seen),
            Model::Queue(_) | Model::TotalQueue => self.queue(open, seen),
            Model::UniqueIds => self.unique_ids(open, seen),
            Model::Comments => self.comments(open, seen),
            Model::Sequential => self.sequential(open, seen),
            Model::Transactions | Model::ListAppend(_) | Model::RwRegister(_) | Model::LongFork => {
                self.transaction(open, seen)
            }
        };
        done.ok_or_else(|| wrong("the operation does not fit the model"))
    }

    fn register(&mut self, open: &Open, seen: Option<&Term>, nil: NilRead) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match open.f.as_str() {
            "read" => match seen {
                None => self.history.read_unknown(open.op, key),
                Some(Term::Nil) if nil == NilRead::Free => {
                    self.history.read_unknown(open.op, key);
                }
                Some(Term::Nil) => self.history.read(open.op, key, Value::ABSENT, None),
                Some(value) => {
                    let value = self.value(value);
                    self.history.read(open.op, key, value, None);
                }
            },
            "write" => {
                let value = self.value(&open.value);
                self.history.write(open.op, key, value);
            }
            "cas" => {
                let [from, to] = open.value.list()? else {
                    return None;
                };
                let (from, to) = (self.value(from), self.value(to));
                self.history.update(open.op, key, from, None, to);
            }
            _ => return None,
        }
        Some(())
    }

    /// Texts are lists of characters: a put clears and appends, a get sees the whole list.
    fn text(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match open.f.as_str() {
            "get" => match seen {
                None => self.history.read_unknown(open.op, key),
                Some(value) => {
                    let list = self.letters(value);
                    self.history.read_list(open.op, key, &list);
                }
            },
            "put" | "append" => {
                if open.f == "put" {
                    self.history.write(open.op, key, Value::ABSENT);
                }
                for letter in self.letters(&open.value) {
                    self.history.append(open.op, key, letter);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn letters(&mut self, value: &Term) -> Vec<Value> {
        let text = if *value == Term::Nil { String::new() } else { value.print() };
        text.chars().map(|letter| self.named(letter.to_string())).collect()
    }

    fn mutex(&mut self, open: &Open) -> Option<()> {
        let key = self.key(open.key.as_ref());
        let held = self.named("held".to_owned());
        let (from, to) = match open.f.as_str() {
            "acquire" => (Value::ABSENT, held),
            "release" => (held, Value::ABSENT),
            _ => return None,
        };
        self.history.update(open.op, key, from, None, to);
        Some(())
    }

    fn bank(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        match open.f.as_str() {
            "read" => {
                let Some(Term::Map(accounts)) = seen else {
                    return Some(());
                };
                for (account, balance) in accounts {
                    // An account of nil balance does not exist.
                    let balance = if *balance == Term::Nil { 0 } else { balance.int()? };
                    let key = self.key(Some(account));
                    self.history.read(open.op, key, Value(balance as u64), None);
                }
            }
            "transfer" => {
                let amount = open.value.get("amount")?.int()?;
                for (side, amount) in [("from", amount.checked_neg()?), ("to", amount)] {
                    let key = self.key(open.value.get(side));
                    self.history.add(open.op, key, amount);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn counter(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match (open.f.as_str(), seen) {
            ("add", _) => self.history.add(open.op, key, open.value.int()?),
            ("read", Some(value)) => {
                self.history.read(open.op, key, Value(value.int()? as u64), None);
            }
            ("read", None) => self.history.read_unknown(open.op, key),
            _ => return None,
        }
        Some(())
    }

    fn set(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let key = self.key(open.key.as_ref());
        match (open.f.as_str(), seen) {
            ("add", _) => {
                let value = self.value(&open.value);
                self.history.append(open.op, key, value);
            }
            ("read", Some(value)) => {
                let elements = value.list().unwrap_or(&[]);
                let list: Vec<Value> = elements.iter().map(|element| self.value(element)).collect();
                self.history.read_list(open.op, key, &list);
            }
            ("read", None) => self.history.read_unknown(open.op, key),
            _ => return None,
        }
        Some(())
    }

    fn transaction(&mut self, open: &Open, seen: Option<&Term>) -> Option<()> {
        let micro = match seen {
            Some(Term::Nil) | None => open.value.list()?,
            Some(value) => value.list()?,
        };
        for item in micro {
            self.micro(open.op, item.list()?, seen.is_some())?;
        }
        Some(())
    }

    /// One of `[r k v]`, `[r k v version]`, `[w k v]`, `[append k v]`, `[cas k from to]`,
    /// `[cas k from to version]`, `[not k v]`, `[delete k]`.
    fn micro(&mut self, op: OpId, micro: &[Term], returned: bool) -> Option<()> {
        let key = self.key(Some(micro.get(1)?));
        let value = micro.get(2).unwrap_or(&Term::Nil);
        let version = |at: usize| {
            micro.get(at).and_then(Term::int).and_then(|number| u64::try_from(number).ok())
        };
        let lists = matches!(self.model, Model::ListAppend(_));
        match micro.first()?.text()? {
            "r" | "read" if !returned => self.history.read_unknown(op, key),
            "r" | "read" if lists => {
                let elements = value.list().unwrap_or(&[]);
                let list: Vec<Value> = elements.iter().map(|element| self.value(element)).collect();
                self.history.read_list(op, key, &list);
            }
            "r" | "read" => {
                let value = self.value(value);
                self.history.read(op, key, value, version(3));
            }
            "w" | "write" => {
                let value = self.value(value);
                self.history.write(op, key, value);
            }
            "append" => {
                let value = self.value(value);
                self.history.append(op, key, value);
            }
            "cas" => {
                let (from, to) = (self.value(value), self.value(micro.get(3)?));
                self.history.update(op, key, from, version(4), to);
            }
            "not" if returned => {
                let value = self.value(value);
                self.history.read_not(op, key, value, version(3));
            }
            "not" => self.history.read_unknown(op, key),
            "d" | "delete" => self.history.write(op, key, Value::ABSENT),
            _ => return None,
        }
        Some(())
    }
}
