//! The meter: between a process and its store, to count requests against the budget.
//!
//! It sees what the client sees: requests as they leave, answers as they come, and requests that
//! the client gave up waiting for. Nothing is changed on the way.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use sim::ProcessId;

use crate::checkers::{Budget, RequestKind, Rule};
use crate::system::{RequestBudget, SharedJudge, Verb};

/// The account of one process and the claims that it is held to.
#[derive(Debug)]
pub(crate) struct Account {
    process: ProcessId,
    claims: Option<RequestBudget>,
    /// Bodies may arrive cut in this world, and a reader may then ask again.
    damaged_bodies: DamagedBodies,
    budget: Mutex<Budget>,
    judge: SharedJudge,
}

/// Whether answers can be damaged, which the meter cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DamagedBodies {
    /// They arrive whole.
    Never,
    /// They may arrive damaged.
    Possible,
}

impl Account {
    pub(crate) fn new(
        process: ProcessId,
        claims: Option<RequestBudget>,
        damaged_bodies: DamagedBodies,
        judge: SharedJudge,
    ) -> Self {
        Account { process, claims, damaged_bodies, budget: Mutex::default(), judge }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation begins; it may write and may make one strong read.
    pub(crate) fn begin(&self, writes: Writes, reads: Reads) {
        let Some(claims) = &self.claims else { return };
        let mut budget = self.budget();
        budget.begin(if writes == Writes::Some { claims.write } else { &[] });
        match reads {
            Reads::Own => {}
            Reads::Strong => budget.grant(claims.strong_read),
            Reads::Held => budget.grant(claims.held_read),
        }
    }

    pub(crate) fn strong_read(&self) {
        if let Some(claims) = &self.claims {
            self.budget().grant(claims.strong_read);
        }
    }

    /// The system is being opened: the root, then all that it names.
    pub(crate) fn begin_opening(&self) {
        if let Some(claims) = &self.claims {
            self.budget().begin(claims.opening);
        }
    }

    pub(crate) fn begin_maintenance(&self) {
        if let Some(claims) = &self.claims {
            self.budget().begin(claims.maintenance);
        }
    }

    /// From now on nothing is counted: it tidies up.
    pub(crate) fn tidies(&self) {
        self.budget().unlimited();
    }

    /// A round of a duty begins.
    pub(crate) fn begin_duty(&self, duty: usize) {
        if let Some(claims) = &self.claims {
            self.budget().begin(claims.duties.get(duty).copied().unwrap_or_default());
        }
    }

    /// An operation ended.
    pub(crate) fn end(&self) {
        if self.claims.is_some() {
            self.budget().end();
        }
    }

    /// An operation was given up by its client; what it left behind is for a later one to finish,
    /// and what that costs is still owed.
    pub(crate) fn abandon(&self) {
        if let Some(claims) = &self.claims {
            self.budget().abandon((claims.after_failure)(RequestKind::RootPut));
        }
    }

    /// Requests that were compared with the budget.
    pub(crate) fn checked(&self) -> u64 {
        self.budget().checked
    }

    fn send(&self, object: &Path, verb: Verb) -> Option<RequestKind> {
        let kind = (self.claims.as_ref()?.kind_of)(object.as_ref(), verb)?;
        if !self.budget().spend(kind) {
            let what = format!("{} {object} is more than the operation may cost", kind.name());
            self.judge.lock().broken(Rule::RequestBudget, self.process, what, &[]);
        }
        Some(kind)
    }

    fn failed(&self, kind: RequestKind) {
        if let Some(claims) = &self.claims {
            self.budget().grant((claims.after_failure)(kind));
        }
    }

    fn answered(&self, kind: RequestKind) {
        let Some(claims) = &self.claims else { return };
        let mut budget = self.budget();
        if kind == RequestKind::RootGet {
            budget.allow(RequestKind::OtherGet, claims.objects_of_a_root);
        }
        let reads = matches!(kind, RequestKind::RootGet | RequestKind::OtherGet);
        if reads && self.damaged_bodies == DamagedBodies::Possible {
            budget.grant((claims.after_failure)(kind));
        }
    }
}

/// Whether an operation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    None,
    Some,
}

/// Whether an operation asks the store for the newest state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Own,
    Strong,
    Held,
}

/// A request under way. Dropped without an answer, it counts as one that failed.
struct Ticket<'a> {
    account: &'a Account,
    kind: Option<RequestKind>,
}

impl Ticket<'_> {
    fn settle<T>(mut self, result: Result<T>) -> Result<T> {
        if let Some(kind) = self.kind.take() {
            match &result {
                Ok(_) | Err(object_store::Error::NotModified { .. }) => self.account.answered(kind),
                Err(_) => self.account.failed(kind),
            }
        }
        result
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(kind) = self.kind.take() {
            self.account.failed(kind);
        }
    }
}

/// A store whose requests are counted.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    account: Arc<Account>,
}

impl<S> Metered<S> {
    /// Counts the requests to `inner` on `account`.
    pub(crate) fn new(inner: S, account: Arc<Account>) -> Self {
        Metered { inner, account }
    }

    fn ticket(&self, object: &Path, verb: Verb) -> Ticket<'_> {
        Ticket { account: &self.account, kind: self.account.send(object, verb) }
    }
}

impl<S: fmt::Display> fmt::Display for Metered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait::async_trait]
impl<S: ObjectStore> ObjectStore for Metered<S> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let ticket = self.ticket(location, Verb::Put);
        let result = self.inner.put_opts(location, payload, opts).await;
        ticket.settle(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let ticket = self.ticket(location, Verb::Get);
        let result = self.inner.get_opts(location, options).await;
        ticket.settle(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let ticket = self.ticket(location, Verb::Get);
        let result = self.inner.get_ranges(location, ranges).await;
        ticket.settle(result)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
