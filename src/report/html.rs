//! A run as one HTML file that needs nothing else: no network, and no JavaScript to be read.
//!
//! ```text
//!   RunReport ──▶ page ─┬─ story    class, causes, the space-time diagram, the events of the story
//!                       ├─ store    objects and their versions
//!                       ├─ history  operations of clients
//!                       ├─ faults   what was done to the world
//!                       ├─ time     latency and rate
//!                       ├─ options  what the world was like
//!                       └─ trace    every event as a line of JSON: its anchor, and the one copy of it
//! ```
//! Names of objects and all other text of a run are hostile until they are escaped, and only
//! [`markup`] writes text into the page. The script never makes markup from text either.
//!
//! Every event stands in the page once, as a line of the trace with the anchor `#e` and its number
//! (`#re` in the reduced run). Everything else links there. Without JavaScript the parts of the
//! page stand one below the other; with it they are tabs, and the chosen event is shown beside the
//! diagram.

mod arrows;
mod chart;
mod diagram;
mod layout;
mod markup;
mod night;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use super::names::ShortNames;
use super::run::{Band, BandKind, Run, RunReport};
use super::{ReducedLine, Story, grouped};
use markup::Markup;

pub use night::{GroupLinks, Moment, NightPage, to_night_html};

const STYLE: &str = include_str!("assets/report.css");
const SCRIPT: &str = include_str!("assets/report.js");

/// Nothing is fetched, whatever the page says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The report as one HTML file.
#[must_use]
pub fn to_html(report: &RunReport) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.open("html", &[("lang", "en")]);
    head(report, &mut page);
    page.open("body", &[]);
    banner(report, &mut page);
    page.open("main", &[]);
    if let Some(reduced) = &report.reduced {
        run(&View { run: reduced, report, prefix: "r", name: REDUCED }, &mut page);
    }
    let excerpt = report.reduced.as_ref().map(|reduced| report.full.last(beside(reduced)));
    let full = excerpt.as_ref().unwrap_or(&report.full);
    run(&View { run: full, report, prefix: "", name: "full" }, &mut page);
    page.close("main");
    page.raw("<script>\n");
    page.raw(SCRIPT);
    page.raw("</script>\n");
    page.close("body");
    page.close("html");
    page.into_text()
}

/// Events of the full run that are told beside a reduced one.
fn beside(reduced: &Run) -> usize {
    BESIDE.saturating_sub(reduced.trace.len()).max(BESIDE_LEAST)
}

/// Events that a page with two runs tells of both together, and those of the full one in any case:
/// an event takes some 600 bytes, and a page is to stay under 300 kB.
const BESIDE: usize = 360;
const BESIDE_LEAST: usize = 60;

/// One run on its way to the page.
struct View<'a> {
    run: &'a Run,
    report: &'a RunReport,
    /// What anchors begin with.
    prefix: &'static str,
    name: &'static str,
}

impl View<'_> {
    /// How much smaller than the full run it is, if it is the reduced one.
    fn reduction(&self) -> Option<&ReducedLine> {
        self.report.reduction.as_ref().filter(|_| self.name == REDUCED)
    }

    /// Whether less is told than is known.
    fn is_excerpt(&self) -> bool {
        self.name != REDUCED && self.run.trace.len() < self.report.full.trace.len()
    }

    /// The link to an event: its line in the trace.
    fn link(&self, event: u64) -> String {
        format!("#{}e{event}", self.prefix)
    }

    /// The number of an event, as a link if the event is told.
    fn reference(&self, event: u64, page: &mut Markup) {
        let text = format!("#{event}");
        match self.run.place_of(event) {
            Some(_) => page.leaf("a", &[("href", &self.link(event))], &text),
            None => page.leaf("span", &[], &text),
        }
    }

    /// Long numbers in names, made short where space is short.
    fn names(&self) -> ShortNames {
        ShortNames::of(self.run.trace.iter().map(|row| row.detail.as_str()))
    }

    /// The class of a process: its colour. `None` for the world.
    fn colour(&self, process: &str) -> Option<String> {
        let place = self.run.processes.iter().position(|name| name == process)?;
        Some(format!("p{}", place % COLOURS))
    }
}

/// The name of the run that was made small.
const REDUCED: &str = "reduced";

/// Colours of processes; the style sheet has as many.
const COLOURS: usize = 8;

fn head(report: &RunReport, page: &mut Markup) {
    page.open("head", &[]);
    page.single("meta", &[("charset", "utf-8")]);
    page.single("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    page.single(
        "meta",
        &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
    );
    page.single("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    let verdict = report.best().story.as_ref().map_or("PASS", |story| story.class.as_str());
    page.leaf("title", &[], &format!("vopr: {} {verdict}", report.name()));
    page.raw("<style>\n");
    page.raw(STYLE);
    page.raw("</style>\n");
    page.close("head");
}

/// The verdict, in the words of the domain.
fn banner(report: &RunReport, page: &mut Markup) {
    page.open("header", &[]);
    page.open("div", &[("class", "verdict")]);
    let run = report.best();
    match &run.story {
        None => page.leaf("strong", &[("class", "pass")], "PASS"),
        Some(_) => page.leaf("strong", &[("class", "fail")], "FAIL"),
    }
    page.leaf("span", &[("class", "seed")], &report.name());
    if let Some(story) = &run.story {
        page.leaf("h1", &[], &story.class);
    } else {
        page.leaf("h1", &[], "no rule was broken");
    }
    // The script shows these; without it they would do nothing.
    page.open("span", &[("class", "switches"), ("hidden", "hidden")]);
    if report.reduced.is_some() {
        page.leaf("button", &[("type", "button"), ("id", "switch-run")], "show the full run");
    }
    page.leaf("button", &[("type", "button"), ("id", "switch-theme")], "dark or light");
    page.close("span");
    page.close("div");
    if let Some(story) = &run.story {
        page.leaf("p", &[("class", "what")], &story.what);
        page.leaf("p", &[("class", "rule")], &format!("broken: {}", story.rule));
    }
    let bug = report.bug.as_deref().map(|bug| format!(", planted bug {bug}")).unwrap_or_default();
    if let Some(reduction) = &report.reduction {
        page.leaf(
            "p",
            &[("class", "rule")],
            &format!("{reduction}. The numbers are those of the reduced run."),
        );
    }
    let counts = &run.counts;
    page.leaf(
        "p",
        &[("class", "facts")],
        &format!(
            "vopr {}, system {}{bug}. Events {}, requests {}, operations {}, commits {}, virtual ms {}.",
            report.version,
            report.system,
            grouped(counts.events),
            grouped(counts.requests),
            grouped(counts.operations),
            grouped(counts.commits),
            grouped(counts.virtual_us / 1000),
        ),
    );
    page.close("header");
}

/// A tab: its name, and what writes it.
type Part<'a> = (&'static str, &'a dyn Fn(&mut Markup));

/// One run: all its tabs.
fn run(view: &View<'_>, page: &mut Markup) {
    page.open("div", &[("class", "run"), ("data-run", view.name), ("data-prefix", view.prefix)]);
    if view.report.reduced.is_some() {
        page.leaf("h2", &[("class", "run-name")], &format!("The {} run", view.name));
        excerpt(view, page);
    }
    let names = view.names();
    let parts: [Part<'_>; 7] = [
        ("story", &|page| story(view, &names, page)),
        ("store", &|page| tables::store(view, page)),
        ("history", &|page| tables::history(view, page)),
        ("faults", &|page| tables::faults(view, page)),
        ("time", &|page| chart::time(view, page)),
        ("options", &|page| tables::options(view, page)),
        ("trace", &|page| tables::trace(view, page)),
    ];
    page.open("nav", &[]);
    for (name, _) in &parts {
        page.leaf("a", &[("href", &format!("#{}{name}", view.prefix))], name);
    }
    page.close("nav");
    for (name, write) in parts {
        let id = format!("{}{name}", view.prefix);
        page.open("section", &[("id", &id), ("data-tab", name)]);
        page.leaf("h2", &[], heading(name));
        write(page);
        page.close("section");
    }
    page.close("div");
}

/// Says how much of a run is told, if it is not all that is known of it.
fn excerpt(view: &View<'_>, page: &mut Markup) {
    if view.is_excerpt() {
        let said = format!(
            "Only the last {} of its {} events are told here; with --no-reduce they all are.",
            grouped(view.run.trace.len() as u64),
            grouped(view.run.counts.events)
        );
        page.leaf("p", &[("class", "hint")], &said);
    }
}

fn heading(name: &str) -> &'static str {
    match name {
        "story" => "Story",
        "store" => "Store: objects and versions",
        "history" => "History: what clients did",
        "faults" => "Faults: what was done to the world",
        "time" => "Latency and rate over time",
        "options" => "Options of this world",
        _ => "Trace: every event",
    }
}

fn story(view: &View<'_>, names: &ShortNames, page: &mut Markup) {
    page.open("div", &[("class", "beside")]);
    page.open("div", &[("class", "picture")]);
    diagram::diagram(view, names, page);
    page.close("div");
    page.open("aside", &[("class", "details"), ("aria-live", "polite"), ("tabindex", "-1")]);
    page.leaf("h3", &[], "Event");
    page.leaf(
        "p",
        &[("class", "hint")],
        "Each event links to its line in the trace at the end of this page.",
    );
    page.close("aside");
    page.close("div");
    if let Some(story) = &view.run.story {
        told(view, story, names, page);
        findings(view, story, page);
    }
    page.open("dl", &[("class", "more")]);
    for (index, command) in view.report.next.iter().enumerate() {
        page.leaf("dt", &[], if index == 0 { "next" } else { "" });
        page.open("dd", &[]);
        page.leaf("code", &[], command);
        page.close("dd");
    }
    page.close("dl");
}

/// The events of the story as sentences.
fn told(view: &View<'_>, story: &Story, names: &ShortNames, page: &mut Markup) {
    page.open("div", &[("class", "told")]);
    page.leaf("h3", &[], "The events that matter");
    page.open("ol", &[("class", "lines")]);
    for line in &story.lines {
        let class = if line.evidence { "evidence" } else { "" };
        page.open("li", &[("class", class)]);
        view.reference(line.event, page);
        page.leaf("span", &[("class", "at")], &milliseconds(line.at_us));
        let colour = view.colour(&line.process).unwrap_or_default();
        page.leaf("b", &[("class", &colour)], &line.process);
        page.leaf("span", &[("class", "text")], &names.shorten(&line.text));
        page.close("li");
    }
    page.close("ol");
    page.leaf(
        "p",
        &[("class", "hint")],
        &format!(
            "{} of {} events. Bold ones prove the failure.",
            story.lines.len(),
            grouped(story.events)
        ),
    );
    page.close("div");
}

/// Class, causes, and what is known from other runs.
fn findings(view: &View<'_>, story: &Story, page: &mut Markup) {
    page.open("dl", &[("class", "findings")]);
    page.leaf("dt", &[], "class");
    page.leaf("dd", &[], &format!("{}: {}", story.class, story.meaning));
    if !story.also.is_empty() {
        page.leaf("dt", &[], "also");
        page.leaf("dd", &[], &story.also.join(", "));
    }
    if !view.run.proof.is_empty() {
        page.leaf("dt", &[], "proof");
        page.open("dd", &[]);
        links(view, &view.run.proof, page);
        page.close("dd");
    }
    if !story.causes.is_empty() {
        page.leaf("dt", &[], "probable causes");
        page.open("dd", &[]);
        page.open("ol", &[]);
        for cause in &story.causes {
            page.open("li", &[("class", if cause.evidence.is_empty() { "weak" } else { "" })]);
            page.leaf("span", &[], &cause.sentence);
            if !cause.evidence.is_empty() {
                page.text(". Evidence: ");
                links(view, &cause.evidence, page);
            }
            page.close("li");
        }
        page.close("ol");
        page.close("dd");
    }
    tables::known_from_other_runs(view, page);
    if let Some(group) = &view.report.group {
        page.leaf("dt", &[], "group");
        page.leaf("dd", &[], group);
    }
    page.leaf("dt", &[], "checked in");
    page.open("dd", &[]);
    page.leaf("code", &[], &story.place);
    page.close("dd");
    page.close("dl");
}

/// Links to events, one after another.
fn links(view: &View<'_>, events: &[u64], page: &mut Markup) {
    for event in events {
        view.reference(*event, page);
        page.text(" ");
    }
}

/// A spell as a rectangle at `x`, `y`, so wide and so high, that says what it is.
fn spell(band: &Band, [x, y, width, height]: [&dyn Display; 4], page: &mut Markup) {
    let class = match band.kind {
        BandKind::Down => "band down",
        BandKind::Stalled => "band stalled",
        BandKind::CutOff => "band cut-off",
        BandKind::Outage => "band outage",
    };
    page.open(
        "rect",
        &[
            ("class", class),
            ("x", &x.to_string()),
            ("y", &y.to_string()),
            ("width", &width.to_string()),
            ("height", &height.to_string()),
        ],
    );
    let who = band.process.as_deref().unwrap_or("store");
    page.leaf("title", &[], &format!("{who}: {}, {}", band.kind.name(), band.what));
    page.close("rect");
}

/// Microseconds as milliseconds with three decimals.
fn milliseconds(us: u64) -> String {
    format!("{}.{:03}", grouped(us / 1000), us % 1000)
}
