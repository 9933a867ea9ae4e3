//! The report as text: the verdict first, the smallest story, a command to paste.

use std::fmt::{self, Write as _};

use sim::Seed;

use super::number::short;
use super::{FailureGroup, Report, Story};

/// The report as text. It ends with a line break.
#[must_use]
pub fn to_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    let bug = report.bug.as_deref().map(|bug| format!("   planted bug {bug}")).unwrap_or_default();
    let block = report.coverage.block.as_deref();
    let block = block.map(|block| format!("   block {block}")).unwrap_or_default();
    let seeds = match report.last_seed {
        Some(last) => format!("{}..{last}", report.first_seed),
        None => format!("{}.. and on from what was rare (guided)", report.first_seed),
    };
    writeln!(
        out,
        "vopr {}   seeds {seeds}{block}   profile {}   store {}   system {}{bug}",
        report.version, report.profile, report.store, report.system
    )?;
    writeln!(out)?;
    if report.passed() {
        writeln!(out, "PASS   {} seeds, 0 failures", report.work.seeds)?;
        write_confidence(report, out)?;
    } else {
        for group in &report.failures {
            write_failure(group, out)?;
        }
        if report.other_failures > 0 {
            writeln!(out, "{} failures of further groups are only counted", report.other_failures)?;
        }
        writeln!(
            out,
            "{} of {} seeds failed, in {} group{}",
            report.failed(),
            report.work.seeds,
            report.failures.len(),
            if report.failures.len() == 1 { "" } else { "s" }
        )?;
    }
    report.coverage.write(out)?;
    if let Some(canary) = &report.canary {
        canary.write(out)?;
    }
    write_work(report, out)
}

/// The failures alone, as text. Empty if there are none.
#[must_use]
pub fn failures_text(report: &Report) -> String {
    let mut text = String::new();
    for group in &report.failures {
        // Writing to a string cannot fail.
        let _ = write_failure(group, &mut text);
        let seeds: Vec<String> = group.seeds.iter().map(Seed::to_string).collect();
        let _ = writeln!(text, "  {} seeds, the first: {}\n", group.count, seeds.join(" "));
    }
    text
}

/// The rule of three: with no failure in n independent seeds, the rate is below 3/n at 95 %.
fn write_confidence(report: &Report, out: &mut String) -> fmt::Result {
    // Worlds that go on from others are no independent sample.
    if report.work.seeds >= 30 && report.last_seed.is_some() {
        writeln!(
            out,
            "       at 95 % confidence fewer than 3 in {} seeds of this profile fail",
            report.work.seeds
        )?;
    }
    Ok(())
}

fn write_work(report: &Report, out: &mut String) -> fmt::Result {
    let work = &report.work;
    writeln!(
        out,
        "  work      {} store requests   {} operations   {} commits   {} conflicts   {} unknown outcomes",
        short(work.requests),
        short(work.operations),
        short(work.commits),
        short(work.conflicts),
        short(work.unknown)
    )?;
    let strategies = report.search.strategies.iter();
    let strategies: Vec<String> =
        strategies.map(|searched| format!("{} {}", searched.name, searched.seeds)).collect();
    writeln!(
        out,
        "  behaviours {} distinct   seeds by strategy:  {}",
        short(report.search.behaviours),
        strategies.join("  ")
    )?;
    let shares: Vec<String> = report
        .faults
        .iter()
        .map(|fault| format!("{} {}", fault.name, percent(fault.seeds, work.seeds)))
        .collect();
    let faults = if shares.is_empty() { String::from("none") } else { shares.join("  ") };
    write_wrapped(out, "  faults    ", &format!("in % of seeds:  {faults}"))?;
    let marks = &report.marks;
    let mut reached = format!("{} of {} marks", marks.reached, marks.total);
    if !marks.never.is_empty() {
        let _ = write!(reached, ".   never: {}", marks.never.join("  "));
    }
    if !marks.never_rare.is_empty() {
        let _ = write!(reached, ".   rare, not this time: {}", marks.never_rare.join("  "));
    }
    write_wrapped(out, "  reached   ", &reached)?;
    let checks = &report.checks;
    writeln!(
        out,
        "  checks    chain {}   history {}   model reads {}   real time {}   budget {}   serializable {}   progress {}",
        short(checks.chain),
        short(checks.history),
        short(checks.model_reads),
        short(checks.real_time),
        short(checks.budget),
        short(checks.serializable),
        short(checks.progress)
    )?;
    if let Some(largest) = &report.largest {
        writeln!(
            out,
            "  largest   seed {}, {} requests (mean {})",
            largest.seed,
            largest.requests,
            work.requests / work.seeds.max(1)
        )?;
    }
    writeln!(out, "  print     {}   (equal for equal runs)", report.fingerprint)?;
    writeln!(out, "  seed      {}", report.first_seed)
}

fn percent(part: u64, whole: u64) -> String {
    (part * 100).checked_div(whole).unwrap_or(0).to_string()
}

fn write_wrapped(out: &mut String, head: &str, body: &str) -> fmt::Result {
    const WIDTH: usize = 100;
    let indent = " ".repeat(head.len());
    let mut line = String::from(head);
    let mut empty = true;
    for word in body.split("  ").map(str::trim).filter(|word| !word.is_empty()) {
        if !empty && line.len() + word.len() + 2 > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = indent.clone();
            empty = true;
        }
        if !empty {
            line.push_str("  ");
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

fn write_failure(group: &FailureGroup, out: &mut String) -> fmt::Result {
    let story = &group.story;
    let others = match group.count {
        1 => String::new(),
        count => {
            let shown: Vec<String> = group.seeds.iter().take(3).map(Seed::to_string).collect();
            let rest = count - shown.len() as u64;
            let more = if rest > 0 { format!(" +{rest}") } else { String::new() };
            format!("   {count} seeds: {}{more}", shown.join(" "))
        }
    };
    writeln!(
        out,
        "FAIL   seed {}   {}   {}{others}",
        story.seed,
        story.class,
        story.rule_broken()
    )?;
    writeln!(out, "       {}", story.what)?;
    writeln!(out)?;
    if let Some(reduced) = &group.reduced {
        writeln!(out, "  {reduced}")?;
    }
    write_lines(story, out)?;
    writeln!(out, "  class   {}: {}", story.class, story.meaning)?;
    if !story.also.is_empty() {
        writeln!(out, "  also    {}", story.also.join(", "))?;
    }
    for (index, cause) in story.causes.iter().enumerate() {
        let head = if index == 0 { "causes" } else { "" };
        let evidence = match cause.evidence.as_slice() {
            [] => String::new(),
            events => {
                let events: Vec<String> = events.iter().map(u64::to_string).collect();
                format!("      evidence: events {}", events.join(", "))
            }
        };
        writeln!(out, "  {head:6}  {}. {}{evidence}", index + 1, cause.sentence)?;
    }
    writeln!(out, "  rule    {}      {}", story.rule, story.place)?;
    if let Some(saved) = &group.saved {
        let advice = "(commit this file: it survives code changes, the seed does not)";
        writeln!(out, "  saved   {saved}     {advice}")?;
    }
    if let Some(save) = &group.save {
        writeln!(out, "  saved   nowhere: {save}, or --save-dir DIR")?;
    }
    writeln!(out, "  next    {}", group.replay)?;
    writeln!(out)
}

fn write_lines(story: &Story, out: &mut String) -> fmt::Result {
    if story.lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {} of {} events", story.lines.len(), story.events)?;
    let width = story.lines.iter().map(|line| line.process.len()).max().unwrap_or(0);
    for line in &story.lines {
        let mark = if line.evidence { '*' } else { ' ' };
        writeln!(
            out,
            "  {mark}{:6} {:>8}.{:03} ms  {:width$}  {}",
            line.event,
            line.at_us / 1000,
            line.at_us % 1000,
            line.process,
            line.text
        )?;
    }
    writeln!(out)
}

impl Story {
    /// The rule, told as broken.
    fn rule_broken(&self) -> String {
        format!("broken: {}", self.rule)
    }
}
