//! "Before the writer or after the reader": clauses, and saturation.

use super::build::Saw;
use super::{Budget, Change, Conflict, Graph, INITIAL, NONE, Problem, Solver, Txn};

/// `other` comes before `writer`, or after `reader`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause {
    pub(super) writer: Txn,
    pub(super) reader: Txn,
    pub(super) other: Txn,
    pub(super) open: bool,
}

/// All clauses, and for each transaction those that name it.
#[derive(Debug)]
pub(super) struct Clauses {
    pub(super) all: Vec<Clause>,
    first: Vec<u32>,
    next: Vec<[u32; 3]>,
    /// Per key: its writers sorted by first moment, with the greatest last moment so far.
    pub(super) writers: Vec<Vec<(u32, u32, Txn)>>,
    /// Per key: writers of unknown outcome that may turn out to have happened.
    pub(super) maybe: Vec<Vec<Txn>>,
}

impl Clauses {
    fn new(problem: &Problem) -> Self {
        Clauses {
            all: Vec::new(),
            first: vec![NONE; problem.ops.len()],
            next: Vec::new(),
            writers: vec![Vec::new(); problem.keys],
            maybe: vec![Vec::new(); problem.keys],
        }
    }

    fn push(&mut self, clause: Clause) -> u32 {
        let number = self.all.len() as u32;
        let mut next = [NONE; 3];
        for (place, txn) in [clause.writer, clause.reader, clause.other].into_iter().enumerate() {
            next[place] = self.first[txn as usize];
            self.first[txn as usize] = number << 2 | place as u32;
        }
        self.all.push(clause);
        self.next.push(next);
        number
    }

    pub(super) fn pop(&mut self) {
        if let (Some(clause), Some(next)) = (self.all.pop(), self.next.pop()) {
            let named = [clause.writer, clause.reader, clause.other];
            for (place, txn) in named.into_iter().enumerate().rev() {
                self.first[txn as usize] = next[place];
            }
        }
    }
}

/// What the windows say about a clause.
enum Side {
    Satisfied,
    Open,
    Before,
    After,
    Neither,
}

impl<'p> Solver<'p> {
    pub(super) fn new(problem: &'p Problem, budget: Budget) -> Self {
        Solver {
            problem,
            graph: Graph::new(&problem.window),
            from: vec![NONE; problem.reads.len()],
            happened: problem.certain.clone(),
            clauses: Clauses::new(problem),
            ambiguous: Vec::new(),
            first: Vec::new(),
            saturated: 0,
            settled: vec![Vec::new(); problem.keys],
            trail: Vec::new(),
            steps_left: budget.steps,
            budget,
        }
    }

    /// Everything that follows without a guess.
    pub(super) fn saturate(&mut self) -> Result<(), Conflict> {
        self.read_from_unique()?;
        self.list_writers();
        // No clause exists yet that would have to be looked at again.
        self.graph.changed.clear();
        for read in 0..self.problem.reads.len() as u32 {
            if self.from[read as usize] != NONE {
                self.add_clauses(read)?;
                self.settled[self.problem.reads[read as usize].key as usize].push(read);
            }
        }
        self.propagate()?;
        self.sharpen()?;
        self.trail.clear();
        self.saturated = self.clauses.all.len() as u32;
        Ok(())
    }

    /// Edges from the one possible writer of each value seen. Whatever was seen happened.
    fn read_from_unique(&mut self) -> Result<(), Conflict> {
        let mut todo: Vec<Txn> =
            self.problem.txns().filter(|&txn| self.happened[txn as usize]).rev().collect();
        while let Some(txn) = todo.pop() {
            for read in self.problem.reads_of(txn) {
                match self.only_writer(read) {
                    Writers::None => return Err(Conflict { txns: vec![txn] }),
                    Writers::One(writer) => {
                        self.from[read as usize] = writer;
                        if !std::mem::replace(&mut self.happened[writer as usize], true) {
                            todo.push(writer);
                        }
                        self.edge(writer, txn)?;
                    }
                    Writers::Several => self.ambiguous.push(read),
                }
            }
        }
        let begin =
            |&read: &u32| self.problem.window[self.problem.reads[read as usize].txn as usize].0;
        self.ambiguous.sort_by_key(begin);
        Ok(())
    }

    fn only_writer(&self, read: u32) -> Writers {
        let entry = self.problem.reads[read as usize];
        let Saw::Value(value) = entry.saw else {
            return Writers::Several;
        };
        let mut writers =
            self.problem.writers(entry.key, value).filter(|&writer| writer != entry.txn);
        match (writers.next(), writers.next()) {
            (None, _) => Writers::None,
            (Some(writer), None) => Writers::One(writer),
            _ => Writers::Several,
        }
    }

    fn list_writers(&mut self) {
        for write in &self.problem.writes {
            let (key, txn) = (write.key as usize, write.txn);
            if self.happened[txn as usize] {
                self.clauses.writers[key].push((self.graph.e(txn), 0, txn));
            } else {
                self.clauses.maybe[key].push(txn);
            }
        }
        for writers in &mut self.clauses.writers {
            writers.sort_unstable();
            let mut latest = 0;
            for writer in writers {
                latest = latest.max(self.graph.l(writer.2));
                writer.1 = latest;
            }
        }
    }

    /// The clauses of a read that has its writer, against every other writer that is not
    /// certainly out of the way.
    pub(super) fn add_clauses(&mut self, read: u32) -> Result<(), Conflict> {
        let entry = self.problem.reads[read as usize];
        let (writer, reader, key) = (self.from[read as usize], entry.txn, entry.key as usize);
        let (begin, end) = (self.graph.e(writer), self.graph.l(reader));
        let mut at = self.clauses.writers[key].partition_point(|other| other.0 <= end);
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let (_, latest, other) = self.clauses.writers[key][at];
            if latest < begin {
                break;
            }
            self.add_clause(writer, reader, other)?;
        }
        for at in 0..self.clauses.maybe[key].len() {
            let other = self.clauses.maybe[key][at];
            if self.happened[other as usize] {
                self.add_clause(writer, reader, other)?;
            }
        }
        Ok(())
    }

    pub(super) fn add_clause(
        &mut self,
        writer: Txn,
        reader: Txn,
        other: Txn,
    ) -> Result<(), Conflict> {
        if other == writer || other == reader {
            return Ok(());
        }
        self.steps_left = self.steps_left.saturating_sub(1);
        match self.side(writer, reader, other) {
            Side::Satisfied => Ok(()),
            Side::Before => self.edge(other, writer),
            Side::After => self.edge(reader, other),
            Side::Neither => Err(Conflict { txns: vec![writer, reader, other] }),
            Side::Open => {
                self.clauses.push(Clause { writer, reader, other, open: true });
                self.trail.push(Change::ClauseAdded);
                Ok(())
            }
        }
    }

    fn side(&self, writer: Txn, reader: Txn, other: Txn) -> Side {
        let graph = &self.graph;
        if graph.before(other, writer) || graph.before(reader, other) {
            return Side::Satisfied;
        }
        let not_before = writer == INITIAL || graph.before(writer, other);
        let not_after = graph.before(other, reader);
        match (not_before, not_after) {
            (true, true) => Side::Neither,
            (true, false) => Side::After,
            (false, true) => Side::Before,
            (false, false) => Side::Open,
        }
    }

    pub(super) fn edge(&mut self, from: Txn, to: Txn) -> Result<(), Conflict> {
        let mut changes = Vec::new();
        let result = self.graph.add(from, to, &mut changes);
        let work = 1 + changes.len() as u64 + std::mem::take(&mut self.graph.visited);
        self.steps_left = self.steps_left.saturating_sub(work);
        self.trail.extend(changes.into_iter().map(Change::Graph));
        result
    }

    /// Looks again at the clauses around every window that changed, until nothing does.
    pub(super) fn propagate(&mut self) -> Result<(), Conflict> {
        while let Some(txn) = self.graph.changed.pop() {
            let mut at = self.clauses.first[txn as usize];
            while at != NONE {
                let (number, place) = (at >> 2, at as usize & 3);
                at = self.clauses.next[number as usize][place];
                if self.clauses.all[number as usize].open {
                    self.look(number)?;
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, number: u32) -> Result<(), Conflict> {
        self.steps_left = self.steps_left.saturating_sub(1);
        let Clause { writer, reader, other, .. } = self.clauses.all[number as usize];
        let side = self.side(writer, reader, other);
        if !matches!(side, Side::Open) {
            self.close(number);
        }
        match side {
            Side::Satisfied | Side::Open => Ok(()),
            Side::Before => self.edge(other, writer),
            Side::After => self.edge(reader, other),
            Side::Neither => Err(Conflict { txns: vec![writer, reader, other] }),
        }
    }

    pub(super) fn close(&mut self, number: u32) {
        self.clauses.all[number as usize].open = false;
        self.trail.push(Change::ClauseClosed { clause: number });
    }

    /// Decides open clauses by paths, where windows alone do not say it.
    fn sharpen(&mut self) -> Result<(), Conflict> {
        // At most a quarter of the budget: guessing needs the rest.
        let enough = self.budget.steps / 4 * 3;
        loop {
            let mut decided = false;
            for number in 0..self.clauses.all.len() as u32 {
                if self.steps_left < enough {
                    return Ok(());
                }
                if self.clauses.all[number as usize].open && self.decide_by_paths(number)? {
                    decided = true;
                    self.propagate()?;
                }
            }
            if !decided || self.steps_left < enough {
                return Ok(());
            }
        }
    }

    /// Whether paths decide the clause; its edge is added then.
    pub(super) fn decide_by_paths(&mut self, number: u32) -> Result<bool, Conflict> {
        self.steps_left = self.steps_left.saturating_sub(4);
        let Clause { writer, reader, other, .. } = self.clauses.all[number as usize];
        let not_before = self.graph.reaches(writer, other);
        let not_after = self.graph.reaches(other, reader);
        if !not_before && !not_after {
            return Ok(false);
        }
        self.close(number);
        match (not_before, not_after) {
            (true, true) => Err(Conflict { txns: vec![writer, reader, other] }),
            (true, false) => self.edge(reader, other).map(|()| true),
            _ => self.edge(other, writer).map(|()| true),
        }
    }
}

enum Writers {
    None,
    One(Txn),
    Several,
}
