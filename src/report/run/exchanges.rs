//! Requests and what became of them: the rows of a trace that carry one request number.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::trace::{Kind, Row};

/// One request from its process to the store and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Its number.
    pub request: u64,
    /// Who sent it.
    pub process: String,
    /// What it asks for.
    pub text: String,
    /// The event at which it left; `None` if that was not kept.
    pub sent: Option<u64>,
    /// When it reached the store: never if it was lost, twice if it was repeated on its way.
    pub applied: Vec<Answer>,
    /// What its client was told.
    pub answered: Option<Answer>,
    /// Faults that struck it.
    pub faults: Vec<u64>,
}

/// An event with the status that it carries: that of HTTP; 0 for a broken connection and 1 for no
/// answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The event.
    pub event: u64,
    /// The status.
    pub status: u64,
}

impl Answer {
    /// Whether there was an answer at all.
    #[must_use]
    pub fn came(&self) -> bool {
        self.status >= 100
    }
}

impl Exchange {
    /// All its events, not sorted.
    pub fn events(&self) -> impl Iterator<Item = u64> + '_ {
        let ends = self.sent.into_iter().chain(self.answered.map(|answer| answer.event));
        ends.chain(self.applied.iter().map(|answer| answer.event))
            .chain(self.faults.iter().copied())
    }

    /// The moment in the store that its answer tells of: the last one before the answer.
    #[must_use]
    pub fn answered_from(&self) -> Option<u64> {
        let answer = self.answered?;
        let applied = self.applied.iter().rev().map(|applied| applied.event);
        applied.into_iter().find(|event| *event <= answer.event)
    }
}

/// All exchanges of a trace, by request number.
pub(super) struct Exchanges {
    list: Vec<Exchange>,
    places: BTreeMap<u64, usize>,
}

impl Exchanges {
    pub(super) fn of(trace: &[Row]) -> Self {
        let mut found = Exchanges { list: Vec::new(), places: BTreeMap::new() };
        for row in trace {
            match row.kind {
                Kind::Request => found.entry(row).sent = Some(row.event),
                Kind::Apply => {
                    let applied = Answer { event: row.event, status: row.b };
                    found.entry(row).applied.push(applied);
                }
                Kind::Reply => {
                    let answer = Answer { event: row.event, status: row.b };
                    found.entry(row).answered = Some(answer);
                }
                Kind::Fault => {
                    // A fault of a process has a number too, but not one of a request.
                    if let Some(place) = found.places.get(&row.a) {
                        found.list[*place].faults.push(row.event);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn entry(&mut self, row: &Row) -> &mut Exchange {
        let list = &mut self.list;
        let place = *self.places.entry(row.a).or_insert_with(|| {
            let text = match row.kind {
                Kind::Request => row.detail.as_str(),
                _ => row.detail.rsplit_once(" -> ").map_or("", |(request, _)| request),
            };
            list.push(Exchange {
                request: row.a,
                process: row.process.clone(),
                text: text.to_owned(),
                sent: None,
                applied: Vec::new(),
                answered: None,
                faults: Vec::new(),
            });
            list.len() - 1
        });
        &mut self.list[place]
    }

    pub(super) fn get(&self, request: u64) -> Option<&Exchange> {
        self.places.get(&request).map(|place| &self.list[*place])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Exchange> {
        self.list.iter()
    }

    pub(super) fn into_list(self) -> Vec<Exchange> {
        self.list
    }
}
