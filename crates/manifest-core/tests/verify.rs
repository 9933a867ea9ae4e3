//! Verification: every kind of damage and of garbage is made on purpose, and found by its name.

mod common;
#[path = "verify/hiding.rs"]
mod hiding;

use std::sync::Arc;

use bytes::Bytes;
use common::{Fault, Kind, TestEnv, TestStore, create, open, put, small};
use futures_util::TryStreamExt;
use hiding::{Bodies, Hiding, Listing};
use manifest_core::verify::{Depth, GarbageKind, Options, Report, Standing, Verdict};
use manifest_core::{Compaction, Error, Floor, Manifest, verify};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use twox_hash::XxHash3_128;

/// Where things are in a head, a pin and a record (docs/protocol.md, 1.3, 1.5, 1.9).
mod at {
    pub(super) const PREV_DIGEST: usize = 48;
    pub(super) const CHAIN: usize = 64;
    pub(super) const VERSION: usize = 80;
    pub(super) const NEXT_SEQ: usize = 88;
    pub(super) const GATE: usize = 96;
    pub(super) const FLOOR: usize = 104;
    pub(super) const TAIL_LEN: usize = 112;
    pub(super) const TAIL_COUNT: usize = 116;
    pub(super) const DIRECTORY: usize = 136;
}

async fn paths(store: &TestStore, folder: &str) -> Vec<Path> {
    let all: Vec<_> = store.inner.list(Some(&Path::from(folder))).try_collect().await.unwrap();
    all.into_iter().map(|meta| meta.location).collect()
}

async fn body(store: &TestStore, path: &Path) -> Bytes {
    store.inner.get(path).await.unwrap().bytes().await.unwrap()
}

async fn overwrite(store: &TestStore, path: &Path, body: impl Into<Bytes>) {
    store.inner.put(path, PutPayload::from(body.into())).await.unwrap();
}

async fn look_with(store: &Arc<TestStore>, options: Options) -> Result<Report, Error> {
    verify(store.clone(), Path::from(common::PREFIX), TestEnv::new(77), options).await
}

async fn look(store: &Arc<TestStore>) -> Report {
    look_with(store, Options::default()).await.expect("a report")
}

/// Publishes `count` more segments.
async fn add_segments(manifest: &Manifest, count: usize) {
    let goal = manifest.head_info().segments + count;
    for number in 0.. {
        if manifest.head_info().segments == goal {
            return;
        }
        let key = format!("key {}", number % 9);
        put(manifest, &key, &format!("value {number}")).commit().await.unwrap();
        manifest.maintain().await.unwrap();
    }
}

/// A checkpoint, two segments, some records inline, nothing that nobody needs.
async fn example() -> (Arc<TestStore>, Manifest) {
    let store = TestStore::new();
    let manifest = create(&store).await;
    add_segments(&manifest, 2).await;
    let mut compactor = manifest.compactor().await.unwrap();
    assert!(matches!(compactor.checkpoint().await.unwrap(), Compaction::Checkpointed { .. }));
    let mut collector = manifest.collector();
    collector.pass(Floor::ThisPass).await.unwrap();
    collector.pass(Floor::ThisPass).await.unwrap();
    add_segments(&manifest, 2).await;
    put(&manifest, "inline", "v").commit().await.unwrap();
    assert_eq!(manifest.head_info().retired, 0);
    (store, manifest)
}

fn head() -> Path {
    Path::from("db/head")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn set<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Changes the head and gives it the digest that fits: damage that only its rules tell.
async fn forge_head(store: &TestStore, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = body(store, &head()).await.to_vec();
    bytes.truncate(bytes.len() - 16);
    change(&mut bytes);
    let len = bytes.len() as u32 + 16;
    set(&mut bytes, 8, len.to_le_bytes());
    let tail_offset = u32_at(&bytes, 12) as usize;
    let digest = XxHash3_128::oneshot(&bytes[..tail_offset]);
    bytes.extend_from_slice(&digest.to_le_bytes());
    overwrite(store, &head(), bytes).await;
}

fn pin_bytes(incarnation: u128, process: u128, version: u64, ttl_ms: u64) -> Vec<u8> {
    let mut out = b"MCPN\x01\0\0\0\x58\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&incarnation.to_le_bytes());
    out.extend_from_slice(&process.to_le_bytes());
    for number in [version, 1, ttl_ms] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let digest = XxHash3_128::oneshot(&out);
    out.extend_from_slice(&digest.to_le_bytes());
    out
}

/// The one thing that is broken.
fn only_breach(report: &Report) -> (&str, &str) {
    assert_eq!(report.verdict(), Verdict::Broken, "{report}");
    assert_eq!(report.broken.len(), 1, "{report}");
    (&report.broken[0].object, &report.broken[0].expected)
}

fn kinds(report: &Report) -> Vec<(&str, GarbageKind)> {
    report.garbage.iter().map(|found| (&found.object[..], found.kind)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sound_manifest_is_clean_and_costs_what_opening_it_costs() {
    let (store, manifest) = example().await;
    store.take_log();
    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    assert_eq!(kinds(&report), []);
    assert_eq!(store.counts(), (0, 4), "the head, the checkpoint, two segments; nothing written");

    let summary = report.summary.expect("there is a head");
    let info = manifest.head_info();
    assert_eq!((summary.version, summary.seq), (info.version, info.seq));
    assert_eq!((summary.segments, summary.checkpoint_seq), (2, info.checkpoint_seq));
    assert_eq!(summary.roles, [(String::from("compactor"), 1)]);
    let env = TestEnv::new(5);
    Manifest::open(store.clone(), Path::from("db"), env, small()).await.unwrap();
    let opened = store.take_log();
    assert_eq!((summary.open.requests as usize, summary.open.rounds), (opened.len(), 2));
    let mut bytes = 0;
    for (_, path) in opened {
        bytes += body(&store, &Path::from(path)).await.len() as u64;
    }
    assert_eq!(summary.open.bytes, bytes);
}

#[tokio::test(start_paused = true)]
async fn a_new_manifest_is_clean_and_opens_in_one_round() {
    let store = TestStore::new();
    create(&store).await;
    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    let open = report.summary.expect("there is a head").open;
    assert_eq!((open.requests, open.rounds), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_there_is_no_manifest() {
    let store = TestStore::new();
    let error = look_with(&store, Options::default()).await.expect_err("nothing is there");
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    overwrite(&store, &Path::from("db/notes.txt"), "not ours").await;
    let error = look_with(&store, Options::default()).await.expect_err("nothing of a manifest");
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn every_damaged_body_is_reported_by_its_name_and_the_rest_is_still_read() {
    let (store, _) = example().await;
    let mut objects = paths(&store, "db/seg").await;
    objects.extend(paths(&store, "db/ckpt").await);
    assert_eq!(objects.len(), 3);
    for object in &objects {
        let good = body(&store, object).await;
        let mut flipped = good.to_vec();
        flipped[good.len() / 2] ^= 1;
        let other = objects.iter().find(|it| *it != object).unwrap();
        let swapped = body(&store, other).await;
        for bad in [flipped.into(), good.slice(..good.len() - 1), swapped, Bytes::new()] {
            overwrite(&store, object, bad).await;
            let report = look(&store).await;
            assert_eq!(only_breach(&report).0, object.as_ref(), "{report}");
        }
        store.inner.delete(object).await.unwrap();
        let report = look(&store).await;
        assert_eq!(only_breach(&report), (object.as_ref(), "an object that the head names"));
        overwrite(&store, object, good).await;
    }
    for object in &objects {
        overwrite(&store, object, "nonsense").await;
    }
    assert_eq!(look(&store).await.broken.len(), 3, "it goes on after the first damage");
}

#[tokio::test(start_paused = true)]
async fn without_a_head_each_object_is_still_verified_by_itself() {
    let (store, _) = example().await;
    let good = body(&store, &head()).await;
    let mut flipped = good.to_vec();
    flipped[70] ^= 1;
    overwrite(&store, &head(), flipped).await;
    let report = look(&store).await;
    assert_eq!(only_breach(&report), ("db/head", "a head that matches its digest"));
    assert_eq!((report.unjudged, report.summary.is_none()), (3, true), "{report}");

    store.inner.delete(&head()).await.unwrap();
    let report = look(&store).await;
    assert_eq!(only_breach(&report), ("db/head", "a head"));

    let segment = paths(&store, "db/seg").await.remove(0);
    let checkpoint = paths(&store, "db/ckpt").await.remove(0);
    for path in [&segment, &checkpoint] {
        let mut bytes = body(&store, path).await.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        overwrite(&store, path, bytes).await;
    }
    let report = look(&store).await;
    let broken: Vec<_> = report.broken.iter().map(|it| &it.object[..]).collect();
    assert_eq!(broken, ["db/head", checkpoint.as_ref(), segment.as_ref()]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_breaks_a_rule_of_the_protocol_is_found_though_its_digest_fits() {
    type Forgery = fn(&mut Vec<u8>);
    let cases: [(&str, Forgery); 8] = [
        ("a gate that is no version to come", |bytes| {
            let version = u64_at(bytes, at::VERSION);
            set(bytes, at::GATE, (version + 1).to_le_bytes());
        }),
        ("a floor not above the gate", |bytes| {
            let gate = u64_at(bytes, at::GATE);
            set(bytes, at::FLOOR, (gate + 1).to_le_bytes());
        }),
        ("the digest of the head before it, and none before the first", |bytes| {
            set(bytes, at::PREV_DIGEST, 0u128.to_le_bytes());
        }),
        ("versions and seqs that somebody could have counted to", |bytes| {
            set(bytes, at::VERSION, (u64::MAX - 1).to_le_bytes());
        }),
        ("a record with a matching CRC", |bytes| {
            let last = bytes.len() - 5;
            bytes[last] ^= 1;
        }),
        ("a tail that ends at the head's chain hash and seq", |bytes| {
            bytes[at::CHAIN] ^= 1;
        }),
        ("names that were chosen under an earlier head", |bytes| {
            // The checkpoint's name: its object is missing then, too.
            let version = u64_at(bytes, at::VERSION);
            set(bytes, at::DIRECTORY, version.to_le_bytes());
        }),
        ("roles with short names and epochs from 1", |bytes| {
            let role = u32_at(bytes, 12) as usize - 24;
            set(bytes, role, 0u64.to_le_bytes());
        }),
    ];
    for (expected, forgery) in cases {
        let (store, _) = example().await;
        assert_eq!(look(&store).await.verdict(), Verdict::Clean);
        forge_head(&store, forgery).await;
        let report = look(&store).await;
        let found =
            report.broken.iter().any(|it| it.object == "db/head" && it.expected == expected);
        assert!(found, "{expected}: {report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_retired_twice_or_in_use_or_too_early_is_found() {
    let (store, manifest) = example().await;
    let mut compactor = manifest.compactor().await.unwrap();
    assert!(matches!(compactor.merge().await.unwrap(), Compaction::Merged { .. }));
    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    let sound = body(&store, &head()).await;

    // Two names are retired: the last 66 bytes of the directory.
    type Forgery = fn(&mut Vec<u8>, usize);
    let cases: [(&str, Forgery); 3] = [
        ("each name once, in use or retired", |bytes, end| {
            let first = bytes[end - 66..end - 33].to_vec();
            bytes[end - 33..end].copy_from_slice(&first);
        }),
        ("each name once, in use or retired", |bytes, end| {
            // The merged segment's name stands behind the checkpoint.
            let name = bytes[at::DIRECTORY + 76..at::DIRECTORY + 100].to_vec();
            bytes[end - 32..end - 8].copy_from_slice(&name);
        }),
        ("names retired in order, by heads after their own", |bytes, end| {
            set(bytes, end - 8, 1u64.to_le_bytes());
        }),
    ];
    for (expected, forgery) in cases {
        overwrite(&store, &head(), sound.clone()).await;
        forge_head(&store, |bytes| {
            let end = u32_at(bytes, 12) as usize;
            forgery(bytes, end);
        })
        .await;
        let report = look(&store).await;
        assert!(report.broken.iter().any(|it| it.expected == expected), "{expected}: {report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_in_the_history_twice_is_found() {
    let store = TestStore::new();
    let manifest = create(&store).await;
    put(&manifest, "k", "v").commit().await.unwrap();
    forge_head(&store, |bytes| {
        let tail_offset = u32_at(bytes, 12) as usize;
        let first = bytes[tail_offset..].to_vec();
        let mut again = first.clone();
        set(&mut again, 0, XxHash3_128::oneshot(&first).to_le_bytes());
        set(&mut again, 24, 2u64.to_le_bytes());
        let end = again.len() - 4;
        let crc = crc32c::crc32c(&again[..end]);
        set(&mut again, end, crc.to_le_bytes());
        set(bytes, at::CHAIN, XxHash3_128::oneshot(&again).to_le_bytes());
        set(bytes, at::NEXT_SEQ, 3u64.to_le_bytes());
        set(bytes, at::TAIL_COUNT, 2u32.to_le_bytes());
        bytes.extend_from_slice(&again);
        let len = (bytes.len() - tail_offset) as u32;
        set(bytes, at::TAIL_LEN, len.to_le_bytes());
    })
    .await;
    let report = look(&store).await;
    assert_eq!(only_breach(&report), ("db/head", "each commit id once and in order"));
}

#[tokio::test(start_paused = true)]
async fn pins_are_shown_and_damaged_ones_are_broken() {
    let (store, manifest) = example().await;
    let reader = open(&store, 5).await;
    let _session = reader.session().await.unwrap();
    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    assert_eq!(report.pins.len(), 1);
    let pin = &report.pins[0];
    assert_eq!((pin.version, pin.standing), (manifest.head_info().version, Standing::Fresh));

    let path = Path::from(&pin.object[..]);
    let good = body(&store, &path).await;
    let incarnation = manifest.head_info().incarnation;
    overwrite(&store, &path, pin_bytes(incarnation, 5, 1, 60_000)).await;
    let report = look(&store).await;
    assert_eq!(only_breach(&report), (path.as_ref(), "a pin of the process in its name"));
    overwrite(&store, &path, good.slice(..80)).await;
    assert_eq!(only_breach(&look(&store).await).0, path.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_hostile_time_to_live_is_only_a_long_one() {
    let (store, manifest) = example().await;
    let incarnation = manifest.head_info().incarnation;
    let path = Path::from(format!("db/pin/{:032x}", 5));
    overwrite(&store, &path, pin_bytes(incarnation, 5, 1, u64::MAX)).await;
    assert_eq!(look(&store).await.pins[0].standing, Standing::Fresh);
}

#[tokio::test(start_paused = true)]
async fn garbage_is_told_by_kind_and_is_no_damage() {
    let (store, manifest) = example().await;
    let info = manifest.head_info();
    let name = |kind: &str, hv: u64, uuid: u128| format!("db/{kind}/{hv:016x}-{uuid:032x}");
    let (stale, foreign) = (format!("db/pin/{:032x}", 1), format!("db/pin/{:032x}", 2));
    let probe = format!("db/probe/{:032x}", 3);
    let other_text = ["db/seg/notes", "db/readme.txt", "db/pin/short", "db/head/below"];
    overwrite(&store, &Path::from(&stale[..]), pin_bytes(info.incarnation, 1, 2, 0)).await;
    overwrite(&store, &Path::from(&foreign[..]), pin_bytes(7, 2, 2, 60_000)).await;
    let below = [name("seg", info.gate - 1, 1), name("ckpt", info.gate - 1, 2)];
    let above = [name("seg", info.gate, 1), name("ckpt", info.version, 2)];
    for path in below.iter().chain(&above).chain([&probe]) {
        overwrite(&store, &Path::from(&path[..]), "left behind").await;
    }
    for path in other_text {
        overwrite(&store, &Path::from(path), "whatever").await;
    }

    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    let mut found = kinds(&report);
    found.sort();
    let mut expected = vec![
        (&stale[..], GarbageKind::StalePin),
        (&foreign, GarbageKind::ForeignPin),
        (&probe, GarbageKind::Probe),
    ];
    expected.extend(below.iter().map(|path| (&path[..], GarbageKind::Orphan)));
    expected.extend(above.iter().map(|path| (&path[..], GarbageKind::Unpublished)));
    expected.extend(other_text.map(|path| (path, GarbageKind::Foreign)));
    expected.sort();
    assert_eq!(found, expected);

    // What is told to be an orphan is what a pass deletes.
    let pass = manifest.collector().pass(Floor::ThisPass).await.unwrap();
    assert_eq!(pass.orphans, below.len() + above.len());
    let left = look(&store).await;
    assert!(!kinds(&left).iter().any(|(_, kind)| *kind == GarbageKind::Orphan), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_retired_name_waits_or_is_pinned_or_is_gone() {
    let (store, manifest) = example().await;
    let reader = open(&store, 5).await;
    let session = reader.session().await.unwrap();
    let mut compactor = manifest.compactor().await.unwrap();
    assert!(matches!(compactor.checkpoint().await.unwrap(), Compaction::Checkpointed { .. }));
    let at_version = manifest.head_info().version;
    let all = |report: &Report, kind| kinds(report).iter().filter(|it| it.1 == kind).count();

    let report = look(&store).await;
    let pinned = GarbageKind::RetiredAndPinned { at_version };
    assert_eq!((report.verdict(), all(&report, pinned)), (Verdict::Clean, 3), "{report}");
    drop(session);
    reader.renew_pin().await.unwrap();
    let report = look(&store).await;
    assert_eq!(all(&report, GarbageKind::Retired { at_version }), 3, "{report}");
    manifest.collector().pass(Floor::ThisPass).await.unwrap();
    let report = look(&store).await;
    assert_eq!(all(&report, GarbageKind::RetiredAndGone { at_version }), 3, "{report}");
    assert_eq!(report.verdict(), Verdict::Clean);
}

#[tokio::test(start_paused = true)]
async fn sizes_alone_tell_what_is_missing_or_cut_and_cost_one_get() {
    let (store, _) = example().await;
    let quick = Options { depth: Depth::Sizes, ..Options::default() };
    let segment = paths(&store, "db/seg").await.remove(0);
    let good = body(&store, &segment).await;
    store.take_log();
    let report = look_with(&store, quick.clone()).await.unwrap();
    assert_eq!((report.verdict(), store.counts()), (Verdict::Clean, (0, 1)), "{report}");

    overwrite(&store, &segment, good.slice(1..)).await;
    let report = look_with(&store, quick.clone()).await.unwrap();
    assert_eq!(only_breach(&report), (segment.as_ref(), "an object of the referenced length"));
    store.inner.delete(&segment).await.unwrap();
    let report = look_with(&store, quick).await.unwrap();
    assert_eq!(only_breach(&report), (segment.as_ref(), "an object that the head names"));
}

#[tokio::test(start_paused = true)]
async fn damage_on_the_way_is_read_again_and_not_reported() {
    let (store, _) = example().await;
    for (part, fault) in [
        ("head", Fault::FlipBit),
        ("seg", Fault::FlipBit),
        ("seg", Fault::Cut),
        ("ckpt", Fault::Lack),
        ("ckpt", Fault::Lose),
    ] {
        store.fault(Kind::Get, part, fault);
    }
    let report = look(&store).await;
    assert_eq!((report.verdict(), store.faults_left()), (Verdict::Clean, 0), "{report}");
}

#[tokio::test(start_paused = true)]
async fn without_any_time_damage_is_still_told_from_damage_on_the_way() {
    let (store, _) = example().await;
    let hasty = Options { deadline: std::time::Duration::ZERO, ..Options::default() };
    store.fault(Kind::Get, "seg", Fault::FlipBit);
    let report = look_with(&store, hasty.clone()).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    let segment = paths(&store, "db/seg").await.remove(0);
    store.inner.delete(&segment).await.unwrap();
    let report = look_with(&store, hasty).await.unwrap();
    assert_eq!(only_breach(&report), (segment.as_ref(), "an object that the head names"));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_say_makes_the_report_incomplete() {
    let (store, _) = example().await;
    for _ in 0..1000 {
        store.fault(Kind::Get, "ckpt", Fault::Lose);
    }
    let report = look(&store).await;
    assert_eq!(report.verdict(), Verdict::Incomplete, "{report}");
    assert!(report.unread[0].object.starts_with("db/ckpt/"));
    assert!(report.unread[0].why.contains("connection reset"), "{report}");
    store.clear_faults();
    for _ in 0..1000 {
        store.fault(Kind::Get, "head", Fault::Lose);
    }
    let report = look(&store).await;
    assert_eq!((report.verdict(), report.unjudged), (Verdict::Incomplete, 3), "{report}");
    assert_eq!(report.unread[0].object, "db/head");
    assert!(report.unread[0].source.is_some(), "for those who know the store's own errors");

    let refusing = Hiding { listing: Listing::Fails, ..Hiding::new(store.inner.fork()) };
    let report = verify(Arc::new(refusing), Path::from("db"), TestEnv::new(3), Options::default());
    let report = report.await.unwrap();
    assert_eq!(report.verdict(), Verdict::Incomplete, "{report}");
    assert_eq!(report.unread[0].object, "db", "the listing; all that the head names was read");
    let silent = Hiding { bodies: Bodies::Fail, listing: Listing::Fails, ..Hiding::default() };
    let error = verify(Arc::new(silent), Path::from("db"), TestEnv::new(3), Options::default());
    let error = error.await.expect_err("neither the head nor a listing");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn beside_a_compactor_and_a_collector_it_looks_again() {
    let (store, manifest) = example().await;
    let gate = Arc::new(tokio::sync::Notify::new());
    store.fault(Kind::Get, "ckpt", Fault::Hold(gate.clone()));
    let interfere = async {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let mut compactor = manifest.compactor().await.unwrap();
        // Folding reads the checkpoint too, without being held: the rule is used up.
        compactor.checkpoint().await.unwrap();
        manifest.collector().pass(Floor::ThisPass).await.unwrap();
        gate.notify_waiters();
    };
    let (report, ()) = tokio::join!(look(&store), interfere);
    assert_eq!(report.verdict(), Verdict::Clean, "{report}");
    let summary = report.summary.expect("there is a head");
    assert_eq!(summary.version, manifest.head_info().version, "it began again on the newest head");
}

/// Every byte of every object, changed, and every object cut at every length: never a panic, and
/// never a clean report.
#[tokio::test(start_paused = true)]
async fn no_change_of_any_byte_goes_unnoticed() {
    let (store, manifest) = example().await;
    let reader = open(&store, 5).await;
    let _session = reader.session().await.unwrap();
    drop(manifest);
    for object in paths(&store, "db").await {
        let good = body(&store, &object).await;
        for at in (0..good.len()).step_by(5) {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << (at % 8);
            overwrite(&store, &object, bad).await;
            let report = look(&store).await;
            assert_eq!(report.verdict(), Verdict::Broken, "{object}, byte {at}: {report}");
            overwrite(&store, &object, good.slice(..at)).await;
            let report = look(&store).await;
            assert_eq!(report.verdict(), Verdict::Broken, "{object}, cut at {at}: {report}");
        }
        overwrite(&store, &object, good).await;
    }
    assert_eq!(look(&store).await.verdict(), Verdict::Clean);
}

#[tokio::test(start_paused = true)]
async fn the_text_says_what_is_wrong_and_where() {
    let (store, manifest) = example().await;
    let segment = paths(&store, "db/seg").await.remove(0);
    store.inner.delete(&segment).await.unwrap();
    for number in 0..5u128 {
        let path = Path::from(format!("db/probe/{number:032x}"));
        overwrite(&store, &path, "left behind").await;
    }
    let text = look(&store).await.to_string();
    let info = manifest.head_info();
    for part in [
        "BROKEN     db\n",
        &format!("  head     version {}, commit {}, ", info.version, info.seq),
        "  to open  4 requests in 2 rounds, ",
        &format!("  broken   {segment}\n           expected an object that the head names\n"),
        "           found no object\n",
        "  garbage  5 objects, 55 bytes: left by a probe of the store\n",
        "           and 2 more\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_hides_what_can_be_read_is_found() {
    let (store, _) = example().await;
    let hidden = paths(&store, "db/seg").await.remove(0);
    let listing = Listing::Hides(hidden.clone());
    let hiding = Hiding { listing, ..Hiding::new(store.inner.fork()) };
    let report = verify(Arc::new(hiding), Path::from("db"), TestEnv::new(3), Options::default());
    let report = report.await.unwrap();
    assert_eq!(only_breach(&report), (hidden.as_ref(), "a listing that shows what can be read"));
}
