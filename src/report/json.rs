//! The report as JSON, with the fields of the text.

use super::Report;

/// The report as indented JSON. It ends with a line break.
///
/// # Panics
/// Never: a report holds only strings and numbers.
#[must_use]
pub fn to_json(report: &Report) -> String {
    json_of(report)
}

/// Any value of this module as indented JSON. It ends with a line break.
///
/// # Panics
/// If the value holds anything but strings, numbers, lists and maps by strings.
#[must_use]
pub fn json_of(value: &impl serde::Serialize) -> String {
    let mut text =
        serde_json::to_string_pretty(value).expect("a report holds only strings and numbers");
    text.push('\n');
    text
}
