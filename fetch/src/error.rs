//! Errors. Their texts say what the user can do.

use std::io;
use std::path::{Path, PathBuf};

use crate::version::Version;

/// A reason why a part cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No environment variable gives a place for the cache.
    #[error(
        "no place for the cache: set VFIO_USER_ISM_CACHE to a folder, or HOME or XDG_CACHE_HOME"
    )]
    NoCacheFolder,
    /// A file or folder could not be read, written or locked.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action, for example `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// No setting names a Debian mirror.
    #[error(
        "no Debian mirror is known: this machine's apt sources ({looked_at}) name none. Set \
         VFIO_USER_ISM_MIRROR to the address of one, the folder that holds dists/ and pool/"
    )]
    NoMirror {
        /// The searched file or text.
        looked_at: String,
    },
    /// A mirror's address cannot be used.
    #[error("{variable}={value:?} is no address of a Debian mirror: {expected}")]
    BadMirror {
        /// The variable with the address.
        variable: &'static str,
        /// The value of the variable.
        value: String,
        /// The expected form.
        expected: &'static str,
    },
    /// The setting for a proxy has no address.
    #[error(
        "{named_by}={value:?} is no address of a proxy: expected http://HOST:PORT, or nothing at all"
    )]
    BadProxy {
        /// The variable, or apt's setting.
        named_by: &'static str,
        /// The value of the setting.
        value: String,
    },
    /// A keyring has no usable key.
    #[error("{} holds no OpenPGP keys (from VFIO_USER_ISM_KEYRING)", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
    },
    /// The fetched QEMU cannot run on this machine.
    #[error(
        "no QEMU is fetched for this machine's architecture ({0}): give one of version \
         {min} or later, built with vfio-user-pci", min = Version::FIRST_WITH_VFIO_USER
    )]
    Architecture(&'static str),
    /// `--arch` was given for a part that is the same on every host.
    #[error("--arch chooses the hosts that a QEMU is for: expected `fetch qemu --arch ...`")]
    ArchWithoutQemu,
    /// The named QEMU cannot be used.
    #[error("{} (from {named_by}) cannot be used: {reason}", path.display())]
    QemuUnsuitable {
        /// The program.
        path: PathBuf,
        /// The argument or the environment variable that named it.
        named_by: &'static str,
        /// The reason.
        reason: String,
    },
    /// A suite's package lists cannot be downloaded, or differ from the signed ones.
    #[error("the lists of {suite} cannot be used: {words}")]
    Lists {
        /// The suite.
        suite: String,
        /// The reason.
        words: String,
    },
    /// A package, or one of its dependencies, is missing.
    #[error("{0}")]
    Packages(String),
    /// A package file cannot be unpacked.
    #[error("{package} cannot be unpacked: {source}")]
    Unpack {
        /// Name and version of the package.
        package: String,
        /// The reason.
        source: io::Error,
    },
    /// All sources of a part have failed.
    #[error("cannot fetch {what}. Failed attempts:\n{}\n{ADVICE}", listed(tried))]
    NothingLeft {
        /// The wanted part.
        what: String,
        /// Each candidate with its error.
        tried: Vec<(String, String)>,
    },
    /// The packages lack a file that must be there.
    #[error("{packages} should hold {expected} but does not: {}", folder.display())]
    Missing {
        /// The packages.
        packages: String,
        /// The file.
        expected: String,
        /// The searched folder.
        folder: PathBuf,
    },
    /// A program could not be started.
    #[error("{step}: cannot start {program}: {source}")]
    Start {
        /// The attempted action.
        step: String,
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{step} failed; all of it is in {}, which ends so:\n{tail}", log.display())]
    Build {
        /// The attempted action.
        step: String,
        /// The log.
        log: PathBuf,
        /// The last lines of the log, indented.
        tail: String,
    },
    /// A file is too large for an initramfs.
    #[error("{path} has {bytes} bytes: a file of an initramfs has less than 4 GiB")]
    FileTooLarge {
        /// Path of the file in the initramfs.
        path: String,
        /// Bytes of the file.
        bytes: u64,
    },
}

const ADVICE: &str = "If the mirror is being updated, try again later. \
                      VFIO_USER_ISM_MIRROR names another mirror, VFIO_USER_ISM_SUITES other suites.";

impl Error {
    /// Makes an [`Error::Io`] about an action on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Makes an [`Error::Lists`] from its reason.
    pub(crate) fn lists(suite: &str) -> impl FnOnce(String) -> Self {
        let suite = suite.to_owned();
        move |words| Self::Lists { suite, words }
    }

    /// Whether this machine is at fault, so that no other candidate would work: a full disk, missing rights,
    /// a wrong variable.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Unpack { source, .. } => is_local(source),
            Self::Lists { .. }
            | Self::Packages(_)
            | Self::QemuUnsuitable { .. }
            | Self::Missing { .. }
            | Self::Start { .. }
            | Self::Build { .. } => false,
            _ => true,
        }
    }
}

/// Whether the system refuses because of this machine's state, not because of a file's content.
pub(crate) fn is_local(error: &io::Error) -> bool {
    // tar wraps the system's error and keeps its kind.
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn listed(tried: &[(String, String)]) -> String {
    let lines: Vec<_> = tried
        .iter()
        .map(|(candidate, words)| format!("  {candidate}: {}", words.replace('\n', "\n    ")))
        .collect();
    lines.join("\n")
}
