//! The folder of a run's files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// The longest path that a UNIX socket's address can hold (`sun_path`, less its NUL).
const SOCKET_PATH: usize = 107;

/// The folders of a run's files. Sockets and images are in a temporary folder, which this value removes at
/// its end. Logs are there, too, or in a named folder that stays.
#[derive(Debug)]
pub struct Folder {
    passing: TempDir,
    kept: Option<PathBuf>,
}

impl Folder {
    /// Makes the temporary folder, and `keep` if it is missing.
    ///
    /// # Errors
    /// Either cannot be made, or the temporary folder's path is too long for sockets in it.
    pub fn new(keep: Option<&Path>) -> Result<Self, Error> {
        let passing = tempfile::Builder::new()
            .prefix("vfio-user-ism-lab-")
            .tempdir()
            .map_err(Error::file("create", &std::env::temp_dir()))?;
        // A socket's longest name in this folder has about this length.
        let room = passing.path().as_os_str().len() + "/guest255-agent9-stdout.sock".len();
        if room > SOCKET_PATH {
            return Err(Error::Usage(format!(
                "the temporary folder {} is too long a path for sockets: set TMPDIR to one of at most {} bytes",
                passing.path().display(),
                SOCKET_PATH - (room - std::env::temp_dir().as_os_str().len())
            )));
        }
        let kept = keep
            .map(|path| {
                std::fs::create_dir_all(path)
                    .and_then(|()| path.canonicalize())
                    .map_err(Error::file("create", path))
            })
            .transpose()?;
        Ok(Self { passing, kept })
    }

    /// Folders for a part of the run: its own temporary folder, and `name` below the folder that stays.
    ///
    /// # Errors
    /// As [`Folder::new`].
    pub fn part(&self, name: &str) -> Result<Self, Error> {
        let kept = self.kept.as_ref().map(|kept| kept.join(name));
        Self::new(kept.as_deref())
    }

    /// Path of a temporary file, such as a socket or an image.
    pub fn passing(&self, name: &str) -> PathBuf {
        self.passing.path().join(name)
    }

    /// Path of a log.
    pub fn log(&self, name: &str) -> PathBuf {
        self.kept
            .as_deref()
            .unwrap_or(self.passing.path())
            .join(name)
    }
}
