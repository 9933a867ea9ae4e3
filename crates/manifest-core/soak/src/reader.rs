//! A process that reads: strongly, from snapshots that it keeps, and in sessions, also on states that
//! other processes have saved.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{Either, select};
use manifest_core::{Error, SavedSnapshot, Session, Snapshot};

use crate::child::{Child, wait};
use crate::clock;
use crate::journal::{How, Line};
use crate::random::Random;
use crate::workload::{self, Digest, all_small_keys, small_ranges};

/// How many saved states lie about.
const SAVED: u64 = 16;

pub(crate) async fn run(child: &Child) -> io::Result<()> {
    let renewing = std::pin::pin!(child.manifest.keep_pinned());
    let reading = std::pin::pin!(read(child));
    match select(renewing, reading).await {
        Either::Left(_) => Ok(()),
        Either::Right((result, _)) => result,
    }
}

async fn read(child: &Child) -> io::Result<()> {
    let args = &child.args;
    let mut random = Random::new(&[args.seed, 1 << 32, u64::from(args.number), args.life.into()]);
    let mut kept: Option<Snapshot> = None;
    while child.goes_on() {
        let done = match random.below(10) {
            0..4 => strong_read(child, &mut kept, &mut random).await?,
            4..7 => session(child, &mut random).await?,
            _ => reopen(child, &mut random).await?,
        };
        if let Err((what, error)) = done {
            child.count_error(what, &error)?;
        }
        wait(child, Duration::from_millis(random.below(20))).await;
    }
    Ok(())
}

/// What was tried and why it failed. The outer error of these functions is that of the journal.
type Done = io::Result<Result<(), (&'static str, Error)>>;

async fn strong_read(child: &Child, kept: &mut Option<Snapshot>, random: &mut Random) -> Done {
    let began = clock::now();
    let snapshot = match child.manifest.read().await {
        Ok(snapshot) => snapshot,
        Err(error) => return Ok(Err(("strong read", error))),
    };
    let keys = all_small_keys();
    let reads = keys.iter().map(|key| workload::seen(key, snapshot.get(key))).collect();
    let (at, seq) = (clock::now(), snapshot.seq());
    child.journal.write(&Line::Read { began, at, task: 0, seq, reads })?;
    if random.chance(30) {
        // One that was kept for some rounds must still show what it showed.
        if let Some(old) = kept.replace(snapshot) {
            view(child, How::Snapshot, old.seq(), Digest::of_snapshot(&old))?;
        }
    }
    Ok(Ok(()))
}

async fn session(child: &Child, random: &mut Random) -> Done {
    let session = match child.manifest.session().await {
        Ok(session) => session,
        Err(error) => return Ok(Err(("session", error))),
    };
    let file = saved_file(child, random.below(SAVED));
    let whole = file.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&whole, session.save().as_bytes())?;
    std::fs::rename(whole, file)?;
    look(child, How::Session, session, random).await
}

async fn reopen(child: &Child, random: &mut Random) -> Done {
    let Ok(bytes) = std::fs::read(saved_file(child, random.below(SAVED))) else {
        return Ok(Ok(()));
    };
    match child.manifest.reopen(&SavedSnapshot::from_bytes(bytes)).await {
        Ok(session) => look(child, How::Reopened, session, random).await,
        Err(error) => Ok(Err(("reopen", error))),
    }
}

/// Reads everything in a session, sometimes after a long wait.
async fn look(child: &Child, how: How, mut session: Session, random: &mut Random) -> Done {
    if random.chance(20) {
        wait(child, Duration::from_millis(random.below(3_000))).await;
    }
    let mut digest = Digest::default();
    for range in small_ranges() {
        match session.scan(range).await {
            Ok(rows) => digest.rows(&rows),
            Err(error) => return Ok(Err(("scan of a session", error))),
        }
    }
    view(child, how, session.seq(), digest.finish())?;
    Ok(Ok(()))
}

fn view(child: &Child, how: How, seq: u64, digest: String) -> io::Result<()> {
    child.journal.write(&Line::View { at: clock::now(), how, seq, digest })
}

fn saved_file(child: &Child, number: u64) -> PathBuf {
    child.args.common.work.join("saved").join(number.to_string())
}
