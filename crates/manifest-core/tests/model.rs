//! Random histories against a model: several processes, every fault of the test store, seals,
//! restarts. What the chain says must be a serial execution of exactly the transactions that
//! were acknowledged, and of some of those whose outcome was reported unknown.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Fault, Kind, TestEnv, TestStore, contents, small, truth};
use manifest_core::{Ambiguity, Error, Manifest, Options, Status};
use object_store::path::Path;
use proptest::prelude::*;

/// What a process does next.
#[derive(Debug, Clone)]
enum Action {
    /// Adds 1 to the counter in a key, after reading it.
    Increment {
        key: u8,
    },
    /// Copies the number of keys in a range into a key.
    Count {
        from: u8,
        to: u8,
        key: u8,
    },
    Blind {
        key: u8,
    },
    Delete {
        key: u8,
    },
    DeleteRange {
        from: u8,
        to: u8,
    },
    Read,
    Maintain,
    Reopen,
    /// Drops the commit in the middle.
    Cancelled {
        key: u8,
    },
    FaultPut(Fault),
    FaultGet(Fault),
    LandLate,
}

fn action() -> impl Strategy<Value = (usize, Action)> {
    let key = || 0..6u8;
    let put_fault = prop_oneof![
        Just(Fault::Lose),
        Just(Fault::LoseReply),
        Just(Fault::Silence),
        Just(Fault::HiddenRetry),
        Just(Fault::Late),
    ];
    let get_fault = prop_oneof![
        Just(Fault::Lose),
        Just(Fault::Silence),
        Just(Fault::FlipBit),
        Just(Fault::Cut)
    ];
    let action = prop_oneof![
        6 => key().prop_map(|key| Action::Increment { key }),
        3 => (key(), key(), key()).prop_map(|(from, to, key)| Action::Count { from, to, key }),
        2 => key().prop_map(|key| Action::Blind { key }),
        2 => key().prop_map(|key| Action::Delete { key }),
        1 => (key(), key()).prop_map(|(from, to)| Action::DeleteRange { from, to }),
        2 => Just(Action::Read),
        2 => Just(Action::Maintain),
        1 => Just(Action::Reopen),
        2 => key().prop_map(|key| Action::Cancelled { key }),
        4 => put_fault.prop_map(Action::FaultPut),
        2 => get_fault.prop_map(Action::FaultGet),
        2 => Just(Action::LandLate),
    ];
    (0..3usize, action)
}

/// A transaction as the model sees it: what it read and what it wrote, under a unique number.
#[derive(Debug, Clone, Default)]
struct Run {
    reads: Vec<(String, Option<String>)>,
    count: Option<(String, String, usize)>,
    puts: Vec<(String, String)>,
    deletes: Vec<String>,
    delete_range: Option<(String, String)>,
}

fn name(key: u8) -> String {
    format!("key-{key}")
}

fn run_of(action: &Action, t: &mut manifest_core::Transaction, unique: usize) -> Option<Run> {
    let mut run = Run::default();
    match *action {
        Action::Increment { key } | Action::Cancelled { key } => {
            let read = t.get(name(key)).map(|e| String::from_utf8_lossy(&e.value).into_owned());
            run.reads.push((name(key), read));
            run.puts.push((name(key), format!("increment {unique}")));
        }
        Action::Count { from, to, key } => {
            let found = t.scan(name(from)..name(to)).len();
            run.count = Some((name(from), name(to), found));
            run.puts.push((name(key), format!("count {found} {unique}")));
        }
        Action::Blind { key } => run.puts.push((name(key), format!("blind {unique}"))),
        Action::Delete { key } => run.deletes.push(name(key)),
        Action::DeleteRange { from, to } if from < to => {
            run.delete_range = Some((name(from), name(to)));
        }
        _ => return None,
    }
    for key in &run.deletes {
        t.delete(key.clone());
    }
    if let Some((from, to)) = &run.delete_range {
        t.delete_range(from..to);
    }
    for (key, value) in &run.puts {
        t.put(key.clone(), value.clone());
    }
    Some(run)
}

/// Executes a run on the model; whether it read what the model holds.
fn replay(model: &mut BTreeMap<String, String>, run: &Run) -> bool {
    let mut right = run.reads.iter().all(|(key, seen)| model.get(key) == seen.as_ref());
    if let Some((from, to, seen)) = &run.count {
        let held = model.keys().filter(|key| from <= *key && *key < to).count();
        right &= held == *seen;
    }
    for key in &run.deletes {
        model.remove(key);
    }
    if let Some((from, to)) = &run.delete_range {
        model.retain(|key, _| !(from <= key && key < to));
    }
    model.extend(run.puts.iter().cloned());
    right
}

async fn open(store: &Arc<TestStore>, seed: u64, ambiguity: Ambiguity) -> Option<Manifest> {
    let options = Options {
        ambiguity,
        head_limit_bytes: 64 * 1024,
        commit_deadline: std::time::Duration::from_millis(1500),
        ..small()
    };
    let path = Path::from(common::PREFIX);
    Manifest::open_or_create(store.clone(), path, TestEnv::new(seed), options).await.ok()
}

async fn check(actions: Vec<(usize, Action)>, ambiguity: Ambiguity) {
    let store = TestStore::new();
    let mut processes = Vec::new();
    for seed in 0..3 {
        processes.push(open(&store, seed, ambiguity).await.expect("open"));
    }
    let mut runs = Vec::new();
    for (step, (process, action)) in actions.iter().enumerate() {
        let manifest = &processes[*process];
        match action {
            Action::FaultPut(fault) => store.fault(Kind::Put, "db", fault.clone()),
            Action::FaultGet(fault) => store.fault(Kind::Get, "db", fault.clone()),
            Action::LandLate => drop(store.land_late().await),
            Action::Read => drop(manifest.read().await),
            Action::Maintain => drop(manifest.maintain().await),
            Action::Reopen => {
                if let Some(opened) = open(&store, 10 + step as u64, ambiguity).await {
                    processes[*process] = opened;
                }
            }
            _ => {
                let mut transaction = manifest.transaction();
                let Some(run) = run_of(action, &mut transaction, step) else {
                    continue;
                };
                let pending = transaction.submit().unwrap();
                let id = pending.id();
                let result = if matches!(action, Action::Cancelled { .. }) {
                    let limit = std::time::Duration::from_micros(1);
                    tokio::time::timeout(limit, pending).await.ok()
                } else {
                    Some(pending.await)
                };
                runs.push((id, run, result));
            }
        }
    }
    // What may still land lands now; then nothing is under way any more.
    store.clear_faults();
    store.land_late().await;

    let fresh = common::open(&store, 77).await;
    let mut history = BTreeMap::new();
    for (id, run, result) in runs {
        let status = fresh.status(id).await.unwrap();
        match (status, result) {
            (Status::Committed { seq }, result) => {
                match result {
                    Some(Ok(commit)) => assert_eq!(commit.seq, seq),
                    None | Some(Err(Error::OutcomeUnknown { .. })) => {}
                    Some(Err(error)) => panic!("refused with {error:?}, yet committed"),
                }
                assert!(history.insert(seq, run).is_none(), "two commits at {seq}");
            }
            (status, Some(Ok(commit))) => panic!("{commit:?} acknowledged, yet {status:?}"),
            _ => {}
        }
    }
    let seqs: Vec<u64> = history.keys().copied().collect();
    assert_eq!(
        seqs,
        (1..=fresh.snapshot().seq()).collect::<Vec<_>>(),
        "every seq is accounted for"
    );
    let mut model = BTreeMap::new();
    for (seq, run) in &history {
        assert!(replay(&mut model, run), "commit {seq} read something else: {run:?}");
    }
    assert_eq!(truth(&store).await, model.into_iter().collect::<Vec<_>>());
    for manifest in &processes {
        let read = manifest.read().await.expect("a working store");
        assert_eq!(contents(&read), contents(&fresh.snapshot()));
        assert_eq!(manifest.head_info().chain, fresh.head_info().chain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_serial_and_complete(
        actions in proptest::collection::vec(action(), 1..60), burn in any::<bool>(),
    ) {
        let ambiguity = if burn { Ambiguity::BurnBase } else { Ambiguity::ReportUnknown };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(actions, ambiguity));
    }
}
