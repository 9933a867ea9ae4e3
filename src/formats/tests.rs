//! Every format in a few lines, every error with its line, and the recorded histories of real
//! systems if they are there.

use std::fs;
use std::io::BufReader;
use std::path::PathBuf;

use expect_test::{Expect, expect};
use sim::check::Budget;

use super::judge::{Decision, judge};
use super::{Model, read};
use crate::cli::check::to_text;

fn check(text: &str, expected: Expect) {
    let told = match read(text.as_bytes(), None) {
        Ok(recorded) => to_text("FILE", &recorded, &judge(&recorded, Budget::default())),
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&told);
}

#[test]
fn etcd_log() {
    check(
        "INFO  jepsen.util - 0\t:invoke\t:write\t1\n\
         INFO  jepsen.util - 0\t:ok\t:write\t1\n\
         INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]\n\
         INFO  jepsen.util - 1\t:fail\t:cas\t[1 2]\n",
        expect![[""]],
    );
}

#[test]
fn jepsen_edn() {
    check(
        "; a comment\n\
         [{:process 0, :type :invoke, :f :write, :value 1}\n\
          {:process :nemesis, :type :info, :f :kill, :value nil}\n\
          {:process 0, :type :info, :f :write, :value 1}\n\
          {:process 1, :type :invoke, :f :read, :value nil}\n\
          {:process 1, :type :ok, :f :read, :value 1}\n\
          {:process 1, :type :invoke, :f :read, :value nil}\n\
          {:process 1, :type :ok, :f :read, :value 0}]\n",
        expect![[""]],
    );
}

#[test]
fn jepsen_json() {
    check(
        r#"[{"type":"invoke","process":0,"value":[["append",1,10]]},
            {"type":"ok","process":0,"value":[["append",1,10]]},
            {"type":"invoke","process":0,"value":[["r",1,null]]},
            {"type":"ok","process":0,"value":[["r",1,[]]]}]"#,
        expect![[""]],
    );
}

#[test]
fn own_ndjson_with_versions() {
    check(
        r#"{"type":"invoke","process":0,"f":"txn","value":[["w","x",1]]}
{"type":"ok","process":0,"f":"txn","value":[["w","x",1]],"commit":1}
{"type":"invoke","process":1,"f":"txn","value":[["r","x"]]}
{"type":"ok","process":1,"f":"txn","value":[["r","x",1,1]]}
{"type":"invoke","process":1,"f":"txn","value":[["r","x"]]}
{"type":"ok","process":1,"f":"txn","value":[["r","x",null,0]]}
"#,
        expect![[""]],
    );
}

#[test]
fn porcupine_text() {
    check(
        "{:process 0, :type :invoke, :f :put, :key \"k\", :value \"ab\"}\n\
         {:process 0, :type :ok, :f :put, :key \"k\", :value \"ab\"}\n\
         {:process 0, :type :invoke, :f :append, :key \"k\", :value \"c\"}\n\
         {:process 0, :type :ok, :f :append, :key \"k\", :value \"c\"}\n\
         {:process 1, :type :invoke, :f :get, :key \"k\", :value nil}\n\
         {:process 1, :type :ok, :f :get, :key \"k\", :value \"abc\"}\n",
        expect![[""]],
    );
}

#[test]
fn a_lock_held_twice() {
    check(
        "{:process 0, :type :invoke, :f :acquire}\n{:process 0, :type :ok, :f :acquire}\n\
         {:process 1, :type :invoke, :f :acquire}\n{:process 1, :type :ok, :f :acquire}\n",
        expect![[""]],
    );
}

#[test]
fn errors_name_the_line() {
    check("", expect![[""]]);
    check("hello\n", expect![[""]]);
    check("{:type :invoke, :f :read}\n{:type :ok, :f :read, :value", expect![[""]]);
    check("{:type :begin, :f :read}\n", expect![[""]]);
    check("\n\n{:process 3, :type :ok, :f :read, :value 1}\n", expect![[""]]);
    check("{:type :invoke, :f :sing}\n", expect![[""]]);
    check(
        "{:type :invoke, :f :cas, :value 3}\n{:type :ok, :f :cas, :value 3}\n",
        expect![[""]],
    );
    check(&"[".repeat(100_000), expect![[""]]);
}

#[test]
fn models_have_names() {
    for text in [
        "cas-register (initial nil)",
        "cas-register (initial 0, nil reads free)",
        "KV get/put/append, per key",
        "list-append / serializable",
        "rw-register",
        "bank",
        "counter",
        "set-full",
        "long-fork",
        "mutex",
    ] {
        let model: Model = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let again: Model = model.name().parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(model.name(), again.name());
    }
    assert!("linked-list".parse::<Model>().is_err());
    assert!("list-append / chaos".parse::<Model>().is_err());
}

/// The folder of recorded histories: `VOPR_HISTORIES`, or `../shared/histories` beside the
/// workspace.
fn histories() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/histories");
    let folder = std::env::var_os("VOPR_HISTORIES").map_or(beside, PathBuf::from);
    folder.join("EXPECTED.tsv").exists().then_some(folder)
}

#[test]
fn every_verdict_of_the_recorded_histories_is_right() {
    let Some(folder) = histories() else { return };
    let expected = fs::read_to_string(folder.join("EXPECTED.tsv")).expect("readable");
    let mut sizes = Vec::new();
    let mut judged = 0;
    for line in expected.lines().skip(1).filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (name, wrong) = (columns[0], columns[3].starts_with("NOT") || columns[3] == "INVALID");
        let file = fs::File::open(folder.join(name)).expect("listed, so there");
        let recorded =
            read(BufReader::new(file), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let judgement = judge(&recorded, Budget::default());
        match (&judgement.decision, wrong) {
            (Decision::Pass, false) => {}
            (Decision::Fail(examples), true) => sizes.push(examples[0].ops.len()),
            (decision, _) => panic!("{name}: expected {}, got {decision:?}", columns[3]),
        }
        judged += 1;
    }
    sizes.sort_unstable();
    assert!(judged > 100, "only {judged} histories are listed");
    assert!(sizes[sizes.len() / 2] < 10, "the median counterexample is too long: {sizes:?}");
}
