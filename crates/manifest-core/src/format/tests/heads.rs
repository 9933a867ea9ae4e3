//! Heads, the records in them and their directories.

use std::sync::Arc;

use super::*;
use crate::format::record::*;

/// Decodes a head completely, as a process that knows nothing does.
fn decode_all(bytes: Bytes) -> Result<Vec<Transaction>, Damage> {
    let head = Head::decode(bytes, None)?;
    let end = verify_run(head.tail(), head.tail_start())?;
    expect_hash(head.header.chain, end.chain, "the chain of the head")?;
    expect(end.next_seq == head.header.next_seq, "all records", end.next_seq)?;
    let all = record::verified(head.tail()).map(|record| {
        let ops = record.ops().map(fuzzing::owned).collect();
        (record.id, ops, Bytes::copy_from_slice(record.metadata))
    });
    Ok(all.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_head_gives_back_what_was_committed(transactions in transactions(8)) {
        let head = head_with(&transactions);
        prop_assert_eq!(decode_all(head.bytes().clone()).unwrap(), transactions);
    }

    #[test]
    fn a_record_is_as_long_as_announced((id, ops, metadata) in (id(), vec(op(), 0..6), bytes(30))) {
        let mut out = vec![1, 2, 3];
        append(&mut out, 5, 9, id, &ops, &metadata);
        prop_assert_eq!(out.len() - 3, encoded_len(&ops, &metadata));
    }

    #[test]
    fn a_directory_comes_back(
        checkpoint in proptest::option::of((any::<u64>(), any::<u128>(), 0..1000u64, any::<u128>())),
        lengths in vec(1..50u64, 0..=MAX_SEGMENTS),
        names in proptest::collection::btree_set("[a-zäß]{0,6}", 0..4),
        retired in vec((any::<bool>(), any::<u64>(), any::<u128>()), 0..5),
    ) {
        let checkpoint = checkpoint.map(|(hv, uuid, upto_seq, chain)| CheckpointRef {
            name: ObjectName { hv, uuid }, upto_seq, len: hv, front_len: hv as u32, hash: !chain, chain,
        });
        let mut next = checkpoint.map_or(1, |ckpt| ckpt.upto_seq + 1);
        let segments = lengths.iter().map(|len| {
            let first = next;
            next += len;
            let name = ObjectName { hv: first, uuid: u128::from(*len) };
            SegmentRef { name, first, last: next - 1, len: 200, hash: 4, chain_end: 5 }
        }).collect();
        let roles = names.into_iter().map(|name| RoleEntry { name, epoch: 3, owner: 8 }).collect();
        let retired = retired.into_iter().map(|(ckpt, at_version, uuid)| RetiredName {
            kind: if ckpt { RetiredKind::Checkpoint } else { RetiredKind::Segment },
            name: ObjectName { hv: at_version, uuid },
            at_version,
        }).collect();
        let directory = Directory { checkpoint, segments, roles, retired };

        let head = Head::with_directory(directory.clone(), 7);
        let read = Head::decode(head.bytes().clone(), None).unwrap();
        prop_assert_eq!(&*read.directory, &directory);
        let again = Head::decode(head.bytes().clone(), Some(&read)).unwrap();
        prop_assert!(Arc::ptr_eq(&again.directory, &read.directory), "the same directory is shared");
    }

    #[test]
    fn no_changed_bit_of_a_head_is_accepted(
        transactions in transactions(4), at in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let mut changed = head_with(&transactions).bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        prop_assert!(decode_all(changed.into()).is_err(), "bit {} of byte {}", bit, at);
    }

    #[test]
    fn no_cut_or_longer_head_is_accepted(
        transactions in transactions(4), cut in any::<prop::sample::Index>(), extra in 1..20usize,
    ) {
        let whole = head_with(&transactions).bytes().to_vec();
        let short = whole[..cut.index(whole.len())].to_vec();
        prop_assert!(decode_all(short.into()).is_err());
        let mut long = whole;
        long.extend(std::iter::repeat_n(0, extra));
        prop_assert!(decode_all(long.into()).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(noise in vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        let mut noise = noise;
        if magic && noise.len() >= 6 {
            noise[..6].copy_from_slice(b"MCHD\x01\x00");
        }
        prop_assert!(decode_all(noise.clone().into()).is_err());
        let _ = parse(&noise);
        let _ = skip_to(&noise, 3);
    }

    #[test]
    fn a_head_that_was_edited_and_sealed_again_gives_an_error_or_another_head(
        transactions in transactions(4), edits in edits(),
    ) {
        let head = head_with(&transactions);
        fuzzing::head(&edited(head.bytes(), &edits));
        fuzzing::records(&edited(head.tail(), &edits));
    }

    #[test]
    fn hostile_lengths_under_a_good_hash_are_refused_without_a_panic(
        transactions in transactions(3), at in 8..136usize, byte in any::<u8>(),
    ) {
        // Somebody who computes the digest again can still only get an error.
        let head = head_with(&transactions);
        let mut bytes = head.bytes().to_vec();
        let same = bytes[at] == byte;
        bytes[at] = byte;
        let tail_offset = 136;
        let digest = xxh3(&bytes[..tail_offset]);
        let len = bytes.len();
        bytes[len - 16..].copy_from_slice(&digest.to_le_bytes());
        let free = (32..64).contains(&at) || (96..112).contains(&at) || (80..88).contains(&at);
        let accepted = decode_all(bytes.into()).is_ok();
        // Nonce, previous digest, version, gate and floor may be anything by themselves.
        prop_assert!(!accepted || same || free, "byte {} set to {}", at, byte);
    }
}

/// One transaction on a new manifest.
pub(super) fn example() -> Head {
    let genesis = Head::genesis(0x0123_4567_89ab_cdef_0011_2233_4455_6677, 1);
    let mut writer = HeadWriter::follow(&genesis, 2, 0);
    let id = CommitId { writer: 0xaa, wseq: 1 };
    let put = Op::Put { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v") };
    let all = Op::DeleteRange { start: Bytes::from_static(b"x"), end: None };
    writer.push(id, &[put, all], b"m");
    writer.finish()
}

#[test]
fn a_head_is_the_documented_one() {
    assert_documented("head", example().bytes());
}
