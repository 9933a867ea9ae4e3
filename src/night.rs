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
//! whatever is killed, continued, spread and joined, the summary is that of one undisturbed run.
//!
//! A guided search carries what it learned from world to world. Its stretches are its generations:
//! the corpus is part of their summaries, and each is begun when those before it are done. So it can
//! be kept and continued like any other campaign, but not cut into blocks.

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
pub use crew::{Canary, Crew, Hands, run_world};
pub use error::NightError;
pub use job::{CanaryJob, Differences, GuidedJob, Job, build_of_this_program};
pub use layout::{Block, BlockError, Extent, Layout, STRETCH_MAX};
pub use ledger::{Ledger, Next, Place, Task};
pub use merge::join;
pub use processes::{Order, Reply, Workshop};
pub use results::ResultLine;
pub use spans::Spans;
