//! `vopr marks`: what a campaign reached, what it never reached, and in how many seeds.
//!
//! Green means little while nobody knows what was run. A mark is a point of the system that a
//! search should reach; one that is not rare and that a long run never reached is a hole in it.

use std::sync::Arc;

use clap::Args;

use super::args::CampaignArgs;
use super::failure::{Exit, UsageError};
use super::progress::Progress;
use super::say;
use crate::campaign::{self, Determinism, Summary};
use crate::report::{MarkLine, MarkReport};
use crate::system::{Rarity, SystemUnderTest};

/// Flags of `vopr marks`.
#[derive(Clone, Debug, Args)]
pub struct MarksArgs {
    /// Which seeds are run, and on what.
    #[command(flatten)]
    pub campaign: CampaignArgs,
    /// Fail (exit 14) if a mark that is not rare was never reached.
    #[arg(long)]
    pub require_marks: bool,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the campaign and says what it reached.
pub(super) fn run(
    args: &MarksArgs,
    systems: &[Arc<dyn SystemUnderTest>],
) -> Result<Exit, UsageError> {
    let (_, campaign) = args.campaign.choose(systems, Determinism::Assumed)?;
    let workers = args.campaign.workers();
    let progress = Progress::new(Some(campaign.iterations), 0);
    let summary = campaign::run(&campaign, workers, &progress);
    progress.finish(workers, &summary, std::time::Duration::ZERO);
    let mut marks = mark_lines(&*campaign.system, &summary);
    marks.sort_by(|a, b| a.seeds.cmp(&b.seeds).then_with(|| a.name.cmp(&b.name)));
    let report = MarkReport { seeds: summary.seeds, first_seed: campaign.first_seed, marks };
    let text = match args.json {
        true => crate::report::json_of(&report),
        false => report.to_text(),
    };
    say(&text);
    if !summary.passed() {
        eprintln!("some of these seeds fail; `vopr run` with the same flags tells how");
        return Ok(Exit::of_all(summary.failures.keys()));
    }
    let unreached = report.never().count() > 0;
    Ok(if args.require_marks && unreached { Exit::MarkNotReached } else { Exit::Pass })
}

/// What was reached of the marks that can be reached without a planted bug.
pub(super) fn mark_lines(system: &dyn SystemUnderTest, summary: &Summary) -> Vec<MarkLine> {
    let marks = system.marks().into_iter();
    marks
        .filter(|mark| mark.rarity != Rarity::PlantedOnly)
        .map(|mark| {
            let reached = summary.reached.get(mark.name).copied().unwrap_or_default();
            MarkLine {
                name: mark.name.to_owned(),
                sentence: mark.sentence.to_owned(),
                rare: mark.rarity == Rarity::Rare,
                seeds: reached.seeds,
                times: reached.times,
            }
        })
        .collect()
}
