//! The server of the fabric: this program's own `serve`, as a child process.

use std::path::PathBuf;

use harness::Serving;
use rustix::process::Signal;

use crate::child::Child;
use crate::error::Error;
use crate::folder::Folder;

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The functions' sockets, in the profile's order.
    pub functions: Vec<PathBuf>,
}

impl Server {
    /// Starts it and waits until clients can connect.
    ///
    /// # Errors
    /// It cannot be started, or does not get ready.
    pub async fn start(serving: &Serving<'_>, folder: &Folder) -> Result<Self, Error> {
        let starting = serving.start(&folder.log("server.log"))?;
        let ready = tokio::task::spawn_blocking(|| starting.ready()).await;
        let ready = ready.map_err(|error| Error::system("wait for the server")(error.into()))?;
        let harness::Server { child, functions } = ready?;
        Ok(Self {
            child: Child::new(child, harness::Server::PATIENCE),
            functions,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to write its report.
    ///
    /// # Errors
    /// It is gone.
    pub fn ask_for_report(&self) -> Result<(), Error> {
        self.child.signal(Signal::USR1)
    }

    /// Waits for an end that nobody asked for.
    pub async fn ended(&self) -> Error {
        Error::Server {
            how: self.child.ended().await,
            words: self.child.last_words(),
        }
    }

    /// Ends the server, so that it writes its report.
    pub async fn stop(&self) {
        self.child.stop().await;
    }
}
