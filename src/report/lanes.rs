//! A run as lanes of text: one column for each process of the story, the store among them, time
//! downward.
//!
//! ```text
//!    #      ms   writer-1                     store                     writer-2
//!    1   0.000   get head ─────────────────▶    17
//!    3   4.000                                  ✗   ◀───────────────   put head     FAULT request lost
//! ```
//! A request points to the store and an answer away from it. Where a request takes effect before
//! anything else of the story happens, both stand on one line; otherwise the request has a dot in
//! the store's column (on its way), and stands once more, in parentheses, where it takes effect. Only the events of the story are shown: those
//! that prove the failure, what their processes did last, and of every request in it all events.
//! Text that is longer than its column is cut with `…`; numbers in names are made short. The whole
//! of it stands in `vopr replay` and in the HTML report.

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use sim::trace::{Kind, Row};

use super::known;
use super::names::{ShortNames, clipped};
use super::run::{Run, RunReport};
use super::story::{row_text, shortened};
use crate::examine::Weight;

/// Widest column of a process, in letters.
const WIDTH_MAX: usize = 42;

/// Width of the store's column.
const STORE: usize = 14;

/// The run as lanes, followed by class, causes and what else is known. It ends with a line break.
#[must_use]
pub fn to_lanes(report: &RunReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &RunReport, out: &mut String) -> fmt::Result {
    let run = report.best();
    let name = report.name();
    let bug = report.bug.as_deref().map(|bug| format!("   planted bug {bug}")).unwrap_or_default();
    writeln!(out, "vopr {}   {name}   system {}{bug}", report.version, report.system)?;
    writeln!(out)?;
    let Some(story) = &run.story else {
        let counts = &run.counts;
        return writeln!(
            out,
            "PASS   {name}   events {}, requests {}, operations {}, commits {}\n       nothing failed, so there is nothing to explain",
            counts.events, counts.requests, counts.operations, counts.commits
        );
    };
    writeln!(out, "FAIL   {name}   {}   broken: {}", story.class, story.rule)?;
    writeln!(out, "       {}", story.what)?;
    if let Some(reduction) = &report.reduction {
        writeln!(out, "       {reduction}")?;
    }
    writeln!(out)?;
    let lanes = Lanes::of(run);
    lanes.write(out)?;
    write_findings(report, run, out)
}

fn write_findings(report: &RunReport, run: &Run, out: &mut String) -> fmt::Result {
    let Some(story) = &run.story else { return Ok(()) };
    let entry = |out: &mut String, head: &str, body: &str| writeln!(out, "{head:8}  {body}");
    entry(out, "class", &format!("{}: {}", story.class, story.meaning))?;
    if !story.also.is_empty() {
        entry(out, "also", &story.also.join(", "))?;
    }
    if !run.proof.is_empty() {
        entry(out, "proof", &events(&run.proof))?;
    }
    for (index, cause) in story.causes.iter().enumerate() {
        let evidence = match cause.evidence.as_slice() {
            [] => String::new(),
            found => format!("      evidence: {}", events(found)),
        };
        let head = if index == 0 { "causes" } else { "" };
        entry(out, head, &format!("{}. {}{evidence}", index + 1, cause.sentence))?;
    }
    write_examined(report, run, out)?;
    if let Some(group) = &report.group {
        entry(out, "group", group)?;
    }
    entry(out, "rule", &format!("{}      {}", story.rule, story.place))?;
    for (index, command) in report.next.iter().enumerate() {
        entry(out, if index == 0 { "next" } else { "" }, command)?;
    }
    Ok(())
}

/// What many runs of its plan have told.
fn write_examined(report: &RunReport, run: &Run, out: &mut String) -> fmt::Result {
    let Some(examined) = &run.examined else { return Ok(()) };
    writeln!(out, "as it is  {}", known::as_it_is(examined))?;
    for (name, weight) in [("needed", Weight::Needed), ("helps", Weight::Helps)] {
        let parts = known::parts(examined, weight);
        let width = parts.iter().map(|part| letters(&part.what)).max().unwrap_or(0).min(WIDTH_MAX);
        for (index, part) in parts.iter().enumerate() {
            let event = part.event.map(|event| event.to_string()).unwrap_or_default();
            let head = if index == 0 { name } else { "" };
            let fill = width.saturating_sub(letters(&part.what));
            let space = " ".repeat(fill);
            writeln!(out, "{head:8}  {event:>5} {}{space}  {}", part.what, part.said)?;
        }
    }
    let free = known::free(run, report.reduction.as_ref());
    if !free.is_empty() {
        writeln!(out, "free      {}", free.join("; "))?;
    }
    let chances = known::chances_text(run);
    if !chances.is_empty() {
        let runs = examined.chances.first().map_or(0, |chance| chance.tally.runs);
        let turns = known::turns(run);
        writeln!(out, "too late  P(fail) in {runs} fresh runs from event n on:  {chances}")?;
        writeln!(out, "          {turns}")?;
    }
    if examined.is_cut_short {
        writeln!(out, "          {}", known::CUT_SHORT)?;
    }
    Ok(())
}

fn events(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("event{} {}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

/// On which side of the store a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// One line of the picture.
struct Lane {
    event: u64,
    /// The event that is told on the same line.
    merged: Option<u64>,
    at_ns: u64,
    evidence: bool,
    /// Column of the process; `None` for what happens to the world.
    column: Option<usize>,
    text: String,
    arrow: Arrow,
    /// What stands in the store's column.
    store: String,
    /// What stands behind all columns.
    note: String,
}

impl Lane {
    fn merge(&mut self, event: u64, evidence: bool) {
        self.merged = Some(event);
        self.evidence |= evidence;
    }

    /// The numbers of its events.
    fn numbers(&self) -> String {
        let more = self.merged.map(|event| format!(",{event}")).unwrap_or_default();
        format!("{}{more}", self.event)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrow {
    None,
    ToStore,
    FromStore,
}

/// The whole picture.
struct Lanes {
    columns: Vec<String>,
    widths: Vec<usize>,
    lines: Vec<Lane>,
    /// Width of the numbers of events.
    numbers: usize,
    total: u64,
}

impl Lanes {
    fn of(run: &Run) -> Lanes {
        let told = run.story_events();
        let rows: Vec<&Row> = told.iter().filter_map(|event| run.row(*event)).collect();
        let names = ShortNames::of(rows.iter().map(|row| row.detail.as_str()));
        let takes_part = |name: &&String| rows.iter().any(|row| row.process == **name);
        let columns: Vec<String> = run.processes.iter().filter(takes_part).cloned().collect();
        let mut lines: Vec<Lane> = Vec::new();
        for row in rows {
            let lane = lane(run, row, &columns, &names);
            let merges = lines.last().is_some_and(|last| follows(run, last.event, row));
            match lines.last_mut() {
                // It takes effect before anything else happens.
                Some(last) if merges && row.kind == Kind::Apply => {
                    last.store = lane.store;
                    last.merge(row.event, lane.evidence);
                }
                Some(last) if merges => {
                    last.note = lane.note;
                    last.store = String::from("✗");
                    last.merge(row.event, lane.evidence);
                }
                _ => lines.push(lane),
            }
        }
        let width = |(index, name): (usize, &String)| {
            let texts = lines.iter().filter(|line| line.column == Some(index));
            let longest = texts.map(|line| letters(&line.text) + 5).max().unwrap_or(0).max(9);
            longest.max(letters(name)).min(WIDTH_MAX)
        };
        let widths = columns.iter().enumerate().map(width).collect();
        let numbers = lines.iter().map(|line| line.numbers().len()).max().unwrap_or(0).max(5);
        Lanes { columns, widths, lines, numbers, total: run.counts.events }
    }

    /// Processes up to this one stand left of the store.
    fn left(&self) -> usize {
        self.columns.len().div_ceil(2)
    }

    fn side(&self, column: usize) -> Side {
        if column < self.left() { Side::Left } else { Side::Right }
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let mut head = format!(" {:>1$} {2:>12}   ", "#", self.numbers, "ms");
        for (column, name) in self.columns.iter().enumerate() {
            if column == self.left() {
                let _ = write!(head, "{}   ", centred("store", STORE));
            }
            let _ = write!(head, "{}   ", padded(name, self.widths[column]));
        }
        if self.left() == self.columns.len() {
            head.push_str(&centred("store", STORE));
        }
        writeln!(out, "{}", head.trim_end())?;
        for line in &self.lines {
            self.write_line(line, out)?;
        }
        writeln!(
            out,
            "  {} of {} events; * proves the failure; · is on its way",
            self.lines.iter().map(|line| 1 + usize::from(line.merged.is_some())).sum::<usize>(),
            self.total
        )?;
        writeln!(out)
    }

    fn write_line(&self, line: &Lane, out: &mut String) -> fmt::Result {
        let mark = if line.evidence { '*' } else { ' ' };
        let (ms, us) = (line.at_ns / 1_000_000, line.at_ns / 1000 % 1000);
        let mut text = format!("{mark}{:>1$} {ms:>8}.{us:03}   ", line.numbers(), self.numbers);
        for column in 0..=self.columns.len() {
            if column == self.left() {
                let _ = write!(text, "{}   ", centred(&line.store, STORE));
            }
            if column < self.columns.len() {
                text.push_str(&self.cell(line, column));
            }
        }
        if !line.note.is_empty() {
            text.push_str(&line.note);
        }
        writeln!(out, "{}", text.trim_end())
    }

    /// One cell with the space behind it. An arrow that has columns between itself and the store
    /// crosses them.
    fn cell(&self, line: &Lane, column: usize) -> String {
        let width = self.widths[column];
        let Some(own) = line.column else { return " ".repeat(width + 3) };
        let side = self.side(own);
        let between = match side {
            Side::Left => (own + 1..self.left()).contains(&column),
            Side::Right => (self.left()..own).contains(&column),
        };
        if line.arrow != Arrow::None && between {
            return self.crossing(line, column, side);
        }
        if column != own {
            return " ".repeat(width + 3);
        }
        let last_before_store = side == Side::Left && column + 1 == self.left();
        let touches = match side {
            Side::Left => last_before_store,
            Side::Right => column == self.left(),
        };
        let head = match (line.arrow, side) {
            (Arrow::None, _) => return format!("{}   ", padded(&line.text, width)),
            (Arrow::ToStore, Side::Left) => ("", if touches { "▶  " } else { "───" }),
            (Arrow::FromStore, Side::Left) => ("◀", if touches { "   " } else { "───" }),
            (Arrow::ToStore, Side::Right) => (if touches { "◀" } else { "─" }, "   "),
            (Arrow::FromStore, Side::Right) => ("", "   "),
        };
        match side {
            Side::Left => {
                let text = clipped(&line.text, width - 3);
                let shaft = shaft(width - letters(&text) - 1, head.0, "");
                format!("{text} {shaft}{}", head.1)
            }
            Side::Right => {
                let text = clipped(&line.text, width - 3);
                let tip = if line.arrow == Arrow::FromStore { "▶" } else { "" };
                let shaft = shaft(width - letters(&text) - 1, head.0, tip);
                format!("{shaft} {text}{}", head.1)
            }
        }
    }

    /// The part of an arrow that crosses a foreign column.
    fn crossing(&self, line: &Lane, column: usize, side: Side) -> String {
        let width = self.widths[column];
        let touches = match side {
            Side::Left => column + 1 == self.left(),
            Side::Right => column == self.left(),
        };
        let shaft = "─".repeat(width);
        match (side, line.arrow, touches) {
            (Side::Left, Arrow::ToStore, true) => format!("{shaft}▶  "),
            (Side::Right, Arrow::ToStore, true) => format!("◀{}───", "─".repeat(width - 1)),
            (Side::Left, _, true) => format!("{shaft}   "),
            _ => format!("{shaft}───"),
        }
    }
}

/// Whether `row` goes on with what the event `last` began: the same request reaches the store, or
/// is lost, with nothing of the story in between.
fn follows(run: &Run, last: u64, row: &Row) -> bool {
    let before = run.row(last);
    before.is_some_and(|before| {
        before.kind == Kind::Request
            && before.a == row.a
            && matches!(row.kind, Kind::Apply | Kind::Fault)
            && run.exchange_of(row).is_some_and(|exchange| {
                // A fault that lets the request through is told where it strikes.
                row.kind == Kind::Apply || exchange.applied.is_empty()
            })
    })
}

fn lane(run: &Run, row: &Row, columns: &[String], names: &ShortNames) -> Lane {
    let text = names.shorten(&row_text(row));
    let mut lane = Lane {
        event: row.event,
        merged: None,
        at_ns: row.at_ns,
        evidence: run.is_evidence(row.event),
        column: columns.iter().position(|name| *name == row.process),
        text: String::new(),
        arrow: Arrow::None,
        store: String::new(),
        note: String::new(),
    };
    match row.kind {
        Kind::Request => {
            (lane.text, lane.arrow) = (text, Arrow::ToStore);
            // On its way; replaced if it arrives before anything else happens.
            lane.store = String::from("·");
        }
        Kind::Apply => {
            let request = row.detail.rsplit_once(" -> ").map_or("", |(request, _)| request);
            lane.text = format!("({})", names.shorten(&shortened(request)));
            lane.arrow = Arrow::ToStore;
            lane.store = row.b.to_string();
        }
        Kind::Reply => {
            lane.arrow = Arrow::FromStore;
            lane.text = match row.b {
                0 => String::from("connection lost"),
                1 => String::from("no answer in time"),
                status => status.to_string(),
            };
            if row.b < 100 {
                lane.arrow = Arrow::None;
            }
        }
        Kind::Fault => lane.note = text,
        Kind::RuleBroken => lane.note = String::from("WRONG  rule broken"),
        Kind::Phase => lane.note = format!("── {text} ──"),
        _ => lane.text = text,
    }
    lane
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, width: usize) -> String {
    let text = clipped(text, width);
    let fill = width - letters(&text);
    format!("{text}{}", " ".repeat(fill))
}

fn centred(text: &str, width: usize) -> String {
    let text = clipped(text, width);
    let left = (width - letters(&text)) / 2;
    padded(&format!("{}{text}", " ".repeat(left)), width)
}

/// A line of this length with these ends.
fn shaft(length: usize, from: &str, to: &str) -> String {
    let ends = letters(from) + letters(to);
    format!("{from}{}{to}", "─".repeat(length.saturating_sub(ends)))
}
