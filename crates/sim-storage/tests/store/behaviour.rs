//! The number of a behaviour: what it ignores and what it notices.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use sim::{Clock, ProcessId};
use sim_storage::Setup;
use sim_storage::fault::{Fault, Report};
use sim_storage::profile::Profile;

use crate::world::{World, path, run_seed, s3, s3_with};

/// One request of a process: which, what, on which object.
#[derive(Clone, Copy)]
enum Do {
    Put(usize, &'static str),
    Create(usize, &'static str),
    Get(usize, &'static str),
    Delete(usize, &'static str),
    List(usize, &'static str),
}

async fn one(world: &World, step: Do) {
    let (number, step) = match step {
        Do::Put(n, _) | Do::Create(n, _) | Do::Get(n, _) | Do::Delete(n, _) | Do::List(n, _) => {
            (n, step)
        }
    };
    let client = world.client(number);
    let request = async move {
        // Failures are part of the behaviour.
        match step {
            Do::Put(_, name) => drop(client.put(&path(name), "x".into()).await),
            Do::Create(_, name) => {
                drop(client.put_opts(&path(name), "x".into(), PutMode::Create.into()).await);
            }
            Do::Get(_, name) => drop(client.get(&path(name)).await),
            Do::Delete(_, name) => drop(client.delete(&path(name)).await),
            Do::List(_, prefix) => {
                drop(client.list_with_delimiter(Some(&path(prefix))).await);
            }
        }
    };
    world.on(number, request).await;
}

/// The behaviour of these requests, one after the other.
fn behaviour_on(seed: u64, setup: Setup, steps: &[Do]) -> u64 {
    let steps = steps.to_vec();
    let (print, _) = run_seed(seed, setup, move |world| async move {
        for step in steps {
            one(&world, step).await;
        }
        world.store.behaviour()
    });
    print
}

fn behaviour(steps: &[Do]) -> u64 {
    behaviour_on(7, s3(), steps)
}

use Do::{Create, Delete, Get, List, Put};

#[test]
fn the_order_of_requests_to_different_objects_does_not_matter() {
    let one = behaviour(&[Put(0, "a"), Put(1, "b"), Get(2, "a"), Put(1, "a"), Get(0, "b")]);
    let other = behaviour(&[Put(1, "b"), Get(0, "b"), Put(0, "a"), Get(2, "a"), Put(1, "a")]);
    assert_eq!(one, other);
}

#[test]
fn the_order_of_writes_to_one_object_matters() {
    assert_ne!(behaviour(&[Put(0, "a"), Put(1, "a")]), behaviour(&[Put(1, "a"), Put(0, "a")]));
}

#[test]
fn reads_between_two_writes_commute_and_a_read_is_of_the_write_before_it() {
    let one = behaviour(&[Put(0, "a"), Get(1, "a"), Get(2, "a"), Put(0, "a")]);
    let swapped = behaviour(&[Put(0, "a"), Get(2, "a"), Get(1, "a"), Put(0, "a")]);
    let later = behaviour(&[Put(0, "a"), Get(1, "a"), Put(0, "a"), Get(2, "a")]);
    assert_eq!(one, swapped);
    assert_ne!(one, later);
}

#[test]
fn a_refused_write_is_a_read_and_who_lost_is_noticed() {
    let first = behaviour(&[Create(0, "a"), Create(1, "a"), Get(2, "a")]);
    let commuted = behaviour(&[Create(0, "a"), Get(2, "a"), Create(1, "a")]);
    let other_winner = behaviour(&[Create(1, "a"), Create(0, "a"), Get(2, "a")]);
    assert_eq!(first, commuted);
    assert_ne!(first, other_winner);
}

#[test]
fn a_listing_reads_what_it_shows() {
    let one = behaviour(&[Put(0, "p/a"), Put(1, "q/b"), List(2, "p"), Put(1, "p/c")]);
    let elsewhere = behaviour(&[Put(0, "p/a"), List(2, "p"), Put(1, "q/b"), Put(1, "p/c")]);
    let shows_more = behaviour(&[Put(0, "p/a"), Put(1, "q/b"), Put(1, "p/c"), List(2, "p")]);
    let gone = behaviour(&[Put(0, "p/a"), Delete(0, "p/a"), List(2, "p")]);
    let not_yet_gone = behaviour(&[Put(0, "p/a"), List(2, "p"), Delete(0, "p/a")]);
    assert_eq!(one, elsewhere);
    assert_ne!(one, shows_more);
    assert_ne!(gone, not_yet_gone);
}

#[test]
fn latencies_names_and_clocks_do_not_matter() {
    let steps = |a, b| [Put(0, a), Put(1, b), Get(2, a), Delete(0, b)];
    let print = behaviour(&steps("a", "b"));
    assert_eq!(print, behaviour_on(99, s3(), &steps("a", "b")), "other latencies");
    let slow = Setup { timeout_ns: u64::MAX / 4, ..Setup::calm(Arc::new(Profile::azure())) };
    assert_eq!(print, behaviour_on(7, slow, &steps("a", "b")), "another store");
    assert_eq!(print, behaviour(&steps("m/seg-17", "other")), "other names");
    let (skewed, _) = run_seed(7, s3(), move |world| async move {
        sim::set_clock(ProcessId(1), Clock { wall_offset_ns: 5_000_000_000, drift_ppm: 50_000 });
        for step in steps("a", "b") {
            one(&world, step).await;
        }
        world.store.behaviour()
    });
    assert_eq!(print, skewed, "another clock");
}

#[test]
fn a_lost_request_leaves_no_trace_at_the_store_and_a_lost_reply_does() {
    let silence = Report::Silence;
    let lost = s3_with(&[(0, Fault::RequestLost { report: silence })]);
    let unheard = s3_with(&[(0, Fault::ReplyLost { report: silence })]);
    let steps = [Put(0, "a"), Put(1, "a")];
    assert_eq!(behaviour_on(7, lost, &steps), behaviour(&[Put(1, "a")]));
    assert_eq!(behaviour_on(7, unheard, &steps), behaviour(&steps));
    let refused = s3_with(&[(0, Fault::SlowDown)]);
    assert_ne!(behaviour_on(7, refused, &steps), behaviour(&[Put(1, "a")]));
}

/// How many behaviours 200 seeds show in which three processes write one object twice each.
fn behaviours_of_a_race(schedule: sim::Schedule) -> usize {
    let mut seen: Vec<u64> = (0..200)
        .map(|seed| {
            let race = move |world: World| async move {
                sim::set_schedule(schedule);
                let writers = (0..3).map(|number| {
                    let client = world.client(number);
                    sim::spawn_on(world.process(number), async move {
                        for _ in 0..2 {
                            client.put(&path("a"), "x".into()).await.expect("no faults");
                        }
                    })
                });
                for writer in writers.collect::<Vec<_>>() {
                    writer.await.expect("nobody crashes");
                }
                world.store.behaviour()
            };
            // Whoever is late must not be given up.
            let patient = Setup { timeout_ns: u64::MAX / 4, ..s3() };
            run_seed(seed, patient, race).0
        })
        .collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

#[test]
fn unusual_orders_show_behaviours_that_time_does_not() {
    let timed = behaviours_of_a_race(sim::Schedule::TIMED);
    let (window, steps) = (std::time::Duration::from_secs(60), 1000);
    let surw = sim::Order::Surw { interest: sim::Interest::Writes };
    for order in [sim::Order::Walk, sim::Order::Pos, surw] {
        let tasks = sim::Tasks::First;
        let found = behaviours_of_a_race(sim::Schedule { order, window, tasks, steps });
        // There are 90 orders of six writes.
        assert!(found > timed && found <= 90, "{order:?}: {found} behaviours, timed {timed}");
    }
}
