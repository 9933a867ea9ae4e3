//! One suite of cases for every store that claims the semantics of `object_store::ObjectStore`.
//!
//! A simulated store convinces only if it and the real ones pass the same cases. The suite is a
//! function of a store and of what the store claims ([`Capabilities`]); it returns a list of results
//! and never panics, so that the same code judges the simulated store inside a world, a store in
//! memory, a file system and a server over HTTP. A case that a store does not claim is skipped and
//! says so.
//!
//! Races are as wide as [`Options::width`] and repeated [`Options::rounds`] times: published suites
//! race a handful of writers once, and stores whose conditions are not atomic pass them. Twenty
//! rounds have been seen to miss a real race; a hundred have not.
//!
//! The store must be free of faults, and its client must not retry by itself: a hidden retry of a
//! write that landed is told "exists" of its own object, which no case can tell from a lost race.

mod listing;
mod objects;
mod races;
mod writes;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, PutResult, UpdateVersion};

use crate::profile::{ETags, ListOrder, MissingDelete, Profile, UpdateCondition};

/// Whether a store can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It claims to.
    Claimed,
    /// It does not claim to; the cases are skipped.
    Absent,
}

/// What a store claims, as far as stores differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Conditional overwrite, `PutMode::Update`.
    pub update: Support,
    /// Copy and rename that do not replace anything.
    pub copy_if_absent: Support,
    /// Attributes given with a PUT come back.
    pub attributes: Support,
    /// Ranges of the last so many bytes. Azure has none.
    pub suffix_ranges: Support,
    /// A backslash in a name is a character like any other. Azure makes it a slash.
    pub backslash: Support,
    /// Names that end in a letter and a bar or a colon. `object_store`'s local file system has them
    /// not: it makes its paths by way of a `file:` URL, and the crate `url` takes such an end for a
    /// drive letter of Windows and adds a slash, so that the name becomes that of a directory.
    pub drive_letters: Support,
    /// Where entity tags come from.
    pub etags: ETags,
    /// The order of listings.
    pub list_order: ListOrder,
    /// The answer to the deletion of a missing object.
    pub missing_delete: MissingDelete,
}

impl Capabilities {
    /// What the simulated store claims under a profile.
    pub fn of(profile: &Profile) -> Self {
        Self {
            update: match profile.update {
                UpdateCondition::Unsupported => Support::Absent,
                UpdateCondition::Tag | UpdateCondition::Generation => Support::Claimed,
            },
            copy_if_absent: Support::Claimed,
            attributes: Support::Claimed,
            suffix_ranges: Support::Claimed,
            backslash: Support::Claimed,
            drive_letters: Support::Claimed,
            etags: profile.etags,
            list_order: profile.list_order,
            missing_delete: profile.missing_delete,
        }
    }
}

/// How much of it to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// All names begin with this directory; the suite leaves objects behind in it.
    pub directory: String,
    /// Writers in a race.
    pub width: u32,
    /// Rounds of each race.
    pub rounds: u32,
    /// Objects in the listing that must take several pages.
    pub listed: u32,
    /// Bytes of the biggest object.
    pub big: usize,
}

impl Default for Options {
    /// The whole suite: races 32 wide and 100 rounds long, a listing of 1,100 objects (S3 gives
    /// 1,000 in a page), an object of 8 MiB.
    fn default() -> Self {
        Self { directory: "conformance".into(), width: 32, rounds: 100, listed: 1100, big: 8 << 20 }
    }
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store does what it claims.
    Passed,
    /// It does not; the text says what was seen.
    Failed(String),
    /// The store does not claim this.
    Skipped,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The rule that the case checks, as a sentence.
    pub rule: &'static str,
    /// How it went.
    pub verdict: Verdict,
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "pass  {}", self.rule),
            Verdict::Skipped => write!(f, "skip  {}", self.rule),
            Verdict::Failed(why) => write!(f, "FAIL  {}: {why}", self.rule),
        }
    }
}

/// What a case has to work with.
pub(crate) struct Case {
    store: Arc<dyn ObjectStore>,
    claims: Capabilities,
    options: Options,
    /// The directory of this case alone.
    directory: String,
}

type Outcome = Result<(), String>;
type Boxed<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One case: its rule, whether the store claims it, and what it does.
struct Entry {
    rule: &'static str,
    claimed: fn(&Capabilities) -> Support,
    run: for<'a> fn(&'a Case) -> Boxed<'a>,
}

fn always(_: &Capabilities) -> Support {
    Support::Claimed
}

/// Runs all cases, one after another, in the order of the list.
pub async fn run(
    store: Arc<dyn ObjectStore>,
    claims: Capabilities,
    options: &Options,
) -> Vec<CaseResult> {
    let groups = [objects::CASES, writes::CASES, listing::CASES, races::CASES];
    let mut results = Vec::new();
    for (number, entry) in groups.into_iter().flatten().enumerate() {
        let case = Case {
            store: Arc::clone(&store),
            claims,
            options: options.clone(),
            directory: format!("{}/{number:02}", options.directory),
        };
        let verdict = match (entry.claimed)(&claims) {
            Support::Absent => Verdict::Skipped,
            Support::Claimed => match (entry.run)(&case).await {
                Ok(()) => Verdict::Passed,
                Err(why) => Verdict::Failed(why),
            },
        };
        results.push(CaseResult { rule: entry.rule, verdict });
    }
    results
}

impl Case {
    fn path(&self, name: &str) -> Result<Path, String> {
        Path::parse(format!("{}/{name}", self.directory)).map_err(said("path"))
    }

    async fn put(&self, path: &Path, body: impl Into<PutPayload>) -> Result<PutResult, String> {
        self.store.put(path, body.into()).await.map_err(said("put"))
    }

    async fn body(&self, path: &Path) -> Result<Bytes, String> {
        let got = self.store.get(path).await.map_err(said("get"))?;
        got.bytes().await.map_err(said("body"))
    }

    async fn create(
        &self,
        path: &Path,
        body: impl Into<PutPayload>,
    ) -> object_store::Result<PutResult> {
        self.store.put_opts(path, body.into(), PutMode::Create.into()).await
    }

    async fn update(
        &self,
        path: &Path,
        body: impl Into<PutPayload>,
        version: UpdateVersion,
    ) -> object_store::Result<PutResult> {
        self.store.put_opts(path, body.into(), PutMode::Update(version).into()).await
    }

    async fn expect_body(&self, path: &Path, body: &[u8]) -> Outcome {
        let got = self.body(path).await?;
        ensure(got == body, || {
            format!("{path} holds {} bytes, not the {} written last", got.len(), body.len())
        })
    }
}

/// An error with what was done.
fn said<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

/// Demands one kind of error.
fn refused<T>(
    result: object_store::Result<T>,
    what: &str,
    right: fn(&object_store::Error) -> bool,
) -> Outcome {
    match result {
        Ok(_) => Err(format!("{what}: succeeded")),
        Err(error) if right(&error) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn is_not_found(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}

fn is_exists(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::AlreadyExists { .. })
}

fn is_precondition(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Precondition { .. })
}
