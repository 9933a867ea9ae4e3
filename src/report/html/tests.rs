//! The page is sound markup, holds no markup but its own, says everything, and stays small.

use crate::report::example;
use crate::report::run::{Run, RunReport};
use crate::report::to_html;

use super::layout::{FULL_MAX, Layout};

/// Elements that have no end.
const VOID: [&str; 3] = ["meta", "input", "br"];

/// Elements whose content is no markup.
const RAW: [&str; 2] = ["script", "style"];

/// What a page is made of.
#[derive(Default)]
struct Parsed {
    /// Tags in their order.
    tags: Vec<String>,
    /// Values of `id`.
    ids: Vec<String>,
    /// Values of `href`.
    links: Vec<String>,
}

impl Parsed {
    fn count(&self, tag: &str) -> usize {
        self.tags.iter().filter(|other| *other == tag).count()
    }
}

/// Reads a page as the parser of a browser would that forgives nothing: every element is closed in
/// its order, every value quoted.
fn parse(page: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray > in {:?}", &rest[..start]);
        let end = start + tag_end(&rest[start..]);
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in another order");
            continue;
        }
        let (body, closed) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
        let name = body.split([' ', '\n']).next().unwrap_or_default();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "an odd tag {tag:?}");
        parsed.tags.push(name.to_owned());
        attributes(&body[name.len()..], &mut parsed);
        if !closed {
            assert!(!VOID.contains(&name), "{name} is written as closed");
            open.push(name);
        }
        if RAW.contains(&name) {
            rest = &rest[rest.find(&format!("</{name}>")).expect("it ends")..];
        }
    }
    assert_eq!(open, [] as [&str; 0], "all is closed");
    parsed
}

/// Where a tag ends: a `>` outside quotation marks.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '>' && !quoted
    });
    end.expect("a tag ends").0
}

fn attributes(text: &str, parsed: &mut Parsed) {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a quoted value");
        let (value, after) = after.split_once('"').expect("a value ends");
        assert!(!value.contains('<'), "an escaped value");
        match name {
            "id" => parsed.ids.push(value.to_owned()),
            "href" => parsed.links.push(value.to_owned()),
            name => assert!(!name.starts_with("on"), "no script in attributes"),
        }
        rest = after.trim_start();
    }
}

fn all_examples() -> Vec<RunReport> {
    let mut empty = example::passed();
    empty.full = Run::of_trace(Vec::new(), empty.full.counts, None);
    let cut = example::long(3000);
    let later = cut.full.trace.iter().filter(|row| row.event > 500).cloned().collect();
    let ring = Run { story: cut.full.story, ..Run::of_trace(later, cut.full.counts, Some(2500)) };
    vec![
        example::report(),
        example::examined(),
        example::passed(),
        example::crowded(),
        example::hostile(),
        example::long(3000),
        RunReport { full: ring, ..example::report() },
        empty,
        both(10_000, 250),
    ]
}

/// A long run that was reduced to a shorter one.
fn both(full: u64, reduced: u64) -> RunReport {
    let reduced = example::long(reduced).full;
    RunReport { full: example::long(full).full, reduced: Some(reduced), ..example::examined() }
}

#[test]
fn beside_a_reduced_run_the_full_one_is_told_by_its_end_and_the_page_says_so() {
    let report = both(10_000, 250);
    let page = to_html(&report);
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page.contains("Only the last 110 of its 10,000 events are told here"));
    assert!(page.contains("the first 9,890 are left out (--no-reduce tells them)"));
    let parsed = parse(&page);
    assert!(parsed.ids.contains(&String::from("e9999")), "the failure");
    assert!(!parsed.ids.contains(&String::from("e9889")), "what was long before");
    assert!(parsed.ids.contains(&String::from("re0")), "of the reduced run nothing is missing");
    // A large reduced run leaves the full one less room, and a little in any case.
    let page = to_html(&both(10_000, 390));
    assert!(page.contains("Only the last 60 of its 10,000 events are told here"));
    // What is short is told whole.
    assert!(!to_html(&both(100, 50)).contains("Only the last"));
}

#[test]
fn every_page_is_sound_markup_whose_links_all_lead_somewhere() {
    for report in all_examples() {
        let page = to_html(&report);
        let parsed = parse(&page);
        let mut ids = parsed.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), parsed.ids.len(), "an id twice");
        for link in &parsed.links {
            let id = link.strip_prefix('#').expect("links stay in the page");
            assert!(ids.binary_search(&id.to_owned()).is_ok(), "{link} leads nowhere");
        }
    }
}

#[test]
fn every_event_has_its_anchor_even_those_that_are_drawn_small() {
    let report = example::long(3000);
    let parsed = parse(&to_html(&report));
    for event in 0..3000 {
        assert!(parsed.ids.contains(&format!("e{event}")), "{event}");
    }
    assert_eq!(parsed.ids.iter().filter(|id| *id == "first-error").count(), 1);
}

#[test]
fn names_that_are_markup_are_shown_and_not_obeyed() {
    let page = to_html(&example::hostile());
    let parsed = parse(&page);
    assert_eq!(parsed.count("script"), 1, "the page's own");
    assert!(!page.contains("<script>alert") && !page.contains('\u{1}'));
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;"), "it is shown as it is");
    assert!(page.contains("&amp;amp;"), "and so is what looks escaped");
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    for report in all_examples() {
        let page = to_html(&report);
        let namespace = "http://www.w3.org/2000/svg";
        let page = page.replace(namespace, "");
        for part in ["http:", "https:", "//cdn", "@import", "url(//", "src="] {
            assert!(!page.contains(part), "{part}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn the_same_value_gives_the_same_bytes() {
    for report in all_examples() {
        assert_eq!(to_html(&report), to_html(&report.clone()));
    }
}

#[test]
fn a_page_says_how_many_events_are_drawn_small_and_which() {
    let page = to_html(&example::long(3000));
    assert!(page.contains("3,000 events; 400 are drawn in full"), "the note above the diagram");
    assert!(page.contains(" events drawn small: #0 to #"), "the note beside the dots");
    let cut = to_html(&all_examples()[6]);
    assert!(cut.contains("the first 501 are left out (--ring N keeps more)"));
    assert!(cut.contains("the last 499 were not asked for"));
}

#[test]
fn long_pauses_are_broken_lines_with_their_length() {
    let page = to_html(&example::crowded());
    assert!(page.contains(">900.000 ms</text>"), "the restart came 900 ms later");
}

#[test]
fn ten_thousand_events_stay_below_three_megabytes() {
    let page = to_html(&example::long(10_000));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(to_html(&example::crowded()).len() < 100_000);
}

#[test]
fn what_other_runs_told_is_shown_where_it_is_known() {
    let without = to_html(&example::report());
    for part in
        ["P(fail)", "<dt>needed</dt>", "<dt>free</dt>", "id=\"switch-run", "data-run=\"reduced\""]
    {
        assert!(!without.contains(part), "{part}");
    }
    let with = to_html(&example::examined());
    for part in [
        ">P(fail)<",
        "from event 8 on 91 % fail",
        "request lost (writer-2); without it: 0 of 200 fail",
        "latencies, names, jitter; reader-1, who opens the system",
        "id=\"switch-run\"",
        "data-run=\"reduced\"",
        "id=\"re20\"",
    ] {
        assert!(with.contains(part), "{part}");
    }
}

#[test]
fn spells_are_bands_over_their_column() {
    let page = to_html(&example::crowded());
    assert!(page.contains("writer-2: down, crashed"));
    assert!(page.contains("reader-2: cut off, partition: 1 request hit"));
}

#[test]
fn lines_never_overlap_and_those_in_full_have_room() {
    for report in all_examples() {
        let layout = Layout::of(&report.full);
        assert_eq!(layout.y.len(), report.full.trace.len());
        assert!(layout.drawn_in_full() <= FULL_MAX.max(1));
        for place in 1..layout.y.len() {
            let room = layout.y[place] - layout.y[place - 1];
            let both = layout.full[place] && layout.full[place - 1];
            assert!(room >= if both { super::layout::FULL } else { 3 }, "{place}: {room}");
        }
        let small: usize = layout.stretches.iter().map(|stretch| stretch.count).sum();
        assert_eq!(small + layout.drawn_in_full(), layout.y.len());
    }
}
