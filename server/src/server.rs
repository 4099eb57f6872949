//! Runs a server from its settings to its last report.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ism::FabricError;
use tokio::sync::{mpsc, watch};
use zpci_region::Severity;
use zpci_region::request::CarrierPolicy;

use crate::config::ServeConfig;
use crate::control;
use crate::guest::irq_watch;
use crate::hub::Hub;
use crate::listen::sockets::{Sockets, SocketsError};
use crate::listen::{self, ListenError, SocketFile, Source};
use crate::profile::Plan;
use crate::record::reporting::Reporting;
use crate::record::{Capture, CaptureError, EventError, EventFile, ReportError, ReportFile};
use crate::sandbox::{Needs, Sandbox, SandboxError};
use crate::serve::threads::Threads;
use crate::serve::{self, descriptor_limit};

/// The reason why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server cannot use its sockets.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The server cannot create the event file.
    #[error("cannot start")]
    Events(#[source] EventError),
    /// The server cannot use the socket for metrics.
    #[error("cannot start: --metrics")]
    Metrics(#[source] ListenError),
    /// The server cannot use the control socket.
    #[error("cannot start: --control")]
    Control(#[source] ListenError),
    /// The server cannot create the capture file.
    #[error("cannot start")]
    Capture(#[source] CaptureError),
    /// The server cannot open the report file.
    #[error("cannot start")]
    ReportFile(#[source] ReportError),
    /// The server cannot enter the sandbox.
    #[error("cannot start")]
    Sandbox(#[source] SandboxError),
    /// The fabric rejected the functions.
    #[error("cannot start: {0}")]
    Fabric(FabricError),
    /// A thread did not start.
    #[error("cannot start {what}")]
    Thread {
        /// The task of the thread.
        what: &'static str,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
}

/// A request to a running server, from the program that started it.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// Write a report now.
    Report,
    /// Put every function into the error state.
    Fail,
    /// End the server and write the last report.
    Stop,
}

/// A server whose sockets accept connections.
pub struct Server {
    hub: Arc<Hub>,
    threads: Threads,
    sockets: Sockets,
    reporting: Reporting,
    metrics: Option<Beside>,
    control: Option<Beside>,
    /// The user of this process. The sandbox forbids asking for it later.
    user: u32,
}

/// A socket besides those of the functions, and its file, which is removed with it.
#[derive(Debug)]
struct Beside {
    listener: Option<UnixListener>,
    _file: SocketFile,
}

impl Beside {
    fn bind(path: &Path) -> Result<Self, ListenError> {
        let (source, file) = listen::bind(path)?;
        let listener = match source {
            Source::Listener(listener) => Some(listener),
            Source::Connected(_) => None,
        };
        Ok(Self {
            listener,
            _file: file,
        })
    }
}

impl Server {
    /// Opens sockets and files, enters the sandbox and starts a thread for each function.
    ///
    /// In the sandbox, the calling process can open nothing more. Create the runtime before this call.
    pub fn start(config: ServeConfig) -> Result<Self, StartError> {
        let plan = config.plan;
        descriptor_limit::raise(plan.functions.len());
        let sockets = Sockets::open(config.sockets, &plan)?;
        let events = config
            .events
            .map(|log| EventFile::create(&log.path, log.limit))
            .transpose()
            .map_err(StartError::Events)?;
        let names = plan
            .functions
            .iter()
            .map(|function| function.config.name.as_str());
        let capture = config
            .capture
            .map(|file| Capture::create(&file.path, file.limit, file.keep, names))
            .transpose()
            .map_err(StartError::Capture)?;
        let report = config.report.as_deref().map(ReportFile::open).transpose();
        let reporting = Reporting::new(report.map_err(StartError::ReportFile)?);
        let metrics = config
            .metrics
            .as_deref()
            .map(Beside::bind)
            .transpose()
            .map_err(StartError::Metrics)?;
        let control = config
            .control
            .as_deref()
            .map(Beside::bind)
            .transpose()
            .map_err(StartError::Control)?;
        // Threads that start after this line are restricted too.
        let user = rustix::process::geteuid().as_raw();
        let beside = [config.metrics.as_deref(), config.control.as_deref()];
        let needs = needs(&plan, &sockets, beside);
        let sandbox =
            Sandbox::restrict_files(config.sandbox, &needs).map_err(StartError::Sandbox)?;
        let hub = Hub::with_capture(plan, events, capture).map_err(StartError::Fabric)?;
        hub.set_poll(config.poll);
        if config.metrics.is_some() {
            hub.time_accesses();
        }
        let thread = |what| move |source| StartError::Thread { what, source };
        let threads = Threads::start(hub.names()).map_err(thread("a thread for every function"))?;
        irq_watch::start().map_err(thread("the thread that watches eventfds"))?;
        sandbox.restrict_calls().map_err(StartError::Sandbox)?;
        Ok(Self {
            hub,
            threads,
            sockets,
            reporting,
            metrics,
            control,
            user,
        })
    }

    /// Returns the functions of the server.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The path of each function's socket, if it has one.
    pub fn paths(&self) -> &[Option<PathBuf>] {
        &self.sockets.paths
    }

    /// Serves until a request ends it, until no requester is left, or until every client that came as a
    /// connected socket has left. An instruction channel alone does not keep it running.
    pub async fn serve(&mut self, mut requests: mpsc::Receiver<Request>) -> std::io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let sources = std::mem::take(&mut self.sockets.sources);
        let serving = serve::serve(&self.hub, sources, &self.threads, stopped);
        let writing = self.hub.write_events();
        let listener = |own: &mut Option<Beside>| own.as_mut().and_then(|own| own.listener.take());
        let answering = serve::metrics::answer(listener(&mut self.metrics), &self.hub);
        let controlling = control::serve(listener(&mut self.control), self.user, &self.hub);
        let put_off = self.hub.carry_out_put_off();
        tokio::pin!(serving, writing, answering, controlling, put_off);
        loop {
            tokio::select! {
                ended = &mut serving => return ended,
                () = &mut writing => {}
                () = &mut answering => {}
                () = &mut controlling => {}
                () = &mut put_off => {}
                request = requests.recv() => match request {
                    Some(Request::Report) => self.reporting.now(&self.hub),
                    Some(Request::Fail) => self.hub.fail(),
                    Some(Request::Stop) | None => break,
                }
            }
        }
        let _ = stop.send(true);
        serving.await
    }

    /// Removes the socket files and writes the last report. Returns the highest severity of a violation, if
    /// there was one.
    pub fn end(self) -> Result<Option<Severity>, ReportError> {
        drop(self.threads);
        drop(self.sockets);
        self.reporting.end(&self.hub)?;
        Ok(self.hub.worst())
    }
}

/// Returns the rights that the sandbox must leave.
fn needs<'a>(plan: &Plan, sockets: &'a Sockets, beside: [Option<&'a Path>; 2]) -> Needs<'a> {
    let paths = sockets.paths.iter().flatten().map(PathBuf::as_path);
    let paths = paths.chain(beside.into_iter().flatten());
    Needs {
        socket_folders: paths.filter_map(|path| path.parent()).collect(),
        client_memory: plan.functions.iter().any(|function| {
            matches!(
                function.carrier,
                CarrierPolicy::Auto | CarrierPolicy::Process
            )
        }),
    }
}
