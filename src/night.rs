//! A campaign that may take a night, or a fleet: kept, continued, cut into blocks, joined again.
//!
//! | file | what is in it |
//! |---|---|
//! | `layout` | stretches and blocks: how seeds are given out |
//! | `spans` | sets of places: what is done |
//! | `job` | what a run is, and by what program |
//! | `checkpoint` | how far a run is and what it found, as a file |
//! | `journal` | what was finished since the last checkpoint |
//! | `results` | `results.ndjson`: what happened when |
//! | `ledger` | what is given out, what is done, and where that is kept |
//! | `crew` | workers: threads that run worlds, or that watch processes which do |
//! | `processes` | worlds in processes of their own, which may hang or die |
//! | `merge` | several runs as one |
//!
//! The unit of all bookkeeping is the **stretch**, some hundred consecutive seeds: its summary is a
//! function of its seeds alone, summaries add up in any order, and each stretch is counted once. So
//! whatever is killed, continued, spread and joined, the summary is that of one undisturbed run. A
//! search that carries something from seed to seed keeps this as long as what it carries is part of
//! the summary of a stretch, and stretches do not depend on each other.

mod checkpoint;
mod crew;
mod error;
mod job;
mod journal;
mod layout;
mod ledger;
mod merge;
mod processes;
mod results;
mod spans;

pub use checkpoint::{Checkpoint, FILE_BYTES_MAX, FORMAT, Part, checkpoint_in};
pub use crew::{Canary, Crew, Hands, run_place};
pub use error::NightError;
pub use job::{CanaryJob, Differences, Job, build_of_this_program};
pub use layout::{Block, BlockError, Extent, Layout, STRETCH_MAX};
pub use ledger::{Ledger, Place};
pub use merge::join;
pub use processes::{Order, Reply, Workshop};
pub use results::ResultLine;
pub use spans::Spans;
