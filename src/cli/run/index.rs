//! The page of a kept run, with a page for each group of failures beside it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use super::super::args::{ShowArgs, WorldArgs};
use super::super::failure::UsageError;
use super::super::plans::Source;
use super::super::report::told;
use super::folder::Folder;
use crate::hunt::DIAGNOSIS_RING;
use crate::night::ResultLine;
use crate::report::{FailureGroup, GroupLinks, Moment, NightPage, Report, to_html, to_night_html};
use crate::system::SystemUnderTest;

/// Groups of failures that get a page of their own.
const PAGES_MAX: usize = 16;

/// Runs for each question of what a failure needs, and millions of events of all of them together:
/// less than `vopr report` takes, because somebody may wait for the end.
const VARIATIONS: u32 = 60;
const EXAMINE_EVENTS: u32 = 1;

/// Moments that are drawn.
const MOMENTS_MAX: usize = 300;

impl Folder {
    /// Writes the page of the run, and those of its failures.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(in crate::cli) fn tell_as_page(
        &self,
        report: &Report,
        elapsed_ms: u64,
        world: &WorldArgs,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<(), UsageError> {
        let mut links = Vec::new();
        for (place, group) in report.failures.iter().enumerate() {
            let plan = group.saved.as_deref().and_then(|path| Path::new(path).file_name());
            let plan = plan.map(|name| format!("plans/{}", name.to_string_lossy()));
            let page = match place < PAGES_MAX && group.story.events > 0 {
                true => Some(self.tell_group(group, world, systems)?),
                false => None,
            };
            links.push(GroupLinks { page, plan });
        }
        let moments = moments(&self.results());
        let page = to_night_html(&NightPage { report, elapsed_ms, links, moments });
        Ok(self.write("index.html", &page)?)
    }

    /// Writes the page of a group's smallest seed and returns its address.
    fn tell_group(
        &self,
        group: &FailureGroup,
        world: &WorldArgs,
        systems: &[Arc<dyn SystemUnderTest>],
    ) -> Result<String, UsageError> {
        let seed = group.story.seed.clone();
        let name = format!("reports/{}-{}.html", group.story.class, seed.file_name());
        let show = ShowArgs {
            what: Source::Seed(seed.clone()),
            world: world.clone(),
            until: None,
            no_reduce: group.reduced.is_none(),
            variations: VARIATIONS,
            examine_events: EXAMINE_EVENTS,
            ring: DIAGNOSIS_RING,
        };
        let (report, _) = told(&show, systems)?;
        self.write(&name, &to_html(&report))?;
        Ok(name)
    }
}

/// How far the run was when, from its results; what cannot be read is left out.
fn moments(results: &Path) -> Vec<Moment> {
    let Ok(file) = File::open(results) else { return Vec::new() };
    let mut moments: Vec<Moment> = Vec::new();
    let mut now = Moment::default();
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        let Ok(ResultLine::Stretch { first, last, at_ms, failed, new, .. }) =
            serde_json::from_str(&line)
        else {
            continue;
        };
        now = Moment {
            at_ms,
            seeds: now.seeds + (last - first + 1),
            failed: now.failed + failed,
            reached: now.reached + new.len() as u64,
        };
        match moments.last_mut().filter(|last| last.at_ms == at_ms) {
            Some(last) => *last = now,
            None => moments.push(now),
        }
        // Half as many, twice as far apart.
        if moments.len() > 2 * MOMENTS_MAX {
            let mut place = 0;
            moments.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
    }
    if moments.last().is_some_and(|last| *last != now) {
        moments.push(now);
    }
    moments
}
