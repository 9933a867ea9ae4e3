//! What clients did, and what they were told.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::trace::{Kind, Row};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It succeeded.
    Ok,
    /// It had no effect.
    Failed,
    /// Nobody knows, or it had not ended.
    Unknown,
}

impl Outcome {
    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Its number.
    pub number: u64,
    /// Whose client it is.
    pub process: String,
    /// What it does.
    pub text: String,
    /// The event at which it began.
    pub begun: u64,
    /// The event at which it ended, if it did.
    pub ended: Option<u64>,
    /// How.
    pub outcome: Outcome,
    /// What the client was told, in words.
    pub told: String,
    /// Commits that carry it, as the store holds them: none, one, or more if something is wrong.
    pub commits: Vec<u64>,
}

/// The operations of a trace. One that began before the trace is left out.
pub(super) fn operations(trace: &[Row]) -> Vec<Client> {
    let mut list: Vec<Client> = Vec::new();
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for row in trace {
        let outcome = match row.kind {
            Kind::Invoke => {
                places.insert(row.a, list.len());
                list.push(Client {
                    number: row.a,
                    process: row.process.clone(),
                    text: row.detail.clone(),
                    begun: row.event,
                    ended: None,
                    outcome: Outcome::Unknown,
                    told: String::new(),
                    commits: Vec::new(),
                });
                continue;
            }
            Kind::Commit => {
                if let Some(place) = places.get(&row.a) {
                    list[*place].commits.push(row.b);
                }
                continue;
            }
            Kind::Ok | Kind::Read | Kind::Scan | Kind::ReadModifyWrite => Outcome::Ok,
            Kind::Fail | Kind::Conflict => Outcome::Failed,
            Kind::Unknown => Outcome::Unknown,
            _ => continue,
        };
        if let Some(place) = places.get(&row.a) {
            let operation = &mut list[*place];
            operation.ended = Some(row.event);
            operation.outcome = outcome;
            operation.told = row.detail.clone();
        }
    }
    list
}
