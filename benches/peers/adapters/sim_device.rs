//! The engine with the register as a [`Device`], as a simulated store is built on it: a request
//! leaves its process, takes effect and is answered at virtual times of its own, whether or not
//! its client still waits, and each of the three is an event of the trace.

use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use sim::trace::Kind;
use sim::{Config, Device, DeviceId, Outcome, ProcessId, ProcessName, Site};

use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

/// Where a request is on its way.
enum Stage {
    /// To the register; then it takes so long back.
    There { request: Request, back_ns: u64 },
    /// Back to its client.
    Back(Reply),
    /// The reply has arrived.
    Arrived(Reply),
}

struct Flight {
    process: ProcessId,
    stage: Stage,
    waker: Waker,
}

/// The requests in flight. Slots are reused.
#[derive(Default)]
struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Register {
    flights: RefCell<Flights>,
    id: std::cell::OnceCell<DeviceId>,
}

impl Register {
    fn id(&self) -> DeviceId {
        *self
            .id
            .get()
            .expect("the device was added when its world began")
    }

    /// Sends a request and returns its token.
    fn send(&self, process: ProcessId, request: Request, waker: Waker) -> u32 {
        let draw = sim::draw(process, Site::REQUEST);
        let latency_ns = |word| u64::from(draw.between(word, 1_000, 10_000)) * 1_000;
        let flight = Flight {
            process,
            stage: Stage::There {
                request,
                back_ns: latency_ns(1),
            },
            waker,
        };
        let flights = &mut *self.flights.borrow_mut();
        let token = flights.free.pop().unwrap_or_else(|| {
            flights.slots.push(None);
            flights.slots.len() as u32 - 1
        });
        flights.slots[token as usize] = Some(flight);
        sim::emit_with(process, Kind::Request, 0, u64::from(token), 0, String::new);
        sim::schedule(sim::now_ns() + latency_ns(0), self.id(), token);
        token
    }

    /// The reply, if it has arrived.
    fn receive(&self, token: u32) -> Option<Reply> {
        let flights = &mut *self.flights.borrow_mut();
        let slot = &mut flights.slots[token as usize];
        let Some(Flight {
            stage: Stage::Arrived(reply),
            ..
        }) = *slot
        else {
            return None;
        };
        *slot = None;
        flights.free.push(token);
        Some(reply)
    }
}

impl Device for Register {
    fn on_event(&self, token: u32) {
        let flights = &mut *self.flights.borrow_mut();
        let flight = flights.slots[token as usize]
            .as_mut()
            .expect("a scheduled request is in flight");
        match flight.stage {
            Stage::There { request, back_ns } => {
                flight.stage = Stage::Back(world::apply(request));
                sim::emit_with(
                    flight.process,
                    Kind::Apply,
                    0,
                    u64::from(token),
                    0,
                    String::new,
                );
                sim::schedule(sim::now_ns() + back_ns, self.id(), token);
            }
            Stage::Back(reply) => {
                flight.stage = Stage::Arrived(reply);
                sim::emit_with(
                    flight.process,
                    Kind::Reply,
                    0,
                    u64::from(token),
                    0,
                    String::new,
                );
                flight.waker.wake_by_ref();
            }
            Stage::Arrived(_) => unreachable!("nothing is scheduled after the reply"),
        }
    }
}

struct Client {
    process: ProcessId,
    register: Rc<Register>,
}

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        sim::draw(self.process, Site::THINK).below(0, bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        sim::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        let mut token = None;
        poll_fn(|cx| match token {
            None => {
                token = Some(
                    self.register
                        .send(self.process, request, cx.waker().clone()),
                );
                Poll::Pending
            }
            Some(token) => match self.register.receive(token) {
                Some(reply) => Poll::Ready(reply),
                None => Poll::Pending,
            },
        })
        .await
    }
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let outcome = sim::run(&Config::new(seed), || async {
            let register = Rc::new(Register::default());
            let device: Rc<dyn Device> = Rc::<Register>::clone(&register);
            register
                .id
                .set(sim::add_device(device))
                .expect("the device is added once");
            let mut tasks = Vec::new();
            for number in workload::clients() {
                let process = sim::add_process(ProcessName {
                    role: "client",
                    number: number as u16,
                });
                let client = Client {
                    process,
                    register: Rc::clone(&register),
                };
                tasks.push(sim::spawn_on(process, workload::client(number, client)));
            }
            for task in tasks {
                task.await.expect("nobody crashes");
            }
        });
        assert_eq!(outcome, Outcome::Done(()));
        world::end().witness(sim::fingerprint())
    })
}
