//! Differential runs: the same random operations on the simulated store and on a real server.
//!
//! A sequence plays in a directory of its own: some operations one after another, then a few at once,
//! then a look at everything. What happened one after another must be the same on both sides. What
//! happened at once must be what the simulated store answers in one of the orders: then the real
//! server is linearizable there, and the simulated store can do whatever the real one did. A
//! difference is reduced by leaving operations out for as long as the two still differ.

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use object_store::ObjectStore;
use sim::{Config, Outcome, ProcessName};
use sim_storage::profile::Profile;
use sim_storage::{Setup, SimStore};

use crate::Server;
use crate::play::{Operation, Player};

/// Who does the operations of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// One client, one operation after another.
    One,
    /// One client, and then several at once.
    Several,
}

/// Sequences that are under way at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    before: Vec<Operation>,
    /// Atomic requests on one name each, all sent at once.
    together: Vec<Operation>,
}

const AFTER: [Operation; 5] =
    [Operation::List, Operation::Get(0), Operation::Get(1), Operation::Get(2), Operation::Get(3)];

impl Sequence {
    fn len(&self) -> u64 {
        (self.before.len() + self.together.len() + AFTER.len()) as u64
    }
}

/// What a client saw, in the order of the operations.
type Seen = Vec<String>;

/// Plays sequences until there were `operations`, and demands that both sides agree.
pub async fn run(
    server: &Server,
    clients: Clients,
    operations: u64,
    seed: u64,
) -> Result<(), String> {
    let mut random = Random(seed);
    // A server may still hold what an earlier run left.
    let root = &format!("differ/{}", std::process::id());
    let (mut played, mut concurrent, mut batch) = (0, 0, 0_u64);
    while played < operations {
        let sequences: Vec<_> = (0..AT_ONCE * 8).map(|_| draw(&mut random, clients)).collect();
        let runs = sequences.iter().enumerate().map(|(n, sequence)| async move {
            let directory = format!("{root}/{batch}/{n}");
            (sequence, difference(server, sequence, &directory).await)
        });
        let results: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
        for (sequence, differs) in results {
            played += sequence.len();
            concurrent += sequence.together.len() as u64;
            if let Some(why) = differs {
                let (least, why) = reduce(server, sequence.clone(), why, root).await;
                return Err(format!("after {played} operations: {least:#?}\n{why}"));
            }
        }
        batch += 1;
    }
    println!("{played} operations, {concurrent} of them beside others: no difference");
    Ok(())
}

/// How the two sides differ on a sequence, if they do.
async fn difference(server: &Server, sequence: &Sequence, directory: &str) -> Option<String> {
    let real = real(Arc::clone(&server.store), sequence, directory).await;
    let mut nearest = Seen::new();
    for order in orders(sequence.together.len()) {
        let simulated = simulated(&server.profile, sequence, &order, directory);
        if real == simulated {
            return None;
        }
        if nearest.is_empty() {
            nearest = simulated;
        }
    }
    let all = sequence.before.iter().chain(&sequence.together).chain(&AFTER);
    let lines = all.zip(real.iter().zip(&nearest)).map(|(operation, (real, simulated))| {
        let mark = if real == simulated { " " } else { "*" };
        format!("{mark} {operation:?}: real {real:?}, simulated {simulated:?}")
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

async fn real(store: Arc<dyn ObjectStore>, sequence: &Sequence, directory: &str) -> Seen {
    let mut player = Player::new(store, directory);
    let mut seen = Seen::new();
    for operation in &sequence.before {
        seen.push(player.play(*operation).await);
    }
    let together = sequence.together.iter().map(|operation| {
        let mut player = player.clone();
        async move { player.play(*operation).await }
    });
    seen.extend(join_all(together).await);
    for operation in AFTER {
        seen.push(player.play(operation).await);
    }
    seen
}

fn simulated(profile: &Profile, sequence: &Sequence, order: &[usize], directory: &str) -> Seen {
    let profile = Arc::new(profile.clone());
    let (sequence, order, directory) = (sequence.clone(), order.to_vec(), directory.to_owned());
    let outcome = sim::run(&Config::new(1), || async move {
        let store = SimStore::new(Arc::clone(&profile));
        store.begin(Setup::calm(profile));
        let process = sim::add_process(ProcessName { role: "client", number: 1 });
        let mut player = Player::new(Arc::new(store.client(process)), &directory);
        let play = async move {
            let mut seen = Seen::new();
            for operation in &sequence.before {
                seen.push(player.play(*operation).await);
            }
            let mut together = vec![String::new(); sequence.together.len()];
            for place in order {
                together[place] = player.clone().play(sequence.together[place]).await;
            }
            seen.extend(together);
            for operation in AFTER {
                seen.push(player.play(operation).await);
            }
            seen
        };
        sim::spawn_on(process, play).await.unwrap_or_default()
    });
    match outcome {
        Outcome::Done(seen) => seen,
        other => vec![format!("{other:?}")],
    }
}

/// Leaves operations out while the two sides still differ. Races need luck: each try plays thrice.
async fn reduce(
    server: &Server,
    mut least: Sequence,
    mut why: String,
    root: &str,
) -> (Sequence, String) {
    let (mut place, mut tries) = (0, 0);
    while place < least.before.len() + least.together.len() {
        let mut fewer = least.clone();
        match place.checked_sub(fewer.before.len()) {
            None => drop(fewer.before.remove(place)),
            Some(place) => drop(fewer.together.remove(place)),
        }
        let mut differs = None;
        for _ in 0..3 {
            tries += 1;
            let directory = format!("{root}/reduce/{tries}");
            differs = differs.or(difference(server, &fewer, &directory).await);
        }
        match differs {
            Some(reason) => (least, why) = (fewer, reason),
            None => place += 1,
        }
    }
    (least, why)
}

/// All orders of the first `count` numbers.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for number in 0..count {
        let longer = orders.iter().flat_map(|order| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, number);
                order
            })
        });
        orders = longer.collect();
    }
    orders
}

fn draw(random: &mut Random, clients: Clients) -> Sequence {
    let before = (0..2 + random.below(14)).map(|_| operation(random)).collect();
    let name = random.below(4) as usize;
    let atomic = |random: &mut Random| {
        let content = random.below(8) as u8;
        match random.below(6) {
            0 => Operation::Put(name, content),
            1 | 2 => Operation::Create(name, content),
            3 => Operation::Update(name, content),
            4 => Operation::Get(name),
            _ => Operation::Delete(name),
        }
    };
    let count = match clients {
        Clients::One => 0,
        Clients::Several => 2 + random.below(4),
    };
    let together = (0..count).map(|_| atomic(random)).collect();
    Sequence { before, together }
}

fn operation(random: &mut Random) -> Operation {
    let (name, other) = (random.below(4) as usize, random.below(4) as usize);
    let content = random.below(8) as u8;
    match random.below(20) {
        0..=2 => Operation::Put(name, content),
        3 | 4 => Operation::Create(name, content),
        5..=7 => Operation::Update(name, content),
        8 | 9 => Operation::Get(name),
        10 => Operation::Head(name),
        11 => {
            let start = random.below(12);
            Operation::Range(name, start, start + 1 + random.below(8))
        }
        12 => Operation::IfMatch(name),
        13 => Operation::IfNoneMatch(name),
        14 => Operation::Delete(name),
        15 => Operation::List,
        16 => Operation::Level,
        17 => Operation::ListAfter(name),
        18 if name != other => match random.below(3) {
            0 => Operation::Copy(name, other),
            1 => Operation::CopyIfAbsent(name, other),
            _ => Operation::Rename(name, other),
        },
        _ => Operation::Multipart(name, content),
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
