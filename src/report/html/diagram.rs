//! The space-time diagram: a column for each process and one for the store, time downward, an arrow
//! for every way of a request.
//!
//! ```text
//!   P(fail)   #    ms     writer-1   store   writer-2    label
//!     ▒      12   4.001      ●─────────▶●                 writer-1  update m/head ...
//! ```
//! [`layout`](super::layout) says where each event stands and which are drawn small. Small dots and
//! the arrows between them are one path for each colour: a few bytes an event.

use std::fmt::Write as _;

use sim::trace::{Kind, Row};

use super::arrows::markers;
use super::layout::{FULL, Layout, Stretch};
use super::markup::Markup;
use super::{COLOURS, View, milliseconds, spell};
use crate::report::names::{ShortNames, clipped};
use crate::report::run::Band;
use crate::report::story::row_text;
use crate::report::{grouped, known};

/// Room for the chances at the left edge.
const CHANCES: i64 = 40;

/// Room for numbers and times.
const NUMBERS: i64 = 150;

/// Widest label, in letters.
const LABEL_MAX: usize = 110;

/// Width of a letter of a label, in tenths of a pixel, with a little to spare.
const LETTER: i64 = 70;

/// The diagram with its legend and the note that says what is drawn small.
pub(super) fn diagram(view: &View<'_>, names: &ShortNames, page: &mut Markup) {
    let picture = Picture::of(view, names);
    picture.say_what_is_small(page);
    page.open(
        "div",
        &[
            ("class", "scroll"),
            ("tabindex", "0"),
            ("role", "group"),
            ("aria-label", "space-time diagram: processes and store as columns, time downward"),
        ],
    );
    picture.header(page);
    picture.body(page);
    page.close("div");
    legend(page);
}

pub(super) struct Picture<'a> {
    pub(super) view: &'a View<'a>,
    names: &'a ShortNames,
    pub(super) layout: Layout,
    /// Left edge of the columns.
    left: i64,
    /// Distance between two columns.
    step: i64,
    width: i64,
}

impl<'a> Picture<'a> {
    fn of(view: &'a View<'a>, names: &'a ShortNames) -> Self {
        let columns = view.run.processes.len() as i64 + 1;
        let step = if columns <= 5 { 84 } else { 42 };
        let layout = Layout::of(view.run);
        let labels = view.run.trace.iter().zip(&layout.full).filter(|(_, full)| **full);
        let longest = labels.map(|(row, _)| label(row, names).chars().count()).max().unwrap_or(0);
        let left = NUMBERS + if !known::chances(view.run).is_empty() { CHANCES } else { 0 };
        let width = left + columns * step + 12 + longest as i64 * LETTER / 10 + 20;
        Picture { view, names, layout, left, step, width: width.max(520) }
    }

    /// The place of the store among the columns: in the middle.
    fn store_column(&self) -> usize {
        self.view.run.processes.len().div_ceil(2)
    }

    fn x_of(&self, column: usize) -> i64 {
        self.left + self.step / 2 + column as i64 * self.step
    }

    pub(super) fn store_x(&self) -> i64 {
        self.x_of(self.store_column())
    }

    /// Where a process stands; the world stands before all columns.
    pub(super) fn process_x(&self, name: &str) -> i64 {
        match self.view.run.processes.iter().position(|process| process == name) {
            Some(place) => self.x_of(place + usize::from(place >= self.store_column())),
            None => self.left - 6,
        }
    }

    fn labels_x(&self) -> i64 {
        self.x_of(self.view.run.processes.len()) + self.step / 2 + 12
    }

    fn say_what_is_small(&self, page: &mut Markup) {
        let run = self.view.run;
        let (all, full) = (run.trace.len() as u64, self.layout.drawn_in_full() as u64);
        let mut said = format!("{} events", grouped(run.counts.events));
        if run.unseen.before > 0 {
            let _ = write!(
                said,
                "; the first {} are left out ({})",
                grouped(run.unseen.before),
                if self.view.is_excerpt() {
                    "--no-reduce tells them"
                } else {
                    "--ring N keeps more"
                }
            );
        }
        if run.unseen.after > 0 {
            let _ = write!(said, "; the last {} were not asked for", grouped(run.unseen.after));
        }
        let which = match run.story {
            Some(_) => "those of the story and around it",
            None => "those of the beginning and what befell processes",
        };
        match all - full {
            0 if all < run.counts.events => said.push_str("; all others are drawn in full."),
            0 => said.push_str("; all of them are drawn in full."),
            small => {
                let _ = write!(
                    said,
                    "; {} are drawn in full, {which}, and the other {} as small dots without text. \
                     Each is a line of the trace.",
                    grouped(full),
                    grouped(small)
                );
            }
        }
        said.push_str(
            " Time goes downward, line by line and not to scale; a long pause is a broken line \
             with its length.",
        );
        page.leaf("p", &[("class", "hint")], &said);
    }

    /// Names of the columns; they stay in sight.
    fn header(&self, page: &mut Markup) {
        let slanted = self.step < 60;
        let height = if slanted { 84 } else { 30 };
        page.open(
            "svg",
            &[
                ("class", "heads"),
                ("viewBox", &format!("0 0 {} {height}", self.width)),
                ("width", &self.width.to_string()),
                ("height", &height.to_string()),
                ("aria-hidden", "true"),
            ],
        );
        let bottom = height - 8;
        for (x, text) in [(self.left - 110, "#"), (self.left - 24, "ms")] {
            let place = [("x", &*x.to_string()), ("y", &*bottom.to_string())];
            page.leaf("text", &[place[0], place[1], ("text-anchor", "end")], text);
        }
        if !known::chances(self.view.run).is_empty() {
            page.leaf("text", &[("x", "2"), ("y", &bottom.to_string())], "P(fail)");
        }
        let mut heads = vec![(self.store_x(), String::from("store"), String::from("store"))];
        for process in &self.view.run.processes {
            let colour = self.view.colour(process).unwrap_or_default();
            let room = if slanted { 15 } else { 11 };
            heads.push((self.process_x(process), clipped(process, room), colour));
        }
        for (x, name, colour) in heads {
            let class = format!("head {colour}");
            match slanted {
                true => {
                    let turn = format!("translate({x} {bottom}) rotate(-45)");
                    page.leaf("text", &[("class", &class), ("transform", &turn)], &name);
                }
                false => {
                    let (x, y) = (x.to_string(), bottom.to_string());
                    let place = [("x", &*x), ("y", &*y), ("text-anchor", "middle")];
                    page.leaf("text", &[("class", &class), place[0], place[1], place[2]], &name);
                }
            }
        }
        page.close("svg");
    }

    fn body(&self, page: &mut Markup) {
        let view_box = format!("0 0 {} {}", self.width, self.layout.height);
        page.open(
            "svg",
            &[
                ("class", "diagram"),
                ("width", &self.width.to_string()),
                ("height", &self.layout.height.to_string()),
                ("viewBox", &view_box),
                ("data-small", &self.small_lines()),
            ],
        );
        page.raw(&markers(self.view.prefix));
        self.lifelines(page);
        for band in &self.view.run.bands {
            self.band(band, page);
        }
        self.breaks(page);
        self.small_dots(page);
        self.arrows(page);
        self.chances(page);
        self.notes(page);
        for (place, row) in self.view.run.trace.iter().enumerate() {
            if self.layout.full[place] {
                self.line(place, row, page);
            }
        }
        page.close("svg");
    }

    /// For the script: which line of the trace a small dot is.
    fn small_lines(&self) -> String {
        let stretches = self.layout.stretches.iter();
        let told: Vec<String> =
            stretches.map(|Stretch { from, count, y }| format!("{from},{count},{y}")).collect();
        told.join(";")
    }

    fn lifelines(&self, page: &mut Markup) {
        let height = self.layout.height;
        for column in 0..=self.view.run.processes.len() {
            let class = if column == self.store_column() { "life store" } else { "life" };
            let x = self.x_of(column);
            page.single("path", &[("class", class), ("d", &format!("M{x} 0V{height}"))]);
        }
    }

    fn band(&self, band: &Band, page: &mut Markup) {
        let x = band.process.as_deref().map_or(self.store_x(), |name| self.process_x(name));
        let place = |event| self.view.run.place_of(event).map(|place| self.layout.y[place]);
        let Some(from) = place(band.from) else { return };
        let to = band.to.map_or(Some(self.layout.height), place).unwrap_or(self.layout.height);
        spell(band, [&(x - 9), &(from - 4), &18, &(to - from + 8)], page);
    }

    /// Long pauses: the lifelines are broken there.
    fn breaks(&self, page: &mut Markup) {
        for pause in &self.layout.breaks {
            let right = self.labels_x() - 12;
            let (y, half) = (pause.y, 3);
            let mut path = format!("M{} {y}", self.left - 10);
            let mut x = self.left - 10;
            while x < right {
                let _ = write!(path, "l5 -{half}l10 {}l5 -{half}", half * 2);
                x += 20;
            }
            page.single("path", &[("class", "break"), ("d", &path)]);
            let (x, y) = ((self.left - 18).to_string(), (y + 4).to_string());
            let text = format!("{} ms", milliseconds(pause.ns / 1000));
            let place = [("x", &*x), ("y", &*y), ("text-anchor", "end")];
            page.leaf("text", &[("class", "pause"), place[0], place[1], place[2]], &text);
        }
    }

    /// Dots of the events that are drawn small, one path for each colour.
    fn small_dots(&self, page: &mut Markup) {
        let mut paths = vec![String::new(); COLOURS + 2];
        for (place, row) in self.view.run.trace.iter().enumerate() {
            if self.layout.full[place] {
                continue;
            }
            let column = self.view.run.processes.iter().position(|name| *name == row.process);
            let path = match (row.kind, column) {
                (Kind::Fault | Kind::Crash | Kind::RuleBroken, _) | (_, None) => COLOURS,
                (Kind::Apply, _) => COLOURS + 1,
                (_, Some(column)) => column % COLOURS,
            };
            let _ = write!(paths[path], "M{} {}h0", self.x_of_row(row), self.layout.y[place]);
        }
        for (index, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let class = match index {
                COLOURS => String::from("small bad"),
                index if index > COLOURS => String::from("small store"),
                index => format!("small p{index}"),
            };
            page.single("path", &[("class", &class), ("d", path)]);
        }
    }

    fn x_of_row(&self, row: &Row) -> i64 {
        if row.kind == Kind::Apply { self.store_x() } else { self.process_x(&row.process) }
    }

    /// How likely the failure is from each event on.
    fn chances(&self, page: &mut Markup) {
        let chances = known::chances(self.view.run);
        for (index, chance) in chances.iter().enumerate() {
            let Some(from) = self.point(chance.event, 0) else { continue };
            let next = chances.get(index + 1).and_then(|next| self.point(next.event, 0));
            let to = next.map_or(self.layout.height, |next| next.y);
            let percent = chance.tally.percent();
            let opacity = format!("{}.{:02}", percent / 100, percent % 100);
            page.open(
                "rect",
                &[
                    ("class", "chance"),
                    ("x", "2"),
                    ("y", &from.y.to_string()),
                    ("width", "12"),
                    ("height", &(to - from.y).max(2).to_string()),
                    ("fill-opacity", &opacity),
                ],
            );
            let said = format!("from event {} on {percent} % fail", chance.event);
            page.leaf("title", &[], &said);
            page.close("rect");
            let y = (from.y + 4).to_string();
            page.leaf(
                "text",
                &[("class", "percent"), ("x", "18"), ("y", &y)],
                &format!("{percent}%"),
            );
        }
    }

    /// What stands for the lines that are drawn small.
    fn notes(&self, page: &mut Markup) {
        let mut place = 0;
        while place < self.layout.full.len() {
            let small = self.layout.full[place..].iter().take_while(|full| !**full).count();
            if small == 0 {
                place += 1;
                continue;
            }
            let (first, last) = (place, place + small - 1);
            let events = (self.view.run.trace[first].event, self.view.run.trace[last].event);
            let text = format!("{small} events drawn small: #{} to #{}", events.0, events.1);
            let (x, y) = (self.labels_x().to_string(), (self.layout.y[first] - 8).to_string());
            page.leaf("text", &[("class", "note"), ("x", &x), ("y", &y)], &text);
            place = last + 1;
        }
    }

    /// One event in full.
    fn line(&self, place: usize, row: &Row, page: &mut Markup) {
        let (run, y) = (self.view.run, self.layout.y[place]);
        let is_error = run.first_error == Some(row.event) && row.kind != Kind::Log;
        let mut class = String::from("ev");
        for (applies, name) in [
            (is_error, " first-error"),
            (run.is_evidence(row.event) && row.kind != Kind::Log, " evidence"),
            (is_bad(row.kind), " bad"),
            (matches!(row.kind, Kind::Step | Kind::Mark | Kind::Log), " minor"),
        ] {
            class.push_str(if applies { name } else { "" });
        }
        let id = if is_error { format!("{}first-error", self.view.prefix) } else { String::new() };
        page.open(
            "a",
            &[
                ("class", &class),
                ("id", &id),
                ("href", &self.view.link(row.event)),
                ("data-at", &place.to_string()),
            ],
        );
        page.single(
            "rect",
            &[
                ("class", "hit"),
                ("y", &(y - FULL / 2).to_string()),
                ("width", &self.width.to_string()),
                ("height", &FULL.to_string()),
            ],
        );
        self.numbers(place, row, page);
        let colour = match row.kind {
            Kind::Apply => String::from("store"),
            _ => self.view.colour(&row.process).unwrap_or_default(),
        };
        let radius = if class.contains("minor") { "2.5" } else { "4.5" };
        let (x, middle) = (self.x_of_row(row).to_string(), y.to_string());
        let dot = format!("dot {colour}");
        page.single("circle", &[("class", &dot), ("cx", &x), ("cy", &middle), ("r", radius)]);
        let (x, base) = (self.labels_x().to_string(), (y + 4).to_string());
        page.open("text", &[("x", &x), ("y", &base)]);
        let colour = self.view.colour(&row.process).unwrap_or_default();
        page.leaf("tspan", &[("class", &format!("who {colour}"))], &row.process);
        page.text(" ");
        page.text(&label_text(row, self.names));
        page.close("text");
        page.close("a");
    }

    /// Number and time of an event; the time only where it differs from that of the line above.
    fn numbers(&self, place: usize, row: &Row, page: &mut Markup) {
        let base = (self.layout.y[place] + 4).to_string();
        let mut write = |x: i64, text: &str| {
            let x = x.to_string();
            page.leaf("text", &[("class", "n"), ("x", &x), ("y", &base)], text);
        };
        write(self.left - 100, &row.event.to_string());
        let above = place.checked_sub(1).filter(|above| self.layout.full[*above]);
        let same = above.is_some_and(|above| self.view.run.trace[above].at_ns == row.at_ns);
        if !same {
            write(self.left - 18, &milliseconds(row.at_ns / 1000));
        }
    }
}

fn is_bad(kind: Kind) -> bool {
    matches!(kind, Kind::Fault | Kind::Crash | Kind::Stall | Kind::RuleBroken | Kind::Panic)
}

/// What an event is called: its process and what happened.
fn label(row: &Row, names: &ShortNames) -> String {
    format!("{} {}", row.process, label_text(row, names))
}

fn label_text(row: &Row, names: &ShortNames) -> String {
    clipped(&names.shorten(&row_text(row)), LABEL_MAX)
}

fn legend(page: &mut Markup) {
    page.open("p", &[("class", "legend hint")]);
    for (class, text) in [
        ("key down", "down"),
        ("key stalled", "stalled"),
        ("key cut-off", "cut off from the store"),
        ("key outage", "store not well"),
    ] {
        page.leaf("i", &[("class", class)], " ");
        page.leaf("span", &[], text);
        page.text(" ");
    }
    page.close("p");
    page.open("p", &[("class", "hint")]);
    page.text(
        "Solid arrows are requests, dashed ones answers; a cross is where one was lost, and one \
         that stops short was on its way at the end.",
    );
    page.close("p");
}
