//! Errors of a build.

use std::path::PathBuf;

use debian_fetch::{Error as FetchError, Fault};

use crate::tree::TreeError;

/// Why there is no such QEMU.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Packages cannot be had, or a program failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The changes do not fit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The user's source cannot be used.
    #[error("--source {}: {reason}", path.display())]
    Source {
        /// As given.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// QEMU's configure refuses such paths.
    #[error(
        "QEMU cannot be built below {}, because of the white space or colon in it: set \
         VFIO_USER_ISM_CACHE to another folder", .0.display()
    )]
    Place(PathBuf),
    /// It was built, and does not do what it should.
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
