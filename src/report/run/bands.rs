//! What lasted: spells in which a process was away or the store was not well.
//!
//! A crash, a stall and their ends are events. That a process is cut off, or that the store is not
//! well, shows only in the requests that meet it: such a band reaches from the first of them to
//! the last, and so is at most as long as the spell was. Hits belong to one band as long as nothing
//! between them says that the spell was over: for a process, an answer that reached it; for the
//! store, [`UNHURT_MAX`] requests in a row that took effect. (A spell may hit only a share of the
//! requests.)

use serde::Serialize;
use sim::trace::{Kind, Row};

use super::build::fault_name;
use super::exchanges::Exchanges;

/// So many unhurt requests in a row end a spell of the store.
const UNHURT_MAX: u32 = 20;

/// What kind of spell it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BandKind {
    /// The process had crashed and was not back.
    Down,
    /// The process did not run.
    Stalled,
    /// The process could not reach the store.
    CutOff,
    /// The store was not well.
    Outage,
}

impl BandKind {
    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BandKind::Down => "down",
            BandKind::Stalled => "stalled",
            BandKind::CutOff => "cut off",
            BandKind::Outage => "store not well",
        }
    }
}

/// A spell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Band {
    /// What kind.
    pub kind: BandKind,
    /// The process; `None` for the store.
    pub process: Option<String>,
    /// Its first event.
    pub from: u64,
    /// Its last event; `None` if it lasted beyond what is told.
    pub to: Option<u64>,
    /// What happened, in words.
    pub what: String,
}

/// A band that may still grow.
struct Open {
    band: Band,
    unhurt: u32,
    hits: u32,
}

/// All spells of a trace, in the order of their beginning.
pub(super) fn bands(trace: &[Row], exchanges: &Exchanges) -> Vec<Band> {
    let mut done = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for row in trace {
        match row.kind {
            Kind::Crash => {
                close(&mut open, &mut done, |band| is_of(band, &row.process), Some(row.event));
                open.push(begin(BandKind::Down, Some(row), row.event, String::from("crashed")));
            }
            Kind::Stall => {
                let what = format!("stalled for {} ms", row.a / 1_000_000);
                open.push(begin(BandKind::Stalled, Some(row), row.event, what));
            }
            Kind::Restart => {
                let ends = |band: &Band| band.kind == BandKind::Down && is_of(band, &row.process);
                close(&mut open, &mut done, ends, Some(row.event));
            }
            Kind::Resume => {
                let ends =
                    |band: &Band| band.kind == BandKind::Stalled && is_of(band, &row.process);
                close(&mut open, &mut done, ends, Some(row.event));
            }
            Kind::Fault => hit(row, &mut open),
            Kind::Reply if row.b >= 100 => {
                let ends = |band: &Band| band.kind == BandKind::CutOff && is_of(band, &row.process);
                close(&mut open, &mut done, ends, None);
            }
            Kind::Apply if exchanges.get(row.a).is_none_or(|found| found.faults.is_empty()) => {
                for spell in open.iter_mut().filter(|spell| spell.band.kind == BandKind::Outage) {
                    spell.unhurt += 1;
                }
                let mut over = open.iter().filter(|spell| spell.unhurt >= UNHURT_MAX);
                if let Some(what) = over.next().map(|spell| spell.band.from) {
                    close(&mut open, &mut done, |band| band.from == what, None);
                }
            }
            _ => {}
        }
    }
    close(&mut open, &mut done, |_| true, None);
    done.sort_by_key(|band| band.from);
    done
}

fn is_of(band: &Band, process: &str) -> bool {
    band.process.as_deref() == Some(process)
}

fn begin(kind: BandKind, process: Option<&Row>, from: u64, what: String) -> Open {
    let process = process.map(|row| row.process.clone());
    Open { band: Band { kind, process, from, to: None, what }, unhurt: 0, hits: 1 }
}

/// A request met a spell, or another fault.
fn hit(row: &Row, open: &mut Vec<Open>) {
    let (kind, process) = match row.detail.as_str() {
        "fault.partition" => (BandKind::CutOff, Some(row)),
        name if name.starts_with("fault.outage_") => (BandKind::Outage, None),
        _ => return,
    };
    let what = fault_name(&row.detail);
    let owner = process.map(|row| row.process.as_str());
    let same = |spell: &&mut Open| {
        let band = &spell.band;
        band.kind == kind && band.process.as_deref() == owner && band.what == what
    };
    match open.iter_mut().find(same) {
        Some(spell) => {
            spell.band.to = Some(row.event);
            spell.unhurt = 0;
            spell.hits += 1;
        }
        None => {
            let mut spell = begin(kind, process, row.event, what);
            spell.band.to = Some(row.event);
            open.push(spell);
        }
    }
}

/// Ends the bands that `ends` picks, at `at` or where they were seen last.
fn close(
    open: &mut Vec<Open>,
    done: &mut Vec<Band>,
    ends: impl Fn(&Band) -> bool,
    at: Option<u64>,
) {
    let mut index = 0;
    while index < open.len() {
        if !ends(&open[index].band) {
            index += 1;
            continue;
        }
        let Open { mut band, hits, .. } = open.remove(index);
        band.to = at.or(band.to);
        if matches!(band.kind, BandKind::CutOff | BandKind::Outage) {
            let plural = if hits == 1 { "" } else { "s" };
            band.what = format!("{}: {hits} request{plural} hit", band.what);
        }
        done.push(band);
    }
}
