//! Writing markup. Text and values of attributes are escaped here and nowhere else.
//!
//! Tags are written in the form that HTML and XML share (every element closed, every value quoted),
//! so that a small parser can check a page.

use std::fmt::Write as _;

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Markup {
    out: String,
}

impl Markup {
    /// Begins an element. Attributes with an empty value are left out.
    pub(super) fn open(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.tag(tag, attributes);
        self.out.push('>');
    }

    /// Ends an element.
    pub(super) fn close(&mut self, tag: &str) {
        let _ = write!(self.out, "</{tag}>");
        if !INLINE.contains(&tag) {
            self.out.push('\n');
        }
    }

    /// An element with nothing in it.
    pub(super) fn single(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.tag(tag, attributes);
        self.out.push_str("/>");
    }

    /// An element that holds text.
    pub(super) fn leaf(&mut self, tag: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(tag, attributes);
        self.text(text);
        self.close(tag);
    }

    fn tag(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.out, "<{tag}");
        for (name, value) in attributes {
            // What is empty says nothing, but for the side of an anchor that has no name.
            if !value.is_empty() || *name == "data-prefix" {
                let _ = write!(self.out, " {name}=\"");
                escape(value, Place::Value, &mut self.out);
                self.out.push('"');
            }
        }
    }

    /// Text.
    pub(super) fn text(&mut self, text: &str) {
        escape(text, Place::Text, &mut self.out);
    }

    /// Markup that is known to be sound.
    pub(super) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.out
    }
}

/// Elements after which a line break would be seen.
const INLINE: [&str; 9] = ["a", "b", "code", "i", "span", "strong", "text", "tspan", "button"];

/// Where a text goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between tags.
    Text,
    /// Between quotation marks.
    Value,
}

/// Escapes what has a meaning at its place. Control characters, which no page may hold, become the
/// sign for a replaced character.
fn escape(text: &str, place: Place, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if place == Place::Value => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}
