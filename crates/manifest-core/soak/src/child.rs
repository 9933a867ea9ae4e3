//! What all children share: they open the manifest, work until the end, and write down what happens.

use std::io;
use std::time::Duration;

use manifest_core::{Error, Manifest};

use crate::cli::{ChildArgs, Role};
use crate::clock;
use crate::journal::{self, Journal, Line};
use crate::stores::{Place, Temper};
use crate::{reader, upkeep, writer};

/// One life of a process.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) args: ChildArgs,
    pub(crate) manifest: Manifest,
    pub(crate) journal: Journal,
}

/// Works until it is time.
///
/// # Errors
/// What makes it impossible to go on; the run fails with it.
pub(crate) async fn run(args: ChildArgs) -> Result<(), String> {
    let path = journal::path(&args.common.work, args.role, args.number, args.life);
    let journal = Journal::create(&path, args.common.journal).map_err(|error| error.to_string())?;
    let place = Place::open(&args.common)?;
    let temper = if args.life % 3 == 2 { Temper::Hasty } else { Temper::Calm };
    let manifest = loop {
        match place.manifest(&args.common, temper).await {
            Ok(manifest) => break manifest,
            Err(Error::Unavailable { .. }) if clock::now() < args.until => {
                let (what, at) = ("open: unavailable".to_owned(), clock::now());
                journal.write(&Line::Count { at, what, times: 1 }).map_err(text)?;
            }
            Err(Error::Unavailable { .. }) => return Ok(()),
            Err(error) => return Err(format!("open: {error}")),
        }
    };
    let role = args.role;
    let child = Child { args, manifest, journal };
    match role {
        Role::Writer => writer::run(&child).await,
        Role::Reader => reader::run(&child).await,
        Role::Compactor => upkeep::compact(&child).await,
        Role::Collector => upkeep::collect(&child).await,
    }
    .map_err(text)
}

fn text(error: io::Error) -> String {
    format!("the journal: {error}")
}

impl Child {
    /// Whether there is time left.
    pub(crate) fn goes_on(&self) -> bool {
        clock::now() < self.args.until
    }

    pub(crate) fn count(&self, what: impl Into<String>) -> io::Result<()> {
        self.count_times(what, 1)
    }

    pub(crate) fn count_times(&self, what: impl Into<String>, times: usize) -> io::Result<()> {
        let (at, what, times) = (clock::now(), what.into(), times as u64);
        self.journal.write(&Line::Count { at, what, times })
    }

    /// An error; `UNEXPECTED` if a sound store and a sound protocol never show it.
    pub(crate) fn count_error(&self, what: &str, error: &Error) -> io::Result<()> {
        let kind = match error {
            Error::Unavailable { .. } => "unavailable".to_owned(),
            Error::Fenced { .. } => "fenced".to_owned(),
            Error::SnapshotExpired { .. } => "expired".to_owned(),
            other => format!("UNEXPECTED {other}"),
        };
        self.count(format!("{what}: {kind}"))
    }

    pub(crate) async fn pause(&self) {
        if !self.args.common.pause.is_zero() {
            tokio::time::sleep(self.args.common.pause).await;
        }
    }
}

/// A wait that ends with the run.
pub(crate) async fn wait(child: &Child, duration: Duration) {
    tokio::time::sleep(duration.min(clock::until(child.args.until))).await;
}
