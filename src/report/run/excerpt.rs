//! A run of which only the end is told.
//!
//! Beside a reduced run the full one is there for what stands around the failure. All of its events
//! would be ten times the page, and nobody reads them there.

use super::Run;

impl Run {
    /// The same run, told by its last `rows` lines. What the story says of older events stays, and
    /// leads nowhere.
    #[must_use]
    pub fn last(&self, rows: usize) -> Run {
        let trace = self.trace[self.trace.len().saturating_sub(rows)..].to_vec();
        let mut run = Run::of_trace(trace, self.counts, None);
        run.options.clone_from(&self.options);
        run.fingerprint.clone_from(&self.fingerprint);
        run.story.clone_from(&self.story);
        run.proof.clone_from(&self.proof);
        run.first_error = self.first_error;
        run.examined.clone_from(&self.examined);
        run
    }
}
