//! Joining runs: what several machines did, as if one had done it.
//!
//! Every part of every run is taken; a part that another one contains is left out, so the same run
//! twice, or an earlier copy of it, changes nothing. What remains must not overlap. None of that
//! depends on the order: joining is commutative, associative and idempotent wherever it is defined.

use std::path::PathBuf;

use super::checkpoint::{Checkpoint, Part};
use super::error::NightError;
use super::layout::Block;
use super::spans::Spans;

/// A part and where it comes from.
struct Candidate {
    path: PathBuf,
    block: Block,
    part: Part,
    places: Spans,
}

/// How the seeds of two parts lie to each other.
enum Relation {
    Disjoint,
    /// The first has all seeds of the second.
    Contains,
    /// The second has all seeds of the first.
    Contained,
    Overlap,
}

impl Candidate {
    fn relation(&self, other: &Candidate) -> Relation {
        if self.block.is_sibling_of(&other.block) {
            return Relation::Disjoint;
        }
        if self.places.contains(&other.places) {
            Relation::Contains
        } else if other.places.contains(&self.places) {
            Relation::Contained
        } else if other.places.iter().any(|span| self.places.meets(&span)) {
            Relation::Overlap
        } else {
            Relation::Disjoint
        }
    }

    fn shared_place(&self, other: &Candidate) -> u64 {
        let shared = other.places.iter().find(|span| self.places.meets(span)).unwrap_or(0..0);
        let free =
            self.places.gap(shared.start, shared.end).filter(|gap| gap.start == shared.start);
        free.map_or(shared.start, |gap| gap.end)
    }
}

/// What these runs did together. There must be one at least.
///
/// # Errors
/// If they are not of one job, or overlap and neither contains the other.
///
/// # Panics
/// If there are no runs.
pub fn join(runs: Vec<(PathBuf, Checkpoint)>) -> Result<Checkpoint, NightError> {
    let mut runs = runs.into_iter();
    let (first_path, first) = runs.next().expect("there is a run");
    let mut whole = Checkpoint { parts: Default::default(), results_bytes: 0, ..first.clone() };
    let mut kept: Vec<Candidate> = Vec::new();
    for (path, run) in std::iter::once((first_path, first)).chain(runs) {
        let differences = whole.job.differences(&run.job);
        if !differences.is_empty() {
            return Err(NightError::OtherRun { path, differences });
        }
        for (strategy, behaviours) in &run.behaviours {
            whole.behaviours.entry(*strategy).or_default().merge(behaviours);
        }
        for (block, part) in run.parts {
            let places = whole.job.layout(block).places(&part.done);
            let candidate = Candidate { path: path.clone(), block, part, places };
            let is_known =
                kept.iter().any(|old| matches!(old.relation(&candidate), Relation::Contains));
            if !is_known {
                kept.retain(|old| !matches!(old.relation(&candidate), Relation::Contained));
                kept.push(candidate);
            }
        }
    }
    for (number, one) in kept.iter().enumerate() {
        for other in &kept[number + 1..] {
            if matches!(one.relation(other), Relation::Overlap) {
                let seed = whole.job.first_seed + one.shared_place(other);
                let (one, other) = (one.path.clone(), other.path.clone());
                return Err(NightError::Overlap { one, other, seed });
            }
        }
    }
    whole.parts = kept.into_iter().map(|candidate| (candidate.block, candidate.part)).collect();
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::job;
    use super::*;
    use crate::campaign::Summary;

    /// The run of a block that did these positions.
    fn run(block: &str, done: &[(u64, u64)]) -> (PathBuf, Checkpoint) {
        let mut spans = Spans::default();
        done.iter().for_each(|&(from, to)| spans.insert(from..to));
        let summary = Summary { seeds: spans.count(), ..Summary::default() };
        let block = block.parse().expect("a block");
        let part = Part { done: spans, elapsed_ms: 0, next_seed: None, summary };
        (PathBuf::from(format!("{block}")), Checkpoint::of(&job(1000), block, part))
    }

    fn joined(runs: &[&(PathBuf, Checkpoint)]) -> Checkpoint {
        join(runs.iter().map(|run| (*run).clone()).collect()).expect("they fit")
    }

    #[test]
    fn runs_join_in_any_order_and_the_same_one_twice_counts_once() {
        let (a, b, c) =
            (run("1/3", &[(0, 200)]), run("2/3", &[(0, 334)]), run("3/3", &[(0, 50), (80, 90)]));
        let whole = joined(&[&a, &b, &c]);
        assert_eq!(whole.summary().seeds, 200 + 334 - 2 + 60 + 2);
        assert_eq!(whole, joined(&[&c, &a, &b, &a]));
        let pair = (PathBuf::from("pair"), joined(&[&a, &b]));
        assert_eq!(whole, joined(&[&pair, &c]));
        assert_eq!(whole, joined(&[&c, &pair, &b]));
    }

    #[test]
    fn an_earlier_copy_of_a_run_changes_nothing() {
        let (early, late) = (run("1/2", &[(0, 40)]), run("1/2", &[(0, 44), (60, 64)]));
        assert_eq!(joined(&[&early, &late]), joined(&[&late]));
        assert_eq!(joined(&[&late, &early]), joined(&[&late]));
        // And a block that another way of cutting contains.
        let (half, quarter) = (run("1/2", &[(0, 500)]), run("3/4", &[(0, 100)]));
        assert_eq!(joined(&[&half, &quarter]), joined(&[&half]));
    }

    #[test]
    fn runs_that_share_some_seeds_are_refused_with_both_names() {
        let (one, other) = (run("1/2", &[(0, 44)]), run("1/3", &[(0, 100)]));
        let error = join(vec![one, other]).expect_err("they overlap");
        assert_eq!(
            error.to_string(),
            "1/2 and 1/3 both have seed 42, and each has seeds that the other lacks; leave one of \
             them out"
        );
    }

    #[test]
    fn what_is_missing_is_told_as_seeds() {
        let run = run("1/1", &[(0, 10), (20, 1000)]);
        let missing = joined(&[&run]).missing(Block::WHOLE);
        assert_eq!(missing.iter().map(|gap| (gap.start, gap.end)).collect::<Vec<_>>(), [(52, 62)]);
    }
}
