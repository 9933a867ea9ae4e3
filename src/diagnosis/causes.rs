//! What may have caused a failure of each class: the causes that such failures had in real systems,
//! each with a test that looks for its traces in the run where a trace can show it. Those that are
//! found stand first, with the events that show them.

use sim::trace::Kind;

use super::Cause;
use super::case::{Case, Proof, is_fault, is_read, is_write};
use crate::checkers::{Class, Rule};

type Test = fn(&Case<'_>) -> Option<Proof>;

/// A sentence, and how to find its traces.
type Candidate = (&'static str, Option<Test>);

/// The causes of a failure, the best supported first: by the number of events that show them, and
/// among equals in the order of the list, which is that of how often they were met.
pub(super) fn causes(class: Class, case: &Case<'_>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = candidates(class)
        .iter()
        .map(|(sentence, test)| Cause {
            sentence,
            evidence: test.and_then(|test| test(case)).unwrap_or_default(),
        })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.evidence.len()));
    causes
}

fn candidates(class: Class) -> &'static [Candidate] {
    match class {
        Class::LostUpdate => LOST_UPDATE,
        Class::PhantomCommit => PHANTOM_COMMIT,
        Class::StaleRead | Class::NonMonotonicRead => OLD_READ,
        Class::DirtyRead => DIRTY_READ,
        Class::TornOrCorruptRecord => TORN_RECORD,
        Class::HistoryGap => HISTORY_GAP,
        Class::Resurrection => RESURRECTION,
        Class::DanglingReference => DANGLING_REFERENCE,
        Class::SplitBrain => SPLIT_BRAIN,
        Class::WrongRecovery => WRONG_RECOVERY,
        Class::StuckProgress => STUCK_PROGRESS,
        Class::OrphanLeak => ORPHAN_LEAK,
        Class::SnapshotDivergence => SNAPSHOT_DIVERGENCE,
        Class::OverBudget => OVER_BUDGET,
        Class::JudgesDisagree => JUDGES_DISAGREE,
    }
}

const LOST_UPDATE: &[Candidate] = &[
    ("the root was put without a condition", Some(unconditional_put)),
    ("412 after a retry was taken for the own earlier write", Some(refusal_taken_for_success)),
    ("the batch was acknowledged before its PUT was answered", Some(acknowledged_unanswered)),
    ("the body was kept across a conflict and only the tag renewed", Some(put_after_conflict)),
    ("the conflict check does not look at all commits since the base", Some(reads_overwritten)),
    ("an error of a background task was swallowed", Some(error_then_success)),
];

const PHANTOM_COMMIT: &[Candidate] = &[
    ("a retry after an unknown outcome did not look for its own commit", Some(retried_in_doubt)),
    ("an unknown outcome was reported as a failure", Some(failed_in_doubt)),
    ("a conflict after a time-out was taken for a rival's", Some(conflict_in_doubt)),
    ("a request that its client had given up landed later", Some(late_request)),
    ("recovery published work that was never committed", Some(own_crash)),
    ("the commit ids that are remembered do not reach back far enough", None),
];

const OLD_READ: &[Candidate] = &[
    ("the read was answered from a cache, without a request", Some(answered_without_request)),
    ("an older answer arrived last and won", Some(reordered_answers)),
    ("a stalled process went on with what it had read before", Some(own_stall)),
    ("an error was answered with what was known before", Some(error_in_window)),
    ("the store gave an old version", Some(stale_answer)),
];

const DIRTY_READ: &[Candidate] = &[
    ("one transaction was split over several publications", Some(several_puts)),
    ("a reader looked beyond what the root names", Some(|case| case.read_unpublished())),
    ("objects were published before they were complete", Some(published_in_flight)),
    ("a replay stopped in the middle of a commit", Some(own_crash)),
];

const TORN_RECORD: &[Candidate] = &[
    ("a short or damaged body was decoded as far as it goes", Some(|case| case.accepted_damage())),
    ("a torn PUT was read as if it were whole", Some(|case| case.accepted_torn())),
    ("length or hash of the body is not checked", Some(|case| case.accepted_damage())),
    ("an empty object was taken as valid", None),
];

const HISTORY_GAP: &[Candidate] = &[
    ("a missing object was skipped", Some(|case| case.missed_object())),
    ("a slower process published older content over newer", Some(own_stall)),
    ("what was folded and what the root then says was folded differ", Some(root_moved_meanwhile)),
    ("a checkpoint or segment replaced records that it does not hold", Some(new_object_published)),
    ("a replay boundary is off by one", None),
    ("a listing was cut", Some(listing_cut)),
];

const RESURRECTION: &[Candidate] = &[
    ("a delete mark was dropped while an older layer remains", Some(new_object_published)),
    ("records were folded twice", Some(folded_already)),
    ("layers were merged in the wrong order", None),
    ("a slower process published older content over newer", Some(own_stall)),
];

const DANGLING_REFERENCE: &[Candidate] = &[
    ("an object was deleted after an unknown outcome", Some(deleted_in_doubt)),
    ("the collector missed a class of references", Some(pin_disregarded)),
    ("an object in flight was taken for garbage", Some(published_below_gate)),
    ("a plan was carried out without a second look", Some(collector_lingered)),
    ("a reader used a snapshot that its pin did not protect", Some(reader_lingered)),
    ("clocks of two hosts were compared", Some(clock_differs)),
    ("a root was published before its objects", Some(published_in_flight)),
];

const SPLIT_BRAIN: &[Candidate] = &[
    ("the epoch is checked when the role is taken, not at each edit", Some(own_stall)),
    ("two processes believe that they are the same", Some(twin)),
    ("an owner went on with what it had begun before it lost its role", Some(put_after_conflict)),
    ("the role was taken again after a restart without a new epoch", Some(own_crash)),
];

const WRONG_RECOVERY: &[Candidate] = &[
    ("a job that was resumed went on from the wrong place", Some(|case| case.work_taken_up())),
    ("unpublished work was taken for published", Some(|case| case.read_unpublished())),
    ("cleaning up at the start acted on an old view", Some(own_crash)),
    ("a missing object was read as one that never existed", Some(|case| case.missed_object())),
    ("an object in use was written again", Some(written_again)),
];

const STUCK_PROGRESS: &[Candidate] = &[
    (
        "a refusal names a commit that never happened or did not touch the reads",
        Some(false_conflict),
    ),
    ("somebody waits for a process that is gone", Some(any_crash)),
    ("every attempt is overtaken by another process", Some(put_after_conflict)),
    (
        "the holder of a pin or a role is waited for, and it is dead",
        Some(|case| case.waits_for_the_dead()),
    ),
    ("a waiter is not woken", None),
    ("\"try again\" was read as \"exists\"", Some(asked_to_try_again)),
];

const ORPHAN_LEAK: &[Candidate] = &[
    ("what a process leaves behind when it crashes is never looked for", Some(creator_crashed)),
    ("what a lost race leaves behind is never looked for", Some(creator_lost_a_race)),
    ("a class of names is never listed", Some(never_listed)),
    ("the holder of a pin is waited for, and it is dead", Some(|case| case.waits_for_the_dead())),
    ("an error of a deletion was ignored", Some(deletion_failed)),
    ("a name was forgotten before its object was gone", None),
];

const SNAPSHOT_DIVERGENCE: &[Candidate] = &[
    ("a layer was skipped, or applied twice", Some(new_object_read)),
    ("a cache key lacks the version", Some(answered_without_request)),
    ("a scan misses or repeats keys at its boundary", Some(scan_differs)),
    ("two versions of one key are applied in the wrong order", None),
    ("content depends on map order, time or randomness", None),
];

const OVER_BUDGET: &[Candidate] = &[
    ("a request is repeated that was answered", Some(asked_twice)),
    ("an answer that settles the matter is not believed", Some(put_after_conflict)),
    ("the same object is read by several at once", Some(asked_twice)),
    ("a request is sent that the operation does not need", None),
];

const JUDGES_DISAGREE: &[Candidate] = &[
    ("a checker is wrong: keep this seed and report it", None),
    ("a rule is missing among those that are checked at the event", None),
];

fn unconditional_put(case: &Case<'_>) -> Option<Proof> {
    let put = case.root_put()?;
    put.detail.starts_with("put ").then(|| vec![put.event])
}

fn refusal_taken_for_success(case: &Case<'_>) -> Option<Proof> {
    let refused = case.answers(412).next()?;
    let doubt = case.doubts().next()?;
    case.broke(&[Rule::AcknowledgedPresent]).then(|| vec![doubt.event, refused.event])
}

fn acknowledged_unanswered(case: &Case<'_>) -> Option<Proof> {
    let put = case.root_put()?;
    let answered = case.own().any(|row| row.kind == Kind::Reply && row.a == put.a);
    (case.broke(&[Rule::AcknowledgedPresent]) && !answered)
        .then(|| vec![put.event, case.finding.event])
}

fn put_after_conflict(case: &Case<'_>) -> Option<Proof> {
    let put = case.root_put()?;
    let refused = case.answers(412).find(|row| row.event < put.event)?;
    let asked = case
        .own()
        .find(|row| row.kind == Kind::Request && is_read(&row.detail) && row.object == put.object);
    // Who loses a race must look again; that alone is no sign.
    let looked = asked.is_some_and(|row| (refused.event..put.event).contains(&row.event));
    (!looked || case.broke(&[Rule::RootParent])).then(|| vec![refused.event, put.event])
}

fn reads_overwritten(case: &Case<'_>) -> Option<Proof> {
    case.broke(&[Rule::ReadsStillHold]).then(|| case.finding.evidence.clone())
}

fn error_then_success(case: &Case<'_>) -> Option<Proof> {
    let error = case.window().find(|row| row.kind == Kind::Reply && row.b >= 500)?;
    case.broke(&[Rule::AcknowledgedPresent]).then(|| vec![error.event])
}

fn error_in_window(case: &Case<'_>) -> Option<Proof> {
    let error =
        case.window().find(|row| row.kind == Kind::Reply && (row.b >= 400 || row.b < 100))?;
    Some(vec![error.event])
}

fn retried_in_doubt(case: &Case<'_>) -> Option<Proof> {
    let doubt = case.doubts().last()?;
    let put = case.root_put()?;
    (doubt.event < put.event).then(|| vec![doubt.event, put.event])
}

fn failed_in_doubt(case: &Case<'_>) -> Option<Proof> {
    let doubt = case.doubts().next()?;
    case.broke(&[Rule::FailedAbsent]).then(|| vec![doubt.event, case.finding.event])
}

fn conflict_in_doubt(case: &Case<'_>) -> Option<Proof> {
    let doubt = case.doubts().last()?;
    let refused = case.own().find(|row| {
        row.event > doubt.event && row.kind == Kind::Reply && (row.b == 412 || row.b == 409)
    })?;
    Some(vec![doubt.event, refused.event])
}

fn late_request(case: &Case<'_>) -> Option<Proof> {
    let row = case.own().find(|row| is_fault(row, &["fault.late_apply"]))?;
    Some(vec![row.event])
}

fn own_crash(case: &Case<'_>) -> Option<Proof> {
    case.crash().map(|row| vec![row.event])
}

fn any_crash(case: &Case<'_>) -> Option<Proof> {
    case.before().find(|row| row.kind == Kind::Crash).map(|row| vec![row.event])
}

fn own_stall(case: &Case<'_>) -> Option<Proof> {
    let put = case.root_put().map_or(case.finding.event, |row| row.event);
    let asked = case.own().filter(|row| row.kind == Kind::Request && row.event < put).nth(8);
    let since = asked.map_or(0, |row| row.event);
    let stall = case.own().find(|row| row.kind == Kind::Stall && row.event >= since)?;
    Some(vec![stall.event])
}

fn twin(case: &Case<'_>) -> Option<Proof> {
    case.before().find(|row| is_fault(row, &["fault.twin"])).map(|row| vec![row.event])
}

fn answered_without_request(case: &Case<'_>) -> Option<Proof> {
    let invoked = case.invoked()?;
    let asked = case.window().any(|row| row.kind == Kind::Request);
    (!asked).then(|| vec![invoked.event, case.finding.event])
}

fn reordered_answers(case: &Case<'_>) -> Option<Proof> {
    let mut replies = case.own().filter(|row| row.kind == Kind::Reply && is_read(&row.detail));
    let last = replies.next()?;
    let before = replies.find(|row| row.object == last.object)?;
    (last.a < before.a).then(|| vec![before.event, last.event])
}

fn stale_answer(case: &Case<'_>) -> Option<Proof> {
    let stale = ["fault.stale_read", "fault.stale_list"];
    case.window().find(|row| is_fault(row, &stale)).map(|row| vec![row.event])
}

fn several_puts(case: &Case<'_>) -> Option<Proof> {
    let puts = case.window().filter(|row| row.kind == Kind::Commit);
    let mut puts: Proof = puts.map(|row| row.event).collect();
    puts.reverse();
    (!puts.is_empty() && case.broke(&[Rule::CommitWhole])).then_some(puts)
}

/// A root names an object whose own PUT was not answered yet.
fn published_in_flight(case: &Case<'_>) -> Option<Proof> {
    let object = case.objects().into_iter().next()?;
    let put = case.rows.iter().find(|row| {
        row.kind == Kind::Request && is_write(&row.detail) && row.detail.contains(object)
    })?;
    let answered =
        case.rows.iter().any(|row| row.kind == Kind::Reply && row.a == put.a && row.b == 200);
    (!answered && case.broke(&[Rule::ReferencesExist])).then(|| vec![put.event])
}

/// Others published roots between the reading and the publishing of the process in question.
fn root_moved_meanwhile(case: &Case<'_>) -> Option<Proof> {
    let put = case.root_put()?;
    let written = case.own().find(|row| {
        row.kind == Kind::Request
            && row.detail.starts_with("create ")
            && row.object != put.object
            && row.event < put.event
    })?;
    let moved = case.before().find(|row| {
        row.kind == Kind::Apply
            && row.object == put.object
            && row.b == 200
            && is_write(&row.detail)
            && (written.event..put.event).contains(&row.event)
    })?;
    Some(vec![written.event, moved.event, put.event])
}

fn new_object_published(case: &Case<'_>) -> Option<Proof> {
    let object = case.objects().into_iter().next()?;
    let written = case.life_of(object).next()?;
    Some(vec![written.event, case.finding.event])
}

fn folded_already(case: &Case<'_>) -> Option<Proof> {
    case.finding.what.contains("folded already").then(|| vec![case.finding.event])
}

fn listing_cut(case: &Case<'_>) -> Option<Proof> {
    let row = case.before().find(|row| is_fault(row, &["fault.truncated_list"]))?;
    Some(vec![row.event])
}

fn deletions<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a sim::trace::Row> + use<'a> {
    case.own().filter(|row| row.kind == Kind::Request && row.detail.starts_with("delete "))
}

/// The process deleted what it had itself put, after an answer that left it in doubt.
fn deleted_in_doubt(case: &Case<'_>) -> Option<Proof> {
    let deletion = deletions(case).next()?;
    let created = case.own().find(|row| {
        row.object == deletion.object && row.kind == Kind::Request && is_write(&row.detail)
    })?;
    let doubt = case.own().find(|row| {
        row.event < deletion.event
            && row.event > created.event
            && row.kind == Kind::Reply
            && (row.b < 100 || row.b >= 500)
    })?;
    Some(vec![created.event, doubt.event, deletion.event])
}

/// A pin that counts was read by nobody who deletes, or was read and disregarded.
fn pin_disregarded(case: &Case<'_>) -> Option<Proof> {
    if !case.broke(&[Rule::PinsHold]) {
        return None;
    }
    let deletion = deletions(case).next()?;
    Some(vec![deletion.event, case.finding.event])
}

fn published_below_gate(case: &Case<'_>) -> Option<Proof> {
    if !case.broke(&[Rule::GateKept, Rule::ReferencesExist]) {
        return None;
    }
    let object = case.objects().into_iter().next()?;
    Some(case.life_of(object).map(|row| row.event).collect())
        .filter(|life: &Proof| !life.is_empty())
}

/// Between the listing that it acted on and its deletion the collector did not run.
fn collector_lingered(case: &Case<'_>) -> Option<Proof> {
    let deletion = deletions(case).next()?;
    let listing = case.own().find(|row| {
        row.event < deletion.event && row.kind == Kind::Request && row.detail.starts_with("list ")
    })?;
    let stall = case.own().find(|row| {
        row.kind == Kind::Stall && (listing.event..deletion.event).contains(&row.event)
    })?;
    Some(vec![listing.event, stall.event, deletion.event])
}

fn reader_lingered(case: &Case<'_>) -> Option<Proof> {
    if !case.broke(&[Rule::SnapshotReadable]) {
        return None;
    }
    let missing = case.missed_object()?;
    let pinned = case.own().find(|row| {
        row.kind == Kind::Request && row.detail.contains("/pin/") && row.event < missing[0]
    })?;
    Some(vec![pinned.event, missing[0]])
}

fn clock_differs(case: &Case<'_>) -> Option<Proof> {
    let step = case.before().find(|row| row.kind == Kind::ClockStep)?;
    case.broke(&[Rule::PinsHold]).then(|| vec![step.event])
}

fn written_again(case: &Case<'_>) -> Option<Proof> {
    case.broke(&[Rule::ObjectsKept]).then(|| case.finding.evidence.clone())
}

fn false_conflict(case: &Case<'_>) -> Option<Proof> {
    case.broke(&[Rule::ConflictReal]).then(|| case.finding.evidence.clone())
}

fn asked_to_try_again(case: &Case<'_>) -> Option<Proof> {
    let row = case.own().find(|row| row.kind == Kind::Reply && [409, 429, 503].contains(&row.b))?;
    Some(vec![row.event])
}

/// The PUT that made the object that was left, and who made it.
fn creation<'a>(case: &Case<'a>) -> Option<&'a sim::trace::Row> {
    case.life_of(case.objects().into_iter().next()?).next()
}

fn creator_crashed(case: &Case<'_>) -> Option<Proof> {
    let made = creation(case)?;
    let crash = case.rows.iter().find(|row| {
        row.kind == Kind::Crash && row.process == made.process && row.event > made.event
    })?;
    let named = case.rows.iter().any(|row| {
        row.kind == Kind::Commit
            && row.process == made.process
            && (made.event..crash.event).contains(&row.event)
    });
    (!named).then(|| vec![made.event, crash.event])
}

fn creator_lost_a_race(case: &Case<'_>) -> Option<Proof> {
    let made = creation(case)?;
    let lost = case.rows.iter().find(|row| {
        row.kind == Kind::Reply
            && row.b == 412
            && row.process == made.process
            && row.event > made.event
    })?;
    Some(vec![made.event, lost.event])
}

fn never_listed(case: &Case<'_>) -> Option<Proof> {
    let made = creation(case)?;
    let folder = made.detail.split(' ').nth(1)?.rsplit_once('/')?.0.to_owned();
    let listed = case.rows.iter().any(|row| {
        row.kind == Kind::Request
            && row.detail.starts_with("list ")
            && row.detail.contains(&folder)
            && row.event > made.event
    });
    (!listed).then(|| vec![made.event, case.finding.event])
}

fn deletion_failed(case: &Case<'_>) -> Option<Proof> {
    let failed =
        case.rows.iter().rev().find(|row| {
            row.kind == Kind::Reply && row.detail.starts_with("delete ") && row.b != 200
        })?;
    Some(vec![failed.event])
}

fn new_object_read(case: &Case<'_>) -> Option<Proof> {
    let read = case.own().find(|row| {
        row.kind == Kind::Reply
            && row.b == 200
            && is_read(&row.detail)
            && !row.detail.contains("/head")
            && !row.detail.contains("/pin/")
    })?;
    Some(vec![read.event])
}

fn scan_differs(case: &Case<'_>) -> Option<Proof> {
    let invoked = case.invoked()?;
    invoked.detail.starts_with("scan").then(|| vec![invoked.event])
}

fn asked_twice(case: &Case<'_>) -> Option<Proof> {
    let last = case.own().find(|row| row.kind == Kind::Request)?;
    let before = case.window().find(|row| {
        row.kind == Kind::Request && row.detail == last.detail && row.event < last.event
    })?;
    Some(vec![before.event, last.event])
}
