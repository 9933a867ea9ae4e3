//! The least that can run this world: boxed futures, one heap of timers, no waker, no processes,
//! no trace, no drawn order. Not a simulator; a floor to see what the others add.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::ClientRng;
use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

/// When, in which order of asking, and whom to poll.
type Timer = Reverse<(u64, u32, u32)>;

#[derive(Default)]
struct Clock {
    now_ns: u64,
    asked: u32,
    timers: BinaryHeap<Timer>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut Clock) -> R) -> R {
    CLOCK.with(|clock| f(&mut clock.borrow_mut()))
}

struct Client {
    number: u32,
    rng: ClientRng,
}

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        let mut asleep = false;
        poll_fn(|_| {
            // Nobody but the timer polls a client, so the second poll is the end of the sleep.
            if std::mem::replace(&mut asleep, true) {
                return Poll::Ready(());
            }
            with(|clock| {
                let at_ns = clock.now_ns + duration.as_nanos() as u64;
                clock.asked += 1;
                let timer = Reverse((at_ns, clock.asked, self.number));
                clock.timers.push(timer);
            });
            Poll::Pending
        })
        .await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        workload::call_asleep(self, request).await
    }
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        with(|clock| {
            clock.now_ns = 0;
            clock.asked = 0;
        });
        let mut cx = Context::from_waker(Waker::noop());
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for number in workload::clients() {
            let rng = ClientRng::new(seed, number);
            let mut task = Box::pin(workload::client(number, Client { number, rng }));
            assert!(task.as_mut().poll(&mut cx).is_pending());
            tasks.push(task);
        }
        while let Some(Reverse((at_ns, _, task))) = with(|clock| clock.timers.pop()) {
            with(|clock| clock.now_ns = at_ns);
            // A finished client has set no timer and is not polled again.
            let _ = tasks[task as usize].as_mut().poll(&mut cx);
        }
        world::end().witness(with(|clock| clock.now_ns))
    })
}
