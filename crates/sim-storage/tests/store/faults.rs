//! Each fault does what it says in the store, tells the client what it says, and is counted once.

use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutResult, Result};
use sim_storage::fault::{Fault, FaultKind, FaultRates, Report};
use sim_storage::model::Change;
use sim_storage::{Bounds, Client};

use crate::world::{MS, World, counted, path, run, s3, s3_with};

/// What the first request of process 1 brings, a create of `k` with the body `mine`, under `fault`;
/// a minute later the store holds the returned body.
fn create_under(fault: Fault) -> (Result<PutResult>, Option<Vec<u8>>, World) {
    run(s3_with(&[(0, fault)]), |world| async move {
        let client = world.client(0);
        let answer = world.on(0, async move { create(&client).await }).await;
        sim::sleep(Duration::from_secs(100)).await;
        let held = world.store.with_model(|model| {
            let name = model.find("k")?;
            Some(model.current(name)?.body.to_vec())
        });
        (answer, held, world)
    })
}

async fn create(client: &Client) -> Result<PutResult> {
    client.put_opts(&key(), "mine".into(), PutMode::Create.into()).await
}

fn key() -> Path {
    path("k")
}

fn once(kind: FaultKind) {
    assert_eq!(counted(kind.label()), 1, "{kind:?}");
    for other in FaultKind::ALL.into_iter().filter(|other| *other != kind) {
        assert_eq!(counted(other.label()), 0, "{other:?} beside {kind:?}");
    }
}

#[test]
fn a_lost_request_changes_nothing_and_looks_like_a_broken_connection() {
    let (answer, held, _) = create_under(Fault::RequestLost { report: Report::Reset });
    assert!(matches!(answer, Err(Error::Generic { .. })));
    assert_eq!(held, None);
    once(FaultKind::RequestLost);
}

#[test]
fn silence_lasts_until_the_transport_gives_up() {
    let fault = Fault::RequestLost { report: Report::Silence };
    let waited = run(s3_with(&[(0, fault)]), |world| async move {
        let client = world.client(0);
        let answer = world.on(0, async move { create(&client).await }).await;
        assert!(answer.unwrap_err().to_string().contains("timed out"));
        sim::now_ns()
    });
    assert_eq!(waited, 1_000 * MS);
}

#[test]
fn a_lost_reply_hides_a_write_that_landed() {
    let (answer, held, world) = create_under(Fault::ReplyLost { report: Report::Reset });
    assert!(matches!(answer, Err(Error::Generic { .. })));
    assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    assert_eq!(world.log().len(), 1);
    once(FaultKind::ReplyLost);
}

#[test]
fn a_late_write_lands_after_its_client_was_told_that_it_failed() {
    let fault = Fault::LateApply { report: Report::Reset, after_ns: 5_000 * MS };
    let (told, landed) = run(s3_with(&[(0, fault)]), |world| async move {
        let client = world.client(0);
        let answer = world.on(0, async move { create(&client).await }).await;
        assert!(matches!(answer, Err(Error::Generic { .. })));
        let told = sim::now_ns();
        sim::sleep(Duration::from_secs(100)).await;
        (told, world.log()[0].at)
    });
    assert_eq!(landed, told + 5_000 * MS);
    once(FaultKind::LateApply);
}

#[test]
fn a_duplicated_create_is_told_that_its_own_object_exists() {
    let (answer, held, world) = create_under(Fault::Duplicate { after_ns: 10 * MS });
    assert!(matches!(answer, Err(Error::AlreadyExists { .. })));
    assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    assert_eq!(world.log().len(), 1, "the second copy is refused");
    once(FaultKind::Duplicate);
}

#[test]
fn a_duplicated_update_is_told_that_its_precondition_failed() {
    let duplicate = Fault::Duplicate { after_ns: 10 * MS };
    let (answer, changes) = run(s3_with(&[(1, duplicate)]), |world| async move {
        let client = world.client(0);
        let answer = world.on(0, async move {
            let first = create(&client).await.unwrap();
            let update = PutMode::Update(first.into());
            client.put_opts(&key(), "next".into(), update.into()).await
        });
        (answer.await, world.log())
    });
    assert!(matches!(answer, Err(Error::Precondition { .. })));
    assert_eq!(changes.last().unwrap().body.as_deref(), Some(&b"next"[..]));
    once(FaultKind::Duplicate);
}

#[test]
fn a_duplicated_overwrite_takes_back_what_others_wrote_in_between() {
    let duplicate = Fault::Duplicate { after_ns: 1_000 * MS };
    let setup = sim_storage::Setup { timeout_ns: 60_000 * MS, ..s3_with(&[(0, duplicate)]) };
    let bodies: Vec<_> = run(setup, |world| async move {
        let (mine, other) = (world.client(0), world.client(1));
        let put = sim::spawn_on(mine.process(), async move {
            mine.put(&key(), "mine".into()).await.unwrap();
        });
        sim::sleep(Duration::from_millis(500)).await;
        world.on(1, async move { other.put(&key(), "other".into()).await.unwrap() }).await;
        put.await.unwrap();
        world.log().into_iter().map(|seen| seen.body.unwrap()).collect()
    });
    assert_eq!(bodies, [&b"mine"[..], b"other", b"mine"]);
}

#[test]
fn statuses_without_effect() {
    for (fault, status) in [
        (Fault::Conflict, "409"),
        (Fault::TooManyRequests, "429"),
        (Fault::SlowDown, "503"),
        (Fault::ErrorBefore, "500"),
    ] {
        let (answer, held, _) = create_under(fault);
        let error = answer.unwrap_err();
        assert!(error.to_string().contains(status), "{error}");
        let exists = matches!(error, Error::AlreadyExists { .. });
        assert_eq!(exists, fault == Fault::Conflict, "409 is the crate's AlreadyExists");
        assert_eq!(held, None);
        once(fault.kind());
    }
}

#[test]
fn an_error_after_the_write_hides_it() {
    let (answer, held, _) = create_under(Fault::ErrorAfter);
    assert!(answer.unwrap_err().to_string().contains("500"));
    assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    once(FaultKind::ErrorAfter);
}

#[test]
fn a_timeout_is_told_after_the_write_landed() {
    let (answer, held, world) = create_under(Fault::Timeout { after_ns: 900 * MS });
    assert!(answer.unwrap_err().to_string().contains("timed out"));
    assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    assert_eq!(world.log()[0].at, 900 * MS);
    once(FaultKind::Timeout);
}

#[test]
fn tail_latency_delays_a_right_answer() {
    let (plain, slow) = [0, 700 * MS]
        .map(|extra_ns| {
            let fault = Fault::TailLatency { extra_ns };
            run(s3_with(&[(0, fault)]), |world| async move {
                let client = world.client(0);
                world.on(0, async move { create(&client).await.unwrap() }).await;
                sim::now_ns()
            })
        })
        .into();
    assert_eq!(slow, plain + 700 * MS);
    once(FaultKind::TailLatency);
}

#[test]
fn a_reordered_request_is_overtaken_by_the_next_one() {
    let reordered = Fault::Reordering { extra_ns: 500 * MS };
    let bodies: Vec<_> = run(s3_with(&[(0, reordered)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                let (path, again) = (key(), key());
                let first = client.put(&path, "first".into());
                let second = client.put(&again, "second".into());
                let (first, second) = futures_util::join!(first, second);
                assert!(first.is_ok() && second.is_ok());
            })
            .await;
        world.log().into_iter().map(|seen| seen.body.unwrap()).collect()
    });
    assert_eq!(bodies, [&b"second"[..], b"first"]);
    once(FaultKind::Reordering);
}

#[test]
fn a_reordered_request_that_nobody_overtakes_is_not_counted() {
    let (answer, ..) = create_under(Fault::Reordering { extra_ns: 500 * MS });
    assert!(answer.is_ok());
    assert_eq!(counted(FaultKind::Reordering.label()), 0);
}

#[test]
fn a_short_body_comes_without_an_error_and_with_the_full_size() {
    let short = Fault::ShortBody { keep_ppm: 500_000 };
    let (size, body) = run(s3_with(&[(1, short)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                client.put(&key(), "0123456789".into()).await.unwrap();
                let got = client.get(&key()).await.unwrap();
                (got.meta.size, got.bytes().await.unwrap())
            })
            .await
    });
    assert_eq!((size, body.as_ref()), (10, &b"01234"[..]));
    once(FaultKind::ShortBody);
}

#[test]
fn a_torn_put_leaves_the_beginning_and_an_error() {
    let torn = Fault::TornPut { keep_ppm: 500_000, report: Report::Reset };
    let (answer, held, world) = create_under(torn);
    assert!(matches!(answer, Err(Error::Generic { .. })));
    assert_eq!(held.as_deref(), Some(&b"mi"[..]));
    assert_eq!(world.log()[0].change, Change::TornPut);
    once(FaultKind::TornPut);
}

#[test]
fn a_conditional_replacement_is_never_torn() {
    let torn = Fault::TornPut { keep_ppm: 500_000, report: Report::Reset };
    run(s3_with(&[(1, torn)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                let first = create(&client).await.unwrap();
                let update = PutMode::Update(first.into());
                client.put_opts(&key(), "next".into(), update.into()).await.unwrap();
            })
            .await;
    });
    assert_eq!(counted(FaultKind::TornPut.label()), 0);
}

#[test]
fn only_names_that_may_tear_are_torn() {
    let torn = Fault::TornPut { keep_ppm: 500_000, report: Report::Reset };
    let held = run(s3_with(&[(0, torn), (1, torn)]), |world| async move {
        world.store.bound(Bounds { tears: |name| name != "head", ..Bounds::default() });
        let client = world.client(0);
        world
            .on(0, async move {
                let head = client.put(&path("head"), "whole".into()).await;
                let other = client.put(&path("other"), "whole".into()).await;
                (head.is_ok(), other.is_ok())
            })
            .await
    });
    assert_eq!(held, (true, false));
    once(FaultKind::TornPut);
}

#[test]
fn a_world_says_how_late_a_request_may_land() {
    let rates = FaultRates::none().with(FaultKind::LateApply, 1_000_000);
    for (late_landing_max_ns, at_least) in [(None, 5_000 * MS), (Some(500 * MS), 0)] {
        let setup = sim_storage::Setup { rates: rates.clone(), ..s3() };
        let decided = run(setup, move |world| async move {
            world.store.bound(Bounds { late_landing_max_ns, ..Bounds::default() });
            world.store.record();
            let client = world.client(0);
            world
                .on(0, async move {
                    for _ in 0..100 {
                        let _ = client.put(&key(), "body".into()).await;
                    }
                })
                .await;
            world.store.take_recorded()
        });
        let latest = decided.iter().map(|decided| match decided.fault {
            Fault::LateApply { after_ns, .. } => after_ns,
            other => panic!("{other:?}"),
        });
        let latest = latest.max().unwrap();
        let at_most = late_landing_max_ns.unwrap_or(60_000 * MS);
        assert!((at_least..=at_most).contains(&latest), "{latest}");
    }
}

#[test]
fn a_torn_create_of_an_existing_object_is_refused_as_ever() {
    let torn = Fault::TornPut { keep_ppm: 500_000, report: Report::Reset };
    run(s3_with(&[(1, torn)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                create(&client).await.unwrap();
                let again = create(&client).await;
                assert!(matches!(again, Err(Error::AlreadyExists { .. })));
            })
            .await;
        assert_eq!(world.log().len(), 1);
    });
    assert_eq!(counted(FaultKind::TornPut.label()), 0);
}

#[test]
fn a_fault_that_means_nothing_for_a_request_does_nothing() {
    let short = Fault::ShortBody { keep_ppm: 0 };
    let (answer, held, _) = create_under(short);
    assert!(answer.is_ok());
    assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    assert_eq!(counted(FaultKind::ShortBody.label()), 0);
}
