//! The processes that fold, merge and collect. They are killed like all others.

use std::io;
use std::time::Duration;

use manifest_core::{Compaction, Error, Floor};

use crate::child::{Child, wait};
use crate::random::Random;

/// Folds and merges, by turns that are drawn; takes the role back when another one has it.
pub(crate) async fn compact(child: &Child) -> io::Result<()> {
    let mut random = Random::new(&[child.args.seed, 2 << 32, child.args.life.into()]);
    while child.goes_on() {
        let mut compactor = match child.manifest.compactor().await {
            Ok(compactor) => compactor,
            Err(error) => {
                child.count_error("role", &error)?;
                wait(child, Duration::from_millis(50)).await;
                continue;
            }
        };
        while child.goes_on() {
            let (what, done) = if random.chance(50) {
                ("checkpoint", compactor.checkpoint().await)
            } else {
                ("merge", compactor.merge().await)
            };
            match done {
                Ok(done) => child.count(format!("{what}: {}", describe(done)))?,
                Err(error) => {
                    child.count_error(what, &error)?;
                    if matches!(error, Error::Fenced { .. }) {
                        break;
                    }
                }
            }
            wait(child, Duration::from_millis(20 + random.below(200))).await;
        }
    }
    Ok(())
}

fn describe(done: Compaction) -> &'static str {
    match done {
        Compaction::Nothing => "nothing to do",
        Compaction::Checkpointed { .. } | Compaction::Merged { .. } => "done",
        Compaction::Outdated => "outdated",
        Compaction::Uncollected => "uncollected",
        _ => "something new",
    }
}

/// Collects, with either floor.
pub(crate) async fn collect(child: &Child) -> io::Result<()> {
    let mut random = Random::new(&[child.args.seed, 3 << 32, child.args.life.into()]);
    let mut collector = child.manifest.collector();
    while child.goes_on() {
        let floor = if random.chance(50) { Floor::ThisPass } else { Floor::PassBefore };
        match collector.pass(floor).await {
            Ok(done) => {
                child.count("collect: passes")?;
                for (what, count) in [
                    ("retired objects", done.retired),
                    ("orphans", done.orphans),
                    ("dead pins", done.dead_pins),
                    ("unclear deletions", done.unclear),
                ] {
                    if count > 0 {
                        child.count_times(format!("collect: {what}"), count)?;
                    }
                }
            }
            Err(error) => child.count_error("collect", &error)?,
        }
        wait(child, Duration::from_millis(50 + random.below(200))).await;
    }
    Ok(())
}
