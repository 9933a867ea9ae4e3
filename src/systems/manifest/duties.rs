//! The processes that serve the others: compactors and collectors.

use std::cell::Cell;
use std::time::Duration;

use manifest_core::{Collector, Compactor, Error, Floor, Manifest};

/// The duties by name, in the order of their numbers.
pub(super) const DUTIES: &[&str] = &["compactor", "collector"];
const COMPACTOR: usize = 0;

/// Passes that tidying up makes.
const TIDY_PASSES: u32 = 4;

/// What one process has of them.
pub(super) struct Duties {
    manifest: Manifest,
    pin_ttl: Duration,
    /// Taken out while it is at work, and lost if that is cut off.
    compactor: Cell<Option<Compactor>>,
    collector: Cell<Option<Collector>>,
}

impl Duties {
    pub(super) fn new(manifest: Manifest, pin_ttl: Duration) -> Self {
        let (compactor, collector) = (Cell::default(), Cell::default());
        Self { manifest, pin_ttl, compactor, collector }
    }

    /// One round of a duty. Its errors are no finding: the next round does the work.
    pub(super) async fn serve(&self, duty: usize, round: u32) {
        if duty == COMPACTOR {
            let _ = self.compact(round).await;
        } else {
            // Half of the collectors' passes keep what the newest snapshots may need.
            let floor = match round.is_multiple_of(2) {
                true => Floor::PassBefore,
                false => Floor::ThisPass,
            };
            let _ = self.collect(floor).await;
        }
    }

    /// A compactor that lost its role takes it back in the round after the next.
    async fn compact(&self, round: u32) -> Result<(), Error> {
        let mut compactor = match self.compactor.take() {
            Some(compactor) => compactor,
            None => {
                self.manifest.read().await?;
                self.manifest.compactor().await?
            }
        };
        let done = match round % 3 {
            2 => compactor.checkpoint().await,
            _ => match self.manifest.head_info().segments {
                ..2 => compactor.checkpoint().await,
                _ => compactor.merge().await,
            },
        };
        if !matches!(done, Err(Error::Fenced { .. })) {
            self.compactor.set(Some(compactor));
        }
        done.map(|_| ())
    }

    async fn collect(&self, floor: Floor) -> Result<(), Error> {
        let mut collector = self.collector.take().unwrap_or_else(|| self.manifest.collector());
        let done = collector.pass(floor).await;
        self.collector.set(Some(collector));
        done.map(|_| ())
    }

    /// Removes all garbage. Nobody reads from old snapshots any more, but pins of the dead have to
    /// be waited for.
    pub(super) async fn tidy(&self) {
        for _ in 0..TIDY_PASSES {
            while self.collect(Floor::ThisPass).await.is_err() {
                sim::sleep(self.pin_ttl / 20).await;
            }
            sim::sleep(self.pin_ttl * 6 / 5).await;
        }
    }
}
