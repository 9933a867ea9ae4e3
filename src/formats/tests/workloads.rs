//! For each workload of recorded histories one that is right and one that is wrong.

use std::fmt::Write as _;

use sim::check::Budget;

use super::super::judge::{Decision, judge};
use super::super::{Model, read};

/// The model that the history was read for, and the name of the first finding, if any.
fn told(text: &str, model: Option<&str>) -> (String, String) {
    let model = model.map(|name| name.parse::<Model>().expect("a known model"));
    let recorded = read(text.as_bytes(), model).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let finding = match judge(&recorded, Budget::default()).decision {
        Decision::Pass => "ok".to_owned(),
        Decision::Fail(examples) => {
            let ops: Vec<String> = examples[0].ops.iter().map(|op| op.0.to_string()).collect();
            format!("{} {}", examples[0].name, ops.join(" "))
        }
        Decision::Undecided(why) => format!("undecided: {why}"),
    };
    (recorded.model.name(), finding)
}

/// Operations one after the other: process, operation, value of the invoke, type and value of the
/// return.
fn sequence(ops: &[(u32, &str, &str, &str, &str)]) -> String {
    let mut text = String::new();
    for (process, f, value, end, seen) in ops {
        let _ = writeln!(text, "{{:process {process}, :type :invoke, :f :{f}, :value {value}}}");
        let _ = writeln!(text, "{{:process {process}, :type :{end}, :f :{f}, :value {seen}}}");
    }
    text
}

/// Reads without naming the model, and expects this model and this finding.
fn check(ops: &[(u32, &str, &str, &str, &str)], model: &str, finding: &str) {
    let text = sequence(ops);
    let (name, found) = told(&text, None);
    assert_eq!((name.as_str(), found.as_str()), (model, finding), "{text}");
}

/// Names the model, and expects this finding.
fn check_as(model: &str, ops: &[(u32, &str, &str, &str, &str)], finding: &str) {
    let text = sequence(ops);
    assert_eq!(told(&text, Some(model)).1, finding, "as {model}:\n{text}");
}

#[test]
fn a_fifo_queue_gives_the_oldest_first() {
    let puts = [(0, "enqueue", "1", "ok", "1"), (0, "enqueue", "2", "ok", "2")];
    let takes = |first: &'static str, second: &'static str| {
        let takes = [(1, "dequeue", "nil", "ok", first), (1, "dequeue", "nil", "ok", second)];
        [&puts[..], &takes[..]].concat()
    };
    check_as("fifo-queue", &takes("1", "2"), "ok");
    check_as("fifo-queue", &takes("2", "1"), "no-order 0 1 2");
    check_as("fifo-queue", &takes("1", "nil"), "no-order 1 3");
    check_as("unordered-queue", &takes("2", "1"), "ok");
}

#[test]
fn a_take_of_unknown_outcome_may_have_removed_the_first() {
    let ops = [
        (0, "enqueue", "1", "ok", "1"),
        (0, "enqueue", "2", "ok", "2"),
        (1, "dequeue", "nil", "info", "nil"),
        (2, "dequeue", "nil", "ok", "2"),
    ];
    check_as("fifo-queue", &ops, "ok");
    check_as("fifo-queue", &[ops[0], ops[1], ops[3]], "no-order 0 1 2");
}

#[test]
fn an_element_leaves_an_unordered_queue_once_and_not_before_it_came() {
    let put = (0, "enqueue", "7", "info", "7");
    let take = (1, "dequeue", "nil", "ok", "7");
    let refused = (1, "dequeue", "nil", "fail", "nil");
    check(&[put, refused, take], "unordered-queue", "ok");
    check(&[put, take, take], "unordered-queue", "no-order 0 1 2");
    check(&[take, put], "unordered-queue", "no-order 0");
    let unknown = (2, "dequeue", "nil", "info", "nil");
    let empty = (3, "dequeue", "nil", "ok", "nil");
    check(
        &[put, unknown, empty],
        "unordered-queue",
        "undecided: the history has a take of unknown outcome beside an empty queue, which this \
         model lacks",
    );
}

#[test]
fn a_drained_queue_lost_nothing_and_invented_nothing() {
    let put = |value| (0, "enqueue", value, "ok", value);
    let (one, two) = (put("1"), put("2"));
    let take = (1, "dequeue", "nil", "ok", "1");
    let drain = |seen| (1, "drain", "nil", "ok", seen);
    check(&[one, two, take, drain("[2]")], "total-queue", "ok");
    check(&[one, two, take, take, drain("[2]")], "total-queue", "ok");
    check(&[one, two, take, drain("[]")], "total-queue", "never-taken 1");
    check(&[one, drain("[1 3]")], "total-queue", "unexpected-element 1");
    let unknown = (2, "dequeue", "nil", "info", "nil");
    check(&[one, two, take, unknown, drain("[]")], "total-queue", "ok");
}

#[test]
fn an_id_is_given_out_once() {
    let get = |process, id| (process, "generate", "nil", "ok", id);
    let lost = (3, "generate", "nil", "info", "nil");
    check(&[get(0, "10"), lost, get(1, "11")], "unique-ids", "ok");
    check(&[get(0, "10"), get(1, "11"), get(1, "10")], "unique-ids", "given-twice 0 2");
}

#[test]
fn a_comment_is_not_seen_without_those_that_came_before_it() {
    let write = |process, id| (process, "write", id, "ok", id);
    let read = |seen| (2, "read", "nil", "ok", seen);
    let (one, two) = (write(0, "1"), write(1, "2"));
    check(&[one, two, read("#{1 2}")], "comments", "ok");
    check(&[one, two, read("#{1}")], "comments", "ok");
    check(&[one, two, read("#{2}")], "comments", "missing-predecessor 0 1 2");
    let keyed = [
        (0, "write", "[8 1]", "ok", "[8 1]"),
        (1, "write", "[9 2]", "ok", "[9 2]"),
        (2, "read", "[9 nil]", "ok", "[9 #{2}]"),
    ];
    check(&keyed, "comments", "ok");
    let same_key = [(0, "write", "[9 1]", "ok", "[9 1]"), keyed[1], keyed[2]];
    check(&same_key, "comments", "missing-predecessor 0 1 2");
}

#[test]
fn rows_of_one_client_are_found_from_the_last_on() {
    let write = (0, "write", "4", "ok", "4");
    let read = |seen| (1, "read", "4", "ok", seen);
    check(&[write, read("[4 [nil \"4_1\" \"4_0\"]]")], "sequential", "ok");
    check(&[write, read("[4 [nil nil nil]]")], "sequential", "ok");
    check(&[write, read("[4 [\"4_2\" nil \"4_0\"]]")], "sequential", "out-of-order 1");
}

#[test]
fn registers_side_by_side_name_their_key_in_a_tuple() {
    let model = "cas-register (initial 0, nil reads free)";
    let write = |value| (0, "write", value, "ok", value);
    let read = |seen| (1, "read", "[5 nil]", "ok", seen);
    let other = (1, "read", "[6 nil]", "ok", "[6 0]");
    let swap = (2, "cas", "[5 [1 2]]", "ok", "[5 [1 2]]");
    check(&[write("[5 1]"), other, swap, read("[5 2]")], model, "ok");
    check(&[write("[5 1]"), other, swap, read("[5 1]")], model, "no-order 0 2 3");
    // One register: its compare-and-sets are no tuples of key and value.
    let plain = [(0, "write", "1", "ok", "1"), (0, "cas", "[1 2]", "ok", "[1 2]")];
    check(&plain, model, "ok");
}

#[test]
fn an_unknown_model_is_told_all_known_ones() {
    let error = "linked-list".parse::<Model>().expect_err("no such model").to_string();
    for name in ["linked-list", "fifo-queue", "unique-ids", "sequential", "snapshot-isolation"] {
        assert!(error.contains(name), "{name} is missing in: {error}");
    }
    for name in ["append / serializable", "wr", "queue", "total-queue", "comments", "fifo-queue"] {
        assert!(name.parse::<Model>().is_ok(), "{name}");
    }
}
