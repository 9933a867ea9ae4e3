//! `vopr verify URL`: is the manifest there whole, what is garbage, what does it cost to open?
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | everything was read and is as it must be; there may be garbage |
//! | 2 | the URL is wrong, or there is no manifest there |
//! | 10 | something is broken |
//! | 16 | no verdict: the store cannot be reached, or did not show everything |
//!
//! Nothing of the manifest is changed. (To open a local store at all is to take part in it: it gets
//! a staging directory for as long as the command runs, and those of the dead are removed.)

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use manifest_core::verify::{self, Broken, GarbageKind, Report, Standing, Verdict};
use manifest_core::{Error, TokioEnv};
use object_store::ObjectStore;
use object_store::path::Path;
use serde_json::{Value, json};

use super::failure::Exit;

/// Flags of `vopr verify`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "URLs: a directory or file:///DIRECTORY of a local store, with the prefix behind it; \
    s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX with the usual environment variables \
    (AWS_ACCESS_KEY_ID, AWS_ENDPOINT, AWS_ALLOW_HTTP, AZURE_STORAGE_ACCOUNT_NAME, \
    GOOGLE_SERVICE_ACCOUNT, ...). Exit codes: 0 clean, 2 wrong URL or no manifest there, 10 broken, \
    16 no verdict because the store did not show everything."
)]
pub struct VerifyArgs {
    /// Where the manifest is.
    #[arg(value_name = "URL")]
    pub url: Location,
    /// How thoroughly to look.
    #[arg(long, value_enum, default_value_t = DepthArg::Bodies)]
    pub depth: DepthArg,
    /// Seconds that one request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DepthArg {
    /// Every byte.
    Bodies,
    /// The head and the pins; of everything else, that it is there and how long it is.
    Sizes,
}

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory in a local store, or that store.
    Local(PathBuf),
    /// A prefix in a bucket of a cloud.
    Cloud(Cloud, String, Path),
}

/// A provider of object storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

impl Cloud {
    #[cfg_attr(not(feature = "cloud"), allow(dead_code))]
    fn scheme(self) -> &'static str {
        match self {
            Cloud::S3 => "s3",
            Cloud::Azure => "az",
            Cloud::Google => "gs",
        }
    }
}

/// Why a location cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No store is known by this scheme.
    #[error("no store is known as '{0}://'; there is: file, s3, az, gs")]
    UnknownScheme(String),
    /// The URL names another machine.
    #[error("'file://{0}' names a host; a local store is file:///DIRECTORY")]
    Host(String),
    /// The URL names no bucket.
    #[error("the URL names no bucket: {0}://BUCKET/PREFIX")]
    NoBucket(String),
    /// The path is none of an object store.
    #[error("{0} is no path of an object store: {1}")]
    Path(String, object_store::path::Error),
    /// No local store is in this directory or above it.
    #[error(
        "{} is in no local store: neither it nor a directory above it has a '.local-store'",
        .0.display()
    )]
    NoLocalStore(PathBuf),
    /// The local store does not open.
    #[error("the local store does not open: {0}")]
    Local(#[from] local_store::Error),
    /// The program was built without the clients of clouds.
    #[error(
        "this vopr was built without cloud stores; build it with them: \
         cargo build --release --features cloud"
    )]
    WithoutCloud,
    /// The client of a cloud cannot be made.
    #[error("the store's client cannot be made: {0}")]
    #[cfg_attr(not(feature = "cloud"), allow(dead_code))]
    Client(object_store::Error),
    /// There is no manifest, or nobody said whether there is.
    #[error("{0}")]
    Manifest(#[from] Error),
}

impl VerifyError {
    /// Only a store that does not answer leaves it open whether something is broken.
    fn exit(&self) -> Exit {
        match self {
            VerifyError::Manifest(Error::Unavailable { .. }) => Exit::Undecided,
            _ => Exit::Usage,
        }
    }
}

impl FromStr for Location {
    type Err = VerifyError;

    fn from_str(text: &str) -> Result<Self, VerifyError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Location::Local(PathBuf::from(text)));
        };
        let cloud = match scheme {
            "file" if rest.starts_with('/') => {
                return Ok(Location::Local(PathBuf::from(decoded(rest))));
            }
            "file" => return Err(VerifyError::Host(rest.to_owned())),
            "s3" => Cloud::S3,
            "az" => Cloud::Azure,
            "gs" => Cloud::Google,
            _ => return Err(VerifyError::UnknownScheme(scheme.to_owned())),
        };
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(VerifyError::NoBucket(scheme.to_owned()));
        }
        let prefix =
            Path::from_url_path(path).map_err(|error| VerifyError::Path(path.to_owned(), error))?;
        Ok(Location::Cloud(cloud, bucket.to_owned(), prefix))
    }
}

/// A path with its `%xx` replaced. What is no such escape stays as it is.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        rest = match escape {
            Some(byte) => {
                bytes.push(byte);
                &after[2..]
            }
            None => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Location {
    /// The store, and the manifest's prefix in it.
    fn open(&self) -> Result<(Arc<dyn ObjectStore>, Path), VerifyError> {
        match self {
            Location::Local(directory) => open_local(directory),
            Location::Cloud(cloud, bucket, prefix) => {
                Ok((open_cloud(*cloud, bucket)?, prefix.clone()))
            }
        }
    }

    /// How long to try again what fails. A disk that fails once has a reason.
    fn deadline(&self, timeout: Duration) -> Duration {
        match self {
            Location::Local(_) => timeout.min(Duration::from_secs(1)),
            Location::Cloud(..) => timeout,
        }
    }
}

/// The store that the directory is in: its root is the nearest directory upwards that is one. What
/// is below it is the prefix. Nothing is made where there is no store.
fn open_local(directory: &std::path::Path) -> Result<(Arc<dyn ObjectStore>, Path), VerifyError> {
    let nowhere = || VerifyError::NoLocalStore(directory.to_owned());
    let whole = std::path::absolute(directory).map_err(|_| nowhere())?;
    let is_root = |path: &&std::path::Path| path.join(".local-store").join("format").is_file();
    let root = whole.ancestors().find(is_root).ok_or_else(nowhere)?;
    let below = whole.strip_prefix(root).map_err(|_| nowhere())?;
    let below = below.to_str().ok_or_else(nowhere)?;
    let prefix = Path::parse(below).map_err(|error| VerifyError::Path(below.to_owned(), error))?;
    // Nothing is written that would have to survive anything.
    let durability = local_store::Durability::ProcessCrash;
    let options = local_store::Options { durability, ..local_store::Options::default() };
    Ok((Arc::new(local_store::LocalStore::open(root, options)?), prefix))
}

#[cfg(feature = "cloud")]
fn open_cloud(cloud: Cloud, bucket: &str) -> Result<Arc<dyn ObjectStore>, VerifyError> {
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::gcp::GoogleCloudStorageBuilder;

    let url = format!("{}://{bucket}", cloud.scheme());
    // What is tried again is decided in one place, and that is not the client.
    let retry = object_store::RetryConfig { max_retries: 0, ..Default::default() };
    let store: Result<Arc<dyn ObjectStore>, object_store::Error> = match cloud {
        Cloud::S3 => {
            let builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry);
            builder.build().map(|store| Arc::new(store) as _)
        }
        Cloud::Azure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry);
            builder.build().map(|store| Arc::new(store) as _)
        }
        Cloud::Google => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry);
            builder.build().map(|store| Arc::new(store) as _)
        }
    };
    store.map_err(VerifyError::Client)
}

#[cfg(not(feature = "cloud"))]
fn open_cloud(_: Cloud, _: &str) -> Result<Arc<dyn ObjectStore>, VerifyError> {
    Err(VerifyError::WithoutCloud)
}

/// Looks at the manifest and prints what was found.
#[must_use]
pub fn run(args: &VerifyArgs) -> Exit {
    match look(args) {
        Ok(report) => {
            let text = if args.json { to_json(&report) } else { report.to_string() };
            print!("{text}");
            match report.verdict() {
                Verdict::Clean => Exit::Pass,
                Verdict::Broken => Exit::Safety,
                Verdict::Incomplete => Exit::Undecided,
            }
        }
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            error.exit()
        }
    }
}

fn look(args: &VerifyArgs) -> Result<Report, VerifyError> {
    let (store, prefix) = args.url.open()?;
    let timeout = Duration::from_secs(args.timeout);
    let options = verify::Options {
        depth: match args.depth {
            DepthArg::Bodies => verify::Depth::Bodies,
            DepthArg::Sizes => verify::Depth::Sizes,
        },
        attempt_timeout: timeout,
        deadline: args.url.deadline(timeout),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Only a machine without file descriptors has no runtime.
    let runtime = runtime.expect("a runtime on this thread");
    let mut report = runtime.block_on(async {
        let env = Arc::new(TokioEnv::new());
        manifest_core::verify(store, prefix, env, options).await
    })?;
    tell_damaged_files(&mut report);
    Ok(report)
}

/// A local store says itself that a file of it is damaged. For the library that is a request that
/// fails; here it is known what it means.
fn tell_damaged_files(report: &mut Report) {
    for unread in std::mem::take(&mut report.unread) {
        let found = unread.source.as_deref().and_then(damaged_file);
        match found {
            Some(found) => report.broken.push(Broken {
                object: unread.object,
                expected: String::from("a file that the local store wrote"),
                found,
            }),
            None => report.unread.push(unread),
        }
    }
}

fn damaged_file(error: &object_store::Error) -> Option<String> {
    let mut cause = Some(error as &dyn std::error::Error);
    while let Some(found) = cause {
        if let Some(found @ local_store::Error::Damaged { .. }) = found.downcast_ref() {
            return Some(found.to_string());
        }
        cause = found.source();
    }
    None
}

fn with_causes(error: &VerifyError) -> String {
    let mut text = error.to_string();
    let mut cause = match error {
        VerifyError::Manifest(error) => std::error::Error::source(error),
        _ => None,
    };
    while let Some(found) = cause {
        let _ = write!(text, ": {found}");
        cause = found.source();
    }
    text
}

/// The report as JSON, with everything that the text has, and all garbage by name.
fn to_json(report: &Report) -> String {
    let head = report.summary.as_ref().map(|head| {
        let roles = head.roles.iter().map(|(name, epoch)| json!({"name": name, "epoch": epoch}));
        json!({
            "incarnation": format!("{:032x}", head.incarnation),
            "version": head.version,
            "seq": head.seq,
            "bytes": head.head_bytes,
            "tail_records": head.tail_records,
            "segments": head.segments,
            "checkpoint_seq": head.checkpoint_seq,
            "retired": head.retired,
            "gate": head.gate,
            "floor": head.floor,
            "roles": roles.collect::<Vec<_>>(),
        })
    });
    let open = report.summary.as_ref().map(|head| {
        json!({
            "requests": head.open.requests,
            "rounds": head.open.rounds,
            "bytes": head.open.bytes,
        })
    });
    let broken = report
        .broken
        .iter()
        .map(|it| json!({"object": it.object, "expected": it.expected, "found": it.found}));
    let unread = report.unread.iter().map(|it| json!({"object": it.object, "why": it.why}));
    let garbage = report.garbage.iter().map(|it| {
        json!({"object": it.object, "bytes": it.bytes, "kind": kind(it.kind), "at_version": at_version(it.kind)})
    });
    let pins = report.pins.iter().map(|it| {
        json!({
            "object": it.object,
            "version": it.version,
            "counter": it.counter,
            "ttl_ms": u64::try_from(it.ttl.as_millis()).unwrap_or(u64::MAX),
            "unchanged_ms": u64::try_from(it.unchanged.as_millis()).unwrap_or(u64::MAX),
            "stale": it.standing == Standing::Stale,
        })
    });
    let value: Value = json!({
        "format": 1,
        "prefix": report.prefix,
        "verdict": report.verdict().word(),
        "head": head,
        "open": open,
        "broken": broken.collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
        "garbage": garbage.collect::<Vec<_>>(),
        "pins": pins.collect::<Vec<_>>(),
        "unjudged": report.unjudged,
    });
    format!("{value:#}\n")
}

fn kind(kind: GarbageKind) -> &'static str {
    match kind {
        GarbageKind::Orphan => "orphan",
        GarbageKind::Unpublished => "unpublished",
        GarbageKind::Retired { .. } => "retired",
        GarbageKind::RetiredAndPinned { .. } => "retired-and-pinned",
        GarbageKind::RetiredAndGone { .. } => "retired-and-gone",
        GarbageKind::Probe => "probe",
        GarbageKind::StalePin => "stale-pin",
        GarbageKind::ForeignPin => "foreign-pin",
        GarbageKind::Foreign => "foreign",
        other => other.words(),
    }
}

fn at_version(kind: GarbageKind) -> Option<u64> {
    match kind {
        GarbageKind::Retired { at_version }
        | GarbageKind::RetiredAndPinned { at_version }
        | GarbageKind::RetiredAndGone { at_version } => Some(at_version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_directories_and_buckets() {
        let local = |path: &str| Location::Local(PathBuf::from(path));
        let cloud = |cloud, path: &str| Location::Cloud(cloud, "b".into(), Path::from(path));
        for (text, expected) in [
            ("file:///data/my%20tables", local("/data/my tables")),
            ("file:///odd%zz", local("/odd%zz")),
            ("data/tables", local("data/tables")),
            ("s3://b/tables/orders", cloud(Cloud::S3, "tables/orders")),
            ("az://b/", cloud(Cloud::Azure, "")),
            ("gs://b", cloud(Cloud::Google, "")),
        ] {
            assert_eq!(text.parse::<Location>().expect(text), expected);
        }
        for text in ["ftp://b/x", "file://host/x", "s3:///x", "s3://"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
