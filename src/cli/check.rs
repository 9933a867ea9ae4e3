//! `vopr check FILE`: judge a recorded history of any system.
//!
//! Exit codes: 0 the history can be explained, 10 it cannot, 16 the budget ended first, 2 the file
//! is no history.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, stdin};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sim::check::Budget;

use super::failure::{Exit, UsageError};
use crate::formats::judge::{Decision, Judgement, judge};
use crate::formats::{self, Model, Recorded};

/// Flags of `vopr check`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Formats: own NDJSON, Jepsen EDN and JSON, the etcd log of old Jepsen runs, \
    Porcupine key/value text. Exit codes: 0 explained, 10 not, 16 undecided, 2 no history."
)]
pub struct CheckArgs {
    /// The recorded history; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the history is held to; told from its operations if not given. One of register,
    /// cas-register ("(initial 0, nil reads free)" may follow), kv, mutex, transactions,
    /// list-append, rw-register ("/ LEVEL" may follow), bank, counter, set, set-full, long-fork,
    /// fifo-queue, unordered-queue, total-queue, unique-ids, comments, sequential.
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<Model>,
    /// How much work, in steps of some hundred nanoseconds, before the answer is "undecided".
    #[arg(long, value_name = "STEPS", default_value_t = Budget::default().steps)]
    pub steps: u64,
    /// Print the verdict as JSON.
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Print the verdict as one HTML page.
    #[arg(long)]
    pub html: bool,
}

fn parse_model(text: &str) -> Result<Model, formats::ModelError> {
    text.parse()
}

/// Reads the file, judges it, prints the verdict.
///
/// # Errors
/// If the file cannot be read as a history.
pub fn run(args: &CheckArgs) -> Result<Exit, UsageError> {
    let name = args.file.display().to_string();
    let unreadable =
        |source: formats::FormatError| UsageError::History { path: name.clone(), source };
    let recorded = if name == "-" {
        formats::read(stdin().lock(), args.model)
    } else {
        let file = File::open(&args.file).map_err(formats::FormatError::Read);
        file.and_then(|file| formats::read(BufReader::with_capacity(1 << 16, file), args.model))
    };
    let recorded = recorded.map_err(unreadable)?;
    let judgement = judge(&recorded, Budget { steps: args.steps });
    let text = if args.json {
        to_json(&name, &recorded, &judgement)
    } else if args.html {
        to_html(&name, &recorded, &judgement)
    } else {
        to_text(&name, &recorded, &judgement)
    };
    print!("{text}");
    Ok(match judgement.decision {
        Decision::Pass => Exit::Pass,
        Decision::Fail(_) => Exit::Safety,
        Decision::Undecided(_) => Exit::Undecided,
    })
}

fn verdict(judgement: &Judgement) -> &'static str {
    match judgement.decision {
        Decision::Pass => "PASS",
        Decision::Fail(_) => "FAIL",
        Decision::Undecided(_) => "UNDECIDED",
    }
}

/// The verdict for a terminal.
#[must_use]
pub fn to_text(name: &str, recorded: &Recorded, judgement: &Judgement) -> String {
    let mut text = format!(
        "{:6} {name}   {} operations   {}\n",
        verdict(judgement),
        recorded.history.len(),
        recorded.model.name()
    );
    match &judgement.decision {
        Decision::Pass => {}
        Decision::Undecided(why) => {
            let _ = writeln!(text, "       {why}; --steps N gives it more");
        }
        Decision::Fail(examples) => {
            for example in examples {
                let _ = writeln!(text, "\n  {}   {} operations", example.name, example.ops.len());
                for sentence in &example.sentences {
                    let _ = writeln!(text, "    {sentence}");
                }
                text.push('\n');
                for lane in example.lanes.lines() {
                    let _ = writeln!(text, "    {}", lane.trim_end());
                }
            }
        }
    }
    for remark in &judgement.remarks {
        let _ = writeln!(text, "\n  note   {remark}");
    }
    text
}

fn to_json(name: &str, recorded: &Recorded, judgement: &Judgement) -> String {
    let examples = match &judgement.decision {
        Decision::Fail(examples) => &examples[..],
        _ => &[],
    };
    let examples: Vec<_> = examples
        .iter()
        .map(|example| {
            json!({
                "name": example.name,
                "operations": example.ops.iter().map(|op| op.0).collect::<Vec<_>>(),
                "sentences": example.sentences,
                "lanes": example.lanes.lines().collect::<Vec<_>>(),
            })
        })
        .collect();
    let why = match &judgement.decision {
        Decision::Undecided(why) => Some(why),
        _ => None,
    };
    let value = json!({
        "format": 1,
        "file": name,
        "model": recorded.model.name(),
        "operations": recorded.history.len(),
        "verdict": verdict(judgement).to_lowercase(),
        "undecided": why,
        "counterexamples": examples,
        "remarks": judgement.remarks,
    });
    format!("{value:#}\n")
}

/// One page, no network, no script: the same text, with the operations drawn.
fn to_html(name: &str, recorded: &Recorded, judgement: &Judgement) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>vopr check</title>\n\
         <style>body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}\
         pre{overflow-x:auto;background:#8881;padding:1em}h1 b{padding:0 .4em;border:2px solid}\
         </style>\n",
    );
    let _ = writeln!(
        page,
        "<h1><b>{}</b> {}</h1><p>{} operations, {}</p>",
        verdict(judgement),
        escape(name),
        recorded.history.len(),
        escape(&recorded.model.name())
    );
    match &judgement.decision {
        Decision::Pass => {}
        Decision::Undecided(why) => {
            let _ = writeln!(page, "<p>{}</p>", escape(why));
        }
        Decision::Fail(examples) => {
            for example in examples {
                let _ = writeln!(page, "<h2>{}</h2><ol>", escape(&example.name));
                for sentence in &example.sentences {
                    let _ = writeln!(page, "<li>{}</li>", escape(sentence));
                }
                let _ = writeln!(page, "</ol><pre>{}</pre>", escape(&example.lanes));
            }
        }
    }
    for remark in &judgement.remarks {
        let _ = writeln!(page, "<p>Note: {}</p>", escape(remark));
    }
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
