//! The interface by which any system on `Arc<dyn ObjectStore>` is put under test.
//!
//! A system says how to open itself in a process, how to execute one operation, and what it
//! claims. Everything else (worlds, faults, checks, search, reports) works for every system.
//!
//! ```text
//!   operations ──▶ Session::execute ──▶ your code ──▶ Arc<dyn ObjectStore> (simulated)
//!                        │                                   │ every applied request
//!                        ▼                                   ▼
//!                  Recorder: what was read             Auditor: what was committed
//!                        └──────────────▶ Judge ◀────────────┘
//! ```
//!
//! Two parts are yours to write beside the driver of your own API: the [`Session`], which turns an
//! [`Operation`] into calls and tells the [`Recorder`] what they returned, and the [`Auditor`],
//! which reads the bytes that reach the store and tells the [`Judge`] which commit they are. An
//! auditor should share no code with the system: it is the second opinion.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use object_store::ObjectStore;
use sim::{Draw, ProcessId};
use sim_storage::BodyDamage;
use sim_storage::model::Applied;

use crate::checkers::{Class, Ending, Judge, RequestKind, Said};
use crate::meter::Account;
use crate::workload::{KeyId, KeyRange, OpId, OpKind, Operation, ValueId};

/// A system that can be put under test.
pub trait SystemUnderTest: fmt::Debug + Send + Sync {
    /// Its name, as it stands in reports and after `--system`.
    fn name(&self) -> &'static str;

    /// What it promises.
    fn guarantees(&self) -> Guarantees;

    /// The kinds of operations that its sessions can execute.
    fn operations(&self) -> &'static [OpKind];

    /// The points that a campaign should reach, with what each means. The names are those of the
    /// steps and marks that the system emits.
    fn marks(&self) -> Vec<MarkInfo> {
        Vec::new()
    }

    /// Bugs that can be planted in it.
    fn bugs(&self) -> Vec<BugInfo> {
        Vec::new()
    }

    /// The same system with a bug planted; `None` if it has no bug of that name.
    fn with_bug(&self, name: &str) -> Option<Arc<dyn SystemUnderTest>> {
        let _ = name;
        None
    }

    /// The options that it uses in a world of this tuning, for people to read.
    fn describe(&self, tuning: &Tuning) -> String {
        let _ = tuning;
        String::new()
    }

    /// How long it waits for what in a world of this tuning, each with a name: time-outs, lifetimes
    /// of leases. Stalls are given lengths around these.
    fn timers(&self, tuning: &Tuning) -> Vec<(&'static str, Duration)> {
        let _ = tuning;
        Vec::new()
    }

    /// What its operations may cost in a world of this tuning. `None`: requests are not counted.
    fn budget(&self, tuning: &Tuning) -> Option<RequestBudget> {
        let _ = tuning;
        None
    }

    /// Work beside that of clients, by the name of the process that does it: a compactor, a
    /// collector. Worlds have none, one or two processes for each.
    fn duties(&self) -> &'static [&'static str] {
        &[]
    }

    /// Opens the system in a process, creating it if it is not there.
    fn open(&self, context: OpenContext) -> Opening;

    /// A fresh auditor for a world.
    fn auditor(&self) -> Box<dyn Auditor>;
}

/// What a system promises.
#[derive(Clone, Copy, Debug)]
pub struct Guarantees {
    /// Whether a client can hold on to an earlier snapshot.
    pub snapshots: Snapshots,
    /// Which objects may be left torn by a PUT that breaks off. The others are those that the
    /// system needs the store to write whole or not at all, as S3, GCS and Azure do.
    pub survives_torn_put: fn(object: &str) -> bool,
    /// Which damage of the bodies that it reads it notices. Wrong bits take checksums of its own.
    pub body_damage: BodyDamage,
}

impl Default for Guarantees {
    fn default() -> Self {
        Guarantees {
            snapshots: Snapshots::Momentary,
            survives_torn_put: |_| true,
            body_damage: BodyDamage::Visible,
        }
    }
}

/// Whether a client can hold on to an earlier snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshots {
    /// Every read is from the newest state that its process knows, or a newer one.
    Momentary,
    /// Clients may also read from snapshots that they opened before, or that others saved.
    Held,
}

/// What operations may cost, as credits of an account (see [`Budget`](crate::checkers::Budget)).
#[derive(Clone, Copy, Debug)]
pub struct RequestBudget {
    /// Which kind of request a PUT (`true`) or GET (`false`) of an object is; `None`: not counted.
    pub kind_of: fn(object: &str, verb: Verb) -> Option<RequestKind>,
    /// Opening the system, or creating it.
    pub opening: &'static [(RequestKind, u32)],
    /// An operation that writes, without what it reads.
    pub write: &'static [(RequestKind, u32)],
    /// A strong read.
    pub strong_read: &'static [(RequestKind, u32)],
    /// A read from a snapshot that the client holds, opening it included.
    pub held_read: &'static [(RequestKind, u32)],
    /// Upkeep, once.
    pub maintenance: &'static [(RequestKind, u32)],
    /// One round of each duty, in the order of [`SystemUnderTest::duties`].
    pub duties: &'static [&'static [(RequestKind, u32)]],
    /// After a request of the given kind that failed or was not answered.
    pub after_failure: fn(RequestKind) -> &'static [(RequestKind, u32)],
    /// After a GET of the root that returned a body: at most so many GETs of other objects.
    pub objects_of_a_root: u32,
}

/// The two requests that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// PUT.
    Put,
    /// GET or HEAD.
    Get,
}

/// Why a mark need not be reached by every long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rarity {
    /// A long run must reach it.
    Expected,
    /// It takes a rare coincidence; the reason is in the sentence.
    Rare,
    /// Only a planted bug reaches it.
    PlantedOnly,
}

/// A point that a campaign should reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkInfo {
    /// The name, as it is emitted.
    pub name: &'static str,
    /// What it means that it was reached.
    pub sentence: &'static str,
    /// Whether a long run must reach it.
    pub rarity: Rarity,
}

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BugInfo {
    /// Its id, as it stands after `--bug`.
    pub name: &'static str,
    /// What it changes.
    pub sentence: &'static str,
    /// Where it was seen in real systems.
    pub origin: &'static str,
    /// The class that the diagnosis should name.
    pub class: Class,
    /// Classes that are as good, depending on where the bug surfaces.
    pub also: &'static [Class],
}

/// How a world scales its systems: the same for all processes of the world.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Random words for the system's own options.
    pub draw: Draw,
    /// What a small request of the world's store usually takes; timers should be a small multiple.
    pub typical_request: Duration,
}

/// What a process opens the system with.
#[derive(Debug)]
pub struct OpenContext {
    /// The process.
    pub process: ProcessId,
    /// The store, as this process reaches it.
    pub store: Arc<dyn ObjectStore>,
    /// Scale of the world.
    pub tuning: Tuning,
    /// Things that processes of the world leave for each other.
    pub shelf: Shelf,
}

/// Bytes that a process leaves for others to find: what an application would send around outside
/// of the store. Things of one kind lie together.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Rc<RefCell<BTreeMap<&'static str, Vec<Bytes>>>>);

/// How many things of a kind a shelf holds. The oldest falls off.
const SHELF_PLACES: usize = 8;

impl Shelf {
    /// Leaves something of this kind.
    pub fn leave(&self, kind: &'static str, thing: Bytes) {
        let mut things = self.0.borrow_mut();
        let things = things.entry(kind).or_default();
        if things.len() == SHELF_PLACES {
            things.remove(0);
        }
        things.push(thing);
    }

    /// One of the things of this kind that lie there, `choice` modulo their number.
    #[must_use]
    pub fn find(&self, kind: &'static str, choice: usize) -> Option<Bytes> {
        let things = self.0.borrow();
        let things = things.get(kind)?;
        let place = choice.checked_rem(things.len())?;
        things.get(place).cloned()
    }
}

/// Why a system could not be opened. The process tries again later.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The store did not answer; trying again is right.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Something that trying again will not mend.
    #[error("{0}")]
    Broken(String),
}

/// A system being opened.
pub type Opening = LocalBoxFuture<'static, Result<Rc<dyn Session>, OpenError>>;

/// An operation being executed.
pub type Executing<'a> = LocalBoxFuture<'a, Ending>;

/// An opened system in one process. Several clients of the process use one session at once.
pub trait Session {
    /// Executes one operation, tells `seen` what it read, and returns how it ended.
    ///
    /// The written values are `ValueId::new(operation.id, position of the write)`; the operation's
    /// number must be stored with the commit, so that the [`Auditor`] finds it.
    fn execute<'a>(&'a self, operation: &'a Operation, seen: &'a Recorder) -> Executing<'a>;

    /// One round of a duty, by its place in [`SystemUnderTest::duties`]. If rounds differ,
    /// `round`, the number of this one, should decide how, and not how many there were before: then
    /// a plan can leave some out and the others do what they did. Errors are the session's own
    /// business.
    fn serve(&self, duty: usize, round: u32) -> Serving<'_> {
        let _ = (duty, round);
        Box::pin(std::future::ready(()))
    }

    /// Without faults: gives up whatever it holds for its clients.
    fn let_go(&self) -> Serving<'_> {
        Box::pin(std::future::ready(()))
    }

    /// Without faults, when all others have let go: removes what nobody needs.
    fn tidy(&self) -> Serving<'_> {
        Box::pin(std::future::ready(()))
    }

    /// Upkeep that somebody has to do now and then. Errors are the session's own business.
    fn maintain(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What [`Session::serve`] and its like return.
pub type Serving<'a> = LocalBoxFuture<'a, ()>;

/// Reads what reaches the store and tells the judge which commits took effect.
pub trait Auditor: fmt::Debug + Send {
    /// An object changed, just now.
    fn applied(&mut self, change: &Applied<'_>, judge: &mut Judge);

    /// The world is over, everything is calm, and somebody has tidied up.
    fn ended(&mut self, judge: &mut Judge) {
        let _ = judge;
    }
}

/// A judge that clients and the store's observer share. One thread runs a world, so nobody waits.
#[derive(Clone, Debug, Default)]
pub struct SharedJudge(Arc<Mutex<Judge>>);

impl SharedJudge {
    /// Locks the judge. The store must not be called meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Judge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the judge what one operation read.
#[derive(Debug)]
pub struct Recorder {
    judge: SharedJudge,
    account: Arc<Account>,
    op: OpId,
    filling: u16,
}

impl Recorder {
    pub(crate) fn new(judge: SharedJudge, account: Arc<Account>, op: OpId, filling: u16) -> Self {
        Recorder { judge, account, op, filling }
    }

    /// The operation reads the state after commit `seq` (0: before the first commit).
    pub fn snapshot(&self, seq: u64) {
        self.judge.lock().snapshot(self.op, seq);
    }

    /// It saw this under `key`: the commit that wrote it, if the system tells it, and the bytes.
    pub fn saw(&self, key: KeyId, found: Option<(Option<u64>, &[u8])>) {
        self.judge.lock().saw(self.op, key, found);
    }

    /// Inside its own transaction, after its writes and before it commits, it saw this under a key
    /// that it wrote.
    pub fn saw_own(&self, key: KeyId, found: Option<&[u8]>) {
        self.judge.lock().saw_own(self.op, key, found);
    }

    /// It saw exactly this in `range`, in key order.
    pub fn saw_range<'a>(
        &self,
        range: KeyRange,
        found: impl IntoIterator<Item = (KeyId, Option<u64>, &'a [u8])>,
    ) {
        self.judge.lock().saw_range(self.op, range, found);
    }

    /// The bytes of write number `write` of the operation.
    #[must_use]
    pub fn value(&self, write: usize) -> Vec<u8> {
        crate::workload::encode_value(ValueId::new(self.op, write), self.filling)
    }

    /// Its client asked what became of operation `of`, of whomever, and was told.
    pub fn told(&self, of: OpId, said: Said) {
        self.judge.lock().told(sim::current_process(), of, said);
    }

    /// The operation makes one more strong read, for which it may send requests.
    pub fn asks_once_more(&self) {
        self.account.strong_read();
    }
}
