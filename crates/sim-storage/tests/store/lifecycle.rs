//! What happens to a request when its client stops waiting, stalls or dies, and who may use it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use object_store::{ObjectStore, ObjectStoreExt};
use sim::{Aim, AimAt, Strike, Victim};
use sim_storage::Client;

use crate::world::{MS, path, run, s3};

fn assert_usable_by_async_libraries<T: ObjectStore + Clone + Send + Sync + 'static>() {}

#[test]
fn a_client_is_send_and_sync() {
    assert_usable_by_async_libraries::<Client>();
}

#[test]
fn nothing_is_sent_before_the_first_poll() {
    run(s3(), |world| async move {
        let client = world.client(0);
        let key = path("k");
        drop(client.put(&key, "x".into()));
        sim::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.store.requests_of(client.process()), 0);
        assert_eq!(world.log(), []);
    });
}

#[test]
fn a_dropped_future_leaves_its_request_in_flight_and_it_lands() {
    run(s3(), |world| async move {
        let client = world.client(0);
        let key = path("k");
        let mut put: Pin<Box<dyn Future<Output = _>>> = Box::pin(client.put(&key, "x".into()));
        assert!(put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(put);
        assert_eq!(world.log(), []);
        assert_eq!(world.store.in_flight(), 1);
        sim::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.log().len(), 1);
        assert_eq!(world.store.in_flight(), 0, "its slot is free again");
    });
}

#[test]
fn a_request_of_a_crashed_process_lands_and_nobody_is_told() {
    run(s3(), |world| async move {
        let client = world.client(0);
        let task =
            sim::spawn_on(
                client.process(),
                async move { client.put(&path("k"), "x".into()).await },
            );
        sim::sleep(Duration::from_millis(1)).await;
        sim::crash(world.process(0));
        assert!(task.await.is_err());
        sim::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.log().len(), 1);
        assert_eq!(world.store.in_flight(), 0);
    });
}

#[test]
fn a_stall_before_the_request_keeps_it_back_until_the_stall_ends() {
    run(s3(), |world| async move {
        sim::aim(Aim {
            victim: Victim::Process(world.process(0)),
            at: AimAt::Step("put".to_owned()),
            after: 0,
            strike: Strike::Stall(Duration::from_secs(3)),
        });
        let client = world.client(0);
        let put = async move {
            sim::step("put");
            client.put(&path("k"), "x".into()).await.unwrap();
        };
        world.on(0, put).await;
        let landed = world.log()[0].at;
        assert!(landed > 3_000 * MS && landed < 3_500 * MS, "{landed}");
    });
}

#[test]
fn a_crash_before_the_request_keeps_it_back_for_ever() {
    run(s3(), |world| async move {
        sim::aim(Aim {
            victim: Victim::Process(world.process(0)),
            at: AimAt::Step("put".to_owned()),
            after: 0,
            strike: Strike::Crash,
        });
        let client = world.client(0);
        let put = async move {
            sim::step("put");
            client.put(&path("k"), "x".into()).await.unwrap();
        };
        assert!(sim::spawn_on(world.process(0), put).await.is_err());
        sim::sleep(Duration::from_secs(100)).await;
        assert_eq!(world.log(), []);
        assert_eq!(world.store.in_flight(), 0);
    });
}

#[test]
fn a_stall_after_the_request_does_not_keep_it_back() {
    run(s3(), |world| async move {
        let client = world.client(0);
        let task = sim::spawn_on(client.process(), async move {
            client.put(&path("k"), "x".into()).await.unwrap();
            sim::now_ns()
        });
        sim::sleep(Duration::from_millis(1)).await;
        sim::stall(world.process(0), Duration::from_secs(10));
        let told = task.await.unwrap();
        assert!(told > 10_000 * MS, "{told}");
        assert!(world.log()[0].at < 1_000 * MS);
    });
}

#[test]
fn slots_are_reused() {
    run(s3(), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                for n in 0..200 {
                    client.put(&path("k"), format!("{n}").into()).await.unwrap();
                }
            })
            .await;
        assert_eq!(world.store.in_flight(), 0);
        assert_eq!(world.store.requests_of(world.process(0)), 200);
    });
}

#[test]
fn a_handle_from_an_earlier_world_touches_nothing() {
    use sim_storage::{Setup, SimStore};
    let setup = s3();
    let store = SimStore::new(setup.profile.clone());
    let begin = |setup: Setup| {
        let store = store.clone();
        move || async move {
            store.begin(setup);
            let process = sim::add_process(sim::ProcessName { role: "client", number: 1 });
            store.client(process)
        }
    };
    let sim::Outcome::Done(old) = sim::run(&sim::Config::new(1), begin(setup.clone())) else {
        panic!("the first world ends")
    };
    let outcome = sim::run(&sim::Config::new(2), || {
        let (store, key) = (store.clone(), path("k"));
        async move {
            let mut put: Pin<Box<dyn Future<Output = _>>> = Box::pin(old.put(&key, "x".into()));
            store.begin(setup.clone());
            assert!(put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            store.begin(setup);
            drop(put);
            sim::sleep(Duration::from_secs(5)).await;
            (store.in_flight(), store.with_model(|model| model.objects().count()))
        }
    });
    assert_eq!(outcome, sim::Outcome::Done((0, 0)));
}
