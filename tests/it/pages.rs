//! The page of a run in a real browser: nothing complains, the failure is in sight, and events open
//! by click and by key. Without a browser on the machine these tests say so and do nothing.
//!
//! The page is given a second script that does what a person would, writes down what it sees, and
//! is read back from the browser's own account of the document.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::{stderr, stdout, vopr};

/// Written before everything else: remembers whatever goes wrong.
const LISTENER: &str = "<script>
  window.problems = [];
  addEventListener('error', (event) => problems.push(event.message));
  addEventListener('securitypolicyviolation', (event) => problems.push(event.violatedDirective));
  console.error = (...words) => problems.push(words.join(' '));
</script>";

/// Uses the page as a person would.
const PERSON: &str = r#"<script>
  const inside = (part, frame) => {
    const [a, b] = [part.getBoundingClientRect(), frame.getBoundingClientRect()];
    return a.height > 0 && a.top >= b.top && a.bottom <= b.bottom;
  };
  const title = () => document.querySelector('.run:not([hidden]) .details h3').textContent;
  const press = (key) => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
    (document.activeElement ?? document.body).dispatchEvent(event);
    return title();
  };
  const click = (part) => {
    part.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
    return title();
  };
  const scroll = document.querySelector('.scroll');
  const events = [...document.querySelectorAll('.ev')];
  const number = (event) => Number(event.getAttribute('href').slice(2));
  const found = { drawn: events.length, lines: document.querySelector('pre.trace').children.length };
  const error = document.querySelector('.first-error');
  found.error = error && number(error);
  found.errorIsSeen = Boolean(error) && inside(error.querySelector('.hit'), scroll);
  const asked = events.find((event) => event.textContent.includes(' m/head'));
  found.asked = number(asked);
  found.byClick = click(asked);
  found.address = location.hash;
  found.related = document.querySelectorAll('.details dd a').length;
  found.next = number(events[events.indexOf(asked) + 1]);
  found.byKey = press('j');
  found.back = press('k');
  found.byArrow = press('ArrowDown');
  found.byLetterE = press('e');
  const shown = () => [...document.querySelectorAll('section:not([hidden])')].map((one) => one.id);
  found.first = shown();
  const tab = (name) => [...document.querySelectorAll('nav a')].find((one) => one.textContent === name);
  tab('store').click();
  found.second = shown();
  found.versionsNow = document.querySelectorAll('tr.current').length;
  const paper = () => getComputedStyle(document.documentElement).backgroundColor;
  const paperBefore = paper();
  document.getElementById('switch-theme').click();
  found.themeChanges = paper() !== paperBefore;
  found.problems = problems;
  const said = document.createElement('pre');
  said.id = 'found';
  said.textContent = JSON.stringify(found);
  document.body.append(said);
</script>"#;

/// The browser, if there is one: `$CHROMIUM`, or one of the usual names on the path.
fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let mut usual = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter(|path| path.is_file());
    let found = named.or_else(|| usual.next());
    if found.is_none() {
        eprintln!("skipped: no chromium on the path and none in $CHROMIUM");
    }
    found
}

/// Opens a page with the listener and the person in it, and returns what the person found.
fn visit(browser: &Path, page: &str, width: u32) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("page.html");
    let page = page.replacen("<head>", &format!("<head>{LISTENER}"), 1);
    let page = page.replacen("</body>", &format!("{PERSON}</body>"), 1);
    std::fs::write(&file, page).expect("writable");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--window-size={width},900"))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("the browser starts");
    let document = stdout(&output);
    let found = document.split_once("<pre id=\"found\">").and_then(|(_, rest)| {
        rest.split_once("</pre>").map(|(found, _)| found.replace("&gt;", ">").replace("&lt;", "<"))
    });
    let found = found.unwrap_or_else(|| panic!("the script did not end: {}", stderr(&output)));
    serde_json::from_str(&found).expect("JSON")
}

/// The failing runs that a campaign tells of: how many events each has, and the arguments that run
/// it again after a verb.
fn failing(campaign: &[&str]) -> Vec<(u64, Vec<String>)> {
    let output = vopr(&[campaign, &["--json"]].concat());
    let report: Value = serde_json::from_str(&stdout(&output)).expect("a report is JSON");
    let groups = report["failures"].as_array().expect("a list");
    let told = groups.iter().map(|group| {
        let replay = group["replay"].as_str().expect("a command");
        let again = replay.split(' ').skip(2).map(str::to_owned).collect();
        (group["story"]["events"].as_u64().expect("a number"), again)
    });
    told.collect()
}

/// A verb with the arguments of a run.
fn tell(verb: &str, run: &[String], more: &[&str]) -> Output {
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    vopr(&[&[verb], &run[..], more].concat())
}

/// A small failing run.
fn small() -> Vec<String> {
    let runs = failing(&["--bug", "blind-head-put", "--operations", "4", "-n", "40"]);
    let (events, run) = runs.into_iter().min().expect("the bug is found");
    assert!(events <= 400, "a small run has {events} events");
    run
}

fn page(run: &[String]) -> String {
    let output = tell("report", run, &["--no-reduce"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

fn check(found: &Value) {
    assert_eq!(found["problems"], serde_json::json!([]), "{found}");
    assert_eq!(found["errorIsSeen"], true, "the failure is in sight: {found}");
    let event = |name: &str| format!("Event {}", found[name]);
    assert_eq!(found["byClick"], event("asked"), "{found}");
    assert_eq!(found["address"], format!("#e{}", found["asked"]), "{found}");
    assert!(found["related"].as_u64() >= Some(2), "its request is told whole: {found}");
    assert_eq!(found["byKey"], event("next"), "{found}");
    assert_eq!(found["back"], event("asked"), "{found}");
    assert_eq!(found["byArrow"], event("next"), "{found}");
    assert_eq!(found["byLetterE"], event("error"), "{found}");
    assert_eq!(found["first"], serde_json::json!(["story"]), "one tab is shown: {found}");
    assert_eq!(found["second"], serde_json::json!(["store"]), "{found}");
    assert!(found["versionsNow"].as_u64() >= Some(1), "{found}");
    assert_eq!(found["themeChanges"], true, "{found}");
}

#[test]
fn a_small_failing_run_opens_wide_and_narrow() {
    let Some(browser) = browser() else { return };
    let page = page(&small());
    assert!(page.len() < 300_000, "{} bytes", page.len());
    for width in [1400, 500] {
        let found = visit(&browser, &page, width);
        check(&found);
        assert_eq!(found["drawn"], found["lines"], "every event is drawn in full");
    }
}

#[test]
fn a_failing_run_of_thousands_of_events_opens_too() {
    let Some(browser) = browser() else { return };
    let runs = failing(&["--bug", "orphan-adoption", "-n", "60", "--no-reduce"]);
    let (events, run) = runs.into_iter().max().expect("the bug is found");
    assert!(events > 1000, "a long run has {events} events");
    let page = page(&run);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let found = visit(&browser, &page, 1400);
    check(&found);
    assert_eq!(found["drawn"], 400, "{found}");
    assert!(found["lines"].as_u64() > Some(1000), "{found}");
}

#[test]
fn a_report_goes_into_a_file_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("1.html");
    let told = path.to_str().expect("a UTF-8 path");
    let run = small();
    let output = tell("report", &run, &["--no-reduce", "-o", told]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "all of it is in the file");
    let written = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(written, page(&run), "the same bytes as on standard output");
    let entries = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(entries, 1, "nothing is left beside it");
    let nowhere = folder.path().join("nowhere").join("1.html");
    let output = vopr(&["report", "1", "-o", nowhere.to_str().expect("a UTF-8 path")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot write"), "{}", stderr(&output));
}

#[test]
fn lanes_tell_the_story_and_end_with_the_code_of_the_run() {
    let run = small();
    let output = tell("explain", &run, &[]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(10), "{text}");
    for part in ["FAIL   seed ", "▶", "◀", " store", "WRONG", "class     ", "causes    1. "] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(text, stdout(&tell("explain", &run, &[])));
    let output = tell("explain", &run, &["--json"]);
    let json: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(
        json["full"]["story"]["seed"].as_u64().map(|seed| seed.to_string()),
        run.first().cloned()
    );
    assert!(json["full"]["trace"].as_array().is_some_and(|rows| rows.len() < 100));
    let output = vopr(&["explain", "42", "--no-faults"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("PASS   seed 42"), "{}", stdout(&output));
    assert_eq!(vopr(&["explain", "1", "--until", "99999999"]).status.code(), Some(2));
}
