//! Every method of the trait, without faults, under the profiles that differ in it.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Error, GetOptions, GetRange, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode,
    UpdateVersion,
};
use sim_storage::profile::{Profile, UpdateCondition};
use sim_storage::{Client, Setup};

use crate::world::{path, run};

/// Runs `body` as a process of a world under each profile.
fn under<F>(profiles: impl IntoIterator<Item = Profile>, body: fn(Client, Arc<Profile>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    for profile in profiles {
        let profile = Arc::new(profile);
        let setup = Setup::calm(Arc::clone(&profile));
        run(setup, move |world| async move {
            let client = world.client(0);
            world.on(0, body(client, profile)).await;
        });
    }
}

async fn content(client: &Client, at: &Path) -> Vec<u8> {
    client.get(at).await.unwrap().bytes().await.unwrap().to_vec()
}

#[test]
fn put_modes() {
    let without_update = Profile { update: UpdateCondition::Unsupported, ..Profile::local() };
    let profiles = Profile::all().into_iter().chain([without_update]);
    under(profiles, |client, profile| async move {
        let key = path("a/b");
        let create = || PutOptions::from(PutMode::Create);
        let first = client.put_opts(&key, "1".into(), create()).await.unwrap();
        let again = client.put_opts(&key, "2".into(), create()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        let update = |version: UpdateVersion| PutOptions::from(PutMode::Update(version));
        let second = client.put_opts(&key, "2".into(), update(first.clone().into())).await;
        if profile.update == UpdateCondition::Unsupported {
            assert!(matches!(second, Err(Error::NotImplemented { .. })));
            return;
        }
        assert_ne!(second.unwrap().e_tag, first.e_tag);
        let stale = client.put_opts(&key, "3".into(), update(first.clone().into())).await;
        assert!(matches!(stale, Err(Error::Precondition { .. })));
        let missing = client.put_opts(&path("c"), "3".into(), update(first.into())).await;
        assert!(matches!(missing, Err(Error::Precondition { .. })));
        assert_eq!(content(&client, &key).await, b"2");
        let nothing = UpdateVersion { e_tag: None, version: None };
        let nothing = client.put_opts(&key, "3".into(), update(nothing)).await;
        assert!(matches!(nothing, Err(Error::Generic { .. })));
    });
}

#[test]
fn an_old_tag_comes_back_where_tags_are_of_content() {
    under(Profile::all(), |client, profile| async move {
        let key = path("k");
        let first = client.put(&key, "same".into()).await.unwrap();
        client.put(&key, "else".into()).await.unwrap();
        let third = client.put(&key, "same".into()).await.unwrap();
        let of_content = ["s3", "r2", "minio", "eventual"].contains(&profile.name);
        assert_eq!(first.e_tag == third.e_tag, of_content, "{}", profile.name);
        let has_versions = profile.name == "gcs";
        assert_eq!(third.version.is_some(), has_versions);
    });
}

#[test]
fn attributes_come_back_on_get_and_head() {
    under([Profile::s3()], |client, _| async move {
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, "text/plain"),
            (Attribute::CacheControl, "no-store"),
            (Attribute::Metadata("owner".into()), "me"),
        ]);
        let key = path("k");
        client.put_opts(&key, "x".into(), attributes.clone().into()).await.unwrap();
        assert_eq!(client.get(&key).await.unwrap().attributes, attributes);
        let head = client.get_opts(&key, GetOptions::new().with_head(true)).await.unwrap();
        assert_eq!(head.attributes, attributes);
        client.copy(&key, &path("copy")).await.unwrap();
        assert_eq!(client.get(&path("copy")).await.unwrap().attributes, attributes);
        client.put(&key, "y".into()).await.unwrap();
        assert_eq!(client.get(&key).await.unwrap().attributes, Attributes::new());
    });
}

#[test]
fn ranges() {
    under([Profile::s3()], |client, _| async move {
        let key = path("k");
        client.put(&key, "0123456789".into()).await.unwrap();
        let get = async |range: GetRange| {
            let options = GetOptions::new().with_range(Some(range));
            let got = client.get_opts(&key, options).await?;
            let range = got.range.clone();
            Ok::<_, Error>((range, got.bytes().await?.to_vec()))
        };
        assert_eq!(get(GetRange::Bounded(2..5)).await.unwrap(), (2..5, b"234".to_vec()));
        assert_eq!(get(GetRange::Bounded(8..99)).await.unwrap(), (8..10, b"89".to_vec()));
        assert_eq!(get(GetRange::Offset(7)).await.unwrap(), (7..10, b"789".to_vec()));
        assert_eq!(get(GetRange::Suffix(4)).await.unwrap(), (6..10, b"6789".to_vec()));
        assert_eq!(get(GetRange::Suffix(99)).await.unwrap().0, 0..10);
        assert!(get(GetRange::Bounded(10..12)).await.is_err());
        assert!(get(GetRange::Offset(10)).await.is_err());
        assert!(get(GetRange::Bounded(3..3)).await.is_err());
        let many = client.get_ranges(&key, &[0..2, 4..5, 8..10]).await.unwrap();
        assert_eq!(many, [&b"01"[..], b"4", b"89"]);
        let head = client.head(&key).await.unwrap();
        assert_eq!((head.size, head.location), (10, key));
    });
}

#[test]
fn conditional_gets() {
    under(Profile::all(), |client, _| async move {
        let key = path("k");
        let put = client.put(&key, "x".into()).await.unwrap();
        let meta = client.head(&key).await.unwrap();
        assert_eq!(meta.e_tag, put.e_tag);
        let get = async |options: GetOptions| client.get_opts(&key, options).await.map(drop);
        let new = GetOptions::new;
        let (tag, date) = (put.e_tag.clone().unwrap(), meta.last_modified);
        let list = format!("\"other\", {tag}");
        for same in [tag.as_str(), "*", &list] {
            get(new().with_if_match(Some(same))).await.unwrap();
            let not_modified = get(new().with_if_none_match(Some(same))).await;
            assert!(matches!(not_modified, Err(Error::NotModified { .. })));
        }
        let other = get(new().with_if_match(Some("\"other\""))).await;
        assert!(matches!(other, Err(Error::Precondition { .. })));
        get(new().with_if_none_match(Some("\"other\""))).await.unwrap();
        let earlier = date - std::time::Duration::from_secs(1);
        get(new().with_if_modified_since(Some(earlier))).await.unwrap();
        let not_modified = get(new().with_if_modified_since(Some(date))).await;
        assert!(matches!(not_modified, Err(Error::NotModified { .. })));
        get(new().with_if_unmodified_since(Some(date))).await.unwrap();
        let modified = get(new().with_if_unmodified_since(Some(earlier))).await;
        assert!(matches!(modified, Err(Error::Precondition { .. })));
        let missing = client.get(&path("missing")).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    });
}

#[test]
fn versions_can_be_read_where_they_are_told() {
    under([Profile::gcs()], |client, _| async move {
        let key = path("k");
        let put = client.put(&key, "x".into()).await.unwrap();
        let options = |version: &str| GetOptions::new().with_version(Some(version.to_owned()));
        client.get_opts(&key, options(&put.version.unwrap())).await.unwrap();
        for other in ["999", "no number"] {
            let got = client.get_opts(&key, options(other)).await;
            assert!(matches!(got, Err(Error::NotFound { .. })));
        }
    });
}

#[test]
fn deletes_one_by_one_and_in_batches() {
    under(Profile::all(), |client, profile| async move {
        let names: Vec<_> = (0..5).map(|n| path(&format!("d/{n}"))).collect();
        for name in &names {
            client.put(name, "x".into()).await.unwrap();
        }
        let doomed = stream::iter(names.clone().into_iter().map(Ok)).boxed();
        let deleted: Vec<_> = client.delete_stream(doomed).try_collect().await.unwrap();
        assert_eq!(deleted, names);
        assert_eq!(client.list(None).count().await, 0);
        let missing = client.delete(&names[0]).await;
        let minds = ["gcs", "azure", "local"].contains(&profile.name);
        assert_eq!(matches!(missing, Err(Error::NotFound { .. })), minds, "{}", profile.name);
    });
}

#[test]
fn a_batch_of_deletes_is_one_request() {
    run(Setup::calm(Arc::new(Profile::s3())), |world| async move {
        let client = world.client(0);
        let names = (0..700).map(|n| Ok(path(&format!("d/{n}"))));
        let names = stream::iter(names.collect::<Vec<_>>()).boxed();
        let deleted = world.on(0, async move { client.delete_stream(names).count().await });
        assert_eq!(deleted.await, 700);
        assert_eq!(world.store.requests_of(world.process(0)), 1);
    });
}

#[test]
fn listings_walk_all_pages() {
    let small_pages = Profile::all().map(|profile| Profile { page_size: 3, ..profile });
    under(small_pages, |client, profile| async move {
        let names = ["a", "ab", "d/1", "d/2", "d/e/3", "d/e/4", "d/f/5", "dd/6", "z"];
        for name in names {
            client.put(&path(name), name.into()).await.unwrap();
        }
        let names_of = async |prefix: Option<&str>, offset: Option<&str>| {
            let prefix = prefix.map(path);
            let listed = match offset {
                None => client.list(prefix.as_ref()),
                Some(offset) => client.list_with_offset(prefix.as_ref(), &path(offset)),
            };
            let listed: Vec<_> = listed.try_collect().await.unwrap();
            for meta in &listed {
                assert_eq!(meta.size, meta.location.as_ref().len() as u64);
                assert!(meta.e_tag.is_some());
            }
            let mut listed: Vec<_> = listed.into_iter().map(|m| m.location.to_string()).collect();
            if !["s3-express", "local"].contains(&profile.name) {
                assert!(listed.is_sorted());
            }
            listed.sort();
            listed
        };
        assert_eq!(names_of(None, None).await, names);
        assert_eq!(names_of(Some("d"), None).await, &names[2..7]);
        assert_eq!(names_of(Some("d"), Some("d/e/3")).await, &names[5..7]);
        assert_eq!(names_of(None, Some("d/1")).await, &names[3..]);
        assert_eq!(names_of(Some("nothing"), None).await, [""; 0]);
        let mut level = client.list_with_delimiter(Some(&path("d"))).await.unwrap();
        level.common_prefixes.sort();
        assert_eq!(level.common_prefixes, [path("d/e"), path("d/f")]);
        let mut objects: Vec<_> = level.objects.into_iter().map(|m| m.location).collect();
        objects.sort();
        assert_eq!(objects, [path("d/1"), path("d/2")]);
    });
}

#[test]
fn copies_and_renames() {
    under(Profile::all(), |client, _| async move {
        let (from, to, missing) = (path("from"), path("to"), path("missing"));
        client.put(&from, "x".into()).await.unwrap();
        let create = CopyOptions::new().with_mode(CopyMode::Create);
        client.copy_opts(&from, &to, create.clone()).await.unwrap();
        let again = client.copy_opts(&from, &to, create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { path, .. }) if path == "to"));
        client.put(&from, "y".into()).await.unwrap();
        client.copy(&from, &to).await.unwrap();
        assert_eq!(content(&client, &to).await, b"y");
        let nothing = client.copy(&missing, &to).await;
        assert!(matches!(nothing, Err(Error::NotFound { path, .. }) if path == "missing"));
        let create = RenameOptions::new().with_target_mode(RenameTargetMode::Create);
        let taken = client.rename_opts(&from, &to, create).await;
        assert!(matches!(taken, Err(Error::AlreadyExists { .. })));
        assert_eq!(content(&client, &from).await, b"y", "a rename that fails moves nothing");
        client.put(&from, "z".into()).await.unwrap();
        client.rename(&from, &to).await.unwrap();
        assert_eq!(content(&client, &to).await, b"z");
        assert!(matches!(client.head(&from).await, Err(Error::NotFound { .. })));
        assert!(matches!(client.rename(&from, &to).await, Err(Error::NotFound { .. })));
    });
}

#[test]
fn multipart_uploads() {
    under(Profile::all(), |client, profile| async move {
        let key = path("big");
        let attributes = Attributes::from_iter([(Attribute::ContentType, "x/y")]);
        let options = PutMultipartOptions::from(attributes.clone());
        let mut upload = client.put_multipart_opts(&key, options).await.unwrap();
        let (first, second) = (upload.put_part("hello ".into()), upload.put_part("you".into()));
        let (second, first) = futures_util::join!(second, first);
        assert!(first.is_ok() && second.is_ok());
        assert!(matches!(client.head(&key).await, Err(Error::NotFound { .. })), "not yet");
        let done = upload.complete().await.unwrap();
        let got = client.get(&key).await.unwrap();
        assert_eq!((&got.meta.e_tag, &got.attributes), (&done.e_tag, &attributes));
        assert_eq!(got.bytes().await.unwrap().as_ref(), b"hello you");
        let again = upload.complete().await;
        let repeatable = ["s3", "s3-express", "eventual"].contains(&profile.name);
        assert_eq!(again.is_ok(), repeatable, "{}", profile.name);

        let mut given_up = client.put_multipart(&path("other")).await.unwrap();
        given_up.put_part("x".into()).await.unwrap();
        given_up.abort().await.unwrap();
        assert!(given_up.complete().await.is_err());
        assert!(client.head(&path("other")).await.is_err());

        let mut holed = client.put_multipart(&path("holed")).await.unwrap();
        drop(holed.put_part("never polled".into()));
        assert!(matches!(holed.complete().await, Err(Error::Generic { .. })));
    });
}

#[test]
fn two_uploads_to_one_name() {
    under([Profile::s3(), Profile::azure()], |client, profile| async move {
        let key = path("k");
        let mut one = client.put_multipart(&key).await.unwrap();
        let mut two = client.put_multipart(&key).await.unwrap();
        two.put_part("two".into()).await.unwrap();
        one.put_part("one".into()).await.unwrap();
        one.complete().await.unwrap();
        let last = two.complete().await;
        let expected: &[u8] = if profile.name == "s3" { b"two" } else { b"one" };
        assert_eq!(last.is_ok(), profile.name == "s3");
        assert_eq!(content(&client, &key).await, expected);
    });
}

#[test]
fn the_handle_says_what_it_is() {
    run(Setup::calm(Arc::new(Profile::gcs())), |world| async move {
        assert_eq!(world.client(0).to_string(), "SimStore(gcs)");
        assert!(format!("{:?} {:?}", world.client(0), world.store).contains("gcs"));
    });
}
