//! The report as JSON, with the fields of the text.

use super::Report;

/// The report as indented JSON. It ends with a line break.
///
/// # Panics
/// Never: a report holds only strings and numbers.
#[must_use]
pub fn to_json(report: &Report) -> String {
    let mut text =
        serde_json::to_string_pretty(report).expect("a report holds only strings and numbers");
    text.push('\n');
    text
}
