//! The end of a run: the manifest is opened afresh and held against the journals.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::TryStreamExt;
use manifest_core::{Compaction, Floor, KeyRange, Manifest, Snapshot, Status};

use crate::cli::JudgeArgs;
use crate::evidence::{self, Evidence};
use crate::history;
use crate::journal::{End, Told};
use crate::rules::{self, State, seq_of};
use crate::stores::{Place, Temper};
use crate::workload;
use crate::writer::parse_id;

/// Problems that are printed.
const SHOWN: usize = 20;
/// The budget of `vopr check`.
const VOPR_STEPS: &str = "2000000";
/// Its exit code when that ends.
const UNDECIDED: i32 = 16;

/// Judges what is left, and prints it. Returns what is wrong.
///
/// # Errors
/// If it cannot be judged.
pub(crate) async fn judge(args: &JudgeArgs) -> Result<Vec<String>, String> {
    let evidence = evidence::gather(&args.common.work)?;
    let place = Place::open(&args.common)?;
    let open = || place.manifest(&args.common, Temper::Calm);
    let manifest = open().await.map_err(|error| format!("the manifest does not open: {error}"))?;
    let text = |error: manifest_core::Error| error.to_string();
    let snapshot = manifest.read().await.map_err(text)?;
    let left = state_of(&snapshot);
    let findings = rules::judge(&evidence, &left, snapshot.seq());
    let mut problems = findings.problems;
    report(&evidence, &left, &findings.views);
    for (what, times) in evidence.counts.iter().filter(|(what, _)| what.contains("UNEXPECTED")) {
        problems.push(format!("{times} times: {what}"));
    }
    resolve(&evidence, &left, &manifest, &mut problems).await?;
    tidy_up(&place, &manifest, &snapshot, &mut problems).await?;
    let again = open().await.map_err(|error| format!("after the tidying: {error}"))?;
    if again.read().await.map_err(text)?.digest() != snapshot.digest() {
        problems.push("a checkpoint and a collection changed the state".to_owned());
    }
    if let Some(vopr) = &args.vopr {
        ask_vopr(vopr, args, &evidence, &left, &mut problems)?;
    }
    for problem in problems.iter().take(SHOWN) {
        println!("PROBLEM {problem}");
    }
    Ok(problems)
}

/// Has the history judged by a program that shares no line with this one.
fn ask_vopr(
    vopr: &Path,
    args: &JudgeArgs,
    evidence: &Evidence,
    left: &State,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let file = args.common.work.join("history.ndjson");
    history::write(&file, evidence, left).map_err(|error| error.to_string())?;
    let output = Command::new(vopr).args(["check", "--steps", VOPR_STEPS]).arg(&file).output();
    let output = output.map_err(|error| format!("vopr: {error}"))?;
    print!("vopr check: {}", String::from_utf8_lossy(&output.stdout));
    match output.status.code() {
        Some(0) => {}
        // Said as such, and no finding: the rules have proved an order by then.
        Some(UNDECIDED) => println!("vopr check is undecided"),
        _ => {
            let told = String::from_utf8_lossy(&output.stderr);
            problems.push(format!("vopr check ended with {}: {told}", output.status));
        }
    }
    Ok(())
}

fn state_of(snapshot: &Snapshot) -> State {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rows = snapshot.scan(KeyRange::from(..)).into_iter();
    rows.map(|(key, entry)| (text(&key), (workload::name(&entry.value), entry.seq))).collect()
}

/// What the run was like: without unknown outcomes it would prove little.
fn report(evidence: &Evidence, left: &State, views: &BTreeMap<crate::journal::How, u64>) {
    let mut ends: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, op) in &evidence.ops {
        let kind = match &op.end {
            Some((_, End::Committed { .. })) => "acknowledged",
            Some((_, End::Conflict)) => "conflict",
            Some((_, End::Refused { .. })) => "refused",
            Some((_, End::Unknown)) => "unknown",
            Some((_, End::Dropped)) => "given up by the client",
            None => "killed before the answer",
        };
        let (all, committed) = ends.entry(kind).or_default();
        *all += 1;
        *committed += u64::from(seq_of(left, name).is_some());
    }
    for (kind, (all, committed)) in ends {
        println!("{all:8} transactions {kind}, {committed} of them in the history");
    }
    let told = |wanted: fn(&Told) -> bool| {
        evidence.ops.values().flat_map(|op| &op.told).filter(|(_, told)| wanted(told)).count()
    };
    println!(
        "{:8} questions of status: {} committed, {} not, {} unknown",
        told(|_| true),
        told(|told| matches!(told, Told::Committed { .. })),
        told(|told| *told == Told::NotCommitted),
        told(|told| *told == Told::Unknown),
    );
    println!(
        "{:8} strong reads of {} keys",
        evidence.reads.len(),
        workload::all_small_keys().len()
    );
    for (how, count) in views {
        println!("{count:8} states seen again by: {how:?}");
    }
    for (what, times) in &evidence.counts {
        println!("{times:8} {what}");
    }
}

/// Asks for the fate of every commit whose client does not know it.
async fn resolve(
    evidence: &Evidence,
    left: &State,
    manifest: &Manifest,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let mut answers: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, op) in &evidence.ops {
        if op.acknowledged().is_some() || op.is_refused() {
            continue;
        }
        let id = parse_id(&op.id).ok_or_else(|| format!("{} is no id", op.id))?;
        let status = manifest.status(id).await.map_err(|error| error.to_string())?;
        let place = seq_of(left, name);
        let answer = match (status, place) {
            (Status::Committed { seq }, Some(place)) if seq == place => "committed, as it is",
            (Status::NotCommitted, None) => "not committed, as it is",
            (Status::Unknown, None) => "unknown, and it is not in the history",
            (Status::Unknown, Some(_)) => "unknown, and it is in the folded history",
            (status, place) => {
                problems.push(format!("status of {name} is {status:?}, the log has {place:?}"));
                "wrong"
            }
        };
        *answers.entry(answer).or_default() += 1;
    }
    for (answer, times) in answers {
        println!("{times:8} open commits at the end: {answer}");
    }
    Ok(())
}

/// Folds everything, collects twice after the last pin has lapsed, and counts what is left: the head,
/// the objects that it names, and nothing else.
async fn tidy_up(
    place: &Place,
    manifest: &Manifest,
    snapshot: &Snapshot,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let text = |error: manifest_core::Error| error.to_string();
    let before = list(place).await?.len();
    let mut compactor = manifest.compactor().await.map_err(text)?;
    let mut collector = manifest.collector();
    while compactor.checkpoint().await.map_err(text)? == Compaction::Uncollected {
        collector.pass(Floor::ThisPass).await.map_err(text)?;
    }
    // A pass sees the pins, later ones find that they have not changed for too long, and the ones
    // after that drop the names of what is gone.
    for _ in 0..6 {
        collector.pass(Floor::ThisPass).await.map_err(text)?;
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    collector.pass(Floor::ThisPass).await.map_err(text)?;
    let info = manifest.head_info();
    let names = list(place).await?;
    let wanted = 1 + info.segments + usize::from(info.checkpoint_seq > 0);
    println!(
        "{:8} objects at the end, {} after a fold and a collection; seq {}, head version {}",
        before,
        names.len(),
        snapshot.seq(),
        info.version
    );
    if names.len() != wanted || info.retired > 0 {
        problems.push(format!(
            "{} objects are left, the head names {wanted} with itself, {} are retired: {names:?}",
            names.len(),
            info.retired
        ));
    }
    Ok(())
}

async fn list(place: &Place) -> Result<Vec<String>, String> {
    let found: Vec<_> = place
        .store
        .list(Some(&place.prefix))
        .map_ok(|meta| meta.location.to_string())
        .try_collect()
        .await
        .map_err(|error| error.to_string())?;
    Ok(found)
}
