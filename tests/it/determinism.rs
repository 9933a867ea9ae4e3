//! Same seed, same bytes; and whoever breaks that is found out.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vopr::campaign::{self, Campaign, Determinism, GroupKey, Seeding, Unwatched};
use vopr::cli::Exit;
use vopr::system::{
    Auditor, Executing, Guarantees, OpenContext, Opening, Recorder, Session, SystemUnderTest,
};
use vopr::systems::ManifestSystem;
use vopr::workload::{OpKind, Operation};

use crate::{stderr, stdout, vopr};

#[test]
fn one_and_two_workers_and_two_processes_print_the_same_bytes() {
    let arguments = ["--bug", "ambiguous-retry-recommit", "--seed", "7", "-n", "120"];
    let one = stdout(&vopr(&[&arguments[..], &["--workers", "1"]].concat()));
    let two = stdout(&vopr(&[&arguments[..], &["--workers", "2"]].concat()));
    let again = stdout(&vopr(&[&arguments[..], &["--workers", "2"]].concat()));
    assert!(one.contains("FAIL"), "{one}");
    assert_eq!(one, two);
    assert_eq!(two, again);
}

#[test]
fn a_seed_that_is_continued_afresh_is_the_same_world_up_to_that_event() {
    let replay = |seed: &str| stdout(&vopr(&["replay", seed, "--format", "ndjson"]));
    let (plain, turned) = (replay("43"), replay("43@300:7"));
    assert_eq!(turned, replay("43@300:7"));
    let same = plain.lines().zip(turned.lines()).take_while(|(a, b)| a == b).count();
    assert!((300..400).contains(&same), "the first {same} events are the same");
    assert_ne!(turned, replay("43@300:8"));
}

#[test]
fn what_is_nearly_a_seed_is_no_file() {
    let output = vopr(&["replay", "42@300"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("@EVENT:SEED"), "{}", stderr(&output));
}

#[test]
fn each_seed_twice_makes_no_difference() {
    let output = vopr(&["--seed", "42", "-n", "100", "--check-determinism"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

/// A number that survives worlds: what a system must never look at.
static SMUGGLED: AtomicU64 = AtomicU64::new(0);

/// The manifest, with every operation delayed by a number that differs from run to run.
#[derive(Debug)]
struct Smuggler(ManifestSystem);

struct SmugglingSession(Rc<dyn Session>);

impl Session for SmugglingSession {
    fn execute<'a>(&'a self, operation: &'a Operation, seen: &'a Recorder) -> Executing<'a> {
        Box::pin(async move {
            let delay = SMUGGLED.fetch_add(1, Ordering::Relaxed);
            sim::sleep(std::time::Duration::from_micros(delay % 7)).await;
            self.0.execute(operation, seen).await
        })
    }
}

impl SystemUnderTest for Smuggler {
    fn name(&self) -> &'static str {
        "smuggler"
    }
    fn guarantees(&self) -> Guarantees {
        self.0.guarantees()
    }
    fn operations(&self) -> &'static [OpKind] {
        self.0.operations()
    }
    fn open(&self, context: OpenContext) -> Opening {
        let opening = self.0.open(context);
        Box::pin(async move {
            let session = opening.await?;
            Ok(Rc::new(SmugglingSession(session)) as Rc<dyn Session>)
        })
    }
    fn auditor(&self) -> Box<dyn Auditor> {
        self.0.auditor()
    }
}

#[test]
fn a_system_that_looks_outside_the_world_is_found_out() {
    let campaign = Campaign {
        first_seed: 1,
        iterations: 20,
        system: Arc::new(Smuggler(ManifestSystem::sound())),
        swarm: Default::default(),
        determinism: Determinism::Checked,
        seeding: Seeding::InTurn,
    };
    let summary = campaign::run(&campaign, 1, &Unwatched);
    let differing = &summary.failures[&GroupKey::NotDeterministic];
    assert!(differing.count >= 15, "{differing:?}");
    assert_eq!(Exit::of_all(summary.failures.keys()) as u8, 13);
}
