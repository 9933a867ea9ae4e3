//! Cycles: strongly connected components first, then the shortest cycle of each kind inside them.

use std::collections::VecDeque;

use super::build::Graph;
use super::edges::Kinds;
use super::{Anomaly, Edge, Name};
use crate::history::OpId;

const NONE: u32 = u32::MAX;

/// Finds the shortest cycle of each kind in each component.
pub(super) fn find(graph: &Graph, anomalies: &mut Vec<Anomaly>) {
    let data = Kinds::WW.and(Kinds::WR);
    let orders = [
        (None, [Name::G0, Name::G1c, Name::GSingle, Name::G2Item]),
        (
            Some(Kinds::PROCESS),
            [Name::G0Process, Name::G1cProcess, Name::GSingleProcess, Name::G2ItemProcess],
        ),
        (
            Some(Kinds::REALTIME),
            [Name::G0Realtime, Name::G1cRealtime, Name::GSingleRealtime, Name::G2ItemRealtime],
        ),
    ];
    let mut explained: Vec<bool> = vec![false; graph.out.len()];
    for (order, names) in orders {
        let with = |kinds: Kinds| order.map_or(kinds, |order| kinds.and(order));
        for component in components(graph, with(data.and(Kinds::RW))) {
            if order.is_some() && component.iter().all(|&txn| explained[txn as usize]) {
                continue;
            }
            let search = Search::new(graph, &component);
            let found = [
                search.shortest(names[0], Kinds::WW, with(Kinds::WW)),
                search.shortest(names[1], Kinds::WR, with(data)),
                search.shortest(names[2], Kinds::RW, with(data)),
                search.nonadjacent(with(data)).filter(|_| order.is_none()),
                search.shortest(names[3], Kinds::RW, with(data.and(Kinds::RW))),
            ];
            // A cycle with one anti-dependency is also one with some: name it once.
            let single = found[2].is_some() || found[3].is_some();
            for (place, anomaly) in found.into_iter().enumerate() {
                if let Some(anomaly) = anomaly
                    && (place < 3 || !(single && place == 4))
                {
                    for op in anomaly.ops() {
                        explained[op.0 as usize] = true;
                    }
                    anomalies.push(anomaly);
                }
            }
        }
    }
}

struct Search<'g> {
    graph: &'g Graph,
    inside: Vec<bool>,
    members: &'g [u32],
}

/// How many first edges are tried for the shortest cycle of one component.
const TRIES: usize = 2_000;

impl<'g> Search<'g> {
    fn new(graph: &'g Graph, members: &'g [u32]) -> Self {
        let mut inside = vec![false; graph.out.len()];
        for &txn in members {
            inside[txn as usize] = true;
        }
        Search { graph, inside, members }
    }

    /// The shortest cycle that begins with an edge of kind `first` and goes on with `rest`.
    fn shortest(&self, name: Name, first: Kinds, rest: Kinds) -> Option<Anomaly> {
        self.best(name, first, |edge| self.path(edge.to, edge.from, rest))
    }

    /// The shortest cycle with several anti-dependencies of which no two touch.
    fn nonadjacent(&self, data: Kinds) -> Option<Anomaly> {
        let found = self.best(Name::GNonadjacent, Kinds::RW, |edge| self.apart(edge, data))?;
        let several = found.cycle.iter().filter(|edge| Kinds::RW.has(&edge.why)).count() > 1;
        several.then_some(found)
    }

    fn best(
        &self,
        name: Name,
        first: Kinds,
        path: impl Fn(&Edge) -> Option<Vec<Edge>>,
    ) -> Option<Anomaly> {
        let edges = self.members.iter().flat_map(|&txn| &self.graph.out[txn as usize]);
        let firsts = edges.filter(|edge| first.has(&edge.why) && self.inside[edge.to.0 as usize]);
        let mut best: Option<Vec<Edge>> = None;
        for edge in firsts.take(TRIES) {
            if let Some(mut cycle) = path(edge) {
                cycle.insert(0, *edge);
                if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                    best = Some(cycle);
                }
                if best.as_ref().is_some_and(|best| best.len() == 2) {
                    break;
                }
            }
        }
        let cycle = best?;
        Some(Anomaly { name, cycle, txns: Vec::new(), key: None, value: None })
    }

    fn path(&self, from: OpId, to: OpId, kinds: Kinds) -> Option<Vec<Edge>> {
        let mut came: Vec<Option<Edge>> = vec![None; self.graph.out.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(txn) = queue.pop_front() {
            if txn == to {
                return Some(walk_back(from, to, &came));
            }
            for edge in &self.graph.out[txn.0 as usize] {
                let next = edge.to;
                let fits = kinds.has(&edge.why) && self.inside[next.0 as usize];
                if fits && next != from && came[next.0 as usize].is_none() {
                    came[next.0 as usize] = Some(*edge);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// From the end of an anti-dependency back to its begin, with no two in a row and none last.
    fn apart(&self, first: &Edge, data: Kinds) -> Option<Vec<Edge>> {
        let all = data.and(Kinds::RW);
        let mut came: Vec<[Option<Edge>; 2]> = vec![[None; 2]; self.graph.out.len()];
        let mut queue = VecDeque::from([(first.to, 1usize)]);
        while let Some((txn, after)) = queue.pop_front() {
            for edge in &self.graph.out[txn.0 as usize] {
                let anti = Kinds::RW.has(&edge.why);
                let (next, state) = (edge.to, usize::from(anti));
                if !all.has(&edge.why) || !self.inside[next.0 as usize] || (anti && after == 1) {
                    continue;
                }
                if came[next.0 as usize][state].is_some() {
                    continue;
                }
                came[next.0 as usize][state] = Some(*edge);
                if next == first.from && !anti {
                    let mut path = vec![*edge];
                    let mut at = (txn, after);
                    while at != (first.to, 1) {
                        let edge = came[at.0.0 as usize][at.1]?;
                        path.push(edge);
                        // The step before an anti-dependency was none; else look at both.
                        let before = edge.from;
                        let state = match at.1 {
                            1 => 0,
                            _ if before == first.to => 1,
                            _ if came[before.0 as usize][0].is_some() => 0,
                            _ => 1,
                        };
                        if path.len() > self.members.len() {
                            return None;
                        }
                        at = (before, state);
                    }
                    path.reverse();
                    return Some(path);
                }
                queue.push_back((next, state));
            }
        }
        None
    }
}

fn walk_back(from: OpId, to: OpId, came: &[Option<Edge>]) -> Vec<Edge> {
    let mut path = Vec::new();
    let mut at = to;
    while at != from {
        let Some(edge) = came[at.0 as usize] else {
            break;
        };
        path.push(edge);
        at = edge.from;
    }
    path.reverse();
    path
}

/// Strongly connected components of more than one transaction (Tarjan 1972, without recursion).
fn components(graph: &Graph, kinds: Kinds) -> Vec<Vec<u32>> {
    let count = graph.out.len();
    let (mut number, mut low) = (vec![NONE; count], vec![0u32; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0u32);
    for root in 0..count as u32 {
        if number[root as usize] != NONE {
            continue;
        }
        let mut calls: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some(&mut (txn, ref mut edge)) = calls.last_mut() {
            let at = txn as usize;
            if *edge == 0 {
                number[at] = next;
                low[at] = next;
                next += 1;
                stack.push(txn);
                on_stack[at] = true;
            }
            let follow = graph.out[at][*edge..].iter().position(|edge| kinds.has(&edge.why));
            if let Some(skip) = follow {
                let to = graph.out[at][*edge + skip].to.0;
                *edge += skip + 1;
                if number[to as usize] == NONE {
                    calls.push((to, 0));
                } else if on_stack[to as usize] {
                    low[at] = low[at].min(number[to as usize]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(parent, _)) = calls.last() {
                low[parent as usize] = low[parent as usize].min(low[at]);
            }
            if low[at] == number[at] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member as usize] = false;
                    component.push(member);
                    if member == txn {
                        break;
                    }
                }
                if component.len() > 1 {
                    component.sort_unstable();
                    found.push(component);
                }
            }
        }
    }
    found
}
