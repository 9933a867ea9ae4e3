//! The case of one failing run: what broke, and questions to the trace about how it came about.
//!
//! Every test of a class or a cause asks these questions and nothing else, so that what counts as
//! evidence is decided in one place. A question is answered with rows; a test returns the numbers
//! of the rows that convinced it, oldest first.

use std::collections::BTreeMap;

use sim::trace::{Kind, Row};

use crate::checkers::{Finding, Rule};
use crate::world::WorldReport;

/// Events that prove something, oldest first.
pub(super) type Proof = Vec<u64>;

/// Faults that leave a client in doubt about what became of its request.
const DOUBTS: [&str; 6] = [
    "fault.reply_lost",
    "fault.late_apply",
    "fault.duplicate",
    "fault.error_500_after",
    "fault.timeout",
    "fault.request_lost",
];

/// Faults that give a client other bytes than the object has.
const DAMAGE: [&str; 3] = ["fault.short_body", "fault.broken_body", "fault.bit_flip"];

/// Faults that leave an object torn in the store.
const TEARS: [&str; 2] = ["fault.torn_put", "fault.torn_upload"];

/// One failing run.
pub(super) struct Case<'a> {
    pub(super) finding: &'a Finding,
    pub(super) rows: &'a [Row],
    publications: &'a BTreeMap<String, u64>,
    /// Name of the process whose action broke the rule.
    process: &'a str,
}

impl<'a> Case<'a> {
    pub(super) fn new(finding: &'a Finding, report: &'a WorldReport) -> Self {
        let rows = &report.trace[..];
        let broken = rows.iter().find(|row| row.event == finding.event);
        let process = broken.map_or("", |row| row.process.as_str());
        Case { finding, rows, publications: &report.publications, process }
    }

    pub(super) fn broke(&self, rules: &[Rule]) -> bool {
        rules.contains(&self.finding.rule)
    }

    /// Rows up to the broken rule, newest first.
    pub(super) fn before(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let until = self.finding.event;
        self.rows.iter().rev().filter(move |row| row.event <= until)
    }

    /// Those of the process in question.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let process = self.process;
        self.before().filter(move |row| row.process == process)
    }

    /// The beginning of the operation in question.
    pub(super) fn invoked(&self) -> Option<&'a Row> {
        self.rows
            .iter()
            .find(|row| row.kind == Kind::Invoke && self.finding.evidence.contains(&row.event))
    }

    /// What the process did since the operation began, newest first.
    pub(super) fn window(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let since = self.invoked().map_or(0, |row| row.event);
        self.own().take_while(move |row| row.event >= since)
    }

    /// The last crash of the process in question, unless it never crashed.
    pub(super) fn crash(&self) -> Option<&'a Row> {
        self.own().find(|row| row.kind == Kind::Crash)
    }

    /// The newest write of the root by the process in question.
    pub(super) fn root_put(&self) -> Option<&'a Row> {
        self.own().find(|row| row.kind == Kind::Request && is_root_write(&row.detail))
    }

    /// What left the outcome of a request of the operation unknown, newest first: a fault, or
    /// simply no answer in time.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        self.window().filter(|row| {
            let unanswered = row.kind == Kind::Reply && row.b < 100;
            unanswered || is_fault(row, &DOUBTS)
        })
    }

    /// Answers of this status to the process in question, newest first.
    pub(super) fn answers(&self, status: u64) -> impl Iterator<Item = &'a Row> + use<'a> {
        self.own().filter(move |row| row.kind == Kind::Reply && row.b == status)
    }

    /// A body that reached the process other than the store holds it, and that it took: whoever had
    /// asked for the object did not ask again.
    pub(super) fn accepted_damage(&self) -> Option<Proof> {
        let mut asked_again: Vec<&Row> = Vec::new();
        let mut damaged: Vec<&Row> = Vec::new();
        for row in self.own().take_while(|row| row.kind != Kind::Crash) {
            if is_fault(row, &DAMAGE) {
                damaged.push(row);
            }
            if row.kind != Kind::Request || !is_read(&row.detail) {
                continue;
            }
            if let Some(damage) = damaged.iter().find(|damage| damage.a == row.a)
                && !asked_again.iter().any(|other| is_of_same(other, row))
            {
                let answered = self
                    .own()
                    .find(|reply| reply.kind == Kind::Reply && reply.a == row.a && reply.b == 200);
                // What no root names may be done without.
                if let Some(reply) = answered.filter(|reply| self.is_published(reply)) {
                    return Some(vec![damage.event, reply.event]);
                }
            }
            asked_again.push(row);
        }
        None
    }

    /// Damage that the operation in question took, and went on: it asked for something after that.
    pub(super) fn went_on_with_damage(&self) -> Option<Proof> {
        let damage = self.accepted_damage()?;
        let (since, answered) = (self.invoked()?.event, *damage.last()?);
        let went_on = self.own().any(|row| row.kind == Kind::Request && row.event > answered);
        (damage[0] > since && went_on).then_some(damage)
    }

    /// A torn object that a root names and that the process read afterwards.
    pub(super) fn accepted_torn(&self) -> Option<Proof> {
        self.before().filter(|row| is_fault(row, &TEARS)).find_map(|torn| {
            let read = self.own().find(|row| {
                row.kind == Kind::Reply
                    && row.object == torn.object
                    && row.event > torn.event
                    && row.b == 200
                    && self.is_published(row)
            })?;
            Some(vec![torn.event, read.event])
        })
    }

    /// A published object that a client of the process asked for, did not get, and did without: it
    /// did not ask again, nor did its operation fail. A snapshot is loaded by the first operation
    /// that needs it, so the whole life of the process is looked at, newest first.
    pub(super) fn missed_object(&self) -> Option<Proof> {
        let mut got = Vec::new();
        let mut asked: Vec<&Row> = Vec::new();
        let mut ended: Vec<&Row> = Vec::new();
        for row in self.own().take_while(|row| row.kind != Kind::Crash) {
            if is_success(row.kind) || is_failure(row.kind) {
                ended.push(row);
            }
            if !is_read(&row.detail) || !self.is_published(row) {
                continue;
            }
            if row.kind == Kind::Reply && row.b == 200 {
                got.push(row.a);
            }
            if row.kind == Kind::Request {
                let ending = ended.iter().rev().find(|end| row.task != 0 && end.task == row.task);
                let gave_up = ending.is_some_and(|end| is_failure(end.kind));
                let again = asked.iter().any(|other| is_of_same(other, row));
                if !got.contains(&row.a) && !again && !gave_up {
                    return Some(vec![row.event]);
                }
                asked.push(row);
            }
        }
        None
    }

    /// Unpublished work that another process, or an earlier life of this one, had left and from
    /// which the process made what is wrong: when it was written, and when it was read. What the
    /// process read last of that kind is what it began with.
    pub(super) fn work_taken_up(&self) -> Option<Proof> {
        let kin = self.objects();
        let read = self.own().find(|row| {
            let name = (row.kind == Kind::Reply && row.b == 200).then(|| get_name(&row.detail));
            name.flatten().is_some_and(|name| {
                !is_root(name) && kin.iter().any(|other| same_folder(other, name))
            })
        })?;
        let is_damaged = self.rows.iter().any(|row| row.a == read.a && is_fault(row, &DAMAGE));
        if self.is_published(read) || is_damaged {
            return None;
        }
        let written = self.life_of(get_name(&read.detail)?).next()?;
        let crashed = self.rows.iter().find(|row| {
            row.kind == Kind::Crash
                && row.process == written.process
                && (written.event..read.event).contains(&row.event)
        });
        let left = crashed.is_some() || written.process != self.process;
        left.then(|| {
            let crash = crashed.map(|row| row.event);
            [Some(written.event), crash, Some(read.event)].into_iter().flatten().collect()
        })
    }

    /// The process crashed and started again, and this is the first thing that it does since; before
    /// the crash it was right.
    pub(super) fn first_after_restart(&self) -> Option<Proof> {
        let crash = self.crash()?;
        let done = |row: &&Row| is_success(row.kind);
        let right_since = self.own().filter(done).any(|row| row.event > crash.event);
        let right_before = self.own().filter(done).find(|row| row.event < crash.event)?;
        (!right_since).then(|| vec![right_before.event, crash.event])
    }

    /// An object that the operation read and that no root has named.
    pub(super) fn read_unpublished(&self) -> Option<Proof> {
        if self.publications.is_empty() {
            return None;
        }
        let read = self.window().find(|row| {
            let name = (row.kind == Kind::Reply && row.b == 200).then(|| get_name(&row.detail));
            name.flatten().is_some_and(|name| {
                !is_root(name)
                    && self.publications.keys().any(|other| same_folder(other, name))
                    && !self.is_published(row)
            })
        })?;
        Some(vec![read.event])
    }

    /// Whether a root had named the object that this row reads.
    fn is_published(&self, row: &Row) -> bool {
        get_name(&row.detail)
            .and_then(|name| self.publications.get(name))
            .is_some_and(|event| *event <= row.event)
    }

    /// A pin that nobody renews any more, that is listed again and again while nothing else is left
    /// to do, and that nobody even tries to remove: when it was written last, and the last two looks.
    /// As long as it stays, nothing that is younger can be collected.
    pub(super) fn waits_for_the_dead(&self) -> Option<Proof> {
        let calm = self.before().find(|row| row.kind == Kind::Phase)?.event;
        let looks = self.before().take_while(|row| row.event > calm);
        let mut looks = looks.filter(|row| {
            row.kind == Kind::Reply
                && row.detail.starts_with("list ")
                && row.detail.contains("/pin/")
        });
        let (last, before) = (looks.next()?, looks.next()?);
        let stays = |pin: &&Row| {
            pin.event < before.event
                && is_write(&pin.detail)
                && pin.detail.contains("/pin/")
                && written_name(&pin.detail)
                    .is_some_and(|name| !self.life_of(name).any(|row| row.event > pin.event))
        };
        let applied = |row: &&Row| row.kind == Kind::Apply && row.b == 200;
        let tried = |pin: &&Row| {
            let mut later = self.before().take_while(|row| row.event > pin.event);
            later.any(|row| {
                row.kind == Kind::Request
                    && row.detail.starts_with("delete")
                    && row.detail.split(' ').any(|name| Some(name) == written_name(&pin.detail))
            })
        };
        let looked_at = |pin: &&Row| {
            let get = self.before().take_while(|row| row.event > calm);
            get.into_iter().any(|row| row.kind == Kind::Reply && row.object == pin.object)
        };
        let mut pins = self.rows.iter().filter(applied).filter(stays).filter(looked_at);
        let pin = pins.find(|pin| !tried(pin))?;
        Some(vec![pin.event, before.event, last.event])
    }

    /// What is done to an object in the store, oldest first.
    pub(super) fn life_of(&self, name: &'a str) -> impl Iterator<Item = &'a Row> + use<'a> {
        let changes = |row: &&Row| row.kind == Kind::Apply && row.b == 200;
        self.rows.iter().filter(changes).filter(move |row| {
            !is_read(&row.detail) && row.detail.split(' ').any(|word| word == name)
        })
    }

    /// The objects that the finding is about: those that its sentence names.
    pub(super) fn objects(&self) -> Vec<&'a str> {
        let names = self.rows.iter().filter_map(|row| {
            let name = get_name(&row.detail).or_else(|| written_name(&row.detail))?;
            let (_, short) = name.split_once('/')?;
            (self.finding.what.contains(short) && short != "head").then_some(name)
        });
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

pub(super) fn is_fault(row: &Row, names: &[&str]) -> bool {
    row.kind == Kind::Fault && names.iter().any(|name| row.detail.starts_with(name))
}

/// Whether two requests are for one object and by one client. The task is not known of a request
/// that left when a stall ended.
fn is_of_same(one: &Row, other: &Row) -> bool {
    one.object == other.object && (one.task == other.task || one.task == 0 || other.task == 0)
}

fn is_failure(kind: Kind) -> bool {
    matches!(kind, Kind::Fail | Kind::Unknown)
}

fn is_success(kind: Kind) -> bool {
    matches!(kind, Kind::Ok | Kind::Read | Kind::Scan | Kind::ReadModifyWrite)
}

/// The object that a request reads: `get NAME ...`.
fn get_name(detail: &str) -> Option<&str> {
    detail.strip_prefix("get ")?.split(' ').next()
}

fn written_name(detail: &str) -> Option<&str> {
    let verbs = ["put ", "create ", "update ", "delete "];
    verbs.iter().find_map(|verb| detail.strip_prefix(verb))?.split(' ').next()
}

pub(super) fn is_read(detail: &str) -> bool {
    detail.starts_with("get ")
}

pub(super) fn is_write(detail: &str) -> bool {
    ["put ", "create ", "update "].iter().any(|verb| detail.starts_with(verb))
}

fn is_root(detail: &str) -> bool {
    detail.split(' ').any(|word| word.ends_with("/head"))
}

pub(super) fn is_root_write(detail: &str) -> bool {
    is_write(detail) && is_root(detail)
}

fn same_folder(one: &str, other: &str) -> bool {
    let folder = |name: &'_ str| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    folder(one) == folder(other)
}
