//! Damaged bodies, lists and batches; stores that lag; limits on writes; wrong clocks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use sim::ProcessId;
use sim_storage::fault::{Fault, FaultKind, FaultPlan, FaultRates, Report};
use sim_storage::model::Change;
use sim_storage::profile::{Consistency, ListOrder, Profile, WriteRate};
use sim_storage::{Client, Setup};

use crate::world::{MS, counted, path, run, s3, s3_with};

/// A store of this profile with one fault for one request of process 1.
fn with_fault(profile: Profile, request: u32, fault: Fault) -> Setup {
    let plan = FaultPlan([((ProcessId(1), request), Some(fault))].into());
    Setup { profile: Arc::new(profile), plan, ..s3() }
}

/// An eventual store whose replicas lag only when a fault says so.
fn lagging() -> Profile {
    let consistency = Consistency::Eventual { stale_max_ns: 10_000 * MS, stale_ppm: 0 };
    Profile { consistency, ..Profile::eventual() }
}

async fn names(client: &Client) -> Vec<String> {
    let listed = client.list(None).map_ok(|meta| meta.location.to_string());
    listed.try_collect().await.unwrap()
}

async fn put_all(client: &Client, names: &[&str]) {
    for name in names {
        client.put(&path(name), "0123456789".into()).await.unwrap();
    }
}

#[test]
fn a_body_that_breaks_off_can_be_resumed_by_a_range() {
    let broken = Fault::BrokenBody { keep_ppm: 450_000 };
    let body = run(s3_with(&[(1, broken)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["k"]).await;
                let got = client.get(&path("k")).await.unwrap();
                let tag = got.meta.e_tag.clone();
                let mut chunks = got.into_stream();
                let mut body = chunks.next().await.unwrap().unwrap().to_vec();
                assert_eq!(body, b"0123");
                let error = chunks.next().await.unwrap().unwrap_err();
                assert!(matches!(error, Error::Generic { .. }), "{error}");
                assert!(chunks.next().await.is_none());
                let rest = GetOptions {
                    range: Some(GetRange::Offset(body.len() as u64)),
                    if_match: tag,
                    ..GetOptions::default()
                };
                let rest = client.get_opts(&path("k"), rest).await.unwrap();
                body.extend(rest.bytes().await.unwrap());
                body
            })
            .await
    });
    assert_eq!(body, b"0123456789");
    assert_eq!(counted(FaultKind::BrokenBody.label()), 1);
}

#[test]
fn a_flipped_bit_is_one_bit_of_the_answer_and_none_of_the_object() {
    let flip = Fault::BitFlip { place: u32::MAX / 2 };
    let (first, second) = run(s3_with(&[(1, flip)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["k"]).await;
                let first = client.get(&path("k")).await.unwrap().bytes().await.unwrap();
                (first, client.get(&path("k")).await.unwrap().bytes().await.unwrap())
            })
            .await
    });
    assert_eq!(second.as_ref(), b"0123456789");
    let wrong: u32 = first.iter().zip(&second).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!((first.len(), wrong), (10, 1));
    assert_eq!(counted(FaultKind::BitFlip.label()), 1);
}

#[test]
fn a_torn_completion_leaves_the_beginning_of_the_parts() {
    let torn = Fault::TornUpload { keep_ppm: 500_000, report: Report::Reset };
    let log = run(s3_with(&[(3, torn)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                let mut upload = client.put_multipart(&path("k")).await.unwrap();
                upload.put_part("01234".into()).await.unwrap();
                upload.put_part("56789".into()).await.unwrap();
                let answer = upload.complete().await;
                assert!(matches!(answer, Err(Error::Generic { .. })));
            })
            .await;
        world.log()
    });
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].change, Change::TornComplete);
    assert_eq!(log[0].body.as_deref(), Some(&b"01234"[..]));
    assert_eq!(counted(FaultKind::TornUpload.label()), 1);
}

#[test]
fn a_stale_read_shows_an_earlier_state_and_only_on_an_eventual_store() {
    let stale = Fault::StaleRead { age_ns: 5_000 * MS };
    for (profile, missing) in [(lagging(), true), (Profile::s3(), false)] {
        let answer = run(with_fault(profile, 1, stale), |world| async move {
            let client = world.client(0);
            world
                .on(0, async move {
                    put_all(&client, &["k"]).await;
                    client.get(&path("k")).await
                })
                .await
        });
        assert_eq!(matches!(answer, Err(Error::NotFound { .. })), missing);
        assert_eq!(counted(FaultKind::StaleRead.label()), u32::from(missing));
    }
}

#[test]
fn a_stale_read_of_an_unchanged_object_is_not_counted() {
    let stale = Fault::StaleRead { age_ns: 5_000 * MS };
    run(with_fault(lagging(), 1, stale), |world| async move {
        let client = world.client(0);
        let read = async move {
            put_all(&client, &["k"]).await;
            sim::sleep(Duration::from_secs(6)).await;
            client.get(&path("k")).await.unwrap();
        };
        world.on(0, read).await;
    });
    assert_eq!(counted(FaultKind::StaleRead.label()), 0);
}

#[test]
fn a_stale_page_lacks_the_new_and_shows_the_deleted() {
    let stale = Fault::StaleList { age_ns: 1_000 * MS };
    let pages = run(with_fault(lagging(), 4, stale), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["a", "b"]).await;
                sim::sleep(Duration::from_secs(2)).await;
                client.delete(&path("a")).await.unwrap();
                put_all(&client, &["c"]).await;
                [names(&client).await, names(&client).await]
            })
            .await
    });
    assert_eq!(pages[0], ["a", "b"]);
    assert_eq!(pages[1], ["b", "c"]);
    assert_eq!(counted(FaultKind::StaleList.label()), 1);
}

#[test]
fn an_eventual_store_lags_by_itself_until_that_is_switched_off() {
    for off in [false, true] {
        let mut setup =
            Setup { rates: FaultRates::none(), ..Setup::calm(Arc::new(Profile::eventual())) };
        if off {
            setup.rates.switch_off(FaultKind::StaleRead);
        }
        run(setup, |world| async move {
            let client = world.client(0);
            let work = async move {
                for _ in 0..100 {
                    put_all(&client, &["k"]).await;
                    let _ = client.get(&path("k")).await;
                }
            };
            world.on(0, work).await;
        });
        let stale = counted(FaultKind::StaleRead.label());
        assert_eq!(stale == 0, off, "{stale}");
    }
}

#[test]
fn a_truncated_list_ends_early_and_says_nothing() {
    let truncated = Fault::TruncatedList { keep_ppm: 500_000 };
    let profile = Profile { page_size: 4, ..lagging() };
    let seen = run(with_fault(profile, 6, truncated), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["a", "b", "c", "d", "e", "f"]).await;
                names(&client).await
            })
            .await
    });
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(counted(FaultKind::TruncatedList.label()), 1);
}

#[test]
fn an_unordered_page_has_the_same_names_in_another_order() {
    let unordered = Fault::UnorderedList { seed: 1 };
    let profile = Profile { list_order: ListOrder::Arbitrary, ..Profile::s3() };
    let pages = run(with_fault(profile, 4, unordered), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["a", "b", "c", "d"]).await;
                [names(&client).await, names(&client).await]
            })
            .await
    });
    let [mut first, mut second] = pages;
    assert_ne!(first, second);
    first.sort();
    second.sort();
    assert_eq!(first, second);
    assert_eq!(counted(FaultKind::UnorderedList.label()), 1);
}

#[test]
fn a_partial_delete_says_which_names_stay_and_they_stay() {
    let partial = Fault::PartialDelete { seed: 3 };
    let (failed, left) = run(s3_with(&[(4, partial)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                let all = ["a", "b", "c", "d"];
                put_all(&client, &all).await;
                let paths = stream::iter(all.map(|name| Ok(path(name)))).boxed();
                let results: Vec<_> = client.delete_stream(paths).collect().await;
                let failed = results.iter().filter(|result| result.is_err()).count();
                (failed, names(&client).await.len())
            })
            .await
    });
    assert!((1..4).contains(&failed), "{failed}");
    assert_eq!(left, failed);
    assert_eq!(counted(FaultKind::PartialDelete.label()), 1);
}

#[test]
fn a_late_delete_is_answered_before_it_takes_effect() {
    let late = Fault::LateDelete { after_ns: 1_000 * MS };
    run(with_fault(lagging(), 1, late), |world| async move {
        let client = world.client(0);
        let work = async move {
            put_all(&client, &["k"]).await;
            client.delete(&path("k")).await.unwrap();
            assert!(client.head(&path("k")).await.is_ok(), "it is still there");
            sim::sleep(Duration::from_secs(2)).await;
            assert!(matches!(client.head(&path("k")).await, Err(Error::NotFound { .. })));
        };
        world.on(0, work).await;
        assert_eq!(world.store.in_flight(), 0);
    });
    assert_eq!(counted(FaultKind::LateDelete.label()), 1);
}

#[test]
fn writes_to_one_name_are_limited_and_others_are_not() {
    let write_rate = Some(WriteRate { interval_ns: 1_000 * MS, burst: 2 });
    for off in [false, true] {
        let profile = Profile { write_rate, ..Profile::minio() };
        let profile = Arc::new(profile);
        let mut setup = Setup { rates: FaultRates::none(), ..Setup::calm(profile) };
        if off {
            setup.rates.switch_off(FaultKind::RateLimited);
        }
        let told = run(setup, |world| async move {
            let client = world.client(0);
            world
                .on(0, async move {
                    let mut told = Vec::new();
                    for name in ["k", "k", "k", "other", "k"] {
                        told.push(client.put(&path(name), "x".into()).await.is_ok());
                    }
                    sim::sleep(Duration::from_secs(1)).await;
                    told.push(client.put(&path("k"), "x".into()).await.is_ok());
                    told
                })
                .await
        });
        assert_eq!(told, [true, true, off, true, off, true]);
        assert_eq!(counted(FaultKind::RateLimited.label()), if off { 0 } else { 2 });
    }
}

#[test]
fn a_drained_bucket_is_429_where_there_is_a_limit_and_nothing_elsewhere() {
    for (profile, refused) in [(Profile::gcs(), true), (Profile::s3(), false)] {
        let answer = run(with_fault(profile, 0, Fault::RateLimited), |world| async move {
            let client = world.client(0);
            world.on(0, async move { client.put(&path("k"), "x".into()).await }).await
        });
        assert_eq!(answer.is_err(), refused);
        assert_eq!(counted(FaultKind::RateLimited.label()), u32::from(refused));
    }
}

#[test]
fn an_error_inside_a_success_copies_nothing() {
    let log = run(s3_with(&[(1, Fault::ErrorInside)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["k"]).await;
                let error = client.copy(&path("k"), &path("copy")).await.unwrap_err();
                assert!(error.to_string().contains("HTTP 200"), "{error}");
            })
            .await;
        world.log()
    });
    assert_eq!(log.len(), 1);
    assert_eq!(counted(FaultKind::ErrorInside.label()), 1);
}

#[test]
fn a_wrong_clock_dates_a_write_wrong_and_changes_nothing_else() {
    let skewed = Fault::SkewedDate { skew_ns: 1_500_000_000 };
    let (first, second) = run(s3_with(&[(0, skewed)]), |world| async move {
        let client = world.client(0);
        world
            .on(0, async move {
                put_all(&client, &["k", "l"]).await;
                let dates = (client.head(&path("k")).await, client.head(&path("l")).await);
                (dates.0.unwrap().last_modified, dates.1.unwrap().last_modified)
            })
            .await
    });
    assert_eq!((first - second).num_seconds(), 1, "the first write looks newer");
    assert_eq!(counted(FaultKind::SkewedDate.label()), 1);
}
