//! scratch
use std::sync::Arc;
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let start: u64 = args[1].parse().unwrap();
    let n: u64 = args[2].parse().unwrap();
    tracing::subscriber::set_global_default(sim::StepSubscriber::new(&["manifest_core"])).unwrap();
    let arena = vopr::world::Arena::new();
    let mut system: Arc<dyn vopr::system::SystemUnderTest> =
        Arc::new(vopr::systems::ManifestSystem::sound());
    if let Some(bug) = args.get(3).filter(|x| *x != "trace") {
        system = system.with_bug(bug).unwrap();
    }
    if let Some(x) = args.get(3).filter(|x| *x == "trace") {
        let _ = x;
        let r = vopr::world::run_seed(
            &arena,
            start,
            &system,
            &Default::default(),
            sim::trace::Keep::Ring { capacity: 100_000 },
        );
        println!("{}\n{:?}", r.description, r.verdict);
        for row in r.trace {
            println!(
                "{:6} {:10.3} {:10} {:12} {:3} {:6} {:20} {}",
                row.event,
                row.at_ns as f64 / 1e6,
                row.process,
                row.kind.name(),
                row.object,
                row.a,
                row.b,
                row.detail
            );
        }
        return;
    }
    let mut totals: std::collections::BTreeMap<&str, (u64, u64)> = Default::default();
    let t = std::time::Instant::now();
    let (mut req, mut com, mut ev, mut bad, mut hash) = (0, 0, 0, 0, 0u64);
    for seed in start..start + n {
        let r = vopr::world::run_seed(
            &arena,
            seed,
            &system,
            &Default::default(),
            Default::default(),
        );
        req += r.requests;
        com += r.commits;
        ev += r.events;
        hash = hash.rotate_left(7) ^ r.fingerprint;
        for (name, c) in &r.counts {
            let e = totals.entry(name).or_default();
            e.0 += 1;
            e.1 += u64::from(*c);
        }
        if r.verdict != vopr::world::Verdict::Pass {
            bad += 1;
            if bad < 12 {
                println!("{seed}: {:?}", r.verdict);
            }
        }
    }
    let el = t.elapsed();
    println!(
        "{n} seeds {:?} {:.0}/s req {} com {} ev {} bad {bad} hash {hash:x}",
        el,
        n as f64 / el.as_secs_f64(),
        req / n,
        com / n,
        ev / n
    );
    for (name, (s, c)) in totals {
        println!("{name:40} {:5.1}% {c}", 100.0 * s as f64 / n as f64);
    }
}
