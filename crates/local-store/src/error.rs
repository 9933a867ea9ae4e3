//! Everything that can go wrong, and what the users of `object_store` are told of it.
//!
//! A failure has one of two forms. A *refusal* (missing, exists, another tag, not supported) is
//! definite: nothing was changed. An *I/O error* of a write leaves its outcome open, as an error of a
//! distant store does: the object may be the old one or the new one, and it is one of them, whole.

use std::io;
use std::path::PathBuf;

use object_store::path::Path;

/// Why a request failed; also the source of the [`object_store::Error`] that it becomes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in the place of an object is not one that this store wrote, or not any more.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something that is not a directory is where one must be. Symbolic links are not followed.
    #[error("{} is not a directory, and links are not followed", path.display())]
    Obstructed {
        /// What is in the way.
        path: PathBuf,
    },
    /// The directory is a store of a format that this version does not know.
    #[error("{} says {found:?}: this version cannot read that", path.display())]
    Format {
        /// The file that names the format.
        path: PathBuf,
        /// The format that it names.
        found: String,
    },
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// There is such an object already.
    #[error("there is such an object already")]
    Exists,
    /// The object is not of the version that the request named.
    #[error("the tag is {}, not {wanted}", held.as_deref().unwrap_or("that of no object"))]
    OtherTag {
        /// The tag of the object that is there.
        held: Option<String>,
        /// The tag that was named.
        wanted: String,
    },
    /// The request asks for something that this store has not.
    #[error("{0}")]
    NotSupported(&'static str),
    /// A multipart upload cannot go on.
    #[error("the upload {0}")]
    Upload(&'static str),
    /// A range that is empty or outside of the object.
    #[error("range: {0}")]
    Range(String),
}

/// The result of everything inside this crate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error of a system call, for `map_err`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.into(), source }
    }

    /// What a caller of the trait is told of a request about one object.
    pub(crate) fn of(self, location: &Path) -> object_store::Error {
        let path = location.to_string();
        let denied = matches!(&self, Self::Io { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied);
        let source = Box::new(self);
        match *source {
            Self::Missing => object_store::Error::NotFound { path, source },
            Self::Exists => object_store::Error::AlreadyExists { path, source },
            Self::OtherTag { .. } => object_store::Error::Precondition { path, source },
            Self::NotSupported(_) => object_store::Error::NotSupported { source },
            _ if denied => object_store::Error::PermissionDenied { path, source },
            _ => object_store::Error::Generic { store: "LocalStore", source },
        }
    }
}
