//! Checkpoints: whole, by their front, and block by block.

use std::collections::BTreeMap;

use proptest::collection::btree_map;

use super::*;
use crate::format::checkpoint::*;
use crate::range::KeyRange;

type State = BTreeMap<Bytes, (u64, Bytes)>;

/// A checkpoint's contents, and the block size it is written with.
#[derive(Debug, Clone)]
struct Folded {
    header: CheckpointHeader,
    state: State,
    writers: Vec<LastCommit>,
    block_bytes: usize,
}

impl Folded {
    fn encode(&self) -> Encoded {
        let entries = self.state.iter().map(|(key, (seq, value))| (&key[..], *seq, &value[..]));
        encode(self.header, entries, &self.writers, self.block_bytes)
    }

    fn reference(&self, encoded: &Encoded) -> CheckpointRef {
        CheckpointRef {
            name: ObjectName { hv: self.header.hv, uuid: 99 },
            upto_seq: self.header.upto_seq,
            len: encoded.bytes.len() as u64,
            front_len: encoded.front_len,
            hash: encoded.hash,
            chain: self.header.chain,
        }
    }

    /// The checkpoint after its way through the store.
    fn read(&self) -> Checkpoint {
        let encoded = self.encode();
        let reference = self.reference(&encoded);
        Checkpoint::decode(encoded.bytes, reference, self.header.incarnation).unwrap()
    }
}

prop_compose! {
    fn folded()(upto_seq in 1..1_000u64)(
        upto_seq in Just(upto_seq),
        dedup_from in 0..=upto_seq,
        ahead in 0..5u64,
        (incarnation, chain, hv) in any::<(u128, u128, u64)>(),
        state in btree_map(bytes(6), (1..=upto_seq, bytes(30)), 0..40),
        commits in btree_map(any::<u128>(), (1..u64::MAX, 1..=upto_seq), 0..5),
        block_bytes in 0..200usize,
    ) -> Folded {
        let target = upto_seq + ahead;
        let header = CheckpointHeader { incarnation, hv, upto_seq, target, chain, dedup_from };
        let commits = commits.into_iter().map(|(writer, (wseq, seq))| {
            LastCommit { writer, wseq, seq: seq.max(dedup_from) }
        });
        Folded { header, state, writers: commits.collect(), block_bytes }
    }
}

fn entries_of(state: &State) -> Vec<(&[u8], u64, &[u8])> {
    state.iter().map(|(key, (seq, value))| (&key[..], *seq, &value[..])).collect()
}

fn plain(entry: EntryView<'_>) -> (&[u8], u64, &[u8]) {
    (entry.key, entry.seq, entry.value)
}

/// The bytes of one block of a whole object.
fn cut_out(bytes: &Bytes, block: &BlockRef) -> Bytes {
    bytes.slice(block.offset as usize..block.offset as usize + block.len as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_checkpoint_gives_back_what_was_folded(folded in folded()) {
        let read = folded.read();
        prop_assert_eq!(read.front.header, folded.header);
        prop_assert_eq!(&read.front.writers, &folded.writers);
        prop_assert_eq!(read.front.entry_count, folded.state.len() as u64);
        let entries: Vec<_> = read.entries().map(plain).collect();
        prop_assert_eq!(entries, entries_of(&folded.state));
    }

    #[test]
    fn a_block_is_closed_by_the_entry_that_fills_it(folded in folded()) {
        let read = folded.read();
        for (at, block) in read.front.blocks.iter().enumerate() {
            let bytes = cut_out(&folded.encode().bytes, block);
            let block = Block::decode(bytes, block, folded.header.upto_seq).unwrap();
            let sizes: Vec<_> = block.entries().map(|e| 14 + e.key.len() + e.value.len()).collect();
            let len: usize = sizes.iter().sum();
            let before = len - sizes.last().unwrap();
            prop_assert!(before == 0 || before < folded.block_bytes, "closed too late");
            let is_last = at + 1 == read.front.blocks.len();
            prop_assert!(is_last || len >= folded.block_bytes, "closed too early");
        }
    }

    #[test]
    fn the_state_digest_does_not_depend_on_the_blocks(folded in folded(), block_bytes in 0..200usize) {
        let other = Folded { block_bytes, ..folded.clone() };
        let mut digest = StateDigest::new();
        for (key, seq, value) in entries_of(&folded.state) {
            digest.add(key, seq, value);
        }
        prop_assert_eq!(folded.read().front.state_digest, other.read().front.state_digest);
        prop_assert_eq!(folded.read().front.state_digest, digest.finish());
    }

    #[test]
    fn a_key_is_found_through_the_front_and_one_block(folded in folded(), absent in vec(bytes(6), 8)) {
        let encoded = folded.encode();
        let reference = folded.reference(&encoded);
        let front = encoded.bytes.slice(..encoded.front_len as usize);
        let front = Front::decode(&front, &reference, folded.header.incarnation).unwrap();
        for key in folded.state.keys().chain(&absent) {
            let block = front.block_of(key).map(|at| {
                let block = &front.blocks[at];
                Block::decode(cut_out(&encoded.bytes, block), block, reference.upto_seq).unwrap()
            });
            let found = block.as_ref().and_then(|block| block.get(key)).map(plain);
            let wanted = folded.state.get(key).map(|(seq, value)| (&key[..], *seq, &value[..]));
            prop_assert_eq!(found, wanted, "key {:?}", key);
        }
    }

    #[test]
    fn a_range_is_read_from_its_blocks_and_no_others(
        folded in folded(), start in bytes(4), end in proptest::option::of(bytes(4)),
    ) {
        let range = KeyRange { start, end };
        let read = folded.read();
        let named = read.front.blocks_of(&range);
        let blocks: Vec<_> = read.front.blocks[named.clone()].iter().map(|reference| {
            let bytes = cut_out(&folded.encode().bytes, reference);
            Block::decode(bytes, reference, folded.header.upto_seq).unwrap()
        }).collect();
        let found: Vec<_> = blocks.iter().flat_map(Block::entries).map(plain)
            .filter(|(key, ..)| range.contains(key)).collect();
        let mut wanted = entries_of(&folded.state);
        wanted.retain(|(key, ..)| range.contains(key));
        prop_assert_eq!(found, wanted);
        prop_assert!(
            read.front.blocks[named].iter().skip(1).all(|block| range.contains(&block.first_key)),
            "a block that holds nothing of the range",
        );
    }

    #[test]
    fn no_accident_is_accepted(folded in folded(), accident in accident()) {
        let encoded = folded.encode();
        let reference = folded.reference(&encoded);
        let incarnation = folded.header.incarnation;
        let changed = damaged(&encoded.bytes, &accident);
        let whole = Checkpoint::decode(changed.clone(), reference, incarnation);
        prop_assert!(whole.is_err());
        let unreferenced = Checkpoint::decode_unreferenced(changed, reference.name, incarnation);
        prop_assert!(unreferenced.is_err());

        let front = damaged(&encoded.bytes[..encoded.front_len as usize], &accident);
        prop_assert!(Front::decode(&front, &reference, incarnation).is_err());
        if let Some(block) = folded.read().front.blocks.last() {
            let changed = damaged(&cut_out(&encoded.bytes, block), &accident);
            prop_assert!(Block::decode(changed, block, reference.upto_seq).is_err());
        }
    }

    #[test]
    fn what_was_edited_and_sealed_again_gives_an_error_or_another_checkpoint(
        folded in folded(), edits in edits(), fixed_part: bool,
    ) {
        let mut bytes = folded.encode().bytes.to_vec();
        let reach = if fixed_part { 160.min(bytes.len()) } else { bytes.len() };
        let front = edited(&bytes[..reach], &edits);
        bytes[..reach].copy_from_slice(&front);
        fuzzing::checkpoint(&bytes);
    }

    #[test]
    fn noise_is_no_checkpoint(noise in vec(any::<u8>(), 0..400)) {
        fuzzing::checkpoint(&noise);
        let mut named = noise;
        if named.len() >= 8 {
            named[..8].copy_from_slice(b"MCCK\x01\0\0\0");
        }
        fuzzing::checkpoint(&named);
    }
}

/// `a` and `b` in a block, `c` in the next; one writer; the fold is heading for seq 5.
fn example() -> Folded {
    let header = CheckpointHeader {
        incarnation: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
        hv: 4,
        upto_seq: 3,
        target: 5,
        chain: 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0,
        dedup_from: 2,
    };
    let text = Bytes::from_static;
    let state = State::from([
        (text(b"a"), (1, text(b"1"))),
        (text(b"b"), (3, text(b"2"))),
        (text(b"c"), (2, text(b"3"))),
    ]);
    let writers = vec![LastCommit { writer: 0xaa, wseq: 2, seq: 3 }];
    Folded { header, state, writers, block_bytes: 20 }
}

#[test]
fn no_small_damage_of_a_checkpoint_is_accepted() {
    let folded = example();
    let encoded = folded.encode();
    let (reference, incarnation) = (folded.reference(&encoded), folded.header.incarnation);
    for (what, damaged) in every_small_damage(&encoded.bytes) {
        let decoded = Checkpoint::decode(damaged.clone(), reference, incarnation);
        assert!(decoded.is_err(), "{what}");
        let decoded = Checkpoint::decode_unreferenced(damaged, reference.name, incarnation);
        assert!(decoded.is_err(), "{what}, without a reference");
    }
}

#[test]
fn a_checkpoint_without_a_reference_makes_its_own() {
    let folded = example();
    let encoded = folded.encode();
    let reference = folded.reference(&encoded);
    let incarnation = folded.header.incarnation;
    let found = Checkpoint::decode_unreferenced(encoded.bytes, reference.name, incarnation);
    assert_eq!(found.unwrap().reference, reference);
}

#[test]
fn a_checkpoint_under_another_reference_is_refused() {
    let folded = example();
    let encoded = folded.encode();
    let refused = |change: fn(&mut CheckpointRef, &mut u128)| {
        let (mut reference, mut incarnation) =
            (folded.reference(&encoded), folded.header.incarnation);
        change(&mut reference, &mut incarnation);
        expected(Checkpoint::decode(encoded.bytes.clone(), reference, incarnation))
    };
    assert_eq!(refused(|named, _| named.len += 1), "a checkpoint of the referenced length");
    assert_eq!(refused(|named, _| named.front_len -= 1), "the referenced digest");
    assert_eq!(refused(|named, _| named.front_len = u32::MAX), "a front inside the object");
    assert_eq!(refused(|named, _| named.front_len = 0), "a whole front");
    assert_eq!(refused(|named, _| named.hash ^= 1), "the referenced digest");
    assert_eq!(refused(|named, _| named.name.hv += 1), "the hv of its name");
    assert_eq!(refused(|named, _| named.upto_seq += 1), "the referenced seq");
    assert_eq!(refused(|named, _| named.chain ^= 1), "the referenced chain hash");
    assert_eq!(refused(|_, incarnation| *incarnation += 1), "a checkpoint of this manifest");
}

/// Encodes what no fold makes, and says why it is refused.
fn refused(
    change: impl Fn(&mut CheckpointHeader, &mut Vec<LastCommit>),
    entries: &[(&str, u64)],
    block_bytes: usize,
) -> &'static str {
    let mut folded = example();
    change(&mut folded.header, &mut folded.writers);
    let entries = entries.iter().map(|(key, seq)| (key.as_bytes(), *seq, &b"v"[..]));
    let encoded = encode(folded.header, entries, &folded.writers, block_bytes);
    let reference = folded.reference(&encoded);
    expected(Checkpoint::decode(encoded.bytes, reference, folded.header.incarnation))
}

#[test]
fn a_state_that_no_fold_makes_is_refused() {
    let same = |_: &mut CheckpointHeader, _: &mut Vec<LastCommit>| ();
    assert_eq!(refused(same, &[("b", 1), ("a", 1)], 99), "entries sorted by key");
    assert_eq!(refused(same, &[("a", 1), ("a", 2)], 99), "entries sorted by key");
    assert_eq!(refused(same, &[("b", 1), ("a", 1)], 1), "blocks sorted by key");
    let overlapping = [("a", 1), ("m", 1), ("c", 1), ("n", 1)];
    assert_eq!(refused(same, &overlapping, 30), "blocks that do not overlap");
    assert_eq!(refused(same, &[("a", 0)], 99), "a seq up to the checkpoint's");
    assert_eq!(refused(same, &[("a", 4)], 99), "a seq up to the checkpoint's");
}

#[test]
fn a_header_or_last_commits_that_no_fold_makes_are_refused() {
    let last = |writer, seq| LastCommit { writer, wseq: 1, seq };
    let writers =
        |writers: &[LastCommit]| refused(|_, out| *out = writers.to_vec(), &[("a", 1)], 99);
    assert_eq!(writers(&[last(2, 3), last(1, 3)]), "last commits sorted by writer");
    assert_eq!(writers(&[last(1, 3), last(1, 3)]), "last commits sorted by writer");
    let between = "a last commit between dedup_from and upto_seq";
    assert_eq!(writers(&[last(1, 4)]), between);
    assert_eq!(writers(&[last(1, 1)]), between);
    let behind = refused(|header, _| header.target = 2, &[("a", 1)], 99);
    assert_eq!(behind, "a fold that does not pass its target");
}

/// Counts of 2^32 - 1 would reserve hundreds of gigabytes if they were believed.
#[test]
fn hostile_counts_are_refused_before_anything_is_reserved() {
    let folded = example();
    let bytes = folded.encode().bytes;
    for (at, len, wanted) in [
        (96, 8, "as many entries as fit into the blocks"),
        (104, 4, "a front inside the object"),
        (108, 4, "an index inside the front"),
        (112, 4, "last commits inside the front"),
    ] {
        let mut bytes = bytes.to_vec();
        bytes[at..at + len].fill(0xff);
        fuzzing::seal_checkpoint(&mut bytes);
        let name = ObjectName { hv: 4, uuid: 1 };
        let decoded =
            Checkpoint::decode_unreferenced(bytes.into(), name, folded.header.incarnation);
        assert_eq!(expected(decoded), wanted, "byte {at}");
    }
}

#[test]
fn a_checkpoint_is_the_documented_one() {
    assert_documented("checkpoint", &example().encode().bytes);
}
