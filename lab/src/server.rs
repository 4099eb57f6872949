//! The server of the fabric: this program's own `serve`, as a child process.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::child::Child;
use crate::error::Error;
use crate::folder::Folder;

/// The server's arguments.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    /// The program whose `serve` it is.
    pub program: PathBuf,
    pub profile: PathBuf,
    /// The folder of the functions' sockets.
    pub sockets: PathBuf,
    /// The event file, if events are wanted.
    pub events: Option<PathBuf>,
    /// The capture file, if messages are wanted.
    pub capture: Option<PathBuf>,
    /// The file for the totals at the end.
    pub report: PathBuf,
    /// The control socket, if faults are wanted.
    pub control: Option<PathBuf>,
}

impl Serving {
    fn borrowed(&self) -> harness::Serving<'_> {
        harness::Serving {
            program: &self.program,
            profile: Some(&self.profile),
            sockets: &self.sockets,
            events: self.events.as_deref(),
            capture: self.capture.as_deref(),
            report: Some(&self.report),
            control: self.control.as_deref(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The functions' sockets, in the profile's order.
    pub functions: Vec<PathBuf>,
}

impl Server {
    /// Starts it and waits until clients can connect.
    ///
    /// # Errors
    /// It cannot be started, or does not get ready.
    pub(crate) async fn start(serving: &Serving, folder: &Folder) -> Result<Self, Error> {
        let starting = serving.borrowed().start(&folder.log("server.log"))?;
        let ready = tokio::task::spawn_blocking(|| starting.ready()).await;
        let ready = ready.map_err(|error| Error::system("wait for the server")(error.into()))?;
        let harness::Server { child, functions } = ready?;
        Ok(Self {
            child: Child::new(child, harness::Server::PATIENCE),
            functions,
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.child.signal(signal)
    }

    /// Asks it to write its report.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn ask_for_report(&self) -> Result<(), Error> {
        self.signal(Signal::USR1)
    }

    /// Waits for an end that nobody asked for.
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
