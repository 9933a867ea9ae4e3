//! The processes of a world: what keeps them running, what they do, and what befalls them.
//!
//! | file | what is in it |
//! |---|---|
//! | `slot` | a slot (one writer, one reader) and its supervisor: start, crash, restart, take-over |
//! | `client` | the loop of one client: think, invoke, execute, respond |
//! | `duty` | the loop of a process that serves the others: compactors, collectors |
//! | `blow` | crashes, stalls, partitions and the like, striking at their moment |
//! | `quiet` | the last words of every process when faults are over |

mod blow;
mod client;
mod duty;
mod quiet;
mod slot;

pub(crate) use quiet::last_words;
pub(crate) use slot::{Slot, supervise};
