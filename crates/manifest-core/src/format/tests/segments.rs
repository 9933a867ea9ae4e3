//! Sealed segments.

use super::*;
use crate::format::record::RunEnd;
use crate::format::segment::{self, Segment, SegmentBodyView};

fn some_transactions() -> impl Strategy<Value = Vec<Transaction>> {
    transactions(5).prop_filter("not empty", |transactions| !transactions.is_empty())
}

/// The segment that seals a head's whole tail.
fn seal(head: &Head) -> (Bytes, SegmentRef, RunEnd) {
    let start = head.tail_start();
    let header = SegmentHeader {
        incarnation: head.header.incarnation,
        first: start.next_seq,
        last: head.header.next_seq - 1,
        hv: head.header.version,
        chain_start: start.chain,
        chain_end: head.header.chain,
    };
    let (bytes, hash) = segment::encode(header, head.tail());
    let reference = SegmentRef {
        name: ObjectName { hv: header.hv, uuid: 99 },
        first: header.first,
        last: header.last,
        len: bytes.len() as u32,
        hash,
        chain_end: header.chain_end,
    };
    (bytes, reference, start)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_segment_gives_back_the_tail_and_nothing_damaged(
        transactions in some_transactions(), accident in accident(),
    ) {
        let head = head_with(&transactions);
        let (bytes, reference, start) = seal(&head);
        let read = Segment::decode(bytes.clone(), reference, 7, start.chain).unwrap();
        prop_assert!(matches!(read.body(), SegmentBodyView::Records(run) if run == head.tail()));
        prop_assert_eq!(read.reference, reference);
        let damaged = damaged(&bytes, &accident);
        prop_assert!(Segment::decode(damaged, reference, 7, start.chain).is_err());
    }

    #[test]
    fn a_segment_under_another_reference_is_refused(transactions in some_transactions()) {
        let (bytes, named, start) = seal(&head_with(&transactions));
        let refused = |reference, incarnation, chain_start| {
            expected(Segment::decode(bytes.clone(), reference, incarnation, chain_start))
        };
        prop_assert_eq!(refused(named, 8, start.chain), "a segment of this manifest");
        prop_assert_eq!(refused(named, 7, start.chain ^ 1), "the chain hash before it");
        let other = |change: fn(&mut SegmentRef)| {
            let mut reference = named;
            change(&mut reference);
            refused(reference, 7, start.chain)
        };
        prop_assert_eq!(other(|named| named.last += 1), "the referenced seqs");
        prop_assert_eq!(other(|named| named.first += 1), "the referenced seqs");
        prop_assert_eq!(other(|named| named.name.hv += 1), "the hv of its name");
        prop_assert_eq!(other(|named| named.len += 1), "a segment of the referenced length");
        prop_assert_eq!(other(|named| named.hash ^= 1), "the referenced digest");
        prop_assert_eq!(other(|named| named.chain_end ^= 1), "the referenced chain hash");
    }

    #[test]
    fn a_segment_that_was_edited_and_sealed_again_gives_an_error_or_another_segment(
        transactions in some_transactions(), edits in edits(),
    ) {
        let (bytes, ..) = seal(&head_with(&transactions));
        fuzzing::segment(&edited(&bytes, &edits));
    }
}

#[test]
fn a_segment_is_the_documented_one() {
    assert_documented("segment", &seal(&heads::example()).0);
}
