//! Kept plans outlive the code that they were made with. After a change that moves what they aim at
//! a plan fails still, or it says that it no longer fits; it never passes in silence.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use object_store::ObjectStoreExt as _;
use vopr::plan::{BlowEntry, BlowKind, Misfit, Place, Plan, Span, Whom};
use vopr::reduce::Suspect;
use vopr::regress::{Outcome, check};
use vopr::system::{
    Auditor, Guarantees, MarkInfo, OpenContext, Opening, RequestBudget, SystemUnderTest, Tuning,
};
use vopr::systems::ManifestSystem;
use vopr::workload::OpKind;
use vopr::world::Arena;

/// What was changed in the code since the plans were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Every process looks at one more object when it opens the manifest.
    MoreRequests,
    /// No step has the name that it had.
    OtherNames,
}

/// The manifest after a change.
#[derive(Debug)]
struct Changed {
    system: Arc<dyn SystemUnderTest>,
    change: Change,
}

impl SystemUnderTest for Changed {
    fn name(&self) -> &'static str {
        self.system.name()
    }

    fn guarantees(&self) -> Guarantees {
        self.system.guarantees()
    }

    fn operations(&self) -> &'static [OpKind] {
        self.system.operations()
    }

    fn marks(&self) -> Vec<MarkInfo> {
        match self.change {
            Change::MoreRequests => self.system.marks(),
            Change::OtherNames => Vec::new(),
        }
    }

    fn with_bug(&self, name: &str) -> Option<Arc<dyn SystemUnderTest>> {
        let system = self.system.with_bug(name)?;
        Some(Arc::new(Changed { system, change: self.change }))
    }

    fn timers(&self, tuning: &Tuning) -> Vec<(&'static str, Duration)> {
        self.system.timers(tuning)
    }

    fn budget(&self, tuning: &Tuning) -> Option<RequestBudget> {
        // It was raised with the change.
        self.system.budget(tuning).filter(|_| self.change != Change::MoreRequests)
    }

    fn duties(&self) -> &'static [&'static str] {
        self.system.duties()
    }

    fn open(&self, context: OpenContext) -> Opening {
        if self.change != Change::MoreRequests {
            return self.system.open(context);
        }
        let (system, store) = (Arc::clone(&self.system), Arc::clone(&context.store));
        async move {
            // Whatever it says.
            let _ = store.head(&"m/motd".into()).await;
            system.open(context).await
        }
        .boxed_local()
    }

    fn auditor(&self) -> Box<dyn Auditor> {
        self.system.auditor()
    }
}

fn changed(plan: &Plan, change: Change) -> Suspect {
    vopr::cli::listen_to_steps();
    vopr::panics::install();
    let sound: Arc<dyn SystemUnderTest> =
        Arc::new(Changed { system: Arc::new(ManifestSystem::sound()), change });
    let bug = plan.bug.as_deref().expect("kept plans are about a bug");
    Suspect { system: sound.with_bug(bug).expect("the bug exists"), sound: Some(sound) }
}

fn kept() -> Vec<(PathBuf, Plan)> {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let files = std::fs::read_dir(regressions).expect("there are kept plans");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), Plan::read(&path).expect("a plan"))).collect()
}

/// Whether a plan for a bug fails still, or says that it does not fit.
fn is_honest(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Holds { failure, .. } => failure.is_some(),
        Outcome::NoLongerFails { expected, found } => expected != found,
        Outcome::Misfit(_) => true,
        Outcome::Fails(_) => false,
    }
}

/// A plan whose only blow is aimed at a step.
fn aimed(plan: &Plan, at: Place, after: u32) -> Plan {
    let slot = plan.slots.iter().find(|slot| !slot.operations.is_empty()).expect("a client");
    let (name, operation) = (slot.name.clone(), slot.operations[0].number);
    let blow = BlowKind::StallAtStep { at, whom: Whom::Whoever, after, lasts: Span(1) };
    let blows = vec![BlowEntry { slot: name, operation, delay: Span(0), blow }];
    Plan { blows, requests: Vec::new(), ..plan.clone() }
}

#[test]
fn a_request_more_leaves_plans_failing_or_says_that_they_do_not_fit() {
    let mut hold = 0;
    for (path, plan) in kept() {
        let suspect = changed(&plan, Change::MoreRequests);
        let outcome = check(&Arena::new(), &plan, &suspect);
        assert!(is_honest(&outcome), "{}: {outcome:?}", path.display());
        hold += usize::from(matches!(outcome, Outcome::Holds { .. }));
    }
    // Requests are addressed from the operation that makes them, so most plans do not notice.
    assert!(hold * 3 >= kept().len() * 2, "{hold} of {} hold", kept().len());
}

#[test]
fn addresses_that_have_shifted_are_never_passed_over() {
    for (path, mut plan) in kept() {
        let suspect = changed(&plan, Change::OtherNames);
        plan.blows.retain(|blow| {
            !matches!(blow.blow, BlowKind::StallAtStep { .. } | BlowKind::CrashAtStep { .. })
        });
        plan.requests.iter_mut().for_each(|request| request.nth += 1);
        let outcome = check(&Arena::new(), &plan, &suspect);
        assert!(is_honest(&outcome), "{}: {outcome:?}", path.display());
    }
}

#[test]
fn steps_that_are_called_otherwise_are_named() {
    let (_, plan) = kept().remove(0);
    let step = String::from("commit.put_head");
    let aimed = aimed(&plan, Place::Step(step.clone()), 0);
    let suspect = changed(&plan, Change::OtherNames);
    let outcome = check(&Arena::new(), &aimed, &suspect);
    assert_eq!(outcome, Outcome::Misfit(Misfit::Step { index: 0, step }));
}

#[test]
fn an_aim_that_nobody_comes_to_is_no_strike() {
    let (_, plan) = kept().remove(0);
    let mended = Plan { bug: None, ..aimed(&plan, Place::AnyStep, 1_000_000) };
    let suspect = Suspect { system: Arc::new(ManifestSystem::sound()), sound: None };
    let outcome = check(&Arena::new(), &mended, &suspect);
    assert_eq!(outcome, Outcome::Misfit(Misfit::NothingStruck { planned: 1 }));
    let near = Plan { bug: None, ..self::aimed(&plan, Place::AnyStep, 0) };
    let outcome = check(&Arena::new(), &near, &suspect);
    assert!(matches!(outcome, Outcome::Holds { failure: None, .. }), "{outcome:?}");
}
