//! The server of the fabric: this program's own `serve`, as a child process.

use std::path::PathBuf;

use harness::Serving;
use rustix::process::Signal;

use crate::child::Child;
use crate::error::Error;
use crate::folder::Folder;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The functions' sockets, in the profile's order.
    pub functions: Vec<PathBuf>,
}

impl Server {
    /// Starts the server and waits until clients can connect.
    ///
    /// # Errors
    /// It cannot be started, or does not get ready.
    pub(crate) async fn start(serving: &Serving, folder: &Folder) -> Result<Self, Error> {
        let starting = serving.start(&folder.log("server.log"))?;
        let ready = tokio::task::spawn_blocking(|| starting.ready()).await;
        let ready = ready.map_err(|error| Error::system("wait for the server")(error.into()))?;
        let harness::Server { child, functions } = ready?;
        Ok(Self {
            child: Child::new(child, harness::Server::PATIENCE),
            functions,
        })
    }

    /// Process id of the server.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the server is running.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// Sends a signal to the server.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.child.signal(signal)
    }

    /// Asks the server to write its report.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn ask_for_report(&self) -> Result<(), Error> {
        self.signal(Signal::USR1)
    }

    /// Waits for an unexpected end of the server.
    pub(crate) async fn ended(&self) -> Error {
        Error::Server {
            how: self.child.ended().await,
            words: self.child.last_words(),
        }
    }

    /// Ends the server, so that it writes its report.
    pub(crate) async fn stop(&self) {
        self.child.stop().await;
    }
}
