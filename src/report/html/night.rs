//! A kept run as one page: what was run and reached, what failed, with links to the story and the
//! plan of each group, and how it went over time.
//!
//! The page needs nothing but itself to be read; the stories that it links to lie beside it.

use super::markup::Markup;
use super::{POLICY, STYLE};
use crate::report::{FailureGroup, Report, grouped, short};

const NIGHT_STYLE: &str = include_str!("../assets/night.css");

/// Width and height of the chart, in its own units.
const CHART: (u64, u64) = (900, 160);

/// A kept run.
#[derive(Clone, Debug)]
pub struct NightPage<'a> {
    /// What it came to.
    pub report: &'a Report,
    /// Wall time that it took, in milliseconds.
    pub elapsed_ms: u64,
    /// For each group of failures, in the same order, where more of it lies.
    pub links: Vec<GroupLinks>,
    /// How far it was when, the earliest first.
    pub moments: Vec<Moment>,
}

/// Where more of a group of failures lies, as addresses relative to the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLinks {
    /// The page of its smallest seed.
    pub page: Option<String>,
    /// Its small plan.
    pub plan: Option<String>,
}

/// How far a run was at some time. All numbers are of the run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Wall time in milliseconds.
    pub at_ms: u64,
    /// Seeds that were done.
    pub seeds: u64,
    /// Seeds that had failed.
    pub failed: u64,
    /// Steps, marks and faults that had been reached.
    pub reached: u64,
}

/// The run as one HTML file.
#[must_use]
pub fn to_night_html(night: &NightPage<'_>) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.open("html", &[("lang", "en")]);
    head(&mut page);
    page.open("body", &[("class", "night")]);
    banner(night, &mut page);
    page.open("main", &[]);
    failures(night, &mut page);
    over_time(night, &mut page);
    reached(night.report, &mut page);
    faults(night.report, &mut page);
    work(night.report, &mut page);
    page.close("main");
    page.close("body");
    page.close("html");
    page.into_text()
}

fn head(page: &mut Markup) {
    page.open("head", &[]);
    page.single("meta", &[("charset", "utf-8")]);
    page.single("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    let wide = "width=device-width, initial-scale=1";
    page.single("meta", &[("name", "viewport"), ("content", wide)]);
    page.single("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    page.leaf("title", &[], "vopr: a run");
    page.raw("<style>\n");
    page.raw(STYLE);
    page.raw(NIGHT_STYLE);
    page.raw("</style>\n");
    page.close("head");
}

fn banner(night: &NightPage<'_>, page: &mut Markup) {
    let report = night.report;
    let seeds = grouped(report.work.seeds);
    page.open("header", &[]);
    page.open("div", &[("class", "verdict")]);
    match (report.passed(), report.coverage.is_complete()) {
        (false, _) => page.leaf("strong", &[("class", "fail")], "FAIL"),
        (true, true) => page.leaf("strong", &[("class", "pass")], "PASS"),
        (true, false) => page.leaf("strong", &[("class", "open")], "UNFINISHED"),
    }
    page.leaf("h1", &[], &format!("{} of {seeds} seeds failed", grouped(report.failed())));
    page.close("div");
    let bug = report.bug.as_deref().map(|bug| format!(", planted bug {bug}")).unwrap_or_default();
    let last = report.last_seed.map_or(String::new(), |last| last.to_string());
    let block = report.coverage.block.as_deref();
    let block = block.map(|block| format!(", block {block}")).unwrap_or_default();
    let what = format!(
        "Seeds {}..{last}{block}, system {}{bug}, profile {}, store {}.",
        report.first_seed, report.system, report.profile, report.store
    );
    page.leaf("p", &[("class", "what")], &what);
    let seconds = night.elapsed_ms / 1000;
    let rate = (report.work.seeds * 1000).checked_div(night.elapsed_ms).unwrap_or(0);
    let took = format!(
        "vopr {}. It took {} h {:02} min {:02} s, {} seeds a second. Print {}, equal for equal runs.",
        report.version,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        grouped(rate),
        report.fingerprint
    );
    page.leaf("p", &[("class", "facts")], &took);
    if !report.coverage.is_complete() {
        let missing = format!("{} seeds were not run yet.", grouped(report.coverage.missing));
        page.leaf("p", &[("class", "facts")], &missing);
    }
    if let Some(canary) = &report.canary {
        let verdict = if canary.is_missed() { "was missed in all of them" } else { "was found" };
        let text = format!(
            "Canary: {} was planted in {} worlds beside these and {verdict} ({} failed).",
            canary.bug, canary.planted, canary.caught
        );
        page.leaf("p", &[("class", if canary.is_missed() { "missed" } else { "facts" })], &text);
    }
    page.close("header");
}

fn failures(night: &NightPage<'_>, page: &mut Markup) {
    let report = night.report;
    page.leaf("h2", &[], "Failures");
    if report.passed() {
        return page.leaf("p", &[("class", "hint")], "None.");
    }
    page.open("div", &[("class", "wide")]);
    page.open("table", &[]);
    header(&["class", "seeds", "what", "the first", "more"], page);
    for (place, group) in report.failures.iter().enumerate() {
        row(group, night.links.get(place).unwrap_or(&GroupLinks::default()), page);
    }
    page.close("table");
    page.close("div");
    if report.other_failures > 0 {
        let text = format!("{} failures of further groups.", grouped(report.other_failures));
        page.leaf("p", &[("class", "hint")], &text);
    }
}

fn header(names: &[&str], page: &mut Markup) {
    page.open("tr", &[]);
    names.iter().for_each(|name| page.leaf("th", &[], name));
    page.close("tr");
}

fn row(group: &FailureGroup, links: &GroupLinks, page: &mut Markup) {
    page.open("tr", &[]);
    page.leaf("td", &[("class", "class")], &group.story.class);
    page.leaf("td", &[("class", "number")], &grouped(group.count));
    page.open("td", &[]);
    page.leaf("div", &[], &group.story.what);
    page.leaf("div", &[("class", "hint")], &format!("broken: {}", group.story.rule));
    page.leaf("code", &[], &group.replay);
    page.close("td");
    let seeds: Vec<String> = group.seeds.iter().take(6).map(ToString::to_string).collect();
    page.leaf("td", &[], &seeds.join(" "));
    page.open("td", &[]);
    for (address, name) in [(&links.page, "story"), (&links.plan, "plan")] {
        if let Some(address) = address {
            page.leaf("a", &[("href", address)], name);
            page.text(" ");
        }
    }
    page.close("td");
    page.close("tr");
}

/// Seeds, failures and what was reached, each to a scale of its own.
fn over_time(night: &NightPage<'_>, page: &mut Markup) {
    let (Some(first), Some(last)) = (night.moments.first(), night.moments.last()) else { return };
    page.leaf("h2", &[], "Over time");
    let hint = format!(
        "Wall time to {} s. Seeds: {}. Failed (red): {}. Steps, marks and faults that were reached \
         (dashed): {} at the first moment that was kept, {} at the end.",
        grouped(last.at_ms / 1000),
        grouped(last.seeds),
        grouped(last.failed),
        first.reached,
        last.reached
    );
    page.leaf("p", &[("class", "hint")], &hint);
    let (width, height) = CHART;
    page.open("div", &[("class", "wide")]);
    let view = format!("0 0 {width} {}", height + 4);
    page.open("svg", &[("class", "progress"), ("viewBox", &view), ("role", "img")]);
    page.leaf("title", &[], "seeds, failures and what was reached over wall time");
    for (class, of) in CURVES {
        let most = of(last).max(1);
        let points = std::iter::once(&Moment::default())
            .chain(&night.moments)
            .map(|moment| {
                let x = moment.at_ms * width / last.at_ms.max(1);
                let y = height + 2 - of(moment) * height / most;
                format!("{x},{y}")
            })
            .collect::<Vec<_>>();
        if of(last) > 0 {
            let points = points.join(" ");
            page.single("polyline", &[("class", class), ("points", &points)]);
        }
    }
    page.close("svg");
    page.close("div");
}

/// A curve: its class, and what it shows.
type Curve = (&'static str, fn(&Moment) -> u64);

const CURVES: [Curve; 3] = [
    ("seeds", |moment| moment.seeds),
    ("reached", |moment| moment.reached),
    ("failed", |moment| moment.failed),
];

fn faults(report: &Report, page: &mut Markup) {
    page.leaf("h2", &[], "Faults");
    if report.faults.is_empty() {
        return page.leaf("p", &[("class", "hint")], "None.");
    }
    page.open("table", &[]);
    header(&["fault", "seeds", "%", "", "times"], page);
    for fault in &report.faults {
        let percent = (fault.seeds * 100).checked_div(report.work.seeds).unwrap_or(0);
        page.open("tr", &[]);
        page.leaf("td", &[], &fault.name);
        page.leaf("td", &[("class", "number")], &grouped(fault.seeds));
        page.leaf("td", &[("class", "number")], &percent.to_string());
        page.open("td", &[]);
        let whole = [("viewBox", "0 0 100 10"), ("preserveAspectRatio", "none")];
        page.open("svg", &[("class", "share"), whole[0], whole[1]]);
        let (width, tall) = (percent.to_string(), "10");
        page.single("rect", &[("width", &width), ("height", tall)]);
        page.close("svg");
        page.close("td");
        page.leaf("td", &[("class", "number")], &grouped(fault.times));
        page.close("tr");
    }
    page.close("table");
}

fn reached(report: &Report, page: &mut Markup) {
    let marks = &report.marks;
    page.leaf("h2", &[], "Reached");
    let text = format!("{} of {} marks.", marks.reached, marks.total);
    page.leaf("p", &[], &text);
    for (what, names) in [("Never", &marks.never), ("Rare, not this time", &marks.never_rare)] {
        if !names.is_empty() {
            page.leaf("p", &[("class", "hint")], &format!("{what}: {}.", names.join(", ")));
        }
    }
}

fn work(report: &Report, page: &mut Markup) {
    let (work, checks) = (&report.work, &report.checks);
    page.leaf("h2", &[], "Work and checks");
    page.open("table", &[]);
    let mut line = |name: &str, value: &str| {
        page.open("tr", &[]);
        page.leaf("td", &[], name);
        page.leaf("td", &[("class", "number")], value);
        page.close("tr");
    };
    for (name, count) in [
        ("store requests", work.requests),
        ("operations", work.operations),
        ("commits", work.commits),
        ("conflicts", work.conflicts),
        ("unknown outcomes", work.unknown),
        ("behaviours that differ", report.search.behaviours),
        ("chain checks", checks.chain),
        ("history checks", checks.history),
        ("reads against the model", checks.model_reads),
        ("places in real time", checks.real_time),
        ("requests against the budget", checks.budget),
        ("whole histories", checks.serializable),
    ] {
        line(name, &short(count));
    }
    for searched in &report.search.strategies {
        let name = format!("seeds of strategy {}", searched.name);
        line(&name, &grouped(searched.seeds));
    }
    if let Some(largest) = &report.largest {
        line(
            &format!("requests of the largest world, seed {}", largest.seed),
            &grouped(largest.requests),
        );
    }
    page.close("table");
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{failing, passing};
    use super::*;

    fn moments() -> Vec<Moment> {
        let moment = |at_ms, seeds, failed| Moment { at_ms, seeds, failed, reached: 40 };
        vec![moment(3000, 5000, 0), moment(6000, 9000, 2), moment(9000, 14_000, 15)]
    }

    #[test]
    fn a_page_has_what_failed_with_links_to_more() {
        let report = failing();
        let links = GroupLinks { page: Some("reports/x.html".into()), plan: None };
        let night = NightPage {
            report: &report,
            elapsed_ms: 3_723_000,
            links: vec![links],
            moments: moments(),
        };
        let page = to_night_html(&night);
        for part in [
            ">FAIL</strong>",
            "It took 1 h 02 min 03 s",
            "<a href=\"reports/x.html\">story</a>",
            "class=\"failed\" points=\"0,162 300,162 600,141 900,2\"",
            &report.failures[0].story.what,
        ] {
            assert!(page.contains(part), "no {part:?} in\n{page}");
        }
        assert!(!page.contains(">plan</a>"), "there is none");
    }

    #[test]
    fn names_and_messages_are_no_markup() {
        let mut report = failing();
        report.failures[0].story.what = String::from("<script>alert(1)</script>");
        report.system = String::from("\"><img>");
        let night =
            NightPage { report: &report, elapsed_ms: 0, links: Vec::new(), moments: Vec::new() };
        let page = to_night_html(&night);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    }

    #[test]
    fn a_run_that_passed_says_so() {
        let report = passing();
        let night =
            NightPage { report: &report, elapsed_ms: 1, links: Vec::new(), moments: moments() };
        assert!(to_night_html(&night).contains(">PASS</strong>"));
    }
}
