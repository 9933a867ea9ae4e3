//! One reader for EDN and JSON, term by term, from a stream.
//!
//! Recorded histories are a handful of shapes: maps with keywords or strings as keys, vectors,
//! numbers, strings. Both notations are read into the same [`Term`], so that nothing above this
//! file knows which one it was. Memory is one term at a time.

use std::io::BufRead;

use super::FormatError;

/// A value of either notation.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `nil` or `null`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number as written, if it is no whole number of 64 bits.
    Number(String),
    /// A string.
    Text(String),
    /// A keyword or symbol, without its colon.
    Word(String),
    /// A vector, list or set.
    List(Vec<Term>),
    /// A map, in the order of the file.
    Map(Vec<(Term, Term)>),
}

impl Term {
    /// The text of a string, keyword or symbol.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Term::Text(text) | Term::Word(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list.
    #[must_use]
    pub fn list(&self) -> Option<&[Term]> {
        match self {
            Term::List(list) => Some(list),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Term::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The value under a key of a map; `nil` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Term> {
        let Term::Map(entries) = self else {
            return None;
        };
        let found = entries.iter().find(|(key, _)| key.text() == Some(name));
        found.map(|(_, value)| value).filter(|value| **value != Term::Nil)
    }

    /// A short text that is the same for the same term.
    #[must_use]
    pub fn print(&self) -> String {
        match self {
            Term::Nil => "nil".to_owned(),
            Term::Bool(value) => value.to_string(),
            Term::Int(number) => number.to_string(),
            Term::Number(text) | Term::Text(text) | Term::Word(text) => text.clone(),
            Term::List(list) => {
                let items: Vec<String> = list.iter().map(Term::print).collect();
                format!("[{}]", items.join(" "))
            }
            Term::Map(entries) => {
                let items: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{} {}", key.print(), value.print()))
                    .collect();
                format!("{{{}}}", items.join(" "))
            }
        }
    }
}

/// Reads terms from a stream and counts lines.
#[derive(Debug)]
pub struct Terms<R> {
    input: R,
    /// Line of the next character, from 1.
    line: u64,
    depth: u32,
    /// A `]` or `)` around all the terms was opened.
    wrapped: Wrapped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapped {
    Unknown,
    Yes,
    No,
    /// It was closed.
    Over,
}

/// How deep terms may nest: hostile files must not overflow the stack.
const DEPTH_MAX: u32 = 64;
/// How long one string or word may be, in bytes.
const TEXT_MAX: usize = 16 << 20;

impl<R: BufRead> Terms<R> {
    /// Reads from `input`, whose first line is line `line`.
    pub fn new(input: R, line: u64) -> Self {
        Terms { input, line, depth: 0, wrapped: Wrapped::Unknown }
    }

    /// The next term of the sequence and the line on which it begins; one vector or list around
    /// all of them is looked through.
    ///
    /// # Errors
    /// If the input cannot be read or is not EDN or JSON.
    pub fn next_term(&mut self) -> Result<Option<(u64, Term)>, FormatError> {
        if self.wrapped == Wrapped::Unknown {
            self.wrapped = match self.skip()? {
                Some(b'[' | b'(') => {
                    self.bump()?;
                    Wrapped::Yes
                }
                _ => Wrapped::No,
            };
        }
        match self.skip()? {
            _ if self.wrapped == Wrapped::Over => Ok(None),
            None if self.wrapped == Wrapped::Yes => Err(self.wrong("the file ends inside a list")),
            None => Ok(None),
            Some(b']' | b')') if self.wrapped == Wrapped::Yes => {
                self.bump()?;
                self.wrapped = Wrapped::Over;
                match self.skip()? {
                    None => Ok(None),
                    Some(_) => Err(self.wrong("something follows the list of operations")),
                }
            }
            Some(_) => {
                let line = self.line;
                self.term().map(|term| Some((line, term)))
            }
        }
    }

    fn wrong(&self, what: impl Into<String>) -> FormatError {
        FormatError::Syntax { line: self.line, what: what.into() }
    }

    fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        Ok(self.input.fill_buf().map_err(FormatError::Read)?.first().copied())
    }

    fn bump(&mut self) -> Result<Option<u8>, FormatError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.input.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// Skips blanks, separators and comments; the byte that follows.
    fn skip(&mut self) -> Result<Option<u8>, FormatError> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => {
                    self.bump()?;
                }
                Some(b';') => while !matches!(self.bump()?, None | Some(b'\n')) {},
                other => return Ok(other),
            }
        }
    }

    fn term(&mut self) -> Result<Term, FormatError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong("nested too deeply"));
        }
        let term = match self.skip()? {
            None => Err(self.wrong("the file ends where a value was expected")),
            Some(b'"') => self.text().map(Term::Text),
            Some(b'[') => self.list(b']'),
            Some(b'(') => self.list(b')'),
            Some(b'{') => self.map(),
            Some(b'#') => self.tagged(),
            Some(b':') => {
                self.bump()?;
                self.word().map(Term::Word)
            }
            Some(b']' | b')' | b'}') => Err(self.wrong("a bracket closes what was not opened")),
            Some(_) => self.word().map(|word| atom(&word)),
        };
        self.depth -= 1;
        term
    }

    /// A set, or a value with a tag: the tag is dropped.
    fn tagged(&mut self) -> Result<Term, FormatError> {
        self.bump()?;
        match self.peek()? {
            Some(b'{') => self.list(b'}'),
            _ => {
                self.word()?;
                self.term()
            }
        }
    }

    fn list(&mut self, close: u8) -> Result<Term, FormatError> {
        self.bump()?;
        let mut items = Vec::new();
        loop {
            match self.skip()? {
                None => return Err(self.wrong("the file ends inside a list")),
                Some(byte) if byte == close => {
                    self.bump()?;
                    return Ok(Term::List(items));
                }
                Some(_) => items.push(self.term()?),
            }
        }
    }

    fn map(&mut self) -> Result<Term, FormatError> {
        self.bump()?;
        let mut entries = Vec::new();
        loop {
            match self.skip()? {
                None => return Err(self.wrong("the file ends inside a map")),
                Some(b'}') => {
                    self.bump()?;
                    return Ok(Term::Map(entries));
                }
                Some(first) => {
                    let key = self.term()?;
                    // JSON separates with a colon, and only strings are keys there.
                    if first == b'"' && self.skip()? == Some(b':') {
                        self.bump()?;
                    }
                    if self.skip()? == Some(b'}') {
                        return Err(self.wrong("a key without a value"));
                    }
                    entries.push((key, self.term()?));
                }
            }
        }
    }

    fn word(&mut self) -> Result<String, FormatError> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek()? {
            if byte.is_ascii_whitespace() || b",:;\"[](){}".contains(&byte) && !word.is_empty() {
                break;
            }
            word.push(byte);
            self.bump()?;
            if word.len() > TEXT_MAX {
                return Err(self.wrong("a word without end"));
            }
        }
        if word.is_empty() {
            return Err(self.wrong("a colon without a name"));
        }
        String::from_utf8(word).map_err(|_| self.wrong("not UTF-8"))
    }

    fn text(&mut self) -> Result<String, FormatError> {
        self.bump()?;
        let mut text = Vec::new();
        loop {
            match self.bump()? {
                None => return Err(self.wrong("the file ends inside a string")),
                Some(b'"') => return String::from_utf8(text).map_err(|_| self.wrong("not UTF-8")),
                Some(b'\\') => {
                    let letter = self.escape()?;
                    text.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) => text.push(byte),
            }
            if text.len() > TEXT_MAX {
                return Err(self.wrong("a string without end"));
            }
        }
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        Ok(match self.bump()? {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.bump()?.and_then(|byte| char::from(byte).to_digit(16));
                    code = code * 16 + digit.ok_or_else(|| self.wrong("a broken \\u escape"))?;
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            Some(byte) if byte.is_ascii() => char::from(byte),
            _ => return Err(self.wrong("a broken escape")),
        })
    }
}

fn atom(word: &str) -> Term {
    match word {
        "nil" | "null" => Term::Nil,
        "true" => Term::Bool(true),
        "false" => Term::Bool(false),
        _ => match word.trim_end_matches('N').parse() {
            Ok(number) => Term::Int(number),
            Err(_) if word.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
                Term::Number(word.to_owned())
            }
            Err(_) => Term::Word(word.to_owned()),
        },
    }
}
