//! The tabs that are tables: store, history, faults, options and the trace itself.

use std::collections::BTreeMap;

use super::markup::Markup;
use super::{View, links, milliseconds};
use crate::examine::Weight;
use crate::report::run::{Client, Object, Outcome};
use crate::report::{grouped, known};

/// A table with these headings that scrolls by itself where the page is narrow.
pub(super) fn table(page: &mut Markup, heads: &[&str], rows: impl FnOnce(&mut Markup)) {
    page.open("div", &[("class", "wide")]);
    page.open("table", &[]);
    page.open("thead", &[]);
    page.open("tr", &[]);
    for head in heads {
        page.leaf("th", &[("scope", "col")], head);
    }
    page.close("tr");
    page.close("thead");
    page.open("tbody", &[]);
    rows(page);
    page.close("tbody");
    page.close("table");
    page.close("div");
}

fn cell(page: &mut Markup, text: &str) {
    page.leaf("td", &[], text);
}

/// A cell whose text needs room.
fn long(page: &mut Markup, text: &str) {
    page.leaf("td", &[("class", "long")], text);
}

fn number(page: &mut Markup, text: &str) {
    page.leaf("td", &[("class", "n")], text);
}

fn event(view: &View<'_>, page: &mut Markup, event: u64) {
    page.open("td", &[("class", "n")]);
    view.reference(event, page);
    page.close("td");
}

/// A process in its colour.
fn process(view: &View<'_>, page: &mut Markup, name: &str) {
    page.leaf("td", &[("class", &view.colour(name).unwrap_or_default())], name);
}

/// Objects with their versions. The script hides what is younger than a chosen event.
pub(super) fn store(view: &View<'_>, page: &mut Markup) {
    let objects = &view.run.objects;
    let versions: usize = objects.iter().map(|object| object.versions.len()).sum();
    page.leaf(
        "p",
        &[("class", "hint")],
        &format!(
            "{} objects were written, {} versions and deletions, as they took effect in the store.",
            grouped(objects.len() as u64),
            grouped(versions as u64)
        ),
    );
    page.open("p", &[("class", "as-of"), ("hidden", "hidden")]);
    page.open("label", &[]);
    page.text("as of event ");
    page.single("input", &[("type", "number"), ("min", "0"), ("class", "as-of-event")]);
    page.close("label");
    page.leaf("span", &[("class", "as-of-said hint"), ("aria-live", "polite")], "");
    page.close("p");
    for object in objects {
        self::object(view, object, page);
    }
}

fn object(view: &View<'_>, object: &Object, page: &mut Markup) {
    page.open("details", &[("class", "object"), ("open", "open")]);
    page.open("summary", &[]);
    page.leaf("code", &[], &object.name);
    let last = object.versions.last();
    let state = match last {
        Some(version) if version.is_end() => "deleted",
        _ => "",
    };
    page.leaf("span", &[("class", "state")], state);
    page.close("summary");
    table(page, &["version", "event", "ms", "by", "request", "bytes", "commits"], |page| {
        for (index, version) in object.versions.iter().enumerate() {
            let class = if version.is_end() { "end" } else { "" };
            page.open("tr", &[("class", class), ("data-event", &version.event.to_string())]);
            number(page, &(index + 1).to_string());
            event(view, page, version.event);
            number(page, &milliseconds(version.at_us));
            process(view, page, &version.process);
            cell(page, &version.verb);
            number(page, &version.bytes.map(grouped).unwrap_or_default());
            let commits: Vec<String> = version.commits.iter().map(u64::to_string).collect();
            cell(page, &commits.join(", "));
            page.close("tr");
        }
    });
    page.close("details");
}

/// Operations, each with a bar where it stands in virtual time.
pub(super) fn history(view: &View<'_>, page: &mut Markup) {
    let operations = &view.run.operations;
    page.leaf(
        "p",
        &[("class", "hint")],
        &format!(
            "{} operations, in the order of their beginning. The bar is the time between invocation \
             and response, striped where the outcome is unknown. Commits in the order \
             of their numbers are the order in which the writes took effect.",
            grouped(operations.len() as u64)
        ),
    );
    let heads = ["op", "process", "what", "began", "ended", "outcome", "commit", "told", "when"];
    table(page, &heads, |page| {
        for operation in operations {
            self::operation(view, operation, page);
        }
    });
}

fn operation(view: &View<'_>, operation: &Client, page: &mut Markup) {
    let class = match (operation.outcome, operation.commits.len()) {
        (_, 2..) => "twice",
        (Outcome::Ok, _) => "",
        (Outcome::Failed, _) => "failed",
        (Outcome::Unknown, _) => "unknown",
    };
    page.open("tr", &[("class", class)]);
    number(page, &operation.number.to_string());
    process(view, page, &operation.process);
    long(page, &operation.text);
    event(view, page, operation.begun);
    match operation.ended {
        Some(ended) => event(view, page, ended),
        None => cell(page, "never"),
    }
    cell(page, operation.outcome.name());
    let commits: Vec<String> = operation.commits.iter().map(u64::to_string).collect();
    cell(page, &commits.join(", "));
    long(page, &operation.told);
    bar(view, operation, page);
    page.close("tr");
}

/// Begin and length of an operation in thousandths of the run.
fn bar(view: &View<'_>, operation: &Client, page: &mut Markup) {
    let pace = &view.run.pace;
    let span = (pace.to_us - pace.from_us).max(1);
    let share = |event: Option<u64>| {
        let row = event.and_then(|event| view.run.row(event));
        let at_us = row.map_or(pace.to_us, |row| row.at_ns / 1000);
        (u128::from(at_us.saturating_sub(pace.from_us)) * 1000 / u128::from(span)) as u64
    };
    let (from, to) = (share(Some(operation.begun)), share(operation.ended));
    let (from, width) = (from.min(994), to.saturating_sub(from).max(6));
    let style =
        format!("margin-left:{}.{}%;width:{}.{}%", from / 10, from % 10, width / 10, width % 10);
    let colour = view.colour(&operation.process).unwrap_or_default();
    page.open("td", &[("class", "when")]);
    page.leaf("i", &[("class", &colour), ("style", &style)], "");
    page.close("td");
}

/// Faults by kind, spells, and each fault.
pub(super) fn faults(view: &View<'_>, page: &mut Markup) {
    let run = view.run;
    if run.faults.is_empty() && run.bands.is_empty() {
        return page.leaf("p", &[("class", "hint")], "Nothing was done to this world.");
    }
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in &run.faults {
        // What follows "at" is the step at which it struck.
        let kind = fault.what.split(" at step at ").next().unwrap_or_default();
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    page.leaf("p", &[], &format!("{} faults: {}", run.faults.len(), kinds.join(", ")));
    if !run.bands.is_empty() {
        page.leaf("h3", &[], "Spells");
        table(page, &["who", "what", "from", "to"], |page| {
            for band in &run.bands {
                page.open("tr", &[]);
                process(view, page, band.process.as_deref().unwrap_or("store"));
                long(page, &format!("{}: {}", band.kind.name(), band.what));
                event(view, page, band.from);
                match band.to {
                    Some(to) => event(view, page, to),
                    None => cell(page, "the end"),
                }
                page.close("tr");
            }
        });
    }
    page.leaf("h3", &[], "Each fault");
    table(page, &["event", "ms", "process", "fault", "request"], |page| {
        for fault in &run.faults {
            page.open("tr", &[]);
            event(view, page, fault.event);
            number(page, &milliseconds(fault.at_us));
            process(view, page, &fault.process);
            long(page, &fault.what);
            let struck = |number| run.exchanges.iter().find(|found| found.request == number);
            long(page, fault.request.and_then(struck).map_or("", |found| &found.text));
            page.close("tr");
        }
    });
}

/// What the world was like.
pub(super) fn options(view: &View<'_>, page: &mut Markup) {
    page.open("ul", &[]);
    for option in &view.run.options {
        page.leaf("li", &[], option);
    }
    page.close("ul");
    let said = format!("fingerprint {} (equal for equal runs)", view.run.fingerprint);
    page.leaf("p", &[], &said);
}

/// What many runs of its plan have told.
pub(super) fn known_from_other_runs(view: &View<'_>, page: &mut Markup) {
    let Some(examined) = &view.run.examined else { return };
    page.leaf("dt", &[], "as it is");
    page.leaf("dd", &[], &known::as_it_is(examined));
    for (name, weight) in [("needed", Weight::Needed), ("helps", Weight::Helps)] {
        let parts = known::parts(examined, weight);
        if parts.is_empty() {
            continue;
        }
        page.leaf("dt", &[], name);
        page.open("dd", &[]);
        page.open("ul", &[]);
        for part in parts {
            page.open("li", &[]);
            links(view, part.event.as_slice(), page);
            page.text(&format!("{}; {}", part.what, part.said));
            page.close("li");
        }
        page.close("ul");
        page.close("dd");
    }
    let free = known::free(view.run, view.reduction());
    if !free.is_empty() {
        page.leaf("dt", &[], "free");
        page.leaf("dd", &[], &free.join("; "));
    }
    let turns = known::turns(view.run);
    let named =
        [("tipped at ", turns.tipped), ("sealed at ", turns.sealed), ("seen at ", turns.seen)];
    if !examined.chances.is_empty() {
        page.leaf("dt", &[], "too late");
        page.open("dd", &[]);
        let known = named.into_iter().filter_map(|(name, event)| Some((name, event?)));
        for (place, (name, event)) in known.enumerate() {
            page.text(if place > 0 { ", " } else { "" });
            page.text(name);
            view.reference(event, page);
        }
        page.close("dd");
    }
    if examined.is_cut_short {
        page.leaf("dt", &[], "");
        page.leaf("dd", &[], known::CUT_SHORT);
    }
}

/// Every event as a line of JSON, with its anchor.
pub(super) fn trace(view: &View<'_>, page: &mut Markup) {
    let run = view.run;
    page.leaf(
        "p",
        &[("class", "hint")],
        &format!(
            "{} lines of NDJSON, one for each event that is told. Times are virtual nanoseconds.",
            grouped(run.trace.len() as u64)
        ),
    );
    page.raw("<pre class=\"trace\">");
    let mut anchored = None;
    for (place, row) in run.trace.iter().enumerate() {
        // Lines of the log share the number of the event that follows them, which has the anchor.
        let is_event = run.place_of(row.event) == Some(place);
        let id = format!("{}e{}", view.prefix, row.event);
        let id = if is_event && anchored != Some(row.event) { id } else { String::new() };
        anchored = if is_event { Some(row.event) } else { anchored };
        page.open("i", &[("id", &id)]);
        // Rows hold strings and numbers, which always are JSON.
        page.text(&serde_json::to_string(row).unwrap_or_default());
        page.close("i");
        page.raw("\n");
    }
    page.raw("</pre>\n");
}
