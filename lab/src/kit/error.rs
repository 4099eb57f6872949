//! The reasons why there is no kit.

use std::io;
use std::path::{Path, PathBuf};

use debian_fetch::Fault;

/// A reason why there is no kit.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// Packages could not be fetched, or a file or folder could not be read or written.
    #[error(transparent)]
    Fetch(#[from] debian_fetch::Error),
    /// A file is missing in a folder.
    #[error("no {what} in {}", folder.display())]
    Missing {
        /// The file.
        what: String,
        /// The searched folder.
        folder: PathBuf,
    },
    /// A file of the user's own kernel is unsuitable.
    #[error("{what}: {} is not {expected}", path.display())]
    Own {
        /// The kind of file.
        what: &'static str,
        /// The path from the command line.
        path: PathBuf,
        /// The expected content.
        expected: &'static str,
    },
    /// A series of kernels does not know an option of the debug kernel.
    #[error("the configuration of the debug kernel does not fit: {}", wrong.join("; "))]
    Options {
        /// A sentence for each option.
        wrong: Vec<String>,
    },
    /// Debian no longer has the packages of the kernel in the cache.
    #[error(
        "it has Linux {there}, and the one in the cache is {release}: `vfio-user-ism fetch lab --renew` \
         gets a newer one"
    )]
    Moved {
        /// The release that Debian has.
        there: String,
        /// The release in the cache.
        release: String,
    },
    /// The cache folder has a path that the kernel's make refuses.
    #[error(
        "kernel modules cannot be built below {}, because of the white space or colon in it: set \
         VFIO_USER_ISM_CACHE to another folder", path.display()
    )]
    Place {
        /// Path of the cache folder.
        path: PathBuf,
    },
}

impl Fault for KitError {
    fn is_local(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_local(),
            Self::Own { .. } | Self::Place { .. } => true,
            Self::Missing { .. } | Self::Options { .. } | Self::Moved { .. } => false,
        }
    }
}

impl KitError {
    /// Makes the error of an action on `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let failed = debian_fetch::Error::io(action, path);
        move |source| Self::Fetch(failed(source))
    }
}
