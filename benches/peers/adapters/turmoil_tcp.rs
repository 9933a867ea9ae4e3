//! turmoil as its users write it: a store host, client hosts, one TCP connection for each client.
//!
//! turmoil draws latencies itself, from an exponential distribution cut off at the maximum. Its
//! parameter is set so that the mean is that of the uniform distribution of the others.

use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use super::ClientRng;
use crate::workload::{self, Env};
use crate::world::{self, Reply, Request, Tally};

const PORT: u16 = 1000;
/// A tag and two numbers.
const MESSAGE_LEN: usize = 17;
/// Solves `(1 - exp(-x)) / x = 1/2`.
const MEAN_IN_THE_MIDDLE: f64 = 1.593_624;

type Message = [u8; MESSAGE_LEN];

fn message(tag: u8, first: u64, second: u64) -> Message {
    let mut message = [0; MESSAGE_LEN];
    message[0] = tag;
    message[1..9].copy_from_slice(&first.to_le_bytes());
    message[9..].copy_from_slice(&second.to_le_bytes());
    message
}

fn numbers(message: &Message) -> (u64, u64) {
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&message[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    (number(1), number(9))
}

fn encode_request(request: Request) -> Message {
    match request {
        Request::Read => message(0, 0, 0),
        Request::CompareAndSet { expected, value } => message(1, expected, value),
    }
}

fn decode_request(message: &Message) -> Request {
    let (expected, value) = numbers(message);
    match message[0] {
        0 => Request::Read,
        _ => Request::CompareAndSet { expected, value },
    }
}

fn encode_reply(reply: Reply) -> Message {
    match reply {
        Reply::Value { version, value } => message(0, version, value),
        Reply::Stored { version } => message(1, version, 0),
        Reply::Conflict => message(2, 0, 0),
    }
}

fn decode_reply(message: &Message) -> Reply {
    let (version, value) = numbers(message);
    match message[0] {
        0 => Reply::Value { version, value },
        1 => Reply::Stored { version },
        _ => Reply::Conflict,
    }
}

struct Client {
    rng: ClientRng,
    stream: TcpStream,
}

impl Env for Client {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.below(bound)
    }

    async fn sleep(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn call(&mut self, request: Request) -> Reply {
        let mut message = encode_request(request);
        self.stream
            .write_all(&message)
            .await
            .expect("no fault is simulated");
        self.stream
            .read_exact(&mut message)
            .await
            .expect("no fault is simulated");
        decode_reply(&message)
    }
}

async fn serve() -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut message = [0; MESSAGE_LEN];
            // An error is the end of the connection: its client has finished.
            while stream.read_exact(&mut message).await.is_ok() {
                let reply = world::apply(decode_request(&message));
                if stream.write_all(&encode_reply(reply)).await.is_err() {
                    return;
                }
            }
        });
    }
}

pub(crate) fn run(seeds: Range<u64>) -> Tally {
    super::each(seeds, |seed| {
        world::begin();
        let mut simulation = turmoil::Builder::new()
            .rng_seed(seed)
            .simulation_duration(Duration::from_secs(3600))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(10))
            .build();
        simulation.set_message_latency_curve(MEAN_IN_THE_MIDDLE);
        simulation.host("store", serve);
        for number in workload::clients() {
            simulation.client(format!("client-{number}"), async move {
                let stream = TcpStream::connect(("store", PORT)).await?;
                let rng = ClientRng::new(seed, number);
                workload::client(number, Client { rng, stream }).await;
                Ok(())
            });
        }
        simulation.run().expect("every client finishes");
        world::end().witness(simulation.elapsed().as_nanos() as u64)
    })
}
