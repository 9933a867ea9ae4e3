//! The search that decides only when it must.
//!
//! Walk the events. At a return, the call must have taken effect: if it has not, take it now,
//! perhaps after some of the calls that are open at that moment. A node of the search is a return
//! event plus a configuration: the state, the open calls that were taken early, and how many calls
//! of each class of unknown outcome were spent. Depth first, so that a correct history is answered
//! by the first path that holds; nodes are remembered, so that an incorrect one ends.
//!
//! Two observations keep unknown outcomes cheap. Calls of unknown outcome with equal content form
//! one class: which one of them is spent does not matter. And a configuration that spent fewer of
//! them can do whatever the other one can: it *dominates*, and the dominated one is dropped. A
//! class is forgotten after the last call that it may enable ([`Model::may_enable`]).

use std::collections::BTreeMap;

use super::super::{Budget, Undecided, Verdict};
use super::{Call, Model, Steps, Stuck};

/// Whether `calls` are linearizable; if not, the first return that no order can serve.
///
/// One step of the budget is one node tried.
pub fn just_in_time<M: Model>(
    model: &M,
    calls: &[Call<M::Call>],
    budget: Budget,
) -> Verdict<Stuck> {
    let mut search = Search::new(model, calls, budget);
    search.run()
}

/// Equal calls of unknown outcome.
#[derive(Debug)]
struct Class {
    /// One of them: they are all equal.
    call: usize,
    /// Their invokes, in order.
    invokes: Vec<u32>,
    /// Total index of the last return that the class may help.
    until: u32,
}

/// How many calls of which class were spent, by class.
type Spent = Vec<(u32, u32)>;

/// Where the search is: before the return number `at`, in a configuration.
#[derive(Clone, Debug)]
struct Node {
    at: usize,
    state: u32,
    early: Vec<u32>,
    spent: Spent,
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Call>],
    /// Certain calls in the order of their returns.
    returns: Vec<u32>,
    /// Certain calls that are open just before each return: `open[start[at]..start[at + 1]]`.
    open: Vec<u32>,
    start: Vec<usize>,
    classes: Vec<Class>,
    states: BTreeMap<M::State, u32>,
    by_number: Vec<M::State>,
    seen: BTreeMap<(usize, u32, Vec<u32>), Vec<Spent>>,
    steps: Steps,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, calls: &'a [Call<M::Call>], budget: Budget) -> Self {
        let mut returns: Vec<u32> =
            (0..calls.len() as u32).filter(|&call| calls[call as usize].is_certain()).collect();
        let mut begins = returns.clone();
        returns.sort_by_key(|&call| calls[call as usize].deadline);
        begins.sort_by_key(|&call| calls[call as usize].invoke);
        let classes = classes(model, calls, &returns);
        let mut search = Search {
            model,
            calls,
            returns,
            open: Vec::new(),
            start: vec![0],
            classes,
            states: BTreeMap::new(),
            by_number: Vec::new(),
            seen: BTreeMap::new(),
            steps: Steps::new(budget),
        };
        search.list_open(&begins);
        search
    }

    fn list_open(&mut self, begins: &[u32]) {
        let mut begins = begins.iter().peekable();
        let mut open: Vec<u32> = Vec::new();
        for index in 0..self.returns.len() {
            let returning = self.returns[index];
            let end = self.calls[returning as usize].deadline;
            while let Some(call) = begins.next_if(|&&call| self.calls[call as usize].invoke < end) {
                open.push(*call);
            }
            if !self.steps.take(open.len() as u64 / 64) {
                return;
            }
            self.open.extend_from_slice(&open);
            self.start.push(self.open.len());
            open.retain(|&call| call != returning);
        }
    }

    fn run(&mut self) -> Verdict<Stuck> {
        let initial = self.model.initial();
        let state = self.number(initial);
        let mut stack = vec![Node { at: 0, state, early: Vec::new(), spent: Vec::new() }];
        let mut furthest = 0;
        while let Some(node) = stack.pop() {
            let Some(node) = self.advance(node) else {
                return Verdict::Ok;
            };
            furthest = furthest.max(node.at);
            if !self.steps.take(1) {
                return Verdict::Undecided(Undecided::Budget { steps: self.steps.all });
            }
            if self.is_new(&node) {
                self.push_next(&node, &mut stack);
            }
        }
        match self.returns.get(furthest) {
            Some(&call) => {
                let call = &self.calls[call as usize];
                Verdict::Violated(Stuck { op: call.op, event: call.deadline })
            }
            None => Verdict::Ok,
        }
    }

    /// Passes returns whose call was taken early. `None` at the end of the history.
    fn advance(&mut self, mut node: Node) -> Option<Node> {
        let before = node.at;
        while let Ok(place) = node.early.binary_search(self.returns.get(node.at)?) {
            node.early.remove(place);
            node.at += 1;
        }
        if node.at > before {
            let now = self.calls[self.returns[node.at] as usize].deadline;
            node.spent.retain(|&(class, _)| self.classes[class as usize].until >= now);
        }
        Some(node)
    }

    /// Remembers the node, unless a node at least as good was there before.
    fn is_new(&mut self, node: &Node) -> bool {
        let key = (node.at, node.state, node.early.clone());
        let spent = self.seen.entry(key).or_default();
        if spent.iter().any(|other| dominates(other, &node.spent)) {
            return false;
        }
        spent.retain(|other| !dominates(&node.spent, other));
        spent.push(node.spent.clone());
        true
    }

    /// Pushes what can be taken next; what the return itself asks for comes off the stack first,
    /// calls of unknown outcome last.
    fn push_next(&mut self, node: &Node, stack: &mut Vec<Node>) {
        let returning = self.returns[node.at];
        let now = self.calls[returning as usize].deadline;
        for class in 0..self.classes.len() {
            let class_spent = node.spent.iter().find(|spent| spent.0 == class as u32);
            let used = class_spent.map_or(0, |spent| spent.1 as usize);
            let entry = &self.classes[class];
            if entry.until < now || entry.invokes.get(used).is_none_or(|&invoke| invoke > now) {
                continue;
            }
            let call = entry.call;
            if let Some(state) = self.step(node.state, call)
                && state != node.state
            {
                let mut spent = node.spent.clone();
                match spent.binary_search_by_key(&(class as u32), |spent| spent.0) {
                    Ok(place) => spent[place].1 += 1,
                    Err(place) => spent.insert(place, (class as u32, 1)),
                }
                stack.push(Node { at: node.at, state, early: node.early.clone(), spent });
            }
        }
        for index in self.start[node.at]..self.start[node.at + 1] {
            let call = self.open[index];
            if call != returning {
                self.push_taken(node, call, stack);
            }
        }
        self.push_taken(node, returning, stack);
    }

    fn push_taken(&mut self, node: &Node, call: u32, stack: &mut Vec<Node>) {
        let Err(place) = node.early.binary_search(&call) else {
            return;
        };
        if let Some(state) = self.step(node.state, call as usize) {
            let mut early = node.early.clone();
            early.insert(place, call);
            stack.push(Node { at: node.at, state, early, spent: node.spent.clone() });
        }
    }

    fn step(&mut self, state: u32, call: usize) -> Option<u32> {
        let next = self.model.step(&self.by_number[state as usize], &self.calls[call].call)?;
        Some(self.number(next))
    }

    fn number(&mut self, state: M::State) -> u32 {
        if let Some(&number) = self.states.get(&state) {
            return number;
        }
        let number = self.by_number.len() as u32;
        self.by_number.push(state.clone());
        self.states.insert(state, number);
        number
    }
}

fn classes<M: Model>(model: &M, calls: &[Call<M::Call>], returns: &[u32]) -> Vec<Class> {
    let mut by_content: BTreeMap<&M::Call, Class> = BTreeMap::new();
    for (index, call) in calls.iter().enumerate().filter(|(_, call)| !call.is_certain()) {
        let class = by_content.entry(&call.call).or_insert_with(|| {
            // Backwards: the last call that it may help is usually near the end or nowhere.
            let helped = returns.iter().rev().map(|&later| &calls[later as usize]);
            let last = helped.into_iter().find(|later| model.may_enable(&call.call, &later.call));
            let until = last.map_or(0, |later| later.deadline);
            Class { call: index, invokes: Vec::new(), until }
        });
        class.invokes.push(call.invoke);
    }
    let mut classes: Vec<Class> = by_content.into_values().collect();
    spread(model, calls, &mut classes);
    classes.retain(|class| class.until > 0);
    for class in &mut classes {
        class.invokes.sort_unstable();
    }
    classes
}

/// A class also helps whatever the classes help that it enables.
fn spread<M: Model>(model: &M, calls: &[Call<M::Call>], classes: &mut [Class]) {
    let mut changed: Vec<usize> = (0..classes.len()).filter(|&c| classes[c].until > 0).collect();
    while let Some(later) = changed.pop() {
        let until = classes[later].until;
        for cause in 0..classes.len() {
            let (one, other) = (classes[cause].call, classes[later].call);
            if classes[cause].until < until
                && model.may_enable(&calls[one].call, &calls[other].call)
            {
                classes[cause].until = until;
                changed.push(cause);
            }
        }
    }
}

/// Whether `one` spent at most what `other` spent, class by class.
fn dominates(one: &[(u32, u32)], other: &[(u32, u32)]) -> bool {
    let mut rest = other.iter();
    one.iter().all(|&(class, count)| {
        rest.by_ref()
            .find(|entry| entry.0 >= class)
            .is_some_and(|entry| entry.0 == class && entry.1 >= count)
    })
}
