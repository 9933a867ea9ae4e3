//! Plans as files: JSON with one operation, blow or request on a line.
//!
//! A file that is read is bounded before it is parsed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FORMAT, Flaw, Plan};
use crate::files::{read_bounded, write_whole};

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a file is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is larger than [`FILE_BYTES_MAX`].
    #[error("larger than {} MiB, which is the most that a plan may have", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// It is of another format.
    #[error("format {found} is not known; this version reads format {FORMAT}")]
    UnknownFormat {
        /// The format that it says it has.
        found: u64,
    },
    /// It is no JSON of this form. The message says at which line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It says something that cannot be.
    #[error("{0}")]
    Flaw(#[from] Flaw),
}

/// What stands in every format.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl Plan {
    /// Reads a plan from text, and checks it.
    ///
    /// # Errors
    /// If the text is no plan of this format, or says something that cannot be.
    pub fn from_json(text: &str) -> Result<Plan, PlanError> {
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(PlanError::TooLarge);
        }
        // A newer format may have other fields, so it is looked at first.
        let head: Head = serde_json::from_str(text)?;
        if head.format != u64::from(FORMAT) {
            return Err(PlanError::UnknownFormat { found: head.format });
        }
        let plan: Plan = serde_json::from_str(text)?;
        plan.check()?;
        Ok(plan)
    }

    /// Reads a plan from a file, and checks it.
    ///
    /// # Errors
    /// If the file cannot be read or is no plan.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        let text = read_bounded(path, FILE_BYTES_MAX)?;
        Plan::from_json(&text.ok_or(PlanError::TooLarge)?)
    }

    /// Writes the plan to a file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PlanError> {
        Ok(write_whole(path, |file| file.write_all(self.to_json().as_bytes()))?)
    }

    /// The plan as JSON that people can read and compare.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\n");
        // Writing to a string cannot fail.
        let _ = self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "  \"format\": {},", self.format)?;
        writeln!(out, "  \"vopr\": {},", json(&self.vopr))?;
        writeln!(out, "  \"system\": {},", json(&self.system))?;
        writeln!(out, "  \"bug\": {},", json(&self.bug))?;
        writeln!(out, "  \"seed\": {},", json(&self.seed))?;
        writeln!(out, "  \"expect\": {},", json(&self.expect))?;
        writeln!(out, "  \"world\": {},", json(&self.world))?;
        write!(out, "  \"slots\": [")?;
        for (index, slot) in self.slots.iter().enumerate() {
            write!(out, "{}\n    {{\"name\": {}", comma(index), json(&slot.name))?;
            write!(out, ", \"process\": {}", slot.process)?;
            if slot.start_after.0 > 0 {
                write!(out, ", \"start_after\": {}", json(&slot.start_after))?;
            }
            write_list(out, "operations", &slot.operations)?;
            write_list(out, "rounds", &slot.rounds)?;
            write!(out, "}}")?;
        }
        write!(out, "\n  ],\n  \"blows\": [")?;
        write_lines(out, "    ", &self.blows)?;
        write!(out, "\n  ],\n  \"requests\": [")?;
        write_lines(out, "    ", &self.requests)?;
        writeln!(out, "\n  ]\n}}")
    }
}

fn comma(index: usize) -> &'static str {
    if index == 0 { "" } else { "," }
}

fn write_list<T: Serialize>(out: &mut String, name: &str, list: &[T]) -> std::fmt::Result {
    if list.is_empty() {
        return Ok(());
    }
    write!(out, ", \"{name}\": [")?;
    write_lines(out, "      ", list)?;
    write!(out, "\n    ]")
}

fn write_lines<T: Serialize>(out: &mut String, indent: &str, list: &[T]) -> std::fmt::Result {
    for (index, entry) in list.iter().enumerate() {
        write!(out, "{}\n{indent}{}", comma(index), json(entry))?;
    }
    Ok(())
}

/// One value on one line.
fn json(value: &impl Serialize) -> String {
    // A plan holds strings, numbers and maps with keys that are strings: it always serializes.
    serde_json::to_string(value).unwrap_or_default()
}
