//! What the engine promises to those who build worlds on it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sim::trace::{Keep, Kind};
use sim::{
    Aim, AimAt, Clock, Config, Crashed, Limits, Outcome, ProcessId, ProcessName, Strike, Victim,
};

const MS: Duration = Duration::from_millis(1);

fn process(number: u16) -> ProcessId {
    sim::add_process(ProcessName { role: "worker", number })
}

/// Runs `director` and returns how it ended with the fingerprint of the run.
fn run<T: 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    director: impl FnOnce() -> F,
) -> (Outcome<T>, u64) {
    let outcome = sim::run(&Config::new(seed), director);
    (outcome, sim::fingerprint())
}

#[test]
fn time_jumps_from_event_to_event() {
    let (outcome, _) = run(1, || async {
        sim::sleep(MS * 5).await;
        let first = sim::now_ns();
        sim::sleep(Duration::from_secs(86_000)).await;
        (first, sim::now_ns())
    });
    assert_eq!(outcome, Outcome::Done((5_000_000, 86_000_005_000_000)));
}

/// Five tasks become ready at the same instant; the order in which they run is the observation.
async fn race() -> Vec<u16> {
    let order = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let order = Rc::clone(&order);
            sim::spawn_on(process(number), async move {
                sim::sleep(MS).await;
                order.borrow_mut().push(number);
                sim::emit(Kind::Mark, 0, u64::from(number), 0);
                sim::sleep(MS).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("nobody crashes");
    }
    order.take()
}

#[test]
fn a_seed_decides_the_order_of_ready_tasks() {
    let mut orders = Vec::new();
    for seed in 0..50 {
        let (first, fingerprint) = run(seed, race);
        assert_eq!((first.clone(), fingerprint), run(seed, race));
        orders.push(first);
    }
    orders.sort_by_key(|order| format!("{order:?}"));
    orders.dedup();
    assert!(orders.len() > 30, "50 seeds gave only {} orders of five tasks", orders.len());
}

#[test]
fn a_crash_drops_futures_at_once_and_tells_who_waits() {
    struct Dropped(Rc<Cell<u64>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(sim::now_ns());
        }
    }
    let (outcome, _) = run(1, || async {
        let victim = process(1);
        let dropped_at = Rc::new(Cell::new(0));
        let guard = Dropped(Rc::clone(&dropped_at));
        let task = sim::spawn_on(victim, async move {
            let _guard = guard;
            sim::sleep(MS * 100).await;
        });
        sim::sleep(MS * 7).await;
        sim::crash(victim);
        let result = task.await;
        assert!(!sim::is_alive(victim));
        sim::restart(victim);
        let again = sim::spawn_on(victim, async { sim::now_ns() }).await;
        (result, dropped_at.get(), again)
    });
    assert_eq!(outcome, Outcome::Done((Err(Crashed), 7_000_000, Ok(7_000_000))));
}

#[test]
fn a_stalled_process_runs_nothing_and_its_timers_wait() {
    let (outcome, _) = run(1, || async {
        let (stalled, other) = (process(1), process(2));
        let slow = sim::spawn_on(stalled, async {
            sim::sleep(MS * 2).await;
            sim::now_ns()
        });
        let fast = sim::spawn_on(other, async {
            sim::sleep(MS * 2).await;
            sim::now_ns()
        });
        sim::sleep(MS).await;
        sim::stall(stalled, MS * 10);
        (slow.await, fast.await)
    });
    assert_eq!(outcome, Outcome::Done((Ok(11_000_000), Ok(2_000_000))));
}

#[test]
fn a_drifting_clock_bends_its_own_sleeps_only() {
    let (outcome, _) = run(1, || async {
        let fast = process(1);
        sim::set_clock(fast, Clock { drift_ppm: 1_000_000, wall_offset_ns: 0 });
        let task = sim::spawn_on(fast, async {
            sim::sleep(MS * 10).await;
            (sim::now_ns(), sim::monotonic())
        });
        task.await
    });
    assert_eq!(outcome, Outcome::Done(Ok((5_000_000, MS * 10))));
}

#[test]
fn a_monotonic_clock_goes_on_from_what_it_shows_when_its_rate_changes() {
    let (outcome, _) = run(1, || async {
        let target = process(1);
        let task = sim::spawn_on(target, async move {
            let mut shown = Vec::new();
            for drift_ppm in [500_000, -500_000, 0] {
                sim::sleep(Duration::from_secs(600)).await;
                let before = sim::monotonic();
                sim::set_clock(target, Clock { drift_ppm, wall_offset_ns: -7 });
                assert_eq!(sim::monotonic(), before, "setting it is not seen");
                shown.push((before.as_secs(), sim::now_ns() / 1_000_000_000));
            }
            shown
        });
        task.await
    });
    // Each sleep lasts 600 s on the clock of the process; the clock of the world differs.
    assert_eq!(outcome, Outcome::Done(Ok(vec![(600, 600), (1200, 1000), (1800, 2200)])));
}

#[test]
fn a_stall_strikes_at_the_aimed_step_and_occurrence() {
    let (outcome, _) = run(1, || async {
        let target = process(1);
        sim::aim(Aim {
            victim: Victim::Process(target),
            at: AimAt::Step(String::from("commit")),
            after: 1,
            strike: Strike::Stall(MS * 30),
        });
        let task = sim::spawn_on(target, async {
            let mut times = Vec::new();
            for _ in 0..3 {
                sim::step("commit");
                sim::sleep(MS).await;
                times.push(sim::now_ns() / 1_000_000);
            }
            times
        });
        task.await
    });
    assert_eq!(outcome, Outcome::Done(Ok(vec![1, 31, 32])));
    let mut faults = Vec::new();
    sim::each_count(|name, count| faults.push((name, count)));
    assert!(faults.contains(&("fault.stall_at_step", 1)), "{faults:?}");
}

#[test]
fn a_crash_at_a_step_lets_nothing_leave_the_process_any_more() {
    let (outcome, _) = run(1, || async {
        let target = process(1);
        sim::aim(Aim {
            victim: Victim::Process(target),
            at: AimAt::Step(String::from("put")),
            after: 0,
            strike: Strike::Crash,
        });
        let seen = Rc::new(Cell::new(None));
        let slot = Rc::clone(&seen);
        let task = sim::spawn_on(target, async move {
            sim::step("put");
            slot.set(Some(sim::admission(sim::current_process())));
            sim::sleep(MS).await;
        });
        (task.await, seen.get())
    });
    assert_eq!(outcome, Outcome::Done((Err(Crashed), Some(sim::Admission::Never))));
}

#[test]
fn tracing_events_of_chosen_targets_are_steps() {
    let subscriber = sim::StepSubscriber::new(&["protocol"]);
    tracing::subscriber::with_default(subscriber, || {
        let (_, _) = run(1, || async {
            tracing::event!(name: "commit.put_head", target: "protocol::commit", tracing::Level::TRACE, {});
            tracing::event!(name: "elsewhere", target: "protocols", tracing::Level::TRACE, {});
        });
    });
    let mut names = Vec::new();
    sim::each_count(|name, _| names.push(name));
    assert_eq!(names, ["commit.put_head"]);
}

#[test]
fn log_lines_are_kept_with_details_and_never_change_the_fingerprint() {
    let director = || async {
        tracing::info!(target: "protocol", tries = 3, "giving up");
        sim::mark("end");
    };
    let config = Config { keep: Keep::Ring { capacity: 10 }, ..Config::new(1) };
    let quiet = run(1, director).1;
    let subscriber = sim::StepSubscriber::new(&["protocol"]);
    tracing::subscriber::with_default(subscriber, || sim::run(&config, director));
    assert_eq!(sim::fingerprint(), quiet);
    let lines = sim::with_trace(|trace| {
        trace
            .kept()
            .filter(|kept| kept.event.kind == Kind::Log)
            .map(|kept| kept.detail.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(lines, ["giving up tries=3"]);
}

#[test]
fn limits_are_verdicts() {
    let limits = Limits { virtual_time: Duration::from_secs(1), steps: 1000 };
    let config = Config { limits, ..Config::new(1) };
    let sleepy = sim::run(&config, || sim::sleep(Duration::from_secs(2)));
    assert_eq!(sleepy, Outcome::TimeLimit);
    let spinning = sim::run(&config, || async {
        std::future::poll_fn::<(), _>(|cx| {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    });
    assert_eq!(spinning, Outcome::StepLimit);
    assert_eq!(sim::run(&config, std::future::pending::<()>), Outcome::Deadlock);
}

#[test]
fn a_panic_names_its_process_and_leaves_the_engine_usable() {
    let (outcome, _) = run(1, || async {
        sim::spawn_on(process(1), async { panic!("head without a tail") }).await
    });
    let message = String::from("head without a tail");
    assert_eq!(
        outcome,
        Outcome::<Result<(), Crashed>>::Panicked { process: ProcessId(1), message }
    );
    assert_eq!(run(1, || async { 7 }).0, Outcome::Done(7));
}
