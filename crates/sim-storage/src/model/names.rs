//! Object names as small integers.
//!
//! A world uses few names and uses them often: the head of a manifest is looked up tens of
//! thousands of times. So a name is turned into a [`NameId`] once, at the border, and everything
//! behind the border indexes a vector. The text of all names lies in one arena, and the index from
//! text to id is a hash table that is only ever probed, never walked, so that no order in the
//! simulator depends on it.
//!
//! Ids are given out in the order of first use, and a name keeps its id until [`Names::clear`].

use hashbrown::HashTable;
use twox_hash::XxHash3_64;

/// An object name (S3 says *key*), interned. Ids are dense and start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(u32);

impl NameId {
    /// The id as an index into a vector that is parallel to the names.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id as a number, for trace events.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Where one name lies in the arena, and its hash.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    hash: u64,
}

/// All names that a world has ever mentioned.
#[derive(Debug, Default)]
pub(crate) struct Names {
    arena: String,
    spans: Vec<Span>,
    index: HashTable<NameId>,
}

impl Names {
    /// Forgets all names and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.spans.clear();
        self.index.clear();
    }

    /// How many names there are; ids are below this.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// All ids, in the order of first use.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NameId> + use<> {
        (0..self.spans.len() as u32).map(NameId)
    }

    /// The id of `text`, if it was ever interned.
    pub(crate) fn find(&self, text: &str) -> Option<NameId> {
        let hash = quick_hash(text.as_bytes());
        self.index.find(hash, |&id| self.is(id, hash, text)).copied()
    }

    /// The id of `text`, a new one if need be.
    ///
    /// # Panics
    /// If the names of one world exceed 4 GiB of text.
    pub(crate) fn intern(&mut self, text: &str) -> NameId {
        let hash = quick_hash(text.as_bytes());
        if let Some(&id) = self.index.find(hash, |&id| self.is(id, hash, text)) {
            return id;
        }
        let id = NameId(u32::try_from(self.spans.len()).expect("fewer than 2^32 names"));
        let start = u32::try_from(self.arena.len()).expect("less than 4 GiB of names");
        self.arena.push_str(text);
        let end = u32::try_from(self.arena.len()).expect("less than 4 GiB of names");
        self.spans.push(Span { start, end, hash });
        let spans = &self.spans;
        self.index.insert_unique(hash, id, |&id| spans[id.index()].hash);
        id
    }

    /// The text of a name.
    pub(crate) fn text(&self, id: NameId) -> &str {
        let span = self.spans[id.index()];
        &self.arena[span.start as usize..span.end as usize]
    }

    /// A good hash of the name's text, the same in every run.
    pub(crate) fn hash(&self, id: NameId) -> u64 {
        XxHash3_64::oneshot(self.text(id).as_bytes())
    }

    fn is(&self, id: NameId, hash: u64, text: &str) -> bool {
        self.spans[id.index()].hash == hash && self.text(id) == text
    }
}

/// A hash for the index: names are short and nobody chooses them to collide, so a multiplication
/// for each eight bytes is enough (Lemire's and Fx's way), and many times cheaper.
fn quick_hash(text: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(ODD);
        product ^ (product >> 32)
    };
    let (words, rest) = text.as_chunks::<8>();
    let hash =
        words.iter().fold(text.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |all, &byte| all << 8 | u64::from(byte));
    mix(hash, rest).wrapping_mul(ODD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id_and_ids_are_dense() {
        let mut names = Names::default();
        let ids: Vec<_> = (0..500).map(|n| names.intern(&format!("seg/{n}"))).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(id.index(), n);
            assert_eq!(names.intern(&format!("seg/{n}")), *id);
            assert_eq!(names.text(*id), format!("seg/{n}"));
        }
        assert_eq!(names.find("seg/500"), None);
        names.clear();
        assert_eq!(names.find("seg/1"), None);
        assert_eq!(names.intern("another").index(), 0);
    }
}
