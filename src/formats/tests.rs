//! Every format in a few lines, every error with its line, and the recorded histories of real
//! systems if they are there.

mod workloads;

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
        expect![[r#"
            FAIL   FILE   2 operations   cas-register (initial nil)

              no-order   2 operations
                no order of these 2 operations explains what they saw; without any one of them there is one

                T0 p0  |---|             write x=1
                T1 p1          |---|     x is not 1
        "#]],
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
        expect![[r#"
            FAIL   FILE   3 operations   cas-register (initial 0, nil reads free)

              no-order   3 operations
                T1 saw x=1, which T0 wrote
                T1 ended at 6, before T2 began at 7
                T2 saw x=0, which T0 replaced (it comes after the initial state): so T2 comes before T0

                T0 p0  |···················· write x=1 (outcome unknown)
                T1 p1      |---|             read x -> 1
                T2 p1              |---|     read x -> 0
        "#]],
    );
}

#[test]
fn jepsen_json() {
    check(
        r#"[{"type":"invoke","process":0,"value":[["append",1,10]]},
            {"type":"ok","process":0,"value":[["append",1,10]]},
            {"type":"invoke","process":0,"value":[["r",1,null]]},
            {"type":"ok","process":0,"value":[["r",1,[]]]}]"#,
        expect![[r#"
            FAIL   FILE   2 operations   list-append / strict-serializable

              G-single-process   2 operations
                T1 read 1=nil, before T0 wrote 10
                T0 ended at 2, before T1 of the same process began at 3

                T0 p0  |---|             append 1 10
                T1 p0          |---|     read 1 -> []

              note   what was found leaves serializable possible
        "#]],
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
        expect![[r#"
            FAIL   FILE   3 operations   transactions / strict-serializable

              no-order   2 operations
                T0 ended at 2, before T2 began at 5
                T2 still saw x=nil, the initial state, after T0, which wrote the key

                T0 p0  |---|             write x=1
                T2 p1          |---|     read x -> nil

              stale-read   2 operations
                T2 (p1 at 5) saw a version of x that T0 (p0 at 1), commit 1, had replaced; T0 (p0 at 1) had ended before, at commit 1

                T0 p0  |---|             write x=1
                T2 p1          |---|     read x -> nil
        "#]],
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
        expect![[r#"
            PASS   FILE   3 operations   kv (get, put, append)
        "#]],
    );
}

#[test]
fn a_lock_held_twice() {
    check(
        "{:process 0, :type :invoke, :f :acquire}\n{:process 0, :type :ok, :f :acquire}\n\
         {:process 1, :type :invoke, :f :acquire}\n{:process 1, :type :ok, :f :acquire}\n",
        expect![[r#"
            FAIL   FILE   2 operations   mutex

              no-order   2 operations
                T0 ended at 2, before T1 began at 3
                T1 still saw x=nil, the initial state, after T0, which wrote the key

                T0 p0  |---|             update x nil -> held
                T1 p1          |---|     update x nil -> held
        "#]],
    );
}

#[test]
fn errors_name_the_line() {
    check(
        "",
        expect![[r#"
        line 1: the file is empty
    "#]],
    );
    check(
        "hello\n",
        expect![[r#"
        line 1: no format that is known here
    "#]],
    );
    check(
        "{:type :invoke, :f :read}\n{:type :ok, :f :read, :value",
        expect![[r#"
        line 2: the file ends where a value was expected
    "#]],
    );
    check(
        "{:type :begin, :f :read}\n",
        expect![[r#"
        line 1: type "begin" is none of invoke, ok, fail, info
    "#]],
    );
    check(
        "\n\n{:process 3, :type :ok, :f :read, :value 1}\n",
        expect![[r#"
        line 3: process 3 ends an operation that it did not begin
    "#]],
    );
    check(
        "{:type :invoke, :f :sing}\n",
        expect![[r#"
        cannot tell the model from the operations (sing); name it with --model
    "#]],
    );
    check(
        "{:type :invoke, :f :cas, :value 3}\n{:type :ok, :f :cas, :value 3}\n",
        expect![[r#"
            line 2: the operation does not fit the model: cas 3
        "#]],
    );
    check(
        &"[".repeat(100_000),
        expect![[r#"
        line 1: nested too deeply
    "#]],
    );
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
        "fifo-queue",
        "queue",
        "total-queue",
        "unique-ids",
        "comments",
        "sequential",
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
