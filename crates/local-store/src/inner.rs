//! What all handles of an opened store share, and how it is opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directories::Directories;
use crate::disk;
use crate::error::{Error, Result};
use crate::header::random;
use crate::names::INTERNAL;
use crate::options::{Blocking, Durability, Options};
use crate::session::{self, Session, Swept};

/// What the file `format` says.
const FORMAT: &str = "local-store 1\n";

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) directories: Directories,
    pub(crate) session: Arc<Session>,
    pub(crate) durability: Durability,
    pub(crate) blocking: Blocking,
}

impl Inner {
    /// Opens the store in a directory, which is made if it is missing, and removes what dead
    /// processes have left.
    pub(crate) fn open_store(root: &Path, options: Options) -> Result<(Self, Swept)> {
        let Options { durability, blocking } = options;
        let root = create_root(root, durability)?;
        let staging = staging(&root);
        for directory in [&root.join(INTERNAL), &staging] {
            disk::create_directory(directory)?;
        }
        let swept = session::sweep(&staging)?;
        agree_on_format(&root, durability)?;
        let session = Arc::new(Session::begin(&staging)?);
        let directories = Directories::new(root, durability);
        Ok((Self { directories, session, durability, blocking }, swept))
    }

    /// Removes what processes have left that died since the store was opened.
    pub(crate) fn sweep(&self) -> Result<Swept> {
        session::sweep(&staging(self.directories.root()))
    }
}

fn staging(root: &Path) -> PathBuf {
    root.join(INTERNAL).join("staging")
}

/// Makes the root and what is above it, and gives its path without links.
fn create_root(root: &Path, durability: Durability) -> Result<PathBuf> {
    let missing: Vec<&Path> = root.ancestors().take_while(|path| is_missing(path)).collect();
    for path in missing.into_iter().rev() {
        disk::create_directory(path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if durability == Durability::PowerLoss {
            sync(parent.unwrap_or(Path::new(".")))?;
        }
    }
    fs::canonicalize(root).map_err(Error::io("find", root))
}

/// Whether a directory is to be made; the empty path is where the process is.
fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false))
}

fn sync(directory: &Path) -> Result<()> {
    let handle = fs::File::open(directory).map_err(Error::io("open", directory))?;
    disk::sync_directory(&handle, directory)
}

/// Writes the format down where nobody has, and refuses one that is not known.
///
/// Two processes that come at once write the same.
fn agree_on_format(root: &Path, durability: Durability) -> Result<()> {
    let internal = root.join(INTERNAL);
    let path = internal.join("format");
    match fs::read_to_string(&path) {
        Ok(found) if found == FORMAT => Ok(()),
        Ok(found) => Err(Error::Format { path, found }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = internal.join(format!("format-{:032x}", u128::from_be_bytes(random()?)));
            let file = disk::create(&fresh)?;
            disk::write_at(&file, &fresh, FORMAT.as_bytes(), 0)?;
            if durability == Durability::PowerLoss {
                disk::sync_file(&file, &fresh)?;
            }
            disk::rename(&fresh, &path)?;
            if durability == Durability::PowerLoss {
                sync(&internal)?;
                sync(root)?;
            }
            Ok(())
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
