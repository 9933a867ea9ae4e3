//! The queue of coming events, earliest first, ties in the order of scheduling.
//!
//! A world has few events ahead at a time, so the near ones are kept in a short sorted run, where
//! a push moves a few entries and a pop takes the last one. What does not fit goes into a heap and
//! is fetched when the run is empty. Every entry of the run is earlier than every entry of the
//! heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Entries of the sorted run, at most.
const RUN_MAX: usize = 48;
/// Entries fetched from the heap at once.
const FETCH: usize = 16;

/// An entry: when, and what.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    /// Time in the upper bits, number of the push in the lower ones: entries never tie.
    key: u128,
    value: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// A queue of values by time in nanoseconds.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Latest first, so that the earliest is popped from the end.
    run: Vec<Entry<T>>,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

impl<T: Copy> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue { run: Vec::with_capacity(RUN_MAX + 1), heap: BinaryHeap::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.run.clear();
        self.heap.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.run.len() + self.heap.len()
    }

    /// Adds a value; `sequence` must be larger than that of every earlier push.
    pub(crate) fn push(&mut self, at_ns: u64, sequence: u64, value: T) {
        let key = u128::from(at_ns) << 64 | u128::from(sequence);
        let entry = Entry { key, value };
        if let Some(Reverse(first)) = self.heap.peek()
            && key > first.key
        {
            self.heap.push(Reverse(entry));
            return;
        }
        let place = self.run.iter().rposition(|other| other.key > key);
        self.run.insert(place.map_or(0, |place| place + 1), entry);
        if self.run.len() > RUN_MAX {
            let latest = self.run.remove(0);
            self.heap.push(Reverse(latest));
        }
    }

    /// Time and sequence of the earliest entry.
    pub(crate) fn peek(&mut self) -> Option<u128> {
        if self.run.is_empty() {
            self.fetch();
        }
        self.run.last().map(|entry| entry.key)
    }

    /// Takes the earliest entry: its time in nanoseconds and its value.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        if self.run.is_empty() {
            self.fetch();
        }
        let entry = self.run.pop()?;
        Some(((entry.key >> 64) as u64, entry.value))
    }

    /// Keeps only values for which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.run.retain(|entry| keep(&entry.value));
        self.heap.retain(|Reverse(entry)| keep(&entry.value));
    }

    fn fetch(&mut self) {
        while self.run.len() < FETCH
            && let Some(Reverse(entry)) = self.heap.pop()
        {
            self.run.push(entry);
        }
        self.run.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Pop,
        DropOdd,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u64..1000).prop_map(Step::Push),
            4 => Just(Step::Pop),
            1 => Just(Step::DropOdd),
        ];
        proptest::collection::vec(step, 0..600)
    }

    proptest! {
        #[test]
        fn values_come_out_by_time_and_then_by_order_of_pushing(steps in steps()) {
            let mut queue = Queue::new();
            let mut model: Vec<(u64, u64)> = Vec::new();
            for (sequence, step) in (0u64..).zip(steps) {
                match step {
                    Step::Push(at_ns) => {
                        queue.push(at_ns, sequence, sequence);
                        model.push((at_ns, sequence));
                    }
                    Step::Pop => {
                        let earliest = model.iter().copied().min();
                        model.retain(|entry| Some(*entry) != earliest);
                        prop_assert_eq!(queue.pop(), earliest);
                    }
                    Step::DropOdd => {
                        queue.retain(|value| value % 2 == 0);
                        model.retain(|(_, value)| value % 2 == 0);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                let earliest = model.iter().min().map(|&(at_ns, sequence)| {
                    u128::from(at_ns) << 64 | u128::from(sequence)
                });
                prop_assert_eq!(queue.peek(), earliest);
            }
        }
    }
}
