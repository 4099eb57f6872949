//! What can go wrong, in words a person can act on.

use std::io;
use std::path::{Path, PathBuf};

use crate::version::Version;

/// Why a part could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No environment variable says where a cache may be.
    #[error(
        "no place for the cache: set VFIO_USER_ISM_CACHE to a folder, or HOME or XDG_CACHE_HOME"
    )]
    NoCacheFolder,
    /// A file or folder could not be read, written or locked.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, e.g. `create`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program this crate needs is not there.
    #[error("cannot start {tool}: {source}; {advice}")]
    Tool {
        /// The program.
        tool: String,
        /// What to do about it.
        advice: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// apt or dpkg-deb ended with an error.
    #[error("{action} failed; {tool} says:\n{words}")]
    Failed {
        /// What was being done.
        action: String,
        /// The program.
        tool: String,
        /// Its own words, indented.
        words: String,
    },
    /// apt's configuration names no Debian mirror.
    #[error(
        "no Debian mirror in this machine's apt configuration ({looked_at}): set \
         VFIO_USER_ISM_MIRROR to the address of one, the folder that holds dists/ and pool/"
    )]
    NoMirror {
        /// What was looked at.
        looked_at: String,
    },
    /// The mirror's address cannot stand in a source list.
    #[error("VFIO_USER_ISM_MIRROR={value:?} is no address of a Debian mirror: {expected}")]
    BadMirror {
        /// As given.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Debian's archive keys are not installed.
    #[error(
        "Debian's archive keys are not on this machine (looked for {looked_for}): install the \
         package debian-archive-keyring"
    )]
    NoKeyring {
        /// The files looked for.
        looked_for: String,
    },
    /// The fetched QEMU cannot run here.
    #[error(
        "no QEMU is fetched for this machine's architecture ({0}): give one of version \
         {min} or later, built with vfio-user-pci", min = Version::FIRST_WITH_VFIO_USER
    )]
    Architecture(&'static str),
    /// The QEMU that was named cannot be used.
    #[error("{} (from {named_by}) cannot be used: {reason}", path.display())]
    QemuUnsuitable {
        /// The program.
        path: PathBuf,
        /// Who named it: an argument or an environment variable.
        named_by: &'static str,
        /// Why not.
        reason: String,
    },
    /// The package lists could not be read, or do not match what Debian signed.
    #[error(
        "{action} failed; apt-get says:\n{words}\na mirror that is being brought up to date is \
         right again later; VFIO_USER_ISM_MIRROR names another one"
    )]
    Lists {
        /// What was being done.
        action: String,
        /// apt's own words, indented.
        words: String,
    },
    /// No suite has what is wanted.
    #[error("{what} cannot be had; what was tried:\n{tried}")]
    NoSuite {
        /// What is wanted.
        what: String,
        /// Each suite with its error.
        tried: String,
    },
    /// apt answered, but without what was asked for.
    #[error("{what}: expected {expected}, but apt said {got:?}")]
    Answer {
        /// The question.
        what: String,
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The packages arrived, but without a file that must be there.
    #[error("{packages} should hold {expected} but does not: {}", folder.display())]
    Missing {
        /// The packages.
        packages: String,
        /// The file.
        expected: String,
        /// The folder looked at.
        folder: PathBuf,
    },
    /// A file is too large for an initramfs.
    #[error("{path} has {bytes} bytes: a file of an initramfs has less than 4 GiB")]
    FileTooLarge {
        /// Its path inside the initramfs.
        path: String,
        /// Its size.
        bytes: u64,
    },
}

impl Error {
    /// An [`Error::Io`] from what was tried on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
