//! The model against a reference so simple that it can be believed: one ordered map, and listings
//! by filtering all of it. Random sequences of all operations, under every profile and with pages
//! of a few names, must agree step by step; and the observer's events alone must rebuild the state.

mod reference;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use sim_storage::model::{
    Attributes, ByteRange, ListRequest, Model, Origin, Page, Part, ReadConditions, ReadRequest,
    Refusal, Tag, TagMatch, WriteCondition, Written,
};
use sim_storage::profile::{CopiedTag, MissingMatch, Profile, UpdateCondition};

use reference::{Basis, NAMES, Pair, Step, body};

fn basis() -> impl Strategy<Value = Basis> {
    prop_oneof![
        2 => Just(Basis::Anything),
        1 => Just(Basis::Absence),
        2 => Just(Basis::Newest),
        1 => (0..20_usize).prop_map(Basis::Earlier),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Whole),
        Just(Part::Head),
        (0..6_u64, 0..6_u64).prop_map(|(a, b)| Part::Range(ByteRange::Bounded(a, b))),
        (0..6_u64).prop_map(|a| Part::Range(ByteRange::From(a))),
        (0..6_u64).prop_map(|a| Part::Range(ByteRange::Last(a))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => (name(), 0..4_u8, basis()).prop_map(|(n, b, c)| Step::Put(n, b, c)),
        3 => (name(), part()).prop_map(|(n, p)| Step::Read(n, p)),
        1 => name().prop_map(Step::ReadIfNoneMatch),
        1 => (name(), 0..20_usize).prop_map(|(n, w)| Step::ReadIfMatch(n, w)),
        2 => name().prop_map(Step::Delete),
        1 => (name(), name(), basis()).prop_map(|(a, b, c)| Step::Copy(a, b, c)),
        1 => (name(), name()).prop_map(|(a, b)| Step::Rename(a, b)),
        2 => (prop::sample::select(vec!["", "a/", "a/b/", "b", "q"]), prop::option::of(name()), any::<bool>())
            .prop_map(|(prefix, after, delimiter)| Step::List { prefix, after, delimiter }),
        1 => name().prop_map(Step::Begin),
        2 => (0..4_usize, 0..3_u32, any::<u8>()).prop_map(|(u, n, b)| Step::PutPart(u, n, b)),
        2 => (0..4_usize, 0..3_u32, basis()).prop_map(|(u, n, c)| Step::Complete(u, n, c)),
        1 => (0..4_usize).prop_map(Step::Abort),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_profile_agrees_with_the_reference(
        which in 0..Profile::all().len(),
        updates in prop::sample::select(vec![true, true, true, false]),
        page_size in 1..4_u32,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut profile = Profile { page_size, ..Profile::all()[which].clone() };
        if !updates {
            profile.update = UpdateCondition::Unsupported;
        }
        let mut pair = Pair::new(profile);
        for step in &steps {
            pair.step(step);
        }
        pair.finish();
    }
}

/// An object with three versions, one second apart, under a store that keeps all of them.
fn three_versions(profile: Profile) -> (Model, sim_storage::model::NameId, Vec<Written>) {
    let mut model = Model::new(Arc::new(profile));
    let name = model.name("k");
    let written = (0..3_u8).map(|n| {
        let by = Origin {
            request: 0,
            process: 0,
            at: u64::from(n) * 1_000_000_000,
            clock: u64::from(n) * 1_000_000_000,
        };
        let body = Bytes::from(vec![n]);
        model.put(by, name, body, Attributes::default(), &WriteCondition::None).unwrap()
    });
    let written = written.collect();
    (model, name, written)
}

#[test]
fn kept_versions_can_be_read_by_their_generation() {
    let profile = Profile { version_ids: sim_storage::profile::VersionIds::Kept, ..Profile::s3() };
    let (mut model, name, written) = three_versions(profile);
    let by = Origin { request: 0, process: 0, at: 9_000_000_000, clock: 9_000_000_000 };
    model.delete(by, name).unwrap();
    for (n, written) in written.iter().enumerate() {
        let request = ReadRequest { version: Some(written.generation), ..Default::default() };
        assert_eq!(model.read(by, name, &request).unwrap().body()[0], n as u8);
    }
    let current = model.read(by, name, &ReadRequest::default());
    assert_eq!(current.unwrap_err(), Refusal::NotFound);
}

#[test]
fn an_eventual_store_remembers_what_a_stale_read_may_show() {
    let (mut model, name, _) = three_versions(Profile::eventual());
    let by = Origin { request: 0, process: 0, at: 2_000_000_000, clock: 2_000_000_000 };
    for (time, seen) in [(0, 0), (999_999_999, 0), (1_000_000_000, 1), (2_000_000_000, 2)] {
        let read = model.read_as_of(by, name, &ReadRequest::default(), time).unwrap();
        assert_eq!(read.body()[0], seen, "as of {time}");
    }
}

#[test]
fn a_name_put_ahead_of_the_cursor_is_seen_and_one_behind_is_not() {
    let mut model = Model::new(Arc::new(Profile { page_size: 2, ..Profile::s3() }));
    let by = Origin { request: 0, process: 0, at: 0, clock: 0 };
    let put = |model: &mut Model, text: &str| {
        let name = model.name(text);
        let body = Bytes::from_static(b"x");
        model.put(by, name, body, Attributes::default(), &WriteCondition::None).unwrap();
    };
    ["b", "d", "f"].iter().for_each(|text| put(&mut model, text));
    let mut page = Page::default();
    model.list(&ListRequest::default(), &mut page);
    let cursor = page.next;
    ["a", "c", "e", "g"].iter().for_each(|text| put(&mut model, text));
    model.list(&ListRequest { cursor, ..Default::default() }, &mut page);
    let second: Vec<_> = page.objects.iter().map(|&id| model.text(id)).collect();
    assert_eq!(second, ["e", "f"]);
}

#[test]
fn a_reset_model_is_a_new_one() {
    let run = |model: &mut Model| {
        let name = model.name("x");
        let by = Origin { request: 0, process: 0, at: 5, clock: 5 };
        let put = model.put(by, name, body(3), Attributes::default(), &WriteCondition::Absent);
        (name, put.unwrap())
    };
    let fresh = run(&mut Model::new(Arc::new(Profile::gcs())));
    let (mut used, ..) = three_versions(Profile::eventual());
    used.reset(Arc::new(Profile::gcs()));
    assert_eq!(used.objects().count(), 0);
    assert_eq!(run(&mut used), fresh);
}

/// A model with an object `a` made from one part, a copy of it, and an object `b` of the same bytes
/// made by one PUT; with the tags of the three.
fn copied(profile: Profile) -> [Tag; 3] {
    let mut model = Model::new(Arc::new(profile));
    let (a, b, copy) = (model.name("a"), model.name("b"), model.name("copy"));
    let by = Origin { request: 0, process: 0, at: 1, clock: 1 };
    let (none, body) = (WriteCondition::None, Bytes::from_static(b"part"));
    let upload = model.begin_upload(by, a, Attributes::default());
    model.put_part(upload, 0, body.clone()).unwrap();
    let a = (a, model.complete_upload(by, upload, 1, &none).unwrap().tag);
    let b = model.put(by, b, body, Attributes::default(), &none).unwrap().tag;
    [a.1, b, model.copy(by, a.0, copy, &none).unwrap().tag]
}

#[test]
fn a_copy_has_the_tag_of_its_bytes_unless_a_store_keeps_that_of_the_source() {
    let [parts, whole, copy] = copied(Profile::s3());
    assert!(parts != whole && copy == whole);
    let [parts, whole, copy] = copied(Profile { copied_tag: CopiedTag::OfSource, ..Profile::s3() });
    assert!(parts != whole && copy == parts);
    let [parts, whole, copy] =
        copied(Profile { copied_tag: CopiedTag::OfSource, ..Profile::azure() });
    assert!(parts != whole && copy != whole && copy != parts, "where tags are unique, they are");
}

#[test]
fn a_match_on_nothing_is_404_or_412() {
    let read = |profile| {
        let mut model = Model::new(Arc::new(profile));
        let name = model.name("k");
        let matches = Some(TagMatch::One(Tag::of_content(b"x")));
        let conditions = ReadConditions { matches, ..Default::default() };
        let by = Origin { request: 0, process: 0, at: 1, clock: 1 };
        model.read(by, name, &ReadRequest { conditions, ..Default::default() }).unwrap_err()
    };
    assert_eq!(read(Profile::azure()), Refusal::NotFound);
    let missing_match = MissingMatch::PreconditionFailed;
    assert_eq!(read(Profile { missing_match, ..Profile::azure() }), Refusal::PreconditionFailed);
}
