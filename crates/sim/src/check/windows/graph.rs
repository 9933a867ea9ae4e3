//! Windows and edges, with undo.

use super::{Conflict, Txn};

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: Txn,
    to: Txn,
    next_out: u32,
    next_in: u32,
}

/// The windows of all transactions and the edges between them.
#[derive(Debug)]
pub(super) struct Graph {
    earliest: Vec<u32>,
    latest: Vec<u32>,
    out: Vec<u32>,
    into: Vec<u32>,
    edges: Vec<Edge>,
    /// Transactions whose window changed and whose clauses are to be looked at again.
    pub(super) changed: Vec<Txn>,
    /// Transactions visited, for the budget.
    pub(super) visited: u64,
    work: Vec<Txn>,
    stamp: Vec<u32>,
    now: u32,
}

/// One change of the graph.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    Edge,
    Earliest { txn: Txn, was: u32 },
    Latest { txn: Txn, was: u32 },
}

/// How many transactions a search for a path may visit before it gives up.
const REACH_LIMIT: usize = 256;

impl Graph {
    pub(super) fn new(windows: &[(u32, u32)]) -> Self {
        Graph {
            earliest: windows.iter().map(|window| window.0).collect(),
            latest: windows.iter().map(|window| window.1).collect(),
            out: vec![NONE; windows.len()],
            into: vec![NONE; windows.len()],
            edges: Vec::new(),
            changed: Vec::new(),
            visited: 0,
            work: Vec::new(),
            stamp: vec![0; windows.len()],
            now: 0,
        }
    }

    /// First moment at which the transaction can take effect.
    #[inline]
    pub(super) fn e(&self, txn: Txn) -> u32 {
        self.earliest[txn as usize]
    }

    /// Last moment at which the transaction can take effect.
    #[inline]
    pub(super) fn l(&self, txn: Txn) -> u32 {
        self.latest[txn as usize]
    }

    /// Whether `a` comes before `b` by their windows alone.
    #[inline]
    pub(super) fn before(&self, a: Txn, b: Txn) -> bool {
        self.l(a) < self.e(b)
    }

    /// Twice the middle of a window.
    pub(super) fn middle(&self, txn: Txn) -> u64 {
        u64::from(self.e(txn)) + u64::from(self.l(txn))
    }

    /// Adds `a → b` and everything that follows for the windows.
    pub(super) fn add(&mut self, a: Txn, b: Txn, log: &mut Vec<Undo>) -> Result<(), Conflict> {
        if self.before(a, b) {
            return Ok(());
        }
        if a == b || self.before(b, a) {
            return Err(Conflict { txns: vec![a, b] });
        }
        let number = self.edges.len() as u32;
        let (next_out, next_in) = (self.out[a as usize], self.into[b as usize]);
        self.edges.push(Edge { from: a, to: b, next_out, next_in });
        self.out[a as usize] = number;
        self.into[b as usize] = number;
        log.push(Undo::Edge);
        self.raise(a, b, log)?;
        self.lower(a, b, log)?;
        if self.e(a) == self.e(b) && self.l(a) == self.l(b) && self.closes_ring(a, b) {
            return Err(Conflict { txns: vec![a, b] });
        }
        Ok(())
    }

    fn raise(&mut self, a: Txn, b: Txn, log: &mut Vec<Undo>) -> Result<(), Conflict> {
        self.work.clear();
        let mut source = a;
        let mut target = b;
        loop {
            let bound = self.e(source);
            if self.e(target) < bound {
                log.push(Undo::Earliest { txn: target, was: self.e(target) });
                self.earliest[target as usize] = bound;
                if bound > self.l(target) {
                    return Err(Conflict { txns: vec![source, target] });
                }
                self.changed.push(target);
                let mut edge = self.out[target as usize];
                while edge != NONE {
                    self.work.push(edge);
                    edge = self.edges[edge as usize].next_out;
                }
            }
            let Some(edge) = self.work.pop() else {
                return Ok(());
            };
            (source, target) = (self.edges[edge as usize].from, self.edges[edge as usize].to);
        }
    }

    fn lower(&mut self, a: Txn, b: Txn, log: &mut Vec<Undo>) -> Result<(), Conflict> {
        self.work.clear();
        let mut source = b;
        let mut target = a;
        loop {
            let bound = self.l(source);
            if self.l(target) > bound {
                log.push(Undo::Latest { txn: target, was: self.l(target) });
                self.latest[target as usize] = bound;
                if bound < self.e(target) {
                    return Err(Conflict { txns: vec![source, target] });
                }
                self.changed.push(target);
                let mut edge = self.into[target as usize];
                while edge != NONE {
                    self.work.push(edge);
                    edge = self.edges[edge as usize].next_in;
                }
            }
            let Some(edge) = self.work.pop() else {
                return Ok(());
            };
            (source, target) = (self.edges[edge as usize].to, self.edges[edge as usize].from);
        }
    }

    /// Whether `b` leads back to `a`. All of a ring has one window, so nothing else is visited.
    fn closes_ring(&mut self, a: Txn, b: Txn) -> bool {
        let window = (self.e(a), self.l(a));
        self.search(b, a, usize::MAX, |graph, txn| (graph.e(txn), graph.l(txn)) == window)
    }

    /// Whether edges lead from `a` to `b`. May miss a path that visits very many transactions.
    pub(super) fn reaches(&mut self, a: Txn, b: Txn) -> bool {
        let (until, from) = (self.l(b), self.e(a));
        self.e(a) <= self.e(b)
            && self.l(a) <= until
            && self.search(a, b, REACH_LIMIT, |graph, txn| {
                graph.e(txn) >= from && graph.l(txn) <= until
            })
    }

    fn search(
        &mut self,
        from: Txn,
        to: Txn,
        limit: usize,
        inside: impl Fn(&Graph, Txn) -> bool,
    ) -> bool {
        self.now += 1;
        self.work.clear();
        self.work.push(from);
        let mut visited = 0;
        while let Some(txn) = self.work.pop() {
            if txn == to {
                return true;
            }
            visited += 1;
            self.visited += 1;
            if visited > limit {
                return false;
            }
            let mut edge = self.out[txn as usize];
            while edge != NONE {
                let Edge { to: next, next_out, .. } = self.edges[edge as usize];
                if self.stamp[next as usize] != self.now && inside(self, next) {
                    self.stamp[next as usize] = self.now;
                    self.work.push(next);
                }
                edge = next_out;
            }
        }
        false
    }

    pub(super) fn undo(&mut self, change: Undo) {
        match change {
            Undo::Edge => {
                if let Some(edge) = self.edges.pop() {
                    self.out[edge.from as usize] = edge.next_out;
                    self.into[edge.to as usize] = edge.next_in;
                }
            }
            Undo::Earliest { txn, was } => self.earliest[txn as usize] = was,
            Undo::Latest { txn, was } => self.latest[txn as usize] = was,
        }
    }

    /// An order of the transactions given that respects windows and edges, if the edges have no
    /// ring: by first moment, ties along the edges.
    pub(super) fn order(&self, txns: &[Txn]) -> Option<Vec<Txn>> {
        let mut missing = vec![0u32; self.out.len()];
        for edge in &self.edges {
            missing[edge.to as usize] += 1;
        }
        let mut ready: std::collections::BTreeSet<(u32, Txn)> = txns
            .iter()
            .filter(|&&txn| missing[txn as usize] == 0)
            .map(|&txn| (self.e(txn), txn))
            .collect();
        let mut order = Vec::with_capacity(txns.len());
        while let Some((_, txn)) = ready.pop_first() {
            order.push(txn);
            let mut edge = self.out[txn as usize];
            while edge != NONE {
                let Edge { to, next_out, .. } = self.edges[edge as usize];
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    ready.insert((self.e(to), to));
                }
                edge = next_out;
            }
        }
        (order.len() == txns.len()).then_some(order)
    }
}
