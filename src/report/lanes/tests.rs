//! Lanes as people see them.

use expect_test::expect;

use super::*;
use crate::report::example;

#[test]
fn a_failure_stands_in_lanes_with_all_that_is_known_of_it() {
    expect![[r#"
        vopr 0.1.0   seed 4217   system manifest-core

        FAIL   seed 4217   LostUpdate   broken: an acknowledged commit is the content of its number
               writer-2's put 7 was acknowledged as commit 18, which is operation 6

             #           ms   writer-1                                       store        writer-2
           3,4        1.000   get m/head ─────────────────────────────▶       200
             5        3.000   200 ◀───────────────────────────────────
        *  6,7        3.000                                                    ✗          ◀─── update m/head if-match "1717" (9 B)   FAULT request lost
          8,10        4.000   update m/head if-match "1717" (9 B) ────▶       200
            11        5.000   200 ◀───────────────────────────────────
            14       35.000                                                               no answer in time
         16,17       36.000                                                   412         ◀─── update m/head if-match "1717" (9 B)
        *   18       38.000                                                               ───────────────────────────────────▶ 412
            19       38.000                                                               put 7 acknowledged as commit 18
        *   20       38.000                                                                                                          WRONG  rule broken
          14 of 21 events; * proves the failure; · is on its way

        class     LostUpdate: an acknowledged commit is not honoured
        also      HistoryGap
        proof     events 7, 18, 20
        causes    1. 412 was taken for success      evidence: events 7, 18, 20
                  2. something else
        group     AcknowledgedPresent in src/checkers/history.rs
        rule      an acknowledged commit is the content of its number      src/checkers/history.rs
        next      vopr replay 4217
    "#]].assert_eq(&to_lanes(&example::report()));
}

#[test]
fn a_run_that_passed_has_nothing_to_explain() {
    expect![[r#"
        vopr 0.1.0   seed 4217   system manifest-core

        PASS   seed 4217   events 21, requests 4, operations 2, commits 1
               nothing failed, so there is nothing to explain
    "#]]
    .assert_eq(&to_lanes(&example::passed()));
}

#[test]
fn arrows_cross_the_columns_between_a_process_and_the_store() {
    expect![[r#"
        vopr 0.1.0   seed 4217   system manifest-core

        FAIL   seed 4217   LostUpdate   broken: an acknowledged commit is the content of its number
               writer-2's put 7 was acknowledged as commit 18, which is operation 6

             #           ms   writer-1                              writer-2                store        reader-1           reader-2
           0,1        0.000   create m/seg/1 if-absent (4 B) ────────────────────────▶       200
             2        2.000   200 ◀──────────────────────────────────────────────────
           3,4        2.000                                         get m/head ──────▶       404
             5        4.000                                         404 ◀────────────
           6,7        4.000                                                                  200         ◀─── get m/seg/1
             8        6.000                                                                              ───────────▶ 200
        * 9,10        6.000                                                                  200         ◀────────────────────── delete m/seg/1 and 1 more
            11        8.000                                                                              ────────────────────────────────────────────▶ 200
            12        8.000   put m/head (8 B) ──────────────────────────────────────▶        ·
         13,14        8.000                                                                   ✗          ◀───────────────────────────────────── get m/head   FAULT partition
            15        8.700   (put m/head (8 B)) ────────────────────────────────────▶       200
            16        8.700                                                                                                 connection lost
            17        8.700                                         CRASH
            18      908.700                                         starts again
        *   19      908.700                                                                                                                                  WRONG  rule broken
          20 of 20 events; * proves the failure; · is on its way

        class     LostUpdate: an acknowledged commit is not honoured
        also      HistoryGap
        proof     events 9, 19
        causes    1. 412 was taken for success      evidence: events 9, 19
                  2. something else
        group     AcknowledgedPresent in src/checkers/history.rs
        rule      an acknowledged commit is the content of its number      src/checkers/history.rs
        next      vopr replay 4217
    "#]].assert_eq(&to_lanes(&example::crowded()));
}

#[test]
fn what_many_runs_told_stands_below_the_lanes() {
    let report = RunReport { reduced: None, ..example::examined() };
    let text = to_lanes(&report);
    let from = text.find("as it is").expect("it was examined");
    let until = text.find("group  ").expect("a group");
    expect![[r#"
        as it is  200 of 200 fail with other latencies, names, jitter
        needed        7 request lost (writer-2)  without it: 0 of 200 fail
                     10 before 17                swapped: 0 of 200 fail
        helps         1 writer-1: put w:k0001  without it: 130 of 200 fail, 7 in another way
        free      latencies, names, jitter; reader-1, who opens the system
        too late  P(fail) in 200 fresh runs from event n on:  1 2%   8 91%   16 100%
                  tipped at 8, sealed at 16, seen at 20
    "#]]
    .assert_eq(&text[from..until]);
}
