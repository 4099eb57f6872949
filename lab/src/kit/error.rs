//! The reason why a kit could not be had.

use std::io;
use std::path::{Path, PathBuf};

use debian_fetch::Fault;

/// The reason why a kit could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// Packages could not be had.
    #[error(transparent)]
    Fetch(#[from] debian_fetch::Error),
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action, e.g. `read`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something that must be in a folder is not.
    #[error("no {what} in {}", folder.display())]
    Missing {
        /// The file.
        what: String,
        /// The folder looked at.
        folder: PathBuf,
    },
    /// A file of an own kernel is not what it should be.
    #[error("{what}: {} is not {expected}", path.display())]
    Own {
        /// The kind that is missing.
        what: &'static str,
        /// As given.
        path: PathBuf,
        /// The expected kind.
        expected: &'static str,
    },
    /// A series of kernels does not know an option of the debug kernel.
    #[error("the configuration of the debug kernel does not fit: {}", wrong.join("; "))]
    Options {
        /// A sentence for each option.
        wrong: Vec<String>,
    },
    /// The packages of a kernel in the cache are gone from Debian.
    #[error(
        "it has Linux {there}, and the one in the cache is {release}: `vfio-user-ism fetch lab --renew` \
         gets a newer one"
    )]
    Moved {
        /// The release that can be had.
        there: String,
        /// The release in the cache.
        release: String,
    },
    /// The kernel's make refuses such paths.
    #[error(
        "kernel modules cannot be built below {}, because of the white space or colon in it: set \
         VFIO_USER_ISM_CACHE to another folder", path.display()
    )]
    Place {
        /// The cache's folder.
        path: PathBuf,
    },
}

impl Fault for KitError {
    fn is_local(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_local(),
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::Own { .. } | Self::Place { .. } => true,
            Self::Missing { .. } | Self::Options { .. } | Self::Moved { .. } => false,
        }
    }
}

impl KitError {
    /// A [`KitError::Io`] from what was tried on `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
