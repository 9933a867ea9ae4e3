//! Faults that last: partitions and outages.

use std::time::Duration;

use object_store::{Error, ObjectStoreExt};
use sim_storage::{Outage, OutageKind};

use crate::world::{MS, counted, path, run, s3};

#[test]
fn a_partitioned_process_is_cut_off_and_others_are_not() {
    run(s3(), |world| async move {
        world.store.partition(world.process(0), 5_000 * MS);
        let (cut, other) = (world.client(0), world.client(1));
        let answer = world.on(0, async move { cut.put(&path("k"), "x".into()).await }).await;
        assert!(matches!(answer, Err(Error::Generic { .. })));
        assert_eq!(sim::now_ns(), 1_000 * MS, "silence until the transport gives up");
        world.on(1, async move { other.put(&path("k"), "y".into()).await.unwrap() }).await;
        sim::sleep(Duration::from_secs(5)).await;
        let healed = world.client(0);
        world.on(0, async move { healed.put(&path("k"), "z".into()).await.unwrap() }).await;
        assert_eq!(world.log().len(), 2);
    });
    assert_eq!(counted("fault.partition"), 1);
}

#[test]
fn a_partition_that_begins_in_between_takes_the_reply_only() {
    run(s3(), |world| async move {
        let client = world.client(0);
        let put =
            sim::spawn_on(
                client.process(),
                async move { client.put(&path("k"), "x".into()).await },
            );
        sim::sleep(Duration::from_millis(1)).await;
        world.store.partition(world.process(0), 5_000 * MS);
        assert!(put.await.unwrap().is_err());
        assert_eq!(world.log().len(), 1, "it was on its way and landed");
    });
    assert_eq!(counted("fault.partition"), 1);
}

#[test]
fn outages_hit_everyone_until_they_end() {
    for (kind, text) in [
        (OutageKind::Unreachable, "timed out"),
        (OutageKind::Throttling, "503"),
        (OutageKind::Failing, "500"),
    ] {
        let label = run(s3(), move |world| async move {
            let until_ns = sim::now_ns() + 3_000 * MS;
            world.store.set_outage(Some(Outage { kind, share_ppm: 1_000_000, until_ns }));
            for number in 0..3 {
                let client = world.client(number);
                let put = async move { client.put(&path("k"), "x".into()).await };
                let error = world.on(number, put).await.unwrap_err();
                assert!(error.to_string().contains(text), "{error}");
            }
            sim::sleep(Duration::from_secs(5)).await;
            let client = world.client(0);
            world.on(0, async move { client.put(&path("k"), "x".into()).await.unwrap() }).await;
            assert_eq!(world.log().len(), 1);
            match kind {
                OutageKind::Unreachable => "fault.outage_unreachable",
                OutageKind::Throttling => "fault.outage_throttling",
                OutageKind::Failing => "fault.outage_failing",
            }
        });
        assert_eq!(counted(label), 3);
    }
}

#[test]
fn a_share_of_an_outage_hits_a_share_of_the_requests() {
    let failed = run(s3(), |world| async move {
        let (kind, until_ns) = (OutageKind::Throttling, u64::MAX);
        world.store.set_outage(Some(Outage { kind, share_ppm: 300_000, until_ns }));
        let client = world.client(0);
        world
            .on(0, async move {
                let mut failed = 0;
                for _ in 0..1000 {
                    failed += u32::from(client.put(&path("k"), "x".into()).await.is_err());
                }
                failed
            })
            .await
    });
    assert!((250..350).contains(&failed), "{failed}");
    assert_eq!(counted("fault.outage_throttling"), failed);
}

#[test]
fn calm_ends_all_of_it() {
    use sim_storage::Setup;
    use sim_storage::fault::FaultRates;
    run(Setup { rates: FaultRates::all(70_000), ..s3() }, |world| async move {
        world.store.partition(world.process(0), u64::MAX);
        let (kind, until_ns) = (OutageKind::Failing, u64::MAX);
        world.store.set_outage(Some(Outage { kind, share_ppm: 1_000_000, until_ns }));
        world.store.calm();
        let client = world.client(0);
        world
            .on(0, async move {
                for _ in 0..200 {
                    client.put(&path("k"), "x".into()).await.unwrap();
                }
            })
            .await;
    });
    let mut faults = 0;
    sim::each_count(|name, count| faults += if name.starts_with("fault.") { count } else { 0 });
    assert_eq!(faults, 0);
}
