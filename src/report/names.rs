//! Long names made short: hexadecimal numbers in the names of objects, and tags.
//!
//! A name such as `m/seg/000000000000000b-e483176ff7bfd4d72824c1228eea0709` says little with so
//! many letters. Here it is `m/seg/b-e483`: leading zeros go, and of every long number only the
//! first digits stay, as many as it takes to tell all numbers of the run apart. What was made
//! short can be looked up in a legend.

use std::collections::{BTreeMap, BTreeSet};

/// Shortest number that is made short, in digits.
const LONG: usize = 12;

/// Digits that stay, at least.
const DIGITS_MIN: usize = 4;

/// How the long numbers of some texts are written.
#[derive(Clone, Debug, Default)]
pub(super) struct ShortNames {
    short: BTreeMap<String, String>,
}

impl ShortNames {
    /// Short forms for all long numbers of these texts.
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut numbers = BTreeSet::new();
        for text in texts {
            pieces(text, |piece, is_number| {
                if is_number {
                    numbers.insert(piece);
                }
            });
        }
        let width = (DIGITS_MIN..).find(|width| tell_apart(&numbers, *width)).unwrap_or(usize::MAX);
        let short = numbers.iter().map(|number| (number.to_string(), cut(number, width)));
        ShortNames { short: short.collect() }
    }

    /// The text with its long numbers made short. Numbers that were not there before stay.
    pub(super) fn shorten(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        pieces(text, |piece, _| match self.short.get(piece) {
            Some(short) => out.push_str(short),
            None => out.push_str(piece),
        });
        out
    }
}

/// The text, cut to so many letters, the last of which says that it was cut.
pub(super) fn clipped(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text.chars().take(letters.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Whether the numbers differ when only so many digits of each stay.
fn tell_apart(numbers: &BTreeSet<&str>, width: usize) -> bool {
    let cut: BTreeSet<String> = numbers.iter().map(|number| cut(number, width)).collect();
    cut.len() == numbers.len()
}

fn cut(number: &str, width: usize) -> String {
    let digits = number.trim_start_matches('0');
    match (digits.len() < number.len(), digits) {
        (true, "") => String::from("0"),
        // A counter with its leading zeros gone is short already.
        (true, digits) if digits.len() <= 8 => digits.to_owned(),
        _ => number.chars().take(width).collect(),
    }
}

/// Cuts a text into runs of hexadecimal digits that are long, and all else.
fn pieces<'a>(text: &'a str, mut take: impl FnMut(&'a str, bool)) {
    let is_digit = |letter: char| matches!(letter, '0'..='9' | 'a'..='f');
    let mut rest = text;
    let mut from = 0;
    while let Some(start) = rest[from..].find(is_digit).map(|at| from + at) {
        let length = rest[start..].find(|letter| !is_digit(letter)).unwrap_or(rest.len() - start);
        if length < LONG {
            from = start + length;
            continue;
        }
        take(&rest[..start], false);
        take(&rest[start..start + length], true);
        rest = &rest[start + length..];
        from = 0;
    }
    take(rest, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_keep_as_many_digits_as_tell_them_apart() {
        let texts = [
            "create m/seg/000000000000000b-e483176ff7bfd4d72824c1228eea0709 if-absent (33 B)",
            "update m/head if-match \"e48317aa00112233\" (9 B)",
        ];
        let names = ShortNames::of(texts);
        assert_eq!(
            texts.map(|text| names.shorten(text)),
            ["create m/seg/b-e483176 if-absent (33 B)", "update m/head if-match \"e48317a\" (9 B)"]
        );
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let names = ShortNames::of(["feedface 0 ✗ <b>"]);
        assert_eq!(names.shorten("feedface 0 ✗ <b>"), "feedface 0 ✗ <b>");
        assert_eq!(ShortNames::default().shorten(""), "");
        assert_eq!(ShortNames::of(["0000000000000000"]).shorten("0000000000000000"), "0");
    }
}
