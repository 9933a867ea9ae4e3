//! Events: one line of a log, or one map of a file.

use std::io::BufRead;

use super::FormatError;
use super::term::{Term, Terms};

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) line: u64,
    pub(super) kind: EventType,
    pub(super) process: Term,
    pub(super) f: String,
    pub(super) key: Option<Term>,
    pub(super) value: Term,
    pub(super) commit: Option<u64>,
}

/// Where events come from: two families that treat a failed compare-and-set differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A log of an etcd test: a compare-and-set that failed did look at the register.
    EtcdLog,
    /// Maps: what failed did not happen.
    Maps,
}

/// Reads events from a file of any format.
pub(super) struct Events<R> {
    input: Input<R>,
}

enum Input<R> {
    Log { lines: R, line: u64 },
    Maps(Terms<R>),
}

impl<R: BufRead> Events<R> {
    /// Tells the format from the first byte that is not blank.
    pub(super) fn open(mut input: R) -> Result<Self, FormatError> {
        let mut line = 1;
        loop {
            let buffer = input.fill_buf().map_err(FormatError::Read)?;
            let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            line += buffer[..blank].iter().filter(|&&byte| byte == b'\n').count() as u64;
            let first = buffer.get(blank).copied();
            let at_end = buffer.is_empty();
            input.consume(blank);
            match first {
                Some(b'{' | b'[' | b'(' | b';' | b'#') => {
                    return Ok(Events { input: Input::Maps(Terms::new(input, line)) });
                }
                Some(_) => {
                    return Ok(Events { input: Input::Log { lines: input, line } });
                }
                None if at_end => {
                    return Err(FormatError::Syntax { line, what: "the file is empty".to_owned() });
                }
                None => {}
            }
        }
    }

    pub(super) fn source(&self) -> Source {
        match self.input {
            Input::Log { .. } => Source::EtcdLog,
            Input::Maps(_) => Source::Maps,
        }
    }

    /// The next event of a client; events of a nemesis and lines of other programs are skipped.
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, FormatError> {
        match &mut self.input {
            Input::Log { lines, line } => loop {
                let mut text = String::new();
                if lines.read_line(&mut text).map_err(FormatError::Read)? == 0 {
                    return Ok(None);
                }
                let here = *line;
                *line += 1;
                if let Some(event) = log_event(&text, here)? {
                    return Ok(Some(event));
                }
            },
            Input::Maps(terms) => loop {
                let Some((line, term)) = terms.next_term()? else {
                    return Ok(None);
                };
                if let Some(event) = map_event(&term, line)? {
                    return Ok(Some(event));
                }
            },
        }
    }
}

fn wrong(line: u64, what: impl Into<String>) -> FormatError {
    FormatError::Event { line, what: what.into() }
}

fn kind(text: &str) -> Option<EventType> {
    Some(match text {
        "invoke" => EventType::Invoke,
        "ok" => EventType::Ok,
        "fail" => EventType::Fail,
        "info" => EventType::Info,
        _ => return None,
    })
}

/// `INFO  jepsen.util - 3 :ok :read nil`
fn log_event(text: &str, line: u64) -> Result<Option<Event>, FormatError> {
    let Some((prefix, rest)) = text.split_once(" - ") else {
        return match text.trim() {
            "" => Ok(None),
            _ => Err(FormatError::Syntax { line, what: "no format that is known here".to_owned() }),
        };
    };
    if !prefix.contains("jepsen.util") {
        return Ok(None);
    }
    let mut words = rest.split_whitespace();
    let Some(Ok(process)) = words.next().map(str::parse) else {
        return Ok(None);
    };
    let word = |word: Option<&str>| word.and_then(|word| word.strip_prefix(':')).map(str::to_owned);
    let kind = word(words.next()).and_then(|text| kind(&text));
    let kind = kind.ok_or_else(|| wrong(line, "expected :invoke, :ok, :fail or :info"))?;
    let f = word(words.next()).ok_or_else(|| wrong(line, "expected an operation"))?;
    let rest: Vec<&str> = words.collect();
    let value = match Terms::new(format!("({})", rest.join(" ")).as_bytes(), line).next_term()? {
        Some((_, value)) => value,
        None => Term::Nil,
    };
    let process = Term::Int(process);
    Ok(Some(Event { line, kind, process, f, key: None, value, commit: None }))
}

fn map_event(term: &Term, line: u64) -> Result<Option<Event>, FormatError> {
    if !matches!(term, Term::Map(_)) {
        return Err(wrong(line, format!("expected an operation as a map, found {}", short(term))));
    }
    let process = term.get("process").cloned().unwrap_or(Term::Int(0));
    if process.text().is_some_and(|name| name == "nemesis") {
        return Ok(None);
    }
    let Some(text) = term.get("type").and_then(Term::text) else {
        return Err(wrong(line, "an operation without a type"));
    };
    let kind = kind(text)
        .ok_or_else(|| wrong(line, format!("type {text:?} is none of invoke, ok, fail, info")))?;
    let f = term.get("f").and_then(Term::text).unwrap_or("txn").to_owned();
    let commit = term.get("commit").and_then(Term::int).and_then(|n| u64::try_from(n).ok());
    Ok(Some(Event {
        line,
        kind,
        process,
        f,
        key: term.get("key").cloned(),
        value: term.get("value").cloned().unwrap_or(Term::Nil),
        commit,
    }))
}

fn short(term: &Term) -> String {
    let text = term.print();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
