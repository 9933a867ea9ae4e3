//! What a pin protects, on a store without a protocol: objects are written and deleted by hand.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sim_storage::model::{Applied, Attributes, Model, Observer, Origin, WriteCondition};
use sim_storage::profile::Profile;
use twox_hash::XxHash3_128;

use super::*;
use crate::systems::manifest::decode::SegmentRef;

const READER: u16 = 1;
const COLLECTOR: u16 = 2;
const SEGMENT: &str = "seg/0000000000000001-0000000000000000000000000000002a";
const PIN: &str = "pin/00000000000000000000000000000001";
/// Roots from here on can be opened without a pin.
const FLOOR: u64 = 9;

/// Shows every change to the objects, and keeps the rules that they break.
#[derive(Clone, Default)]
struct Eye(Arc<Mutex<(Objects, Vec<Rule>)>>);

impl Eye {
    fn objects(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.0.lock().expect("one thread").0);
    }
}

impl Observer for Eye {
    fn applied(&mut self, change: &Applied<'_>) {
        let (objects, broken) = &mut *self.0.lock().expect("one thread");
        let judged = objects.applied(change.text, change, &Directory::default(), FLOOR);
        broken.extend(judged.err().map(|Broken(rule, _)| rule));
    }
}

/// A store in which root 5 was the last to name the one segment.
struct Scene {
    store: Model,
    eye: Eye,
    at_ns: u64,
}

impl Scene {
    fn new() -> Self {
        let (mut store, eye) = (Model::new(Arc::new(Profile::s3())), Eye::default());
        store.watch(Box::new(eye.clone()));
        let mut scene = Scene { store, eye, at_ns: 0 };
        scene.put(COLLECTOR, SEGMENT, b"records".to_vec());
        let (_, name) = ObjectName::parse(SEGMENT).expect("the name of a segment");
        let segment = SegmentRef { name, first: 1, last: 1, len: 7, hash: 0, chain_end: 0 };
        let before = Directory { segments: vec![segment], ..Directory::default() };
        scene.eye.objects(|objects| objects.renamed(&before, &Directory::default(), 5));
        scene
    }

    fn origin(&mut self, process: u16) -> Origin {
        self.at_ns += 1;
        Origin { request: self.at_ns, process, at: self.at_ns, clock: self.at_ns }
    }

    fn put(&mut self, process: u16, name: &str, body: Vec<u8>) {
        let (by, name) = (self.origin(process), self.store.name(name));
        let body = Bytes::from(body);
        let put = self.store.put(by, name, body, Attributes::default(), &WriteCondition::None);
        put.expect("nothing is in the way");
    }

    /// Deletes an object and returns the rules that were broken so far.
    fn delete(&mut self, process: u16, name: &str) -> Vec<Rule> {
        let (by, name) = (self.origin(process), self.store.name(name));
        self.store.delete(by, name).expect("it is there");
        self.eye.0.lock().expect("one thread").1.clone()
    }
}

/// A pin for roots from `version` on, that lives for a second.
fn pin(version: u64, counter: u64) -> Vec<u8> {
    let mut body = b"MCPN".to_vec();
    body.resize(48, 0);
    for field in [version, counter, 1000] {
        body.extend_from_slice(&field.to_le_bytes());
    }
    let digest = XxHash3_128::oneshot(&body);
    body.extend_from_slice(&digest.to_le_bytes());
    body
}

#[test]
fn a_segment_that_nobody_needs_may_go() {
    assert_eq!(Scene::new().delete(COLLECTOR, SEGMENT), []);
}

#[test]
fn a_pin_keeps_what_its_roots_name_until_its_reader_lets_go() {
    let pinned = || {
        let mut scene = Scene::new();
        // Written in time: when roots from 3 on could be opened still.
        let live = LivePin {
            guard: Guard::From(3),
            until_ns: 900_000_000,
            given_up_ns: 1_000_000_000,
            counter: 1,
            process: READER,
        };
        scene.eye.objects(|objects| {
            objects.pins.insert(PIN.to_owned(), live);
        });
        scene.put(READER, PIN, pin(3, 2));
        scene
    };
    assert_eq!(pinned().delete(COLLECTOR, SEGMENT), [Rule::PinsHold]);

    let mut let_go = pinned();
    assert_eq!(let_go.delete(READER, PIN), []);
    assert_eq!(let_go.delete(COLLECTOR, SEGMENT), []);

    // It was let go, and one of its earlier PUTs lands only now.
    for late in [1, 2] {
        let mut returned = pinned();
        assert_eq!(returned.delete(READER, PIN), []);
        returned.put(READER, PIN, pin(3, late));
        assert_eq!(returned.delete(COLLECTOR, SEGMENT), [], "renewal {late}");
    }

    // A renewal that broke off: nobody can read it, and its reader counts on the one before.
    let mut torn = pinned();
    torn.put(READER, PIN, pin(3, 3)[..40].to_vec());
    assert_eq!(torn.delete(COLLECTOR, SEGMENT), [Rule::PinsHold]);
}
