//! The interface for systems under test, proven by a second system and by two bad ones.

use std::rc::Rc;
use std::sync::Arc;

use vopr::campaign::{self, Campaign, Determinism, Group, GroupKey, Seeding, Summary, Unwatched};
use vopr::checkers::{Class, Rule};
use vopr::cli::Exit;
use vopr::system::{
    Auditor, Executing, Guarantees, OpenContext, Opening, Recorder, Session, SystemUnderTest,
};
use vopr::systems::ManifestSystem;
use vopr::workload::{OpKind, Operation};

#[allow(dead_code, reason = "the example's own main is not called here")]
#[path = "../../examples/numbered_log.rs"]
mod numbered_log;

fn run(system: Arc<dyn SystemUnderTest>, iterations: u64) -> Summary {
    vopr::cli::listen_to_steps();
    let swarm = Default::default();
    let determinism = Determinism::Assumed;
    campaign::run(
        &Campaign {
            first_seed: 1,
            iterations,
            system,
            swarm,
            determinism,
            seeding: Seeding::InTurn,
        },
        2,
        &Unwatched,
    )
}

#[test]
fn the_numbered_log_is_sound_as_written() {
    let summary = run(numbered_log::sound(), 300);
    assert!(summary.passed(), "{:?}", summary.failures);
    assert!(summary.commits > 3000);
}

#[test]
fn the_numbered_log_is_found_guilty_of_its_flaw() {
    let flawed = numbered_log::sound().with_bug("own-put-taken-for-rival").expect("its one bug");
    let summary = run(flawed, 100);
    // Its own landed PUT taken for a rival's commits twice; a 409 that landed nothing, taken for
    // the same, leaves a gap.
    let count =
        |rule| summary.failures.get(&GroupKey::Rule(rule)).map_or(0, |group: &Group| group.count);
    let (twice, gaps) = (count(Rule::CommittedOnce), count(Rule::HistoryWhole));
    assert!(twice >= 3 && twice + gaps >= 10, "{:?}", summary.failures);
    assert_eq!(Rule::CommittedOnce.class(), Class::PhantomCommit);
}

/// What a broken system does with its tenth operation.
#[derive(Clone, Copy, Debug)]
enum Vice {
    Panics,
    NeverReturns,
}

/// The manifest, except for one operation.
#[derive(Debug)]
struct Bad(Vice);

struct BadSession(Rc<dyn Session>, Vice);

impl Session for BadSession {
    fn execute<'a>(&'a self, operation: &'a Operation, seen: &'a Recorder) -> Executing<'a> {
        match self.1 {
            _ if operation.id.0 != 10 => self.0.execute(operation, seen),
            Vice::Panics => panic!("operation 10 is one too many"),
            Vice::NeverReturns => Box::pin(std::future::pending()),
        }
    }
}

impl SystemUnderTest for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }
    fn guarantees(&self) -> Guarantees {
        ManifestSystem::sound().guarantees()
    }
    fn operations(&self) -> &'static [OpKind] {
        &OpKind::ALL
    }
    fn open(&self, context: OpenContext) -> Opening {
        let (opening, vice) = (ManifestSystem::sound().open(context), self.0);
        Box::pin(async move { Ok(Rc::new(BadSession(opening.await?, vice)) as Rc<dyn Session>) })
    }
    fn auditor(&self) -> Box<dyn Auditor> {
        ManifestSystem::sound().auditor()
    }
}

#[test]
fn a_panic_is_a_finding_with_its_place_and_the_campaign_goes_on() {
    let summary = run(Arc::new(Bad(Vice::Panics)), 20);
    assert_eq!(summary.seeds, 20);
    let (key, group) = summary.failures.first_key_value().expect("it panics");
    let GroupKey::Panic(message) = key else { panic!("{key:?}") };
    assert!(message.contains("one too many") && message.contains("systems.rs:"), "{message}");
    assert!(group.count >= 15, "{group:?}");
    assert_eq!(Exit::of_all(summary.failures.keys()) as u8, 12);
}

#[test]
fn an_operation_that_never_returns_is_no_progress() {
    let summary = run(Arc::new(Bad(Vice::NeverReturns)), 20);
    assert_eq!(Exit::of_all(summary.failures.keys()) as u8, 11, "{:?}", summary.failures);
    assert!(summary.failures[&GroupKey::Rule(Rule::Progress)].count >= 10);
}
