//! The ways of requests in the diagram: to the store, once more if it was repeated, and back.
//!
//! A way that touches an event drawn in full is a line of its own, with its end marked; all others
//! are one faint path.

use std::fmt::Write as _;

use super::diagram::Picture;
use super::layout::FULL;
use super::markup::Markup;
use crate::report::run::Exchange;

/// One end of an arrow.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: i64,
    pub(super) y: i64,
    full: bool,
}

impl Picture<'_> {
    pub(super) fn point(&self, event: u64, x: i64) -> Option<Point> {
        let place = self.view.run.place_of(event)?;
        Some(Point { x, y: self.layout.y[place], full: self.layout.full[place] })
    }

    pub(super) fn arrows(&self, page: &mut Markup) {
        let mut small = String::new();
        for exchange in &self.view.run.exchanges {
            for way in self.ways(exchange) {
                if !way.from.full && !way.to.full {
                    let Way { from, to, .. } = way;
                    let _ = write!(small, "M{} {}L{} {}", from.x, from.y, to.x, to.y);
                } else {
                    way.draw(self.view.prefix, page);
                }
            }
        }
        if !small.is_empty() {
            page.single("path", &[("class", "small way"), ("d", &small)]);
        }
    }

    /// The ways of a request: to the store, once more if it was repeated, and back.
    fn ways(&self, exchange: &Exchange) -> Vec<Way> {
        let (own, store) = (self.process_x(&exchange.process), self.store_x());
        let sent = exchange.sent.and_then(|event| self.point(event, own));
        let mut ways = Vec::new();
        for (index, applied) in exchange.applied.iter().enumerate() {
            if let (Some(from), Some(to)) = (sent, self.point(applied.event, store)) {
                let kind = if index == 0 { WayKind::Request } else { WayKind::Again };
                ways.push(Way { from, to, kind });
            }
        }
        if let (Some(from), true) = (sent, exchange.applied.is_empty()) {
            // It never arrived: lost, or on its way when what is told ended.
            let to = Point { x: (own + store) / 2, y: from.y + FULL / 2, full: from.full };
            let is_lost = exchange.answered.is_some() || !exchange.faults.is_empty();
            let kind = if is_lost { WayKind::Lost } else { WayKind::Open };
            ways.push(Way { from, to, kind });
        }
        if let Some(answer) = exchange.answered {
            let from = exchange.answered_from().and_then(|event| self.point(event, store));
            let to = self.point(answer.event, own);
            if let (Some(from), Some(to)) = (from, to) {
                let half = Point { x: (own + store) / 2, y: (from.y + to.y) / 2, full: from.full };
                ways.push(match answer.came() {
                    true => Way { from, to, kind: WayKind::Reply },
                    false => Way { from, to: half, kind: WayKind::Lost },
                });
            }
        }
        ways
    }
}

/// One arrow.
struct Way {
    from: Point,
    to: Point,
    kind: WayKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WayKind {
    Request,
    Again,
    Reply,
    Lost,
    /// Nothing is told of its end.
    Open,
}

impl Way {
    fn draw(&self, prefix: &str, page: &mut Markup) {
        let (class, end) = match self.kind {
            WayKind::Request => ("way", "tip"),
            WayKind::Again => ("way again", "tip"),
            WayKind::Reply => ("way reply", "tip"),
            WayKind::Lost => ("way lost", "cross"),
            WayKind::Open => ("way", ""),
        };
        let Way { from, to, .. } = self;
        let path = format!("M{} {}L{} {}", from.x, from.y, to.x, to.y);
        let end = if end.is_empty() { String::new() } else { format!("url(#{prefix}{end})") };
        page.single("path", &[("class", class), ("d", &path), ("marker-end", &end)]);
    }
}

/// Ends of arrows. Each diagram has its own: a browser does not take them from one that is hidden.
pub(super) fn markers(prefix: &str) -> String {
    format!(
        "<defs><marker id=\"{prefix}tip\" viewBox=\"0 0 8 8\" refX=\"10\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker>\
         <marker id=\"{prefix}cross\" viewBox=\"0 0 8 8\" refX=\"4\" refY=\"4\" \
         markerWidth=\"9\" markerHeight=\"9\">\
         <path class=\"cross\" d=\"M1 1L7 7M7 1L1 7\"/></marker></defs>"
    )
}
