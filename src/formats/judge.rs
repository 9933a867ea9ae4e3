//! The verdict about a recorded history: which checker, which findings, in one shape for all.

use sim::check::explain::{lanes, prove, reduce};
use sim::check::isolation::{self, Isolation};
use sim::check::linear::{self, Assumptions, Inexplicable};
use sim::check::queues::{self, Order};
use sim::check::whitebox::{self, Level, Log, WhiteBox};
use sim::check::workloads;
use sim::check::{Budget, Undecided, Verdict};
use sim::history::{History, Key, NameTable, Names, OpId, Value};

use super::{Model, Recorded};

/// What was found out about a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub decision: Decision,
    /// What is true beside the verdict and may matter.
    pub remarks: Vec<String>,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is an explanation, or no rule of the workload is broken.
    Pass,
    /// There is none.
    Fail(Vec<Counterexample>),
    /// The budget ended first.
    Undecided(String),
}

/// One thing that cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// Name of the anomaly or rule.
    pub name: String,
    /// The operations that it takes.
    pub ops: Vec<OpId>,
    /// Why, one sentence for each step.
    pub sentences: Vec<String>,
    /// The operations as bars.
    pub lanes: String,
}

/// Judges a recorded history by its model.
#[must_use]
pub fn judge(recorded: &Recorded, budget: Budget) -> Judgement {
    let Recorded { history, names, model } = recorded;
    match model {
        Model::Register { .. } | Model::Text | Model::Mutex => order(history, names, budget),
        Model::Transactions => transactions(history, names, budget),
        Model::ListAppend(level) | Model::RwRegister(level) => graph(history, names, *level),
        Model::Bank => rules(history, &Amounts(names), &workloads::bank(history, None)),
        Model::Counter => rules(history, &Amounts(names), &workloads::counter(history)),
        Model::Set => rules(history, names, &workloads::set(history)),
        Model::LongFork => long_fork(history, names),
        Model::Queue(order) => queue(history, names, *order, budget),
        Model::TotalQueue => rules(history, names, &queues::total(history)),
        Model::UniqueIds => rules(history, names, &workloads::unique_ids(history)),
        Model::Comments => rules(history, names, &workloads::comments(history)),
        Model::Sequential => rules(history, names, &workloads::sequential(history)),
    }
}

fn decided(examples: Vec<Counterexample>, remarks: Vec<String>) -> Judgement {
    let decision = if examples.is_empty() { Decision::Pass } else { Decision::Fail(examples) };
    Judgement { decision, remarks }
}

/// Linearizability, or strict serializability, by values.
fn order(history: &History, names: &NameTable, budget: Budget) -> Judgement {
    let assume = Assumptions::default();
    match linear::check(history, assume, budget) {
        Verdict::Ok => decided(Vec::new(), Vec::new()),
        Verdict::Violated(bad) => {
            decided(vec![explain_order(history, names, &bad, assume)], Vec::new())
        }
        Verdict::Undecided(reason) => {
            let decision = Decision::Undecided(undecided(reason));
            Judgement { decision, remarks: Vec::new() }
        }
    }
}

fn undecided(reason: Undecided) -> String {
    match reason {
        Undecided::Budget { steps } => format!("the budget of {steps} steps ended"),
        Undecided::Unsupported { what } => {
            format!("the history has a {what}, which this model lacks")
        }
    }
}

fn explain_order(
    history: &History,
    names: &NameTable,
    bad: &Inexplicable,
    assume: Assumptions,
) -> Counterexample {
    let ops = reduce(history, bad, assume);
    let mut sentences = prove(history, &ops, assume.initial, names);
    if sentences.is_empty() {
        sentences.push(format!(
            "no order of these {} operations explains what they saw; without any one of them there is one",
            ops.len()
        ));
    }
    let lanes = lanes(history, &ops, names);
    Counterexample { name: "no-order".to_owned(), ops, sentences, lanes }
}

/// Transactions: by values, and by commit numbers where clients were told any.
fn transactions(history: &History, names: &NameTable, budget: Budget) -> Judgement {
    let mut judgement = order(history, names, budget);
    let told = history.ops().any(|(_, op)| op.commit().is_some());
    if !told {
        return judgement;
    }
    let log = whitebox::infer_log(history);
    let verdict = WhiteBox::new().check(history, Log::Partial(&log), Level::StrictSerializable);
    if let Verdict::Violated(fault) = verdict {
        let ops = fault.ops();
        let lanes = lanes(history, &ops, names);
        let sentences = vec![fault.sentence(history, names)];
        let name = fault.rule().to_owned();
        let example = Counterexample { name, ops, sentences, lanes };
        match &mut judgement.decision {
            Decision::Fail(examples) => examples.push(example),
            decision => {
                judgement.remarks.push(
                    "the commit numbers contradict what clients saw; by the values alone they could \
                     not tell"
                        .to_owned(),
                );
                *decision = Decision::Fail(vec![example]);
            }
        }
    }
    judgement
}

/// The dependency graph of transactions, held to a level.
fn graph(history: &History, names: &NameTable, level: Isolation) -> Judgement {
    let findings = isolation::find(history);
    let mut remarks = Vec::new();
    if let Some((op, key, value)) = findings.unwritten.first() {
        remarks.push(format!(
            "{} reads saw values that no recorded operation wrote (first: T{} saw {} in {}); the \
             history is taken for a part of a longer one",
            findings.unwritten.len(),
            op.0,
            names.value(*value),
            names.key(*key)
        ));
    }
    let examples: Vec<Counterexample> = findings
        .against(level)
        .map(|anomaly| {
            let ops = anomaly.ops();
            Counterexample {
                name: anomaly.name.text().to_owned(),
                sentences: anomaly.sentences(history, names),
                lanes: lanes(history, &ops, names),
                ops,
            }
        })
        .collect();
    if !examples.is_empty() {
        remarks.push(match findings.strongest() {
            Some(level) => format!("what was found leaves {} possible", level.name()),
            None => "what was found leaves no isolation level possible".to_owned(),
        });
    }
    decided(examples, remarks)
}

fn rules(history: &History, names: &dyn Names, broken: &[workloads::Broken]) -> Judgement {
    let examples = broken.iter().take(EXAMPLES).map(|broken| {
        let ops = broken.ops();
        Counterexample {
            name: broken.rule().to_owned(),
            sentences: vec![broken.sentence(names)],
            lanes: lanes(history, &ops, names),
            ops,
        }
    });
    let mut remarks = Vec::new();
    if broken.len() > EXAMPLES {
        remarks.push(format!("{} more like these", broken.len() - EXAMPLES));
    }
    decided(examples.collect(), remarks)
}

/// Names for histories whose values are amounts, not texts.
struct Amounts<'a>(&'a NameTable);

impl Names for Amounts<'_> {
    fn process(&self, process: u32) -> String {
        self.0.process(process)
    }
    fn key(&self, key: Key) -> String {
        self.0.key(key)
    }
    fn value(&self, value: Value) -> String {
        (value.0 as i64).to_string()
    }
    fn place(&self, index: u32, at: u64) -> String {
        self.0.place(index, at)
    }
}

/// A queue, by search.
fn queue(history: &History, names: &NameTable, order: Order, budget: Budget) -> Judgement {
    match queues::check(history, order, budget) {
        Verdict::Ok => decided(Vec::new(), Vec::new()),
        Verdict::Violated(ops) => {
            let sentence = "no order of these operations explains what came out";
            let lanes = lanes(history, &ops, names);
            let name = "no-order".to_owned();
            let sentences = vec![sentence.to_owned()];
            decided(vec![Counterexample { name, ops, sentences, lanes }], Vec::new())
        }
        Verdict::Undecided(reason) => {
            let decision = Decision::Undecided(undecided(reason));
            Judgement { decision, remarks: Vec::new() }
        }
    }
}

/// How many broken rules are shown.
const EXAMPLES: usize = 4;

/// Keys written once: any two reads must agree on what came first, and on the rest of the graph.
fn long_fork(history: &History, names: &NameTable) -> Judgement {
    let forks = rules(history, names, &workloads::long_fork(history));
    if forks.decision != Decision::Pass {
        return forks;
    }
    graph(history, names, Isolation::SnapshotIsolation)
}
