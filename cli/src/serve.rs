//! `serve`: from the flags to a running server, and to the exit status.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use vfio_user_ism_server::listen::{self, Sources};
use vfio_user_ism_server::profile::Plan;
use vfio_user_ism_server::{CaptureFile, EventLog, Request, ServeConfig, Server, SocketChoice};
use zpci_region::Severity;

use crate::announce::{self, Ready};
use crate::args::{SandboxMode, ServeArgs};
use crate::chosen::plan;
use crate::failure::{Failure, VIOLATIONS, system};
use crate::output::{pretty, print};
use crate::{capabilities, logging};

/// Serves until a signal arrives, or until the last client of a passed descriptor leaves.
pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    if args.print_capabilities {
        return print(&pretty(&capabilities::capabilities()));
    }
    logging::start(args.log_format);
    let plan = plan(args.profile.as_deref())?;
    // Take passed descriptors before this process opens its own: a wrong number must not hit one of ours.
    let ready = args.ready_fd.map(Ready::new).transpose()?;
    let config = ServeConfig {
        sockets: sockets(args, &plan)?,
        plan,
        events: args.events.clone().map(|path| EventLog {
            path,
            limit: args.events_limit,
        }),
        capture: args.capture.clone().map(|path| CaptureFile {
            path,
            limit: args.capture_limit,
            keep: args.capture_bytes,
        }),
        report: args.report.clone(),
        metrics: args.metrics.clone(),
        control: args.control.clone(),
        sandbox: args.sandbox.into(),
        poll: Duration::from_micros(args.poll_us),
    };
    if args.sandbox == SandboxMode::Off {
        tracing::warn!("no sandbox (--sandbox off)");
    }
    // This thread waits for signals. Each function has its own thread for its clients.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the runtime"))?;
    let mut server = Server::start(config).map_err(Failure::Start)?;
    let arguments = announce::arguments(server.hub(), server.paths());
    runtime.block_on(async {
        let mut terminate = on(SignalKind::terminate(), "cannot handle SIGTERM")?;
        let mut interrupt = on(SignalKind::interrupt(), "cannot handle SIGINT")?;
        let mut asked = on(SignalKind::user_defined1(), "cannot handle SIGUSR1")?;
        let mut failed = on(SignalKind::user_defined2(), "cannot handle SIGUSR2")?;
        announce::announce(&arguments, ready)?;
        let (ask, asking) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let (request, name) = tokio::select! {
                    _ = terminate.recv() => (Request::Stop, "SIGTERM"),
                    _ = interrupt.recv() => (Request::Stop, "SIGINT"),
                    _ = asked.recv() => (Request::Report, "SIGUSR1"),
                    _ = failed.recv() => (Request::Fail, "SIGUSR2"),
                };
                match request {
                    Request::Stop => tracing::info!("{name}: ending"),
                    Request::Fail => {
                        tracing::info!("{name}: every function enters the error state");
                    }
                    Request::Report => {}
                }
                if ask.send(request).await.is_err() {
                    break;
                }
            }
        });
        server.serve(asking).await.map_err(system("cannot serve"))
    })?;
    let worst = server.end().map_err(Failure::Report)?;
    let failed = args.fail_on != Severity::Off && worst >= Some(args.fail_on);
    Ok(ExitCode::from(if failed { VIOLATIONS } else { 0 }))
}

fn on(kind: SignalKind, what: &str) -> Result<Signal, Failure> {
    signal(kind).map_err(system(what))
}

/// The sockets from the flags or from systemd.
fn sockets(args: &ServeArgs, plan: &Plan) -> Result<SocketChoice, Failure> {
    let functions = plan.functions.len();
    let activated = listen::from_systemd(functions).map_err(Failure::Listen)?;
    let chosen = match (&args.socket_path, &args.socket_dir, args.fd) {
        (Some(path), _, _) => Some(SocketChoice::Path(path.clone())),
        (_, Some(folder), _) => Some(SocketChoice::Folder(folder.clone())),
        (_, _, Some(number)) => {
            let adopt = |number| listen::adopt(number).map_err(Failure::Listen);
            let clients = vec![adopt(number)?];
            let channels = args.insn_fd.into_iter().map(adopt);
            let channels = channels.collect::<Result<_, _>>()?;
            Some(SocketChoice::Open(Sources { clients, channels }))
        }
        (None, None, None) => None,
    };
    match (activated, chosen) {
        (Some(_), Some(_)) => Err(Failure::Usage(
            "systemd passed sockets, and --socket-path, --socket-dir or --fd is given: \
             expected one of them"
                .to_owned(),
        )),
        (Some(sources), None) => Ok(SocketChoice::Open(sources)),
        (None, Some(choice)) => Ok(choice),
        (None, None) => Err(Failure::NoSocket),
    }
}
