//! Worlds that hang and worlds that take their process with them: findings with a seed, and the run
//! goes on. The program of this test is a tester of its own: called with a verb it is `vopr` with a
//! system that does both.

use std::process::{Command, ExitCode, Output};
use std::sync::Arc;

use serde_json::Value;
use vopr::system::{
    Auditor, Guarantees, OpenContext, Opening, RequestBudget, SystemUnderTest, Tuning,
};
use vopr::systems::ManifestSystem;
use vopr::workload::OpKind;

/// The manifest, but in some worlds it hangs where it is opened, and in some it ends its process.
#[derive(Debug)]
struct Hostile(ManifestSystem);

impl SystemUnderTest for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn guarantees(&self) -> Guarantees {
        self.0.guarantees()
    }

    fn operations(&self) -> &'static [OpKind] {
        self.0.operations()
    }

    fn budget(&self, tuning: &Tuning) -> Option<RequestBudget> {
        self.0.budget(tuning)
    }

    fn duties(&self) -> &'static [&'static str] {
        self.0.duties()
    }

    fn open(&self, context: OpenContext) -> Opening {
        match context.tuning.draw.word_u64(0) % 24 {
            0 => loop {
                std::hint::spin_loop();
            },
            1 | 2 => std::process::abort(),
            _ => self.0.open(context),
        }
    }

    fn auditor(&self) -> Box<dyn Auditor> {
        self.0.auditor()
    }
}

fn main() -> ExitCode {
    let verb = std::env::args().nth(1).unwrap_or_default();
    if ["run", "worker"].contains(&verb.as_str()) {
        return vopr::cli::main(&[Arc::new(Hostile(ManifestSystem::sound()))]);
    }
    the_run_goes_on_and_every_seed_is_accounted_for(40, &["-n", "40"]);
    // So does a search, whose second generation is chosen although some of the first came to nothing.
    the_run_goes_on_and_every_seed_is_accounted_for(70, &["-n", "70", "--strategy", "guided"]);
    ExitCode::SUCCESS
}

fn run(more: &[&str]) -> Output {
    let flags = ["run", "--operations", "4", "--isolate", "--world-limit", "2s"];
    let this = std::env::current_exe().expect("a program has a file");
    Command::new(this).args(flags).args(more).output().expect("it starts")
}

fn the_run_goes_on_and_every_seed_is_accounted_for(seeds: u64, flags: &[&str]) {
    let run = |more: &[&str]| run(&[flags, more].concat());
    let output = run(&["--workers", "2", "--json"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(12), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report is JSON");
    assert_eq!(report["work"]["seeds"], seeds);
    let groups = report["failures"].as_array().expect("a list");
    let of = |class: &str| {
        let found = groups.iter().find(|group| group["story"]["class"] == class);
        found.unwrap_or_else(|| panic!("no {class} in {report:#}"))
    };
    let (hangs, crashes) = (of("Hang"), of("Crash"));
    assert!(crashes["story"]["what"].as_str().is_some_and(|what| what.contains("SIGABRT")));
    let count = |group: &Value| group["count"].as_u64().expect("a number");
    assert_eq!(groups.len(), 2, "the other worlds pass");
    assert_eq!(report["checks"]["progress"], seeds - count(hangs) - count(crashes));
    let alone = run(&["--workers", "1", "--json"]);
    assert_eq!(alone.stdout, output.stdout, "the same for any number of workers");
}
