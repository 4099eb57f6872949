//! The server of one function under test.

use std::path::{Path, PathBuf};

use harness::{ServerError, Serving};

/// A running server with one function, and its files.
#[derive(Debug)]
pub(crate) struct Server {
    server: harness::Server,
    /// The event file. It is complete after [`Self::stop`].
    pub events: PathBuf,
}

impl Server {
    /// Starts `program serve` in `folder` and waits until clients can connect.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub(crate) fn start(
        program: &Path,
        profile: Option<&Path>,
        folder: &Path,
    ) -> Result<Self, ServerError> {
        let events = folder.join("events.jsonl");
        let serving = Serving {
            program: program.to_owned(),
            profile: profile.map(Path::to_owned),
            sockets: folder.to_owned(),
            events: Some(events.clone()),
            ..Serving::default()
        };
        let server = serving.start(&folder.join("server.log"))?.ready()?;
        Ok(Self { server, events })
    }

    /// The socket for QEMU.
    pub(crate) fn socket(&self) -> &Path {
        self.server
            .functions
            .first()
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// The socket of the instruction channel.
    pub(crate) fn channel(&self) -> PathBuf {
        harness::Server::channel(self.socket())
    }

    /// Ends the server, so that its event file is complete.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}
