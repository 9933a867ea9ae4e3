//! What saturation leaves open: guess, propagate, take back.

use super::build::Saw;
use super::clauses::Clause;
use super::{Change, Conflict, INITIAL, NONE, Solver, Txn};
use crate::check::{Undecided, Verdict};
use crate::history::OpId;

/// One guess, with the answers that have not been tried.
#[derive(Debug)]
struct Guess {
    trail: usize,
    /// Where the search for the next ambiguous read and the next open clause stood.
    cursor: (usize, usize),
    what: What,
}

#[derive(Debug)]
enum What {
    /// The writers that a read may still turn out to have seen, least likely first.
    Read { read: u32, left: Vec<Txn> },
    /// The other side of a clause, if it has not been tried: an edge.
    Clause { number: u32, left: Option<(Txn, Txn)> },
}

/// How often a search jumps back to guess a clause first that failed on both sides. A guess fails
/// only once all that can follow it has failed, so jumping forgets work but never an answer.
const JUMPS: u32 = 20_000;
/// How many guesses the first jump takes back; each further one for the same clause takes four
/// times as many.
const BACK_MIN: usize = 8;

impl Solver<'_> {
    /// Guesses until everything is decided, or nothing is left to guess.
    pub(super) fn guess(&mut self) -> Verdict<Vec<OpId>> {
        let mut guesses: Vec<Guess> = Vec::new();
        let mut cursor = (0, 0);
        let (mut jumps_left, mut back) = (JUMPS, BACK_MIN);
        'search: loop {
            if self.steps_left == 0 {
                return Verdict::Undecided(Undecided::Budget { steps: self.budget.steps });
            }
            match self.next_guess(&mut cursor) {
                Some(guess) => guesses.push(guess),
                None => {
                    debug_assert!(self.order_holds(), "the order found does not explain the reads");
                    return Verdict::Ok;
                }
            }
            loop {
                let Some(guess) = guesses.last_mut() else {
                    return Verdict::Violated(Vec::new());
                };
                let (mark, at) = (guess.trail, guess.cursor);
                self.undo(mark);
                let next = self.take(guess);
                cursor = at;
                match next {
                    Some(Ok(())) => break,
                    Some(Err(_)) => {}
                    None => {
                        let failed = guesses.pop();
                        if jumps_left > 0 && self.blame_clause(failed, &mut back) {
                            jumps_left -= 1;
                            let kept = guesses.len().saturating_sub(back);
                            if let Some(guess) = guesses.get(kept) {
                                cursor = guess.cursor;
                                let mark = guess.trail;
                                self.undo(mark);
                                guesses.truncate(kept);
                                continue 'search;
                            }
                        }
                    }
                }
                if self.steps_left == 0 {
                    return Verdict::Undecided(Undecided::Budget { steps: self.budget.steps });
                }
            }
        }
    }

    /// Puts a clause that failed on both sides first, and says how far to jump back. False if it
    /// was not there before the guessing began.
    fn blame_clause(&mut self, failed: Option<Guess>, back: &mut usize) -> bool {
        let Some(Guess { what: What::Clause { number, .. }, .. }) = failed else { return false };
        if number >= self.saturated {
            return false;
        }
        let again = self.first.last() == Some(&number);
        *back = if again { back.saturating_mul(4) } else { BACK_MIN };
        if !again {
            self.first.retain(|&other| other != number);
            self.first.push(number);
        }
        true
    }

    fn next_guess(&mut self, cursor: &mut (usize, usize)) -> Option<Guess> {
        for &number in self.first.iter().rev() {
            if self.clauses.all[number as usize].open {
                let what = What::Clause { number, left: None };
                return Some(Guess { trail: self.trail.len(), cursor: *cursor, what });
            }
        }
        while let Some(&read) = self.ambiguous.get(cursor.0) {
            if self.from[read as usize] == NONE {
                let left = self.candidates(read);
                let what = What::Read { read, left };
                return Some(Guess { trail: self.trail.len(), cursor: *cursor, what });
            }
            cursor.0 += 1;
        }
        while let Some(clause) = self.clauses.all.get(cursor.1) {
            if clause.open {
                let number = cursor.1 as u32;
                let what = What::Clause { number, left: None };
                return Some(Guess { trail: self.trail.len(), cursor: *cursor, what });
            }
            cursor.1 += 1;
        }
        None
    }

    /// Tries the next answer of a guess; `None` if there is none left.
    fn take(&mut self, guess: &mut Guess) -> Option<Result<(), Conflict>> {
        self.steps_left = self.steps_left.saturating_sub(1);
        match &mut guess.what {
            What::Read { read, left } => {
                let writer = left.pop()?;
                Some(self.settle(*read, writer).and_then(|()| self.propagate()))
            }
            What::Clause { number, left } => {
                let (from, to) = match left.take() {
                    // `NONE` marks that both sides were tried.
                    Some((NONE, _)) => return None,
                    Some(edge) => {
                        *left = Some((NONE, NONE));
                        edge
                    }
                    None => {
                        let (likely, other) = self.sides(*number);
                        *left = Some(other);
                        likely
                    }
                };
                self.close(*number);
                Some(self.edge(from, to).and_then(|()| self.propagate()))
            }
        }
    }

    /// The two edges that satisfy a clause, the likelier one first.
    fn sides(&self, number: u32) -> ((Txn, Txn), (Txn, Txn)) {
        let Clause { writer, reader, other, .. } = self.clauses.all[number as usize];
        let graph = &self.graph;
        let (before, after) = ((other, writer), (reader, other));
        let middle = graph.middle(other);
        // How far `other` stands on the wrong side of each.
        let past_writer = middle.saturating_sub(graph.middle(writer));
        let short_of_reader = graph.middle(reader).saturating_sub(middle);
        if past_writer <= short_of_reader { (before, after) } else { (after, before) }
    }

    /// Takes the read to have seen what `writer` left. Whatever that makes happen happens.
    fn settle(&mut self, read: u32, writer: Txn) -> Result<(), Conflict> {
        let entry = self.problem.reads[read as usize];
        self.from[read as usize] = writer;
        self.settled[entry.key as usize].push(read);
        self.trail.push(Change::Settled { read });
        if !self.happened[writer as usize] {
            self.happen(writer)?;
        }
        self.edge(writer, entry.txn)?;
        self.add_clauses(read)
    }

    /// A transaction of unknown outcome turns out to have happened.
    fn happen(&mut self, txn: Txn) -> Result<(), Conflict> {
        self.happened[txn as usize] = true;
        self.trail.push(Change::Happened { txn });
        for write in self.problem.writes_of(txn) {
            let key = self.problem.writes[write as usize].key as usize;
            for at in 0..self.settled[key].len() {
                let read = self.settled[key][at];
                let reader = self.problem.reads[read as usize].txn;
                self.add_clause(self.from[read as usize], reader, txn)?;
            }
        }
        for read in self.problem.reads_of(txn) {
            self.ambiguous.push(read);
            self.trail.push(Change::Ambiguous);
        }
        Ok(())
    }

    /// The writers that a read may have seen, least likely first: those that are not certainly
    /// over, and not certainly still to come.
    fn candidates(&mut self, read: u32) -> Vec<Txn> {
        let entry = self.problem.reads[read as usize];
        let (key, reader) = (entry.key as usize, entry.txn);
        let (begin, end) = (self.graph.e(reader), self.graph.l(reader));
        let fits = |solver: &Self, txn: Txn| match entry.saw {
            Saw::Value(value) => solver.left(txn, entry.key) == Some(value),
            Saw::Not(value) => solver.left(txn, entry.key) != Some(value),
        };
        let mut found = Vec::new();
        // First moment of a writer that certainly comes before the reader: what was certainly
        // over by then cannot be seen.
        let mut over = 0;
        let mut at = self.clauses.writers[key].partition_point(|other| other.0 <= end);
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let (_, latest, writer) = self.clauses.writers[key][at];
            if latest < over {
                break;
            }
            self.steps_left = self.steps_left.saturating_sub(1);
            if writer == reader {
                continue;
            }
            if self.graph.l(writer) < begin {
                over = over.max(self.graph.e(writer));
            }
            if self.graph.e(writer) <= end && fits(self, writer) {
                found.push(writer);
            }
        }
        for &writer in &self.clauses.maybe[key] {
            if writer != reader && self.graph.e(writer) <= end && fits(self, writer) {
                found.push(writer);
            }
        }
        found.retain(|&writer| self.graph.l(writer) >= over);
        if over == 0 && fits(self, INITIAL) {
            found.push(INITIAL);
        }
        self.by_likelihood(reader, &mut found);
        found
    }

    /// Likeliest last: what is known to have happened, in the middle latest before the reader.
    fn by_likelihood(&self, reader: Txn, found: &mut [Txn]) {
        let middle = self.graph.middle(reader);
        found.sort_by_key(|&writer| {
            let of_writer = self.graph.middle(writer);
            let happened = self.happened[writer as usize];
            let past = of_writer <= middle;
            (happened, past, if past { of_writer } else { u64::MAX - of_writer })
        });
    }

    /// What a transaction left under a key.
    pub(super) fn left(&self, txn: Txn, key: u32) -> Option<crate::history::Value> {
        if txn == INITIAL {
            return Some(self.problem.initial[key as usize]);
        }
        let writes = self.problem.writes_of(txn);
        let mut writes = writes.map(|write| self.problem.writes[write as usize]);
        writes.find(|write| write.key == key).map(|write| write.value)
    }

    fn undo(&mut self, mark: usize) {
        self.graph.changed.clear();
        while self.trail.len() > mark {
            match self.trail.pop() {
                Some(Change::Settled { read }) => {
                    self.from[read as usize] = NONE;
                    self.settled[self.problem.reads[read as usize].key as usize].pop();
                }
                Some(Change::Ambiguous) => {
                    self.ambiguous.pop();
                }
                Some(Change::Happened { txn }) => self.happened[txn as usize] = false,
                Some(Change::ClauseClosed { clause }) => {
                    self.clauses.all[clause as usize].open = true;
                }
                Some(Change::ClauseAdded) => self.clauses.pop(),
                Some(Change::Graph(change)) => self.graph.undo(change),
                None => return,
            }
        }
    }
}
