//! Orders other than by time, on toys that are small enough to know every interleaving of.
//!
//! Two processes, A and B, have two events each, one after the other: six interleavings. What
//! each order makes of them can be worked out by hand; the tests count 24,000 runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sim::{
    Access, ChoiceKey, Config, Device, DeviceId, Footprint, Fresh, Interest, Limits, Order,
    Outcome, ProcessId, ProcessName, Schedule, Seed, Site, Tasks,
};

const MS: Duration = Duration::from_millis(1);
const RUNS: u64 = 24_000;

/// Which object the two processes touch.
#[derive(Clone, Copy)]
enum Objects {
    /// One that both change: every two events race.
    Shared,
    /// One each: nothing races.
    Own,
}

/// A device at which processes have chains of events: the next one is pending when the last one
/// has happened, one millisecond later.
struct Chains {
    id: RefCell<Option<DeviceId>>,
    objects: Objects,
    left: RefCell<Vec<u32>>,
    log: RefCell<String>,
    lateness_ns: RefCell<Vec<u64>>,
    due_ns: RefCell<Vec<u64>>,
}

impl Chains {
    fn schedule(&self, process: u32, after: Duration) {
        let due_ns = sim::now_ns() + after.as_nanos() as u64;
        self.due_ns.borrow_mut()[process as usize] = due_ns;
        let object = match self.objects {
            Objects::Shared => 1,
            Objects::Own => process,
        };
        let footprint =
            Footprint { process: ProcessId(process as u16), object, access: Access::Write };
        let id = self.id.borrow().expect("the device was added");
        sim::schedule_touching(due_ns, id, process, || footprint);
    }
}

impl Device for Chains {
    fn on_event(&self, process: u32) {
        self.log.borrow_mut().push((b'@' + process as u8) as char);
        let due_ns = self.due_ns.borrow()[process as usize];
        self.lateness_ns.borrow_mut().push(sim::now_ns() - due_ns);
        let mut left = self.left.borrow_mut();
        left[process as usize] -= 1;
        if left[process as usize] > 0 {
            self.schedule(process, MS * process);
        } else if left.iter().all(|&left| left == 0) {
            sim::halt();
        }
    }
}

/// What one run showed.
struct Run {
    order: String,
    lateness_ns: Vec<u64>,
}

/// Runs chains of so many events for processes 1, 2, ... under a schedule.
fn run_with(
    seed: impl Into<Seed>,
    schedule: Schedule,
    objects: Objects,
    events: &[u32],
    prepare: impl FnOnce() + 'static,
) -> Run {
    let left: Vec<u32> = std::iter::once(0).chain(events.iter().copied()).collect();
    let chains = Rc::new(Chains {
        id: RefCell::default(),
        objects,
        due_ns: RefCell::new(vec![0; left.len()]),
        left: RefCell::new(left),
        log: RefCell::default(),
        lateness_ns: RefCell::default(),
    });
    let device = Rc::clone(&chains);
    let outcome = sim::run(&Config::new(seed), move || async move {
        prepare();
        *device.id.borrow_mut() = Some(sim::add_device(Rc::clone(&device) as Rc<dyn Device>));
        sim::set_schedule(schedule);
        let processes = device.left.borrow().len() as u32;
        for process in 1..processes {
            let id = sim::add_process(ProcessName { role: "chain", number: process as u16 });
            sim::expect_events(id, device.left.borrow()[process as usize]);
            device.schedule(process, MS * process);
        }
        std::future::pending::<()>().await;
    });
    assert_eq!(outcome, Outcome::Halted);
    Run { order: chains.log.take(), lateness_ns: chains.lateness_ns.take() }
}

fn run(seed: impl Into<Seed>, schedule: Schedule, objects: Objects, events: &[u32]) -> Run {
    run_with(seed, schedule, objects, events, || ())
}

fn wide(order: Order) -> Schedule {
    Schedule { order, window: Duration::from_secs(1), tasks: Tasks::First, steps: 1_000 }
}

/// How often each interleaving of two chains of two was seen, in 24ths of the runs, rounded.
fn shares(order: Order, objects: Objects) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for seed in 0..RUNS {
        *counts.entry(run(seed, wide(order), objects, &[2, 2]).order).or_insert(0) += 1;
    }
    let unit = RUNS / 24;
    counts.into_iter().map(|(order, count)| (order, (count + unit / 2) / unit)).collect()
}

fn expected(shares: [(&str, u64); 6]) -> BTreeMap<String, u64> {
    shares.into_iter().map(|(order, share)| (order.to_owned(), share)).collect()
}

#[test]
fn a_walk_takes_each_pending_event_with_the_same_probability() {
    // AABB needs two coin tosses, ABAB three.
    let coins = [("AABB", 6), ("BBAA", 6), ("ABAB", 3), ("ABBA", 3), ("BABA", 3), ("BAAB", 3)];
    assert_eq!(shares(Order::Walk, Objects::Shared), expected(coins));
}

#[test]
fn partial_order_sampling_is_a_walk_where_everything_races() {
    let coins = [("AABB", 6), ("BBAA", 6), ("ABAB", 3), ("ABBA", 3), ("BABA", 3), ("BAAB", 3)];
    assert_eq!(shares(Order::Pos, Objects::Shared), expected(coins));
}

#[test]
fn partial_order_sampling_spends_no_chance_on_events_that_do_not_race() {
    // All six are one behaviour here. Priorities stay: an event that lost once is a low one. AABB
    // means that B's first event is the lowest of three: 1/3. ABAB: it lies between A's (1/6), and
    // B's second is below A's second, the lowest of three: 1/4 of that.
    let kept = [("AABB", 8), ("BBAA", 8), ("ABAB", 1), ("ABBA", 3), ("BABA", 1), ("BAAB", 3)];
    assert_eq!(shares(Order::Pos, Objects::Own), expected(kept));
}

#[test]
fn a_selectively_uniform_walk_reaches_every_interleaving_equally_often() {
    let uniform = [("AABB", 4), ("BBAA", 4), ("ABAB", 4), ("ABBA", 4), ("BABA", 4), ("BAAB", 4)];
    let interest = Interest::Object(1);
    assert_eq!(shares(Order::Surw { interest }, Objects::Shared), expected(uniform));
}

#[test]
fn a_selectively_uniform_walk_weighs_long_processes_more() {
    // One event of A among seven of B: each of the eight places is equally likely.
    let mut places = [0; 8];
    let order = Order::Surw { interest: Interest::Writes };
    for seed in 0..8_000 {
        let order = run(seed, wide(order), Objects::Shared, &[1, 7]).order;
        places[order.find('A').expect("A has an event")] += 1;
    }
    assert!(places.iter().all(|count| (880..1120).contains(count)), "{places:?}");
}

#[test]
fn priorities_of_depth_one_let_one_process_run_to_its_end() {
    let order = Order::Pct { depth: 1 };
    let mut orders = BTreeMap::new();
    for seed in 0..600 {
        *orders.entry(run(seed, wide(order), Objects::Shared, &[2, 2, 2]).order).or_insert(0) += 1;
    }
    let seen: Vec<&str> = orders.keys().map(String::as_str).collect();
    assert_eq!(seen, ["AABBCC", "AACCBB", "BBAACC", "BBCCAA", "CCAABB", "CCBBAA"]);
    assert!(orders.values().all(|count| (65..135).contains(count)), "{orders:?}");
}

#[test]
fn priorities_of_depth_two_change_once() {
    let schedule = Schedule { steps: 4, ..wide(Order::Pct { depth: 2 }) };
    let mut interrupted = 0;
    for seed in 0..2_000 {
        let order = run(seed, schedule, Objects::Shared, &[2, 2]).order;
        // Once the running process falls for good: it never interrupts the other one.
        assert!(!["ABAB", "BABA"].contains(&order.as_str()), "seed {seed}: {order}");
        interrupted += u32::from(order == "ABBA" || order == "BAAB");
    }
    // Only the first of the four steps interrupts anybody.
    assert!((430..570).contains(&interrupted), "{interrupted} of 2000");
}

const ORDERS: [Order; 6] = [
    Order::Walk,
    Order::Pct { depth: 1 },
    Order::Pct { depth: 4 },
    Order::Pos,
    Order::Surw { interest: Interest::Objects },
    Order::Surw { interest: Interest::Object(9) },
];

#[test]
fn nothing_happens_before_its_time_or_later_than_one_window_after_it() {
    for order in ORDERS {
        let mut latest_ns = 0;
        for seed in 0..300 {
            let schedule = Schedule { order, window: MS * 5, tasks: Tasks::First, steps: 1_000 };
            let run = run(seed, schedule, Objects::Shared, &[10, 10, 10, 10]);
            // `lateness_ns` is a difference of unsigned numbers: an early event would panic.
            latest_ns = latest_ns.max(run.lateness_ns.into_iter().max().expect("40 events"));
        }
        assert!((1_000_000..=5_000_000).contains(&latest_ns), "{order:?}: {latest_ns} ns");
    }
}

#[test]
fn a_window_of_nothing_is_the_order_of_time() {
    let timed = run(1, Schedule::TIMED, Objects::Shared, &[5, 4, 3]);
    for order in ORDERS {
        let schedule =
            Schedule { order, window: Duration::ZERO, tasks: Tasks::First, steps: 1_000 };
        let run = run(7, schedule, Objects::Shared, &[5, 4, 3]);
        assert!(run.lateness_ns.iter().all(|&late_ns| late_ns == 0), "{order:?}");
        // Equal times may be taken in any order.
        assert_eq!(run.order.len(), timed.order.len());
    }
}

#[test]
fn the_same_seed_gives_the_same_order_and_other_seeds_give_others() {
    for order in ORDERS {
        let run = |seed| run(seed, wide(order), Objects::Shared, &[6, 6, 6]).order;
        assert_eq!(run(3), run(3));
        assert!((0..50).any(|seed| run(seed) != run(3)), "{order:?}");
    }
}

#[test]
fn one_decision_can_be_overridden_and_the_rest_drawn_afresh() {
    let draw = |word| sim::Draw::from_words([word; sim::DRAW_WORDS]);
    let key = ChoiceKey { process: ProcessId::WORLD, site: Site::SCHEDULE, count: 0 };
    for seed in 0..20 {
        for (word, first) in [(0, "A"), (u32::MAX, "B")] {
            let force = move || sim::with_source(|source| source.override_choice(key, draw(word)));
            let run = run_with(seed, wide(Order::Walk), Objects::Shared, &[9, 9], force);
            assert!(run.order.starts_with(first), "seed {seed}: {}", run.order);
        }
    }
    let afresh = |fresh_seed| {
        let seed = Seed::from(1).turned(Fresh { from_event: 0, seed: fresh_seed });
        run(seed, wide(Order::Walk), Objects::Shared, &[9, 9]).order
    };
    assert_eq!(afresh(5), afresh(5));
    assert_ne!(afresh(5), afresh(6));
}

#[test]
fn after_its_steps_a_schedule_gives_way_to_time() {
    let schedule = Schedule { steps: 3, ..wide(Order::Pct { depth: 1 }) };
    let mut orders: Vec<String> =
        (0..40).map(|seed| run(seed, schedule, Objects::Own, &[3, 3]).order).collect();
    orders.sort();
    orders.dedup();
    // One process runs alone for three events; what is left is in order of time.
    assert_eq!(orders, ["AAABBB", "BBBAAA"]);
    let schedule = Schedule { steps: 2, ..schedule };
    let order = (0..40).map(|seed| run(seed, schedule, Objects::Own, &[3, 3]).order);
    // B is due again at 6 ms; A, overdue since 1 ms, at 4, 5 and (later scheduled) 6 ms.
    assert!(order.filter(|order| order.starts_with("BB")).all(|order| order == "BBAABA"));
}

/// Processes that sleep, wake each other, stall and crash, in every order and with tasks first or
/// mixed in: everything completes, and a switch back to time in the middle loses nothing. (With a
/// wider window the fourth worker may be done before the blow that is meant for it falls.)
#[test]
fn tasks_timers_stalls_and_crashes_survive_every_order() {
    for order in ORDERS {
        for tasks in [Tasks::First, Tasks::Mixed] {
            for seed in 0..40 {
                let schedule = Schedule { order, window: MS * 20, tasks, steps: 1_000 };
                let run = || {
                    let outcome = sim::run(&Config::new(seed), move || busy(schedule));
                    (outcome, sim::fingerprint())
                };
                let (outcome, fingerprint) = run();
                assert_eq!(outcome, Outcome::Done(30), "{order:?} {tasks:?} seed {seed}");
                assert_eq!(run().1, fingerprint);
            }
        }
    }
}

async fn busy(schedule: Schedule) -> u32 {
    sim::set_schedule(schedule);
    let mut workers = Vec::new();
    for number in 1..=4 {
        let process = sim::add_process(ProcessName { role: "worker", number });
        workers.push((process, sim::spawn_on(process, work())));
    }
    sim::sleep(MS * 7).await;
    sim::stall(workers[0].0, MS * 20);
    sim::crash(workers[3].0);
    sim::sleep(MS * 5).await;
    sim::set_schedule(Schedule::TIMED);
    let mut done = 0;
    for (_, worker) in workers {
        done += worker.await.unwrap_or(0);
    }
    done
}

/// Ten steps of a task that each start another one and give up a long wait.
async fn work() -> u32 {
    let mut done = 0;
    for step in 1..=10 {
        let child = sim::spawn(async move {
            sim::sleep(MS * step).await;
            1
        });
        let given_up = sim::spawn(sim::sleep(MS));
        drop(given_up);
        done += child.await.unwrap_or(0);
    }
    done
}

#[test]
fn limits_hold_in_every_order() {
    for order in ORDERS {
        let mut config = Config::new(1);
        config.limits = Limits { virtual_time: Duration::from_secs(10), steps: 100 };
        let schedule = wide(order);
        let spinning = sim::run(&config, move || async move {
            sim::set_schedule(Schedule { tasks: Tasks::Mixed, ..schedule });
            loop {
                sim::sleep(Duration::ZERO).await;
            }
        });
        assert_eq!(spinning, Outcome::<()>::StepLimit, "{order:?}");
        let late = sim::run(&config, move || async move {
            sim::set_schedule(schedule);
            sim::sleep(Duration::from_secs(11)).await;
        });
        assert_eq!(late, Outcome::TimeLimit, "{order:?}");
        let stuck = sim::run(&config, move || async move {
            sim::set_schedule(schedule);
            std::future::pending::<()>().await;
        });
        assert_eq!(stuck, Outcome::Deadlock, "{order:?}");
    }
}
