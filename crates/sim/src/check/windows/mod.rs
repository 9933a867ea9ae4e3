//! Strict serializability by values alone: transactions, scans, ambiguous values.
//!
//! # The idea
//! Every transaction `T` needs a moment `p(T)` inside its window `[e, l]`, which starts as
//! `[invoke, return]`. Two kinds of knowledge narrow the windows:
//!
//! * an **edge** `a → b` says `p(a) < p(b)`: then `e(b) ≥ e(a)` and `l(a) ≤ l(b)`. A window that
//!   becomes empty is a contradiction; it covers every cycle that runs through real time. A cycle
//!   of edges has equal windows all along, which makes it cheap to look for.
//! * a **clause**: if `r` read key `k` from `w`, any other writer `w2` of `k` comes before `w` or
//!   after `r`. Where the windows exclude one side, the other becomes an edge; where they exclude
//!   both, three transactions and one key contradict each other.
//!
//! Edges from writers to readers come first, then the clauses of writers that overlap the pair,
//! and both are repeated around whatever changed until nothing does (*saturation*). What stays
//! open is guessed, the likelier side by the middles of the windows, and taken back on a
//! contradiction. Values that several writers may have left (a delete, a duplicate, "not this" of
//! a failed compare) are the same kind of guess, over the writers in reach.
//!
//! An acyclic set of edges with no empty window is enough: give every transaction the moment
//! `e(T)`, and break ties along the edges.
//!
//! O(n · c) clauses for overlap c; exponential only in what stays open and contradicts itself
//! late, and then the budget ends it. Shares no code with [`whitebox`](super::whitebox).

mod build;
mod clauses;
mod graph;
mod guess;
mod witness;

use super::{Budget, Undecided, Verdict};
use crate::history::{History, Key, OpId, Value};
use build::Problem;
use graph::Graph;

/// Number of a transaction in a [`Problem`]; 0 is the one that wrote the initial values.
type Txn = u32;

/// The transaction that wrote the initial values.
const INITIAL: Txn = 0;
const NONE: u32 = u32::MAX;

/// Two facts exclude each other; the transactions that show it, as far as they are known.
#[derive(Debug)]
struct Conflict {
    txns: Vec<Txn>,
}

/// Judges the operations `ops` of `history`, which must hold every operation on their keys.
///
/// The violation is a set of operations that is involved in it, possibly empty.
pub(crate) fn check(
    history: &History,
    ops: &[OpId],
    initial: &dyn Fn(Key) -> Value,
    budget: Budget,
) -> Verdict<Vec<OpId>> {
    let problem = match Problem::build(history, ops, initial) {
        Ok(problem) => problem,
        Err(build::Bad::Unsupported(what)) => {
            return Verdict::Undecided(Undecided::Unsupported { what });
        }
        Err(build::Bad::Violation(ops)) => return Verdict::Violated(ops),
    };
    let mut solver = Solver::new(&problem, budget);
    match solver.saturate() {
        Ok(()) => {}
        Err(conflict) => return Verdict::Violated(solver.blame(history, &conflict)),
    }
    solver.guess()
}

/// Everything that changes while the problem is being solved.
struct Solver<'p> {
    problem: &'p Problem,
    graph: Graph,
    /// Per read: the transaction that it is taken to have read from.
    from: Vec<Txn>,
    /// Per transaction: whether it is taken to have happened.
    happened: Vec<bool>,
    clauses: clauses::Clauses,
    /// Reads whose writer is not settled, oldest first.
    ambiguous: Vec<u32>,
    /// Clauses of which a search has failed on both sides: to be guessed first, the last first.
    first: Vec<u32>,
    /// Number of clauses before the first guess.
    saturated: u32,
    /// Per key: reads with a writer.
    settled: Vec<Vec<u32>>,
    trail: Vec<Change>,
    steps_left: u64,
    budget: Budget,
}

/// What [`Solver::undo`] takes back.
#[derive(Clone, Copy, Debug)]
enum Change {
    Settled { read: u32 },
    Ambiguous,
    Happened { txn: Txn },
    ClauseClosed { clause: u32 },
    ClauseAdded,
    Graph(graph::Undo),
}
