//! A second system under test: a log of numbered objects, each created with put-if-absent.
//!
//! This is how Delta tables commit: record 17 is the object `log/00000017`, and whoever creates it
//! has committed. Run it like `vopr` itself:
//! ```text
//! cargo run --release --example numbered_log -- -n 2000
//! cargo run --release --example numbered_log -- -n 200 --bug own-put-taken-for-rival
//! ```
//! The second command plants the flaw that such logs really had: the store's client retries a PUT
//! whose reply was lost, is told "already exists" because of its own record, and appends it again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, path::Path};
use sim::ProcessId;
use sim_storage::model::Applied;
use vopr::checkers::{Class, Ending, Judge, Rule};
use vopr::system::{
    Auditor, BugInfo, Executing, Guarantees, OpenContext, Opening, Recorder, Session,
    SystemUnderTest,
};
use vopr::workload::{KeyId, OpId, OpKind, Operation, ReadTarget, Write, decode_value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberedLog {
    Sound,
    Flawed,
}
impl SystemUnderTest for NumberedLog {
    fn name(&self) -> &'static str {
        "numbered-log"
    }
    fn guarantees(&self) -> Guarantees {
        Guarantees { survives_torn_put: |_| false, ..Guarantees::default() }
    }
    fn operations(&self) -> &'static [OpKind] {
        &[OpKind::Put, OpKind::Get]
    }
    fn bugs(&self) -> Vec<BugInfo> {
        vec![BugInfo {
            name: "own-put-taken-for-rival",
            sentence: "'Already exists' is always taken for a rival's record, never the own one.",
            origin: "delta-rs#268",
            class: Class::PhantomCommit,
            also: &[],
        }]
    }
    fn with_bug(&self, name: &str) -> Option<Arc<dyn SystemUnderTest>> {
        (name == self.bugs()[0].name).then(|| Arc::new(NumberedLog::Flawed) as _)
    }
    fn open(&self, context: OpenContext) -> Opening {
        let (store, pause) = (context.store, context.tuning.typical_request / 2);
        let (applied, map) = (Cell::new(0), RefCell::default());
        let log: Rc<dyn Session> = Rc::new(Log { store, pause, system: *self, applied, map });
        Box::pin(std::future::ready(Ok(log)))
    }
    fn auditor(&self) -> Box<dyn Auditor> {
        Box::new(LogAuditor)
    }
}

/// What one process knows of the log.
struct Log {
    store: Arc<dyn ObjectStore>,
    pause: Duration,
    system: NumberedLog,
    /// Number of the newest record that is in the map.
    applied: Cell<u64>,
    map: RefCell<BTreeMap<KeyId, (u64, Vec<u8>)>>,
}

fn name(number: u64) -> Path {
    Path::from(format!("log/{number:08}"))
}

/// A record: the operation, the key, the value.
fn decode(record: &[u8]) -> Option<(OpId, KeyId, &[u8])> {
    let (op, rest) = record.split_first_chunk()?;
    let (key, value) = rest.split_at_checked(KeyId::LEN)?;
    Some((OpId(u32::from_le_bytes(*op)), KeyId::decode(key)?, value))
}

impl Log {
    /// The record of this number, if it exists. Tries until the store answers with a whole body.
    async fn read(&self, number: u64) -> Option<Vec<u8>> {
        loop {
            match self.store.get(&name(number)).await {
                Err(Error::NotFound { .. }) => return None,
                Err(_) => {}
                Ok(answer) => {
                    let size = answer.meta.size;
                    let body = answer.bytes().await.unwrap_or_default();
                    if body.len() as u64 == size {
                        return Some(body.to_vec());
                    }
                }
            }
            sim::sleep(self.pause).await;
        }
    }

    /// Reads on from the newest record that is known to the end of the log.
    async fn catch_up(&self) {
        // Another client of this process may be faster: only the next record is applied.
        let mut next = self.applied.get() + 1;
        while let Some(record) = self.read(next).await {
            if let Some((_, key, value)) =
                decode(&record).filter(|_| next == self.applied.get() + 1)
            {
                self.map.borrow_mut().insert(key, (next, value.to_vec()));
                self.applied.set(next);
            }
            next = self.applied.get() + 1;
        }
    }

    /// Appends the record under the first free number.
    async fn append(&self, record: Vec<u8>) -> Ending {
        let mut number = self.applied.get() + 1;
        for _ in 0..200 {
            let path = name(number);
            let put = self.store.put_opts(&path, record.clone().into(), PutMode::Create.into());
            match put.await {
                Ok(_) => {
                    return Ending::Ok { commit: Some(number) };
                }
                Err(Error::AlreadyExists { .. }) if self.system == NumberedLog::Flawed => {
                    number += 1
                }
                Err(_) => {
                    match self.read(number).await {
                        Some(found) if found == record => {
                            return Ending::Ok { commit: Some(number) };
                        }
                        Some(_) => {
                            number += 1;
                        }
                        // It may still land; the same bytes under the same name can land once.
                        None => sim::sleep(self.pause).await,
                    }
                }
            }
        }
        Ending::Unknown
    }
}

impl Session for Log {
    fn execute<'a>(&'a self, operation: &'a Operation, seen: &'a Recorder) -> Executing<'a> {
        Box::pin(async move {
            self.catch_up().await;
            if let [Write::Put(key)] = operation.writes[..] {
                let op = operation.id.0.to_le_bytes();
                return self.append([&op[..], &key.encode(), &seen.value(0)].concat()).await;
            }
            seen.snapshot(self.applied.get());
            let map = self.map.borrow();
            if let [ReadTarget::Key(key)] = operation.reads[..] {
                seen.saw(key, map.get(&key).map(|(number, value)| (Some(*number), &value[..])));
            }
            Ending::Ok { commit: None }
        })
    }
}

/// Every object that appears under `log/` is a commit.
#[derive(Debug)]
struct LogAuditor;
impl Auditor for LogAuditor {
    fn applied(&mut self, change: &Applied<'_>, judge: &mut Judge) {
        let process = ProcessId(change.origin.process);
        let next = judge.commits() + 1;
        let record = change.after.and_then(|version| decode(&version.body));
        let appended = change.before.is_none() && change.text == name(next).as_ref();
        match record.filter(|_| appended) {
            None => {
                let what = format!("{} appeared, changed or vanished", change.text);
                judge.broken(Rule::HistoryWhole, process, what, &[]);
            }
            Some((op, key, value)) => {
                judge.commit(process, Some(op), [(Write::Put(key), decode_value(value).ok())]);
            }
        }
    }
}

/// The log as written.
pub(crate) fn sound() -> Arc<dyn SystemUnderTest> {
    Arc::new(NumberedLog::Sound)
}

fn main() -> ExitCode {
    vopr::cli::main(&[sound()])
}
