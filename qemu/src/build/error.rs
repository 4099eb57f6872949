//! Errors of a build.

use std::path::PathBuf;

use debian_fetch::{Error as FetchError, Fault};

use crate::tree::TreeError;

/// A reason why there is no QEMU with the changes.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Packages could not be fetched, or a program failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The changes do not fit the source.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The user's source cannot be used.
    #[error("--source {}: {reason}", path.display())]
    Source {
        /// The path from the command line.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The folder has a path that QEMU's configure refuses.
    #[error(
        "QEMU cannot be built below {}, because of the white space or colon in it: set \
         VFIO_USER_ISM_CACHE to another folder", .0.display()
    )]
    Place(PathBuf),
    /// The built QEMU does not work as it should.
    #[error("the QEMU that was built cannot be used: {0}")]
    Unfit(String),
}

impl Fault for BuildError {
    fn is_local(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_local(),
            Self::Source { .. } | Self::Place(_) => true,
            Self::Tree(_) | Self::Unfit(_) => false,
        }
    }
}
