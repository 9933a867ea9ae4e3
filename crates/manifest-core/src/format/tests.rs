//! The codecs: what is encoded comes back, and nothing that is damaged is accepted.
//!
//! Two kinds of damage are told apart. *Accidents* (a changed bit, a cut, an extension) must be found
//! by a hash. *Hostile* bytes come under hashes that were computed again (`fuzzing.rs`); some of them
//! are valid objects of other contents, and all that is asked of the rest is an error.

mod checkpoints;
mod heads;
mod merges;
mod pins;
mod segments;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::directory::*;
use super::head::*;
use super::record::Op;
use super::segment::SegmentHeader;
use super::*;

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (bytes(20), bytes(40)).prop_map(|(key, value)| Op::Put { key, value }),
        bytes(20).prop_map(|key| Op::Delete { key }),
        (bytes(10), proptest::option::of(bytes(10))).prop_map(|(start, end)| {
            let end = end.filter(|end| start < *end);
            Op::DeleteRange { start, end }
        }),
    ]
}

fn id() -> impl Strategy<Value = CommitId> {
    (any::<u128>(), 1..u64::MAX).prop_map(|(writer, wseq)| CommitId { writer, wseq })
}

type Transaction = (CommitId, Vec<Op>, Bytes);

fn transactions(max: usize) -> impl Strategy<Value = Vec<Transaction>> {
    vec((id(), vec(op(), 0..5), bytes(20)), 0..max)
}

/// A head that follows a new manifest's first one and carries these transactions.
fn head_with(transactions: &[Transaction]) -> Head {
    let mut writer = HeadWriter::follow(&Head::genesis(7, 1), 2, 0);
    for (id, ops, metadata) in transactions {
        writer.push(*id, ops, metadata);
    }
    writer.finish()
}

/// What can happen to bytes by accident.
#[derive(Debug, Clone)]
enum Accident {
    Flip { at: Index, bit: u8 },
    Cut(Index),
    Extend(usize),
}

fn accident() -> impl Strategy<Value = Accident> {
    prop_oneof![
        3 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Accident::Flip { at, bit }),
        1 => any::<Index>().prop_map(Accident::Cut),
        1 => (1..20usize).prop_map(Accident::Extend),
    ]
}

fn damaged(whole: &[u8], accident: &Accident) -> Bytes {
    let mut bytes = whole.to_vec();
    match accident {
        Accident::Flip { at, bit } => bytes[at.index(whole.len())] ^= 1 << bit,
        Accident::Cut(at) => bytes.truncate(at.index(whole.len())),
        Accident::Extend(by) => bytes.resize(whole.len() + by, 0),
    }
    bytes.into()
}

/// Every accident that changes one bit of these bytes or cuts them.
fn every_small_damage(whole: &Bytes) -> impl Iterator<Item = (String, Bytes)> {
    let flips = (0..whole.len() * 8).map(|bit| {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {} of byte {}", bit % 8, bit / 8), bytes.into())
    });
    flips.chain((0..whole.len()).map(|len| (format!("cut to {len}"), whole.slice(..len))))
}

/// Runs of bytes that somebody overwrites on purpose: any, all ones, or all zeros.
fn edits() -> impl Strategy<Value = Vec<(Index, Vec<u8>)>> {
    let run = prop_oneof![
        vec(any::<u8>(), 1..3),
        (1..9usize).prop_map(|n| vec![0xff; n]),
        (1..9usize).prop_map(|n| vec![0; n]),
    ];
    vec((any::<Index>(), run), 1..4)
}

fn edited(whole: &[u8], edits: &[(Index, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (at, run) in edits.iter().filter(|_| !whole.is_empty()) {
        let at = at.index(whole.len());
        let end = whole.len().min(at + run.len());
        bytes[at..end].copy_from_slice(&run[..end - at]);
    }
    bytes
}

/// What had to be there, according to the error.
fn expected<T: std::fmt::Debug>(result: Result<T, Damage>) -> &'static str {
    match result.expect_err("damaged bytes are refused") {
        Damage::Corrupt { expected, .. } => expected,
        Damage::Newer { feature } => feature,
    }
}

/// Compares an object with the example of this name in `docs/protocol.md`. If they differ, the
/// format has changed and needs a new number.
#[track_caller]
fn assert_documented(name: &str, object: &[u8]) {
    let document = include_str!("../../../../docs/protocol.md");
    let documented: String = document
        .split_once(&format!("```hex {name}\n"))
        .and_then(|(_, rest)| rest.split("```").next())
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_hexdigit())
        .collect();
    let hex: String = object.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, documented, "the bytes of the {name}");
}
