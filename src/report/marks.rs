//! What a campaign reached, mark by mark, the least reached first.

use std::fmt::Write as _;

use serde::Serialize;

/// What a campaign reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkReport {
    /// Seeds that were run.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// One line for each mark, the least reached first.
    pub marks: Vec<MarkLine>,
}

/// How often a mark was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkLine {
    /// Its name.
    pub name: String,
    /// What it means that it was reached.
    pub sentence: String,
    /// Whether a long run may miss it.
    pub rare: bool,
    /// In how many seeds it was reached.
    pub seeds: u64,
    /// How often in all.
    pub times: u64,
}

impl MarkReport {
    /// Marks that a long run must reach and this one did not.
    pub fn never(&self) -> impl Iterator<Item = &MarkLine> {
        self.marks.iter().filter(|mark| mark.seeds == 0 && !mark.rare)
    }

    /// The report as text. It ends with a line break.
    #[must_use]
    pub fn to_text(&self) -> String {
        let width = self.marks.iter().map(|mark| mark.name.len()).max().unwrap_or(4);
        let mut out = String::new();
        let _ = writeln!(out, "  {:width$}  {:>8}  {:>10}  meaning", "mark", "% seeds", "times");
        for mark in &self.marks {
            let share = 100.0 * mark.seeds as f64 / self.seeds.max(1) as f64;
            let note = match (mark.seeds, mark.rare) {
                (0, false) => "NEVER  ",
                (0, true) => "never (rare)  ",
                _ => "",
            };
            let _ = writeln!(
                out,
                "  {:width$}  {share:>8.2}  {:>10}  {note}{}",
                mark.name, mark.times, mark.sentence
            );
        }
        let reached = self.marks.iter().filter(|mark| mark.seeds > 0).count();
        let never = self.never().count();
        let _ = writeln!(
            out,
            "\n{reached} of {} marks reached in {} seeds from {}; {never} that a long run must reach never",
            self.marks.len(),
            self.seeds,
            self.first_seed
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_was_never_reached_stands_first_and_rare_marks_are_excused() {
        let mark = |name: &str, rare, seeds| MarkLine {
            name: name.to_owned(),
            sentence: format!("{name} happened"),
            rare,
            seeds,
            times: seeds * 3,
        };
        let marks =
            vec![mark("a.hole", false, 0), mark("b.rare", true, 0), mark("c.usual", false, 5)];
        let report = MarkReport { seeds: 20, first_seed: 7, marks };
        assert_eq!(report.never().count(), 1);
        expect![[r#"
              mark      % seeds       times  meaning
              a.hole       0.00           0  NEVER  a.hole happened
              b.rare       0.00           0  never (rare)  b.rare happened
              c.usual     25.00          15  c.usual happened

            1 of 3 marks reached in 20 seeds from 7; 1 that a long run must reach never
        "#]]
        .assert_eq(&report.to_text());
    }
}
