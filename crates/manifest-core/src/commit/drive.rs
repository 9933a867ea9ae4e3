//! Sends a head and finds out what became of it.
//!
//! The one rule: after a PUT without a clear success the head is read, and what was read decides.
//!
//! | case | what was read | what it means | what is done |
//! |---|---|---|---|
//! | (a) landed | the own id is in the history | committed | acknowledge |
//! | (b) still open | the head is still the base | it may land yet | send the same bytes again |
//! | (c) lost race | another head, the history up to it visible, the own id not in it | the base is dead: never committed | validate again on the new head |
//! | (d) history gone | the history up to the new head is not visible | cannot be told | report as unknown |
//!
//! Sending the same bytes again in (b) is safe because both PUTs name the same base and a base is
//! replaced once. In (c) the base is dead, and so is every base before it, so the same ids may go
//! out again on the new head: a commit id enters at most once.

use std::time::Duration;

use object_store::{PutMode, UpdateVersion};

use super::batch::{Attempt, Built, Room};
use super::{EditWork, Work};
use crate::error::Error;
use crate::fold;
use crate::history::Found;
use crate::inner::{HeadAnswer, Inner, Unresolved, lock};
use crate::options::Ambiguity;
use crate::patience::RefreshError;
use crate::planted::PlantedBug;
use crate::requests::Failure;
use crate::state::Parts;
use crate::steps::*;

/// How often the wait after a lost race doubles. A store that is slow or ill wants ever longer waits.
/// One that answers "too late" is well: somebody else has committed, and will not wait for this one.
const RACE_DOUBLINGS: u32 = 3;

/// The state of the batch that is being committed. It outlives the future that drives it.
#[derive(Debug, Default)]
pub(crate) struct Leader {
    /// Transactions of this batch that are not built into the attempt in flight.
    batch: Vec<Work>,
    /// Edits that no head that was seen has yet.
    edits: Vec<EditWork>,
    in_flight: Option<InFlight>,
    /// Whether a full head was dealt with already.
    room: Room,
    deadline: Duration,
    /// Tries that did not land: the exponent of the back-off.
    tries: u32,
    /// Those of them whose base somebody else had replaced.
    races_lost: u32,
    /// The count of lost races at the last wait for others: one wait for each.
    waited_for: u32,
    last_failure: Option<Failure>,
    /// The head that named a segment which does not exist, if one did.
    missing_in: Option<u128>,
    last_put_at: Option<Duration>,
}

/// A head that was sent or is about to be.
#[derive(Debug)]
struct InFlight {
    attempt: Attempt,
    purpose: Purpose,
    phase: Phase,
}

/// What the PUT is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commit,
    /// To make sure that the commit which was sent before can never land.
    Burn,
}

/// Where the PUT is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To be sent (again).
    Ready,
    /// Sent, or maybe sent: only reading the head tells.
    Sent,
}

/// What sending an attempt came to.
#[derive(Debug)]
enum Sent {
    /// The store has the head.
    Yes(UpdateVersion),
    /// Only reading the head tells.
    Maybe,
    /// The segment before it could not be written, so the head was not sent.
    No,
}

/// What reading the head says about a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Landed,
    StillOpen,
    LostRace,
    HistoryGone,
    Unreachable,
}

impl Leader {
    /// Drives one batch until everybody in it has an outcome; first the batch of a leader that
    /// was cancelled, if there is one.
    pub(super) async fn run_batch(&mut self, inner: &Inner) {
        if self.in_flight.is_some() {
            step!(COMMIT_TAKEN_OVER);
        } else if self.batch.is_empty() && self.edits.is_empty() {
            self.wait_for_window(inner).await;
            self.take_queue(inner);
        }
        self.renew(inner);
        while self.in_flight.is_some() || self.build(inner).await {
            self.advance(inner).await;
        }
    }

    /// Waits until the store's write rate allows another PUT of the head.
    async fn wait_for_window(&self, inner: &Inner) {
        let (Some(last), false) = (self.last_put_at, inner.options.batch_window.is_zero()) else {
            return;
        };
        let since = inner.requests.env.now().saturating_sub(last);
        if let Some(rest) = inner.options.batch_window.checked_sub(since)
            && !rest.is_zero()
        {
            step!(COMMIT_WINDOW);
            inner.requests.env.sleep(rest).await;
        }
    }

    /// Makes a batch of what waits.
    fn take_queue(&mut self, inner: &Inner) {
        let now = inner.requests.env.now();
        let mut queue = lock(&inner.queue);
        let count = queue.waiting.len().min(inner.options.max_batch);
        self.batch.extend(queue.waiting.drain(..count));
        self.edits.append(&mut queue.edits);
        drop(queue);
        let limit = inner.options.commit_deadline;
        let is_late = |work: &Work| now.saturating_sub(work.queued_at) > limit;
        if self.batch.iter().any(is_late) {
            let mut state = lock(&inner.state);
            for work in self.batch.extract_if(.., |work| is_late(work)) {
                step!(COMMIT_DEADLINE);
                work.finish(&mut state, Err(Failure::TimedOut.unavailable("commit")));
            }
        }
    }

    /// The time for the next attempt begins.
    fn renew(&mut self, inner: &Inner) {
        self.deadline = inner.requests.env.now() + inner.options.commit_deadline;
        self.tries = 0;
        self.races_lost = 0;
        self.waited_for = 0;
        self.last_failure = None;
        self.missing_in = None;
        self.room = Room::default();
    }

    /// Builds the next attempt of the batch. Whether there is one.
    async fn build(&mut self, inner: &Inner) -> bool {
        while self.in_flight.is_none() && !(self.batch.is_empty() && self.edits.is_empty()) {
            match Attempt::build(inner, &mut self.batch, &mut self.edits, self.room) {
                Built::Head(attempt) => {
                    let (purpose, phase) = (Purpose::Commit, Phase::Ready);
                    self.in_flight = Some(InFlight { attempt, purpose, phase });
                }
                Built::Nothing => {}
                Built::NoRoom => {
                    // Whatever comes of it: next time what does not fit is refused.
                    self.room = Room::IsFinal;
                    Box::pin(fold::make_room(inner)).await;
                }
            }
        }
        self.in_flight.is_some()
    }

    /// One step of the attempt in flight: send it, or find out about it and act accordingly.
    async fn advance(&mut self, inner: &Inner) {
        match self.send_if_ready(inner).await {
            Sent::Yes(tag) => self.acknowledge(inner, tag),
            #[cfg(feature = "planted-bugs")]
            Sent::Maybe if inner.bugs.is(PlantedBug::BurnUnproven) && self.is_burning() => {
                self.abort(inner);
            }
            // Rare, and large: in a box, so that the future around it stays small.
            Sent::Maybe => Box::pin(self.find_out(inner)).await,
            Sent::No => Box::pin(self.start_over(inner)).await,
        }
    }

    /// Reads what became of the PUT, and does what follows from it.
    async fn find_out(&mut self, inner: &Inner) {
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::ConflictTakenForCommitted)
            && self.last_failure.as_ref().is_some_and(Failure::is_conflict)
        {
            return self.landed(inner);
        }
        // Unless the store refused the head.
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::CleanupOnUnknown)
            && !self.last_failure.as_ref().is_some_and(Failure::is_refusal)
            && let Some(in_flight) = &self.in_flight
        {
            let paths = in_flight.attempt.only_here(inner);
            Box::pin(inner.requests.delete_all(paths)).await;
        }
        self.let_others_pass(inner).await;
        match self.resolve(inner).await {
            Verdict::Landed => self.landed(inner),
            Verdict::StillOpen => self.still_open(inner).await,
            Verdict::LostRace => self.lost_race(inner).await,
            Verdict::HistoryGone => {
                step!(COMMIT_HISTORY_GONE);
                self.report_unknown(inner);
            }
            Verdict::Unreachable => {
                step!(COMMIT_UNREACHABLE);
                self.wait_or_give_up(inner, Phase::Sent).await;
            }
        }
    }

    /// Waits if this race seems to be lost and the one before it was too. Before the head is read,
    /// not after: what is built on a head that was read before a wait is built on a past one, and
    /// against somebody who commits all the time it would never win.
    async fn let_others_pass(&mut self, inner: &Inner) {
        let Some(again) = self.races_lost.checked_sub(1) else {
            return;
        };
        let seems_lost = self.last_failure.as_ref().is_some_and(Failure::is_refusal);
        if seems_lost && self.waited_for != self.races_lost {
            self.waited_for = self.races_lost;
            step!(COMMIT_BACK_OFF);
            inner.requests.back_off(again.min(RACE_DOUBLINGS)).await;
        }
    }

    /// Sends the head if it is to be sent, after the segment that it names for the first time.
    async fn send_if_ready(&mut self, inner: &Inner) -> Sent {
        let Some(in_flight) = self.in_flight.as_mut().filter(|it| it.phase == Phase::Ready) else {
            return Sent::Maybe;
        };
        if let Some(segment) = &in_flight.attempt.segment {
            step!(COMMIT_PUT_SEGMENT);
            let written = inner.requests.put(&segment.path, segment.bytes.clone(), PutMode::Create);
            if let Err(failure) = written.await {
                self.last_failure = Some(failure);
                return Sent::No;
            }
            in_flight.attempt.segment = None;
        }
        // From here on, whatever happens to this future, only the store knows.
        in_flight.phase = Phase::Sent;
        self.last_put_at = Some(inner.requests.env.now());
        let mode = if inner.bugs.is(PlantedBug::BlindHeadPut) {
            PutMode::Overwrite
        } else {
            PutMode::Update(UpdateVersion::clone(&in_flight.attempt.base))
        };
        let body = in_flight.attempt.next.bytes().clone();
        step!(COMMIT_PUT_HEAD);
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::AckBeforePublish) {
            in_flight.attempt.tell_early();
        }
        let answer = inner.requests.put(&inner.requests.head, body, mode).await;
        #[cfg(feature = "planted-bugs")]
        let answer = match answer {
            Err(failure)
                if inner.bugs.is(PlantedBug::RefusalTakenForLoss) && !failure.is_refusal() =>
            {
                Box::pin(in_flight.attempt.send_again(inner)).await
            }
            answer => answer,
        };
        match answer {
            Ok(tag) if tag.e_tag.is_some() => Sent::Yes(tag),
            // Without a tag the next conditional PUT could not be made: read it back.
            Ok(_) => Sent::Maybe,
            Err(failure) => {
                self.last_failure = Some(failure);
                Sent::Maybe
            }
        }
    }

    /// Reads the head and says what became of the attempt.
    async fn resolve(&mut self, inner: &Inner) -> Verdict {
        let Some(in_flight) = &self.in_flight else {
            return Verdict::Unreachable;
        };
        let attempt = &in_flight.attempt;
        step!(COMMIT_RESOLVE);
        let tag = attempt.base.e_tag.clone();
        match inner.refresh(tag, self.deadline, &mut Parts::default()).await {
            // "Not modified" may be overtaken: if a strong read of this process saw a newer head
            // meanwhile, that tells the outcome, and asking once more would cost a request.
            Ok(HeadAnswer::Same | HeadAnswer::Installed) => {
                let state = lock(&inner.state);
                if state.head.header.version <= attempt.base_version {
                    return Verdict::StillOpen;
                }
                match attempt.find_in(&state.history, inner.bugs) {
                    Found::At(_) if inner.bugs.is(PlantedBug::AmbiguousRetryRecommit) => {
                        Verdict::LostRace
                    }
                    Found::At(_)
                        if inner.bugs.is(PlantedBug::RefusalTakenForLoss)
                            && self.last_failure.as_ref().is_some_and(Failure::is_refusal) =>
                    {
                        Verdict::LostRace
                    }
                    Found::At(_) => Verdict::Landed,
                    Found::Absent => Verdict::LostRace,
                    Found::CannotTell if inner.bugs.is(PlantedBug::UnseenHistoryTrusted) => {
                        Verdict::LostRace
                    }
                    Found::CannotTell => Verdict::HistoryGone,
                }
            }
            Err(RefreshError::Failed(failure)) => {
                self.last_failure = Some(failure);
                Verdict::Unreachable
            }
            Err(RefreshError::Damaged(_)) => Verdict::Unreachable,
            // Once more from the head, unless this head was read before.
            Err(RefreshError::Missing(finding))
                if self.missing_in.replace(finding.print) != Some(finding.print) =>
            {
                Verdict::Unreachable
            }
            Err(RefreshError::Missing(_) | RefreshError::Gone(_)) => Verdict::HistoryGone,
        }
    }

    /// The store said that the PUT succeeded.
    fn acknowledge(&mut self, inner: &Inner, tag: UpdateVersion) {
        let Some(InFlight { attempt, purpose, .. }) = self.in_flight.take() else {
            return;
        };
        let sent_at = self.last_put_at.unwrap_or_default();
        if purpose == Purpose::Burn && !inner.bugs.is(PlantedBug::BurnAcknowledged) {
            attempt.enter_burn(inner, tag, sent_at);
            self.refuse_burnt(inner, attempt);
            return;
        }
        step!(COMMIT_ACKNOWLEDGE);
        attempt.enter(inner, tag, sent_at);
        self.renew(inner);
    }

    /// Case (a). The head that was read is installed, so the state has the batch already.
    fn landed(&mut self, inner: &Inner) {
        let Some(InFlight { attempt, .. }) = self.in_flight.take() else {
            return;
        };
        step!(COMMIT_LANDED);
        attempt.refuse_deferred(inner, &mut self.batch);
        attempt.found(inner);
        self.renew(inner);
    }

    /// Case (b).
    async fn still_open(&mut self, inner: &Inner) {
        step!(COMMIT_STILL_OPEN);
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::OpenTakenForAborted) {
            return self.abort(inner);
        }
        self.wait_or_give_up(inner, Phase::Ready).await;
    }

    /// Case (c).
    async fn lost_race(&mut self, inner: &Inner) {
        let Some(InFlight { attempt, purpose, .. }) = self.in_flight.take() else {
            return;
        };
        step!(COMMIT_LOST_RACE);
        if purpose == Purpose::Burn {
            return self.refuse_burnt(inner, attempt);
        }
        if self.is_over(inner) {
            step!(COMMIT_DEADLINE);
            return self.refuse(inner, attempt);
        }
        self.tries += 1;
        self.races_lost += 1;
        #[cfg(feature = "planted-bugs")]
        if inner.bugs.is(PlantedBug::StalePayloadRebase) {
            let (attempt, phase) = (attempt.under_new_tag(inner), Phase::Ready);
            self.in_flight = Some(InFlight { attempt, purpose, phase });
            return;
        }
        #[cfg(feature = "planted-bugs")]
        let attempt = match inner.bugs.is(PlantedBug::ValidatedOnce) {
            true => attempt.without_reads(),
            false => attempt,
        };
        self.take_back(attempt);
    }

    /// The head was not sent. It is built anew, because the name of its segment is used up.
    async fn start_over(&mut self, inner: &Inner) {
        let Some(InFlight { attempt, .. }) = self.in_flight.take() else {
            return;
        };
        if self.is_over(inner) {
            step!(COMMIT_DEADLINE);
            return self.refuse(inner, attempt);
        }
        self.take_back(attempt);
        self.tries += 1;
        self.back_off(inner).await;
    }

    /// Back into the batch, before those that did not fit or waited for them: ids of one process
    /// enter the history as they were given.
    fn take_back(&mut self, attempt: Attempt) {
        self.batch.splice(..0, attempt.carried.into_iter().map(|(work, _)| work));
    }

    /// Whether it has been tried for long enough.
    fn is_over(&self, inner: &Inner) -> bool {
        inner.requests.env.now() >= self.deadline
            || (inner.bugs.is(PlantedBug::AckBeforePublish) && self.tries >= 3)
    }

    /// The outcome is open. Goes on in `phase` after a wait, or ends it at the deadline.
    async fn wait_or_give_up(&mut self, inner: &Inner, phase: Phase) {
        if self.is_over(inner) {
            return self.give_up(inner);
        }
        // Before the wait: whoever takes over in the middle of it need not find out again.
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.phase = phase;
        }
        self.tries += 1;
        self.back_off(inner).await;
    }

    async fn back_off(&self, inner: &Inner) {
        step!(COMMIT_BACK_OFF);
        inner.requests.back_off(self.tries - 1).await;
    }

    /// The deadline passed with the outcome open.
    fn give_up(&mut self, inner: &Inner) {
        let Some(in_flight) = &mut self.in_flight else {
            return;
        };
        let burn =
            in_flight.purpose == Purpose::Commit && inner.options.ambiguity == Ambiguity::BurnBase;
        if !burn {
            return self.report_unknown(inner);
        }
        step!(COMMIT_BURN);
        if let Some(head) = in_flight.attempt.burning(inner) {
            in_flight.attempt.next = head;
            in_flight.attempt.segment = None;
            in_flight.phase = Phase::Ready;
        }
        // If the head was seen to move on meanwhile, reading it tells the outcome.
        in_flight.purpose = Purpose::Burn;
        self.deadline = inner.requests.env.now() + inner.options.commit_deadline;
    }

    /// The outcome cannot be told.
    fn report_unknown(&mut self, inner: &Inner) {
        let Some(InFlight { attempt, .. }) = self.in_flight.take() else {
            return;
        };
        step!(COMMIT_UNKNOWN);
        let base_version = attempt.base_version;
        let unresolved = attempt.carried.iter();
        let unresolved =
            unresolved.map(|(work, seq)| (work.id.wseq, Unresolved { base_version, seq: *seq }));
        lock(&inner.unresolved).extend(unresolved);
        attempt.fail(inner, |work| Error::OutcomeUnknown { id: work.id });
        self.give_edits_up();
        self.renew(inner);
    }

    #[cfg(feature = "planted-bugs")]
    fn is_burning(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|it| it.purpose == Purpose::Burn)
    }

    /// Gives the attempt in flight up as if it could never land.
    #[cfg(feature = "planted-bugs")]
    fn abort(&mut self, inner: &Inner) {
        if let Some(InFlight { attempt, .. }) = self.in_flight.take() {
            self.refuse(inner, attempt);
        }
    }

    /// The base is dead and the commit is not in the history.
    fn refuse_burnt(&mut self, inner: &Inner, attempt: Attempt) {
        step!(COMMIT_BURNT);
        self.refuse(inner, attempt);
    }

    /// Definitely not committed.
    fn refuse(&mut self, inner: &Inner, attempt: Attempt) {
        let error = self.unavailable();
        attempt.fail(inner, |_| error.clone());
        self.give_edits_up();
        self.renew(inner);
    }

    /// Whoever wants these edits looks at the head, and asks again.
    fn give_edits_up(&mut self) {
        for work in self.edits.drain(..) {
            let error = self.last_failure.clone().unwrap_or(Failure::TimedOut);
            work.slot.finish(Err(error.unavailable("maintenance")));
        }
    }

    fn unavailable(&self) -> Error {
        self.last_failure.clone().unwrap_or(Failure::TimedOut).unavailable("commit")
    }
}
