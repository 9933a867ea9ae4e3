//! Delta debugging: the smallest part of a list that still has a property.
//!
//! After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002,
//! without the tries of single subsets: where many parts are needed together they hardly ever
//! succeed. Runs of half the list are left out, then of a quarter, and so on down to single
//! elements, which are tried again until none of them can go. So the result is 1-minimal: it has
//! the property, and without any one of its elements it has not.

/// Leaves out as many elements as it can while `holds`, which is true for the whole list.
pub fn minimize<T: Clone>(mut items: Vec<T>, mut holds: impl FnMut(&[T]) -> bool) -> Vec<T> {
    if items.is_empty() {
        return items;
    }
    if holds(&[]) {
        return Vec::new();
    }
    let mut run = items.len().div_ceil(2);
    loop {
        let before = items.len();
        let mut start = 0;
        while start < items.len() && items.len() > 1 {
            let end = (start + run).min(items.len());
            let rest: Vec<T> = items[..start].iter().chain(&items[end..]).cloned().collect();
            // The empty list was tried already.
            if !rest.is_empty() && holds(&rest) {
                items = rest;
            } else {
                start = end;
            }
        }
        if run > 1 {
            run = run.div_ceil(2).min(items.len().div_ceil(2)).max(1);
        } else if items.len() == before {
            return items;
        }
    }
}
