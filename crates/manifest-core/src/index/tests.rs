//! The index against a model that keeps every state there ever was.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Bytes, Entry>;

#[derive(Debug, Clone)]
enum Action {
    Commit(Vec<Op>),
    Acquire,
    Release(prop::sample::Index),
}

fn key() -> impl Strategy<Value = Bytes> {
    (b'a'..=b'f').prop_map(|byte| Bytes::from(vec![byte]))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, v)| Op::Put { key, value: vec![v].into() }),
        2 => key().prop_map(|key| Op::Delete { key }),
        1 => (key(), proptest::option::of(key())).prop_map(|(start, end)| {
            let end = end.filter(|end| start < *end);
            Op::DeleteRange { start, end }
        }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => vec(op(), 0..4).prop_map(Action::Commit),
        2 => Just(Action::Acquire),
        2 => any::<prop::sample::Index>().prop_map(Action::Release),
    ]
}

fn apply(model: &mut Model, op: &Op, seq: u64) {
    match op {
        Op::Put { key, value } => {
            model.insert(key.clone(), Entry { value: value.clone(), seq });
        }
        Op::Delete { key } => {
            model.remove(key);
        }
        Op::DeleteRange { start, end } => {
            let range = KeyRange { start: start.clone(), end: end.clone() };
            model.retain(|key, _| !range.contains(key));
        }
    }
}

/// What the index shows at `at`.
fn shown(index: &Index, at: u64) -> Model {
    index.scan(&KeyRange::from(..), at).map(|(key, entry)| (key.clone(), entry)).collect()
}

proptest! {
    #[test]
    fn live_snapshots_see_their_state_and_all_changes_since(actions in vec(action(), 0..40)) {
        let mut index = Index::default();
        let mut states = vec![Model::new()];
        let mut live: Vec<u64> = Vec::new();
        for action in actions {
            let seq = states.len() as u64;
            match action {
                Action::Commit(ops) => {
                    let mut model = states[states.len() - 1].clone();
                    for op in &ops {
                        index.apply(op.clone(), seq);
                        apply(&mut model, op, seq);
                    }
                    states.push(model);
                }
                Action::Acquire => {
                    index.acquire(seq - 1);
                    live.push(seq - 1);
                }
                Action::Release(which) => {
                    if !live.is_empty() {
                        index.release(live.swap_remove(which.index(live.len())));
                    }
                }
            }
            let newest = states.len() as u64 - 1;
            prop_assert_eq!(&shown(&index, newest), &states[newest as usize]);
            for at in &live {
                let base = &states[*at as usize];
                prop_assert_eq!(&shown(&index, *at), base);
                for byte in b'a'..=b'f' {
                    let key = Bytes::from(vec![byte]);
                    prop_assert_eq!(index.get(&key, *at), base.get(&key).cloned());
                    // A change that is visible in the newest state must be reported.
                    let now = states[newest as usize].get(&key);
                    if now != base.get(&key) {
                        prop_assert!(index.changed_since(&key, *at).is_some());
                    }
                    // And what never changed since must not be.
                    let after = &states[*at as usize..];
                    if after.iter().all(|state| state.get(&key).is_none()) && !index.keys.contains_key(&key) {
                        prop_assert!(index.changed_since(&key, *at).is_none());
                    }
                }
            }
        }
        for at in live {
            index.release(at);
        }
        // Without readers nothing is left but the newest values.
        let newest = states.len() - 1;
        prop_assert_eq!(index.version_count(), states[newest].len());
        prop_assert!(index.outdated.is_empty());
    }
}

#[test]
fn a_long_lived_snapshot_keeps_one_version_not_all() {
    let mut index = Index::default();
    let put = |n: u64| Op::Put { key: "k".into(), value: n.to_string().into() };
    index.apply(put(1), 1);
    index.acquire(1);
    for seq in 2..100 {
        index.apply(put(seq), seq);
    }
    assert_eq!(index.version_count(), 2);
    assert_eq!(index.get(b"k", 1).unwrap().value, "1");
    index.release(1);
    assert_eq!(index.version_count(), 1);
}

#[test]
fn deleting_what_is_absent_leaves_nothing() {
    let mut index = Index::default();
    index.acquire(0);
    index.apply(Op::Delete { key: "k".into() }, 1);
    index.apply(Op::DeleteRange { start: Bytes::new(), end: None }, 2);
    assert_eq!(index.version_count(), 0);
    assert_eq!(index.changed_since(b"k", 0), None);
}
