//! Labels: the names of steps, marks and faults, counted in every world.
//!
//! A label is a static string such as `commit.put_head` or `fault.reply_lost`. The code that
//! reaches one pays a pointer look-up and an increment; text is touched only when a summary is
//! made. Labels are interned per thread, so their small numbers differ from thread to thread: what
//! leaves the thread (trace, counts) is the name or its hash, never the number.

/// A label as this thread numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LabelId(pub(crate) u16);

const CACHE_SLOTS: usize = 1024;

#[derive(Debug)]
struct Label {
    name: &'static str,
    hash: u64,
    /// How often the current world reached it.
    count: u32,
}

/// All labels that this thread has met, with their counts in the current world.
#[derive(Debug)]
pub(crate) struct Labels {
    labels: Vec<Label>,
    /// Direct-mapped cache from the address and length of a static string to its label. Two call
    /// sites may hold the same text at two addresses; both slots then lead to one label.
    cache: Vec<Option<(usize, usize, u16)>>,
    touched: Vec<u16>,
}

impl Labels {
    pub(crate) fn new() -> Self {
        Labels { labels: Vec::new(), cache: vec![None; CACHE_SLOTS], touched: Vec::new() }
    }

    pub(crate) fn reset_counts(&mut self) {
        for &index in &self.touched {
            self.labels[usize::from(index)].count = 0;
        }
        self.touched.clear();
    }

    pub(crate) fn intern(&mut self, name: &'static str) -> LabelId {
        let address = name.as_ptr().addr();
        let slot = (address ^ (address >> 10)) % CACHE_SLOTS;
        if let Some((cached_address, cached_len, index)) = self.cache[slot]
            && cached_address == address
            && cached_len == name.len()
        {
            return LabelId(index);
        }
        let known = self.labels.iter().position(|label| label.name == name);
        let index = known.unwrap_or_else(|| {
            let hash = twox_hash::XxHash3_64::oneshot(name.as_bytes());
            self.labels.push(Label { name, hash, count: 0 });
            self.labels.len() - 1
        }) as u16;
        self.cache[slot] = Some((address, name.len(), index));
        LabelId(index)
    }

    /// Counts `name` once more and returns its hash and how often it was reached before.
    pub(crate) fn count(&mut self, name: &'static str) -> (u64, u32) {
        let id = self.intern(name);
        let label = &mut self.labels[usize::from(id.0)];
        if label.count == 0 {
            self.touched.push(id.0);
        }
        label.count += 1;
        (label.hash, label.count - 1)
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.touched.iter().map(|&index| {
            let label = &self.labels[usize::from(index)];
            (label.name, label.count)
        })
    }

    pub(crate) fn name_of_hash(&self, hash: u64) -> Option<&'static str> {
        self.labels.iter().find(|label| label.hash == hash).map(|label| label.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_one_label_wherever_it_lives() {
        let mut labels = Labels::new();
        let elsewhere: &'static str = Box::leak(String::from("commit.put_head").into_boxed_str());
        labels.count("commit.put_head");
        labels.count(elsewhere);
        assert_eq!(labels.counts().collect::<Vec<_>>(), [("commit.put_head", 2)]);
    }

    #[test]
    fn a_new_world_counts_from_zero() {
        let mut labels = Labels::new();
        assert_eq!(labels.count("a").1, 0);
        assert_eq!(labels.count("a").1, 1);
        labels.reset_counts();
        assert_eq!(labels.counts().count(), 0);
        assert_eq!(labels.count("a").1, 0);
    }
}
