//! Merged segments.

use proptest::collection::btree_map;
use proptest::option;

use super::*;
use crate::format::merged::{self, Delta, MergedKey, MergedRange};
use crate::format::segment::{Segment, SegmentBodyView};

/// The header of a merged segment over these seqs.
fn header(first: u64, last: u64) -> SegmentHeader {
    SegmentHeader { incarnation: 7, first, last, hv: 5, chain_start: 11, chain_end: 12 }
}

fn commits(first: u64, ids: Vec<CommitId>) -> Vec<(CommitId, u64)> {
    ids.into_iter().zip(first..).collect()
}

prop_compose! {
    /// A delta that a merge could make, and the header that fits it.
    fn delta()(first in 1..u64::MAX / 2, ids in vec(id(), 1..8))(
        keys in btree_map(bytes(12), (0..ids.len() as u64, option::of(bytes(30))), 0..12),
        ranges in vec((0..ids.len() as u64, bytes(6), option::of(bytes(6))), 0..5),
        ids in Just(ids), first in Just(first),
    ) -> (SegmentHeader, Delta) {
        let last = first + ids.len() as u64 - 1;
        let keys = keys.into_iter().map(|(key, (at, value))| {
            MergedKey { key, seq: first + at, value }
        }).collect();
        let mut ranges: Vec<MergedRange> = ranges.into_iter().map(|(at, start, end)| {
            let end = end.filter(|end| start < *end);
            MergedRange { seq: first + at, start, end }
        }).collect();
        ranges.sort_by_key(|range| range.seq);
        (header(first, last), Delta { keys, ranges, commits: commits(first, ids) })
    }
}

fn reference(header: &SegmentHeader, bytes: &Bytes, hash: u128) -> SegmentRef {
    SegmentRef {
        name: ObjectName { hv: header.hv, uuid: 99 },
        first: header.first,
        last: header.last,
        len: bytes.len() as u32,
        hash,
        chain_end: header.chain_end,
    }
}

/// Decodes a merged segment as its writer would name it.
fn decode_merged(header: &SegmentHeader, bytes: Bytes, hash: u128) -> Result<Delta, Damage> {
    let reference = reference(header, &bytes, hash);
    let segment = Segment::decode(bytes, reference, header.incarnation, header.chain_start)?;
    assert_eq!(segment.reference, reference);
    match segment.body() {
        SegmentBodyView::Merged(delta) => Ok(delta.clone()),
        SegmentBodyView::Records(_) => panic!("a merged segment, not a run"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_merged_segment_gives_back_the_delta_and_nothing_damaged(
        (header, delta) in delta(), accident in accident(),
    ) {
        let (bytes, hash) = merged::encode(header, &delta);
        prop_assert_eq!(bytes.len(), merged::encoded_len(&delta));
        prop_assert_eq!(decode_merged(&header, bytes.clone(), hash).unwrap(), delta);
        let named = reference(&header, &bytes, hash);
        let damaged = damaged(&bytes, &accident);
        prop_assert!(Segment::decode(damaged, named, 7, header.chain_start).is_err());
    }

    #[test]
    fn a_merged_segment_that_was_edited_and_sealed_again_gives_an_error_or_another_one(
        (header, delta) in delta(), edits in edits(),
    ) {
        let (bytes, _) = merged::encode(header, &delta);
        fuzzing::merged(&edited(&bytes, &edits));
    }
}

/// Put `a`, delete `b`, delete from `m` up to `n` and everything from `x`, in two commits.
fn example() -> (SegmentHeader, Delta) {
    let text = Bytes::from_static;
    let keys = vec![
        MergedKey { key: text(b"a"), seq: 4, value: Some(text(b"1")) },
        MergedKey { key: text(b"b"), seq: 5, value: None },
    ];
    let ranges = vec![
        MergedRange { seq: 4, start: text(b"m"), end: Some(text(b"n")) },
        MergedRange { seq: 5, start: text(b"x"), end: None },
    ];
    let ids = vec![CommitId { writer: 0xaa, wseq: 3 }, CommitId { writer: 0xbb, wseq: 1 }];
    let incarnation = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
    (
        SegmentHeader { incarnation, ..header(4, 5) },
        Delta { keys, ranges, commits: commits(4, ids) },
    )
}

#[test]
fn no_small_damage_of_a_merged_segment_is_accepted() {
    let (header, delta) = example();
    let (bytes, hash) = merged::encode(header, &delta);
    let named = reference(&header, &bytes, hash);
    for (what, damaged) in every_small_damage(&bytes) {
        let decoded = Segment::decode(damaged, named, header.incarnation, header.chain_start);
        assert!(decoded.is_err(), "{what}");
    }
}

#[test]
fn a_merged_segment_must_begin_at_the_chain_hash_before_it() {
    let (header, delta) = example();
    let (bytes, hash) = merged::encode(header, &delta);
    let named = reference(&header, &bytes, hash);
    let elsewhere = Segment::decode(bytes, named, header.incarnation, header.chain_start + 1);
    assert_eq!(expected(elsewhere), "the chain hash before it");
}

#[test]
fn a_delta_that_no_merge_makes_is_refused() {
    let refused = |change: fn(&mut Delta)| {
        let (header, mut delta) = example();
        change(&mut delta);
        let (bytes, hash) = merged::encode(header, &delta);
        expected(decode_merged(&header, bytes, hash))
    };
    assert_eq!(refused(|delta| delta.keys.swap(0, 1)), "entries sorted by key");
    assert_eq!(
        refused(|delta| delta.keys[1].key = delta.keys[0].key.clone()),
        "entries sorted by key"
    );
    assert_eq!(refused(|delta| delta.keys[0].seq = 3), "a seq of the segment");
    assert_eq!(refused(|delta| delta.keys[0].seq = 6), "a seq of the segment");
    assert_eq!(refused(|delta| delta.ranges[0].seq = 3), "a seq of the segment");
    assert_eq!(refused(|delta| delta.ranges.swap(0, 1)), "range deletes in order of their seqs");
    assert_eq!(
        refused(|delta| delta.ranges[0].end = Some(delta.ranges[0].start.clone())),
        "a range that is not empty",
    );
    assert_eq!(refused(|delta| delta.commits.swap(0, 1)), "a commit for each seq");
    assert_eq!(
        refused(|delta| delta.commits.truncate(1)),
        "as many entries as fit into the object"
    );
    assert_eq!(refused(|delta| delta.commits.push(delta.commits[0])), "the end");
}

/// Counts of 2^32 - 1 would reserve hundreds of gigabytes if they were believed.
#[test]
fn hostile_counts_are_refused_before_anything_is_reserved() {
    let (header, delta) = example();
    let (bytes, _) = merged::encode(header, &delta);
    for (at, wanted) in [
        (12, "one record for each seq"),
        (96, "as many entries as fit into the object"),
        (100, "as many entries as fit into the object"),
    ] {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].fill(0xff);
        fuzzing::seal_segment(&mut bytes);
        let bytes = Bytes::from(bytes);
        let hash = u128::from_le_bytes(*bytes.last_chunk().unwrap());
        assert_eq!(expected(decode_merged(&header, bytes, hash)), wanted, "byte {at}");
    }
}

/// The whole range of seqs, with a count to match: 2^64 commits do not fit either.
#[test]
fn a_hostile_range_of_seqs_is_refused() {
    let (_, delta) = example();
    let (mut bytes, _) = {
        let (bytes, hash) = merged::encode(header(4, 5), &delta);
        (bytes.to_vec(), hash)
    };
    for (first, last, count) in [(1, 1 << 32, 0), (1, u64::from(u32::MAX), u32::MAX), (5, 4, 0)] {
        let header = SegmentHeader { first, last, ..header(4, 5) };
        bytes[12..16].copy_from_slice(&u32::to_le_bytes(count));
        bytes[32..40].copy_from_slice(&first.to_le_bytes());
        bytes[40..48].copy_from_slice(&last.to_le_bytes());
        fuzzing::seal_segment(&mut bytes);
        let hash = u128::from_le_bytes(*bytes.last_chunk().unwrap());
        assert!(decode_merged(&header, bytes.clone().into(), hash).is_err(), "{first} to {last}");
    }
}

#[test]
fn a_merged_segment_is_the_documented_one() {
    let (header, delta) = example();
    assert_documented("merged segment", &merged::encode(header, &delta).0);
}
