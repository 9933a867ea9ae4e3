//! `vopr replay SEED|FILE`: one world again, with its full trace.

use std::sync::Arc;

use sim::Seed;
use sim::trace::{Filter, Keep, Row, to_json, to_ndjson};

use super::args::{FormatArg, ReplayArgs};
use super::failure::{Exit, UsageError};
use super::plans::{self, Source};
use crate::diagnosis::diagnose;
use crate::plan;
use crate::report::row_text;
use crate::system::SystemUnderTest;
use crate::world::{Arena, Verdict, WorldReport, run_seed};

/// Runs the seed or the plan and prints what happened.
pub(super) fn replay(
    args: &ReplayArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    crate::panics::install();
    let keep = Keep::Ring { capacity: args.ring };
    let (what, report) = match &args.what {
        Source::Seed(seed) => (format!("seed {seed}"), of_seed(args, seed, keep, systems)?),
        Source::File(path) => {
            let name = path.display().to_string();
            let (plan, suspect) = plans::read(path, systems)?;
            let system = match (args.without_bug, suspect.sound) {
                (true, Some(sound)) => sound,
                _ => suspect.system,
            };
            let ran = plan::replay(&Arena::new(), &plan, &system, keep)
                .map_err(|source| UsageError::Misfit { path: name.clone(), source })?;
            (name, ran.report)
        }
    };
    if let Some(until) = args.until
        && until >= report.events
    {
        return Err(UsageError::NoSuchEvent { what, until, events: report.events });
    }
    let filter = Filter::from(args.filter);
    let rows: Vec<Row> = report
        .trace
        .iter()
        .filter(|row| filter.passes(row.kind) && args.until.is_none_or(|until| row.event <= until))
        .cloned()
        .collect();
    let out = std::io::stdout().lock();
    // Who closes the pipe early has seen enough.
    let _ = match args.format {
        FormatArg::Json => to_json(&rows, out),
        FormatArg::Ndjson => to_ndjson(&rows, out),
        FormatArg::Text => print_text(&what, &report, &rows, out),
    };
    Ok(Exit::of_verdict(&report.verdict))
}

fn of_seed(
    args: &ReplayArgs,
    seed: &Seed,
    keep: Keep,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<WorldReport, UsageError> {
    let chosen = args.world.choose(systems)?;
    let system = match args.without_bug {
        true => chosen.sound.unwrap_or(chosen.system),
        false => chosen.system,
    };
    Ok(run_seed(&Arena::new(), seed, &system, &chosen.swarm, keep))
}

fn print_text(
    what: &str,
    report: &WorldReport,
    rows: &[Row],
    mut out: impl std::io::Write,
) -> std::io::Result<()> {
    writeln!(out, "{what}   {} events   fingerprint {:016x}", report.events, report.fingerprint)?;
    writeln!(out, "{}\n", report.description)?;
    if let Some(first) = report.trace.first().filter(|row| row.event > 0) {
        writeln!(out, "  the first {} events are not kept; --ring N keeps more\n", first.event)?;
    }
    let width = rows.iter().map(|row| row.process.len()).max().unwrap_or(0);
    for row in rows {
        writeln!(
            out,
            "{:7} {:>9}.{:03} ms  {:width$}  {}",
            row.event,
            row.at_ns / 1_000_000,
            row.at_ns / 1000 % 1000,
            row.process,
            row_text(row)
        )?;
    }
    writeln!(out)?;
    match &report.verdict {
        Verdict::Pass => writeln!(out, "PASS   {what}"),
        Verdict::Panicked { message, .. } => {
            writeln!(out, "FAIL   {what}   panic: {message}")
        }
        Verdict::Broken(finding) | Verdict::Stuck(finding) => {
            let class = diagnose(report).map_or(finding.rule.class(), |found| found.class);
            writeln!(out, "FAIL   {what}   {class}   broken: {}", finding.rule.sentence())?;
            writeln!(out, "       {}", finding.what)
        }
    }
}
