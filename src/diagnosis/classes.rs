//! Which class a failure is: decided by the events of the run, in a fixed order.
//!
//! The rule that was broken says *what* is wrong at that moment: a root with the wrong parent, a
//! read that differs from its commit. The same mistake breaks now one rule and now another, and
//! one rule is broken by different mistakes, so the class is decided by asking, class by class in
//! the order below, whether the trace shows it. The first that it shows is the class; the others
//! that it shows are told as well. A broken rule speaks for its usual class last of all.

use super::case::{Case, Proof};
use crate::checkers::{Class, Rule};

/// Rules about what a root publishes.
const CONTENT: [Rule; 5] = [
    Rule::FoldWhole,
    Rule::NothingReturns,
    Rule::CheckpointForward,
    Rule::HistoryWhole,
    Rule::ChainIntact,
];

/// Rules about what a client sees.
const READS: [Rule; 3] = [Rule::ReadEqualsModel, Rule::ReadPublished, Rule::ReadFresh];

type Test = fn(&Case<'_>) -> Option<Proof>;

/// The questions, in the order of decision. Those classes that are not here follow from the rule
/// alone: a root that does not build on the one it replaces is a lost update whatever else is true.
const QUESTIONS: [(Class, Test); 6] = [
    (Class::TornOrCorruptRecord, damaged_bytes_taken),
    (Class::WrongRecovery, unfinished_work_taken_up),
    (Class::HistoryGap, object_missed),
    (Class::DirtyRead, unpublished_object_read),
    (Class::WrongRecovery, wrong_since_restart),
    (Class::StuckProgress, waits_for_the_dead),
];

/// Classes of a broken rule with their proofs, the one that counts first.
pub(super) fn classes(case: &Case<'_>) -> Vec<(Class, Proof)> {
    let usual = case.finding.rule.class();
    let mut shown: Vec<(Class, Proof)> = QUESTIONS
        .iter()
        .filter_map(|(class, test)| test(case).map(|proof| (*class, proof)))
        .collect();
    shown.push((usual, case.finding.evidence.clone()));
    let mut seen = Vec::new();
    shown.retain(|(class, _)| {
        let is_new = !seen.contains(class);
        seen.push(*class);
        is_new
    });
    shown
}

/// Bytes that nobody had written were decoded. It stands before what a root then publishes or a
/// client then sees, because it happened before that.
fn damaged_bytes_taken(case: &Case<'_>) -> Option<Proof> {
    if case.broke(&[Rule::FailedAbsent]) {
        return case.went_on_with_damage();
    }
    if !case.broke(&CONTENT) && !case.broke(&[Rule::ReadEqualsModel, Rule::ReadPublished]) {
        return None;
    }
    let damage = case.accepted_damage().or_else(|| case.accepted_torn())?;
    // Whoever did without an object after that has lost it, not taken it for whole.
    let missed = case.missed_object().filter(|missed| missed > &damage);
    (missed.is_none() || !case.broke(&[Rule::ReadEqualsModel])).then_some(damage)
}

/// What a root publishes is wrong, and it was made from unpublished work that a crashed or a
/// replaced process had left.
fn unfinished_work_taken_up(case: &Case<'_>) -> Option<Proof> {
    case.broke(&CONTENT).then(|| case.work_taken_up()).flatten()
}

/// A read differs from its commit, whose objects are right, and an object was not found.
fn object_missed(case: &Case<'_>) -> Option<Proof> {
    case.broke(&[Rule::ReadEqualsModel]).then(|| case.missed_object()).flatten()
}

/// A read shows what is in the store, and no root has named it.
fn unpublished_object_read(case: &Case<'_>) -> Option<Proof> {
    case.broke(&READS).then(|| case.read_unpublished()).flatten()
}

/// Garbage stays because somebody waits, for ever, for a process that is gone.
fn waits_for_the_dead(case: &Case<'_>) -> Option<Proof> {
    case.broke(&[Rule::NothingLeft]).then(|| case.waits_for_the_dead()).flatten()
}

/// The first thing that a restarted process does is wrong; what it did before its crash was right.
fn wrong_since_restart(case: &Case<'_>) -> Option<Proof> {
    case.broke(&READS).then(|| case.first_after_restart()).flatten()
}
