//! What must be true of the journals and of the state that is left.
//!
//! Every transaction writes a key of its own under `log/`, so the final state names the whole history:
//! which operation is at which seq. From there on nothing is guessed. The rules, in order:
//!
//! 1. The history is dense: each seq from 1 to the last belongs to exactly one operation. (An
//!    operation that was committed twice leaves a hole at the first of its two places.)
//! 2. What was acknowledged is in it, at the seq that was told; what was refused is not; what `status`
//!    said is true.
//! 3. Replayed in order it gives the final state: keys, values and the seqs that wrote them.
//! 4. Every transaction read the state at its place; every strong read, kept snapshot and session
//!    showed the state after the commit that it names.
//! 5. Real time: a commit and a strong read come after everything that was acknowledged, or shown to
//!    anybody by a strong read, before they began.
//! 6. A counter is as high as the number of commits that added to it.
//!
//! 1 to 5 together are strict serializability, by a proof; `vopr check` is asked as well, because it
//! shares no line with this.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, Op};
use crate::journal::{How, Seen, Told};
use crate::workload::{Digest, count_of};

/// A state: of every key its value's name and the seq that wrote it.
pub(crate) type State = BTreeMap<String, (String, u64)>;

/// What is wrong, and what was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<String>,
    /// The operation at each seq, from 1.
    pub(crate) order: Vec<String>,
    pub(crate) views: BTreeMap<How, u64>,
}

/// Applies all rules. `last` is the seq of the final state.
pub(crate) fn judge(evidence: &Evidence, left: &State, last: u64) -> Findings {
    let mut findings = Findings::default();
    find_order(&mut findings, left, last);
    if findings.problems.is_empty() {
        check_outcomes(&mut findings, evidence, left);
        replay(&mut findings, evidence, left);
        check_real_time(&mut findings, evidence, left);
        check_counters(&mut findings, evidence, left);
    }
    findings
}

/// The seq of an operation, by its key in the log.
pub(crate) fn seq_of(left: &State, op: &str) -> Option<u64> {
    left.get(&format!("log/{op}")).map(|(_, seq)| *seq)
}

fn find_order(findings: &mut Findings, left: &State, last: u64) {
    let mut order: BTreeMap<u64, String> = BTreeMap::new();
    for (key, (name, seq)) in left.range("log/".to_owned()..) {
        let Some(op) = key.strip_prefix("log/") else { break };
        if op != name {
            findings.problems.push(format!("{key} holds {name}"));
        }
        if let Some(other) = order.insert(*seq, op.to_owned()) {
            findings.problems.push(format!("seq {seq} belongs to {other} and to {op}"));
        }
    }
    let holes: Vec<u64> = (1..=last).filter(|seq| !order.contains_key(seq)).collect();
    if let Some(first) = holes.first() {
        let count = holes.len();
        let problem = format!("{count} seqs up to {last} belong to nobody, the first is {first}");
        findings.problems.push(problem);
    }
    if let Some((beyond, op)) = order.range(last + 1..).next() {
        findings.problems.push(format!("{op} is at {beyond}, after the last seq {last}"));
    }
    findings.order = order.into_values().collect();
}

fn check_outcomes(findings: &mut Findings, evidence: &Evidence, left: &State) {
    for (name, op) in &evidence.ops {
        let place = seq_of(left, name);
        if let Some(seq) = op.acknowledged()
            && place != Some(seq)
        {
            let problem = format!("LOST: {name} was acknowledged at {seq}, the log has {place:?}");
            findings.problems.push(problem);
        }
        if op.is_refused() && place.is_some() {
            let problem = format!("GHOST: {name} ended as {:?}, the log has {place:?}", op.end);
            findings.problems.push(problem);
        }
        for (_, told) in &op.told {
            let is_true = match told {
                Told::Committed { seq } => place == Some(*seq),
                Told::NotCommitted => place.is_none(),
                Told::Unknown => true,
            };
            if !is_true {
                let problem = format!("status said {told:?} of {name}, the log has {place:?}");
                findings.problems.push(problem);
            }
        }
    }
    for name in &findings.order {
        if !evidence.ops.contains_key(name) {
            findings.problems.push(format!("nobody sent {name}, and it is committed"));
        }
    }
}

fn replay(findings: &mut Findings, evidence: &Evidence, left: &State) {
    let mut at_seq: BTreeMap<u64, Vec<&crate::evidence::View>> = BTreeMap::new();
    for view in &evidence.views {
        at_seq.entry(view.seq).or_default().push(view);
        *findings.views.entry(view.how).or_default() += 1;
    }
    let mut reads: BTreeMap<u64, Vec<&[Seen]>> = BTreeMap::new();
    for read in &evidence.reads {
        reads.entry(read.seq).or_default().push(&read.reads);
    }
    let mut state = State::new();
    let mut problems = Vec::new();
    for seq in 0..=findings.order.len() as u64 {
        if let Some(name) = seq.checked_sub(1).map(|place| &findings.order[place as usize])
            && let Some(op) = evidence.ops.get(name)
        {
            check_reads(&state, &op.reads, name, &mut problems);
            apply(&mut state, op, seq);
        }
        for read in reads.remove(&seq).unwrap_or_default() {
            check_reads(&state, read, &format!("a strong read at {seq}"), &mut problems);
        }
        if let Some(views) = at_seq.remove(&seq) {
            let digest = Digest::of(&state);
            for view in views.iter().filter(|view| view.digest != digest) {
                problems.push(format!("{:?} at {seq} showed another state", view.how));
            }
        }
    }
    if let Some(seq) = reads.keys().chain(at_seq.keys()).next() {
        problems.push(format!("a reader saw seq {seq}, which is not in the history"));
    }
    if state != *left {
        let keys = state.keys().chain(left.keys());
        let first = keys.filter(|key| state.get(*key) != left.get(*key)).min();
        problems.push(format!("the final state is not the replay of the history: {first:?}"));
    }
    findings.problems.append(&mut problems);
}

fn check_reads(state: &State, reads: &[Seen], who: &str, problems: &mut Vec<String>) {
    for (key, name, seq) in reads {
        let held = state.get(key);
        let same = match (held, name) {
            (None, None) => true,
            (Some((held, at)), Some(name)) => held == name && Some(*at) == *seq,
            _ => false,
        };
        if !same {
            problems.push(format!("{who} read {key} = {name:?} of {seq:?}, but it was {held:?}"));
        }
    }
}

fn apply(state: &mut State, op: &Op, seq: u64) {
    for (key, name) in &op.writes {
        match name {
            Some(name) => state.insert(key.clone(), (name.clone(), seq)),
            None => state.remove(key),
        };
    }
}

/// What happens at a moment, in the order in which it is to be taken at the same moment.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment<'a> {
    /// Something begins that must come after what is past; a commit must be later than that.
    ReadBegins {
        shows: u64,
    },
    CommitBegins {
        seq: u64,
        op: &'a str,
    },
    /// From now on this seq is past.
    Ends {
        seq: u64,
    },
}

fn check_real_time(findings: &mut Findings, evidence: &Evidence, left: &State) {
    let mut moments = Vec::new();
    for (name, op) in &evidence.ops {
        if let Some(seq) = seq_of(left, name) {
            moments.push((op.began, Moment::CommitBegins { seq, op: name }));
            if let (Some((at, _)), true) = (&op.end, op.acknowledged().is_some()) {
                moments.push((*at, Moment::Ends { seq }));
            }
        }
    }
    for read in &evidence.reads {
        moments.push((read.began, Moment::ReadBegins { shows: read.seq }));
        moments.push((read.at, Moment::Ends { seq: read.seq }));
    }
    moments.sort();
    let mut past = 0;
    for (_, moment) in moments {
        match moment {
            Moment::Ends { seq } => past = past.max(seq),
            Moment::ReadBegins { shows } if shows < past => {
                findings.problems.push(format!("STALE: a strong read showed {shows} after {past}"));
            }
            Moment::CommitBegins { seq, op } if seq <= past => {
                let problem = format!("{op} began after {past} was known, and got {seq}");
                findings.problems.push(problem);
            }
            _ => {}
        }
    }
}

fn check_counters(findings: &mut Findings, evidence: &Evidence, left: &State) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for name in &findings.order {
        let writes = evidence.ops.get(name).map_or(&[][..], |op| &op.writes);
        for (key, _) in writes.iter().filter(|(key, _)| key.starts_with("cnt/")) {
            *sums.entry(key).or_default() += 1;
        }
    }
    for (key, sum) in sums {
        let held = left.get(key).map(|(name, _)| count_of(Some(name)));
        if held != Some(sum) {
            findings.problems.push(format!("{key} is {held:?}, and {sum} commits added one"));
        }
    }
}
