//! Listings: prefix, offset, delimiter, pages, and an order that may be of no use.
//!
//! A page is computed from the state at the moment of its request. So a listing of several pages is
//! no snapshot, exactly as on the real stores: a name that is put ahead of the cursor is seen, one
//! behind it is not, and none is seen twice.
//!
//! Where the order is sorted, a page is found by binary search in an index of the names that is
//! brought up to date only when somebody lists. Where it is arbitrary, everything that matches is
//! gathered and put into the order of a hash; that is slower, and such stores are slow at it too.

use std::cmp::Ordering;

use super::Model;
use super::names::{NameId, Names};
use crate::profile::ListOrder;

/// Where the next page begins. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Item);

/// What a client asks of one page.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListRequest<'a> {
    /// Only names that begin with this text.
    pub prefix: &'a str,
    /// Only names greater than this one.
    pub after: Option<&'a str>,
    /// Names that have this character behind the prefix are rolled up to one common prefix.
    pub delimiter: Option<char>,
    /// The `next` of the page before, to go on from there.
    pub cursor: Option<Cursor>,
}

/// One page of a listing. Reuse it: [`Model::list`] clears it and keeps its memory.
#[derive(Debug, Default)]
pub struct Page {
    /// Objects, in the order of the store.
    pub objects: Vec<NameId>,
    /// Common prefixes, each as the first `usize` bytes of a name, with the delimiter.
    pub prefixes: Vec<(NameId, usize)>,
    /// Where the next page begins; none if this is the last one.
    pub next: Option<Cursor>,
}

/// One line of a listing: an object, or the common prefix of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Object(NameId),
    /// The first so many bytes of that name.
    Prefix(NameId, usize),
}

impl Item {
    fn text(self, names: &Names) -> &str {
        match self {
            Self::Object(id) => names.text(id),
            Self::Prefix(id, len) => &names.text(id)[..len],
        }
    }

    fn rank(self, names: &Names) -> u64 {
        match self {
            Self::Object(id) => names.hash(id),
            Self::Prefix(..) => twox_hash::XxHash3_64::oneshot(self.text(names).as_bytes()),
        }
    }
}

/// Whether the index needs a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Alive,
    Remembered,
    No,
}

/// The names of existing objects, sorted when needed. May hold names of deleted objects.
#[derive(Debug, Default)]
pub(super) struct Order {
    sorted: Vec<NameId>,
    /// Names that came to life since the last listing.
    fresh: Vec<NameId>,
    /// Parallel to the names: whether the name is in one of the two lists.
    known: Vec<bool>,
    /// How many names of both lists were deleted since they came in.
    dead: usize,
}

impl Order {
    pub(super) fn clear(&mut self) {
        self.sorted.clear();
        self.fresh.clear();
        self.known.clear();
        self.dead = 0;
    }

    pub(super) fn born(&mut self, name: NameId) {
        if self.known.len() <= name.index() {
            self.known.resize(name.index() + 1, false);
        }
        if std::mem::replace(&mut self.known[name.index()], true) {
            self.dead -= 1;
        } else {
            self.fresh.push(name);
        }
    }

    pub(super) fn died(&mut self) {
        self.dead += 1;
    }

    /// Brings the index up to date. `wanted` says of a name whether it is alive, and if not, whether
    /// a stale listing may still show it.
    fn settle(&mut self, names: &Names, wanted: impl Fn(NameId) -> Wanted) {
        const FEW: usize = 8;
        if self.fresh.len() <= FEW {
            for name in self.fresh.drain(..) {
                let text = names.text(name);
                let at = self.sorted.partition_point(|&other| names.text(other) < text);
                self.sorted.insert(at, name);
            }
        } else {
            self.sorted.append(&mut self.fresh);
            // Merges two runs when only the tail is new.
            self.sorted.sort_by(|&a, &b| names.text(a).cmp(names.text(b)));
        }
        if self.dead * 2 > self.sorted.len() {
            let known = &mut self.known;
            self.dead = 0;
            self.sorted.retain(|&name| {
                let wanted = wanted(name);
                self.dead += usize::from(wanted == Wanted::Remembered);
                known[name.index()] = wanted != Wanted::No;
                known[name.index()]
            });
        }
    }
}

impl Model {
    /// Fills `page` with one page of a listing.
    pub fn list(&mut self, request: &ListRequest<'_>, page: &mut Page) {
        self.list_as_of(request, page, u64::MAX);
    }

    /// Fills `page` with one page as it was at the virtual time `seen_at`, for stores whose listings
    /// may be stale. Earlier states are kept only where the profile asks for it.
    pub fn list_as_of(&mut self, request: &ListRequest<'_>, page: &mut Page, seen_at: u64) {
        page.objects.clear();
        page.prefixes.clear();
        page.next = None;
        let objects = &self.objects;
        self.order.settle(&self.names, |name| match &objects[name.index()] {
            object if object.current.is_some() => Wanted::Alive,
            object if !object.past.is_empty() => Wanted::Remembered,
            _ => Wanted::No,
        });
        match self.profile.list_order {
            ListOrder::Sorted => self.list_sorted(request, page, seen_at),
            ListOrder::Arbitrary => self.list_arbitrary(request, page, seen_at),
        }
    }

    fn list_sorted(&self, request: &ListRequest<'_>, page: &mut Page, seen_at: u64) {
        let limit = self.profile.page_size as usize;
        let mut last = request.cursor.map(|cursor| cursor.0);
        for item in self.items(request, seen_at) {
            if page.objects.len() + page.prefixes.len() == limit {
                page.next = last.map(Cursor);
                return;
            }
            last = Some(item);
            page.push(item);
        }
    }

    fn list_arbitrary(&self, request: &ListRequest<'_>, page: &mut Page, seen_at: u64) {
        let limit = self.profile.page_size as usize;
        let place = |item: &Item| (item.rank(&self.names), item.text(&self.names));
        let everything = ListRequest { cursor: None, ..*request };
        let mut items: Vec<_> = self.items(&everything, seen_at).collect();
        items.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
        let start = match &request.cursor {
            Some(Cursor(last)) => items.partition_point(|item| place(item) <= place(last)),
            None => 0,
        };
        let rest = &items[start..];
        let (now, later) = rest.split_at(limit.min(rest.len()));
        now.iter().for_each(|&item| page.push(item));
        if !later.is_empty() {
            page.next = now.last().copied().map(Cursor);
        }
    }

    /// The lines of a listing in sorted order, from behind the cursor to the end.
    fn items<'a>(
        &'a self,
        request: &'a ListRequest<'_>,
        seen_at: u64,
    ) -> impl Iterator<Item = Item> + 'a {
        let after = request.after.unwrap_or_default();
        let start = self.first_after(request, after);
        let mut rolled: Option<(NameId, usize)> = match request.cursor {
            Some(Cursor(Item::Prefix(name, len))) => Some((name, len)),
            _ => None,
        };
        self.order.sorted[start..]
            .iter()
            .map(|&name| (name, self.names.text(name)))
            .take_while(|(_, text)| text.starts_with(request.prefix))
            .filter(move |(name, _)| self.objects[name.index()].at(seen_at).is_some())
            .filter_map(move |(name, text)| {
                let behind = &text[request.prefix.len()..];
                let cut =
                    request.delimiter.and_then(|d| behind.find(d).map(|at| at + d.len_utf8()));
                let Some(cut) = cut else {
                    return Some(Item::Object(name));
                };
                let len = request.prefix.len() + cut;
                let same = |(other, n): (NameId, usize)| self.names.text(other)[..n] == text[..len];
                if rolled.is_some_and(same) {
                    return None;
                }
                rolled = Some((name, len));
                Some(Item::Prefix(name, len))
            })
    }

    /// The index of the first name that a page may show.
    fn first_after(&self, request: &ListRequest<'_>, after: &str) -> usize {
        let sorted = &self.order.sorted;
        let before = |text: &str| match request.cursor {
            Some(Cursor(item)) => text.cmp(item.text(&self.names)) != Ordering::Greater,
            None => false,
        };
        let skip = |&name: &NameId| {
            let text = self.names.text(name);
            text < request.prefix || (request.after.is_some() && text <= after) || before(text)
        };
        sorted.partition_point(skip)
    }
}

impl Page {
    fn push(&mut self, item: Item) {
        match item {
            Item::Object(name) => self.objects.push(name),
            Item::Prefix(name, len) => self.prefixes.push((name, len)),
        }
    }
}
