//! Latency and rate over virtual time, with the spells in which something was not well.

use super::markup::Markup;
use super::{View, milliseconds};
use crate::report::grouped;
use crate::report::run::{Band, Pace, Slice};

const WIDTH: u64 = 900;
const HEIGHT: u64 = 140;
const LEFT: u64 = 110;

/// Two charts with one axis, and a table.
pub(super) fn time(view: &View<'_>, page: &mut Markup) {
    let pace = &view.run.pace;
    if pace.slices.is_empty() {
        return page.leaf("p", &[("class", "hint")], "No event is told.");
    }
    page.leaf(
        "p",
        &[("class", "hint")],
        &format!(
            "Virtual time from {} to {} ms, to scale, in {} parts of {} ms. A request counts where it \
             was sent.",
            milliseconds(pace.from_us),
            milliseconds(pace.to_us),
            pace.slices.len(),
            milliseconds((pace.to_us - pace.from_us) / pace.slices.len() as u64)
        ),
    );
    page.leaf("h3", &[], "Requests in each part; those without a good answer in red");
    let most = pace.slices.iter().map(|slice| u64::from(slice.requests)).max().unwrap_or(0);
    chart(view, most, &grouped(most), page, |slice| {
        [("bar", u64::from(slice.requests)), ("bar bad", u64::from(slice.failed))]
    });
    page.leaf("h3", &[], "Time to the answer: the slowest, and half of them (dark)");
    let most = pace.slices.iter().map(|slice| slice.slowest_us).max().unwrap_or(0);
    chart(view, most, &format!("{} ms", milliseconds(most)), page, |slice| {
        [("bar pale", slice.slowest_us), ("bar", slice.median_us)]
    });
    latencies(pace, page);
}

/// Bars over time: for each slice class and value of two bars, the front one last; `most` is the
/// greatest value, `top` its name.
fn chart(
    view: &View<'_>,
    most: u64,
    top: &str,
    page: &mut Markup,
    bars: impl Fn(&Slice) -> [(&'static str, u64); 2],
) {
    let view_box = format!("0 0 {} {}", LEFT + WIDTH + 10, HEIGHT + 34);
    page.open("div", &[("class", "wide")]);
    page.open("svg", &[("class", "chart"), ("viewBox", &view_box), ("role", "img")]);
    page.leaf("title", &[], &format!("values over virtual time, the greatest is {top}"));
    for band in &view.run.bands {
        spell(view, band, page);
    }
    let pace = &view.run.pace;
    let step = WIDTH / pace.slices.len() as u64;
    for (index, slice) in pace.slices.iter().enumerate() {
        for (class, value) in bars(slice) {
            let height = (u128::from(value) * u128::from(HEIGHT) / u128::from(most.max(1))) as u64;
            // What is there is seen, however small.
            let height = if value > 0 { height.max(1) } else { 0 };
            if height > 0 {
                page.single(
                    "rect",
                    &[
                        ("class", class),
                        ("x", &(LEFT + index as u64 * step).to_string()),
                        ("y", &(10 + HEIGHT - height).to_string()),
                        ("width", &(step - 2).to_string()),
                        ("height", &height.to_string()),
                    ],
                );
            }
        }
    }
    let floor = 10 + HEIGHT;
    let path = format!("M{LEFT} 10V{floor}H{}", LEFT + WIDTH);
    page.single("path", &[("class", "axis"), ("d", &path)]);
    let ticks = [(LEFT - 6, 16, top.to_owned()), (LEFT - 6, floor, String::from("0"))];
    for (x, y, text) in ticks {
        let (x, y) = (x.to_string(), y.to_string());
        page.leaf("text", &[("x", &x), ("y", &y), ("text-anchor", "end")], &text);
    }
    for (x, us, anchor) in [(LEFT, pace.from_us, "start"), (LEFT + WIDTH, pace.to_us, "end")] {
        let (x, y) = (x.to_string(), (floor + 18).to_string());
        let place = [("x", &*x), ("y", &*y), ("text-anchor", anchor)];
        page.leaf("text", &place, &format!("{} ms", milliseconds(us)));
    }
    page.close("svg");
    page.close("div");
}

/// A spell as a band behind the bars.
fn spell(view: &View<'_>, band: &Band, page: &mut Markup) {
    let pace = &view.run.pace;
    let x_of = |event: Option<u64>| {
        let at_us =
            event.and_then(|event| view.run.row(event)).map_or(pace.to_us, |row| row.at_ns / 1000);
        let span = u128::from((pace.to_us - pace.from_us).max(1));
        let passed = u128::from(at_us.saturating_sub(pace.from_us));
        LEFT + (passed * u128::from(WIDTH) / span) as u64
    };
    let (from, to) = (x_of(Some(band.from)), x_of(band.to));
    super::spell(band, [&from, &10, &(to - from).max(3), &HEIGHT], page);
}

fn latencies(pace: &Pace, page: &mut Markup) {
    page.leaf("h3", &[], "By kind of request");
    super::tables::table(
        page,
        &["request", "answered", "half, ms", "95 %, ms", "slowest, ms"],
        |page| {
            for latency in &pace.latencies {
                page.open("tr", &[]);
                page.leaf("td", &[], &latency.verb);
                page.leaf("td", &[("class", "n")], &grouped(latency.answered));
                for us in [latency.median_us, latency.most_us, latency.slowest_us] {
                    page.leaf("td", &[("class", "n")], &milliseconds(us));
                }
                page.close("tr");
            }
        },
    );
}
