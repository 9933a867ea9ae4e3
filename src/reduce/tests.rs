//! Delta debugging on toys, then on worlds.

use super::minimize;

/// Leaves out what it can while all of `needed` are there, and counts the tries.
fn minimized(count: usize, needed: &[usize]) -> (Vec<usize>, usize) {
    let mut tries = 0;
    let kept = minimize((0..count).collect(), |items| {
        tries += 1;
        needed.iter().all(|item| items.contains(item))
    });
    (kept, tries)
}

#[test]
fn what_is_needed_stays_and_nothing_else() {
    for needed in [&[][..], &[0], &[99], &[0, 99], &[3, 50, 51, 97], &[0, 1, 2, 3, 4]] {
        let (kept, tries) = minimized(100, needed);
        assert_eq!(kept, needed);
        assert!(tries < 120, "{tries} tries for {needed:?}");
    }
}

#[test]
fn one_needed_thing_among_many_takes_a_logarithmic_number_of_tries() {
    let (kept, tries) = minimized(100_000, &[77_777]);
    assert_eq!(kept, [77_777]);
    assert!(tries < 60, "{tries} tries");
}

#[test]
fn an_empty_list_is_not_tried() {
    assert_eq!(minimized(0, &[]), (Vec::new(), 0));
}

#[test]
fn the_result_is_minimal_even_if_parts_hold_each_other() {
    // Whoever has 10 must have 11 and 12 as well; 5 is always needed.
    let kept = minimize((0..20).collect::<Vec<i32>>(), |items| {
        let has = |item: i32| items.contains(&item);
        has(5) && (!has(10) || (has(11) && has(12)))
    });
    assert_eq!(kept, [5]);
}
