//! Runs as a whole: the same seed is the same run, faults can be taken away one by one, and without
//! faults the store is the model, and the memory store that ships with `object_store`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion,
};
use proptest::prelude::*;
use sim_storage::fault::{Fault, FaultKind, FaultPlan, FaultRates};
use sim_storage::profile::{ListOrder, Profile, WriteRate};
use sim_storage::{Client, DecidedFault, Setup};

use crate::world::{Seen, World, counted, path, run, run_seed, s3};

/// Increments a counter object `times` times by compare-and-set and returns how often it was told
/// that it succeeded.
async fn increment(client: Client, times: u32) -> u32 {
    let key = path("counter");
    let mut told = 0;
    for _ in 0..times {
        let Ok(got) = client.get(&key).await else {
            continue;
        };
        let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: None };
        let Ok(body) = got.bytes().await else {
            continue;
        };
        let number: u32 = std::str::from_utf8(&body).unwrap_or("").parse().unwrap_or(0);
        let next = format!("{}", number + 1).into();
        let put = client.put_opts(&key, next, PutMode::Update(version).into()).await;
        told += u32::from(put.is_ok());
    }
    told
}

struct Run {
    told: u32,
    log: Vec<Seen>,
    faults: Vec<DecidedFault>,
    fingerprint: u64,
}

fn counter(seed: u64, setup: Setup) -> Run {
    let body = |world: World| async move {
        world.store.record();
        let first = world.client(0);
        world
            .on(0, async move { while first.put(&path("counter"), "0".into()).await.is_err() {} })
            .await;
        let tasks: Vec<_> = (0..3)
            .map(|n| sim::spawn_on(world.process(n), increment(world.client(n), 40)))
            .collect();
        let mut told = 0;
        for task in tasks {
            told += task.await.unwrap();
        }
        (told, world.log(), world.store.take_recorded())
    };
    let ((told, log, faults), fingerprint) = run_seed(seed, setup, body);
    Run { told, log, faults, fingerprint }
}

fn faulty() -> Setup {
    Setup { rates: FaultRates::all(25_000), ..s3() }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        assert_eq!(counter(seed, faulty()).fingerprint, counter(seed, faulty()).fingerprint);
    }
    assert_ne!(counter(1, faulty()).fingerprint, counter(2, faulty()).fingerprint);
}

#[test]
fn a_run_is_its_faults_written_down() {
    for seed in 0..20 {
        let drawn = counter(seed, faulty());
        assert!(!drawn.faults.is_empty());
        let planned = drawn
            .faults
            .iter()
            .map(|decided| ((decided.process, decided.request), Some(decided.fault)));
        let plan = FaultPlan(planned.collect());
        let planned = counter(seed, Setup { plan, ..s3() });
        assert_eq!(planned.fingerprint, drawn.fingerprint);
    }
}

#[test]
fn a_kind_that_is_switched_off_takes_no_other_with_it() {
    let all = counter(3, faulty()).faults;
    let mut setup = faulty();
    setup.rates.switch_off(FaultKind::TailLatency);
    let without = counter(3, setup).faults;
    // Requests change once the runs part; up to there the same requests have the same faults.
    let tail = all.iter().position(|d| d.fault.kind() == FaultKind::TailLatency).unwrap();
    assert_eq!(all[..tail], without[..tail]);
    assert!(without.iter().all(|d| d.fault.kind() != FaultKind::TailLatency));
}

#[test]
fn one_planned_request_is_spared_and_the_rest_is_as_drawn() {
    let all = counter(3, faulty()).faults;
    let spared = all[0];
    let plan = FaultPlan(BTreeMap::from([((spared.process, spared.request), None)]));
    let without = counter(3, Setup { plan, ..faulty() }).faults;
    assert!(!without.contains(&spared));
    let same: usize = all.iter().filter(|decided| without.contains(decided)).count();
    assert!(same * 2 > all.len(), "{same} of {}", all.len());
}

/// Writes some objects of its own and reads them, beside counting: every kind of request.
async fn mixed(client: Client, number: usize) {
    let _ = client.put(&path("counter"), "0".into()).await;
    for n in 0..10 {
        let own = path(&format!("own/{number}/{n}"));
        let copy = path(&format!("own/{number}/{n}-copy"));
        let _ = client.put_opts(&own, "some body".into(), PutMode::Create.into()).await;
        let _ = client.get(&own).await;
        let (again, other) = (own.clone(), own.clone());
        let both = (client.put(&again, "more".into()), client.get(&other));
        let _ = futures_util::join!(both.0, both.1);
        let _ = client.copy(&own, &copy).await;
        if let Ok(mut upload) = client.put_multipart(&copy).await {
            let _ = upload.put_part("part".into()).await;
            let _ = upload.complete().await;
        }
        let _: Vec<_> = client.list(Some(&path("own"))).collect().await;
        if n % 3 == 2 {
            let _ = client.delete(&own).await;
            let _: Vec<_> = client.list(Some(&path("own"))).collect().await;
            let both = futures_util::stream::iter([Ok(own), Ok(copy)]).boxed();
            let _: Vec<_> = client.delete_stream(both).collect().await;
        }
    }
    increment(client, 20).await;
}

/// A store that leaves room for every kind of fault.
fn lax() -> Setup {
    let profile = Profile {
        list_order: ListOrder::Arbitrary,
        write_rate: Some(WriteRate { interval_ns: 1_000_000, burst: 100 }),
        ..Profile::eventual()
    };
    Setup { rates: FaultRates::all(20_000), ..Setup { profile: Arc::new(profile), ..s3() } }
}

fn effects(seeds: u64, setup: &Setup) -> BTreeMap<&'static str, u32> {
    let mut effects: BTreeMap<_, _> = FaultKind::ALL.iter().map(|kind| (kind.label(), 0)).collect();
    for seed in 0..seeds {
        run_seed(seed, setup.clone(), |world| async move {
            let spawn = |n| sim::spawn_on(world.process(n), mixed(world.client(n), n));
            let tasks: Vec<_> = (0..3).map(spawn).collect();
            for task in tasks {
                task.await.unwrap();
            }
            sim::sleep(std::time::Duration::from_secs(100)).await;
            assert_eq!(world.store.in_flight(), 0);
        });
        for (label, total) in &mut effects {
            *total += counted(label);
        }
    }
    effects
}

#[test]
fn every_kind_takes_effect_within_a_few_seeds() {
    let effects = effects(20, &lax());
    let never: Vec<_> = effects.iter().filter(|(_, total)| **total == 0).collect();
    assert!(never.is_empty(), "{never:?} of {effects:?}");
}

#[test]
fn a_strong_store_shows_nothing_stale_whatever_the_rates() {
    let effects = effects(5, &faulty());
    for kind in FaultKind::ALL.into_iter().filter(|kind| !kind.is_default()) {
        assert_eq!(effects[kind.label()], 0, "{kind:?}");
    }
}

#[test]
fn without_faults_every_acknowledged_increment_counts_and_no_other() {
    for seed in 0..20 {
        let run = counter(seed, s3());
        assert_eq!(run.faults, []);
        let last = run.log.last().unwrap().body.clone().unwrap();
        assert_eq!(String::from_utf8(last).unwrap(), run.told.to_string());
        assert_eq!(run.log.len() as u32, run.told + 1);
    }
}

#[test]
fn racing_writers_may_be_told_of_a_conflict_and_nothing_lands() {
    let rates = FaultRates::none().with(FaultKind::RacedConflict, 1_000_000);
    let run = counter(5, Setup { rates, ..s3() });
    let last = run.log.last().unwrap().body.clone().unwrap();
    assert_eq!(String::from_utf8(last).unwrap(), run.told.to_string());
    assert!(counted(FaultKind::RacedConflict.label()) > 0);
}

#[test]
fn with_every_fault_at_once_the_store_stays_a_store() {
    for seed in 0..50 {
        let run = counter(seed, Setup { rates: FaultRates::all(60_000), ..s3() });
        // An acknowledged compare-and-set landed; others may have landed as well.
        assert!(run.log.len() as u32 > run.told);
        assert!(run.log.is_sorted_by_key(|seen| seen.at));
    }
}

/// An operation on one of few names.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Create(u8, u8),
    Update(u8, u8),
    Get(u8),
    Range(u8, u64, u64),
    IfNoneMatch(u8),
    Head(u8),
    Delete(u8),
    List(bool),
    Level,
    Copy(u8, u8),
    CopyIfAbsent(u8, u8),
    Rename(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..5_u8;
    prop_oneof![
        (name.clone(), 0..9_u8).prop_map(|(n, b)| Step::Put(n, b)),
        (name.clone(), 0..9_u8).prop_map(|(n, b)| Step::Create(n, b)),
        (name.clone(), 0..9_u8).prop_map(|(n, b)| Step::Update(n, b)),
        name.clone().prop_map(Step::Get),
        (name.clone(), 0..9_u64, 0..9_u64).prop_map(|(n, a, b)| Step::Range(n, a, a + 1 + b)),
        name.clone().prop_map(Step::IfNoneMatch),
        name.clone().prop_map(Step::Head),
        name.clone().prop_map(Step::Delete),
        any::<bool>().prop_map(Step::List),
        Just(Step::Level),
        (name.clone(), name.clone()).prop_map(|(a, b)| Step::Copy(a, b)),
        (name.clone(), name.clone()).prop_map(|(a, b)| Step::CopyIfAbsent(a, b)),
        (name.clone(), name).prop_map(|(a, b)| Step::Rename(a, b)),
    ]
}

/// What a client sees, without what may differ (tags, dates).
fn shown<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}").split([' ', '{', '(']).next().unwrap_or("").to_owned(),
    }
}

async fn observe(store: &dyn ObjectStore, steps: &[Step]) -> Vec<String> {
    let name = |n: u8| path(["a", "d/b", "d/c", "d/e/f", "z"][usize::from(n)]);
    let body = |b: u8| vec![b; usize::from(b)];
    let names = |metas: Vec<object_store::ObjectMeta>| -> Vec<_> {
        metas.into_iter().map(|meta| (meta.location, meta.size)).collect()
    };
    let mut seen = Vec::new();
    for step in steps {
        seen.push(match step {
            Step::Put(n, b) => shown(store.put(&name(*n), body(*b).into()).await.map(drop)),
            Step::Create(n, b) => {
                let create = PutMode::Create.into();
                shown(store.put_opts(&name(*n), body(*b).into(), create).await.map(drop))
            }
            Step::Update(n, b) => {
                let head = store.head(&name(*n)).await;
                let e_tag = head.map_or_else(|_| Some("\"none\"".into()), |meta| meta.e_tag);
                let update = PutMode::Update(UpdateVersion { e_tag, version: None }).into();
                shown(store.put_opts(&name(*n), body(*b).into(), update).await.map(drop))
            }
            Step::Get(n) => match store.get(&name(*n)).await {
                Ok(got) => shown(got.bytes().await),
                Err(error) => shown::<()>(Err(error)),
            },
            Step::Range(n, a, b) => {
                let range = GetRange::Bounded(*a..*b);
                let options = GetOptions::new().with_range(Some(range));
                match store.get_opts(&name(*n), options).await {
                    Ok(got) => shown(got.bytes().await),
                    Err(error) => shown::<()>(Err(error)),
                }
            }
            Step::IfNoneMatch(n) => {
                let tag = store.head(&name(*n)).await.ok().and_then(|meta| meta.e_tag);
                let options = GetOptions::new().with_if_none_match(tag);
                shown(store.get_opts(&name(*n), options).await.map(|got| got.range))
            }
            Step::Head(n) => shown(store.head(&name(*n)).await.map(|meta| meta.size)),
            Step::Delete(n) => shown(store.delete(&name(*n)).await),
            Step::List(offset) => {
                let listed = match offset {
                    false => store.list(Some(&path("d"))),
                    true => store.list_with_offset(None, &path("d/b")),
                };
                shown(listed.try_collect().await.map(names))
            }
            Step::Level => {
                let level = store.list_with_delimiter(Some(&path("d"))).await;
                shown(level.map(|level| (level.common_prefixes, names(level.objects))))
            }
            Step::Copy(a, b) => shown(store.copy(&name(*a), &name(*b)).await),
            Step::CopyIfAbsent(a, b) => shown(store.copy_if_not_exists(&name(*a), &name(*b)).await),
            Step::Rename(a, b) => shown(store.rename(&name(*a), &name(*b)).await),
        });
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Profiles whose answers are those of the memory store, in all that both show.
    #[test]
    fn without_faults_it_answers_as_the_memory_store_does(
        steps in prop::collection::vec(step(), 1..40),
        page_size in 1..4_u32,
        which in 0..3_usize,
    ) {
        let profile = [Profile::s3(), Profile::minio(), Profile::r2()][which].clone();
        let setup = Setup::calm(Arc::new(Profile { page_size, ..profile }));
        let todo = steps.clone();
        let (simulated, memory) = run(setup, |world| async move {
            let client = world.client(0);
            let steps = todo.clone();
            let simulated = world.on(0, async move { observe(&client, &steps).await }).await;
            (simulated, observe(&InMemory::new(), &todo).await)
        });
        for ((step, simulated), memory) in steps.iter().zip(simulated).zip(memory) {
            prop_assert_eq!(simulated, memory, "{:?}", step);
        }
    }
}

#[test]
fn a_fault_is_readable_text_and_comes_back() {
    let fault = Fault::LateApply { report: sim_storage::fault::Report::Silence, after_ns: 7 };
    let text = serde_json::to_string(&fault).unwrap();
    assert_eq!(text, r#"{"late-apply":{"report":"silence","after_ns":7}}"#);
    assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
}
