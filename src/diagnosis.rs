//! From a broken rule to a diagnosis: what kind of failure it is, what proves that, and what
//! probably caused it.
//!
//! | file | what is in it |
//! |---|---|
//! | `case` | the run as evidence: questions to its trace |
//! | `classes` | which class it is, by an order of questions |
//! | `causes` | what may have caused it, the best supported first |

mod case;
mod causes;
mod classes;
#[cfg(test)]
mod tests;

use crate::checkers::{Class, Finding};
use crate::world::{Verdict, WorldReport};
use case::Case;

/// A possible cause, with the events that speak for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What may have gone wrong.
    pub sentence: &'static str,
    /// Events that show it; empty if the trace says nothing either way.
    pub evidence: Vec<u64>,
}

/// What a failure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The class.
    pub class: Class,
    /// Events that prove it, oldest first.
    pub proof: Vec<u64>,
    /// Other classes that the same moment shows.
    pub also: Vec<Class>,
    /// Causes, the best supported first.
    pub causes: Vec<Cause>,
}

/// Diagnoses a failing run from its trace, which must have been kept; `None` for a run in which no
/// rule was broken.
#[must_use]
pub fn diagnose(report: &WorldReport) -> Option<Diagnosis> {
    let (Verdict::Broken(finding) | Verdict::Stuck(finding)) = &report.verdict else {
        return None;
    };
    let case = Case::new(finding, report);
    let mut classes = classes::classes(&case);
    let (class, mut proof) = classes.remove(0);
    proof.extend(&finding.evidence);
    proof.extend(
        case.objects().into_iter().flat_map(|name| case.life_of(name)).map(|row| row.event),
    );
    proof.sort_unstable();
    proof.dedup();
    let others = classes.into_iter().map(|(class, _)| class);
    let same_moment = report.findings.iter().map(|other: &Finding| other.rule.class());
    let mut also: Vec<Class> = others.chain(same_moment).filter(|other| *other != class).collect();
    also.sort_unstable();
    also.dedup();
    Some(Diagnosis { class, proof, also, causes: causes::causes(class, &case) })
}
